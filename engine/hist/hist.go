// Package hist is a base-2 exponential histogram: record, merge, subtract, quantile, encode.
//
// Bucket i holds the values in (b^i, b^(i+1)] with b = 2^(2^-8), as OpenTelemetry and Prometheus's native histograms
// define it at scale 8. Every bucket is 0.27% wide, so that is the most any quantile can be wrong by; the index is exact on
// every boundary, so histograms recorded apart and merged have the very buckets of one that recorded everything.
//
// What is counted lies in (MinValue, MaxValue]; a value at or below MinValue, a negative one and NaN count as 0, in a
// bucket of its own; a value above MaxValue counts as MaxValue.
//
// A Histogram holds one window of buckets, from the least to the greatest it ever had to count. A bucket takes one byte, and
// eight more in a histogram with a bucket that went beyond 255; so its memory is bounded by the range of what was recorded
// (2.5 kB, or 23 kB, from 1 ms to 1 s), and by 184 kB in any case.
//
// A Histogram is not safe for concurrent use. Copied by assignment it shares its buckets with the copy; see Clone.
package hist

import (
	"encoding/binary"
	"iter"
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
//
// Recording in one of many histograms takes as long as their memory takes to arrive, so they are small: a bucket's count is
// low + 256·high, and most histograms of an interval never need high, which is last since recording seldom looks at it.
type Histogram struct {
	low   []uint8 // of the slots lo, lo+1, …
	lo    int
	count uint64 // of everything: what is not in the buckets are zeros
	sum   float64
	min   float64 // like max a value that was recorded or, after Subtract, one in the same slot
	max   float64
	high  *[]uint64 // as long as low, or nil while all are 0
}

// slot returns the slot of v, which must lie in (MinValue, MaxValue].
//
// The exponent gives the octave. In it, the upper nine bits of the mantissa lead to a cell with at most one bucket
// boundary inside, and one comparison tells on which side of it v lies.
func slot(v float64) int {
	bits := math.Float64bits(v)
	m := bits & (1<<52 - 1)
	n := cells[m>>43]
	// Plus one if starts[n] < m, that is if the difference is negative: a branch would be guessed wrong half the time.
	above := int(n) + int((starts[n]-m)>>63)
	return (int(bits>>52)-(1023-maxExponent))<<Scale + above - 1
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
	if v > MaxValue {
		v = MaxValue
	}
	s := slot(v)
	k := uint(s - h.lo)
	if k >= uint(len(h.low)) {
		h.reserve(s, s)
		h.Record(v)
		return
	}
	h.count++
	h.sum += v
	n := h.low[k] + 1
	h.low[k] = n
	if v > h.max || v < h.min { // an empty histogram's max is 0
		h.stretch(v)
	}
	if n == 0 {
		h.carry(int(k), 1)
	}
}

// RecordN adds a value n times.
func (h *Histogram) RecordN(v float64, n uint64) {
	if n == 0 {
		return
	}
	h.Record(v)
	n--
	h.count += n
	if v > MinValue {
		v = min(v, MaxValue)
		h.sum += v * float64(n)
		h.add(slot(v), n)
	}
}

// stretch makes min and max include v, which is counted already.
func (h *Histogram) stretch(v float64) {
	if h.count == 1 || v < h.min {
		h.min = v
	}
	h.max = max(h.max, v)
}

// carry adds n times 256 to the slot at k in the window.
//
//go:noinline
func (h *Histogram) carry(k int, n uint64) {
	if h.high == nil {
		high := make([]uint64, len(h.low))
		h.high = &high
	}
	(*h.high)[k] += n
}

// add adds n to the count of a slot in the window.
func (h *Histogram) add(slot int, n uint64) {
	n += uint64(h.low[slot-h.lo])
	h.low[slot-h.lo] = uint8(n)
	if n > math.MaxUint8 {
		h.carry(slot-h.lo, n>>8)
	}
}

// at returns the count of a slot in the window.
func (h *Histogram) at(slot int) uint64 {
	n := uint64(h.low[slot-h.lo])
	if h.high != nil {
		n += (*h.high)[slot-h.lo] << 8
	}
	return n
}

// take takes n, or all there is, from the count of a slot in the window.
func (h *Histogram) take(slot int, n uint64) {
	n = h.at(slot) - min(h.at(slot), n)
	h.low[slot-h.lo] = uint8(n)
	if h.high != nil {
		(*h.high)[slot-h.lo] = n >> 8
	}
}

// reserve makes the window hold the slots from first to last. It grows by half at least, so that recording costs a
// constant in the mean, and by whole cache lines.
func (h *Histogram) reserve(first, last int) {
	const line = 64
	lo, end := first, last+1
	if n := len(h.low); n > 0 {
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
	lo = max(lo, 0) &^ (line - 1)
	end = min((end+line-1)&^(line-1), slots)
	low := make([]uint8, end-lo)
	copy(low[max(h.lo-lo, 0):], h.low)
	if h.high != nil {
		high := make([]uint64, end-lo)
		copy(high[h.lo-lo:], *h.high)
		h.high = &high
	}
	h.low, h.lo = low, lo
}

// span returns the first slot that has a count and the one after the last; they are the same if there is none.
func (h *Histogram) span() (first, end int) {
	if h.max == 0 {
		return 0, 0
	}
	first, end = h.lo, slot(h.max)+1
	if h.min > 0 {
		return slot(h.min), end
	}
	for h.at(first) == 0 {
		first++
	}
	return first, end
}

// skip returns the first slot from s on that has a count, or end. A histogram of a short while is mostly empty, so it looks
// at eight slots at a time where it can.
func (h *Histogram) skip(s, end int) int {
	for h.high == nil && end-s >= 8 && binary.LittleEndian.Uint64(h.low[s-h.lo:]) == 0 {
		s += 8
	}
	for s < end && h.at(s) == 0 {
		s++
	}
	return s
}

// all ranges over the slots that have a count, upwards.
func (h *Histogram) all() iter.Seq2[int, uint64] {
	return func(yield func(int, uint64) bool) {
		first, end := h.span()
		for s := h.skip(first, end); s < end; s = h.skip(s+1, end) {
			if !yield(s, h.at(s)) {
				return
			}
		}
	}
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
	if first, end := o.span(); first < end {
		h.reserve(first, end-1)
		for s := first; s < end; s = o.skip(s+1, end) {
			h.add(s, o.at(s))
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
	for s, n := range o.all() {
		if s >= h.lo && s < h.lo+len(h.low) {
			h.take(s, n)
		}
	}
	was := *h
	h.count, h.sum, h.min, h.max = zeros, 0, 0, 0
	low, high := -1, -1
	for k := range h.low {
		n := h.at(h.lo + k)
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
	for _, c := range h.all() {
		n -= c
	}
	return n
}

// Clone returns a copy that shares nothing with h.
func (h *Histogram) Clone() *Histogram {
	c := *h
	c.low = slices.Clone(h.low)
	if h.high != nil {
		high := slices.Clone(*h.high)
		c.high = &high
	}
	return &c
}

// Reset empties h and keeps its memory.
func (h *Histogram) Reset() {
	if first, end := h.span(); first < end {
		clear(h.low[first-h.lo : end-h.lo])
		if h.high != nil {
			clear((*h.high)[first-h.lo : end-h.lo])
		}
	}
	h.count, h.sum, h.min, h.max = 0, 0, 0, 0
}
