package outlet

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"tidegauge/engine/store"
)

const (
	firstWindow = int64(5 * time.Second / time.Millisecond)
	maxWindow   = int64(time.Hour / time.Millisecond)
	maxHeld     = 20_000 // samples in memory at once; more only where one millisecond has more
	remember    = int64(5 * time.Minute / time.Millisecond)
	divisions   = 64 // requests more for a batch that was rejected
	fewest      = 4  // the same after batches of which nothing was taken
)

// advance sends what there is up to a time.
func (o *Outlet) advance(ctx context.Context, to int64) error {
	for {
		o.mu.Lock()
		from := o.state.Cursor
		o.mu.Unlock()
		if err := o.sendLate(ctx); err != nil {
			return err
		}
		if from >= to {
			if o.settle() {
				return nil
			}
			continue
		}
		points, end, err := o.read(ctx, from, to)
		if err != nil {
			return err
		}
		samples := o.samples(points, from)
		if err := o.addExemplars(ctx, samples, from, end); err != nil {
			return err
		}
		if err := o.sendAll(ctx, samples, end); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if end >= to {
			continue
		}
		// A long way to go does not keep new samples from being counted.
		if err := o.count(ctx, max(to, o.target())); err != nil {
			return err
		}
	}
}

// read returns what comes next, as much of it as may be held in memory, and up to when that is all.
func (o *Outlet) read(ctx context.Context, from, to int64) (points []store.Point, end int64, err error) {
	if o.o.Before && !o.filled {
		err := o.o.Source.Read(ctx, from-remember, from, func(p store.Point) error {
			o.remember(&p)
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
		o.filled = true
	}
	for {
		end = min(from+o.window, to)
		points = points[:0]
		err := o.o.Source.Read(ctx, from, end, func(p store.Point) error {
			if len(points) == maxHeld && end > from+1 {
				return store.ErrTooMany
			}
			if o.o.Markers || !p.Stale() {
				points = append(points, p)
			} else if o.o.Before {
				points = append(points, p) // ends what is remembered of the series; not sent
			}
			return nil
		})
		switch {
		case errors.Is(err, store.ErrTooMany):
			o.window = max(1, (end-from)/2)
			continue
		case err != nil:
			return nil, 0, err
		case len(points) < maxHeld/4:
			o.window = min(2*o.window, maxWindow)
		}
		return points, end, nil
	}
}

// samples puts points in the order of time, each histogram with the one before.
func (o *Outlet) samples(points []store.Point, from int64) []Sample {
	list := make([]Sample, 0, len(points))
	for i := range points {
		s := Sample{Point: points[i]}
		if o.o.Before {
			s.Before = o.remember(&s.Point)
		}
		if o.o.Markers || !s.Stale() {
			list = append(list, s)
		}
	}
	for key, one := range o.before {
		if one.at < from-remember {
			delete(o.before, key)
		}
	}
	slices.SortStableFunc(list, func(a, b Sample) int { return cmp.Compare(a.Time, b.Time) })
	return list
}

// remember keeps a histogram for the next one of its series and returns the one before.
func (o *Outlet) remember(p *store.Point) *store.Histogram {
	if p.Histogram == nil {
		return nil
	}
	before := o.before[p.Series.Key].h
	if p.Stale() {
		delete(o.before, p.Series.Key)
	} else {
		o.before[p.Series.Key] = timeHistogram{p.Time, p.Histogram}
	}
	return before
}

// sendAll sends samples in batches and moves the cursor behind each. Where a batch ends between samples of one millisecond
// the cursor stays, with the books: they are written together or not at all.
func (o *Outlet) sendAll(ctx context.Context, samples []Sample, end int64) error {
	some := len(samples) > 0
	for len(samples) > 0 {
		n := batchLength(samples, o.o.MaxBatch)
		o.mu.Lock()
		o.oldest = samples[0].Time
		o.mu.Unlock()
		left, before := o.divisions, o.sent()
		if err := o.send(ctx, samples[:n], &left); err != nil {
			return err
		}
		if o.sent() > before {
			o.divisions = divisions
		} else if left < o.divisions { // who refuses everything is not asked for each sample of every batch
			o.divisions = max(o.divisions/2, fewest)
		}
		last := samples[n-1].Time
		samples = samples[n:]
		if len(samples) > 0 && samples[0].Time > last {
			o.moved(last, true)
		}
	}
	o.moved(end, some)
	return nil
}

// sent returns how many samples have arrived.
func (o *Outlet) sent() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state.Sent
}

// batchLength returns how many samples go into one request: no series twice.
func batchLength(samples []Sample, most int) int {
	seen := make(map[*store.Series]bool, min(len(samples), most))
	for i := range samples {
		if i == most || seen[samples[i].Series] {
			return i
		}
		seen[samples[i].Series] = true
	}
	return len(samples)
}
