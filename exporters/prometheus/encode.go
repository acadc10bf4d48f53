package prometheus

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/prompb"

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

// series returns the time series of samples, one sample in each.
func (w *Writer) series(samples []outlet.Sample) []prompb.TimeSeries {
	list := make([]prompb.TimeSeries, 0, len(samples))
	for i := range samples {
		s := &samples[i]
		switch {
		case s.Histogram == nil:
			list = append(list, value(s, "", "", "", s.Value))
		case w.histograms == Classic:
			list = appendClassic(list, s)
		case w.histograms == Quantiles:
			list = appendQuantiles(list, s)
		default:
			list = append(list, prompb.TimeSeries{Labels: labelsOf(s.Series, "", "", ""), Histograms: []prompb.Histogram{native(s)}})
		}
	}
	return list
}

func value(s *outlet.Sample, suffix, label, labelValue string, v float64) prompb.TimeSeries {
	return prompb.TimeSeries{Labels: labelsOf(s.Series, suffix, label, labelValue), Samples: []prompb.Sample{{Value: v, Timestamp: s.Time}}}
}

// labelsOf returns the labels of a series, with a suffix to its name and one label more; sorted, as the protocol has it.
func labelsOf(s *store.Series, suffix, name, value string) []prompb.Label {
	list := make([]prompb.Label, 0, len(s.Labels)+1)
	for _, l := range s.Labels {
		if l.Name == "__name__" {
			l.Value += suffix
		}
		if l.Name != name {
			list = append(list, prompb.Label{Name: l.Name, Value: l.Value})
		}
	}
	if name != "" {
		list = append(list, prompb.Label{Name: name, Value: value})
		slices.SortFunc(list, func(a, b prompb.Label) int { return cmp.Compare(a.Name, b.Name) })
	}
	return list
}

// appendClassic appends the series of a classic histogram. The marker that ends a histogram ends each of them.
func appendClassic(list []prompb.TimeSeries, s *outlet.Sample) []prompb.TimeSeries {
	h := s.Histogram
	add := func(suffix, label, bound string, v float64) {
		if s.Stale() {
			v = store.StaleMarker()
		}
		list = append(list, value(s, suffix, label, bound, v))
	}
	for exponent := lowestBound; exponent <= highestBound; exponent++ {
		add("_bucket", "le", bound(exponent), h.AtMost(exponent))
	}
	add("_bucket", "le", "+Inf", h.Count)
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

// appendQuantiles appends the series of a summary; where nothing was observed its quantiles are NaN, as summaries have it.
func appendQuantiles(list []prompb.TimeSeries, s *outlet.Sample) []prompb.TimeSeries {
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

func native(s *outlet.Sample) prompb.Histogram {
	h := s.Histogram
	p := prompb.Histogram{Sum: h.Sum, Schema: h.Schema, ZeroThreshold: h.ZeroThreshold, Timestamp: s.Time, CustomValues: h.Custom}
	if h.Gauge {
		p.ResetHint = prompb.Histogram_GAUGE
	}
	if h.Fractions {
		p.Count = &prompb.Histogram_CountFloat{CountFloat: h.Count}
		p.ZeroCount = &prompb.Histogram_ZeroCountFloat{ZeroCountFloat: h.ZeroCount}
		p.PositiveSpans, p.PositiveCounts = spans(h.Positive)
		p.NegativeSpans, p.NegativeCounts = spans(h.Negative)
		return p
	}
	p.Count = &prompb.Histogram_CountInt{CountInt: uint64(h.Count)}
	p.ZeroCount = &prompb.Histogram_ZeroCountInt{ZeroCountInt: uint64(h.ZeroCount)}
	var counts []float64
	p.PositiveSpans, counts = spans(h.Positive)
	p.PositiveDeltas = deltas(counts)
	p.NegativeSpans, counts = spans(h.Negative)
	p.NegativeDeltas = deltas(counts)
	return p
}

// spans groups buckets that follow one another.
func spans(buckets []store.Bucket) (list []prompb.BucketSpan, counts []float64) {
	end := int32(0) // the index after the last bucket
	for i, b := range buckets {
		if i == 0 || b.Index != end {
			list = append(list, prompb.BucketSpan{Offset: b.Index - end})
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
