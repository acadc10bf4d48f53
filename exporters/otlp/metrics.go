package otlp

import (
	"encoding/hex"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"tidegauge/engine/catalog"
	"tidegauge/engine/history"
	"tidegauge/engine/outlet"
)

const (
	ownJob       = "tidegauge" // what tidegauge's own series have as their job
	scrapedScope = "tidegauge/engine/scrape"
	targetInfo   = "target_info" // what Prometheus makes of the attributes of a resource
)

// encoder turns samples of the store back into OTLP.
type encoder struct {
	own        map[string]catalog.Metric // by the name in Prometheus
	attributes map[string]string         // names of attributes by label, where they differ
	resource   map[string]string         // of tidegauge itself
	latest     map[resourceKey]int64     // the newest sample that has arrived
}

// resourceKey tells resources apart.
type resourceKey struct{ job, instance string }

// at is a resource at a time: Prometheus makes one target_info sample of it.
type at struct {
	resourceKey
	time int64
}

// left says what could not be encoded.
type left struct {
	count  int
	reason error // the last one
}

func newEncoder(resource map[string]string) *encoder {
	e := &encoder{own: map[string]catalog.Metric{}, attributes: map[string]string{}, resource: resource, latest: map[resourceKey]int64{}}
	for _, m := range append(catalog.All(), catalog.Outlets()...) {
		e.own[m.PrometheusName()] = m
		for _, name := range m.Labels {
			if label, err := catalog.PrometheusLabel(name); err == nil && label != name {
				e.attributes[label] = name
			}
		}
	}
	e.attributes["service_version"] = "service.version"
	return e
}

// group is the metrics of one resource at one time.
type group struct {
	own, scraped []*metricspb.Metric
	byName       map[string]*metricspb.Metric
	ends         bool // a series target_info ends
}

// encode returns the request for samples. Each sample is one data point, but for target_info, whose labels become the
// attributes of its resource, as OpenTelemetry's receiver for Prometheus has it.
func (e *encoder) encode(samples []outlet.Sample) (*collectorpb.ExportMetricsServiceRequest, left) {
	var lost left
	groups := map[at]*group{}
	infos := map[at]*outlet.Sample{}
	var order []at
	add := func(key at, s *outlet.Sample) {
		g := groups[key]
		if g == nil {
			g = &group{byName: map[string]*metricspb.Metric{}}
			groups[key] = g
			order = append(order, key)
		}
		g.ends = g.ends || s.Stale() && s.Series.Name() == targetInfo
		if err := e.add(g, s); err != nil {
			lost.count++
			lost.reason = err
		}
	}
	for i := range samples {
		s := &samples[i]
		key := at{resourceKey{s.Series.Get("job"), s.Series.Get("instance")}, s.Time}
		if infos[key] == nil && e.isInfo(s) {
			infos[key] = s
			continue
		}
		add(key, s)
	}
	for i := range samples { // in their order
		s := &samples[i]
		key := at{resourceKey{s.Series.Get("job"), s.Series.Get("instance")}, s.Time}
		if g := groups[key]; infos[key] == s && (g == nil || len(g.byName) == 0) {
			delete(infos, key)
			add(key, s) // there is nothing that its attributes could go with
		}
	}
	request := &collectorpb.ExportMetricsServiceRequest{}
	for _, key := range order {
		if g := groups[key]; len(g.byName) > 0 {
			request.ResourceMetrics = append(request.ResourceMetrics, g.resourceMetrics(e.attributesOf(key, infos[key], g.ends)))
		}
	}
	return request, lost
}

// isInfo reports whether a sample is the description of its target and nothing else.
func (e *encoder) isInfo(s *outlet.Sample) bool {
	if s.Histogram != nil || s.Value != 1 || s.Series.Name() != targetInfo {
		return false
	}
	more := false
	for _, l := range s.Series.Labels {
		switch name, err := catalog.PrometheusLabel(l.Name); {
		case err != nil || name != l.Name:
			return false // it would come out under another name
		case l.Name != "__name__" && l.Name != "job" && l.Name != "instance":
			more = true
		}
	}
	return more
}

// attributesOf returns the attributes of a resource: what identifies it, what describes it at this time and, of tidegauge
// itself, what the environment says. Prometheus makes a target_info sample of these, and refuses one that is older than what
// it has: where samples are sent again in parts, so that times come twice, the environment is left out. So it is with the end
// of target_info, which would begin it anew.
func (e *encoder) attributesOf(key at, info *outlet.Sample, ends bool) map[string]string {
	all := map[string]string{}
	if info != nil {
		for _, l := range info.Series.Labels {
			if l.Name != "__name__" && l.Name != "job" && l.Name != "instance" {
				all[e.attribute(l.Name, key.job == ownJob)] = l.Value
			}
		}
	}
	if key.job == ownJob && !ends && e.latest[key.resourceKey] <= key.time {
		maps.Copy(all, e.resource)
	}
	identify := func(name, value string) {
		if value != "" {
			all[name] = value
		}
	}
	identify("service.name", key.job)
	identify("service.instance.id", key.instance)
	if key.job == ownJob {
		identify("service.name", e.resource["service.name"])
		identify("service.instance.id", e.resource["service.instance.id"])
		identify("service.namespace", e.resource["service.namespace"])
	}
	return all
}

// acknowledged notes what has arrived.
func (e *encoder) acknowledged(samples []outlet.Sample) {
	const most = 10_000 // resources are few; this is against a discovery that never ends
	if len(e.latest) > most {
		clear(e.latest)
	}
	for i := range samples {
		key := resourceKey{samples[i].Series.Get("job"), samples[i].Series.Get("instance")}
		e.latest[key] = max(e.latest[key], samples[i].Time)
	}
}

func (g *group) resourceMetrics(attributes map[string]string) *metricspb.ResourceMetrics {
	rm := &metricspb.ResourceMetrics{Resource: &resourcepb.Resource{}}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		rm.Resource.Attributes = append(rm.Resource.Attributes, pair(name, attributes[name]))
	}
	scope := func(name string, metrics []*metricspb.Metric) {
		if len(metrics) > 0 {
			rm.ScopeMetrics = append(rm.ScopeMetrics, &metricspb.ScopeMetrics{Scope: &commonpb.InstrumentationScope{Name: name}, Metrics: metrics})
		}
	}
	scope(ownJob, g.own)
	scope(scrapedScope, g.scraped)
	return rm
}

// add adds a sample to a group as a data point.
func (e *encoder) add(g *group, s *outlet.Sample) error {
	name := s.Series.Name()
	m, own := e.own[name]
	own = own && s.Series.Get("job") == ownJob && (m.Kind == catalog.Histogram) == (s.Histogram != nil)
	if !own {
		m = scraped(name, s)
	}
	attributes := make([]*commonpb.KeyValue, 0, len(s.Series.Labels))
	for _, l := range s.Series.Labels {
		if l.Name != "__name__" && l.Name != "job" && l.Name != "instance" {
			attributes = append(attributes, pair(e.attribute(l.Name, own), l.Value))
		}
	}
	start := uint64(0)
	if begun, ok := history.StartOf(s.Series.Get(catalog.LabelRun)); own && ok && m.Kind != catalog.Gauge {
		start = nanoseconds(begun.UnixMilli())
	}
	list := &g.scraped
	if own {
		list = &g.own
	}
	if s.Histogram != nil {
		return g.histogram(list, m, s, attributes, start)
	}
	p := number(s, attributes, start, own && m.Kind == catalog.Counter)
	switch data := g.metric(list, m, string(m.Kind), func() *metricspb.Metric {
		if m.Kind == catalog.Gauge {
			return &metricspb.Metric{Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{}}}
		}
		return &metricspb.Metric{Data: &metricspb.Metric_Sum{Sum: &metricspb.Sum{AggregationTemporality: cumulative, IsMonotonic: true}}}
	}).Data.(type) {
	case *metricspb.Metric_Gauge:
		data.Gauge.DataPoints = append(data.Gauge.DataPoints, p)
	case *metricspb.Metric_Sum:
		data.Sum.DataPoints = append(data.Sum.DataPoints, p)
	}
	return nil
}

const cumulative = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE

// histogram adds a histogram to a list.
func (g *group) histogram(list *[]*metricspb.Metric, m catalog.Metric, s *outlet.Sample, attributes []*commonpb.KeyValue, start uint64) error {
	if s.Histogram.Custom != nil {
		p, err := explicit(s, attributes)
		if err != nil {
			return err
		}
		data := g.metric(list, m, "explicit", func() *metricspb.Metric {
			return &metricspb.Metric{Data: &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{AggregationTemporality: cumulative}}}
		}).GetHistogram()
		data.DataPoints = append(data.DataPoints, p)
		return nil
	}
	p, err := exponential(s, attributes, start)
	if err != nil {
		return err
	}
	data := g.metric(list, m, "exponential", func() *metricspb.Metric {
		return &metricspb.Metric{Data: &metricspb.Metric_ExponentialHistogram{ExponentialHistogram: &metricspb.ExponentialHistogram{AggregationTemporality: cumulative}}}
	}).GetExponentialHistogram()
	data.DataPoints = append(data.DataPoints, p)
	return nil
}

// metric returns the metric of a name and form, made at its first sample.
func (g *group) metric(list *[]*metricspb.Metric, m catalog.Metric, form string, create func() *metricspb.Metric) *metricspb.Metric {
	key := form + " " + m.Name
	if list == &g.own {
		key = "own " + key
	}
	one := g.byName[key]
	if one == nil {
		one = create()
		one.Name, one.Description, one.Unit = strings.ToValidUTF8(m.Name, "�"), m.Help, m.Unit
		g.byName[key] = one
		*list = append(*list, one)
	}
	return one
}

// scraped describes a series that is not ours. What ends in _total counts, by the rule of OpenMetrics; everything else goes
// as a gauge, since Prometheus would add _total to the name of a counter.
func scraped(name string, s *outlet.Sample) catalog.Metric {
	m := catalog.Metric{Name: name, Kind: catalog.Gauge}
	switch {
	case s.Histogram != nil:
		m.Kind = catalog.Histogram
	case strings.HasSuffix(name, "_total") && catalog.CounterKeepsName(name):
		m.Kind = catalog.Counter
	}
	return m
}

// number returns the data point of a value.
func number(s *outlet.Sample, attributes []*commonpb.KeyValue, start uint64, count bool) *metricspb.NumberDataPoint {
	p := &metricspb.NumberDataPoint{Attributes: attributes, StartTimeUnixNano: start, TimeUnixNano: nanoseconds(s.Time)}
	if count {
		p.Exemplars = exemplars(s) // Prometheus's way in for gauges does not know any
	}
	switch {
	case s.Stale():
		p.Flags = noRecordedValue
	case count && s.Value == math.Trunc(s.Value) && math.Abs(s.Value) < 1<<53:
		p.Value = &metricspb.NumberDataPoint_AsInt{AsInt: int64(s.Value)}
	default:
		p.Value = &metricspb.NumberDataPoint_AsDouble{AsDouble: s.Value}
	}
	return p
}

// exemplars returns those of a sample. The ids of a trace and a span have fields of their own.
func exemplars(s *outlet.Sample) []*metricspb.Exemplar {
	var list []*metricspb.Exemplar
	for _, x := range s.Exemplars {
		one := &metricspb.Exemplar{TimeUnixNano: nanoseconds(x.Time), Value: &metricspb.Exemplar_AsDouble{AsDouble: x.Value}}
		for _, l := range x.Labels {
			id, err := hex.DecodeString(l.Value)
			switch {
			case l.Name == "trace_id" && err == nil && len(id) == 16:
				one.TraceId = id
			case l.Name == "span_id" && err == nil && len(id) == 8:
				one.SpanId = id
			default:
				one.FilteredAttributes = append(one.FilteredAttributes, pair(l.Name, l.Value))
			}
		}
		list = append(list, one)
	}
	return list
}

// attribute returns the name of the attribute that a label was made of.
func (e *encoder) attribute(label string, own bool) string {
	if name, ok := e.attributes[label]; ok && own {
		return name
	}
	return label
}

func pair(name, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{
		Key:   strings.ToValidUTF8(name, "�"),
		Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: strings.ToValidUTF8(value, "�")}},
	}
}

// nanoseconds returns a time in milliseconds as OTLP has it, which knows none before 1970.
func nanoseconds(ms int64) uint64 {
	return uint64(max(0, ms)) * uint64(time.Millisecond)
}
