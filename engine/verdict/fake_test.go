package verdict

import (
	"context"
	"testing"
	"time"

	"tidegauge/engine/health"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
)

// fakeRun makes the snapshots of a run by hand: two requests, one class, one check.
type fakeRun struct {
	t     *testing.T
	judge *Judge
	names *measure.Names
	total *measure.Totals
	delta *measure.Totals
	start time.Time
	now   time.Time
	users int

	failures   []measure.Failure
	exceptions []measure.Exception
	health     func(second int) *health.Reading // of the generator; nil: it was not measured
}

const (
	post = 0
	get  = 1
)

func newFakeRun(t *testing.T, o Options) *fakeRun {
	f := &fakeRun{t: t, judge: NewJudge(o), start: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	f.names = &measure.Names{
		Classes:  []string{"User"},
		Requests: []measure.Request{{Class: "User", Name: "pay", Method: "POST"}, {Class: "User", Name: "show", Method: "GET"}},
		Checks:   []measure.Check{{Request: post, Name: "status == 201"}},
	}
	f.now = f.start
	f.total, f.delta = f.empty(), f.empty()
	f.snapshot(false)
	return f
}

func (f *fakeRun) empty() *measure.Totals {
	return &measure.Totals{Classes: make([]measure.ClassTotals, 1), Requests: make([]measure.RequestTotals, 2), Checks: make([]measure.CheckTotals, 1)}
}

func (f *fakeRun) snapshot(final bool) {
	f.t.Helper()
	f.total.Merge(f.delta)
	since := f.start
	if last := f.now; !last.Equal(f.start) {
		since = last.Add(-time.Second)
	}
	var own measure.Health
	if f.health != nil {
		own.Now = f.health(int(f.now.Sub(f.start) / time.Second))
	}
	err := f.judge.Consume(context.Background(), &measure.Snapshot{
		Health: own,
		Start:  f.start, Time: f.now, Since: since, Final: final, Names: f.names, Total: f.total, Delta: f.delta,
		Users: []int{f.users}, Failures: f.failures, Exceptions: f.exceptions,
	})
	if err != nil {
		f.t.Errorf("Consume: %v", err)
	}
	f.delta = f.empty()
}

// iterations are the work of one second: n iterations of one request each.
type work struct {
	request  int
	n        int
	seconds  float64 // response time
	service  float64 // service time; 0: the same
	outcome  protocol.Outcome
	late     float64
	dropped  int
	unstarts int // intended, not started
}

func (f *fakeRun) do(w work) {
	c, r := &f.delta.Classes[0], &f.delta.Requests[w.request]
	for range w.n {
		c.Iterations.Intended++
		c.Iterations.Started++
		c.Iterations.Finished++
		c.Lateness.Record(max(w.late, 1e-6))
		r.Books.Intended++
		r.Books.Started++
		out := &r.Outcomes[w.outcome]
		out.ResponseTime.Record(w.seconds)
		if w.service == 0 {
			out.ServiceTime.Record(w.seconds)
		} else {
			out.ServiceTime.Record(w.service)
		}
		if w.outcome == protocol.Cut {
			r.Books.Cut++
		} else {
			r.Books.Finished++
		}
		if w.request == post && w.outcome != protocol.Cut {
			if w.outcome == protocol.Check {
				f.delta.Checks[0].Failed++
			} else {
				f.delta.Checks[0].Passed++
			}
		}
		switch w.outcome {
		case protocol.OK, protocol.Check, protocol.Status:
			r.BytesReceived += 100
		}
	}
	c.Iterations.Intended += uint64(w.dropped + w.unstarts)
	c.Iterations.Dropped += uint64(w.dropped)
}

// seconds goes on for so many seconds, one snapshot each, with the same work in every one.
func (f *fakeRun) seconds(n int, each ...work) {
	f.t.Helper()
	for range n {
		f.now = f.now.Add(time.Second)
		for _, w := range each {
			f.do(w)
		}
		f.snapshot(false)
	}
}

// end gives the final snapshot and the verdict.
func (f *fakeRun) end(each ...work) Verdict {
	f.t.Helper()
	f.now = f.now.Add(time.Second)
	for _, w := range each {
		f.do(w)
	}
	f.snapshot(true)
	return f.judge.Verdict(context.Background())
}

// loadTest is a load test of ramp 10 s, steady 60 s, ramp 10 s, at 100 per second.
// anyFailures is an objective that says of failures that there may be any number.
var anyFailures = plan.Objective{Text: "failures >= 0", Metric: plan.Failures, Op: ">=", Threshold: 0}

// loadTest returns a test with objectives. So that they alone decide, it has one more that lets requests fail.
func loadTest(objectives ...plan.Objective) *plan.Test {
	if len(objectives) > 0 {
		objectives = append(objectives, anyFailures)
	}
	return &plan.Test{Name: "load", Type: plan.Load, Objectives: objectives, Shape: plan.Shape{Model: plan.Open, MaxUsers: 50, Stages: []plan.Stage{
		{From: 0, To: 100, Over: 10 * time.Second, Phase: "ramp"},
		{From: 100, To: 100, Over: 60 * time.Second, Phase: "steady"},
		{From: 100, To: 0, Over: 10 * time.Second, Phase: "ramp"},
	}}}
}

func p95(limit float64) plan.Objective {
	return plan.Objective{Text: "p95 < " + Format(limit, "s"), Metric: plan.Quantile, Quantile: 0.95, Op: "<", Threshold: limit}
}

func errorRate(limit float64) plan.Objective {
	return plan.Objective{Text: "error_rate < " + Format(limit, "ratio"), Metric: plan.ErrorRate, Op: "<", Threshold: limit}
}

// usual runs the load test with 100 requests of w a second in its steady part and slow ones outside of it.
func (f *fakeRun) usual(steady ...work) Verdict {
	f.t.Helper()
	f.seconds(10, work{n: 50, seconds: 9, outcome: protocol.Timeout})
	f.seconds(60, steady...)
	f.seconds(10, work{n: 50, seconds: 9, outcome: protocol.Timeout})
	return f.end()
}
