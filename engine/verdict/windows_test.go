package verdict

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
)

func forWindow(o plan.Objective, length time.Duration, abort bool) plan.Objective {
	o.For, o.Abort = length, abort
	o.Text += " for " + length.String()
	if abort {
		o.Text += ", abort"
	}
	return o
}

func TestWindows(t *testing.T) {
	slow := work{n: 100, seconds: 0.3}
	for _, c := range []struct {
		name                    string
		o                       plan.Objective
		stretches               []work // of ten seconds each
		outcome                 Outcome
		judged, missed, skipped int
		worst                   float64
		message                 string
	}{
		// 60 one-second pieces make 51 windows of ten seconds.
		{"met", p95(0.2), []work{ok100, ok100, ok100, ok100, ok100, ok100}, Pass, 51, 0, 0, 0.1, "p95 < 200 ms for 10s met: 100 ms"},
		// Ten slow seconds of sixty: p95 of everything misses as well. Windows with more than half a slow second miss.
		{"missed in all", p95(0.2), []work{ok100, ok100, slow, ok100, ok100, ok100}, Fail, 51, 19, 0, 0.3, "p95 < 200 ms for 10s missed: 300 ms, at worst 300 ms between"},
		// The median of everything is met; windows with more than five slow seconds miss: from 6 of 10 to 10 and back to 6.
		{"missed in windows only", plan.Objective{Text: "p50 < 200ms", Metric: plan.Quantile, Quantile: 0.5, Op: "<", Threshold: 0.2},
			[]work{ok100, ok100, slow, ok100, ok100, ok100}, Fail, 51, 9, 0, 0.3, "p50 < 200ms for 10s missed: 300 ms between 0:30 and 0:40"},
		{"rate", plan.Objective{Text: "rate > 60/s", Metric: plan.Rate, Op: ">", Threshold: 60},
			[]work{ok100, ok100, {n: 50, seconds: 0.1}, ok100, ok100, ok100}, Fail, 51, 5, 0, 50, "rate > 60/s for 10s missed: 50/s between 0:30 and 0:40"},
		{"too few in windows", p95(0.2), []work{{n: 5, seconds: 0.1}, {n: 5, seconds: 0.1}, {n: 5, seconds: 0.1}, {n: 5, seconds: 0.1}, {n: 5, seconds: 0.1}, {n: 5, seconds: 0.1}},
			Inconclusive, 0, 0, 51, 0, "met: 100 ms, but no window of 10s could be judged"},
	} {
		f := newFakeRun(t, Options{Test: loadTest(forWindow(c.o, 10*time.Second, false))})
		f.users = 50 // all are at work, so that what is not started is not the generator's doing
		f.seconds(10, ok100)
		for _, w := range c.stretches {
			f.seconds(10, w)
		}
		f.seconds(10, ok100)
		o := f.end().Objectives()[0]
		r := o.Objective
		if o.Outcome != c.outcome || r.Windows != c.judged || r.Missed != c.missed || r.Skipped != c.skipped || !strings.Contains(o.Message, c.message) {
			t.Errorf("%s: %s, %d judged, %d missed, %d skipped, %q\nwant %s, %d, %d, %d, %q",
				c.name, o.Outcome, r.Windows, r.Missed, r.Skipped, o.Message, c.outcome, c.judged, c.missed, c.skipped, c.message)
		}
		if c.judged == 0 {
			if r.WorstWindow != nil || !slices.Contains(o.Warnings, "51 of 51 windows of 10s had too few samples and were not judged") {
				t.Errorf("%s: worst %+v, warnings %q", c.name, r.WorstWindow, o.Warnings)
			}
			continue
		}
		if w := r.WorstWindow; w == nil || w.Value < 0.997*c.worst || w.Value > 1.003*c.worst || w.To.Sub(w.From) != 10*time.Second {
			t.Errorf("%s: worst window %+v, want %v over 10 s", c.name, w, c.worst)
		}
	}
}

func TestWindowsAreBounded(t *testing.T) {
	o := p95(0.2)
	w := newWindows(time.Hour)
	at := time.Unix(0, 0)
	for range 3 * 3600 {
		w.cur.finished++
		w.cur.times.Record(0.1)
		w.advance(&o, at, at.Add(time.Second))
		at = at.Add(time.Second)
	}
	if n := len(w.pieces); n != 60 || cap(w.pieces) > 128 {
		t.Errorf("%d pieces (room for %d), want 60", n, cap(w.pieces))
	}
	if w.judged != 121 || w.missed != 0 {
		t.Errorf("%d windows judged and %d missed, want 121 and 0", w.judged, w.missed)
	}
}

func TestAbort(t *testing.T) {
	abort := func(o plan.Objective) plan.Objective { o.Abort = true; return o }
	for _, c := range []struct {
		name string
		o    plan.Objective
		w    work
		at   time.Duration // when Abort is to be called; 0: never
	}{
		{"window", forWindow(p95(0.05), 10*time.Second, true), ok100, 20 * time.Second},
		{"window met", forWindow(p95(0.5), 10*time.Second, true), ok100, 0},
		// At 100 a second p95 has its 30 observations beyond after 6 s; that all are slow is certain before: after 59.
		{"quantile", abort(p95(0.05)), ok100, 11 * time.Second},
		{"error rate above", abort(errorRate(0.01)), work{n: 100, seconds: 0.1, outcome: protocol.Status}, 11 * time.Second},
		{"error rate in doubt", abort(errorRate(0.01)), work{n: 1, seconds: 0.1}, 0},
		{"failures", abort(plan.Objective{Text: "failures < 250", Metric: plan.Failures, Op: "<", Threshold: 250}), work{n: 100, seconds: 0.1, outcome: protocol.Status}, 13 * time.Second},
		{"rate", abort(plan.Objective{Text: "rate > 200/s", Metric: plan.Rate, Op: ">", Threshold: 200}), ok100, 20 * time.Second},
		{"count not reached yet", abort(plan.Objective{Text: "count > 5000", Metric: plan.Count, Op: ">", Threshold: 5000}), ok100, 0},
	} {
		var f *fakeRun
		var reasons []string
		var at time.Duration
		f = newFakeRun(t, Options{Test: loadTest(c.o), Abort: func(reason string) {
			reasons, at = append(reasons, reason), f.now.Sub(f.start)
		}})
		f.seconds(10, ok100)
		for range 60 {
			f.seconds(1, c.w)
			if len(reasons) > 0 {
				break
			}
		}
		if c.at == 0 {
			if len(reasons) > 0 {
				t.Errorf("%s: aborted at %s: %q, want no abort", c.name, at, reasons)
			}
			continue
		}
		if len(reasons) != 1 || at != c.at || !strings.HasPrefix(reasons[0], "objective "+c.o.Text+" missed: ") {
			t.Errorf("%s: aborted at %s: %q, want once at %s", c.name, at, reasons, c.at)
			continue
		}
		v := f.end(c.w)
		if v.Outcome != Fail || v.Code() != CodeAborted || len(reasons) != 1 {
			t.Errorf("%s: %s %s (%d aborts): %s", c.name, v.Outcome, v.Code(), len(reasons), v.Summary)
		}
	}
}

func TestAbortWhileLate(t *testing.T) {
	f := newFakeRun(t, Options{Test: loadTest(forWindow(p95(0.05), 10*time.Second, true))})
	f.seconds(21, work{n: 100, seconds: 0.1, late: 0.1})
	if v := f.end(); v.Outcome != Inconclusive || v.Code() != CodeAborted {
		t.Errorf("%s %s, want inconclusive: the miss may be our own doing", v.Outcome, v.Code())
	}
}

// TestWithRecorder judges what a real recorder hands on, flushed at the boundaries between the stages.
func TestWithRecorder(t *testing.T) {
	defer goleak.VerifyNone(t)
	synctest.Test(t, func(t *testing.T) {
		test := &plan.Test{Type: plan.Load, Shape: plan.Shape{Model: plan.Open, MaxUsers: 9, Stages: []plan.Stage{
			{From: 0, To: 10, Over: 1500 * time.Millisecond, Phase: "ramp"},
			{From: 10, To: 10, Over: 20250 * time.Millisecond, Phase: "steady"},
			{From: 10, To: 0, Over: time.Second, Phase: "ramp"},
		}}}
		test.Objectives = []plan.Objective{
			{Text: "count == 202", Metric: plan.Count, Op: "==", Threshold: 202},
			{Text: "max < 50ms", Metric: plan.Maximum, Op: "<", Threshold: 0.05},
			{Text: "rate > 9.5/s for 5s", Metric: plan.Rate, Op: ">", Threshold: 9.5, For: 5 * time.Second},
		}
		judge := NewJudge(Options{Test: test})
		recorder := measure.New(&measure.Names{Classes: []string{"User"}, Requests: []measure.Request{{Class: "User", Name: "pay", Method: "POST"}}}, measure.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		start := time.Now()
		go func() { done <- recorder.Run(ctx, start, judge) }()
		time.Sleep(time.Millisecond)

		shard := recorder.Shard(0)
		one := func(seconds float64) {
			now := time.Now()
			shard.Intend(0, 1)
			shard.StartIteration(0, now, now, now)
			shard.StartRequest(0)
			shard.Observe(&measure.Observation{Intended: now.Add(-time.Duration(seconds * 1e9)), Sent: now, Finished: now})
			shard.FinishIteration(0, now, now)
		}
		stage := func(n int, seconds float64, end time.Duration) {
			for range n {
				one(seconds)
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(time.Until(start.Add(end)))
			recorder.Flush()
		}
		stage(7, 1, 1500*time.Millisecond)
		stage(202, 0.01, 21750*time.Millisecond)
		stage(5, 1, 22750*time.Millisecond)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		v := judge.Verdict(t.Context())
		if v.Outcome != Pass {
			t.Errorf("%s: %s\n%+v", v.Outcome, v.Summary, v.Findings)
		}
		if from, to := v.Part.From.Sub(start), v.Part.To.Sub(start); from != 1500*time.Millisecond || to != 21750*time.Millisecond {
			t.Errorf("judged from %s to %s", from, to)
		}
		if w := v.Objectives()[2].Objective; w.Windows < 15 || w.Missed != 0 {
			t.Errorf("windows: %+v", w)
		}
	})
}

// TestShorterThanAWindow: an objective that tolerates ten seconds cannot be missed by a part of five; met over that, it is met.
func TestShorterThanAWindow(t *testing.T) {
	for _, c := range []struct {
		limit   float64
		outcome Outcome
	}{{0.2, Pass}, {0.05, Fail}} {
		test := loadTest(forWindow(p95(c.limit), 10*time.Second, false))
		test.Shape.Stages = []plan.Stage{{From: 100, To: 100, Over: 5 * time.Second, Phase: "steady"}}
		f := newFakeRun(t, Options{Test: test})
		f.users = 50
		f.seconds(5, ok100)
		o := f.end().Objectives()[0]
		want := "the part judged is shorter than a window of 10s"
		if o.Outcome != c.outcome || (c.outcome == Pass) != slices.Contains(o.Warnings, want) {
			t.Errorf("p95 < %v s over 5 s: %s, warnings %q", c.limit, o.Outcome, o.Warnings)
		}
	}
}
