package run

import (
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
)

func TestOpenMakesExactlyTheIntendedRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(25 * ms)}
		res, tp := perform(t.Context(), t, tg, withStopTimeout(options(t, tg, openShape(10, stageOf(100, 100, 2*time.Second))), time.Second))
		if want := (measure.Books{Intended: 200, Started: 200, Finished: 200}); tp.books() != want {
			t.Errorf("books %+v, want %+v", tp.books(), want)
		}
		for n, at := range tg.sent {
			if got, want := at.Sub(res.Start), time.Duration(n)*10*ms; got != want {
				t.Fatalf("request %d sent at %v, want %v", n, got, want)
			}
		}
		// With 25 ms at a time 3 users are at work and a 4th leads.
		if tg.opened > 4 || tg.most != 3 {
			t.Errorf("%d users, %d at work at once, want at most 4 and 3", tg.opened, tg.most)
		}
		if got := res.End.Sub(res.Start); got != 2*time.Second+15*ms {
			t.Errorf("the run took %v", got)
		}
		if res.Stopped || res.Cancelled || res.SinkErrors != nil {
			t.Errorf("result %+v", res)
		}
	})
}

func TestOpenRamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(time.Second)}
		_, tp := perform(t.Context(), t, tg, withStopTimeout(options(t, tg,
			openShape(1000, stageOf(0, 100, 2*time.Second), stageOf(100, 100, time.Second), stageOf(100, 0, 2*time.Second))), 5*time.Second))
		if want := (measure.Books{Intended: 300, Started: 300, Finished: 300}); tp.books() != want {
			t.Errorf("books %+v, want %+v", tp.books(), want)
		}
		if tg.most > 101 {
			t.Errorf("%d requests at once, want 100", tg.most)
		}
	})
}

// The target stalls for 1 s under 100 requests/s over one connection. Measured from the send, one request was slow; measured
// from the intended start a hundred were: the k-th of them took 1 s - k·9.9 ms. Of 160 requests 5% are 8, so p95 is
// that of k = 8.
func TestStallIsSeenFromTheIntendedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		tg := &target{latency: func(sent time.Time) time.Duration {
			if at := sent.Sub(start); at >= 400*ms && at < 405*ms {
				return time.Second
			}
			return ms / 10
		}}
		_, tp := perform(t.Context(), t, tg, options(t, tg, openShape(1, stageOf(100, 100, 1600*ms))))
		if want := (measure.Books{Intended: 160, Started: 160, Finished: 160}); tp.books() != want {
			t.Errorf("books %+v, want %+v", tp.books(), want)
		}
		outcome := &tp.last.Requests[0].Outcomes[protocol.OK]
		within(t, "p95 of response time", outcome.ResponseTime.Quantile(0.95), 0.92, 0.01)
		if p99 := outcome.ServiceTime.Quantile(0.99); p99 > 0.00011 {
			t.Errorf("p99 of service time = %v, want 0.1 ms", p99)
		}
		c := &tp.last.Classes[0]
		if c.Lateness.Max() != 0 {
			t.Errorf("lateness up to %v: the target's stall is not the generator's doing", c.Lateness.Max())
		}
		within(t, "the longest blocked", c.Phases[measure.Blocked].Max(), 0.99, 0.01)
		if got := c.Phases[measure.Blocked].Count(); got != 100 {
			t.Errorf("%d arrivals were blocked, want 100", got)
		}
		// While it lasts the books show what waits, to a tenth of a second.
		if b := tp.at(time.Second).books; b.Intended < 91 || b.Intended > 101 || b.Started != 41 {
			t.Errorf("at 1 s the books were %+v, want 91 to 101 intended and 41 started", b)
		}
	})
}

func TestWhatNeverStartedIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(300 * ms)}
		_, tp := perform(t.Context(), t, tg, withStopTimeout(options(t, tg, openShape(2, stageOf(100, 100, time.Second))), time.Second))
		// Two users start at 0, 10 ms, and every 300 ms then: 8 by the end.
		if want := (measure.Books{Intended: 100, Started: 8, Dropped: 92, Finished: 8}); tp.books() != want {
			t.Errorf("books %+v, want %+v", tp.books(), want)
		}
	})
}

func TestClassesShareThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(15 * ms)}
		o := withStopTimeout(options(t, tg, openShape(2, stageOf(100, 100, 4*time.Second)),
			class(t, "pay", 3, plan.Wait{}), class(t, "list", 1, plan.Wait{})), time.Second)
		_, tp := perform(t.Context(), t, tg, o)
		for i, want := range []uint64{300, 100} {
			if got := tp.last.Classes[i].Iterations; got != (measure.Books{Intended: want, Started: want, Finished: want}) {
				t.Errorf("books of class %d are %+v, want %d finished", i, got, want)
			}
		}
		if tg.requests["http://target/pay"] != 300 || tg.requests["http://target/list"] != 100 {
			t.Errorf("requests %v, want 300 and 100", tg.requests)
		}
		if tg.opened > 4 {
			t.Errorf("%d clients, want at most one for each of 2 users and 2 classes", tg.opened)
		}
	})
}
