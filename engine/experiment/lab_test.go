package experiment

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"tidegauge/engine/catalog"
	"tidegauge/engine/history"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/store"
	"tidegauge/engine/verdict"
)

// newLab returns a lab in a new data directory.
func newLab(t *testing.T) *Lab {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	h, err := history.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &Lab{Store: s, History: h, Version: "test"}
}

// everyFifthFails answers 500 to every fifth request of /flaky and 404 to /missing, and takes 1 to 8 ms.
func everyFifthFails() http.Handler {
	var n atomic.Uint64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k := n.Add(1)
		<-time.After(time.Duration(1+k%8) * time.Millisecond)
		switch {
		case r.URL.Path == "/missing":
			http.NotFound(w, r)
		case r.URL.Path == "/flaky" && k%5 == 0:
			http.Error(w, "no", http.StatusInternalServerError)
		default:
			fmt.Fprintln(w, `{"status":"ok"}`)
		}
	})
}

const mixedPlan = `
name: mixed
labels: {env: test}
target: {base_url: %q}
classes:
  Reader:
    weight: 2
    tasks:
      - get: /ok
        check: [status == 200, json.status == "ok"]
      - get: /flaky
  Loser:
    tasks:
      - get: /missing
      - get: /ok
        check: [json.status == "late"]
objectives:
  - p95 < 2s
  - error_rate < 1%%
  - promql: sum(increase(tidegauge_requests_total{run="$run"}[$range])) > 594
tests: {load: {arrivals: 200/s, duration: 3s, max_users: 50}}
`

func runMixed(t *testing.T, l *Lab) *report.Report {
	t.Helper()
	s := httptest.NewServer(everyFifthFails())
	defer s.Close()
	p, err := plan.Parse("mixed.yaml", fmt.Appendf(nil, mixedPlan, s.URL), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	test, err := p.Test("load")
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Run(t.Context(), Options{Plan: p, Test: test})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestStoreEqualsRecord: what PromQL answers at the end of a run is what the run's record says, counts exactly and
// quantiles to the width of a bucket; every series began at zero; and nothing lingers afterwards.
func TestStoreEqualsRecord(t *testing.T) {
	l := newLab(t)
	r := runMixed(t, l)
	ctx := t.Context()
	query := func(at time.Time, format string, args ...any) map[string]float64 {
		t.Helper()
		samples, err := l.Store.Query(ctx, fmt.Sprintf(format, args...), at)
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]float64{}
		for _, s := range samples {
			values[s.Labels["class"]+" "+s.Labels["request"]+" "+s.Labels["outcome"]] = s.Value
		}
		return values
	}

	counts, zeros := map[string]float64{}, map[string]float64{}
	for _, row := range r.Requests {
		for outcome, n := range row.Outcomes {
			key := row.Class + " " + row.Name + " " + outcome
			counts[key], zeros[key] = float64(n), 0
		}
	}
	if got := r.Total.Count; got != 600 {
		t.Errorf("%d requests recorded, want 600", got)
	}
	for _, expr := range []string{
		`sum by (class, request, outcome) (tidegauge_requests_total{run=%q}) > 0`,
		`sum by (class, request, outcome) (histogram_count(tidegauge_response_time_seconds{run=%q})) > 0`,
		`sum by (class, request, outcome) (max_over_time(tidegauge_requests_total{run=%q}[1m])) > 0`,
	} {
		if got := query(r.End, expr, r.Run.ID); !maps.Equal(got, counts) {
			t.Errorf("%s\n got %v\nwant %v", expr, got, counts)
		}
	}
	first := query(r.End, `sum by (class, request, outcome) (min_over_time(tidegauge_requests_total{run=%q}[1m])) and on (class, request, outcome) (tidegauge_requests_total > 0)`, r.Run.ID)
	if !maps.Equal(first, zeros) {
		t.Errorf("first points\n got %v\nwant all 0: %v", first, zeros)
	}

	// Two estimators may take neighbours where the quantile lies between two samples: hence one sample to either side.
	stored, err := l.History.Load(r.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	totals, err := stored.Totals()
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range r.Requests {
		one := measure.Totals{Requests: totals.Requests[i : i+1]}
		times := one.Sum(&measure.Names{Requests: make([]measure.Request, 1)}, nil).ResponseTime
		step := 1 / float64(times.Count())
		for _, q := range []float64{0.5, 0.95, 0.99} {
			low, high := times.Quantile(max(0, q-step))*(1-0.0109), times.Quantile(min(1, q+step))*(1+0.0109)
			got := query(r.End, `histogram_quantile(%g, sum(tidegauge_response_time_seconds{run=%q, class=%q, request=%q}))`, q, r.Run.ID, row.Class, row.Name)["  "]
			if got < low || got > high {
				t.Errorf("%s %s: p%g in the store %.6f s, in the record %.6f to %.6f s: more than a bucket of 1.09%% apart", row.Class, row.Name, 100*q, got, low, high)
			}
		}
	}

	// PromQL's increase over the part judged, which begins with the run, finds all 600 requests.
	if o := r.Verdict.Objectives()[2]; o.Outcome != verdict.Pass || *o.Objective.Value > 606 {
		t.Errorf("%s: %s", o.Outcome, o.Message)
	}

	after := time.Now().Add(time.Second)
	answers := "tidegauge_verdict|tidegauge_objective|tidegauge_run_duration_seconds|tidegauge_figure_bound"
	for _, m := range catalog.Figures() {
		answers += "|" + m.PrometheusName()
	}
	if left := query(after, `{run=%q, __name__!~%q, kind!="verdict"}`, r.Run.ID, answers); len(left) > 0 {
		t.Errorf("series that linger after the run: %v", left)
	}
	if got := query(after, `tidegauge_verdict{run=%q}`, r.Run.ID)["  "]; got != 0 {
		t.Errorf("tidegauge_verdict after the run is %v, want 0, failed", got)
	}
	if got := query(after, `count(tidegauge_objective{run=%q})`, r.Run.ID)["  "]; got != 3 {
		t.Errorf("%v series of tidegauge_objective after the run, want 3", got)
	}
}

func TestRunFolderHoldsTheRun(t *testing.T) {
	l := newLab(t)
	r := runMixed(t, l)
	stored, err := l.History.Load("latest")
	if err != nil {
		t.Fatal(err)
	}
	if len(stored.Problems) > 0 {
		t.Errorf("problems reading the run: %v", stored.Problems)
	}
	if stored.Record.State != history.Finished || stored.Record.ID != r.Run.ID || stored.Record.Requests != r.Total.Count {
		t.Errorf("record %+v does not fit the report of run %s with %d requests", stored.Record, r.Run.ID, r.Total.Count)
	}
	if stored.Record.Outcome != verdict.Fail { // every fifth of /flaky, all of /missing
		t.Errorf("outcome %q, want fail", stored.Record.Outcome)
	}
	if len(stored.PlanSource) == 0 || stored.Summary == "" {
		t.Errorf("plan %d bytes, summary %d bytes: want both", len(stored.PlanSource), len(stored.Summary))
	}
	totals, err := stored.Totals()
	if err != nil {
		t.Fatal(err)
	}
	books := totals.IterationBooks()
	if !books.Balanced() || books.Intended != 600 {
		t.Errorf("books %+v, want 600 intended and balanced", books)
	}
}

// TestStopEndsGracefully: what was under way finishes, what was measured is written, and the verdict says it was stopped.
func TestStopEndsGracefully(t *testing.T) {
	for name, end := range map[string]func(stop chan struct{}, cancel context.CancelFunc){
		"stop":   func(stop chan struct{}, _ context.CancelFunc) { close(stop) },
		"cancel": func(_ chan struct{}, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stop := make(chan struct{})
			var served atomic.Uint64
			s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				if served.Add(1) == 20 {
					end(stop, cancel)
				}
			}))
			defer s.Close()
			p, test := parse(t, fmt.Sprintf("name: long\ntarget: {base_url: %q}\nclasses: {A: {tasks: [{get: /}]}}\ntests: {load: {arrivals: 50/s, duration: 10m}}\n", s.URL))
			r, err := l.Run(ctx, Options{Plan: p, Test: test, Stop: stop})
			if err != nil {
				t.Fatal(err)
			}
			if r.Verdict.Outcome != verdict.Inconclusive || r.Verdict.Code() != verdict.CodeStopped {
				t.Errorf("verdict %s (%s), want inconclusive (stopped)", r.Verdict.Outcome, r.Verdict.Code())
			}
			if got := r.Total.Count + r.Total.Cut; got < 20 || got > 40 {
				t.Errorf("%d requests, want about 20", got)
			}
			stored, err := l.History.Load("latest")
			if err != nil || stored.Record.State != history.Finished {
				t.Errorf("record %+v, %v; want it finished", stored, err)
			}
		})
	}
}
