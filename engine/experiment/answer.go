package experiment

import (
	"context"

	"tidegauge/engine/answer"
	"tidegauge/engine/plan"
	"tidegauge/engine/run"
)

// answer answers the question of the test's type; nil where it asks none.
func (e *experiment) answer(ctx context.Context, result run.Result, steady *stretch) *answer.Answer {
	switch e.o.Test.Type {
	case plan.Load:
		return loadFigures(steady)
	case plan.Stress:
		if e.explorer == nil { // a shape that was given
			return nil
		}
		return e.explorer.answer()
	case plan.Recovery:
		return e.recovery(ctx, result)
	case plan.Spike:
		return e.spike(ctx, result)
	case plan.Soak:
		return e.soakAnswer(ctx, result, steady)
	default:
		return nil
	}
}
