package telemetry

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"

	"tidegauge/engine/catalog"
	"tidegauge/engine/hist"
	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
	"tidegauge/engine/store"
)

func openStore(t testing.TB) (*store.Store, metric.Exporter) {
	t.Helper()
	s, e, _ := openStoreIn(t)
	return s, e
}

func openStoreIn(t testing.TB) (*store.Store, metric.Exporter, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewOTLPExporter(t.Context(), s.OTLP())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, e, dir
}

// one evaluates an expression that has one element.
func one(t *testing.T, s *store.Store, expr string, at time.Time) float64 {
	t.Helper()
	got, err := s.Query(t.Context(), expr, at)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 {
		t.Fatalf("%s: %d elements, want 1: %v", expr, len(got), got)
	}
	return got[0].Value
}

// TestStoreAnswersWhatWasMeasured is the proof that nothing is lost or bent between a run's totals and PromQL: counts are
// exact, quantiles right to the width of a bucket, and nothing lingers after the end.
func TestStoreAnswersWhatWasMeasured(t *testing.T) {
	s, exporter := openStore(t)
	p := newProvider(t, Options{Exporters: []metric.Exporter{exporter}})
	begin := time.Now().Add(-10 * time.Minute).Truncate(time.Millisecond)
	r := newRun()
	snapshot := func(i int) *measure.Snapshot {
		shot := r.snapshot(0)
		shot.Start, shot.Since, shot.Time = begin, begin.Add(time.Duration(max(0, i-1))*time.Second), begin.Add(time.Duration(i)*time.Second)
		return shot
	}
	random := rand.New(rand.NewPCG(1, 2))
	const seconds = 60
	consume(t, p, snapshot(0))
	for i := 1; i <= seconds; i++ {
		for range 100 {
			r.observe(0, protocol.OK, 0.05*math.Exp(random.NormFloat64()))
		}
		if i == 30 || i == seconds { // failures that show up late, some with the last snapshot
			r.observe(0, protocol.Timeout, 10, 10, 10)
			r.observe(1, protocol.Outcome(1+i%7), 0.2)
		}
		shot := snapshot(i)
		shot.Final = i == seconds
		consume(t, p, shot)
	}
	end := begin.Add(seconds * time.Second)
	if err := p.Finish(t.Context(), Results{Time: end, Verdict: Passed}); err != nil {
		t.Fatal(err)
	}

	at := end.Add(2 * time.Millisecond)
	window := fmt.Sprintf("[%dms]", at.Sub(begin).Milliseconds()+1)
	ok := &r.total.Requests[0].Outcomes[protocol.OK].ResponseTime
	counts := []struct {
		expr string
		want float64
	}{
		{`sum(tidegauge_requests_total{run="r1",outcome="ok"})`, 6000},
		{`sum(tidegauge_requests_total{run="r1",outcome="timeout",request="pay"})`, 6},
		{`sum(last_over_time(tidegauge_requests_total{run="r1"}` + window + `))`, 6008},
		{`histogram_count(sum(tidegauge_response_time_seconds{run="r1",outcome="ok"}))`, 6000},
		{`histogram_sum(sum(tidegauge_response_time_seconds{run="r1",outcome="ok"}))`, ok.Sum()},
		{`sum(tidegauge_books_total{run="r1",work="request",entry="finished"})`, 6008},
		{`tidegauge_verdict{run="r1"}`, 1},
		{`count(tidegauge_run_info{scale="6",job="tidegauge",instance="host-1"})`, 1},
	}
	for _, c := range counts {
		if got := one(t, s, c.expr, at); math.Abs(got-c.want) > 1e-9*c.want {
			t.Errorf("%s: got %v, want %v", c.expr, got, c.want)
		}
	}
	// The first sample of each series is 0, so increase sees all of it; what it adds for the edges is under 0.1% here.
	for outcome, want := range map[string]float64{"ok": 6000, "timeout": 6} {
		expr := fmt.Sprintf(`sum(increase(tidegauge_requests_total{request="pay",outcome="%s"}%s))`, outcome, window)
		if got := one(t, s, expr, at); math.Abs(got-want) > 0.001*want {
			t.Errorf("%s: got %v, want %v", expr, got, want)
		}
		expr = fmt.Sprintf(`sum(histogram_count(increase(tidegauge_response_time_seconds{request="pay",outcome="%s"}%s)))`, outcome, window)
		if got := one(t, s, expr, at); math.Abs(got-want) > 0.001*want {
			t.Errorf("%s: got %v, want %v", expr, got, want)
		}
	}
	width := math.Exp2(math.Exp2(-defaultScale))
	for _, q := range []float64{0.5, 0.9, 0.95, 0.99, 0.999} {
		expr := fmt.Sprintf(`histogram_quantile(%v, sum(tidegauge_response_time_seconds{run="r1",outcome="ok"}))`, q)
		if got, want := one(t, s, expr, at), ok.Quantile(q); got > want*width || got < want/width {
			t.Errorf("p%v: got %v, want %v to the width of a bucket (%.1f%%)", 100*q, got, want, 100*(width-1))
		}
	}

	if err := s.EndSeries(t.Context(), at, store.Label{Name: "run", Value: "r1"}); err != nil {
		t.Fatal(err)
	}
	after, err := s.Query(t.Context(), `{run="r1"}`, at.Add(time.Second))
	if err != nil || len(after) != 0 {
		t.Errorf("after the end: %v, %v, want nothing", after, err)
	}
	if got := one(t, s, `sum(max_over_time(tidegauge_requests_total{run="r1",outcome="ok"}[5m]))`, at.Add(time.Second)); got != 6000 {
		t.Errorf("a range that reaches back: got %v, want 6000", got)
	}
}

func TestNamesInTheStoreAreThoseOfTheCatalog(t *testing.T) {
	s, exporter := openStore(t)
	p := newProvider(t, Options{Exporters: []metric.Exporter{exporter}})
	r := newRun()
	shot := r.snapshot(0)
	shot.Start, shot.Since, shot.Time = time.Now(), time.Now(), time.Now()
	p.Event(time.Now(), "start", "the load begins")
	consume(t, p, shot)
	results := Results{Time: time.Now(), Verdict: Failed, Objectives: map[string]Answer{"p95 < 1s": Failed}}
	results.Figures = append(results.Figures, Figure{Metric: catalog.FigureBound, Low: new(1.0)}) // any name: none has an interval always
	for _, m := range catalog.Figures() {
		results.Figures = append(results.Figures, Figure{Metric: m.Name, Subject: "one", Value: 1})
	}
	if err := p.Finish(t.Context(), results); err != nil {
		t.Fatal(err)
	}
	for _, m := range catalog.All() {
		if got := one(t, s, fmt.Sprintf(`count(%s{run="r1"}) > 0`, m.PrometheusName()), time.Now().Add(time.Second)); got == 0 {
			t.Errorf("%s is not in the store", m.PrometheusName())
		}
	}
}

// BenchmarkConsume is one interval of a run of 1,000 requests, in each of which something was recorded.
func BenchmarkConsume(b *testing.B) {
	for _, to := range []string{"nobody", "store"} {
		b.Run(to, func(b *testing.B) {
			var exporters []metric.Exporter
			if to == "store" {
				_, e := openStore(b)
				exporters = append(exporters, e)
			}
			p := newProvider(b, Options{Exporters: exporters})
			r := bigRun(1000)
			now := time.Now().Add(-time.Hour)
			random := rand.New(rand.NewPCG(1, 2))
			record := func() *measure.Snapshot {
				for i := range r.total.Requests {
					r.observe(i, protocol.OK, 0.05*math.Exp(random.NormFloat64()))
				}
				now = now.Add(time.Second)
				return &measure.Snapshot{Start: now, Since: now.Add(-time.Second), Time: now, Names: &r.names, Total: &r.total}
			}
			for range 300 { // so that the histograms have many buckets
				record()
			}
			now = now.Add(-5 * time.Minute)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				shot := record()
				b.StartTimer()
				if err := p.Consume(b.Context(), shot); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func bigRun(requests int) *run {
	r := &run{names: measure.Names{Classes: []string{"User"}}}
	for i := range requests {
		r.names.Requests = append(r.names.Requests, measure.Request{Class: "User", Name: fmt.Sprintf("GET /things/%d", i), Method: "GET"})
	}
	r.total = measure.Totals{Classes: make([]measure.ClassTotals, 1), Requests: make([]measure.RequestTotals, requests)}
	return r
}

// TestUnchangedHistogramsCostNoBuckets holds the memory of an interval down: what did not change is not made again.
func TestUnchangedHistogramsCostNoBuckets(t *testing.T) {
	p := newProvider(t, Options{})
	r := bigRun(1)
	var h hist.Histogram
	for v := 0.001; v < 10; v *= 1.01 {
		h.Record(v)
	}
	r.total.Requests[0].Outcomes[protocol.OK].ResponseTime = h
	consume(t, p, r.snapshot(0))
	before := *p.current.Load()
	consume(t, p, r.snapshot(time.Second))
	if a, b := firstCounts(before), firstCounts(*p.current.Load()); len(a) < 100 || &a[0] != &b[0] {
		t.Errorf("the %d buckets were made again", len(a))
	}
}
