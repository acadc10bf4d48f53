package experiment

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/catalog"
	"tidegauge/engine/event"
	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
	"tidegauge/engine/run"
	"tidegauge/engine/user"
	"tidegauge/engine/verdict"
)

// queue is a target in memory with so many servers, each of which takes so long for a request: its capacity is servers/each.
// Zero servers: as many as there are requests.
type queue struct {
	servers int
	each    time.Duration
	outcome protocol.Outcome
	slow    [2]time.Duration // since the first request: from when to when a request takes slowness more

	mu    sync.Mutex
	first time.Time
	free  []time.Time
}

const slowness = 45 * time.Millisecond

func (q *queue) dial() (protocol.Client, error) { return queueClient{q}, nil }

type queueClient struct{ *queue }

func (queueClient) Close() error { return nil }

func (q queueClient) Do(ctx context.Context, _ *protocol.Request, r *protocol.Response) protocol.Outcome {
	r.Sent, r.Status, r.Detail = time.Now(), 200, ""
	defer func() { r.Finished = time.Now() }()
	timer := time.NewTimer(q.admit(r.Sent))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return protocol.Cut
	}
	return q.outcome
}

// admit returns how long a request that comes now takes.
func (q *queue) admit(now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.servers == 0 {
		if q.first.IsZero() {
			q.first = now
		}
		if since := now.Sub(q.first); since >= q.slow[0] && since < q.slow[1] {
			return q.each + slowness
		}
		return q.each
	}
	if q.free == nil {
		q.free = make([]time.Time, q.servers)
	}
	first := 0
	for i := range q.free {
		if q.free[i].Before(q.free[first]) {
			first = i
		}
	}
	if q.free[first].Before(now) {
		q.free[first] = now
	}
	q.free[first] = q.free[first].Add(q.each)
	return q.free[first].Sub(now)
}

// explored runs a stress test against a queue, by the clock of a bubble. stop ends it as a person would; 0: it is not ended.
func explored(t *testing.T, q *queue, test string, stop time.Duration) (*answer.Answer, verdict.Verdict, run.Result) {
	t.Helper()
	p, chosen := parse(t, fmt.Sprintf(stressPlan, "http://queue", test))
	mix, err := user.NewMix(p, chosen, user.Options{Dial: q.dial})
	if err != nil {
		t.Fatal(err)
	}
	e := &experiment{
		lab: &Lab{}, o: Options{Plan: p, Test: chosen}, identity: &event.Run{}, stop: make(chan struct{}), started: make(chan time.Time, 1),
		judge: verdict.NewJudge(verdict.Options{Plan: p, Test: chosen}),
	}
	load := run.Options{
		Shape: chosen.Shape, Mix: mix, Recorder: measure.New(mix.Names(), measure.Options{Log: true}), Sinks: []measure.Sink{e.judge},
		StopTimeout: chosen.StopTimeout, Stop: e.stop, Started: e.started,
	}
	end, err := e.explore(t.Context(), &load)
	if err != nil {
		t.Fatal(err)
	}
	if stop > 0 {
		timer := time.AfterFunc(stop, e.end)
		defer timer.Stop()
	}
	result, err := run.Do(t.Context(), load)
	end()
	if err != nil {
		t.Fatal(err)
	}
	if result.Stopped {
		e.judge.Stopped(result.End)
	}
	a := e.explorer.answer()
	e.judge.Answer(a)
	v := e.judge.Verdict(t.Context())
	checkTrials(t, a)
	return a, v, result
}

// checkTrials checks what holds of every search.
func checkTrials(t *testing.T, a *answer.Answer) {
	t.Helper()
	for i, x := range a.Trials {
		if i > 0 && x.From.Before(a.Trials[i-1].To) {
			t.Errorf("trial %d begins at %v, before the end of the one before", i+1, x.From)
		}
		if x.Outcome != "passed" && x.Reason == "" {
			t.Errorf("trial %d at %g %s for no reason", i+1, x.Load, x.Outcome)
		}
	}
	if len(a.Charts) > 0 && len(a.Charts[0].Lines[0].X) != len(a.Charts[0].Lines[0].Y) {
		t.Errorf("chart %+v", a.Charts[0])
	}
}

func TestSearchFindsTheCapacity(t *testing.T) {
	for name, c := range map[string]struct {
		queue *queue
		test  string
		want  float64
		unit  string
	}{
		"arrivals": {&queue{servers: 4, each: 8 * time.Millisecond}, "arrivals: {from: 50/s, to: 5000/s}, search: {trial: 5s, warm_up: 1s}", 500, catalog.Capacity},
		"poisson":  {&queue{servers: 4, each: 8 * time.Millisecond}, "arrivals: {from: 50/s, to: 5000/s}, arrival_process: poisson, search: {trial: 8s, warm_up: 1s}", 500, catalog.Capacity},
		// The twentieth user would wait for 19 others: 200 ms, which is not less than the limit.
		"users": {&queue{servers: 1, each: 10 * time.Millisecond}, "users: {from: 2, to: 500}, search: {trial: 5s, warm_up: 1s}", 19, catalog.CapacityUsers},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, v, result := explored(t, c.queue, c.test, 0)
				f := figure(a, c.unit)
				if f.Value == nil || f.Low == nil || math.Abs(*f.Value/c.want-1) > 0.05 {
					t.Fatalf("capacity %v, want %g within 5%%: %s", f.Value, c.want, a.Text)
				}
				if a.Standing != answer.Good || v.Outcome != verdict.Pass || v.Code() != answer.CodeCapacity {
					t.Errorf("%s, verdict %s (%s): %s", a.Standing, v.Outcome, v.Code(), v.Summary)
				}
				if !strings.Contains(a.Text, "first to break") {
					t.Errorf("%q does not say what broke first", a.Text)
				}
				ceiling := figure(a, catalog.ThroughputCeiling)
				if truth := float64(c.queue.servers) / c.queue.each.Seconds(); math.Abs(*ceiling.Value/truth-1) > 0.05 {
					t.Errorf("throughput ceiling %g, want %g within 5%%", *ceiling.Value, truth)
				}
				if result.Stopped || result.Cancelled || len(a.Trials) > 45 {
					t.Errorf("stopped %t, %d trials", result.Stopped, len(a.Trials))
				}
				t.Logf("%s, %d trials, %v", a.Text, len(a.Trials), result.End.Sub(result.Start).Round(time.Second))
			})
		})
	}
}

func TestSearchThatFindsNoCapacity(t *testing.T) {
	quick := ", search: {trial: 2s, warm_up: 500ms"
	for name, c := range map[string]struct {
		queue    *queue
		test     string
		stop     time.Duration
		standing answer.Standing
		code     string
		outcome  verdict.Outcome
		text     string
	}{
		"doomed": {&queue{servers: 1, each: 100 * time.Millisecond}, "arrivals: {from: 100/s, to: 1000/s}" + quick + "}", 0,
			answer.Bad, answer.CodeNoCapacity, verdict.Fail, "lowest load already, 100/s"},
		"it answers with errors": {&queue{each: time.Millisecond, outcome: protocol.Status}, "arrivals: {from: 100/s, to: 1000/s}" + quick + "}", 0,
			answer.Bad, answer.CodeNoCapacity, verdict.Fail, "first to break: error_rate < 1%"},
		"unlimited": {&queue{each: 10 * time.Millisecond}, "arrivals: {from: 100/s, to: 1000/s}" + quick + "}", 0,
			answer.Good, answer.CodeCapacity, verdict.Pass, "carries 1000/s, the highest"},
		"too few users": {&queue{each: 50 * time.Millisecond}, "arrivals: {from: 100/s, to: 5000/s}, max_users: 20" + quick + "}", 0,
			answer.Undecided, answer.CodeGeneratorLimited, verdict.Inconclusive, "max_users, 20"},
		"out of budget": {&queue{servers: 4, each: 8 * time.Millisecond}, "arrivals: {from: 100/s, to: 5000/s}" + quick + ", budget: 15s}", 0,
			answer.Undecided, answer.CodeBudget, verdict.Inconclusive, "no room for another"},
		"enough within the budget": {&queue{servers: 4, each: 8 * time.Millisecond}, "objectives: [capacity >= 100/s], arrivals: {from: 100/s, to: 5000/s}" + quick + ", budget: 15s}", 0,
			answer.Undecided, answer.CodeBudget, verdict.Pass, "no room for another"},
		"less than was asked for": {&queue{servers: 4, each: 8 * time.Millisecond}, "objectives: [capacity >= 800/s], arrivals: {from: 100/s, to: 5000/s}" + quick + "}", 0,
			answer.Good, answer.CodeCapacity, verdict.Fail, "not"},
		"a person ends it": {&queue{servers: 4, each: 8 * time.Millisecond}, "arrivals: {from: 100/s, to: 5000/s}" + quick + "}", 6 * time.Second,
			answer.Undecided, answer.CodeInterrupted, verdict.Inconclusive, "carries 200/s at least"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, v, _ := explored(t, c.queue, c.test, c.stop)
				if a.Standing != c.standing || a.Code != c.code || v.Outcome != c.outcome || !strings.Contains(a.Text, c.text) {
					t.Errorf("%s (%s), verdict %s: %s\n want %s (%s), %s: … %s …", a.Standing, a.Code, v.Outcome, a.Text, c.standing, c.code, c.outcome, c.text)
				}
			})
		})
	}
}

func TestStepTestFindsWhereItBreaks(t *testing.T) {
	const sec = time.Second
	for name, c := range map[string]struct {
		queue *queue
		test  string
		lower float64
		code  string
		steps int
	}{
		// 20 users make 210/s while a request takes 95 ms: too few for the third step, as long as that lasts.
		"disturbed once":  {&queue{each: 50 * time.Millisecond, slow: [2]time.Duration{11 * sec, 12 * sec}}, "arrivals: {start: 90/s, add: 90/s, every: 5s, steps: 4}, max_users: 20", 360, answer.CodeCapacity, 5},
		"disturbed twice": {&queue{each: 50 * time.Millisecond, slow: [2]time.Duration{11 * sec, 15 * sec}}, "arrivals: {start: 90/s, add: 90/s, every: 5s, steps: 4}, max_users: 20", 360, answer.CodeCapacity, 6},
		"disturbed last":  {&queue{each: 50 * time.Millisecond, slow: [2]time.Duration{11 * sec, 15 * sec}}, "arrivals: {start: 90/s, add: 90/s, every: 5s, steps: 3}, max_users: 20", 270, answer.CodeCapacity, 5},
		"the generator's": {&queue{each: 50 * time.Millisecond, slow: [2]time.Duration{11 * sec, time.Hour}}, "arrivals: {start: 90/s, add: 90/s, every: 5s, steps: 4}, max_users: 20", 180, answer.CodeGeneratorLimited, 5},
		"breaks":          {&queue{servers: 4, each: 8 * time.Millisecond}, "arrivals: {start: 100/s, add: 100/s, every: 20s, steps: 10}", 500, answer.CodeCapacity, 6},
		"doomed":          {&queue{servers: 1, each: 20 * time.Millisecond}, "arrivals: {start: 100/s, add: 100/s, every: 20s, steps: 10}", 0, answer.CodeNoCapacity, 1},
		"never breaks":    {&queue{each: time.Millisecond}, "arrivals: {start: 100/s, add: 100/s, every: 5s, steps: 3}", 300, answer.CodeCapacity, 3},
		"last is cut":     {&queue{each: time.Millisecond}, "arrivals: {start: 100/s, add: 100/s, every: 5s}, duration: 12s", 200, answer.CodeCapacity, 2},
		"users, too few":  {&queue{servers: 1, each: 10 * time.Millisecond}, "users: {start: 5, add: 5, every: 10s, steps: 8}", 15, answer.CodeCapacity, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _, result := explored(t, c.queue, c.test, 0)
				f := figure(a, catalog.Capacity)
				if strings.HasPrefix(c.test, "users") {
					f = figure(a, catalog.CapacityUsers)
				}
				if f.Value == nil || *f.Value != c.lower || a.Code != c.code || len(a.Trials) != c.steps {
					t.Errorf("%s after %d steps and %v: %s\nwant %g, %s after %d", a.Code, len(a.Trials), result.End.Sub(result.Start), a.Text, c.lower, c.code, c.steps)
				}
			})
		})
	}
}
