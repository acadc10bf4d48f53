package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/promql"
)

// Values is one series of a result of Range.
type Values struct {
	Labels map[string]string
	At     []float64 // one a step from the beginning on; NaN where it has none
}

// Range evaluates an expression at from, from+step, … up to and including to: the values of each series of floats that it has
// there. It reads as many points as the HTTP API does at most.
func (s *Store) Range(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([]Values, error) {
	if step < time.Millisecond || to.Before(from) || to.Sub(from)/step > maxPoints {
		return nil, fmt.Errorf("evaluating %q: from %v to %v in steps of %v: needs steps of a millisecond at least, and up to %d of them", expr, from, to, step, maxPoints)
	}
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	q, err := s.engine.NewRangeQuery(ctx, s.db, nil, expr, from, to, step)
	if err != nil {
		return nil, exprError(expr, err)
	}
	defer q.Close()
	matrix, err := q.Exec(ctx).Matrix()
	if err != nil {
		return nil, fmt.Errorf("evaluating %q: %w", expr, err)
	}
	return valuesOf(matrix, from.UnixMilli(), step.Milliseconds(), int(to.Sub(from)/step)+1), nil
}

func valuesOf(matrix promql.Matrix, from, step int64, n int) []Values {
	all := make([]Values, 0, len(matrix))
	for _, one := range matrix {
		if len(one.Floats) == 0 {
			continue // histograms
		}
		values := make([]float64, n)
		for i := range values {
			values[i] = math.NaN()
		}
		for _, p := range one.Floats {
			if i := (p.T - from) / step; i >= 0 && i < int64(n) {
				values[i] = p.F
			}
		}
		all = append(all, Values{Labels: one.Metric.Map(), At: values})
	}
	return all
}
