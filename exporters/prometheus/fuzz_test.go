package prometheus

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"tidegauge/engine/outlet"
	"tidegauge/engine/store"
)

// randomHistogram makes a histogram of bytes: whole numbers or fractions in buckets with any gaps between them.
func randomHistogram(b []byte, schema int32, sum float64, fractions, gauge bool) *store.Histogram {
	h := &store.Histogram{Schema: schema, Sum: sum, ZeroThreshold: sum, Fractions: fractions, Gauge: gauge}
	index := int32(-1 << 20)
	for len(b) >= 6 {
		n := float64(binary.LittleEndian.Uint16(b))
		if fractions {
			n /= 7
		}
		gap := int32(binary.LittleEndian.Uint32(b[2:]) >> 16)
		if n > 0 {
			one := store.Bucket{Index: index + gap, Count: n}
			if b[5]&1 == 0 {
				h.Positive = append(h.Positive, one)
			} else {
				h.Negative = append(h.Negative, one)
			}
			h.Count += n
			index += gap + 1
		}
		b = b[6:]
	}
	if len(b) > 0 {
		h.ZeroCount = float64(b[0])
		h.Count += h.ZeroCount
	}
	if schema == histogram.CustomBucketsSchema {
		h.Custom = []float64{-1, sum}
	}
	return h
}

// sent is what a receiver makes of one series of a request.
type sent struct {
	Labels    []store.Label
	Time      int64
	Value     float64
	H         *histogram.FloatHistogram
	Exemplars []store.Exemplar
}

func wanted(s *outlet.Sample) sent {
	labels := slices.Clone(s.Series.Labels)
	slices.SortStableFunc(labels, func(a, b store.Label) int { return cmp.Compare(a.Name, b.Name) })
	want := sent{Labels: labels, Time: s.Time, Value: s.Value, Exemplars: s.Exemplars}
	h := s.Histogram
	if h == nil {
		return want
	}
	want.Value = 0
	hint := histogram.UnknownCounterReset
	if h.Gauge {
		hint = histogram.GaugeType
	}
	want.H = &histogram.FloatHistogram{
		CounterResetHint: hint, Schema: h.Schema, Count: h.Count, Sum: h.Sum, ZeroThreshold: h.ZeroThreshold, ZeroCount: h.ZeroCount, CustomValues: h.Custom,
	}
	return want
}

// buckets reads buckets as a receiver does.
func buckets(spans []histogram.Span, counts []float64) (list []store.Bucket) {
	index, k := int32(0), 0
	for _, s := range spans {
		index += s.Offset
		for range s.Length {
			list = append(list, store.Bucket{Index: index, Count: counts[k]})
			index, k = index+1, k+1
		}
	}
	return list
}

// compare fails unless what arrived is the sample: its buckets apart, which are compared as buckets.
func compare(t *testing.T, version string, got sent, s *outlet.Sample) {
	t.Helper()
	want := wanted(s)
	if h := got.H; h != nil && s.Histogram != nil {
		for _, d := range []string{
			gocmp.Diff(s.Histogram.Positive, buckets(h.PositiveSpans, h.PositiveBuckets), cmpopts.EquateEmpty()),
			gocmp.Diff(s.Histogram.Negative, buckets(h.NegativeSpans, h.NegativeBuckets), cmpopts.EquateEmpty()),
		} {
			if d != "" {
				t.Errorf("%s: buckets %s", version, d)
			}
		}
		h.PositiveSpans, h.PositiveBuckets, h.NegativeSpans, h.NegativeBuckets = nil, nil, nil, nil
	}
	if d := gocmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); d != "" {
		t.Errorf("%s: %s", version, d)
	}
	if math.Float64bits(want.Value) != math.Float64bits(got.Value) {
		t.Errorf("%s: value %x, want %x", version, math.Float64bits(got.Value), math.Float64bits(want.Value))
	}
}

// FuzzMessages: what is encoded in either protocol decodes to the same labels, values and histograms; the other forms of
// histograms can be encoded too.
func FuzzMessages(f *testing.F) {
	f.Add("__name__", "m", "job", "j", int64(1), 2.5, int32(6), []byte{}, false, false, false)
	f.Add("z", "", "a", "\xff", int64(-1), math.Inf(1), int32(8), []byte{1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 9, 0, 3, 0, 0, 0, 0, 1, 5}, true, false, true)
	f.Add("le", "1", "quantile", "0.5", int64(math.MaxInt64), math.NaN(), int32(-53), []byte{9, 9, 9, 9, 9, 8}, true, true, false)
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string, at int64, v float64, schema int32, b []byte, isHistogram, fractions, gauge bool) {
		series := &store.Series{Labels: []store.Label{{Name: name1, Value: value1}, {Name: name2, Value: value2}}}
		s := outlet.Sample{Point: store.Point{Series: series, Time: at, Value: v}}
		for i := range min(len(b), 3) {
			s.Exemplars = append(s.Exemplars, store.Exemplar{Time: at + int64(i), Value: v / float64(b[i]), Labels: []store.Label{{Name: name2, Value: value1}}})
		}
		if isHistogram {
			s.Value, s.Histogram = 0, randomHistogram(b, schema, v, fractions, gauge)
		}
		for _, form := range []string{Classic, Quantiles} {
			w := Writer{histograms: form, families: families(form)}
			points := w.points([]outlet.Sample{s})
			if _, err := message1(points, nil).Marshal(); err != nil {
				t.Error(err)
			}
			if _, err := message2(points, w.families).Marshal(); err != nil {
				t.Error(err)
			}
		}
		w := Writer{histograms: Native, families: families(Native)}
		points := w.points([]outlet.Sample{s, s})
		one, err := message1(points, descriptions(Native)).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		two, err := message2(points, w.families).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range read1(t, one) {
			compare(t, "1.0", got, &s)
		}
		for _, got := range read2(t, two) {
			compare(t, "2.0", got, &s)
		}
	})
}

func read1(t *testing.T, message []byte) (list []sent) {
	t.Helper()
	var request prompb.WriteRequest
	if err := request.Unmarshal(message); err != nil {
		t.Fatal(err)
	}
	for _, series := range request.Timeseries {
		one := sent{Labels: fromLabels(series.Labels)}
		for _, e := range series.Exemplars {
			one.Exemplars = append(one.Exemplars, store.Exemplar{Time: e.Timestamp, Value: e.Value, Labels: fromLabels(e.Labels)})
		}
		for _, p := range series.Samples {
			one.Time, one.Value = p.Timestamp, p.Value
		}
		for _, p := range series.Histograms {
			one.Time, one.H = p.Timestamp, p.ToFloatHistogram()
		}
		list = append(list, one)
	}
	if len(list) != 2 {
		t.Fatalf("%d series, want 2", len(list))
	}
	return list
}

func fromLabels(list []prompb.Label) (labels []store.Label) {
	for _, l := range list {
		labels = append(labels, store.Label{Name: l.Name, Value: l.Value})
	}
	return labels
}

func fromReferences(symbols []string, list []uint32) (labels []store.Label) {
	for i := 0; i < len(list); i += 2 {
		labels = append(labels, store.Label{Name: symbols[list[i]], Value: symbols[list[i+1]]})
	}
	return labels
}

func read2(t *testing.T, message []byte) (list []sent) {
	t.Helper()
	var request writev2.Request
	if err := request.Unmarshal(message); err != nil {
		t.Fatal(err)
	}
	for _, series := range request.Timeseries {
		one := sent{Labels: fromReferences(request.Symbols, series.LabelsRefs)}
		for _, e := range series.Exemplars {
			one.Exemplars = append(one.Exemplars, store.Exemplar{Time: e.Timestamp, Value: e.Value, Labels: fromReferences(request.Symbols, e.LabelsRefs)})
		}
		for _, p := range series.Samples {
			one.Time, one.Value = p.Timestamp, p.Value
		}
		for _, p := range series.Histograms {
			one.Time, one.H = p.Timestamp, p.ToFloatHistogram()
		}
		list = append(list, one)
	}
	if len(list) != 2 {
		t.Fatalf("%d series, want 2", len(list))
	}
	return list
}
