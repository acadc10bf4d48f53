package interval

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"tidegauge/engine/measure"
)

// encodingVersion is the first byte of every encoding.
//
// Then follow the header as JSON (the start of the run and its names) with its length before it, and the intervals, each with
// From and To in nanoseconds and Users as uvarints, Rate as a little-endian float64, and its totals (measure.Totals) with their
// length before them.
const encodingVersion = 1

type writer struct{ b []byte }

func (w *writer) bytes(b []byte) {
	w.b = binary.AppendUvarint(w.b, uint64(len(b)))
	w.b = append(w.b, b...)
}

func (w *writer) interval(e *encoded) {
	for _, v := range []uint64{uint64(e.From), uint64(e.To), uint64(max(e.Users, 0))} {
		w.b = binary.AppendUvarint(w.b, v)
	}
	w.b = binary.LittleEndian.AppendUint64(w.b, math.Float64bits(e.Rate))
	w.bytes(e.totals)
}

// Log is the intervals of a run, in their order.
type Log struct {
	Start time.Time
	Names measure.Names // of their totals

	list []encoded
}

// Len returns how many intervals there are.
func (l *Log) Len() int { return len(l.list) }

// All decodes the intervals one after the other; each is the caller's. It ends with the first that is damaged.
func (l *Log) All() iter.Seq2[*Interval, error] {
	return func(yield func(*Interval, error) bool) {
		for k := range l.list {
			i, err := l.list[k].decode()
			if err == nil && (len(i.Totals.Requests) != len(l.Names.Requests) || len(i.Totals.Classes) != len(l.Names.Classes) || len(i.Totals.Checks) != len(l.Names.Checks)) {
				err = fmt.Errorf("decode the interval at %v: it has not as many requests, classes and checks as there are names", i.From)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(&i, nil) {
				return
			}
		}
	}
}

// Decode reads what a Recorder encoded; any other input is an error, never a panic. The log keeps b.
func Decode(b []byte) (*Log, error) {
	l, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("decode intervals of %d bytes: %w", len(b), err)
	}
	return l, nil
}

var errShort = errors.New("they end too early: they were cut off or are no intervals")

func decode(b []byte) (*Log, error) {
	if len(b) == 0 {
		return nil, errShort
	}
	if b[0] != encodingVersion {
		return nil, fmt.Errorf("version %d, want %d: they are no intervals or were written by another version of tidegauge", b[0], encodingVersion)
	}
	r := reader{rest: b[1:]}
	var h header
	if head := r.bytes(); r.err == nil {
		if err := json.Unmarshal(head, &h); err != nil {
			return nil, fmt.Errorf("their header: %w", err)
		}
	}
	l := &Log{Start: h.Start, Names: h.Names}
	for i, c := range h.Names.Checks {
		if c.Request < 0 || c.Request >= len(h.Names.Requests) {
			return nil, fmt.Errorf("check %d is of request %d, and there are %d", i, c.Request, len(h.Names.Requests))
		}
	}
	last := time.Duration(0)
	for r.err == nil && len(r.rest) > 0 {
		var e encoded
		e.From, e.To, e.Users = r.duration(), r.duration(), int(r.duration())
		e.Rate = r.float64()
		e.totals = r.bytes()
		if r.err == nil && (e.From < last || e.To <= e.From) {
			return nil, fmt.Errorf("an interval from %v to %v after one that ends at %v", e.From, e.To, last)
		}
		last = e.To
		l.list = append(l.list, e)
	}
	return l, r.err
}

// reader takes an encoding apart. After an error it gives zeros.
type reader struct {
	rest []byte
	err  error
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

func (r *reader) duration() time.Duration {
	v := r.uvarint()
	if v > math.MaxInt64 {
		r.err = errors.New("a number that is too great")
		return 0
	}
	return time.Duration(v)
}

func (r *reader) float64() float64 {
	if r.err == nil && len(r.rest) < 8 {
		r.err = errShort
	}
	if r.err != nil {
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(r.rest))
	r.rest = r.rest[8:]
	if math.IsNaN(v) || math.IsInf(v, 0) {
		r.err = errors.New("a rate that is no number")
	}
	return v
}

func (r *reader) bytes() []byte {
	n := r.uvarint()
	if r.err == nil && n > uint64(len(r.rest)) {
		r.err = errShort
	}
	if r.err != nil {
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}
