package answer

import (
	"fmt"
	"math"
	"strings"
	"time"

	"tidegauge/engine/catalog"
	"tidegauge/engine/plan"
	"tidegauge/engine/stat"
)

// CodeNoSpike is that of a spike test whose load has no surge.
const CodeNoSpike = "no_spike"

// Spike answers whether a target survives surges of load. The stretches are the parts of the run that these disturbed.
func Spike(d Disturbed) (*Answer, []Stretch) {
	a := &Answer{Question: "Does it survive a surge?"}
	r, episodes := d.analysis()
	if len(episodes) == 0 {
		a.Standing, a.Code = Undecided, CodeNoSpike
		a.Text = "The load has no surge that it comes back from: a spike needs a steady load, a greater one, and the first one again."
		return a, nil
	}
	a.conclude(episodes)
	for i := range episodes {
		x := &episodes[i]
		a.warn(x.spike.Warnings...)
		if x.outcome == unknown {
			continue
		}
		a.warn(r.partialWarnings(x)...)
		a.warn(r.stormWarning(x)...)
		if h := x.spike.Hysteresis; x.outcome == recovered && h > 0 && !x.spike.Returned {
			a.warn(fmt.Sprintf("%s: it did not come back to where it was: p95 is %s of what it was before", x.Subject, share(h)))
		}
	}
	a.Text = headline(episodes, "surge") + r.clauses(episodes, r.surgeClause)
	a.Figures = combined(episodes, r.spikeFigures)
	a.Charts = r.charts(episodes)
	return a, r.disturbed(episodes)
}

func (r *run) surgeClause(x *episode) string {
	if x.outcome == unknown {
		return r.clause(x)
	}
	s := &x.spike
	text := fmt.Sprintf("From %.4g to %.4g requests a second, p99 rose to %s", s.Band.Rate/r.width.Seconds(), r.peakRate(x), precisely(s.PeakTail))
	switch {
	case s.Failed > 0 && s.Unsent > 0:
		text += fmt.Sprintf(", %s requests failed and %s were not sent", amount(s.Failed, "1"), amount(s.Unsent, "1"))
	case s.Failed > 0:
		text += fmt.Sprintf(", %s requests failed", amount(s.Failed, "1"))
	case s.Unsent > 0:
		text += fmt.Sprintf(", %s requests were not sent", amount(s.Unsent, "1"))
	default:
		text += ", no request was lost"
	}
	switch x.outcome {
	case unaffected:
		text += ", and it stayed within the usual"
	case recovered:
		text += ", and it was back " + afterwards(s.Recovered.After, "as soon as the load was", "after the load")
	case metastable:
		text += fmt.Sprintf(", and %s after the load was back it was not: a metastable state", r.watched(x))
	case lost:
		text += fmt.Sprintf(", and %s after the load was back it was not", r.watched(x))
	default:
		text += fmt.Sprintf(", and only %s were measured after the load was back, without %s of it good", r.watched(x), precisely(hold.Seconds()))
	}
	return text + "."
}

// peakRate returns the most requests a second that were meant to be made.
func (r *run) peakRate(x *episode) float64 {
	most := 0.0
	for _, b := range r.between(x.first, x.last) {
		most = max(most, b.Intended/r.width.Seconds())
	}
	return most
}

func (r *run) spikeFigures(x *episode) []Figure {
	s := &x.spike
	if x.outcome == unknown {
		return []Figure{{Title: "time to recover", Metric: catalog.RecoveryTime, Subject: x.Subject, Unit: "s", Text: x.why}}
	}
	all := []Figure{
		{Title: "p95 before", Value: number(s.Band.MedianLatency), Unit: "s"},
		{Title: "p99 at the peak", Metric: catalog.PeakResponseTime, Value: number(s.PeakTail), Unit: "s"},
		{Title: "time to the peak", Value: new(s.ToPeak.Seconds()), Unit: "s", Text: "from the beginning of the surge to the greatest p95"},
		{Title: "rate at the peak", Value: new(r.peakRate(x)), Unit: "1/s"},
	}
	if !math.IsNaN(s.Queued) {
		all = append(all, Figure{Title: "requests queued", Metric: catalog.QueuedRequests, Value: new(s.Queued), Unit: "1", Text: "due and not answered at most, above the usual"})
	}
	all = append(all, Figure{Title: "requests dropped", Metric: catalog.DroppedRequests, Value: new(s.Dropped), Unit: "1", Text: "never sent, since no user was free; they count as failed in the availability"},
		Figure{Title: "requests failed", Metric: catalog.FailedRequests, Value: new(s.Failed), Unit: "1"})
	all = append(all, r.returnFigures(x)...)
	after := Figure{Title: "p95 after, of before", Metric: catalog.Hysteresis, Value: number(s.Hysteresis), Unit: "ratio"}
	if after.Value == nil {
		after.Text = "what came after it was back is too short"
		if x.outcome == metastable || x.outcome == lost {
			after.Text = "it did not come back, and too few requests were good"
		}
	}
	all = append(all, after)
	if r.Replicas != nil {
		all = append(all, r.scaling(x))
	}
	return all
}

func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// scaling is how replicas followed the load.
func (r *run) scaling(x *episode) Figure {
	var counts []float64
	for i := range x.last {
		counts = append(counts, r.Replicas(time.Duration(i)*r.width))
	}
	s := stat.ScalingOf(r.width, x.From, counts)
	f := Figure{Title: "time until it scaled", Metric: catalog.ScalingLag, Unit: "s"}
	switch {
	case !s.Known:
		f.Text = strings.Join(s.Warnings, "; ")
	case !s.Scaled:
		f.Text = fmt.Sprintf("the replicas stayed %.4g", s.Before)
	default:
		half := s.First
		for i, n := range counts {
			if at := time.Duration(i) * r.width; at > x.From && n >= (s.Before+s.Peak)/2 {
				half = at - x.From
				break
			}
		}
		f.Value = new(half.Seconds())
		f.Text = fmt.Sprintf("half of the way from %.4g to %.4g replicas; the first came after %s", s.Before, s.Peak, precisely(s.First.Seconds()))
	}
	return f
}

// Surges finds the surges of a shape: from where the load leaves its first steady level upwards to where it is back, to a
// tenth of what it rose by. A load that does not come back has none.
func Surges(shape *plan.Shape) []Event {
	var all []Event
	var at time.Duration
	base, began := math.NaN(), time.Duration(-1)
	peak := 0.0
	for _, s := range shape.Stages {
		switch {
		case math.IsNaN(base):
			if s.From == s.To && s.Over > 0 && s.To > 0 {
				base = s.To
			}
		case began < 0 && s.To > base:
			began, peak = at, s.To
		case began >= 0 && s.To > peak:
			peak = s.To
		}
		if began >= 0 && s.To <= base+(peak-base)/10 {
			all = append(all, Event{Subject: "spike", From: began, To: at + s.Over})
			began = -1
		}
		at += s.Over
	}
	return all
}
