package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// EndSeries writes a staleness marker at t to every series with all of these labels that is not stale yet, so that nothing
// lingers: an instant query after t finds none of them, while a range that reaches back before t still does. The marker
// of a series with a sample at or after t follows that sample by a millisecond.
func (s *Store) EndSeries(ctx context.Context, t time.Time, with ...Label) error {
	fail := func(err error) error { return fmt.Errorf("ending the series with %v: %w", with, err) }
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return fail(err)
	}
	defer done()
	match, err := matchersOf(with)
	if err == nil {
		err = s.endAll(ctx, match, t)
	}
	if err != nil {
		return fail(err)
	}
	return nil
}

func matchersOf(with []Label) ([]*labels.Matcher, error) {
	match := make([]*labels.Matcher, len(with))
	for i, l := range with {
		var err error
		if match[i], err = labels.NewMatcher(labels.MatchEqual, l.Name, l.Value); err != nil {
			return nil, err
		}
	}
	return match, nil
}

// EndLeft ends every series that a process which was killed has left, right after its last sample, so that nothing of it
// lingers. It does nothing if the process before ended by itself, or the second time.
func (s *Store) EndLeft(ctx context.Context) error {
	fail := func(err error) error {
		return fmt.Errorf("ending the series that a killed process has left: %w", err)
	}
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return fail(err)
	}
	defer done()
	newest := s.db.Head().MaxTime()
	if !s.lock.left.Load() || newest == math.MinInt64 { // which says that there is nothing
		s.lock.left.Store(false)
		return nil
	}
	// Each series is ended after its last sample: no time is given that could come later.
	match, err := labels.NewMatcher(labels.MatchNotEqual, model.MetricNameLabel, "")
	if err == nil {
		err = s.endAll(ctx, []*labels.Matcher{match}, time.UnixMilli(newest-lookback.Milliseconds()))
	}
	if err != nil {
		return fail(err)
	}
	s.lock.left.Store(false)
	return nil
}

// endAll writes a staleness marker, at t or right after its last sample if that is later, to the series that match and would
// answer at t or later.
func (s *Store) endAll(ctx context.Context, match []*labels.Matcher, t time.Time) error {
	last, err := s.lastSamples(ctx, match, t)
	if err != nil {
		return err
	}
	app := s.appender(ctx)
	for _, l := range last {
		if err := l.end(app, t.UnixMilli()); err != nil {
			return errors.Join(err, app.Rollback())
		}
	}
	return app.Commit()
}

// lastSample is where a series ends, as far as it is not stale.
type lastSample struct {
	labels labels.Labels
	time   int64
	kind   chunkenc.ValueType
}

func (l *lastSample) end(app storage.AppenderV2, t int64) error {
	t = max(t, l.time+1)
	nan := math.Float64frombits(value.StaleNaN)
	var err error
	switch l.kind {
	case chunkenc.ValHistogram:
		_, err = app.Append(0, l.labels, 0, t, 0, &histogram.Histogram{Sum: nan}, nil, storage.AppendV2Options{})
	case chunkenc.ValFloatHistogram:
		_, err = app.Append(0, l.labels, 0, t, 0, nil, &histogram.FloatHistogram{Sum: nan}, storage.AppendV2Options{})
	default:
		_, err = app.Append(0, l.labels, 0, t, nan, nil, nil, storage.AppendV2Options{})
	}
	return err
}

// lastSamples finds the series that would still answer at t or later.
func (s *Store) lastSamples(ctx context.Context, match []*labels.Matcher, t time.Time) (found []lastSample, err error) {
	q, err := s.db.Querier(t.Add(-lookback).UnixMilli(), math.MaxInt64)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	set := q.Select(ctx, false, nil, match...)
	var it chunkenc.Iterator
	for set.Next() {
		series := set.At()
		it = series.Iterator(it)
		last, stale := lastSample{labels: series.Labels()}, true
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			last.time, last.kind, stale = it.AtT(), kind, isStale(it, kind)
		}
		if err := it.Err(); err != nil {
			return nil, err
		}
		if !stale {
			found = append(found, last)
		}
	}
	return found, set.Err()
}

func isStale(it chunkenc.Iterator, kind chunkenc.ValueType) bool {
	switch kind {
	case chunkenc.ValHistogram, chunkenc.ValFloatHistogram:
		_, h := it.AtFloatHistogram(nil)
		return isStaleValue(h.Sum)
	default:
		_, v := it.At()
		return isStaleValue(v)
	}
}

func isStaleValue(v float64) bool { return value.IsStaleNaN(v) }
