package verdict

import (
	"strings"
	"testing"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
)

// second is what one second of a trial is made of.
type second struct {
	response, service, late time.Duration
	outcome                 protocol.Outcome
}

// tried runs a trial of 10 s at 100 arrivals a second after a second of warm-up, all of which do the same.
func tried(t *testing.T, each second, exhausted uint64, objectives ...plan.Objective) TrialResult {
	t.Helper()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	test := &plan.Test{Name: "stress", Type: plan.Stress, Objectives: objectives, Shape: plan.Shape{Model: plan.Open, MaxUsers: 500}}
	names := &measure.Names{Classes: []string{"User"}, Requests: []measure.Request{{Class: "User", Name: "pay", Method: "POST"}}}
	trial := NewTrial(TrialOptions{Test: test, From: start.Add(time.Second), To: start.Add(11 * time.Second), Load: 100}, names)
	total := &measure.Totals{Classes: make([]measure.ClassTotals, 1), Requests: make([]measure.RequestTotals, 1)}
	for i := range 12 {
		from := start.Add(time.Duration(i) * time.Second)
		delta := &measure.Totals{Classes: make([]measure.ClassTotals, 1), Requests: make([]measure.RequestTotals, 1)}
		s := &measure.Snapshot{Start: start, Since: from, Time: from.Add(time.Second), Names: names, Delta: delta, Log: &measure.Log{}, PeakUsers: 20, Final: i == 11}
		c := &delta.Classes[0]
		for k := range 100 {
			c.Iterations.Intended++
			c.Iterations.Started++
			c.Iterations.Finished++
			c.Lateness.Record(each.late.Seconds())
			s.Log.Requests = append(s.Log.Requests, measure.Entry{
				Intended: from.Add(time.Duration(k) * 10 * time.Millisecond), Response: each.response, Service: each.service, Outcome: each.outcome,
			})
		}
		c.Exhausted[protocol.Ports] = exhausted
		total.Merge(delta)
		s.Total = total
		trial.Consume(s)
	}
	return trial.Judge(t.Context(), 0)
}

// What the generator does badly is never taken for the limit of the target, and what the target does badly never for that of
// the generator.
func TestTheGeneratorsLimitIsNotTheTargets(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		each      second
		exhausted uint64
		passed    bool
		generator bool
		reason    string
	}{
		"well":                           {second{20 * ms, 20 * ms, ms, protocol.OK}, 0, true, false, ""},
		"the target is slow":             {second{300 * ms, 300 * ms, ms, protocol.OK}, 0, false, false, "p95 < 200 ms: 300 ms"},
		"the target refuses":             {second{5 * ms, 5 * ms, ms, protocol.Status}, 0, false, false, "error_rate < 1%: 100%"},
		"the generator is late":          {second{300 * ms, 20 * ms, 280 * ms, protocol.OK}, 0, false, true, "the generator was late: p99 280 ms, allowed 20 ms"},
		"late, and the target down":      {second{300 * ms, 20 * ms, 280 * ms, protocol.Refused}, 0, false, false, "error_rate < 1%: 100%"},
		"late, and the target slow too":  {second{600 * ms, 300 * ms, 300 * ms, protocol.OK}, 0, false, true, "the generator was late"},
		"a little late, and passed":      {second{60 * ms, 20 * ms, 40 * ms, protocol.OK}, 0, true, false, ""},
		"the generator ran out of ports": {second{5 * ms, 5 * ms, ms, protocol.Refused}, 10, false, true, "the generator ran out of "},
	} {
		t.Run(name, func(t *testing.T) {
			r := tried(t, c.each, c.exhausted, p95(0.2), errorRate(0.01))
			if r.Passed != c.passed || r.Generator != c.generator || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("passed %v, generator %v, %q, want %v, %v, %q", r.Passed, r.Generator, r.Reason, c.passed, c.generator, c.reason)
			}
			if r.Rate != 100 {
				t.Errorf("rate %v, want 100", r.Rate)
			}
		})
	}
}
