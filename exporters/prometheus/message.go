package prometheus

import (
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"tidegauge/engine/catalog"
	"tidegauge/engine/store"
)

// message1 returns a request of remote write 1.0, one series for each point.
func message1(points []point, metadata []prompb.MetricMetadata) *prompb.WriteRequest {
	request := &prompb.WriteRequest{Timeseries: make([]prompb.TimeSeries, len(points)), Metadata: metadata}
	for i := range points {
		p, s := &points[i], &request.Timeseries[i]
		s.Labels = labels1(p.labels)
		for _, e := range p.exemplars {
			s.Exemplars = append(s.Exemplars, prompb.Exemplar{Labels: labels1(e.Labels), Value: e.Value, Timestamp: e.Time})
		}
		switch {
		case p.whole != nil:
			s.Histograms = []prompb.Histogram{prompb.FromIntHistogram(p.time, p.whole)}
		case p.fractions != nil:
			s.Histograms = []prompb.Histogram{prompb.FromFloatHistogram(p.time, p.fractions)}
		default:
			s.Samples = []prompb.Sample{{Value: p.value, Timestamp: p.time}}
		}
	}
	return request
}

func labels1(list []store.Label) []prompb.Label {
	labels := make([]prompb.Label, len(list))
	for i, l := range list {
		labels[i] = prompb.Label{Name: l.Name, Value: l.Value}
	}
	return labels
}

// message2 returns a request of remote write 2.0, one series for each point. Start timestamps are not set, since the store
// does not keep them; it has a sample of value 0 where a series of a run begins, which serves the same purpose. Exemplars go
// with their samples: a receiver need not take a series that has exemplars alone (prometheus#17857).
func message2(points []point, families map[string]family) *writev2.Request {
	symbols := writev2.NewSymbolTable()
	request := &writev2.Request{Timeseries: make([]writev2.TimeSeries, len(points))}
	for i := range points {
		p, s := &points[i], &request.Timeseries[i]
		s.LabelsRefs = labels2(&symbols, p.labels)
		for _, e := range p.exemplars {
			s.Exemplars = append(s.Exemplars, writev2.Exemplar{LabelsRefs: labels2(&symbols, e.Labels), Value: e.Value, Timestamp: e.Time})
		}
		f := families[(&store.Series{Labels: p.labels}).Name()]
		s.Metadata = writev2.Metadata{Type: f.type2(), HelpRef: symbols.Symbolize(f.help), UnitRef: symbols.Symbolize(f.unit)}
		switch {
		case p.whole != nil:
			s.Histograms = []writev2.Histogram{writev2.FromIntHistogram(0, p.time, p.whole)}
		case p.fractions != nil:
			s.Histograms = []writev2.Histogram{writev2.FromFloatHistogram(0, p.time, p.fractions)}
		default:
			s.Samples = []writev2.Sample{{Value: p.value, Timestamp: p.time}}
		}
	}
	request.Symbols = symbols.Symbols()
	return request
}

func labels2(symbols *writev2.SymbolsTable, list []store.Label) []uint32 {
	references := make([]uint32, 0, 2*len(list))
	for _, l := range list {
		references = append(references, symbols.Symbolize(l.Name), symbols.Symbolize(l.Value))
	}
	return references
}

// family describes the series of a metric.
type family struct {
	kind       catalog.Kind // empty: not known
	summary    bool         // a histogram that is sent as one
	help, unit string
}

func (f family) type1() prompb.MetricMetadata_MetricType {
	switch {
	case f.summary:
		return prompb.MetricMetadata_SUMMARY
	case f.kind == catalog.Counter:
		return prompb.MetricMetadata_COUNTER
	case f.kind == catalog.Gauge:
		return prompb.MetricMetadata_GAUGE
	case f.kind == catalog.Histogram:
		return prompb.MetricMetadata_HISTOGRAM
	default:
		return prompb.MetricMetadata_UNKNOWN
	}
}

func (f family) type2() writev2.Metadata_MetricType {
	switch {
	case f.summary:
		return writev2.Metadata_METRIC_TYPE_SUMMARY
	case f.kind == catalog.Counter:
		return writev2.Metadata_METRIC_TYPE_COUNTER
	case f.kind == catalog.Gauge:
		return writev2.Metadata_METRIC_TYPE_GAUGE
	case f.kind == catalog.Histogram:
		return writev2.Metadata_METRIC_TYPE_HISTOGRAM
	default:
		return writev2.Metadata_METRIC_TYPE_UNSPECIFIED
	}
}

// descriptions describes the metrics of the catalog, as remote write 1.0 has it: by the names of metrics.
func descriptions(histograms string) []prompb.MetricMetadata {
	var list []prompb.MetricMetadata
	for _, m := range append(catalog.All(), catalog.Outlets()...) {
		f := familyOf(&m, histograms)
		list = append(list, prompb.MetricMetadata{MetricFamilyName: m.PrometheusName(), Type: f.type1(), Help: f.help, Unit: f.unit})
	}
	return list
}

// families describes the metrics of the catalog, as remote write 2.0 has it: by the names of series.
func families(histograms string) map[string]family {
	all := map[string]family{}
	for _, m := range append(catalog.All(), catalog.Outlets()...) {
		f, name := familyOf(&m, histograms), m.PrometheusName()
		all[name] = f
		if m.Kind == catalog.Histogram {
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				all[name+suffix] = f
			}
		}
	}
	return all
}

func familyOf(m *catalog.Metric, histograms string) family {
	return family{kind: m.Kind, summary: m.Kind == catalog.Histogram && histograms == Quantiles, help: m.Help, unit: m.PrometheusUnit()}
}
