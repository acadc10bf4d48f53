package verdict

import (
	"context"
	"strings"
	"testing"
	"time"
)

// finish gives the final snapshot, without a verdict.
func (f *fakeRun) finish() {
	f.t.Helper()
	f.now = f.now.Add(time.Second)
	f.snapshot(true)
}

func TestLeaveOut(t *testing.T) {
	for name, c := range map[string]struct {
		warmUp  time.Duration
		left    time.Duration
		samples uint64
		value   float64 // p95
		outcome Outcome
		part    string
	}{
		"nothing":                {0, 0, 6000, 0.9, Fail, "steady part"},
		"exactly the slow start": {20 * time.Second, 20 * time.Second, 4000, 0.1, Pass, "after a warm-up of 20 s"},
		"between two snapshots":  {19500 * time.Millisecond, 20 * time.Second, 4000, 0.1, Pass, "after a warm-up of 20 s"},
		"too little":             {10 * time.Second, 10 * time.Second, 5000, 0.9, Fail, "after a warm-up of 10 s"},
		"more than there is":     {2 * time.Minute, 0, 6000, 0.9, Fail, "steady part"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeRun(t, Options{Test: loadTest(p95(0.2))})
			f.seconds(10, work{n: 50, seconds: 0.1})
			f.seconds(20, work{n: 100, seconds: 0.9})
			f.seconds(40, work{n: 100, seconds: 0.1})
			f.seconds(10, work{n: 50, seconds: 0.1})
			f.finish()
			if got := f.judge.LeaveOut(c.warmUp); got != c.left {
				t.Errorf("left out %v, want %v", got, c.left)
			}
			v := f.judge.Verdict(context.Background())
			o := v.Objectives()[0]
			if o.Outcome != c.outcome || o.Objective.Samples != c.samples || *o.Objective.Value < c.value*0.99 || *o.Objective.Value > c.value*1.01 {
				t.Errorf("%s of %v samples, p95 %v, want %s of %v, %v", o.Outcome, o.Objective.Samples, *o.Objective.Value, c.outcome, c.samples, c.value)
			}
			if from := v.Part.From.Sub(f.start); from != 10*time.Second+c.left || !strings.Contains(v.Part.Name, c.part) {
				t.Errorf("the part is %q from %v", v.Part.Name, from)
			}
		})
	}
}

func TestNotSteady(t *testing.T) {
	const why = "p95 rose by 200% at 40s"
	for name, c := range map[string]struct {
		limit   float64
		late    float64 // of the last 20 s of 60
		outcome Outcome
		code    string
		text    string
	}{
		"one half meets it and the other does not": {0.2, 0.3, Inconclusive, CodeNotSteady, "but not steady: " + why},
		"all of it meets it":                       {0.5, 0.3, Pass, "", "each quarter by itself says the same"},
		"none of it does":                          {0.05, 0.3, Fail, "", "each quarter by itself says the same"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeRun(t, Options{Test: loadTest(p95(c.limit), errorRate(0.01))})
			f.seconds(10, work{n: 50, seconds: 0.1})
			f.seconds(40, work{n: 100, seconds: 0.1})
			f.seconds(20, work{n: 100, seconds: c.late})
			f.seconds(10, work{n: 50, seconds: 0.1})
			f.finish()
			f.judge.NotSteady(why)
			all := f.judge.Verdict(context.Background()).Objectives()
			if o := all[0]; o.Outcome != c.outcome || c.code != "" && o.Code != c.code || !strings.Contains(o.Message+strings.Join(o.Warnings, " "), c.text) {
				t.Errorf("%s %s: %s %q", o.Outcome, o.Code, o.Message, o.Warnings)
			}
			if o := all[1]; o.Outcome != Pass || len(o.Warnings) > 0 {
				t.Errorf("a ratio is no mixture of levels: %s %s %q", o.Outcome, o.Message, o.Warnings)
			}
		})
	}
}
