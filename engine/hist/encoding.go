package hist

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// encodingVersion is the first byte of every encoding.
//
// Then follow, as uvarints: how many zeros were counted; the first slot of the span that holds all other values, and its
// length (0 0 if there are none); its counts, in turn a run of counts above 0 and a run of empty slots, each with its
// length before it, an empty one with nothing after. If anything was counted, Sum, Min and Max end it as little-endian
// float64s.
const encodingVersion = 1

// AppendBinary appends a compact encoding of h (encoding.BinaryAppender). Its error is always nil.
func (h *Histogram) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, encodingVersion)
	b = binary.AppendUvarint(b, h.zeros())
	first, end := h.span()
	b = binary.AppendUvarint(b, uint64(first))
	b = binary.AppendUvarint(b, uint64(end-first))
	for s := first; s < end; {
		next := h.runEnd(s, end, false)
		b = binary.AppendUvarint(b, uint64(next-s))
		for ; s < next; s++ {
			b = binary.AppendUvarint(b, h.at(s))
		}
		if s < end {
			next = h.runEnd(s, end, true)
			b = binary.AppendUvarint(b, uint64(next-s))
			s = next
		}
	}
	if h.count > 0 {
		for _, v := range [...]float64{h.sum, h.min, h.max} {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
	}
	return b, nil
}

// runEnd returns the first slot from s on that is not empty, or that is; end if there is none.
func (h *Histogram) runEnd(s, end int, empty bool) int {
	for s < end && (h.at(s) == 0) == empty {
		s++
	}
	return s
}

// UnmarshalBinary sets h from what AppendBinary wrote; any other input is an error, never a panic, and leaves h as it was.
// Whatever the input claims, it takes no more memory than a histogram can have.
func (h *Histogram) UnmarshalBinary(b []byte) error {
	got, err := decode(b)
	if err != nil {
		return fmt.Errorf("decode histogram of %d bytes: %w", len(b), err)
	}
	*h = got
	return nil
}

var (
	errShort    = errors.New("it ends too early: it was cut off or is not a histogram")
	errOverflow = errors.New("its counts are beyond 64 bits: it is not a histogram")
)

func decode(b []byte) (Histogram, error) {
	var h Histogram
	if len(b) == 0 {
		return h, errShort
	}
	if b[0] != encodingVersion {
		return h, fmt.Errorf("version %d, want %d: it is not a histogram or was written by another version of tidegauge", b[0], encodingVersion)
	}
	r := reader{rest: b[1:]}
	h.count = r.uvarint()
	first, n := r.uvarint(), r.uvarint()
	if r.err != nil {
		return h, r.err
	}
	if first >= slots || n > slots-first {
		return h, fmt.Errorf("%d buckets from the %d-th, but there are only %d", n, first, slots)
	}
	if n > 0 {
		h.reserve(int(first), int(first+n)-1)
		if err := r.counts(&h, int(first), int(first+n)); err != nil {
			return h, err
		}
	}
	if h.count > 0 {
		h.sum, h.min, h.max = r.float64(), r.float64(), r.float64()
	}
	switch {
	case r.err != nil:
		return h, r.err
	case len(r.rest) > 0:
		return h, fmt.Errorf("%d bytes after its end", len(r.rest))
	}
	return h, h.check(int(first), int(first+n)-1)
}

// check tells whether sum, min and max go with the counts, which lie in the slots from first to last; everything else in
// this package relies on it.
func (h *Histogram) check(first, last int) error {
	zeros, some := h.count, first <= last
	for s := first; s <= last; s++ {
		zeros -= h.at(s)
	}
	ok := h.sum >= 0 && h.sum <= math.MaxFloat64
	if some {
		ok = ok && h.max > MinValue && h.max <= MaxValue && slot(h.max) == last
	} else {
		ok = ok && h.sum == 0 && h.max == 0
	}
	if some && zeros == 0 {
		ok = ok && h.min > MinValue && h.min <= h.max && slot(h.min) == first
	} else {
		ok = ok && h.min == 0
	}
	if !ok {
		return fmt.Errorf("sum %g, minimum %g and maximum %g do not go with its counts: it is damaged", h.sum, h.min, h.max)
	}
	return nil
}

// reader takes an encoding apart. After an error it gives zeros.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	switch {
	case r.err != nil:
		return 0
	case n == 0:
		r.err = errShort
		return 0
	case n < 0:
		r.err = errOverflow
		return 0
	}
	r.rest = r.rest[n:]
	return v
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
	return v
}

// counts reads the runs of the slots from s to end into h.
func (r *reader) counts(h *Histogram, s, end int) error {
	for s < end {
		n := r.uvarint()
		if r.err == nil && (n == 0 || n > uint64(end-s)) {
			return fmt.Errorf("a run of %d buckets where %d are left", n, end-s)
		}
		for range n {
			c := r.uvarint()
			if r.err == nil && c == 0 {
				return errors.New("an empty bucket in a run of others")
			}
			if h.count+c < h.count {
				return errOverflow
			}
			h.add(s, c)
			h.count += c
			s++
		}
		if s == end {
			break
		}
		n = r.uvarint()
		if r.err == nil && (n == 0 || n >= uint64(end-s)) {
			return fmt.Errorf("a run of %d empty buckets where %d are left", n, end-s)
		}
		if r.err != nil {
			return r.err
		}
		s += int(n)
	}
	return r.err
}
