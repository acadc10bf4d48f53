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
	counts, first := h.used()
	b = binary.AppendUvarint(b, uint64(first))
	b = binary.AppendUvarint(b, uint64(len(counts)))
	for len(counts) > 0 {
		n := run(counts, false)
		b = binary.AppendUvarint(b, uint64(n))
		for _, c := range counts[:n] {
			b = binary.AppendUvarint(b, c)
		}
		counts = counts[n:]
		if len(counts) > 0 {
			n = run(counts, true)
			b = binary.AppendUvarint(b, uint64(n))
			counts = counts[n:]
		}
	}
	if h.count > 0 {
		for _, v := range [...]float64{h.sum, h.min, h.max} {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
	}
	return b, nil
}

// run returns how many of the leading counts are empty, or how many are not.
func run(counts []uint64, empty bool) int {
	for k, c := range counts {
		if (c == 0) != empty {
			return k
		}
	}
	return len(counts)
}

// UnmarshalBinary sets h from what AppendBinary wrote; any other input is an error, never a panic, and leaves h as it was.
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
		h.lo, h.counts = int(first), make([]uint64, n)
		if err := r.counts(&h); err != nil {
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
	return h, h.check()
}

// check tells whether sum, min and max go with the counts; everything else in this package relies on it.
func (h *Histogram) check() error {
	first, last, zeros := h.lo, h.lo+len(h.counts)-1, h.count
	for _, c := range h.counts {
		zeros -= c
	}
	ok := h.sum >= 0 && h.sum <= math.MaxFloat64
	if len(h.counts) > 0 {
		ok = ok && h.max > MinValue && h.max <= MaxValue && slot(h.max) == last
	} else {
		ok = ok && h.sum == 0 && h.max == 0
	}
	if len(h.counts) > 0 && zeros == 0 {
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

// counts reads the runs into h.counts and adds them to h.count.
func (r *reader) counts(h *Histogram) error {
	for k := 0; k < len(h.counts); {
		n := r.uvarint()
		if r.err == nil && (n == 0 || n > uint64(len(h.counts)-k)) {
			return fmt.Errorf("a run of %d buckets where %d are left", n, len(h.counts)-k)
		}
		for range n {
			c := r.uvarint()
			if r.err == nil && c == 0 {
				return errors.New("an empty bucket in a run of others")
			}
			if h.count+c < h.count {
				return errOverflow
			}
			h.counts[k] = c
			h.count += c
			k++
		}
		if k == len(h.counts) {
			break
		}
		n = r.uvarint()
		if r.err == nil && (n == 0 || n >= uint64(len(h.counts)-k)) {
			return fmt.Errorf("a run of %d empty buckets where %d are left", n, len(h.counts)-k)
		}
		if r.err != nil {
			return r.err
		}
		k += int(n)
	}
	return r.err
}
