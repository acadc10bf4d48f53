// Package interval keeps what a run measured interval by interval, in bounded space.
//
// A Recorder gathers it as a measure.Sink and encodes it; Decode gives it back as a Log. The histograms are those of the run,
// at full resolution, so that intervals can be merged without loss: that is what happens, in pairs, when there is no more room.
package interval

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"tidegauge/engine/hist"
	"tidegauge/engine/measure"
)

// Interval is a piece of a run.
type Interval struct {
	From, To time.Duration // since the start of the run
	Users    int           // the most at once
	Rate     float64       // intended arrivals per second at its end (open model), else 0
	Totals   *measure.Totals
}

// Seconds returns its length.
func (i *Interval) Seconds() float64 { return (i.To - i.From).Seconds() }

const (
	defaultMaxSize = 4 << 20
	minWidth       = time.Second // what an interval has to reach at first, but for a tenth
	overhead       = 64          // bytes that an interval takes beside its totals, about
)

// Recorder gathers the intervals of a run as a measure.Sink: of a second at first, longer ones when they take more than MaxSize. It
// is not safe for concurrent use.
type Recorder struct {
	MaxSize int // bytes; default 4 MiB

	header  header
	width   time.Duration
	done    []encoded
	size    int
	pending *Interval // nil: none
}

// header is what an encoding begins with.
type header struct {
	Start time.Time     `json:"start"`
	Names measure.Names `json:"names"`
}

// encoded is an interval whose totals are encoded, which is smaller.
type encoded struct {
	Interval // without its totals

	totals []byte
}

// Consume implements measure.Sink.
func (r *Recorder) Consume(_ context.Context, s *measure.Snapshot) error {
	r.header.Start = s.Start
	if r.header.Names.Requests == nil {
		r.header.Names = measure.Names{
			Classes: append([]string{}, s.Names.Classes...), Requests: append([]measure.Request{}, s.Names.Requests...), Checks: append([]measure.Check{}, s.Names.Checks...),
		}
	}
	if !s.Time.After(s.Since) || s.Since.Before(s.Start) {
		return nil
	}
	r.width = max(r.width, minWidth)
	i := Interval{From: s.Since.Sub(s.Start), To: s.Time.Sub(s.Start), Users: s.PeakUsers, Rate: s.Rate, Totals: s.Delta.Clone()}
	for k := range i.Totals.Classes {
		c := &i.Totals.Classes[k]
		c.IterationDuration, c.Phases = hist.Histogram{}, [measure.Phases]hist.Histogram{}
	}
	if r.pending == nil {
		r.pending = &i
	} else {
		r.pending.merge(&i)
	}
	if r.pending.To-r.pending.From < r.width*9/10 {
		return nil
	}
	e, err := r.pending.encode()
	r.pending = nil
	if err != nil {
		return err
	}
	r.done, r.size = append(r.done, e), r.size+len(e.totals)+overhead
	most := r.MaxSize
	if most <= 0 {
		most = defaultMaxSize
	}
	for r.size > most && len(r.done) > 1 {
		if err := r.halve(); err != nil {
			return err
		}
	}
	return nil
}

// halve merges the intervals in pairs.
func (r *Recorder) halve() error {
	r.width *= 2
	r.size = 0
	half := (len(r.done) + 1) / 2
	for i := range half {
		e := r.done[2*i]
		if 2*i+1 < len(r.done) {
			var err error
			if e, err = joined(&e, &r.done[2*i+1]); err != nil {
				return err
			}
		}
		r.done[i] = e
		r.size += len(e.totals) + overhead
	}
	clear(r.done[half:])
	r.done = r.done[:half]
	return nil
}

func joined(a, b *encoded) (encoded, error) {
	first, err := a.decode()
	if err != nil {
		return encoded{}, err
	}
	second, err := b.decode()
	if err != nil {
		return encoded{}, err
	}
	first.merge(&second)
	return first.encode()
}

// merge adds the interval that follows.
func (i *Interval) merge(o *Interval) {
	i.To, i.Rate, i.Users = o.To, o.Rate, max(i.Users, o.Users)
	i.Totals.Merge(o.Totals)
}

func (i *Interval) encode() (encoded, error) {
	e := encoded{Interval: *i}
	e.Totals = nil
	var err error
	if e.totals, err = i.Totals.AppendBinary(nil); err != nil {
		return e, fmt.Errorf("encode the interval at %v: %w", i.From, err)
	}
	return e, nil
}

func (e *encoded) decode() (Interval, error) {
	i := e.Interval
	i.Totals = new(measure.Totals)
	if err := i.Totals.UnmarshalBinary(e.totals); err != nil {
		return i, fmt.Errorf("decode the interval at %v: %w", i.From, err)
	}
	return i, nil
}

// AppendBinary appends an encoding of what there is so far (encoding.BinaryAppender). A last interval shorter than half of the
// others is part of the one before it: a rate over a few milliseconds means nothing.
func (r *Recorder) AppendBinary(b []byte) ([]byte, error) {
	head, err := json.Marshal(&r.header)
	if err != nil {
		return b, fmt.Errorf("encode intervals: %w", err)
	}
	w := writer{append(b, encodingVersion)}
	w.bytes(head)
	done := r.done
	if r.pending != nil {
		last, err := r.pending.encode()
		if n := len(done); err == nil && n > 0 && last.To-last.From < r.width/2 {
			last, err = joined(&done[n-1], &last)
			done = done[:n-1]
		}
		if err != nil {
			return b, err
		}
		done = append(slices.Clip(done), last)
	}
	for i := range done {
		w.interval(&done[i])
	}
	return w.b, nil
}
