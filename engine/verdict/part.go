package verdict

import (
	"time"

	"tidegauge/engine/plan"
)

// part is the part of a shape that is judged, in offsets from the start of the run.
//
// Boundaries are found by these offsets, not by the phase's number in the snapshots: the recorder is flushed at each
// boundary, so the first snapshot at or after the offset is the one that ends there, whatever phase it already names.
type part struct {
	begin, end time.Duration
	steady     bool
	open       bool // nothing follows: it ends with the run
}

func (p part) name() string {
	if p.steady {
		return "steady part"
	}
	return "whole run"
}

// leaveOut makes the part begin later by a warm-up that the plan gives, unless nothing of it would be left.
func (p *part) leaveOut(warmUp *time.Duration) time.Duration {
	if warmUp == nil || *warmUp >= p.end-p.begin {
		return 0
	}
	p.begin += *warmUp
	return *warmUp
}

// partOf returns the part of a test that is judged: of load and soak tests the longest stretch of steady stages, the last
// of several equally long, else everything.
func partOf(t *plan.Test) part {
	whole := part{end: t.Shape.Duration(), open: true}
	if t.Type != plan.Load && t.Type != plan.Soak {
		return whole
	}
	var best, cur part
	var at time.Duration
	for _, s := range t.Shape.Stages {
		if s.Over == 0 {
			continue // a jump
		}
		next := at + s.Over
		switch {
		case s.Phase != "steady":
			cur = part{}
		case cur.steady:
			cur.end = next
		default:
			cur = part{begin: at, end: next, steady: true}
		}
		if cur.steady && cur.end-cur.begin >= best.end-best.begin {
			best = cur
		}
		at = next
	}
	if !best.steady {
		return whole
	}
	best.open = best.end == whole.end
	return best
}

// SteadyStretch returns from where to where, in offsets from the start of the run, objectives of a test are judged, what the
// plan gives as its warm-up left out. It reports false if that is no stretch of steady load.
func SteadyStretch(t *plan.Test) (from, to time.Duration, ok bool) {
	p := partOf(t)
	p.leaveOut(t.WarmUp)
	return p.begin, p.end, p.steady
}

// due returns how many arrivals an open shape has between two offsets: the area under its stages.
func due(s *plan.Shape, from, to time.Duration) float64 {
	var n float64
	var at time.Duration
	for _, st := range s.Stages {
		a, b := max(from, at), min(to, at+st.Over)
		if b > a {
			rate := func(t time.Duration) float64 {
				return st.From + (st.To-st.From)*float64(t-at)/float64(st.Over)
			}
			n += (rate(a) + rate(b)) / 2 * (b - a).Seconds()
		}
		at += st.Over
	}
	return n
}
