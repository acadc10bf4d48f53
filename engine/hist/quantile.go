package hist

import "math"

// Quantile returns the q-quantile (0..1), 0 if the histogram is empty.
//
// It estimates the order statistic of rank ceil(q·Count), the least value that at least a share q of all values does not
// exceed: Min and Max themselves for the first and the last rank, else by geometric interpolation in the bucket that holds
// the rank, as though its values lay evenly there on a logarithmic scale. The estimate lies in that bucket, so it is wrong
// by less than the width of one bucket, 0.27%. q below 0 and NaN count as 0, q above 1 as 1.
func (h *Histogram) Quantile(q float64) float64 {
	rank := h.rank(q)
	switch {
	case rank <= 1:
		return h.min
	case rank == h.count:
		return h.max
	}
	// From above: there are usually fewer buckets to pass on the way to a high quantile, and no need to count the zeros.
	below := h.count
	first, end := h.span()
	for s := end - 1; s >= first; s-- {
		n := h.at(s)
		below -= n
		if rank > below {
			lo, hi := h.bounds(s)
			return lo * math.Pow(hi/lo, (float64(rank-below)-0.5)/float64(n))
		}
	}
	return 0
}

// rank returns ceil(q·count), from 1 to count, or 0 if there is nothing.
func (h *Histogram) rank(q float64) uint64 {
	switch {
	case h.count == 0:
		return 0
	case !(q > 0):
		return 1
	case q >= 1:
		return h.count
	}
	// 0.07·100 is a little above 7 in floating point, and must not be the 8th: two units in the last place are forgiven.
	x := q * float64(h.count)
	return min(max(uint64(math.Ceil(x-x*0x1p-51)), 1), h.count)
}

// bounds returns the ends of a slot, as far as values lie in it.
func (h *Histogram) bounds(slot int) (lo, hi float64) {
	return max(upper(slot-1), h.min), min(upper(slot), h.max)
}

// CountAtMost returns how many of the values are at most v, to the width of one bucket: exactly if v is the bound of a
// bucket, below Min or not below Max, else with the bucket around v split as Quantile does.
func (h *Histogram) CountAtMost(v float64) uint64 {
	switch {
	case h.count == 0 || math.IsNaN(v) || v < h.min:
		return 0
	case v >= h.max:
		return h.count
	case v <= MinValue:
		return h.zeros()
	}
	n, in := h.zeros(), slot(v)
	for s, c := range h.all() {
		switch {
		case s < in:
			n += c
		case s == in:
			lo, hi := h.bounds(s)
			if v >= hi {
				return n + c
			}
			return n + uint64(math.Round(float64(c)*math.Log(v/lo)/math.Log(hi/lo)))
		}
	}
	return n
}

// Buckets is a histogram's content at some scale, in OpenTelemetry's terms: Counts[k] values lie in
// (b^(Offset+k), b^(Offset+k+1)], b = 2^(2^-Scale).
type Buckets struct {
	Scale  int
	Offset int
	Counts []uint64 // from the first to the last bucket that is not empty
	Zero   uint64   // values of 0 (or below what a latency can be)
}

// minScale is the least that OpenTelemetry knows.
const minScale = -10

// Buckets returns the content at a scale of at most Scale and at least -10 (another is taken for the nearest of them),
// exactly merged: each step down joins two buckets into one. The slice is the caller's.
func (h *Histogram) Buckets(scale int) Buckets {
	scale = min(max(scale, minScale), Scale)
	b := Buckets{Scale: scale, Zero: h.zeros()}
	first, end := h.span()
	if first == end {
		return b
	}
	shift := Scale - scale
	b.Offset = (first - bias) >> shift
	b.Counts = make([]uint64, (end-1-bias)>>shift-b.Offset+1)
	for s, n := range h.all() {
		b.Counts[(s-bias)>>shift-b.Offset] += n
	}
	return b
}
