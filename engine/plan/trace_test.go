package plan

import (
	"testing"
	"time"
)

// What is slow follows from the objectives of the test, unless the plan says it.
func TestSlowLimit(t *testing.T) {
	for _, tt := range []struct {
		trace, objectives string
		want              time.Duration
	}{
		{"{}", "[]", time.Second},
		{"1%", "[error_rate < 1%, rate > 5/s]", time.Second},
		{"1%", "[p95 < 500ms, p99 < 2s]", 500 * time.Millisecond},
		{"1%", "[p50 < 100ms, mean < 50ms, p99 < 2s]", 2 * time.Second},
		{"1%", "[p90 > 1ms, max <= 3s]", 3 * time.Second},
		{"{slow: 20ms}", "[p95 < 500ms]", 20 * time.Millisecond},
	} {
		text := "trace: " + tt.trace + `
target: {base_url: "http://localhost:8000"}
classes: {User: {tasks: [{get: /}]}}
tests: {load: {arrivals: 1/s, duration: 1s`
		if tt.objectives != "[]" {
			text += ", objectives: " + tt.objectives
		}
		p, err := Parse("plan.yaml", []byte(text+"}}\n"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Trace.SlowLimit(&p.Tests[0]); got != tt.want {
			t.Errorf("trace %s, objectives %s: %v, want %v", tt.trace, tt.objectives, got, tt.want)
		}
	}
}

func TestNoTrace(t *testing.T) {
	p, err := Parse("plan.yaml", []byte("target: {base_url: \"http://localhost:8000\"}\nclasses: {User: {tasks: [{get: /}]}}\ntests: {load: {arrivals: 1/s, duration: 1s}}\n"), Options{})
	if err != nil || p.Trace.On {
		t.Errorf("trace %+v, %v", p.Trace, err)
	}
}
