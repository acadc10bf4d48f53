package telemetry

import (
	"cmp"
	"encoding/hex"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/protobuf/types/known/timestamppb"

	"tidegauge/engine/catalog"
)

// zeroThreshold is the width of the zero bucket that Prometheus gives to histograms that came by OTLP.
const zeroThreshold float64 = 1e-128

// classicBounds are the upper bounds, in seconds, of the buckets in the text format: those of the semantic conventions
// for HTTP, with more at both ends.
func classicBounds() []float64 {
	return []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60}
}

// Handler serves the current metrics of p alone, as the function Handler does.
func (p *Provider) Handler() http.Handler { return Handler(func() []Gatherer { return []Gatherer{p} }) }

// Handler serves what all gatherers have at that moment in Prometheus's formats, under the names that OTLP gives them: native
// histograms in protobuf, which a scraper has to ask for, with the exemplars of the latest interval, and with classic buckets
// beside them, which are what the text format has. A value on the edge of a classic bucket is counted to the width of a native
// one. It may be called while a run goes on.
func Handler(all func() []Gatherer) http.Handler {
	return promhttp.HandlerFor(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		return prometheus.Gatherers(all()).Gather()
	}), promhttp.HandlerOpts{})
}

// Process returns what Prometheus's client libraries say of this process and its Go runtime: process_resident_memory_bytes,
// go_goroutines and the like.
func Process() Gatherer {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Gatherer is what has metrics for /metrics; a *Provider is one.
type Gatherer = prometheus.Gatherer

// Gather returns what Handler serves.
func (p *Provider) Gather() ([]*dto.MetricFamily, error) {
	current := p.current.Load()
	if current == nil {
		return nil, nil
	}
	var families []*dto.MetricFamily
	for _, m := range *current {
		f, err := familyOf(m)
		if err != nil {
			return nil, err
		}
		families = append(families, f)
	}
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return families, nil
}

func familyOf(m metricdata.Metrics) (*dto.MetricFamily, error) {
	f := &dto.MetricFamily{Help: &m.Description}
	entry := catalog.Metric{Name: m.Name, Unit: m.Unit}
	add := func(attributes attribute.Set, one *dto.Metric) error {
		labels, err := labelPairs(attributes)
		one.Label = labels
		f.Metric = append(f.Metric, one)
		return err
	}
	switch data := m.Data.(type) {
	case metricdata.ExponentialHistogram[float64]:
		f.Type, entry.Kind = dto.MetricType_HISTOGRAM.Enum(), catalog.Histogram
		for i := range data.DataPoints {
			if err := add(data.DataPoints[i].Attributes, &dto.Metric{Histogram: histogramDTO(&data.DataPoints[i])}); err != nil {
				return nil, err
			}
		}
	case metricdata.Sum[int64]:
		f.Type, entry.Kind = dto.MetricType_COUNTER.Enum(), catalog.Counter
		for _, p := range data.DataPoints {
			counter := &dto.Counter{Value: new(float64(p.Value)), CreatedTimestamp: created(p.StartTime)}
			if err := add(p.Attributes, &dto.Metric{Counter: counter}); err != nil {
				return nil, err
			}
		}
	case metricdata.Sum[float64]:
		f.Type, entry.Kind = dto.MetricType_COUNTER.Enum(), catalog.Counter
		for _, p := range data.DataPoints {
			if err := add(p.Attributes, &dto.Metric{Counter: &dto.Counter{Value: &p.Value, CreatedTimestamp: created(p.StartTime)}}); err != nil {
				return nil, err
			}
		}
	case metricdata.Gauge[float64]:
		f.Type, entry.Kind = dto.MetricType_GAUGE.Enum(), catalog.Gauge
		for _, p := range data.DataPoints {
			if err := add(p.Attributes, &dto.Metric{Gauge: &dto.Gauge{Value: &p.Value}}); err != nil {
				return nil, err
			}
		}
	}
	f.Name = new(entry.PrometheusName())
	return f, nil
}

func created(t time.Time) *timestamppb.Timestamp { return timestamppb.New(t) }

func labelPairs(attributes attribute.Set) ([]*dto.LabelPair, error) {
	pairs := make([]*dto.LabelPair, 0, attributes.Len())
	for it := attributes.Iter(); it.Next(); {
		a := it.Attribute()
		name, err := catalog.PrometheusLabel(string(a.Key))
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, &dto.LabelPair{Name: &name, Value: new(a.Value.String())})
	}
	slices.SortFunc(pairs, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return pairs, nil
}

func histogramDTO(p *histogramPoint) *dto.Histogram {
	spans, deltas := nativeBuckets(p.PositiveBucket)
	return &dto.Histogram{
		SampleCount:      &p.Count,
		SampleSum:        &p.Sum,
		CreatedTimestamp: created(p.StartTime),
		Schema:           &p.Scale,
		ZeroThreshold:    new(zeroThreshold),
		ZeroCount:        &p.ZeroCount,
		PositiveSpan:     spans,
		PositiveDelta:    deltas,
		Bucket:           classicBuckets(p),
		Exemplars:        exemplarDTOs(p.Exemplars),
	}
}

// exemplarDTOs writes exemplars in the order that they have, which is that of time, as Prometheus takes them.
func exemplarDTOs(list []exemplar) []*dto.Exemplar {
	var all []*dto.Exemplar
	for i := range list {
		e := &list[i]
		all = append(all, &dto.Exemplar{
			Label: []*dto.LabelPair{
				{Name: new("trace_id"), Value: new(hex.EncodeToString(e.TraceID))},
				{Name: new("span_id"), Value: new(hex.EncodeToString(e.SpanID))},
			},
			Value: &e.Value, Timestamp: timestamppb.New(e.Time),
		})
	}
	return all
}

// nativeBuckets writes buckets as spans of used ones, each count as the difference to the one before. Prometheus counts
// its buckets by their upper bound, OpenTelemetry by their lower one: hence the 1.
func nativeBuckets(b metricdata.ExponentialBucket) (spans []*dto.BucketSpan, deltas []int64) {
	end := int32(0) // the index after the last used bucket
	var before int64
	for k, n := range b.Counts {
		if n == 0 {
			continue
		}
		index := b.Offset + int32(k) + 1
		if len(spans) == 0 || index != end {
			spans = append(spans, &dto.BucketSpan{Offset: new(index - end), Length: new(uint32)})
		}
		*spans[len(spans)-1].Length++
		deltas = append(deltas, int64(n)-before)
		before, end = int64(n), index+1
	}
	if len(spans) == 0 { // tells an empty native histogram from a classic one
		spans = []*dto.BucketSpan{{Offset: new(int32), Length: new(uint32)}}
	}
	return spans, deltas
}

// classicBuckets counts the native buckets that lie at or below each bound.
func classicBuckets(p *histogramPoint) []*dto.Bucket {
	perDoubling := math.Exp2(float64(p.Scale))
	bounds := classicBounds()
	buckets := make([]*dto.Bucket, len(bounds))
	k, sum := 0, p.ZeroCount
	for i, bound := range bounds {
		// Bucket k ends at 2^((offset+k+1)/perDoubling).
		last := int(math.Floor(math.Log2(bound)*perDoubling)) - int(p.PositiveBucket.Offset) - 1
		for ; k < len(p.PositiveBucket.Counts) && k <= last; k++ {
			sum += p.PositiveBucket.Counts[k]
		}
		buckets[i] = &dto.Bucket{UpperBound: &bounds[i], CumulativeCount: new(sum)}
	}
	return buckets
}
