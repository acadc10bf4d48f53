package telemetry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"tidegauge/engine/catalog"
	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// run is a run whose totals a test changes by hand.
type run struct {
	names measure.Names
	total measure.Totals
	since time.Time
}

func newRun() *run {
	r := &run{since: start, names: measure.Names{
		Classes:  []string{"PaymentUser", "SpikeUser"},
		Requests: []measure.Request{{Class: "PaymentUser", Name: "pay", Method: "POST"}, {Class: "SpikeUser", Name: "get", Method: "GET"}},
		Checks:   []measure.Check{{Request: 0, Name: "status == 201"}},
	}}
	r.total = measure.Totals{
		Classes:  make([]measure.ClassTotals, 2),
		Requests: make([]measure.RequestTotals, 2),
		Checks:   make([]measure.CheckTotals, 1),
	}
	return r
}

func (r *run) snapshot(after time.Duration) *measure.Snapshot {
	s := &measure.Snapshot{
		Start: start, Time: start.Add(after), Since: r.since, Names: &r.names, Total: &r.total,
		Users: []int{3, 4}, Rate: 50, Phase: "steady", PhaseID: 1,
		Health: measure.Health{Start: reading(start), Since: reading(start.Add(after - time.Second)), Now: reading(start.Add(after))},
	}
	r.since = s.Time
	return s
}

func (r *run) observe(request int, o protocol.Outcome, seconds ...float64) {
	for _, v := range seconds {
		r.total.Requests[request].Outcomes[o].ResponseTime.Record(v)
		r.total.Requests[request].Outcomes[o].ServiceTime.Record(v / 2)
		r.total.Requests[request].Books.Finished++
	}
}

// point is one exported value: that of a counter or gauge, or the count of a histogram.
type point struct {
	start, time time.Time
	value, sum  float64
}

// recording keeps what was exported, by series.
type recording struct {
	exports int
	series  map[string][]point
	labels  map[string]attribute.Set
	fail    error
}

func (r *recording) Temporality(metric.InstrumentKind) metricdata.Temporality {
	return metricdata.CumulativeTemporality
}
func (r *recording) Aggregation(k metric.InstrumentKind) metric.Aggregation {
	return metric.DefaultAggregationSelector(k)
}
func (r *recording) ForceFlush(context.Context) error { return nil }
func (r *recording) Shutdown(context.Context) error   { return nil }

func (r *recording) Export(_ context.Context, rm *metricdata.ResourceMetrics) error {
	r.exports++
	if r.series == nil {
		r.series, r.labels = map[string][]point{}, map[string]attribute.Set{}
	}
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			r.add(m)
		}
	}
	return r.fail
}

func (r *recording) add(m metricdata.Metrics) {
	note := func(labels attribute.Set, p point) {
		key := keyOf(m.Name, labels)
		r.series[key] = append(r.series[key], p)
		r.labels[key] = labels
	}
	switch d := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			note(p.Attributes, point{p.StartTime, p.Time, float64(p.Value), 0})
		}
	case metricdata.Gauge[float64]:
		for _, p := range d.DataPoints {
			note(p.Attributes, point{p.StartTime, p.Time, p.Value, 0})
		}
	case metricdata.ExponentialHistogram[float64]:
		for _, p := range d.DataPoints {
			note(p.Attributes, point{p.StartTime, p.Time, float64(p.Count), p.Sum})
		}
	}
}

func (r *recording) values(t *testing.T, key string) []float64 {
	t.Helper()
	points, ok := r.series[key]
	if !ok {
		t.Fatalf("no series %s", key)
	}
	var v []float64
	for _, p := range points {
		v = append(v, p.value)
	}
	return v
}

func newProvider(t testing.TB, o Options) *Provider {
	t.Helper()
	o.Run, o.Plan, o.Test, o.Instance, o.Version = "r1", "payments", "load", "host-1", "0.1.0"
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func consume(t *testing.T, p *Provider, s *measure.Snapshot) {
	t.Helper()
	if err := p.Consume(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func TestPointsOfARun(t *testing.T) {
	out := &recording{}
	p := newProvider(t, Options{Exporters: []metric.Exporter{out}})
	r := newRun()
	consume(t, p, r.snapshot(0))
	r.observe(0, protocol.OK, 0.1, 0.2)
	r.total.Checks[0] = measure.CheckTotals{Passed: 2}
	consume(t, p, r.snapshot(time.Second))
	r.observe(0, protocol.Timeout, 1, 1, 1) // a series that shows up in the middle, with 3
	r.total.Requests[0].BytesSent = 1000
	r.total.Classes[1].Iterations.Intended = 9
	r.total.Classes[0].Phases[measure.DNS].Record(0.01)
	last := r.snapshot(2 * time.Second)
	last.Final = true
	consume(t, p, last)

	tests := []struct {
		series string
		want   []float64
	}{
		{catalog.Requests + " class=PaymentUser method=POST outcome=ok request=pay", []float64{0, 2, 2}},
		{catalog.Requests + " class=PaymentUser method=POST outcome=timeout request=pay", []float64{0, 3}},
		{catalog.Requests + " class=SpikeUser method=GET outcome=ok request=get", []float64{0, 0, 0}},
		{catalog.ResponseTime + " class=PaymentUser method=POST outcome=ok request=pay", []float64{0, 2, 2}},
		{catalog.ResponseTime + " class=PaymentUser method=POST outcome=timeout request=pay", []float64{0, 3}},
		{catalog.ServiceTime + " class=PaymentUser error.type=timeout http.request.method=POST method=POST outcome=timeout request=pay", []float64{0, 3}},
		{catalog.Checks + " check=status == 201 class=PaymentUser method=POST outcome=pass request=pay", []float64{0, 2, 2}},
		{catalog.Checks + " check=status == 201 class=PaymentUser method=POST outcome=fail request=pay", []float64{0, 0, 0}},
		{catalog.Books + " class=SpikeUser entry=intended work=iteration", []float64{0, 0, 9}},
		{catalog.Books + " class=PaymentUser entry=finished work=request", []float64{0, 2, 5}},
		{catalog.NetworkIO + " class=PaymentUser method=POST network.io.direction=transmit request=pay", []float64{0, 0, 1000}},
		{catalog.PhaseDuration + " class=PaymentUser phase=dns", []float64{0, 1}},
		{catalog.Users + " class=SpikeUser", []float64{4, 4, 4}},
		{catalog.ArrivalRate, []float64{50, 50, 50}},
		{catalog.Stage + " stage=steady", []float64{2, 2, 0}},
		{catalog.RunInfo + " scale=6 test_type= version=0.1.0", []float64{1, 1, 1}},
	}
	for _, tt := range tests {
		if got := out.values(t, tt.series); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: got %v, want %v", tt.series, got, tt.want)
		}
	}
	if got := out.series[catalog.ResponseTime+" class=PaymentUser method=POST outcome=timeout request=pay"]; got[1].sum != 3 || !got[0].time.Equal(start.Add(time.Second)) {
		t.Errorf("timeouts: got %v, want a sum of 3, and zero at the snapshot before", got)
	}
	for _, absent := range []string{"outcome=refused", "phase=tls", "phase=blocked"} {
		for key := range out.series {
			if strings.Contains(key, absent) {
				t.Errorf("%s is there, although it never took place", key)
			}
		}
	}
}

// TestEverySeriesBeginsAtZero also holds what stores rely on: one start, and times that move on.
func TestEverySeriesBeginsAtZero(t *testing.T) {
	out := &recording{}
	p := newProvider(t, Options{Exporters: []metric.Exporter{out}})
	r := newRun()
	r.observe(0, protocol.OK, 0.5) // even when the first snapshot is not empty
	consume(t, p, r.snapshot(0))
	for i := range 20 {
		r.observe(i%2, protocol.Outcome(i%protocol.Outcomes), 0.1)
		r.total.Classes[0].Exceptions++
		consume(t, p, r.snapshot(time.Duration(i/3)*500*time.Microsecond)) // snapshots closer than a store's resolution
	}
	if err := p.Finish(t.Context(), Results{Time: start, Verdict: Passed, Objectives: map[string]Answer{"p95 < 1s": Failed}}); err != nil {
		t.Fatal(err)
	}
	for key, points := range out.series {
		name, _, _ := strings.Cut(key, " ")
		m, ok := catalog.Lookup(name)
		if !ok {
			t.Errorf("%s is not in the catalog", name)
		}
		if m.Kind != catalog.Gauge && points[0].value != 0 {
			t.Errorf("%s begins at %v", key, points[0].value)
		}
		for i := range points {
			if m.Kind != catalog.Gauge && !points[i].start.Equal(start) {
				t.Errorf("%s starts at %v, not with the run", key, points[i].start)
			}
			if i > 0 && points[i].time.Sub(points[i-1].time) < time.Millisecond {
				t.Errorf("%s has points at %v and %v", key, points[i-1].time, points[i].time)
			}
		}
	}
}

func TestFinish(t *testing.T) {
	out := &recording{}
	p := newProvider(t, Options{Exporters: []metric.Exporter{out}})
	consume(t, p, newRun().snapshot(0))
	err := p.Finish(t.Context(), Results{
		Time:       start.Add(time.Minute),
		Verdict:    Undecided,
		Objectives: map[string]Answer{"p95 < 1s": Passed, "p99 < 1s": Failed, "p50 < 1s": Undecided},
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]float64{
		catalog.Objective + " objective=p95 < 1s": 1,
		catalog.Objective + " objective=p99 < 1s": 0,
		catalog.Verdict:     -1,
		catalog.RunDuration: time.Minute.Seconds(),
	} {
		if got := out.values(t, key); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %v, want %v", key, got, want)
		}
	}
	if points, ok := out.series[catalog.Objective+" objective=p50 < 1s"]; ok {
		t.Errorf("an undecided objective has points: %v", points)
	}
}

func TestEveryExporterGetsEverythingAndItsErrorIsReturned(t *testing.T) {
	broken, whole := &recording{fail: errors.New("no route")}, &recording{}
	p := newProvider(t, Options{Exporters: []metric.Exporter{broken, whole}})
	err := p.Consume(t.Context(), newRun().snapshot(0))
	if !errors.Is(err, broken.fail) {
		t.Errorf("got error %v, want the exporter's", err)
	}
	if broken.exports != 1 || whole.exports != 1 {
		t.Errorf("exports: %d and %d, want one each", broken.exports, whole.exports)
	}
}

func TestSnapshotOfAnotherRunIsRefused(t *testing.T) {
	p := newProvider(t, Options{})
	r := newRun()
	consume(t, p, r.snapshot(0))
	r.total.Requests = r.total.Requests[:1]
	if err := p.Consume(t.Context(), r.snapshot(time.Second)); err == nil || !strings.Contains(err.Error(), "1 requests") {
		t.Errorf("got %v, want an error that counts the requests", err)
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name string
		o    Options
		want string
	}{
		{"no run", Options{Instance: "i"}, "must both have a name"},
		{"no instance", Options{Run: "r"}, "must both have a name"},
		{"scale", Options{Run: "r", Instance: "i", Scale: 9}, "histogram scale 9: choose one from 1 to 8"},
		{"label of ours", Options{Run: "r", Instance: "i", Labels: map[string]string{"class": "x"}}, `label "class" is taken, it belongs to tidegauge`},
		{"label of Prometheus", Options{Run: "r", Instance: "i", Labels: map[string]string{"__x": "x"}}, "begin with __"},
		{"labels that become one", Options{Run: "r", Instance: "i", Labels: map[string]string{"a.b": "x", "a_b": "y"}}, `label "a_b" is taken, it is the same in Prometheus as the plan's label "a.b"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestCommonLabelsAreOnEverySeries(t *testing.T) {
	out := &recording{}
	p := newProvider(t, Options{Labels: map[string]string{"env": "staging"}, Exporters: []metric.Exporter{out}})
	consume(t, p, newRun().snapshot(0))
	if err := p.Finish(t.Context(), Results{Time: start}); err != nil {
		t.Fatal(err)
	}
	want := map[attribute.Key]string{"run": "r1", "plan": "payments", "test": "load", "env": "staging"}
	for key, labels := range out.labels {
		for name, value := range want {
			if got, _ := labels.Value(name); got.String() != value {
				t.Errorf("%s: label %s is %q, want %q", key, name, got.String(), value)
			}
		}
	}
	if len(out.labels) < 40 {
		t.Errorf("only %d series", len(out.labels))
	}
}
