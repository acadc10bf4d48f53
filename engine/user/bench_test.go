package user_test

import (
	"context"
	"testing"
	"time"

	"tidegauge/engine/event"
	"tidegauge/engine/protocol"
	"tidegauge/engine/trace"
)

// nobody answers at once.
type nobody struct{}

func (nobody) Do(_ context.Context, _ *protocol.Request, resp *protocol.Response) protocol.Outcome {
	resp.Sent = time.Now()
	resp.Finished = resp.Sent
	resp.Status = 200
	return protocol.OK
}

func (nobody) Close() error { return nil }

const staticPlan = `
target: {base_url: "http://shop.test", timeout: 2s, headers: {Accept: "*/*"}}
classes: {A: {tasks: [{get: /items, check: [status == 200]}]}}
`

// TestIterationAllocations: an iteration of requests that do not change allocates nothing.
func TestIterationAllocations(t *testing.T) {
	s := newRig(t, staticPlan, nobody{}).session(0, 1)
	now := time.Now()
	s.Iterate(t.Context(), now, now)
	allocations := testing.AllocsPerRun(1000, func() { s.Iterate(t.Context(), now, now) })
	if allocations > 0 {
		t.Errorf("%v allocations in an iteration, want 0", allocations)
	}
}

// BenchmarkIterate is what an iteration costs besides the network.
func BenchmarkIterate(b *testing.B) {
	for name, text := range map[string]string{
		"static": staticPlan,
		"dynamic": `
target: {base_url: "http://shop.test", timeout: 2s, headers: {Accept: "*/*"}}
classes: {A: {tasks: [{post: "/items/${user}", json: {n: "${randInt(1, 9)}"}, check: [status == 200, duration < 1]}]}}
`,
	} {
		b.Run(name, func(b *testing.B) {
			s := newRig(b, text, nobody{}).session(0, 1)
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				s.Iterate(b.Context(), now, now)
			}
		})
	}
}

// room takes every span and forgets it.
type room struct{}

func (room) Offer(trace.Span) bool { return true }

// BenchmarkTrace compares an iteration without tracing, with the default ratio, and with everything exported.
func BenchmarkTrace(b *testing.B) {
	cost := map[string]float64{}
	for _, c := range []struct {
		name   string
		tracer *trace.Tracer
	}{
		{"off", nil},
		{"1%", trace.New(trace.Options{Run: &event.Run{}, Ratio: 0.01, Slow: time.Hour, Queues: []trace.Queue{room{}}})},
		{"100%", trace.New(trace.Options{Run: &event.Run{}, Ratio: 1, Slow: time.Hour, Queues: []trace.Queue{room{}}})},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := newRigWith(b, staticPlan, nobody{}, c.tracer).session(0, 1)
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				s.Iterate(b.Context(), now, now)
			}
			cost[c.name] = float64(b.Elapsed()) / float64(b.N)
			b.ReportMetric(cost[c.name]/cost["off"], "×off")
		})
	}
}

// TestTraceAllocations: a traced request costs one string, its header's, if it is not exported.
func TestTraceAllocations(t *testing.T) {
	tracer := trace.New(trace.Options{Run: &event.Run{}, Ratio: 0, Slow: time.Hour})
	s := newRigWith(t, staticPlan, nobody{}, tracer).session(0, 1)
	now := time.Now()
	s.Iterate(t.Context(), now, now)
	if n := testing.AllocsPerRun(1000, func() { now := time.Now(); s.Iterate(t.Context(), now, now) }); n > 1 {
		t.Errorf("%v allocations in a traced iteration, want 1", n)
	}
}
