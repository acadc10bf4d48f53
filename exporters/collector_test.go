package exporters

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"tidegauge/engine/catalog"
	"tidegauge/engine/event"
	"tidegauge/engine/outlet"
	"tidegauge/engine/protocol"
	"tidegauge/engine/store"
	"tidegauge/engine/trace"
)

// collector is the OTLP receiver of OpenTelemetry's Collector, with memory behind it.
type collector struct {
	t       *testing.T
	config  map[string]any
	metrics consumertest.MetricsSink
	traces  consumertest.TracesSink
	logs    consumertest.LogsSink
	running []component.Component
}

// newCollector starts a receiver of one protocol, grpc or http, and returns it with the address of an outlet.
func newCollector(t *testing.T, name string, secure bool) (*collector, string) {
	t.Helper()
	for attempt := 0; ; attempt++ {
		address := freeAddress(t)
		server := map[string]any{"endpoint": address}
		spec := "otlp=" + name + "://" + address
		if secure {
			cert, key := certificate(t)
			server["tls"] = map[string]any{"cert_file": cert, "key_file": key}
			spec = "otlp=" + name + "s://" + address + "?ca=" + cert
		}
		c := &collector{t: t, config: map[string]any{"protocols": map[string]any{name: server}}}
		err := c.try()
		if errors.Is(err, syscall.EADDRINUSE) && attempt < 10 { // somebody was quicker
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.stop)
		return c, spec
	}
}

func (c *collector) start() {
	if err := c.try(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *collector) try() error {
	ctx := context.WithoutCancel(c.t.Context())
	f := otlpreceiver.NewFactory()
	config := f.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(c.config).Unmarshal(config); err != nil {
		return err
	}
	settings := receivertest.NewNopSettings(f.Type())
	metrics, err := f.CreateMetrics(ctx, settings, config, &c.metrics)
	if err != nil {
		return err
	}
	traces, err := f.CreateTraces(ctx, settings, config, &c.traces)
	if err != nil {
		return err
	}
	logs, err := f.CreateLogs(ctx, settings, config, &c.logs)
	if err != nil {
		return err
	}
	c.running = []component.Component{metrics, traces, logs}
	for _, one := range c.running { // one server behind all of them
		if err := one.Start(ctx, componenttest.NewNopHost()); err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) stop() {
	for _, one := range c.running {
		if err := one.Shutdown(context.WithoutCancel(c.t.Context())); err != nil {
			c.t.Error(err)
		}
	}
	c.running = nil
}

// certificate returns the files of a certificate for 127.0.0.1 that is its own authority.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	der, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: s.Certificate().Raw}, key: {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// received is what came back, by the names and labels of the store.
type received struct {
	t      *testing.T
	points flat
}

// holds compares what the collector was sent with everything in the store.
func (c *collector) holds(t *testing.T, l *lab) {
	t.Helper()
	r := received{t, flat{}}
	for _, all := range c.metrics.AllMetrics() {
		for _, rm := range all.ResourceMetrics().All() {
			labels, info := r.resource(rm.Resource().Attributes())
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					r.metric(m, labels, info, sm.Scope().Name() == "tidegauge")
				}
			}
		}
	}
	equal(t, r.points, wantFlat(l), 0)
}

// resource returns the labels that identify a resource, and those of its target_info.
func (r *received) resource(attributes pcommon.Map) (labels, info map[string]string) {
	labels, info = map[string]string{}, map[string]string{}
	for name, v := range attributes.All() {
		switch name {
		case "service.name":
			labels["job"] = v.Str()
		case "service.instance.id":
			labels["instance"] = v.Str()
		default:
			info[r.label(name)] = v.Str()
		}
	}
	if len(info) > 0 {
		maps.Copy(info, labels)
		info["__name__"] = "target_info"
	}
	return labels, info
}

func (r *received) label(name string) string {
	label, err := catalog.PrometheusLabel(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return label
}

// point enters a data point, and the target_info of its time.
func (r *received) point(name string, base, info map[string]string, attributes pcommon.Map, at pcommon.Timestamp, values map[string]float64) {
	ms := at.AsTime().UnixMilli()
	if len(info) > 0 {
		r.points.put(info, ms, 1)
	}
	labels := maps.Clone(base)
	labels["__name__"] = name
	for key, v := range attributes.All() {
		labels[r.label(key)] = v.Str()
	}
	for bucket, v := range values {
		if bucket == "" {
			r.points.put(labels, ms, v)
		} else {
			r.points.put(part(labels, bucket), ms, v)
		}
	}
}

func (r *received) metric(m pmetric.Metric, base, info map[string]string, own bool) {
	name := m.Name()
	kind := map[pmetric.MetricType]catalog.Kind{
		pmetric.MetricTypeSum: catalog.Counter, pmetric.MetricTypeGauge: catalog.Gauge, pmetric.MetricTypeExponentialHistogram: catalog.Histogram,
	}[m.Type()]
	if entry, ok := catalog.Lookup(name); own {
		if !ok || entry.Unit != m.Unit() || entry.Help != m.Description() || entry.Kind != kind {
			r.t.Fatalf("%s, %s in %q, %q: not in the catalog", name, m.Type(), m.Unit(), m.Description())
		}
		name = entry.PrometheusName()
	}
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		r.numbers(name, base, info, m.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		if !m.Sum().IsMonotonic() || m.Sum().AggregationTemporality() != pmetric.AggregationTemporalityCumulative {
			r.t.Errorf("%s is not a monotonic cumulative sum", name)
		}
		r.numbers(name, base, info, m.Sum().DataPoints())
	case pmetric.MetricTypeExponentialHistogram:
		for _, p := range m.ExponentialHistogram().DataPoints().All() {
			if p.Flags().NoRecordedValue() {
				continue
			}
			if began := p.StartTimestamp().AsTime(); own && (began.After(p.Timestamp().AsTime()) || p.Timestamp().AsTime().Sub(began) > time.Minute) {
				r.t.Errorf("%s at %v counts since %v", name, p.Timestamp(), began)
			}
			r.point(name, base, info, p.Attributes(), p.Timestamp(), bucketsOf(p))
		}
	default:
		r.t.Errorf("%s is of type %v", name, m.Type())
	}
}

func (r *received) numbers(name string, base, info map[string]string, points pmetric.NumberDataPointSlice) {
	for _, p := range points.All() {
		if p.Flags().NoRecordedValue() {
			continue
		}
		v := p.DoubleValue()
		if p.ValueType() == pmetric.NumberDataPointValueTypeInt {
			v = float64(p.IntValue())
		}
		r.point(name, base, info, p.Attributes(), p.Timestamp(), map[string]float64{"": v})
	}
}

// bucketsOf returns the values of a histogram as prometheusHolds has them.
func bucketsOf(p pmetric.ExponentialHistogramDataPoint) map[string]float64 {
	values := map[string]float64{"count": float64(p.Count()), "sum": p.Sum()}
	if p.ZeroCount() > 0 {
		values[boundOf(p.ZeroThreshold())] = float64(p.ZeroCount())
	}
	for i, n := range p.Positive().BucketCounts().All() {
		if n > 0 {
			values[boundOf(upperBound(p.Positive().Offset()+int32(i)+1, p.Scale()))] = float64(n)
		}
	}
	return values
}

// upperBound returns the bound of the bucket with Prometheus's index.
func upperBound(index, scale int32) float64 {
	h := store.Histogram{Schema: scale}
	return h.UpperBound(index)
}

// TestCollectorHoldsTheRun: everything of a run has arrived by gRPC and HTTP, with and without TLS, although each receiver
// ended in the middle and came back.
func TestCollectorHoldsTheRun(t *testing.T) {
	t.Parallel()
	names := []string{"grpc", "grpc with TLS", "http", "http with TLS"}
	var collectors []*collector
	var specs []string
	for i := range names {
		c, spec := newCollector(t, []string{"grpc", "http"}[i/2], i%2 == 1)
		collectors, specs = append(collectors, c), append(specs, spec)
	}
	l := openLab(t, t.TempDir(), 2*time.Minute, specs...)
	l.scraping()
	run := &event.Run{ID: "r", Plan: "p", Test: "load", Labels: map[string]string{"env": "test"}}
	began := time.Unix(1_700_000_000, 5)
	for i := range specs {
		l.set.Spans[i].Offer(trace.Span{
			Trace: [16]byte{1}, ID: [8]byte{2}, Parent: [8]byte{3}, Sampled: true, Run: run, Name: "GET /x", Method: "GET", Status: 503,
			Outcome: protocol.Status, Detail: "status 503", Intended: began, Start: began, End: began.Add(time.Second),
			Timings: protocol.Timings{Wait: time.Millisecond},
		})
		l.set.Events[i].Offer(event.Event{Time: began, Kind: event.Verdict, Severity: event.Warning, Text: "inconclusive", Run: run})
	}
	r := l.run(9*time.Second, map[int]func(){
		6: func() {
			for _, c := range collectors {
				c.stop()
			}
			for _, events := range l.set.Events { // the outage is met by more than the samples
				events.Offer(event.Event{Time: began, Kind: event.Change, Severity: event.Info, Text: "meanwhile", Run: run})
			}
		},
		8: func() {
			for _, c := range collectors {
				c.start()
			}
		},
	})
	for i, c := range collectors {
		t.Run(names[i], func(t *testing.T) {
			complete(t, []outlet.Books{l.set.Spans[i].Books(), l.set.Events[i].Books(), samplesOf(r.Outlets)[i]})
			c.holds(t, l)
			c.holdsSpanAndEvent(t)
			if m := l.messages(r.Outlets[i].Outlet); len(m) != 2 {
				t.Errorf("messages %q, want one of the outage and one of its end", m)
			}
		})
	}
}

func (c *collector) holdsSpanAndEvent(t *testing.T) {
	t.Helper()
	if n := c.traces.SpanCount(); n != 1 || len(c.logs.AllLogs()) == 0 {
		t.Fatalf("%d spans, want one; %d lots of log records", n, len(c.logs.AllLogs()))
	}
	rs := c.traces.AllTraces()[0].ResourceSpans().At(0)
	if d := rs.Resource().Attributes().AsRaw(); d["service.name"] != "tidegauge" || d["service.instance.id"] != "here" {
		t.Errorf("resource %v", d)
	}
	s := rs.ScopeSpans().At(0).Spans().At(0)
	if s.Name() != "GET /x" || s.Kind().String() != "Client" || s.Status().Code().String() != "Error" || s.Status().Message() != "status 503" ||
		s.TraceID() != [16]byte{1} || s.SpanID() != [8]byte{2} || s.ParentSpanID() != [8]byte{3} || s.Flags() != 0x101 ||
		s.EndTimestamp()-s.StartTimestamp() != pcommon.Timestamp(time.Second) || s.Events().Len() != 1 || s.Events().At(0).Name() != "wait" {
		t.Errorf("span %s %v %v %x %d events", s.Name(), s.Kind(), s.Status(), s.Flags(), s.Events().Len())
	}
	if a := s.Attributes().AsRaw(); a["http.response.status_code"] != int64(503) || a["error.type"] != "503" || a["run"] != "r" || a["env"] != "test" || a["tidegauge.slow"] != false {
		t.Errorf("attributes %v", a)
	}
	e := c.logs.AllLogs()[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	if e.EventName() != "tidegauge.run.verdict" || e.Body().Str() != "inconclusive" || e.SeverityText() != "WARN" || e.SeverityNumber() != 13 || e.Timestamp() != s.StartTimestamp() {
		t.Errorf("event %q %q %v %v", e.EventName(), e.Body().Str(), e.SeverityNumber(), e.Timestamp())
	}
	if a := e.Attributes().AsRaw(); a["run"] != "r" || a["plan"] != "p" || a["test"] != "load" || a["env"] != "test" {
		t.Errorf("attributes %v", a)
	}
}
