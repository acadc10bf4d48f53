package run

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
	"tidegauge/engine/user"
	"tidegauge/engine/value"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// target is what fake clients talk to.
type target struct {
	latency func(sent time.Time) time.Duration // nil: none
	dialed  error                              // what making a client comes to

	mu       sync.Mutex
	sent     []time.Time
	now      int // requests under way
	most     int
	opened   int // clients
	closed   int
	requests map[string]int // by URL
}

func (t *target) dial() (protocol.Client, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dialed != nil {
		return nil, t.dialed
	}
	t.opened++
	return &client{target: t}, nil
}

type client struct {
	target   *target
	closed   bool
	requests int
}

func (c *client) Do(ctx context.Context, q *protocol.Request, r *protocol.Response) protocol.Outcome {
	if c.closed {
		panic("Do after Close")
	}
	c.requests++
	t := c.target
	r.Sent, r.Status, r.Detail = time.Now(), 200, ""
	t.mu.Lock()
	t.sent = append(t.sent, r.Sent)
	t.now++
	t.most = max(t.most, t.now)
	if t.requests == nil {
		t.requests = map[string]int{}
	}
	t.requests[q.URL]++
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		t.now--
		t.mu.Unlock()
		r.Finished = time.Now()
	}()
	if t.latency != nil {
		timer := time.NewTimer(t.latency(r.Sent))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return protocol.Cut
		}
	}
	return protocol.OK
}

func (c *client) Close() error {
	c.target.mu.Lock()
	defer c.target.mu.Unlock()
	c.closed = true
	c.target.closed++
	return errors.New("connection reset by peer")
}

// class is a user class with one task of one request.
func class(t testing.TB, name string, weight int, wait plan.Wait) plan.UserClass {
	t.Helper()
	url, err := new(value.Compiler).URL("http://target/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return plan.UserClass{Name: name, Weight: weight, Wait: wait, Tasks: []plan.Task{{
		Name: "get", Weight: 1,
		Steps: []plan.Step{{Request: &plan.Request{Name: "GET /" + name, Method: "GET", URL: url}}},
	}}}
}

func constant(d time.Duration) plan.Wait { return plan.Wait{Kind: plan.Constant, Min: d} }

// options prepares a run of a shape against a target.
func options(t testing.TB, tg *target, s plan.Shape, classes ...plan.UserClass) Options {
	t.Helper()
	if len(classes) == 0 {
		classes = []plan.UserClass{class(t, "pay", 1, plan.Wait{})}
	}
	p := &plan.Plan{Name: "test", Classes: classes}
	mix, err := user.NewMix(p, &plan.Test{Name: "test", Shape: s}, user.Options{Dial: tg.dial})
	if err != nil {
		t.Fatal(err)
	}
	return Options{Shape: s, Mix: mix, Recorder: measure.New(mix.Names(), measure.Options{})}
}

// tape is a sink that keeps what a test looks at.
type tape struct {
	snaps []snap
	last  *measure.Totals // of the final snapshot; only valid since nothing is recorded after it
}

type snap struct {
	start   time.Time
	at      time.Duration
	phase   string
	id      int
	rate    float64
	planned time.Duration
	users   int
	books   measure.Books // iterations, all classes
	final   bool
}

func (tp *tape) Consume(_ context.Context, s *measure.Snapshot) error {
	x := snap{start: s.Start, at: s.Time.Sub(s.Start), phase: s.Phase, id: s.PhaseID, rate: s.Rate, planned: s.Planned, final: s.Final, books: iterations(s.Total)}
	for _, n := range s.Users {
		x.users += n
	}
	tp.snaps = append(tp.snaps, x)
	tp.last = s.Total
	return nil
}

func iterations(t *measure.Totals) (sum measure.Books) {
	for _, c := range t.Classes {
		sum.Intended += c.Iterations.Intended
		sum.Started += c.Iterations.Started
		sum.Dropped += c.Iterations.Dropped
		sum.Finished += c.Iterations.Finished
		sum.Cut += c.Iterations.Cut
	}
	return sum
}

func (tp *tape) books() measure.Books { return iterations(tp.last) }

// at returns the last snapshot taken at or before an offset.
func (tp *tape) at(d time.Duration) (last snap) {
	for _, s := range tp.snaps {
		if s.at <= d {
			last = s
		}
	}
	return last
}

// perform runs o with a tape and checks what holds of every run.
func perform(ctx context.Context, t *testing.T, tg *target, o Options) (Result, *tape) {
	t.Helper()
	tp := &tape{}
	o.Sinks = append(o.Sinks, tp)
	res, err := Do(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	check(t, tg, tp, o)
	return res, tp
}

func check(t *testing.T, tg *target, tp *tape, o Options) {
	t.Helper()
	first, last := tp.snaps[0], tp.snaps[len(tp.snaps)-1]
	if first.books != (measure.Books{}) || first.users != 0 || first.planned != o.Shape.Duration() {
		t.Errorf("the first snapshot is %+v, want nothing in it and %v planned", first, o.Shape.Duration())
	}
	if !last.final || last.users != 0 || last.rate != 0 {
		t.Errorf("the last snapshot is %+v, want it final, without users and rate", last)
	}
	if b := tp.books(); !b.Balanced() {
		t.Errorf("books %+v do not balance", b)
	}
	var requests measure.Books
	for _, q := range tp.last.Requests {
		requests.Intended += q.Books.Intended
		requests.Started += q.Books.Started
		requests.Finished += q.Books.Finished
		requests.Cut += q.Books.Cut
	}
	if !requests.Balanced() || requests.Started != uint64(len(tg.sent)) {
		t.Errorf("books of requests %+v, want them balanced and %d started", requests, len(tg.sent))
	}
	for _, s := range tp.snaps {
		if s.books.Intended < s.books.Started+s.books.Dropped {
			t.Errorf("at %v more was started and dropped than intended: %+v", s.at, s.books)
		}
	}
	if tg.opened != tg.closed || tg.now != 0 {
		t.Errorf("%d clients made, %d closed, %d requests under way", tg.opened, tg.closed, tg.now)
	}
	if o.Shape.Model == plan.Open && tg.most > o.Shape.MaxUsers {
		t.Errorf("%d requests at once, max_users is %d", tg.most, o.Shape.MaxUsers)
	}
}

func openShape(maxUsers int, stages ...plan.Stage) plan.Shape {
	return plan.Shape{Model: plan.Open, MaxUsers: maxUsers, Stages: stages}
}

func closedShape(stages ...plan.Stage) plan.Shape {
	return plan.Shape{Model: plan.Closed, Stages: stages}
}

func stageOf(from, to float64, over time.Duration) plan.Stage {
	return plan.Stage{From: from, To: to, Over: over, Phase: fmt.Sprintf("%g to %g", from, to)}
}

func takes(d time.Duration) func(time.Time) time.Duration {
	return func(time.Time) time.Duration { return d }
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance*want {
		t.Errorf("%s = %v, want %v ±%g%%", what, got, want, tolerance*100)
	}
}

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

func withStopTimeout(o Options, d time.Duration) Options {
	o.StopTimeout = d
	return o
}

// Little's law: with 4 users, 50 ms of answer and 150 ms of wait each makes 5 iterations a second.
func TestClosedWithWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(50 * ms)}
		o := options(t, tg, closedShape(stageOf(4, 4, 2*time.Second)), class(t, "pay", 1, constant(150*ms)))
		_, tp := perform(t.Context(), t, tg, o)
		if want := (measure.Books{Intended: 40, Started: 40, Finished: 40}); tp.books() != want {
			t.Errorf("books %+v, want %+v", tp.books(), want)
		}
		if tg.opened != 4 || tg.most != 4 {
			t.Errorf("%d users, %d requests at once, want 4", tg.opened, tg.most)
		}
		c := &tp.last.Classes[0]
		if c.Lateness.Count() != 40 || c.Lateness.Max() != 0 || c.Phases[measure.Blocked].Count() != 0 {
			t.Errorf("%d latenesses, the worst %v, %d blocked; want 40, 0, 0",
				c.Lateness.Count(), c.Lateness.Max(), c.Phases[measure.Blocked].Count())
		}
	})
}

func TestClosedWithoutWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(9 * ms)}
		_, tp := perform(t.Context(), t, tg, withStopTimeout(options(t, tg, closedShape(stageOf(2, 2, time.Second))), time.Second))
		// 111 are over after 999 ms; the 112th starts then and may finish.
		if want := (measure.Books{Intended: 224, Started: 224, Finished: 224}); tp.books() != want {
			t.Errorf("books %+v, want %+v", tp.books(), want)
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

func TestStopIsGraceful(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, s := range []plan.Shape{openShape(100, stageOf(100, 100, time.Minute)), closedShape(stageOf(10, 10, time.Minute))} {
			tg := &target{latency: takes(70 * ms)}
			stop := make(chan struct{})
			o := withStopTimeout(options(t, tg, s, class(t, "pay", 1, constant(30*ms))), time.Second)
			o.Stop = stop
			time.AfterFunc(time.Second+5*ms, func() { close(stop) })
			res, tp := perform(t.Context(), t, tg, o)
			if !res.Stopped || res.Cancelled {
				t.Errorf("result %+v, want it stopped", res)
			}
			if b := tp.books(); b.Cut != 0 || b.Dropped != 0 || b.Finished < 100 || b.Finished > 110 {
				t.Errorf("%s: books %+v, want all finished, about 100", s.Model, b)
			}
			if took := res.End.Sub(res.Start); took > time.Second+75*ms {
				t.Errorf("%s: it took %v", s.Model, took)
			}
		}
	})
}

func TestWhatTakesTooLongIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, s := range []plan.Shape{openShape(5, stageOf(10, 10, time.Second)), closedShape(stageOf(5, 5, time.Second))} {
			tg := &target{latency: takes(time.Hour)}
			res, tp := perform(t.Context(), t, tg, withStopTimeout(options(t, tg, s), 3*time.Second))
			if b := tp.books(); b.Started != 5 || b.Cut != 5 {
				t.Errorf("%s: books %+v, want 5 started and cut", s.Model, b)
			}
			if took := res.End.Sub(res.Start); took != 4*time.Second {
				t.Errorf("%s: it took %v, want 4s", s.Model, took)
			}
			if n := tp.last.Requests[0].Outcomes[protocol.Cut].ResponseTime.Count(); n != 5 {
				t.Errorf("%s: %d requests cut, want 5", s.Model, n)
			}
		}
	})
}

func TestTheContextCutsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, s := range []plan.Shape{openShape(5, stageOf(10, 10, time.Hour)), closedShape(stageOf(5, 5, time.Hour))} {
			for _, late := range []bool{false, true} { // after Stop as well
				tg := &target{latency: takes(time.Hour)}
				ctx, cancel := context.WithCancel(t.Context())
				o := withStopTimeout(options(t, tg, s), time.Minute)
				time.AfterFunc(time.Second+ms, cancel)
				want := time.Second + ms
				stop := make(chan struct{})
				if o.Stop = stop; late {
					time.AfterFunc(time.Second, func() { close(stop) })
				}
				res, tp := perform(ctx, t, tg, o)
				if took := res.End.Sub(res.Start); took != want || !res.Cancelled || res.Stopped != late {
					t.Errorf("%s: it took %v, want %v; %+v", s.Model, took, want, res)
				}
				if b := tp.books(); b.Started != 5 || b.Cut != 5 || s.Model == plan.Open && b.Dropped != 6 {
					t.Errorf("%s: books %+v, want 5 cut and, when open, 6 dropped", s.Model, b)
				}
			}
		}
	})
}

func TestRampDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(30 * ms)}
		o := options(t, tg, closedShape(stageOf(0, 4, 4*time.Second), stageOf(4, 0, 5*time.Second), stageOf(0, 2, time.Second), stageOf(2, 2, time.Second)),
			class(t, "pay", 1, constant(370*ms)))
		_, tp := perform(t.Context(), t, tg, o)
		// They leave at 5.25, 6.5, 7.75 and 9 s; two come at 9 and 9.5 s.
		for at, users := range map[time.Duration]int{6: 3, 7: 2, 8: 1, 10: 2} {
			if got := tp.at(at * time.Second).users; got != users {
				t.Errorf("%d users at %d s, want %d", got, at, users)
			}
		}
		// One every 400 ms from i to 9-1.25i s makes 23, 17, 12 and 6; then 5 and 4.
		if want := uint64(23 + 17 + 12 + 6 + 5 + 4); tp.books().Started != want {
			t.Errorf("%d iterations, want %d", tp.books().Started, want)
		}
		if tg.opened != 6 {
			t.Errorf("%d users, want 6", tg.opened)
		}
	})
}

// A user that has to leave does so after its iteration, and who gets its number waits for that.
func TestANumberIsNotTakenTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(2500 * ms)}
		_, tp := perform(t.Context(), t, tg, withStopTimeout(options(t, tg,
			closedShape(stageOf(1, 1, time.Second), stageOf(0, 0, time.Second), stageOf(1, 1, time.Second))), time.Minute))
		if tg.most != 1 || tg.opened != 2 {
			t.Errorf("%d requests at once by %d users, want 1 by 2", tg.most, tg.opened)
		}
		c := &tp.last.Classes[0]
		within(t, "blocked", c.Phases[measure.Blocked].Max(), 0.5, 0.01)
		if c.Lateness.Max() != 0 {
			t.Errorf("lateness %v, want 0", c.Lateness.Max())
		}
	})
	// Those who are told to leave while they wait for that do not let the next one in either.
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(10 * time.Second)}
		on, off := stageOf(1, 1, time.Second), stageOf(0, 0, time.Second)
		_, tp := perform(t.Context(), t, tg, withStopTimeout(options(t, tg,
			closedShape(on, off, on, off, on, off, stageOf(1, 1, 10*time.Second))), time.Minute))
		if tg.most != 1 || tg.opened != 2 {
			t.Errorf("%d requests at once by %d users, want 1 by 2", tg.most, tg.opened)
		}
		if want := (measure.Books{Intended: 2, Started: 2, Finished: 2}); tp.books() != want {
			t.Errorf("books %+v, want %+v", tp.books(), want)
		}
		within(t, "blocked", tp.last.Classes[0].Phases[measure.Blocked].Max(), 4, 0.01)
	})
}

func TestPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{}
		s := openShape(10, stageOf(0, 100, 1250*ms), stageOf(100, 200, 0), stageOf(200, 200, 1100*ms))
		_, tp := perform(t.Context(), t, tg, options(t, tg, s))
		type row struct {
			at    time.Duration
			id    int
			phase string
			rate  float64
		}
		var got []row
		for _, s := range tp.snaps {
			got = append(got, row{s.at, s.id, s.phase, math.Round(s.rate)})
		}
		want := []row{
			{0, 0, "0 to 100", 0},
			{1000 * ms, 0, "0 to 100", got[1].rate}, // of that moment or a tenth of a second before
			{1250 * ms, 0, "0 to 100", 96},          // what came until here belongs to the ramp
			{2000 * ms, 2, "200 to 200", 200},
			{2350 * ms, 2, "200 to 200", 200}, // the end of the load
			{2350 * ms, 2, "200 to 200", 0},   // all have left
		}
		if len(got) != len(want) {
			t.Fatalf("snapshots %v, want %v", got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("snapshot %d is %v, want %v", i, got[i], want[i])
			}
		}
		if got[1].rate != 72 && got[1].rate != 80 {
			t.Errorf("the rate at 1 s is %v, want 72 or 80", got[1].rate)
		}
		if b := tp.at(1250 * ms).books; b.Intended != 63 && b.Intended != 62 {
			t.Errorf("%d intended at the end of the ramp, want 62 or 63", b.Intended)
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

func TestAUserThatCannotBeMadeEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, s := range []plan.Shape{openShape(5, stageOf(100, 100, time.Hour)), closedShape(stageOf(5, 5, time.Hour))} {
			broken := errors.New("no file descriptors left")
			tg := &target{latency: takes(ms), dialed: broken}
			o, tp := options(t, tg, s), &tape{}
			o.Sinks = []measure.Sink{tp}
			res, err := Do(t.Context(), o)
			if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "run load: ") {
				t.Errorf("%s: error %v, want one that wraps %v", s.Model, err, broken)
			}
			if took := res.End.Sub(res.Start); took > time.Second {
				t.Errorf("%s: it took %v to notice", s.Model, took)
			}
			check(t, tg, tp, o)
		}
	})
}

func TestErrorsOfSinksDoNotEndTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{}
		o := options(t, tg, openShape(5, stageOf(10, 10, 3*time.Second)))
		full := errors.New("disk full")
		o.Sinks = []measure.Sink{failing{full}}
		res, tp := perform(t.Context(), t, tg, o)
		if !errors.Is(res.SinkErrors, full) || tp.books().Finished != 30 {
			t.Errorf("sink errors %v, books %+v; want %v and 30 finished", res.SinkErrors, tp.books(), full)
		}
	})
}

type failing struct{ err error }

func (f failing) Consume(context.Context, *measure.Snapshot) error { return f.err }

func TestDoRefuses(t *testing.T) {
	tg := &target{}
	o := options(t, tg, openShape(1, stageOf(1, 1, time.Second)))
	o.Shape.MaxUsers = 0
	if _, err := Do(t.Context(), o); err == nil || err.Error() != "run load: max_users is 0, an open model needs at least 1" {
		t.Errorf("error %v", err)
	}
	o.Shape = closedShape()
	if _, err := Do(t.Context(), o); err != nil {
		t.Errorf("a shape without length: %v", err)
	}
	if _, err := Do(t.Context(), o); err == nil {
		t.Error("a recorder was used twice without an error")
	}
}
