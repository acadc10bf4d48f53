package compare

import (
	"math"
	"strings"
	"testing"

	"tidegauge/engine/catalog"
	"tidegauge/engine/stat"
)

// answered makes up a run with figures and metrics of servers beside its requests.
func answered(id string, capacity, recovery, memory, cpu float64) Run {
	v := Values{Values: []Value{
		{Metric: P95, Value: 0.1, Variance: 1e-4},
		{Metric: "resident memory", Of: "payments", Unit: "By", Value: memory, Variance: 1e-6},
		{Metric: CPUPerRequest, Of: "payments", Unit: "s", Value: cpu, Variance: 1e-4},
	}}
	for _, f := range []struct {
		title, name, subject, unit string
		v                          float64
	}{{"highest load", catalog.Capacity, "", "1/s", capacity}, {"time to recover", catalog.RecoveryTime, "cut", "s", recovery}} {
		one, ok := Figure(f.title, f.name, f.subject, f.unit, f.v, nil, nil)
		if !ok {
			panic(f.name)
		}
		v.Values = append(v.Values, one)
	}
	return Run{ID: id, Values: v}
}

func TestAnswersAndServersAreCompared(t *testing.T) {
	var before []Run
	for i := range 8 {
		n := float64(i % 4)
		before = append(before, answered("b", 500+5*n, 4+0.1*n, 200e6+1e6*n, 0.002+0.00002*n))
	}
	for _, c := range []struct {
		name     string
		run      Run
		want     string // the row that is worse
		improved bool
	}{
		{"the same", answered("r", 506, 4.1, 201e6, 0.00202), "", false},
		{"a lower capacity", answered("r", 400, 4.1, 201e6, 0.00202), "highest load", false},
		{"no capacity at all", answered("r", 0, 4.1, 201e6, 0.00202), "highest load", false},
		{"a higher capacity", answered("r", 620, 4.1, 201e6, 0.00202), "", true},
		{"a slower recovery", answered("r", 506, 9, 201e6, 0.00202), "time to recover of cut", false},
		{"more memory", answered("r", 506, 4.1, 290e6, 0.00202), "resident memory of payments", false},
		{"more CPU", answered("r", 506, 4.1, 201e6, 0.003), "CPU per request of payments", false},
	} {
		got := Against("before", c.run, before, nil)
		if c.want == "" && len(got.Worst(stat.Regression))+len(got.Worst(stat.Suspect)) > 0 {
			t.Errorf("%s: %s", c.name, got.Summary)
		}
		if c.want != "" && !strings.Contains(got.Summary, c.want) {
			t.Errorf("%s: %s", c.name, got.Summary)
		}
		if (got.Verdict == stat.Improvement) != c.improved {
			t.Errorf("%s: %s, %s", c.name, got.Verdict, got.Summary)
		}
	}
}

// What the runs before did not measure is no row, and does not make the rest indicative.
func TestNewMetricsAreNotCompared(t *testing.T) {
	var before []Run
	for range 8 {
		r := answered("b", 500, 4, 200e6, 0.002)
		r.Values.Values = r.Values.Values[:1]
		before = append(before, r)
	}
	got := Against("before", answered("r", 500, 4, 200e6, 0.002), before, nil)
	if len(got.Rows) != 1 || got.Verdict != stat.Passed {
		t.Errorf("%s with %d rows: %s", got.Verdict, len(got.Rows), got.Summary)
	}
}

func TestFigures(t *testing.T) {
	if v, ok := Figure("growth", catalog.HourlyGrowth, "memory", "ratio", -0.2, nil, nil); !ok || math.Abs(v.Value-0.8) > 1e-12 {
		t.Errorf("growth: %+v, %v", v, ok)
	}
	if v, ok := Figure("recovery", catalog.RecoveryTime, "", "s", 0, nil, nil); !ok || v.Value != 1 {
		t.Errorf("at once is as good as within a second: %+v, %v", v, ok)
	}
	low, high := 90.0, 110.0
	if v, ok := Figure("capacity", catalog.Capacity, "", "1/s", 100, &low, &high); !ok || math.Abs(math.Sqrt(v.Variance)-0.0512) > 1e-3 {
		t.Errorf("capacity: %+v, %v", v, ok)
	}
	for _, name := range []string{"", catalog.BreakerTrips, catalog.HourlyIncrease} {
		if _, ok := Figure("x", name, "", "1", 1, nil, nil); ok {
			t.Errorf("%q is neither better nor worse", name)
		}
	}
	known := map[string]bool{}
	for _, m := range catalog.All() {
		known[m.Name] = true
	}
	for name := range figureQuantities() {
		if !known[name] {
			t.Errorf("%s is not in the catalog", name)
		}
	}
}
