package verdict

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/plan"
)

// servers answers for the expressions it has values of.
type servers map[string][]float64

func (s servers) Compare(_ context.Context, expr string, _ time.Time) (left, right []float64, held bool, err error) {
	if expr == "broken" {
		return nil, nil, false, errors.New("many-to-many matching")
	}
	values := s[expr]
	return values, []float64{0.8}, len(values) > 0 && slices.Max(values) < 0.8, nil
}

func TestPresets(t *testing.T) {
	of := func(preset, kind, expr string) plan.Objective {
		return plan.Objective{Text: preset + " of " + kind, Metric: plan.PromQL, PromQL: expr, Preset: preset, Unit: "ratio"}
	}
	cpu := []plan.Objective{of("cpu", "machine", "machine"), of("cpu", "process", "process"), of("cpu", "JVM", "jvm")}
	pool := of("pool", "driver", "pool")
	latency := p95(0.5)
	latency.Preset = "response-time"
	for _, c := range []struct {
		name       string
		servers    servers
		objectives []plan.Objective
		outcome    Outcome
		findings   []string // outcome, text and value of each objective
		summary    string
	}{
		{"one kind of server", servers{"process": {0.25, 0.5}}, append(cpu, latency), Pass,
			[]string{"pass cpu of process 50%", "pass p95 < 500 ms 100 ms"}, "all 2 objectives are met over"},
		{"two kinds, one over", servers{"machine": {0.9}, "jvm": {0.5}}, append(cpu, latency), Fail,
			[]string{"fail cpu of machine 90%", "pass cpu of JVM 50%", "pass p95 < 500 ms 100 ms"}, "cpu of machine missed: 90%"},
		{"one preset without", servers{"jvm": {0.5}}, append(cpu, pool, latency), Pass,
			[]string{"pass cpu of JVM 50%", "no data pool -", "pass p95 < 500 ms 100 ms"}, "all 2 objectives with data are met (no data: pool) over"},
		{"all without", nil, append(cpu, pool, latency), Pass,
			[]string{"no data cpu -", "no data pool -", "pass p95 < 500 ms 100 ms"}, "the objective with data is met (no data: cpu, pool) over"},
		{"nothing but presets without", nil, append(cpu, pool), Inconclusive,
			[]string{"no data cpu -", "no data pool -"}, "no objective had data: cpu, pool"},
		{"an expression that fails", servers{"machine": {0.1}}, []plan.Objective{cpu[0], of("cpu", "other", "broken")}, Inconclusive,
			[]string{"pass cpu of machine 10%", "inconclusive cpu of other -"}, "cpu of other: many-to-many matching"},
	} {
		t.Run(c.name, func(t *testing.T) {
			test := loadTest()
			test.Objectives = c.objectives
			f := newFakeRun(t, Options{Test: test, Querier: c.servers})
			f.seconds(10, work{n: 50, seconds: 0.1})
			f.seconds(60, ok100)
			f.seconds(10, work{n: 50, seconds: 0.1})
			v := f.end()
			var got []string
			for _, f := range v.Objectives() {
				value := "-"
				if f.Objective.Value != nil {
					value = Format(*f.Objective.Value, f.Objective.Unit)
				}
				got = append(got, string(f.Outcome)+" "+f.Objective.Text+" "+value)
				if f.Objective.Preset == "" {
					t.Errorf("%s is of no preset", f.Objective.Text)
				}
			}
			if v.Outcome != c.outcome || !slices.Equal(got, c.findings) || !strings.HasPrefix(v.Summary, c.summary) {
				t.Errorf("%s %q: %q, want %s %q: %q", v.Outcome, got, v.Summary, c.outcome, c.findings, c.summary)
			}
		})
	}
}

func TestExpandSeconds(t *testing.T) {
	if got := expand("deriv(x[$range]) * $seconds", "", 1500*time.Millisecond); got != "deriv(x[1500ms]) * 1.5" {
		t.Errorf("%s", got)
	}
}
