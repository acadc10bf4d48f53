package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// maxExemplars is how many exemplars there are at most, of all series together: the latest. 100 bytes each.
const maxExemplars = 100_000

// Exemplars calls use for every exemplar with from < time <= to, in milliseconds since 1970, that is still there: series by
// series, each in the order of time. What use is given is its to keep. It stops with the first error of use.
func (s *Store) Exemplars(ctx context.Context, from, to int64, use func(Exemplar) error) error {
	if to <= from {
		return nil
	}
	everything, err := labels.NewMatcher(labels.MatchNotEqual, model.MetricNameLabel, "")
	if err != nil {
		return err
	}
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return fmt.Errorf("reading exemplars: %w", err)
	}
	defer done()
	found, err := s.exemplars(ctx, from+1, to, []*labels.Matcher{everything})
	if err != nil {
		return fmt.Errorf("reading exemplars: %w", err)
	}
	for _, one := range found {
		series := seriesOf(one.SeriesLabels)
		for _, e := range one.Exemplars {
			x := Exemplar{Series: series, Time: e.Ts, Value: e.Value, Labels: seriesOf(e.Labels).Labels}
			if err := use(x); err != nil {
				return err
			}
		}
	}
	return nil
}

// exemplars finds those of series that one of the lists of matchers describes, with from <= time <= to. The caller
// keeps the store open.
func (s *Store) exemplars(ctx context.Context, from, to int64, matchers ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	q, err := s.db.ExemplarQuerier(ctx)
	if err != nil {
		return nil, err
	}
	return q.Select(from, to, matchers...)
}

// exemplarSeries is an answer to query_exemplars.
type exemplarSeries struct {
	Labels    labels.Labels  `json:"seriesLabels"`
	Exemplars []exemplarJSON `json:"exemplars"`
}

type exemplarJSON struct {
	Labels    labels.Labels `json:"labels"`
	Value     string        `json:"value"`
	Timestamp json.Number   `json:"timestamp"`
}

// serveExemplars gives the exemplars of every series that the query selects anywhere in it.
func (s *Store) serveExemplars(ctx context.Context, p *params) (answer, error) {
	start, end := p.span()
	expr, err := s.parser.ParseExpr(p.r.FormValue("query"))
	if err != nil {
		p.fail("query", err)
	}
	if p.err != nil {
		return answer{}, p.err
	}
	list := []exemplarSeries{}
	selectors := parser.ExtractSelectors(expr)
	if len(selectors) == 0 {
		return answer{data: list}, nil
	}
	found, err := s.exemplars(ctx, start.UnixMilli(), end.UnixMilli(), selectors...)
	if err != nil {
		return answer{}, &apiError{execution, err}
	}
	for _, one := range found {
		series := exemplarSeries{Labels: one.SeriesLabels}
		for _, e := range one.Exemplars {
			series.Exemplars = append(series.Exemplars, exemplarJSON{
				Labels: e.Labels, Value: strconv.FormatFloat(e.Value, 'f', -1, 64),
				Timestamp: json.Number(strconv.FormatFloat(float64(e.Ts)/1000, 'f', -1, 64)),
			})
		}
		list = append(list, series)
	}
	return answer{data: list}, nil
}
