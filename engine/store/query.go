package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// Sample is one element of a result of Query. Scalars have no labels.
type Sample struct {
	Labels map[string]string
	Time   time.Time
	Value  float64
}

// Query evaluates an expression at t: a vector or a scalar. An expression that gives histograms is an error that says so.
func (s *Store) Query(ctx context.Context, expr string, t time.Time) ([]Sample, error) {
	var samples []Sample
	err := s.instant(ctx, expr, t, func(v parser.Value) error {
		switch v := v.(type) {
		case promql.Scalar:
			samples = []Sample{{Time: time.UnixMilli(v.T), Value: v.V}}
		case promql.Vector:
			for _, e := range v {
				if e.H != nil {
					return fmt.Errorf("%s is a histogram: take histogram_quantile, histogram_count or histogram_sum of it", e.Metric)
				}
				samples = append(samples, Sample{Labels: e.Metric.Map(), Time: time.UnixMilli(e.T), Value: e.F})
			}
		default:
			return fmt.Errorf("it gives a %s: a vector or a scalar is needed", v.Type())
		}
		return nil
	})
	return samples, err
}

// instant evaluates expr at t and hands the result to use, to which it belongs only until use returns.
func (s *Store) instant(ctx context.Context, expr string, t time.Time, use func(parser.Value) error) error {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	q, err := s.engine.NewInstantQuery(ctx, s.db, nil, expr, t)
	if err != nil {
		return exprError(expr, err)
	}
	defer q.Close()
	result := q.Exec(ctx)
	if result.Err != nil {
		return fmt.Errorf("evaluating %q: %w", expr, result.Err)
	}
	if err := use(result.Value); err != nil {
		return fmt.Errorf("evaluating %q: %w", expr, err)
	}
	return nil
}

// Compare evaluates a comparison at a time and says whether it holds. The comparison must be what the expression is as a
// whole, of a vector with a scalar, in either order, or of two scalars. Unlike PromQL, which would leave out the elements
// for which it does not hold, Compare returns them all: left has the values of the vector, right the scalar; held is true
// when there are values and the comparison holds for each. An empty left means that there is no data.
func (s *Store) Compare(ctx context.Context, expr string, at time.Time) (left, right []float64, held bool, err error) {
	c, err := splitComparison(s.parser, expr)
	if err != nil {
		return nil, nil, false, err
	}
	if left, err = s.values(ctx, c.left, at); err != nil {
		return nil, nil, false, err
	}
	if right, err = s.values(ctx, c.right, at); err != nil {
		return nil, nil, false, err
	}
	held = len(left) > 0
	for _, v := range left {
		held = held && holds(c.op, v, right[0])
	}
	return left, right, held, nil
}

func (s *Store) values(ctx context.Context, e parser.Expr, at time.Time) ([]float64, error) {
	samples, err := s.Query(ctx, e.String(), at)
	if err != nil {
		return nil, err
	}
	values := make([]float64, len(samples))
	for i := range samples {
		values[i] = samples[i].Value
	}
	return values, nil
}

// ExprError is a mistake in a PromQL expression.
type ExprError struct {
	Expr   string
	Reason string
	offset int
}

// Error says where in the expression what is wrong.
func (e *ExprError) Error() string {
	return fmt.Sprintf("PromQL %q, at offset %d: %s", e.Expr, e.offset, e.Reason)
}

// Offset is where in Expr the mistake is, in bytes from 0.
func (e *ExprError) Offset() int { return e.offset }

func exprError(expr string, err error) error {
	if several, ok := errors.AsType[parser.ParseErrors](err); ok && len(several) > 0 {
		return &ExprError{expr, several[0].Err.Error(), clamp(int(several[0].PositionRange.Start), len(expr))}
	}
	if one, ok := errors.AsType[*parser.ParseErr](err); ok {
		return &ExprError{expr, one.Err.Error(), clamp(int(one.PositionRange.Start), len(expr))}
	}
	return &ExprError{expr, err.Error(), 0}
}

func clamp(offset, length int) int { return max(0, min(offset, length)) }

// CheckComparison returns an *ExprError with the offset of what keeps Compare from taking an expression, or nil.
func CheckComparison(expr string) error {
	_, err := splitComparison(parser.NewParser(parser.Options{}), expr)
	return err
}

// SplitComparison takes a comparison apart: an expression, the operator it is compared by, and a scalar.
func SplitComparison(expr string) (left, op, right string, err error) {
	c, err := splitComparison(parser.NewParser(parser.Options{}), expr)
	if err != nil {
		return "", "", "", err
	}
	return c.left.String(), c.op.String(), c.right.String(), nil
}

type comparison struct {
	left, right parser.Expr // right is a scalar
	op          parser.ItemType
}

func splitComparison(p parser.Parser, expr string) (comparison, error) {
	e, err := p.ParseExpr(expr)
	if err != nil {
		return comparison{}, exprError(expr, err)
	}
	e = strip(e)
	fail := func(at parser.Expr, reason string) (comparison, error) {
		return comparison{}, &ExprError{expr, reason, clamp(int(at.PositionRange().Start), len(expr))}
	}
	b, ok := e.(*parser.BinaryExpr)
	if !ok || !b.Op.IsComparisonOperator() {
		return fail(e, "not a comparison: write what is to be true of the value, as in max(up) == 1")
	}
	c := comparison{b.LHS, b.RHS, b.Op}
	if c.right.Type() != parser.ValueTypeScalar {
		if c.left.Type() != parser.ValueTypeScalar {
			return fail(b.RHS, "compares two vectors: one side has to be a number; wrap it in scalar()")
		}
		c = comparison{b.RHS, b.LHS, mirror(b.Op)}
	}
	return c, nil
}

func strip(e parser.Expr) parser.Expr {
	for {
		p, ok := e.(*parser.ParenExpr)
		if !ok {
			return e
		}
		e = p.Expr
	}
}

func mirror(op parser.ItemType) parser.ItemType {
	switch op {
	case parser.LSS:
		return parser.GTR
	case parser.GTR:
		return parser.LSS
	case parser.LTE:
		return parser.GTE
	case parser.GTE:
		return parser.LTE
	}
	return op
}

func holds(op parser.ItemType, a, b float64) bool {
	switch op {
	case parser.LSS:
		return a < b
	case parser.GTR:
		return a > b
	case parser.LTE:
		return a <= b
	case parser.GTE:
		return a >= b
	case parser.EQLC:
		return a == b
	case parser.NEQ:
		return a != b
	}
	return false
}
