package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

type queryData struct {
	ResultType parser.ValueType `json:"resultType"`
	Result     json.RawMessage  `json:"result"`
}

func (s *Store) serveQuery(ctx context.Context, p *params) (answer, error) {
	at := p.time("time", time.Now())
	return s.execute(ctx, p, func(ctx context.Context, o promql.QueryOpts, query string) (promql.Query, error) {
		return s.engine.NewInstantQuery(ctx, s.db, o, query, at)
	})
}

func (s *Store) serveQueryRange(ctx context.Context, p *params) (answer, error) {
	start, end, step := p.needTime("start"), p.needTime("end"), p.duration("step")
	switch {
	case p.err != nil:
		return answer{}, p.err
	case end.Before(start):
		p.fail("end", errors.New("end timestamp must not be before start time"))
	case step < time.Millisecond: // the engine counts in milliseconds, and a step of 0 would never end
		p.fail("step", errors.New("zero, negative or sub-millisecond query resolution step widths are not accepted: give a positive number of seconds"))
	case end.Sub(start)/step > maxPoints:
		return answer{}, &apiError{badData, fmt.Errorf("exceeded maximum resolution of %d points per timeseries. Try decreasing the query resolution (?step=XX)", maxPoints)}
	}
	return s.execute(ctx, p, func(ctx context.Context, o promql.QueryOpts, query string) (promql.Query, error) {
		return s.engine.NewRangeQuery(ctx, s.db, o, query, start, end, step)
	})
}

// execute reads what query and query_range have in common and runs the query.
func (s *Store) execute(ctx context.Context, p *params, prepare func(context.Context, promql.QueryOpts, string) (promql.Query, error)) (answer, error) {
	limit, within, back := p.limit("limit"), p.duration("timeout"), p.duration("lookback_delta")
	if p.err != nil {
		return answer{}, p.err
	}
	if within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, within)
		defer cancel()
	}
	query := p.r.FormValue("query")
	q, err := prepare(ctx, promql.NewPrometheusQueryOpts(false, back), query)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) { // while it waited for its turn
		return answer{}, err
	}
	if err != nil {
		p.fail("query", err)
		return answer{}, p.err
	}
	defer q.Close()
	result := q.Exec(ctx)
	if result.Err != nil {
		return answer{}, result.Err
	}
	var a answer
	a.annotate(result.Warnings, query)
	value, cut := truncate(result.Value, limit)
	if cut {
		a.truncated()
	}
	text, err := appendResult(nil, value) // before q.Close, which takes the result back
	if err != nil {
		return answer{}, &apiError{internal, err}
	}
	a.data = queryData{value.Type(), text}
	return a, nil
}

func truncate(v parser.Value, limit int) (_ parser.Value, cut bool) {
	switch v := v.(type) {
	case promql.Vector:
		if limit > 0 && len(v) > limit {
			return v[:limit], true
		}
	case promql.Matrix:
		if limit > 0 && len(v) > limit {
			return v[:limit], true
		}
	}
	return v, false
}

func (s *Store) serveFormat(_ context.Context, p *params) (answer, error) {
	e, err := s.parser.ParseExpr(p.r.FormValue("query"))
	if err != nil {
		p.fail("query", err)
		return answer{}, p.err
	}
	return answer{data: e.Pretty(0)}, nil
}
