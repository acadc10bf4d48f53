package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// ErrTooMany ends a Read that found more samples than its caller can hold.
var ErrTooMany = errors.New("more samples than asked for")

// Label is one label of a series.
type Label struct{ Name, Value string }

// Series is a set of labels, among them __name__, sorted by name. It is not changed once made.
type Series struct {
	Labels []Label
	Key    string // the labels in Prometheus's notation; unique
}

// Name returns the series' metric name.
func (s *Series) Name() string { return s.Get(model.MetricNameLabel) }

// Get returns the value of a label, "" without one.
func (s *Series) Get(name string) string {
	for i := range s.Labels {
		if s.Labels[i].Name == name {
			return s.Labels[i].Value
		}
	}
	return ""
}

// Point is one sample of a series: a value, or a histogram.
type Point struct {
	Series    *Series
	Time      int64 // milliseconds since 1970
	Value     float64
	Histogram *Histogram // nil for a value
}

// Stale reports whether the point is a staleness marker: the series has ended, until it has a point again.
func (p *Point) Stale() bool {
	if p.Histogram != nil {
		return value.IsStaleNaN(p.Histogram.Sum)
	}
	return value.IsStaleNaN(p.Value)
}

// StaleMarker returns the value of a staleness marker, a NaN of its own.
func StaleMarker() float64 { return math.Float64frombits(value.StaleNaN) }

// Exemplar is an example of what a histogram or a counter counted, which leads to a trace.
type Exemplar struct {
	Series *Series
	Time   int64 // milliseconds since 1970: when it was measured, which is before the sample that counts it
	Value  float64
	Labels []Label // trace_id and span_id, as 32 and 16 hexadecimal digits
}

// Read calls use for every sample with from < time <= to, in milliseconds since 1970, staleness markers included: series
// by series, each in the order of time; what Rules make is left out. What use is given is its to keep. It stops with the first error of use.
func (s *Store) Read(ctx context.Context, from, to int64, use func(Point) error) error {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	return s.read(ctx, from, to, use)
}

// read is Read in a store that stays open.
func (s *Store) read(ctx context.Context, from, to int64, use func(Point) error) (err error) {
	if to <= from {
		return nil
	}
	defer func() {
		if err != nil && !errors.Is(err, ErrTooMany) {
			err = fmt.Errorf("reading the store: %w", err)
		}
	}()
	q, err := s.db.Querier(from+1, to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	everything, err := labels.NewMatcher(labels.MatchNotEqual, model.MetricNameLabel, "")
	if err != nil {
		return err
	}
	set := q.Select(ctx, false, &storage.SelectHints{Start: from + 1, End: to}, everything)
	var it chunkenc.Iterator
	for set.Next() {
		if s.madeByRules(set.At().Labels()) {
			continue
		}
		it = set.At().Iterator(it)
		series := seriesOf(set.At().Labels())
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			if t := it.AtT(); t <= from || t > to {
				continue
			}
			if err := use(pointAt(it, kind, series)); err != nil {
				return err
			}
		}
		if err := it.Err(); err != nil {
			return err
		}
	}
	return set.Err()
}

func seriesOf(l labels.Labels) *Series {
	s := &Series{Key: l.String()}
	l.Range(func(one labels.Label) { // what a querier returns is gone when it is closed
		s.Labels = append(s.Labels, Label{strings.Clone(one.Name), strings.Clone(one.Value)})
	})
	return s
}

func pointAt(it chunkenc.Iterator, kind chunkenc.ValueType, series *Series) Point {
	p := Point{Series: series}
	switch kind {
	case chunkenc.ValHistogram, chunkenc.ValFloatHistogram:
		var h *histogram.FloatHistogram
		p.Time, h = it.AtFloatHistogram(nil)
		p.Histogram = histogramOf(h, kind == chunkenc.ValFloatHistogram)
	default:
		p.Time, p.Value = it.At()
	}
	return p
}

// Count counts the samples that Read would give, staleness markers apart.
func (s *Store) Count(ctx context.Context, from, to int64) (samples, markers uint64, err error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer done()
	return s.count(ctx, from, to)
}

// count is Count in a store that stays open.
func (s *Store) count(ctx context.Context, from, to int64) (samples, markers uint64, err error) {
	if to <= from {
		return 0, 0, nil
	}
	q, err := s.db.Querier(from+1, to)
	if err != nil {
		return 0, 0, fmt.Errorf("counting samples: %w", err)
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	everything, err := labels.NewMatcher(labels.MatchNotEqual, model.MetricNameLabel, "")
	if err != nil {
		return 0, 0, err
	}
	set := q.Select(ctx, false, &storage.SelectHints{Start: from + 1, End: to}, everything)
	var it chunkenc.Iterator
	for set.Next() {
		if s.madeByRules(set.At().Labels()) {
			continue
		}
		it = set.At().Iterator(it)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			if t := it.AtT(); t <= from || t > to {
				continue
			}
			if isStale(it, kind) {
				markers++
			} else {
				samples++
			}
		}
		if err := it.Err(); err != nil {
			return 0, 0, fmt.Errorf("counting samples: %w", err)
		}
	}
	return samples, markers, set.Err()
}

// Append writes one value for each of the points, all or nothing. Histograms are not taken.
func (s *Store) Append(ctx context.Context, points []Point) error {
	fail := func(err error) error { return fmt.Errorf("writing to the store in %s: %w", s.dir, err) }
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return fail(err)
	}
	defer done()
	app := s.appender(ctx)
	for i := range points {
		b := labels.NewScratchBuilder(len(points[i].Series.Labels))
		for _, l := range points[i].Series.Labels {
			b.Add(l.Name, l.Value)
		}
		b.Sort()
		if _, err := app.Append(0, b.Labels(), 0, points[i].Time, points[i].Value, nil, nil, storage.AppendV2Options{}); err != nil {
			return fail(errors.Join(err, app.Rollback()))
		}
	}
	if err := app.Commit(); err != nil {
		return fail(err)
	}
	return nil
}
