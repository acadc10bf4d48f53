package live

import (
	"math"
	"testing"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

// snapshot is of a second with n requests that took so many seconds each, of which one failed.
func snapshot(start time.Time, second int, n int, took float64, total *measure.Totals) *measure.Snapshot {
	delta := &measure.Totals{Classes: make([]measure.ClassTotals, 1), Requests: make([]measure.RequestTotals, 1)}
	for i := range n {
		outcome := protocol.OK
		if i == 0 {
			outcome = protocol.Reset
		}
		delta.Requests[0].Outcomes[outcome].ResponseTime.Record(took)
	}
	total.Merge(delta)
	return &measure.Snapshot{
		Start: start, Since: start.Add(time.Duration(second) * time.Second), Time: start.Add(time.Duration(second+1) * time.Second), PeakUsers: second + 1, Rate: 10,
		Phase: "steady", Planned: time.Minute, Delta: delta, Total: total, Names: &measure.Names{Classes: []string{"A"}, Requests: []measure.Request{{Class: "A", Name: "/"}}},
	}
}

func TestMeter(t *testing.T) {
	var m Meter
	total := &measure.Totals{Classes: make([]measure.ClassTotals, 1), Requests: make([]measure.RequestTotals, 1)}
	start := time.Unix(1_700_000_000, 0)
	var p Progress
	for second := range 6 {
		took := 0.1
		if second == 0 { // no longer recent at the end
			took = 9
		}
		p = m.Add(snapshot(start, second, 10, took, total))
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 0.005*want {
			t.Errorf("%s is %g, want %g", what, got, want)
		}
	}
	near("seconds", p.Seconds, 6)
	near("planned", p.Planned, 60)
	near("rate", p.Rate, 10)
	near("error rate", p.ErrorRate, 0.1)
	near("p95", p.P95, 0.1)
	near("recent rate", p.Recent.Rate, 10)
	near("recent max", p.Recent.Max, 0.1)
	if p.Requests != 60 || p.Failures != 6 || p.Recent.Requests != 50 || p.Recent.Failures != 5 || p.Users != 6 {
		t.Errorf("counts: %+v", p)
	}
	p = m.Add(snapshot(start, 6, 0, 0, total))
	if p.Rate != 0 || p.ErrorRate != 0 || p.P99 != 0 || p.Recent.Requests != 40 {
		t.Errorf("an interval without requests: %+v", p)
	}
}
