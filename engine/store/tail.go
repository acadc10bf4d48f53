package store

import (
	"context"
	"errors"
	"sync"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// maxLate bounds how many points a Tail keeps for its reader.
const maxLate = 20_000

// Tail reads the store as it grows, and keeps what is written behind its reader's back: a scrape that took long is written
// when it ends, under the time at which it began. Its methods are called from one goroutine at a time.
type Tail struct {
	store *Store

	mu            sync.Mutex
	read, counted int64 // up to here; 0: nothing yet
	late          Late
}

// Late is what was written since the last time behind a reader.
type Late struct {
	Points           []Point // with a time up to which Read had read
	Dropped          uint64  // more of these, which there was no room for, staleness markers apart
	DroppedMarkers   uint64
	Uncounted        uint64 // with a time after that, but one up to which Count had counted, markers apart: Read finds them
	UncountedMarkers uint64
}

// Tail returns a Tail. It keeps what is late for as long as the store is open, and is meant for readers that stay.
func (s *Store) Tail() *Tail {
	t := &Tail{store: s}
	s.commits.Lock()
	defer s.commits.Unlock()
	s.tails = append(s.tails, t)
	return t
}

// Read is the store's, and says up to when this reader has read, if all of it was taken.
func (t *Tail) Read(ctx context.Context, from, to int64, use func(Point) error) error {
	ctx, done, err := t.store.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	t.store.commits.Lock() // nothing is committed between reading and noting how far
	defer t.store.commits.Unlock()
	err = t.store.read(ctx, from, to, use)
	if err == nil {
		t.mu.Lock()
		t.read = max(t.read, to)
		t.mu.Unlock()
	}
	return err
}

// Count is the store's, and says up to when this reader has counted.
func (t *Tail) Count(ctx context.Context, from, to int64) (samples, markers uint64, err error) {
	ctx, done, err := t.store.begin(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer done()
	const atOnce = 10 * 60 * 1000 // milliseconds: whoever writes waits for it
	for from < to {
		end := min(from+atOnce, to)
		n, m, err := t.countPart(ctx, from, end)
		if err != nil {
			return 0, 0, err
		}
		samples, markers, from = samples+n, markers+m, end
	}
	return samples, markers, nil
}

func (t *Tail) countPart(ctx context.Context, from, to int64) (samples, markers uint64, err error) {
	t.store.commits.Lock()
	defer t.store.commits.Unlock()
	samples, markers, err = t.store.count(ctx, from, to)
	if err == nil {
		t.mu.Lock()
		t.counted = max(t.counted, to)
		t.mu.Unlock()
	}
	return samples, markers, err
}

// Late hands over what is late. The caller owns it.
func (t *Tail) Late() Late {
	t.mu.Lock()
	defer t.mu.Unlock()
	late := t.late
	t.late = Late{}
	return late
}

// note takes what was just committed. The caller holds commits for reading.
func (t *Tail) note(staged []stagedPoint) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range staged {
		one := &staged[i]
		switch stale := one.stale(); {
		case one.time <= t.read && len(t.late.Points) < maxLate:
			t.late.Points = append(t.late.Points, one.point())
		case one.time <= t.read && stale:
			t.late.DroppedMarkers++
		case one.time <= t.read:
			t.late.Dropped++
		case one.time <= t.counted && stale:
			t.late.UncountedMarkers++
		case one.time <= t.counted:
			t.late.Uncounted++
		}
	}
}

// appender is the way of everything that is written. The caller keeps the store open until Commit or Rollback.
func (s *Store) appender(ctx context.Context) storage.AppenderV2 {
	return &notingAppender{AppenderV2: s.db.AppenderV2(ctx), store: s}
}

// appendable is the store as the handler of OTLP wants it.
type appendable struct{ store *Store }

func (a appendable) AppenderV2(ctx context.Context) storage.AppenderV2 { return a.store.appender(ctx) }

// notingAppender tells the readers what they have missed.
type notingAppender struct {
	storage.AppenderV2
	store  *Store
	staged []stagedPoint
}

type stagedPoint struct {
	labels labels.Labels
	time   int64
	value  float64
	h      *histogram.Histogram
	fh     *histogram.FloatHistogram
}

func (p *stagedPoint) stale() bool {
	switch {
	case p.h != nil:
		return isStaleValue(p.h.Sum)
	case p.fh != nil:
		return isStaleValue(p.fh.Sum)
	}
	return isStaleValue(p.value)
}

func (p *stagedPoint) point() Point {
	point := Point{Series: seriesOf(p.labels), Time: p.time, Value: p.value}
	switch {
	case p.h != nil:
		point.Histogram = histogramOf(p.h.ToFloat(nil), false)
	case p.fh != nil:
		point.Histogram = histogramOf(p.fh.Copy(), true)
	}
	return point
}

func (a *notingAppender) Append(ref storage.SeriesRef, l labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AppendV2Options) (storage.SeriesRef, error) {
	ref, err := a.AppenderV2.Append(ref, l, st, t, v, h, fh, o)
	var partial *storage.AppendPartialError // the sample is there, but not its exemplars
	if err == nil || errors.As(err, &partial) {
		a.staged = append(a.staged, stagedPoint{l, t, v, h, fh})
	}
	return ref, err
}

func (a *notingAppender) Commit() error {
	a.store.commits.RLock()
	defer a.store.commits.RUnlock()
	if err := a.AppenderV2.Commit(); err != nil {
		return err
	}
	for _, t := range a.store.tails {
		t.note(a.staged)
	}
	return nil
}
