package experiment

import (
	"math"
	"testing"
	"time"

	"tidegauge/engine/plan"
	"tidegauge/engine/store"
)

func TestNumbers(t *testing.T) {
	nan := math.NaN()
	got := numbers([]float64{nan, 0, 1.2345678, -98765.4321, math.Inf(1), 1e-300})
	want := []float64{nan, 0, 1.2346, -98765, nan, 1e-300}
	for i, v := range want {
		if math.IsNaN(v) != (got[i] == nil) || got[i] != nil && math.Abs(*got[i]-v) > 1e-9*math.Abs(v) {
			t.Errorf("value %d is not %v", i, v)
		}
	}
	for _, nothing := range [][]float64{nil, {nan}, {0, 0, nan}} {
		if numbers(nothing) != nil {
			t.Errorf("%v has something to show", nothing)
		}
	}
}

func TestWhatLooksBackToBeforeTheRunIsNotOfIt(t *testing.T) {
	nan := math.NaN()
	for _, test := range []struct {
		values []float64
		n      int
		want   bool
	}{{[]float64{1, 2, nan, nan}, 2, true}, {[]float64{1, 2, 3, nan}, 2, false}, {[]float64{1, 2}, 2, false}, {[]float64{nan, nan, nan, 1}, 2, false}} {
		if got := before(test.values, test.n); got != test.want {
			t.Errorf("%v, %d: %v", test.values, test.n, got)
		}
	}
}

// What is watched are values, not comparisons: expressions that the store takes as they are.
func TestWhatIsWatchedCanBeAsked(t *testing.T) {
	s, err := store.Open(store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	p, err := plan.Parse("p.yaml", []byte("target: {base_url: \"http://localhost:8000\"}\nclasses: {User: {tasks: [{get: /}]}}\ntests: {load: {arrivals: 10/s, duration: 1m}}\nscrape: [{job_name: payments, static_configs: [{targets: [\"localhost:1\"]}]}]\n"), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	all := p.Watched()
	units := map[string]bool{}
	for _, r := range all {
		units[r.Unit] = true
		if err := store.CheckComparison("(" + rangeOf(r.PromQL, "5s") + ") >= 0"); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		if _, err := s.Range(t.Context(), rangeOf(r.PromQL, "5s"), time.Unix(0, 0), time.Unix(10, 0), time.Second); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
	for _, unit := range []string{"ratio", "s", "By", "1"} {
		if !units[unit] {
			t.Errorf("of %d nothing is in %s", len(all), unit)
		}
	}
}
