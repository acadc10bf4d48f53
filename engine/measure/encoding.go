package measure

import (
	"encoding/binary"
	"errors"
	"fmt"

	"tidegauge/engine/hist"
	"tidegauge/engine/protocol"
)

// encodingVersion is the first byte of every encoding of Totals.
//
// Then follow, all numbers as uvarints: how many classes, requests, checks, outcomes, phases and resources there are; each
// class with its books, its exceptions, its requests that failed for want of each resource, and its histograms (iteration duration, lateness, the phases); each request with its books, its
// bytes sent and received, the set of its outcomes that occurred as a bit mask, and for each of these its response and its
// service times; each check with how often it passed and failed. A histogram has its length before it, 0 for an empty one.
// Version 1 knew no resources.
const encodingVersion = 2

// AppendBinary appends a compact encoding of t (encoding.BinaryAppender): about two bytes for each bucket that has a count.
func (t *Totals) AppendBinary(b []byte) ([]byte, error) {
	w := writer{b: append(b, encodingVersion)}
	w.uvarints(uint64(len(t.Classes)), uint64(len(t.Requests)), uint64(len(t.Checks)), uint64(protocol.Outcomes), uint64(Phases), uint64(protocol.Resources))
	for i := range t.Classes {
		c := &t.Classes[i]
		w.books(&c.Iterations)
		w.uvarints(c.Exceptions)
		w.uvarints(c.Exhausted[:]...)
		w.histogram(&c.IterationDuration)
		w.histogram(&c.Lateness)
		for p := range c.Phases {
			w.histogram(&c.Phases[p])
		}
	}
	for i := range t.Requests {
		r := &t.Requests[i]
		w.books(&r.Books)
		var occurred uint64
		for k := range r.Outcomes {
			if o := &r.Outcomes[k]; o.ResponseTime.Count() > 0 || o.ServiceTime.Count() > 0 {
				occurred |= 1 << k
			}
		}
		w.uvarints(r.BytesSent, r.BytesReceived, r.BodyBytes, occurred)
		for k := range r.Outcomes {
			if occurred&(1<<k) != 0 {
				w.histogram(&r.Outcomes[k].ResponseTime)
				w.histogram(&r.Outcomes[k].ServiceTime)
			}
		}
	}
	for _, c := range t.Checks {
		w.uvarints(c.Passed, c.Failed)
	}
	return w.b, w.err
}

// writer puts an encoding together.
type writer struct {
	b   []byte
	h   []byte // of one histogram
	err error
}

func (w *writer) uvarints(all ...uint64) {
	for _, v := range all {
		w.b = binary.AppendUvarint(w.b, v)
	}
}

func (w *writer) books(b *Books) { w.uvarints(b.Intended, b.Started, b.Dropped, b.Finished, b.Cut) }

func (w *writer) histogram(h *hist.Histogram) {
	if h.Count() == 0 || w.err != nil {
		w.uvarints(0)
		return
	}
	w.h, w.err = h.AppendBinary(w.h[:0])
	w.uvarints(uint64(len(w.h)))
	w.b = append(w.b, w.h...)
}

// UnmarshalBinary sets t from what AppendBinary wrote; any other input is an error, never a panic, and leaves t as it was.
// Whatever the input claims, it makes no more rows than it has bytes for. What was written by
// an older version, or when there were fewer outcomes, phases or resources, is read with the new ones empty.
func (t *Totals) UnmarshalBinary(b []byte) error {
	r := reader{rest: b}
	got, err := r.totals()
	if err != nil {
		return fmt.Errorf("decode totals of %d bytes: %w", len(b), err)
	}
	*t = *got
	return nil
}

// reader takes an encoding apart. After an error it gives zeros.
type reader struct {
	rest    []byte
	version byte
	err     error
}

var errShort = errors.New("they end too early: they were cut off or are not totals")

// The fewest bytes that one of each takes; they keep a lying length from taking more memory than the input can fill.
const (
	leastClass   = 8
	leastRequest = 8
	leastCheck   = 2
)

func (r *reader) totals() (*Totals, error) {
	if len(r.rest) == 0 {
		return nil, errShort
	}
	r.version = r.rest[0]
	if r.version < 1 || r.version > encodingVersion {
		return nil, fmt.Errorf("version %d, want at most %d: they are not totals or were written by another version of tidegauge", r.version, encodingVersion)
	}
	r.rest = r.rest[1:]
	classes, requests, checks := r.uvarint(), r.uvarint(), r.uvarint()
	outcomes, phases, resources := r.uvarint(), r.uvarint(), uint64(0)
	if r.version > 1 {
		resources = r.uvarint()
	}
	if r.err != nil {
		return nil, r.err
	}
	if outcomes > uint64(protocol.Outcomes) || phases > uint64(Phases) || resources > uint64(protocol.Resources) {
		return nil, fmt.Errorf("%d outcomes, %d phases and %d resources, know %d, %d and %d: they were written by a newer version of tidegauge",
			outcomes, phases, resources, protocol.Outcomes, Phases, protocol.Resources)
	}
	room := uint64(len(r.rest))
	if classes > room/leastClass || requests > room/leastRequest || checks > room/leastCheck {
		return nil, errShort
	}
	t := &Totals{
		Classes:  make([]ClassTotals, classes),
		Requests: make([]RequestTotals, requests),
		Checks:   make([]CheckTotals, checks),
	}
	for i := range t.Classes {
		r.class(&t.Classes[i], int(phases), int(resources))
	}
	for i := range t.Requests {
		r.request(&t.Requests[i], int(outcomes))
	}
	for i := range t.Checks {
		t.Checks[i] = CheckTotals{Passed: r.uvarint(), Failed: r.uvarint()}
	}
	if r.err == nil && len(r.rest) > 0 {
		r.err = fmt.Errorf("%d bytes after their end", len(r.rest))
	}
	return t, r.err
}

func (r *reader) class(c *ClassTotals, phases, resources int) {
	c.Iterations = r.books()
	c.Exceptions = r.uvarint()
	for k := range resources {
		c.Exhausted[k] = r.uvarint()
	}
	r.histogram(&c.IterationDuration)
	r.histogram(&c.Lateness)
	for p := range phases {
		r.histogram(&c.Phases[p])
	}
}

func (r *reader) request(q *RequestTotals, outcomes int) {
	q.Books = r.books()
	q.BytesSent, q.BytesReceived = r.uvarint(), r.uvarint()
	if r.version > 1 {
		q.BodyBytes = r.uvarint()
	}
	occurred := r.uvarint()
	if r.err == nil && occurred>>outcomes != 0 {
		r.err = fmt.Errorf("an outcome beyond the %d there are", outcomes)
	}
	for k := range outcomes {
		if r.err != nil || occurred&(1<<k) == 0 {
			continue
		}
		o := &q.Outcomes[k]
		r.histogram(&o.ResponseTime)
		r.histogram(&o.ServiceTime)
	}
}

func (r *reader) books() Books {
	return Books{Intended: r.uvarint(), Started: r.uvarint(), Dropped: r.uvarint(), Finished: r.uvarint(), Cut: r.uvarint()}
}

func (r *reader) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.err = errShort
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) histogram(h *hist.Histogram) {
	n := r.uvarint()
	if r.err == nil && n > uint64(len(r.rest)) {
		r.err = errShort
	}
	if r.err != nil || n == 0 {
		return
	}
	r.err = h.UnmarshalBinary(r.rest[:n])
	r.rest = r.rest[n:]
}
