package experiment

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tidegauge/engine/plan"
	"tidegauge/engine/search"
	"tidegauge/engine/verdict"
)

// climb is a step test: the shape is the plan's, and each step is a trial. One that the generator disturbed begins again.
func (x *explorer) climb(ctx context.Context) {
	again, began := 0, x.start
	for n, step := 1, 0; ; n++ {
		load, ok := x.steps.Next()
		if !ok {
			return
		}
		x.announce(n, load, search.Growth)
		r, ok := x.step(ctx, load, began)
		if !ok {
			x.stopped = true
			return
		}
		outcome := x.note(load, fmt.Sprintf("step %d", step+1), r)
		if outcome == search.Generator {
			if again++; again < generatorTries {
				at, err := x.control.Follow(x.climbing(step))
				if err != nil {
					x.stopped = true
					return
				}
				began = x.start.Add(at)
				continue
			}
		}
		if err := x.steps.Record(outcome, r.To.Sub(r.From)); err != nil {
			x.warnings = append(x.warnings, err.Error())
			return
		}
		again, began, step = 0, began.Add(x.length()), step+1
	}
}

// step has a step that begins at a moment, and judges it soon after its end; false: the run is being ended.
func (x *explorer) step(ctx context.Context, load float64, began time.Time) (r verdict.TrialResult, ok bool) {
	t := x.trial(load, began)
	soonest := began.Add(x.plan.WarmUp + x.plan.Trial/earlyShare)
	hopeless := false
	if !x.await(began.Add(x.length()+x.grace()), func() bool {
		hopeless = !time.Now().Before(soonest) && t.Hopeless()
		return hopeless
	}) {
		return r, false
	}
	if hopeless {
		x.locked(func() { t.Stop(time.Now()) })
		x.recorder.Flush()
	}
	return x.judge(ctx, t, 0), true
}

// grace is what the requests of a step have to end after it.
func (x *explorer) grace() time.Duration { return min(x.length()/4, x.e.o.Plan.Target.Timeout) }

// climbing are the stages of a step test from one of its steps on, counted from 0, and the silence after them in which the last
// one is judged.
func (x *explorer) climbing(step int) []plan.Stage {
	stages := slices.Clone(x.test.Shape.Stages[2*step:]) // a step is a jump and a level, the first a level alone
	return append(stages, plan.Stage{Over: x.grace() + mostDrain, Phase: phaseCool})
}
