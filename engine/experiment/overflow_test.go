package experiment

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"tidegauge/engine/plan"
)

// TestOverflow: names beyond max_series are summed in the store, a warning says so, and the report has them all.
func TestOverflow(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }))
	defer s.Close()
	source := fmt.Sprintf(`
name: wide
max_series: 100
target: {base_url: %q}
classes: {User: {tasks: [{name: all, steps: [{get: /a}, {get: /b}, {get: /c}, {get: /d}]}]}}
tests: {load: {arrivals: 20/s, duration: 1s}}
`, s.URL)
	p, err := plan.Parse("wide.yaml", []byte(source), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	r, err := l.Run(t.Context(), Options{Plan: p, Test: &p.Tests[0]})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(r.Warnings, func(w string) bool {
		return strings.HasPrefix(w, `2 of 4 request names, from "GET /c" of User on, have no series of their own`) && strings.Contains(w, "max_series, 100;")
	}) {
		t.Errorf("warnings %q", r.Warnings)
	}
	for _, row := range r.Requests {
		if row.Count != 20 {
			t.Errorf("the report has %d of %s, want 20", row.Count, row.Name)
		}
	}
	id := r.Run.ID
	for expr, want := range map[string]float64{
		`sum(tidegauge_requests_total{run=%q})`:                                                          80,
		`sum(histogram_count(tidegauge_response_time_seconds{run=%q}))`:                                  80,
		`tidegauge_requests_total{run=%q, request="GET /b", outcome="ok"}`:                               20,
		`tidegauge_requests_total{run=%q, request="(other)", otel_metric_overflow="true", outcome="ok"}`: 40,
		`sum(increase(tidegauge_requests_total{run=%q, request="(other)"}[1m]) > bool 39)`:               1,
		`count(tidegauge_requests_total{run=%q, request=~"GET /[cd]"}) or vector(0)`:                     0,
		`tidegauge_overflow_requests{run=%q}`:                                                            2,
	} {
		got, err := l.Store.Query(t.Context(), fmt.Sprintf(expr, id), r.End)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || got[0].Value != want {
			t.Errorf("%s: got %v, want %v", expr, got, want)
		}
	}
}
