package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

func (s *Store) serveLabels(ctx context.Context, p *params) (answer, error) {
	return s.listNames(p, func(q storage.Querier, h *storage.LabelHints, m []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelNames(ctx, h, m...)
	})
}

func (s *Store) serveLabelValues(ctx context.Context, p *params) (answer, error) {
	name := model.UnescapeName(p.r.PathValue("name"), model.ValueEncodingEscaping)
	if !model.UTF8Validation.IsValidLabelName(name) {
		return answer{}, &apiError{badData, fmt.Errorf("invalid label name: %q", name)}
	}
	return s.listNames(p, func(q storage.Querier, h *storage.LabelHints, m []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelValues(ctx, name, h, m...)
	})
}

// listNames answers with the union of what list finds for each selector, sorted; without a selector, of everything.
func (s *Store) listNames(p *params, list func(storage.Querier, *storage.LabelHints, []*labels.Matcher) ([]string, annotations.Annotations, error)) (_ answer, err error) {
	start, end := p.span()
	limit, sets := p.limit("limit"), p.matchers(s)
	if p.err != nil {
		return answer{}, p.err
	}
	q, err := s.db.Querier(start.UnixMilli(), end.UnixMilli())
	if err != nil {
		return answer{}, err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	names := []string{}
	var notes annotations.Annotations
	for _, set := range sets {
		found, more, err := list(q, &storage.LabelHints{Limit: hint(limit)}, set)
		if err != nil {
			return answer{}, err
		}
		notes.Merge(more)
		for _, f := range found {
			names = append(names, strings.Clone(f)) // what a querier returns is gone when it is closed
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var a answer
	a.annotate(notes, "")
	if limit > 0 && len(names) > limit {
		names = names[:limit]
		a.truncated()
	}
	a.data = names
	return a, nil
}

// hint asks the storage for one more than is wanted, so that it shows when there are more.
func hint(limit int) int {
	if limit == 0 {
		return 0
	}
	return limit + 1
}

func (s *Store) serveSeries(ctx context.Context, p *params) (_ answer, err error) {
	start, end := p.span()
	limit, sets := p.limit("limit"), p.matchers(s)
	if p.err == nil && len(sets) == 0 {
		p.err = &apiError{badData, errors.New("no match[] parameter provided")}
	}
	if p.err != nil {
		return answer{}, p.err
	}
	q, err := s.db.Querier(start.UnixMilli(), end.UnixMilli())
	if err != nil {
		return answer{}, err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	hints := &storage.SelectHints{Start: start.UnixMilli(), End: end.UnixMilli(), Func: "series", Limit: hint(limit)}
	found := make([]storage.SeriesSet, len(sets))
	for i, set := range sets {
		found[i] = q.Select(ctx, true, hints, set...)
	}
	merged := storage.NewMergeSeriesSet(found, 0, storage.ChainedSeriesMerge)
	var a answer
	series := []map[string]string{}
	for merged.Next() {
		if limit > 0 && len(series) == limit {
			a.truncated()
			break
		}
		series = append(series, merged.At().Labels().Map())
	}
	if err := merged.Err(); err != nil {
		return answer{}, err
	}
	a.data = series
	return a, nil
}
