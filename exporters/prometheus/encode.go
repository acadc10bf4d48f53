package prometheus

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/model/histogram"

	"tidegauge/engine/outlet"
	"tidegauge/engine/store"
)

// The bounds of classic buckets are 2^lowestBound to 2^highestBound: about a millisecond to a minute. Prometheus's native
// histograms have a bound at every power of two, so that the counts are exact.
const (
	lowestBound  = -10
	highestBound = 6
)

func quantiles() []float64 { return []float64{0.5, 0.9, 0.95, 0.99, 0.999} }

// point is one sample of one series as it is sent, whatever the protocol: a value or one of the histograms.
type point struct {
	labels    []store.Label // sorted by name
	time      int64
	value     float64
	whole     *histogram.Histogram      // counts are whole numbers
	fractions *histogram.FloatHistogram // they need not be
	exemplars []store.Exemplar
}

// points returns what is sent of samples.
func (w *Writer) points(samples []outlet.Sample) []point {
	list := make([]point, 0, len(samples))
	for i := range samples {
		s := &samples[i]
		switch {
		case s.Histogram == nil:
			p := value(s, "", "", "", s.Value)
			p.exemplars = s.Exemplars
			list = append(list, p)
		case w.histograms == Classic:
			list = appendClassic(list, s)
		case w.histograms == Quantiles:
			list = appendQuantiles(list, s)
		default:
			list = append(list, native(s))
		}
	}
	return list
}

func value(s *outlet.Sample, suffix, label, labelValue string, v float64) point {
	return point{labels: labelsOf(s.Series, suffix, label, labelValue), time: s.Time, value: v}
}

// labelsOf returns the labels of a series, with a suffix to its name and one label more; sorted, as the protocols have it.
func labelsOf(s *store.Series, suffix, name, value string) []store.Label {
	list := make([]store.Label, 0, len(s.Labels)+1)
	for _, l := range s.Labels {
		if l.Name == "__name__" {
			l.Value += suffix
		}
		if l.Name != name {
			list = append(list, l)
		}
	}
	if name != "" {
		list = append(list, store.Label{Name: name, Value: value})
	}
	slices.SortStableFunc(list, func(a, b store.Label) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// appendClassic appends the series of a classic histogram, an exemplar with the bucket that counts it first. The marker that
// ends a histogram ends each of them.
func appendClassic(list []point, s *outlet.Sample) []point {
	h := s.Histogram
	add := func(suffix, label, bound string, v float64) {
		if s.Stale() {
			v = store.StaleMarker()
		}
		list = append(list, value(s, suffix, label, bound, v))
	}
	first := len(list)
	for exponent := lowestBound; exponent <= highestBound; exponent++ {
		add("_bucket", "le", bound(exponent), h.AtMost(exponent))
	}
	add("_bucket", "le", "+Inf", h.Count)
	for _, e := range s.Exemplars {
		i := highestBound + 1 - lowestBound // of +Inf
		for i > 0 && e.Value <= math.Ldexp(1, lowestBound+i-1) {
			i--
		}
		list[first+i].exemplars = append(list[first+i].exemplars, e)
	}
	add("_count", "", "", h.Count)
	add("_sum", "", "", h.Sum)
	return list
}

// bound writes a power of two.
func bound(exponent int) string {
	if exponent >= 0 {
		return strconv.Itoa(1 << exponent)
	}
	return strconv.FormatFloat(1/float64(int64(1)<<-exponent), 'g', -1, 64)
}

// appendQuantiles appends the series of a summary, which has no exemplars; where nothing was observed its quantiles are NaN.
func appendQuantiles(list []point, s *outlet.Sample) []point {
	since := s.Histogram.Since(s.Before)
	for _, q := range quantiles() {
		v := since.Quantile(q)
		if s.Stale() {
			v = store.StaleMarker()
		}
		list = append(list, value(s, "", "quantile", strconv.FormatFloat(q, 'g', -1, 64), v))
	}
	count, sum := s.Histogram.Count, s.Histogram.Sum
	if s.Stale() {
		count = store.StaleMarker()
	}
	return append(list, value(s, "_count", "", "", count), value(s, "_sum", "", "", sum))
}

// native returns a native histogram as it is.
func native(s *outlet.Sample) point {
	h, p := s.Histogram, value(s, "", "", "", 0)
	p.exemplars = s.Exemplars
	hint := histogram.UnknownCounterReset
	if h.Gauge {
		hint = histogram.GaugeType
	}
	positive, positiveCounts := spans(h.Positive)
	negative, negativeCounts := spans(h.Negative)
	if h.Fractions {
		p.fractions = &histogram.FloatHistogram{
			CounterResetHint: hint, Schema: h.Schema, Count: h.Count, Sum: h.Sum, ZeroThreshold: h.ZeroThreshold, ZeroCount: h.ZeroCount,
			PositiveSpans: positive, PositiveBuckets: positiveCounts, NegativeSpans: negative, NegativeBuckets: negativeCounts, CustomValues: h.Custom,
		}
		return p
	}
	p.whole = &histogram.Histogram{
		CounterResetHint: hint, Schema: h.Schema, Count: uint64(h.Count), Sum: h.Sum, ZeroThreshold: h.ZeroThreshold, ZeroCount: uint64(h.ZeroCount),
		PositiveSpans: positive, PositiveBuckets: deltas(positiveCounts), NegativeSpans: negative, NegativeBuckets: deltas(negativeCounts), CustomValues: h.Custom,
	}
	return p
}

// spans groups buckets that follow one another.
func spans(buckets []store.Bucket) (list []histogram.Span, counts []float64) {
	end := int32(0) // the index after the last bucket
	for i, b := range buckets {
		if i == 0 || b.Index != end {
			list = append(list, histogram.Span{Offset: b.Index - end})
		}
		list[len(list)-1].Length++
		counts = append(counts, b.Count)
		end = b.Index + 1
	}
	return list, counts
}

func deltas(counts []float64) []int64 {
	list := make([]int64, len(counts))
	before := int64(0)
	for i, n := range counts {
		list[i] = int64(n) - before
		before = int64(n)
	}
	return list
}
