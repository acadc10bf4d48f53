package run

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/verdict"
)

// slowFirst is a sink that takes its time over the first snapshot.
type slowFirst struct {
	d    time.Duration
	seen bool
}

func (s *slowFirst) Consume(context.Context, *measure.Snapshot) error {
	if !s.seen {
		s.seen = true
		time.Sleep(s.d)
	}
	return nil
}

// The recorder and the load count from one moment, however long the sinks take over the first snapshot: else a stretch of the
// shape would be judged that no load was made in.
func TestASlowFirstSinkDoesNotMoveTheStart(t *testing.T) {
	for _, s := range []plan.Shape{
		openShape(100, plan.Stage{From: 200, To: 200, Over: 5 * time.Second, Phase: "steady"}),
		openShape(100, plan.Stage{From: 0, To: 200, Over: 2 * time.Second, Phase: "ramp"},
			plan.Stage{From: 200, To: 200, Over: 3 * time.Second, Phase: "steady"}, plan.Stage{From: 200, To: 0, Over: time.Second, Phase: "ramp"}),
	} {
		synctest.Test(t, func(t *testing.T) {
			tg := &target{latency: takes(20 * ms)}
			o := withStopTimeout(options(t, tg, s), time.Second)
			judge := verdict.NewJudge(verdict.Options{Test: &plan.Test{Name: "load", Type: plan.Load, Shape: s}})
			begun := time.Now()
			o.Sinks = []measure.Sink{&slowFirst{d: 300 * ms}, judge}
			res, tp := perform(t.Context(), t, tg, o)
			if got := res.Start.Sub(begun); got != 300*ms {
				t.Errorf("the load began after %v, want 300ms", got)
			}
			for i, snap := range tp.snaps {
				if want := res.Start; i > 0 && !snap.start.Equal(want) {
					t.Errorf("snapshot %d counts from %v, want %v", i, snap.start, want)
				}
			}
			// A tenth of a second may pass before what is due is counted, but not the 300 ms.
			if b := tp.at(time.Second).books; len(s.Stages) == 1 && (b.Started < 200 || b.Started > 201) {
				t.Errorf("%d started within the first second, want 200", b.Started)
			}
			v := judge.Verdict(t.Context())
			if v.Outcome != verdict.Pass {
				t.Errorf("verdict %s: %s", v.Outcome, v.Summary)
			}
			if !v.Part.From.Equal(res.Start.Add(offset(s))) {
				t.Errorf("judged from %v, want %v", v.Part.From, res.Start.Add(offset(s)))
			}
		})
	}
}

// offset is where the steady stage of a shape begins.
func offset(s plan.Shape) (at time.Duration) {
	for _, st := range s.Stages {
		if st.Phase == "steady" {
			break
		}
		at += st.Over
	}
	return at
}
