package run

import (
	"context"
	"errors"
	"fmt"
	"math"
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

func withStopTimeout(o Options, d time.Duration) Options {
	o.StopTimeout = d
	return o
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
