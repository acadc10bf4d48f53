package telemetry

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"tidegauge/engine/catalog"
	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

func TestOverflowCountsWhatCanCome(t *testing.T) {
	names := func(requests, checksOfFirst int) *measure.Names {
		n := &measure.Names{Classes: []string{"A", "B"}}
		for i := range requests {
			n.Requests = append(n.Requests, measure.Request{Class: n.Classes[i%2], Name: fmt.Sprint(i)})
		}
		for range checksOfFirst {
			n.Checks = append(n.Checks, measure.Check{Request: 0})
		}
		return n
	}
	tests := []struct {
		requests, checks, maxSeries, want int
	}{
		{0, 0, 1, 0},
		{10, 0, 320, 0}, // 32 series each
		{10, 0, 319, 3}, // 7 of them, and 34 for what is left of each of the two classes
		{10, 5, 330, 0}, // the first has 42
		{10, 5, 250, 5},
		{10, 0, 68, 10}, // no room beside those of the surplus
		{10, 0, 1, 10},
		{312, 0, 0, 0},
		{313, 0, 0, 3},
	}
	for _, tt := range tests {
		if got := Overflow(names(tt.requests, tt.checks), tt.maxSeries); got != tt.want {
			t.Errorf("%d requests, %d checks, max_series %d: %d in the overflow, want %d", tt.requests, tt.checks, tt.maxSeries, got, tt.want)
		}
	}
}

// TestSurplusIsSummed: the first requests of the plan have series of their own, the sums of the others are in one series a
// class and outcome, and nothing of the total is missing.
func TestSurplusIsSummed(t *testing.T) {
	const maxSeries = 300 // 6 requests with 32 series each, and 34 for the rest of each of three classes
	out := &recording{}
	p := newProvider(t, Options{Exporters: []metric.Exporter{out}, MaxSeries: maxSeries})
	w := newWide(4) // 12 requests: all of Class0 and two of Class1 have series
	for i := range w.names.Requests {
		w.names.Checks = append(w.names.Checks, measure.Check{Request: i, Name: "status == 200"})
	}
	w.total.Checks, w.delta.Checks = make([]measure.CheckTotals, 12), make([]measure.CheckTotals, 12)
	if got := Overflow(&w.names, maxSeries); got != 7 {
		t.Fatalf("%d requests in the overflow, want 7: 34 series each, 5 fit beside the 102 of the rest", got)
	}
	consume(t, p, w.interval(protocol.OK)) // the first one need not be empty
	for range 3 {
		shot := w.interval(protocol.OK, protocol.Timeout)
		for i := range shot.Delta.Checks {
			shot.Delta.Checks[i].Passed, shot.Delta.Checks[i].Failed = 2, 1
			shot.Total.Checks[i].Passed += 2
			shot.Total.Checks[i].Failed++
		}
		consume(t, p, shot)
	}
	last := func(key string) point {
		points := out.series[key]
		if len(points) == 0 {
			t.Fatalf("no series %s", key)
		}
		return points[len(points)-1]
	}
	for key, want := range map[string]float64{
		catalog.OverflowRequests: 7,
		catalog.Requests + " class=Class1 method=GET outcome=ok request=GET /resource/0":                                   3 * 4,
		catalog.Requests + " class=Class1 otel.metric.overflow=true outcome=ok request=(other)":                            3 * 3 * 4,
		catalog.Requests + " class=Class2 otel.metric.overflow=true outcome=ok request=(other)":                            3 * 4 * 4,
		catalog.Requests + " class=Class2 otel.metric.overflow=true outcome=timeout request=(other)":                       3 * 4 * 3,
		catalog.ServiceTime + " class=Class2 error.type=timeout otel.metric.overflow=true outcome=timeout request=(other)": 3 * 4 * 3,
		catalog.NetworkIO + " class=Class2 network.io.direction=transmit otel.metric.overflow=true request=(other)":        4 * 4 * 300,
		catalog.Checks + " check=(other) class=Class2 otel.metric.overflow=true outcome=pass request=(other)":              4 * 3 * 2,
		catalog.Checks + " check=status == 200 class=Class0 method=GET outcome=fail request=GET /resource/3":               3,
	} {
		if got := last(key).value; got != want {
			t.Errorf("%s: got %v, want %v", key, got, want)
		}
	}

	counts, sum := map[string]float64{}, 0.0
	for key := range out.series {
		name, labels, _ := strings.Cut(key, " ")
		if strings.Contains(labels, "request=") {
			counts[name] += last(key).value
		}
		if name == catalog.ResponseTime {
			sum += last(key).sum
		}
		if strings.Contains(key, "/resource/") && strings.Contains(key, "Class2") {
			t.Errorf("%s is there, beside the sum that it is in", key)
		}
	}
	record := w.total.Sum(&w.names, nil)
	want := map[string]float64{
		catalog.Requests: float64(record.Finished), catalog.ResponseTime: float64(record.Finished), catalog.ServiceTime: float64(record.Finished),
		catalog.NetworkIO: float64(record.BytesSent), catalog.Checks: 12 * 3 * 3,
	}
	if !maps.Equal(counts, want) {
		t.Errorf("sums over all series:\n got %v\nwant %v, as in the record", counts, want)
	}
	if exact := record.ResponseTime.Sum(); sum < exact*(1-1e-12) || sum > exact*(1+1e-12) {
		t.Errorf("response times add up to %v, want %v, as in the record", sum, exact)
	}
}

// counting is an exporter that keeps nothing but how many points it was last given.
type counting struct {
	metric.Exporter
	points *int
}

func (c counting) Export(_ context.Context, rm *metricdata.ResourceMetrics) error {
	*c.points = 0
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				*c.points += len(d.DataPoints)
			case metricdata.Gauge[float64]:
				*c.points += len(d.DataPoints)
			case metricdata.ExponentialHistogram[float64]:
				*c.points += len(d.DataPoints)
			}
		}
	}
	return nil
}

// TestMemoryIsBounded: 600 intervals of 1,000 names in each of three classes, all of which come up in turn with every outcome. What
// is held after that is what was held when everything had come up, and the series are no more than the limit.
func TestMemoryIsBounded(t *testing.T) {
	var points int
	p := newProvider(t, Options{Exporters: []metric.Exporter{counting{&recording{}, &points}}})
	w := newWide(1000)
	w.every = 8
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	var warm float64
	for i := range 600 {
		consume(t, p, w.interval(protocol.OK, protocol.Outcome(i/w.every%protocol.Outcomes)))
		if i == 99 {
			warm = heap()
		}
	}
	if end := heap(); end > 1.1*warm {
		t.Errorf("the heap has %.1f MB after 600 intervals, %.1f MB after 100", end/1e6, warm/1e6)
	}
	const ofClassesAndRun = 3*30 + 5
	if points > DefaultMaxSeries+ofClassesAndRun || points < DefaultMaxSeries/2 {
		t.Errorf("%d points in the last interval, want about %d", points, DefaultMaxSeries)
	}
	runtime.KeepAlive(w)
}
