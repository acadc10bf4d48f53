package store

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
)

// customBuckets is the schema of histograms whose bounds are a list.
const customBuckets = histogram.CustomBucketsSchema

// Bucket is how many observations there are in one bucket of a Histogram.
type Bucket struct {
	Index int32 // by the upper bound, see Histogram.UpperBound
	Count float64
}

// Histogram is a native histogram, as Prometheus has them. Counts are floats, exact to 2^53.
type Histogram struct {
	Schema             int32 // buckets are 2^(2^-Schema) wide
	Count, Sum         float64
	ZeroThreshold      float64
	ZeroCount          float64
	Positive, Negative []Bucket  // by index, without empty ones
	Custom             []float64 // upper bounds, instead of the schema's
	Fractions          bool      // it was stored with counts that need not be whole numbers
	Gauge              bool      // it does not count on
}

func histogramOf(h *histogram.FloatHistogram, fractions bool) *Histogram {
	return &Histogram{
		Schema: h.Schema, Count: h.Count, Sum: h.Sum, ZeroThreshold: h.ZeroThreshold, ZeroCount: h.ZeroCount,
		Positive: bucketsOf(h.PositiveSpans, h.PositiveBuckets), Negative: bucketsOf(h.NegativeSpans, h.NegativeBuckets),
		Custom: slices.Clone(h.CustomValues), Fractions: fractions, Gauge: h.CounterResetHint == histogram.GaugeType,
	}
}

func bucketsOf(spans []histogram.Span, counts []float64) []Bucket {
	var list []Bucket
	index, k := int32(0), 0
	for _, span := range spans {
		index += span.Offset
		for range span.Length {
			if k < len(counts) && counts[k] != 0 {
				list = append(list, Bucket{index, counts[k]})
			}
			index++
			k++
		}
	}
	return list
}

// UpperBound returns the upper bound of the positive bucket with an index; it belongs to the bucket.
func (h *Histogram) UpperBound(index int32) float64 {
	if h.Schema == customBuckets {
		if index < 0 || int(index) >= len(h.Custom) {
			return math.Inf(1)
		}
		return h.Custom[index]
	}
	return math.Exp2(math.Ldexp(float64(index), -int(h.Schema)))
}

// LowerBound returns the lower bound of the positive bucket with an index; it belongs to the bucket below.
func (h *Histogram) LowerBound(index int32) float64 {
	if h.Schema == customBuckets && index <= 0 {
		return 0
	}
	return h.UpperBound(index - 1)
}

// Since returns what was observed after earlier, an earlier state of the same histogram; nil is its beginning. Where the
// histogram has begun anew since, or changed its buckets, that is all of it.
func (h *Histogram) Since(earlier *Histogram) *Histogram {
	if earlier == nil || h.Gauge || earlier.Schema != h.Schema || !slices.Equal(earlier.Custom, h.Custom) ||
		h.Count < earlier.Count || h.ZeroCount < earlier.ZeroCount || earlier.ZeroThreshold != h.ZeroThreshold {
		return h
	}
	d := *h
	var fits, fitsToo bool
	d.Count, d.Sum, d.ZeroCount = h.Count-earlier.Count, h.Sum-earlier.Sum, h.ZeroCount-earlier.ZeroCount
	d.Positive, fits = without(h.Positive, earlier.Positive)
	d.Negative, fitsToo = without(h.Negative, earlier.Negative)
	if !fits || !fitsToo {
		return h
	}
	return &d
}

// without subtracts; ok is false if a bucket would be left with less than nothing.
func without(all, earlier []Bucket) (rest []Bucket, ok bool) {
	k := 0
	for _, b := range all {
		if k < len(earlier) && earlier[k].Index < b.Index {
			return nil, false
		}
		if k < len(earlier) && earlier[k].Index == b.Index {
			b.Count -= earlier[k].Count
			k++
		}
		if b.Count < 0 {
			return nil, false
		}
		if b.Count > 0 {
			rest = append(rest, b)
		}
	}
	return rest, k == len(earlier)
}

// Quantile returns the value below which a share q of the observations lies, exact to the width of a bucket: within one
// it is interpolated exponentially, as histogram_quantile does. Without observations it is NaN. Negative observations
// count as zero.
func (h *Histogram) Quantile(q float64) float64 {
	if h.Count == 0 || math.IsNaN(q) {
		return math.NaN()
	}
	rank := min(max(q, 0), 1) * h.Count
	seen := h.ZeroCount
	for _, b := range h.Negative {
		seen += b.Count
	}
	if seen > 0 && rank <= seen {
		return 0
	}
	for _, b := range h.Positive {
		if seen+b.Count >= rank {
			low, high := h.LowerBound(b.Index), h.UpperBound(b.Index)
			part := (rank - seen) / b.Count
			switch {
			case math.IsInf(high, 1):
				return low
			case low <= 0 || h.Schema == customBuckets:
				return low + (high-low)*part
			}
			return low * math.Pow(high/low, part)
		}
		seen += b.Count
	}
	return h.Max()
}

// Min returns the lower bound of the lowest bucket in use: the least observation lies above it by a bucket at most.
func (h *Histogram) Min() float64 {
	if h.ZeroCount > 0 || len(h.Negative) > 0 || len(h.Positive) == 0 {
		return 0
	}
	return h.LowerBound(h.Positive[0].Index)
}

// Max returns the upper bound of the highest bucket in use: the greatest observation lies below it by a bucket at most.
func (h *Histogram) Max() float64 {
	if len(h.Positive) == 0 {
		return 0
	}
	return h.UpperBound(h.Positive[len(h.Positive)-1].Index)
}

// AtMost counts the observations up to 2^exponent. Powers of two are bounds of native buckets at every schema from 0 up, so
// that the count is exact; elsewhere a bucket that reaches beyond is left out.
func (h *Histogram) AtMost(exponent int) float64 {
	n, bound := h.ZeroCount, math.Ldexp(1, exponent)
	for _, b := range h.Negative {
		n += b.Count
	}
	exact := h.Schema >= 0
	for _, b := range h.Positive {
		if exact && b.Index > int32(exponent)<<h.Schema || !exact && h.UpperBound(b.Index) > bound {
			break
		}
		n += b.Count
	}
	return n
}
