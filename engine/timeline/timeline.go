// Package timeline sorts what became of the work of a run by when it was meant to start.
//
// The intervals of snapshots say what finished in them. When a target hangs, what it made of a second is known ten seconds
// later; so whoever asks when it broke and when it recovered needs the seconds of the intended starts.
package timeline

import (
	"context"
	"slices"
	"time"

	"tidegauge/engine/hist"
	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

// Options configure a Timeline. The zero value of each field is its default.
type Options struct {
	Width      time.Duration // of a bucket; default 1 s
	MaxBuckets int           // when there are more, the width is doubled; default 3,600
	MaxSlices  int           // requests that are told apart, the first ones of Names; default 50
}

const (
	defaultWidth      = time.Second
	defaultMaxBuckets = 3600
	defaultMaxSlices  = 50
)

// Timeline gathers the logs of a run as a measure.Sink. Its memory is bounded whatever the length of the run. Consume is for
// the one goroutine that hands on snapshots, the rest for after the last of them.
type Timeline struct {
	o       Options
	start   time.Time
	end     time.Time
	names   *measure.Names
	buckets []Bucket
}

// Bucket is what became of the requests that were meant to start in one stretch of time. Requests that we cut are not in
// Good and Failed: what would have become of them nobody knows.
type Bucket struct {
	Good, Failed, Cut uint64
	Dropped           uint64                // iterations that never started; they are no requests
	Response          hist.Histogram        // of the good ones, from the intended start, seconds
	Failures          hist.Histogram        // of the failed ones, from the send (service time), seconds
	Lateness          hist.Histogram        // of the generator, seconds; of the bucket's time, to an interval of the recorder
	Slices            []Slice               // by request, as far as they are told apart
	Checks            []measure.CheckTotals // by check of the names; of what ended in the bucket's time, to an interval of the recorder
	began, ended      int64                 // requests sent and ended in the bucket's time, whenever they were meant to start
}

// Slice is the part of a bucket that one request has.
type Slice struct {
	Good, Failed uint64
	Response     hist.Histogram // of the good ones, seconds
	Failures     hist.Histogram // of the failed ones, from the send, seconds
}

// Requests returns how many requests of the bucket have an outcome.
func (b *Bucket) Requests() uint64 { return b.Good + b.Failed }

// Traffic returns how many requests were sent or ended in the bucket's time, whichever is more, whenever they were meant to
// start.
func (b *Bucket) Traffic() uint64 { return uint64(max(b.began, b.ended, 0)) }

// New returns an empty timeline.
func New(o Options) *Timeline {
	if o.Width <= 0 {
		o.Width = defaultWidth
	}
	if o.MaxBuckets <= 1 {
		o.MaxBuckets = defaultMaxBuckets
	}
	if o.MaxSlices <= 0 {
		o.MaxSlices = defaultMaxSlices
	}
	return &Timeline{o: o}
}

// Consume implements measure.Sink. The recorder must have been asked for a Log. It returns no error.
func (t *Timeline) Consume(_ context.Context, s *measure.Snapshot) error {
	t.start, t.end, t.names = s.Start, s.Time, s.Names
	t.interval(s)
	if s.Log == nil {
		return nil
	}
	for i := range s.Log.Requests {
		t.add(&s.Log.Requests[i])
	}
	for _, due := range s.Log.Dropped {
		t.at(due).Dropped++
	}
	return nil
}

// interval adds what is known by interval only: the results of checks, which is enough to tell that one fails where others
// hold, and how late the generator was.
func (t *Timeline) interval(s *measure.Snapshot) {
	if s.Delta == nil || !s.Time.After(s.Since) {
		return
	}
	late := slices.ContainsFunc(s.Delta.Classes, func(c measure.ClassTotals) bool { return c.Lateness.Count() > 0 })
	if len(s.Delta.Checks) == 0 && !late {
		return
	}
	b := t.at(s.Since.Add(s.Time.Sub(s.Since) / 2))
	b.addChecks(s.Delta.Checks)
	for i := range s.Delta.Classes {
		b.Lateness.Merge(&s.Delta.Classes[i].Lateness)
	}
}

func (b *Bucket) addChecks(checks []measure.CheckTotals) {
	for len(b.Checks) < len(checks) {
		b.Checks = append(b.Checks, measure.CheckTotals{})
	}
	for i, c := range checks {
		b.Checks[i].Passed += c.Passed
		b.Checks[i].Failed += c.Failed
	}
}

func (t *Timeline) add(e *measure.Entry) {
	ended := e.Intended.Add(e.Response)
	t.at(ended.Add(-e.Service)).began++
	t.at(ended).ended++
	b := t.at(e.Intended)
	var slice *Slice
	if int(e.Request) < t.o.MaxSlices {
		for len(b.Slices) <= int(e.Request) {
			b.Slices = append(b.Slices, Slice{})
		}
		slice = &b.Slices[e.Request]
	}
	switch e.Outcome {
	case protocol.Cut:
		b.Cut++
	case protocol.OK:
		b.Good++
		b.Response.Record(e.Response.Seconds())
		if slice != nil {
			slice.Good++
			slice.Response.Record(e.Response.Seconds())
		}
	default:
		b.Failed++
		b.Failures.Record(e.Service.Seconds())
		if slice != nil {
			slice.Failed++
			slice.Failures.Record(e.Service.Seconds())
		}
	}
}

// at returns the bucket of a moment. What is before the start is in the first one.
func (t *Timeline) at(moment time.Time) *Bucket {
	offset := max(moment.Sub(t.start), 0)
	for int(offset/t.o.Width) >= t.o.MaxBuckets {
		t.coarsen()
	}
	i := int(offset / t.o.Width)
	for len(t.buckets) <= i {
		t.buckets = append(t.buckets, Bucket{})
	}
	return &t.buckets[i]
}

// coarsen doubles the width.
func (t *Timeline) coarsen() {
	t.o.Width *= 2
	half := (len(t.buckets) + 1) / 2
	for i := range half {
		b := t.buckets[2*i]
		if 2*i+1 < len(t.buckets) {
			b.merge(&t.buckets[2*i+1])
		}
		t.buckets[i] = b
	}
	clear(t.buckets[half:])
	t.buckets = t.buckets[:half]
}

func (b *Bucket) merge(o *Bucket) {
	b.Good += o.Good
	b.Failed += o.Failed
	b.Cut += o.Cut
	b.Dropped += o.Dropped
	b.began += o.began
	b.ended += o.ended
	b.Response.Merge(&o.Response)
	b.Failures.Merge(&o.Failures)
	b.Lateness.Merge(&o.Lateness)
	b.addChecks(o.Checks)
	for len(b.Slices) < len(o.Slices) {
		b.Slices = append(b.Slices, Slice{})
	}
	for i := range o.Slices {
		s := &o.Slices[i]
		b.Slices[i].Good += s.Good
		b.Slices[i].Failed += s.Failed
		b.Slices[i].Response.Merge(&s.Response)
		b.Slices[i].Failures.Merge(&s.Failures)
	}
}

// Start returns when the first bucket begins: the start of the run.
func (t *Timeline) Start() time.Time { return t.start }

// Width returns how long a bucket is.
func (t *Timeline) Width() time.Duration { return t.o.Width }

// Buckets returns the buckets from the start of the run to the end of the last request. They belong to the timeline.
func (t *Timeline) Buckets() []Bucket { return t.buckets }

// Names returns the names of the run; request i of them is slice i of each bucket that has one.
func (t *Timeline) Names() *measure.Names { return t.names }

// InFlight returns, for each bucket, how many requests had been sent and not ended at its end.
func (t *Timeline) InFlight() []int {
	counts := make([]int, len(t.buckets))
	now := int64(0)
	for i := range t.buckets {
		now += t.buckets[i].began - t.buckets[i].ended
		counts[i] = int(now)
	}
	return counts
}

// Outstanding returns, for each bucket, how many requests had been meant to start and not ended at its end, whether or not they
// had been sent.
func (t *Timeline) Outstanding() []int {
	counts := make([]int, len(t.buckets))
	now := int64(0)
	for i := range t.buckets {
		b := &t.buckets[i]
		now += int64(b.Good+b.Failed+b.Cut) - b.ended
		counts[i] = int(now)
	}
	return counts
}

// Between returns the merger of the buckets from one offset from the start to another, rounded inwards to whole buckets.
func (t *Timeline) Between(from, to time.Duration) Bucket {
	var sum Bucket
	first, last := int((from+t.o.Width-1)/t.o.Width), int(to/t.o.Width)
	for i := max(first, 0); i < min(last, len(t.buckets)); i++ {
		sum.merge(&t.buckets[i])
	}
	return sum
}
