package verdict

import (
	"strings"
	"testing"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
)

// faulty is a recovery test of 80 s at 100 requests a second, with a fault from 30 s to 40 s.
func faulty(objectives ...plan.Objective) *plan.Test {
	return &plan.Test{Name: "recovery", Type: plan.Recovery, Objectives: objectives, Faults: []plan.Fault{{At: 30 * time.Second, For: 10 * time.Second}},
		Shape: plan.Shape{Model: plan.Open, MaxUsers: 50, Stages: []plan.Stage{{From: 100, To: 100, Over: 80 * time.Second, Phase: "steady"}}}}
}

func TestObjectivesWithoutWhatWasDisturbed(t *testing.T) {
	well := work{n: 100, seconds: 0.1}
	down := work{n: 100, seconds: 9, outcome: protocol.Timeout}
	abort := errorRate(0.001)
	abort.Abort = true
	window := errorRate(0.5)
	window.For = 5 * time.Second
	for name, c := range map[string]struct {
		test    *plan.Test
		out     []answer.Stretch
		after   work // the last 40 s
		outcome Outcome
		text    string
	}{
		"met before and after":         {faulty(errorRate(0.001), p95(0.2)), []answer.Stretch{{From: 30 * time.Second, To: 41 * time.Second}}, well, Pass, "all 2 objectives are met over 1m10s (undisturbed part)"},
		"missed after":                 {faulty(errorRate(0.001), p95(0.2)), []answer.Stretch{{From: 30 * time.Second, To: 41 * time.Second}}, work{n: 100, seconds: 0.3}, Fail, "p95 < 200 ms missed"},
		"nothing left out":             {faulty(errorRate(0.001)), nil, well, Fail, "error_rate < 0.1% missed: 12.3%"},
		"windows slide over the fault": {faulty(window), []answer.Stretch{{From: 30 * time.Second, To: 41 * time.Second}}, well, Fail, "100% between 0:"},
		"abort waits for the end":      {faulty(abort), []answer.Stretch{{From: 30 * time.Second, To: 41 * time.Second}}, well, Pass, "the objective is met"},
		"no objective":                 {faulty(), []answer.Stretch{{From: 30 * time.Second, To: 41 * time.Second}}, well, Pass, "no request failed outside of what was disturbed on purpose"},
		"no objective, fails after":    {faulty(), []answer.Stretch{{From: 30 * time.Second, To: 41 * time.Second}}, down, Fail, "and no objective says how many may"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeRun(t, Options{Test: c.test})
			f.seconds(30, well)
			f.seconds(10, down)
			f.judge.Disturbed(c.out)
			f.seconds(40, c.after)
			v := f.end(work{n: 100, seconds: c.after.seconds, outcome: c.after.outcome})
			if v.Outcome != c.outcome || !strings.Contains(v.Summary, c.text) {
				t.Errorf("%s: %s\n%+v", v.Outcome, v.Summary, v.Findings)
			}
			if want := len(c.out); len(v.Part.Without) != want {
				t.Errorf("left out: %v", v.Part.Without)
			}
		})
	}
}

// A run of many intervals is kept in a bounded number of pieces, and what is disturbed is left out of it all the same.
func TestPiecesAreBounded(t *testing.T) {
	test := faulty(errorRate(0.001))
	test.Shape.Stages[0].Over = 3000 * time.Second
	test.Faults[0].At = 1500 * time.Second
	f := newFakeRun(t, Options{Test: test})
	f.seconds(1500, work{n: 1, seconds: 0.1})
	f.seconds(20, work{n: 1, seconds: 9, outcome: protocol.Timeout})
	f.seconds(1480, work{n: 1, seconds: 0.1})
	f.judge.Disturbed([]answer.Stretch{{From: 1500 * time.Second, To: 1520 * time.Second}})
	v := f.end(work{n: 1, seconds: 0.1})
	if n := len(f.judge.undisturbed.pieces); n > maxPieces {
		t.Errorf("%d pieces", n)
	}
	if o := v.Objectives()[0]; o.Outcome != Pass || *o.Objective.Value != 0 || o.Objective.Samples < 2950 || o.Objective.Samples > 2981 {
		t.Errorf("%+v %+v", o, o.Objective)
	}
	if got := f.judge.undisturbed.longest(3000 * time.Second); got != (answer.Stretch{From: 0, To: 1500 * time.Second}) {
		t.Errorf("the longest stretch without a disturbance is %v", got)
	}
}
