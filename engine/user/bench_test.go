package user_test

import (
	"context"
	"testing"
	"time"

	"tidegauge/engine/protocol"
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
