package compare

import (
	"strings"
	"testing"
)

// A service whose POST got slower by half: the time is in the wait for its answer, and CPU grew.
func TestExplanation(t *testing.T) {
	made := func(id string, post, get, wait, cpu, memory float64) Run {
		v := Values{
			Values: []Value{
				{Metric: P50, Value: post, Variance: 1e-5}, {Request: "User / post", Metric: P50, Value: post, Variance: 1e-5}, {Request: "User / get", Metric: P50, Value: get, Variance: 1e-5},
				{Metric: CPUPerRequest, Of: "payments", Unit: "s", Value: cpu, Variance: 1e-5},
				{Metric: "resident memory", Of: "payments", Unit: "By", Value: memory, Variance: 1e-6},
			},
			Phases: []Part{{"connect", 0.001}, {"wait", wait}},
			Traces: []Trace{{"User / get", true, 0.2, "aa"}, {"User / post", true, 0.5, "bb"}, {"User / post", false, 0.15, "cc"}},
		}
		return Run{ID: id, Values: v}
	}
	var before []Run
	for i := range 10 {
		f := 1 + 0.002*float64(i%5)
		before = append(before, made("b", 0.1*f, 0.02*f, 0.06*f, 0.002*f, 2e8*f))
	}
	if x := Against("before", made("r", 0.1, 0.02, 0.06, 0.002, 2e8), before, nil).Explanation; x != nil {
		t.Errorf("of what is the same: %+v", x)
	}
	x := Against("before", made("r", 0.15, 0.02, 0.085, 0.003, 2e8), before, nil).Explanation
	if x == nil {
		t.Fatal("there is none")
	}
	if len(x.Requests) != 1 || x.Requests[0].Name != "p50 of User / post" {
		t.Errorf("requests: %+v", x.Requests)
	}
	if len(x.Phases) != 2 || x.Phases[0].Name != "wait" || x.Phases[0].After != 0.085 {
		t.Errorf("phases: %+v", x.Phases)
	}
	if len(x.Servers) != 1 || x.Servers[0].Name != "CPU per request of payments" {
		t.Errorf("servers: %+v", x.Servers)
	}
	if len(x.Traces) != 2 || x.Traces[0].ID != "bb" || x.Traces[1].ID != "cc" {
		t.Errorf("traces: %+v", x.Traces)
	}
	want := "1 of 2 requests are worse: p50 of User / post +"
	if !strings.HasPrefix(x.Text, want) || !strings.Contains(x.Text, "the time is in waiting for the first byte of the answer (100% of what is longer); with it changed CPU per request of payments +") {
		t.Errorf("in words: %s", x.Text)
	}
}
