package measure

import (
	"math"
	"testing"
	"time"
	"unsafe"

	"tidegauge/engine/hist"
	"tidegauge/engine/protocol"
)

type histogram = hist.Histogram

// take returns what was recorded since the last time, as Run does.
func take(r *Recorder) *Totals {
	s := newSeries(r, time.Now(), nil)
	t, _, _ := s.take()
	return t
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-12 }

func TestObserve(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name              string
		outcome           protocol.Outcome
		sent, finished    time.Duration // after intended
		response, service float64
		books             Books
	}{
		{"in time", protocol.OK, 0, 80 * time.Millisecond, 0.08, 0.08, Books{1, 1, 0, 1, 0}},
		{"sent late", protocol.OK, 50 * time.Millisecond, 80 * time.Millisecond, 0.08, 0.03, Books{1, 1, 0, 1, 0}},
		{"failed", protocol.Timeout, time.Second, 3 * time.Second, 3, 2, Books{1, 1, 0, 1, 0}},
		{"cut", protocol.Cut, 0, time.Second, 1, 1, Books{1, 1, 0, 0, 1}},
		{"sent before it was due", protocol.OK, -10 * time.Millisecond, 20 * time.Millisecond, 0.02, 0.03, Books{1, 1, 0, 1, 0}},
		{"clock went back", protocol.OK, 0, -time.Second, 0, 0, Books{1, 1, 0, 1, 0}},
	} {
		r := New(twoNames(), Options{})
		s := r.Shard(0)
		s.StartRequest(1)
		s.Observe(&Observation{
			Request: 1, Outcome: c.outcome, Intended: at, Sent: at.Add(c.sent), Finished: at.Add(c.finished),
			BytesSent: 5, BytesReceived: -1, Timings: protocol.Timings{DNS: time.Second, Wait: 2 * time.Second, Receive: -1},
		})
		total := take(r)
		got := &total.Requests[1]
		o := &got.Outcomes[c.outcome]
		if o.ResponseTime.Count() != 1 || !near(o.ResponseTime.Max(), c.response) || o.ServiceTime.Count() != 1 || !near(o.ServiceTime.Max(), c.service) {
			t.Errorf("%s: response time %v service time %v, want %v %v", c.name, o.ResponseTime.Max(), o.ServiceTime.Max(), c.response, c.service)
		}
		if got.Books != c.books || !got.Books.Balanced() {
			t.Errorf("%s: books %+v, want %+v", c.name, got.Books, c.books)
		}
		if got.BytesSent != 5 || got.BytesReceived != 0 {
			t.Errorf("%s: bytes %d %d, want 5 0", c.name, got.BytesSent, got.BytesReceived)
		}
		var recorded [Phases]float64
		for p := range recorded {
			recorded[p] = total.Classes[1].Phases[p].Sum()
		}
		want := [Phases]float64{DNS: 1, Wait: 2}
		if c.outcome == protocol.Cut {
			want = [Phases]float64{}
		}
		if recorded != want {
			t.Errorf("%s: phases %v, want %v", c.name, recorded, want)
		}
	}
}

func TestEveryPhaseHasItsHistogram(t *testing.T) {
	r := New(twoNames(), Options{})
	now := time.Now()
	r.Shard(0).Observe(&Observation{Intended: now, Sent: now, Finished: now, Timings: protocol.Timings{DNS: 1e9, Connect: 2e9, TLS: 3e9, Wait: 4e9, Receive: 5e9}})
	r.Shard(0).StartIteration(0, now, now.Add(6*time.Second), now.Add(13*time.Second))
	c := &take(r).Classes[0]
	for p, want := range map[Phase]float64{Blocked: 6, DNS: 1, Connect: 2, TLS: 3, Wait: 4, Receive: 5} {
		if got := c.Phases[p].Sum(); got != want {
			t.Errorf("phase %s: %v, want %v", p, got, want)
		}
	}
	if got := c.Lateness.Sum(); got != 7 {
		t.Errorf("lateness %v, want 7", got)
	}
	if got := Phase(Phases).String() + Phase(-1).String(); got != "invalidinvalid" {
		t.Errorf("names of no phases: %q", got)
	}
}

func TestIterations(t *testing.T) {
	r := New(twoNames(), Options{Shards: 2})
	now := time.Now()
	r.Shard(0).Intend(1, 5)
	r.Shard(1).Drop(1, now)
	r.Shard(1).Drop(1, now)
	for i := range 3 {
		r.Shard(i).StartIteration(1, now, now, now)
	}
	r.Shard(0).FinishIteration(1, now, now.Add(250*time.Millisecond))
	r.Shard(1).FinishIteration(1, now, now.Add(750*time.Millisecond))
	r.Shard(0).CutIteration(1)
	total := take(r)
	c := &total.Classes[1]
	if want := (Books{Intended: 5, Started: 3, Dropped: 2, Finished: 2, Cut: 1}); c.Iterations != want || !want.Balanced() {
		t.Errorf("books %+v, want %+v", c.Iterations, want)
	}
	if c.IterationDuration.Count() != 2 || c.IterationDuration.Mean() != 0.5 {
		t.Errorf("durations: %d, mean %v, want 2, 0.5", c.IterationDuration.Count(), c.IterationDuration.Mean())
	}
	// In time and never blocked: a lateness of 0, and no phase.
	if c.Lateness.Count() != 3 || c.Lateness.Max() != 0 || c.Phases[Blocked].Count() != 0 {
		t.Errorf("lateness: %d up to %v; blocked: %d", c.Lateness.Count(), c.Lateness.Max(), c.Phases[Blocked].Count())
	}
	if total.Classes[0].Iterations != (Books{}) {
		t.Errorf("the other class: %+v", total.Classes[0].Iterations)
	}
}

func TestRequestOfAnUnknownClass(t *testing.T) {
	r := New(&Names{Requests: []Request{{Class: "nobody"}}}, Options{})
	finish(r.Shard(0), 0, protocol.OK, time.Second)
	if got := take(r).RequestBooks().Finished; got != 1 {
		t.Errorf("%d finished, want 1", got)
	}
}

// An index that does not exist is the caller's mistake; it must not leave the shard locked for the others.
func TestShardSurvivesAPanic(t *testing.T) {
	r := New(twoNames(), Options{Shards: 1})
	s := r.Shard(0)
	for name, f := range map[string]func(){
		"request": func() { s.StartRequest(2) },
		"observe": func() { s.Observe(&Observation{Request: 2}) },
		"outcome": func() { s.Observe(&Observation{Outcome: protocol.Outcome(protocol.Outcomes)}) },
		"class":   func() { s.Intend(-1, 1) },
		"check":   func() { s.Check(1, true) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
		s.Check(0, true)
	}
	if got := take(r).Checks[0].Passed; got != 5 {
		t.Errorf("%d checks, want 5", got)
	}
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	names := manyNames(1000)
	l := newLoad(names)
	s := New(names, Options{Shards: 1}).Shard(0)
	// Warm up: every request has seen both outcomes, its shortest and its longest times; every class the same time so often
	// that it needs wide counts; then a load as later.
	for request := range names.Requests {
		for _, o := range []protocol.Outcome{protocol.OK, protocol.Status} {
			for _, d := range []time.Duration{time.Millisecond, time.Second} {
				s.Observe(&Observation{Request: request, Outcome: o, Intended: noon, Sent: noon, Finished: noon.Add(d)})
			}
		}
	}
	for i := range 300 * len(names.Classes) {
		s.Observe(&Observation{Request: i % len(names.Classes), Timings: protocol.Timings{Wait: 1e6, Receive: 1e6}})
	}
	l.run(s.Observe, times(50_000))
	var all []Observation
	l.run(func(o *Observation) { all = append(all, *o) }, times(20_000))
	if allocs := testing.AllocsPerRun(3, func() {
		for i := range all {
			s.Observe(&all[i])
		}
	}); allocs != 0 {
		t.Errorf("%v allocations for %d observations, want 0", allocs, len(all))
	}
	now := time.Now()
	if allocs := testing.AllocsPerRun(100, func() {
		s.Intend(0, 1)
		s.StartIteration(0, now, now, now)
		s.StartRequest(7)
		s.Check(7, true)
		s.FinishIteration(0, now, now)
		s.CutIteration(0)
		s.Drop(0, now)
	}); allocs != 0 {
		t.Errorf("%v allocations around an observation, want 0", allocs)
	}
}

// What the benchmark measures depends on it: the histograms of OK in front, an odd number of cache lines in all.
func TestLayout(t *testing.T) {
	var r RequestTotals
	if end := unsafe.Offsetof(r.Outcomes) + unsafe.Sizeof(r.Outcomes[0]); end > 4*64 {
		t.Errorf("what recording touches ends at byte %d", end)
	}
	if size := unsafe.Sizeof(r); size%64 != 0 || size/64%2 != 1 {
		t.Errorf("%d bytes are not an odd number of cache lines", size)
	}
}
