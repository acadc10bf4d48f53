// Package hist is a base-2 exponential histogram: record, merge, subtract, quantile, encode.
//
// Bucket i holds the values in (b^i, b^(i+1)] with b = 2^(2^-8), as OpenTelemetry and Prometheus's native histograms
// define it at scale 8. Every bucket is 0.27% wide, so that is the most any quantile can be wrong by; the index is exact on
// every boundary, so histograms recorded apart and merged have the very buckets of one that recorded everything.
//
// What is counted lies in (MinValue, MaxValue]; a value at or below MinValue, a negative one and NaN count as 0, in a
// bucket of its own; a value above MaxValue counts as MaxValue.
//
// A Histogram holds one window of buckets, from the least to the greatest it ever had to count, so its memory is bounded:
// by what was recorded in practice (eight bytes for each 0.27%: 20 kB from 1 ms to 1 s), by 164 kB in any case.
//
// A Histogram is not safe for concurrent use. Copied by assignment it shares its buckets with the copy; see Clone.
package hist

import (
	"math"
	"slices"
)

//go:generate go run gen.go

// Scale is the scale at which everything is recorded: buckets (b^i, b^(i+1)] with b = 2^(2^-8), 0.27% wide.
const Scale = 8

// The range of the values that are told apart. In seconds it is from a picosecond to 35,000 years.
const (
	MinValue = 1.0 / (1 << maxExponent)
	MaxValue = 1 << maxExponent
)

const (
	maxExponent = 40
	perOctave   = 1 << Scale
	bias        = maxExponent * perOctave // slot = OpenTelemetry's index + bias, from 0
	slots       = 2 * bias                // how many there can be
)

// Histogram counts positive values. The zero Histogram is empty and ready, and holds no buckets until it is used.
type Histogram struct {
	counts []uint64 // of the slots lo, lo+1, …
	lo     int
	count  uint64 // of everything: what is not in counts are zeros
	sum    float64
	min    float64 // like max a value that was recorded or, after Subtract, one in the same slot
	max    float64
}

// slot returns the slot of v, which must lie in (MinValue, MaxValue].
//
// The exponent gives the octave. In it, the upper nine bits of the mantissa lead to a cell with at most one bucket
// boundary inside, and one comparison tells on which side of it v lies.
func slot(v float64) int {
	bits := math.Float64bits(v)
	m := bits & (1<<52 - 1)
	n := int(cells[m>>43])
	if starts[n] < m {
		n++
	}
	return (int(bits>>52)-(1023-maxExponent))<<Scale + n - 1
}

// upper returns the greatest float64 in a slot.
func upper(slot int) float64 {
	octave, k := (slot+1)>>Scale, (slot+1)&(perOctave-1)
	return math.Float64frombits(uint64(octave+1023-maxExponent)<<52 | starts[k])
}

// lower returns the least float64 in a slot.
func lower(slot int) float64 { return math.Nextafter(upper(slot-1), math.Inf(1)) }

// Record adds one value (seconds, for a latency).
func (h *Histogram) Record(v float64) {
	if !(v > MinValue) { // NaN as well
		h.count++
		h.min = 0
		return
	}
	v = min(v, MaxValue)
	s := slot(v)
	k := uint(s - h.lo)
	if k >= uint(len(h.counts)) {
		h.reserve(s, s)
		k = uint(s - h.lo)
	}
	h.counts[k]++
	if h.count == 0 || v < h.min {
		h.min = v
	}
	if v > h.max {
		h.max = v
	}
	h.count++
	h.sum += v
}

// reserve makes the window hold the slots from first to last. It grows by half at least, so that recording costs a
// constant in the mean, and by whole cache lines.
func (h *Histogram) reserve(first, last int) {
	const line = 8
	lo, end := first, last+1
	if n := len(h.counts); n > 0 {
		if first >= h.lo && last < h.lo+n {
			return
		}
		lo, end = min(first, h.lo), max(last+1, h.lo+n)
		if lo < h.lo {
			lo = min(lo, h.lo-n/2)
		}
		if end > h.lo+n {
			end = max(end, h.lo+n+n/2)
		}
	}
	lo = max(lo-line/2, 0) &^ (line - 1)
	end = min((end+line/2+line-1)&^(line-1), slots)
	counts := make([]uint64, end-lo)
	copy(counts[max(h.lo-lo, 0):], h.counts)
	h.counts, h.lo = counts, lo
}

// span returns the first and the last slot that may have a count; ok is false if there is none.
func (h *Histogram) span() (first, last int, ok bool) {
	if h.max == 0 {
		return 0, 0, false
	}
	first, last = h.lo, slot(h.max)
	if h.min > 0 {
		return slot(h.min), last, true
	}
	for h.counts[first-h.lo] == 0 {
		first++
	}
	return first, last, true
}

// used returns the counts of the slots of span, and the first of these.
func (h *Histogram) used() (counts []uint64, first int) {
	first, last, ok := h.span()
	if !ok {
		return nil, 0
	}
	return h.counts[first-h.lo : last-h.lo+1], first
}

// Count returns how many values were recorded.
func (h *Histogram) Count() uint64 { return h.count }

// Sum returns the sum of the values recorded, to the rounding of its additions.
func (h *Histogram) Sum() float64 { return h.sum }

// Min returns the least value recorded, 0 if there is none.
func (h *Histogram) Min() float64 { return h.min }

// Max returns the greatest value recorded, 0 if there is none.
func (h *Histogram) Max() float64 { return h.max }

// Mean returns Sum/Count, 0 if there is none.
func (h *Histogram) Mean() float64 {
	if h.count == 0 {
		return 0
	}
	return h.sum / float64(h.count)
}

// Merge adds o's values to h. o is not changed. The order of merging does not matter, but for the rounding of Sum.
func (h *Histogram) Merge(o *Histogram) {
	if o.count == 0 {
		return
	}
	if counts, first := o.used(); len(counts) > 0 {
		h.reserve(first, first+len(counts)-1)
		for k, n := range counts {
			h.counts[first-h.lo+k] += n
		}
	}
	if h.count == 0 || o.min < h.min {
		h.min = o.min
	}
	h.max = max(h.max, o.max)
	h.count += o.count
	h.sum += o.sum
}

// Subtract takes an earlier state o of the same histogram away from h: what is left is what came since.
//
// Min and Max of what is left cannot be known: they are the bounds of the lowest and the highest bucket left, within the Min
// and Max before; so they are exact if they moved since o, and never off by more than a bucket's width. Where o is not an earlier state of h and has more in a
// bucket than h, nothing is left in that bucket.
func (h *Histogram) Subtract(o *Histogram) {
	zeros := h.zeros() - min(h.zeros(), o.zeros())
	if counts, first := o.used(); len(counts) > 0 && len(h.counts) > 0 {
		for k := max(0, h.lo-first); k < min(len(counts), h.lo+len(h.counts)-first); k++ {
			n := &h.counts[first+k-h.lo]
			*n -= min(*n, counts[k])
		}
	}
	was := *h
	h.count, h.sum, h.min, h.max = zeros, 0, 0, 0
	low, high := -1, -1
	for k, n := range h.counts {
		if n == 0 {
			continue
		}
		if low < 0 {
			low = h.lo + k
		}
		high = h.lo + k
		h.count += n
	}
	if low < 0 {
		return
	}
	h.sum = max(0, was.sum-o.sum)
	h.max = min(upper(high), was.max)
	if zeros == 0 {
		h.min = max(lower(low), was.min)
	}
}

// zeros returns how many values counted as 0.
func (h *Histogram) zeros() uint64 {
	n := h.count
	counts, _ := h.used()
	for _, c := range counts {
		n -= c
	}
	return n
}

// Clone returns a copy that shares nothing with h.
func (h *Histogram) Clone() *Histogram {
	c := *h
	c.counts = slices.Clone(h.counts)
	return &c
}

// Reset empties h and keeps its memory.
func (h *Histogram) Reset() {
	counts, _ := h.used()
	clear(counts)
	h.count, h.sum, h.min, h.max = 0, 0, 0, 0
}
