package experiment

import (
	"context"

	"tidegauge/engine/answer"
	"tidegauge/engine/run"
)

// answer answers the question of the test's type; nil where it asks none.
func (e *experiment) answer(_ context.Context, _ run.Result) *answer.Answer {
	switch e.o.Test.Type {
	default:
		return nil
	}
}
