package verdict

import (
	"strings"
	"testing"
	"time"

	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
)

// The load is changed at some second of a run with a steady part from 5 to 15 s.
func TestChangedLoad(t *testing.T) {
	for _, tt := range []struct {
		name    string
		at      time.Duration
		slow    bool // what comes after the change
		outcome Outcome
		code    string
		text    string
	}{
		{"in the part", 10 * time.Second, true, Inconclusive, CodeChanged, "changed after 10s"},
		{"before the part", 3 * time.Second, false, Inconclusive, CodeChanged, "before the steady part began"},
		{"after the part", 16 * time.Second, true, Pass, CodeObjective, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			test := &plan.Test{Name: "load", Type: plan.Load, Shape: plan.Shape{Model: plan.Closed, Stages: []plan.Stage{
				{To: 5, Over: 5 * time.Second, Phase: "ramp"}, {From: 5, To: 5, Over: 10 * time.Second, Phase: "steady"}, {From: 5, Over: 5 * time.Second, Phase: "ramp"},
			}}, Objectives: []plan.Objective{
				{Text: "mean < 1s", Metric: plan.Mean, Op: "<", Threshold: 1},
				{Text: "error_rate < 1%", Metric: plan.ErrorRate, Op: "<", Threshold: 0.01},
			}}
			f := newFakeRun(t, Options{Test: test})
			for second := range 20 {
				now := time.Duration(second) * time.Second
				if now == tt.at {
					f.judge.Changed(f.now)
					f.snapshot(false) // as the change of the load has one taken
				}
				w := work{request: get, n: 50, seconds: 0.1, outcome: protocol.OK}
				if tt.slow && now >= tt.at {
					w.seconds = 5
				}
				f.do(w)
				f.now = f.now.Add(time.Second)
				f.snapshot(second == 19)
			}
			v := f.judge.Verdict(t.Context())
			if v.Outcome != tt.outcome || v.Code() != tt.code || !strings.Contains(v.Summary, tt.text) {
				t.Errorf("%s (%s): %s", v.Outcome, v.Code(), v.Summary)
			}
			if tt.name == "in the part" && v.Part.To.Sub(v.Part.From) != 5*time.Second {
				t.Errorf("judged from %v to %v, want 5 s, until the change", v.Part.From, v.Part.To)
			}
		})
	}
}
