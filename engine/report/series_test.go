package report

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
)

func TestSeriesIsBounded(t *testing.T) {
	var c series
	start := time.Unix(0, 0)
	names := &measure.Names{Requests: []measure.Request{{}}}
	const n = 5000
	for i := range n {
		d := &measure.Totals{Requests: make([]measure.RequestTotals, 1)}
		d.Requests[0].Outcomes[0].ResponseTime.Record(float64(i + 1))
		// Every interval a little short, as timers make them.
		at := start.Add(time.Duration(i) * 999 * time.Millisecond)
		c.add(&measure.Snapshot{Since: at, Time: at.Add(999 * time.Millisecond), Names: names, Delta: d, PeakUsers: i % 7})
	}
	points := c.report(start)
	if len(points) < maxPoints/2 || len(points) > maxPoints {
		t.Errorf("%d points", len(points))
	}
	var count uint64
	var at, longest float64
	for _, p := range points {
		if math.Abs(p.At-at) > 1e-6 {
			t.Errorf("a point begins at %v, the last ended at %v", p.At, at)
		}
		at = p.At + p.Seconds
		count += p.Requests
		longest = max(longest, p.Max)
	}
	if count != n || math.Abs(at-n*0.999) > 1e-6 || longest != n {
		t.Errorf("%d requests until %v, at most %v", count, at, longest)
	}
}

func TestColumnsKeepPeaks(t *testing.T) {
	points := make([]Point, 600)
	for i := range points {
		points[i] = Point{At: float64(i), Seconds: 1, P95: 1}
	}
	points[431].P95 = 9
	got := columns(points, 50, func(p *Point) float64 { return p.P95 })
	for i, v := range got {
		if want := 1.0; i == 35 && v != 9 || i != 35 && v != want {
			t.Errorf("column %d: %v", i, v)
		}
	}
	if s := spark([]float64{-1, 0, 4, 8}); s != " ▁▅█" {
		t.Errorf("spark: %q", s)
	}
}

func TestShapeText(t *testing.T) {
	s := time.Second
	for _, c := range []struct {
		shape plan.Shape
		want  string
	}{
		{plan.Shape{Model: plan.Closed, Stages: []plan.Stage{{From: 0, To: 50, Over: 5 * s}, {From: 50, To: 50, Over: 300 * s}}}, "to 50 users in 5s, 50 users for 5m0s"},
		{plan.Shape{Model: plan.Open, Stages: []plan.Stage{{From: 20, To: 20, Over: 30 * s}, {From: 20, To: 400}, {From: 400, To: 400, Over: 30 * s}}}, "20/s for 30s, jump to 400/s, 400/s for 30s"},
		{plan.Shape{Model: plan.Open, Stages: []plan.Stage{{From: 50, To: 2000, Over: 60 * s}}}, "from 50/s to 2000/s in 1m0s"},
		{plan.Shape{Model: plan.Open, Stages: make([]plan.Stage, 9)}, "jump to 0/s, jump to 0/s, jump to 0/s, jump to 0/s, 5 more stages"},
	} {
		if got := shapeText(&c.shape); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// BenchmarkConsume is what a snapshot costs in a run with many names: with the copy of the totals, and without.
func BenchmarkConsume(b *testing.B) {
	const names = 1000
	n := &measure.Names{Classes: []string{"User"}, Requests: make([]measure.Request, names)}
	fill := func(count int) *measure.Totals {
		t := &measure.Totals{Classes: make([]measure.ClassTotals, 1), Requests: make([]measure.RequestTotals, names)}
		for i := range t.Requests {
			out := &t.Requests[i].Outcomes[0]
			for k := range count {
				out.ResponseTime.Record(0.001 * float64(1+k))
				out.ServiceTime.Record(0.001 * float64(1+k))
			}
		}
		return t
	}
	total, delta := fill(200), fill(10)
	start := time.Now()
	for _, every := range []time.Duration{time.Second, 10 * time.Second} {
		b.Run(fmt.Sprintf("interval=%s", every), func(b *testing.B) {
			c := NewCollector(Meta{})
			at := start
			for b.Loop() {
				since := at
				at = at.Add(every)
				if err := c.Consume(context.Background(), &measure.Snapshot{Start: start, Since: since, Time: at, Names: n, Total: total, Delta: delta}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
