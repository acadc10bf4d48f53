package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// Writer is a way into the store for Prometheus's own components, such as its scraper. It remembers which series came
// through it, so that End can end them. Safe for concurrent use; every appender must end in Commit or Rollback, until
// which Close waits.
type Writer struct {
	store *Store

	mu    sync.Mutex
	live  map[storage.SeriesRef]lastSample
	ended bool
}

// Writer returns a new Writer, which knows only the series that come through it.
func (s *Store) Writer() *Writer {
	return &Writer{store: s, live: map[storage.SeriesRef]lastSample{}}
}

// AppenderV2 implements storage.AppendableV2. What is appended after End, or after Close of the store, is refused with
// ErrClosed.
func (w *Writer) AppenderV2(ctx context.Context) storage.AppenderV2 {
	ctx, done, err := w.store.begin(ctx)
	if err != nil {
		return refusing{err}
	}
	return &writerAppender{AppenderV2: w.store.appender(ctx), writer: w, done: done}
}

// Live returns how many series came through w and are not stale.
func (w *Writer) Live() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.live)
}

// End writes a staleness marker at t, or a millisecond after its last sample if that is later, to every series that came
// through w and is not stale yet. Nothing is accepted afterwards; ending twice does nothing.
func (w *Writer) End(ctx context.Context, t time.Time) error {
	fail := func(err error) error { return fmt.Errorf("ending the series that were written: %w", err) }
	ctx, done, err := w.store.begin(ctx)
	if err != nil {
		return fail(err)
	}
	defer done()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	if len(w.live) == 0 {
		return nil
	}
	app := w.store.appender(ctx)
	for _, last := range w.live {
		if err := last.end(app, t.UnixMilli()); err != nil {
			return fail(errors.Join(err, app.Rollback()))
		}
	}
	clear(w.live)
	if err := app.Commit(); err != nil {
		return fail(err)
	}
	return nil
}

// writerAppender notes the last sample of each series once it is committed.
type writerAppender struct {
	storage.AppenderV2
	writer *Writer
	done   func()
	staged []stagedSample
}

type stagedSample struct {
	ref storage.SeriesRef
	lastSample
	stale bool
}

func (a *writerAppender) Append(ref storage.SeriesRef, l labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AppendV2Options) (storage.SeriesRef, error) {
	ref, err := a.AppenderV2.Append(ref, l, st, t, v, h, fh, o)
	var partial *storage.AppendPartialError // the sample is there, but not its exemplars
	if err != nil && !errors.As(err, &partial) {
		return ref, err
	}
	s := stagedSample{ref: ref, lastSample: lastSample{labels: l, time: t}}
	switch {
	case h != nil:
		s.kind, s.stale = chunkenc.ValHistogram, isStaleValue(h.Sum)
	case fh != nil:
		s.kind, s.stale = chunkenc.ValFloatHistogram, isStaleValue(fh.Sum)
	default:
		s.kind, s.stale = chunkenc.ValFloat, isStaleValue(v)
	}
	a.staged = append(a.staged, s)
	return ref, err
}

func (a *writerAppender) Commit() error {
	defer a.done()
	w := a.writer
	w.mu.Lock() // over the commit, so that End finds what was committed before it
	defer w.mu.Unlock()
	if w.ended {
		return errors.Join(ErrClosed, a.AppenderV2.Rollback())
	}
	if err := a.AppenderV2.Commit(); err != nil {
		return err
	}
	for _, s := range a.staged {
		if s.stale {
			delete(w.live, s.ref)
		} else if last, ok := w.live[s.ref]; !ok || last.time <= s.time {
			w.live[s.ref] = s.lastSample
		}
	}
	return nil
}

func (a *writerAppender) Rollback() error {
	defer a.done()
	return a.AppenderV2.Rollback()
}

// refusing is the appender of a closed store.
type refusing struct{ err error }

func (r refusing) Append(storage.SeriesRef, labels.Labels, int64, int64, float64, *histogram.Histogram, *histogram.FloatHistogram, storage.AppendV2Options) (storage.SeriesRef, error) {
	return 0, r.err
}

func (r refusing) Commit() error { return r.err }

func (r refusing) Rollback() error { return nil }
