// Package load turns a shape into moments.
//
// A shape is a piecewise linear function of time: arrivals per second in the open model, users in the closed one. Both
// schedules are closed formulas over it, so nothing drifts however long a run lasts, a schedule takes no memory, and the
// k-th of n shares of it needs nobody to hand out work.
//
//   - Open: with Λ(t) the integral of the rate from 0 to t, arrival n (from 0) is due when Λ rises above n. A constant
//     rate of 100/s for 2 s is arrivals at 0, 10 ms, …, 1.99 s: 200 of them. What a stage leaves of an arrival is
//     carried into the next one.
//   - Open, Poisson: arrival n is due when Λ reaches E0+…+En, with independent exponential E of mean 1: the time-rescaling
//     of a unit Poisson process (Çinlar, Introduction to Stochastic Processes, 1975, ch. 4.7).
//   - Closed: user i (from 0) runs while the curve is above i. On a ramp from 0 at a spawn rate r it starts at i/r, as
//     Locust's users do, and on the way down the user that started last stops first.
package load

import (
	"math"
	"time"

	"tidegauge/engine/plan"
)

// Needs is what a shape will take, known before it runs.
type Needs struct {
	Duration   time.Duration
	PeakUsers  int     // closed: the most users at once; open: MaxUsers
	PeakRate   float64 // open: the highest arrival rate, per second
	Iterations uint64  // open: how many arrivals there will be (for Poisson the mean); closed: 0, unknown
}

// NeedsOf computes them.
func NeedsOf(s *plan.Shape) Needs {
	n := Needs{Duration: s.Duration()}
	if s.Model == plan.Closed {
		for _, r := range rampsOf(s) {
			if r.start < n.Duration {
				n.PeakUsers = max(n.PeakUsers, wholeUsers(r.from), wholeUsers(r.to))
			}
		}
		return n
	}
	n.PeakUsers = s.MaxUsers
	pieces := piecesOf(s)
	for i := range pieces {
		n.PeakRate = max(n.PeakRate, pieces[i].from, pieces[i].to)
	}
	if len(pieces) > 0 {
		total := pieces[len(pieces)-1].after
		if s.Poisson {
			n.Iterations = uint64(math.Round(total))
		} else {
			n.Iterations = uint64(math.Ceil(total))
		}
	}
	return n
}

// PhaseAt returns the stage a shape is in at an offset from the start, by its index in Stages and by the name of its
// phase. A stage begins with its first nanosecond; stages without length are passed over; from the end on it is the last
// stage that has a length. It is -1 and "" for a shape without length.
func PhaseAt(s *plan.Shape, t time.Duration) (index int, phase string) {
	index = -1
	var start time.Duration
	for i, st := range s.Stages {
		if st.Over <= 0 {
			continue
		}
		if index >= 0 && t < start {
			break
		}
		index, phase = i, st.Phase
		start += st.Over
	}
	return index, phase
}

// checkShare keeps the arithmetic of shares out of trouble: a wrong share is an error of the program, not of a plan.
func checkShare(k, n int) {
	if n < 1 || k < 0 || k >= n {
		panic("load: Share(k, n) needs 0 <= k < n")
	}
}
