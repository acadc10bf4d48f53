package stat

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// State says whether a series stayed where it was.
type State string

// The states.
const (
	Unknown State = "unknown" // too little data, or none that could tell
	Steady  State = "steady"
	Shifted State = "shift" // not steady: it jumped
	Trended State = "trend" // not steady: it crept
)

// Shift is a stretch of a series on another level than before it: up to the end, or up to where the level came back.
type Shift struct {
	From, To         int // values [From, To) of the series
	Start, End       time.Duration
	Change           float64 // relative: 0.2 is 20% more
	Strength         float64 // twice the logarithm of how many times likelier it makes the series
	EndsBeforeSeries bool    // the level came back
}

// Steadiness is what IsSteady found.
type Steadiness struct {
	State    State
	Shifts   []Shift
	Growth   float64  // of a trend, relative, from the first value after the warm-up to the last
	Reasons  []string // why it is not steady
	Warnings []string
}

const (
	minSteady    = 20   // values below which nothing is said
	maxSteady    = 90   // values above which neighbours are taken together
	steadyEffect = 0.05 // smaller relative changes matter to nobody
	steadyGain   = 17   // twice the log likelihood ratio that a change must have
	minSegment   = 6
	maxForms     = 6
	winsor       = 6 // values further than that many MADN from the median count as that far
)

// IsSteady tests what follows the warm-up of a series, one value per interval, for jumps and for a trend, on the scale of
// relative changes.
//
// It looks for the step, the hump or the line that makes the series likeliest, each with autocorrelated errors of its own
// fit, and takes it if twice the logarithm of the likelihood ratio against "a level only" is above 17 and the change is
// more than 5%: the generalised likelihood ratio test for a change at an unknown place (Csörgő and Horváth, Limit Theorems
// in Change-Point Analysis, 1997, chapter 1) with first-order autoregressive errors; what it found is taken out, and the
// search repeated. PELT with a fixed penalty and a Welch test corrected afterwards needs the autocorrelation first, and a
// jump looks like autocorrelation: the README has the figures of both. The search begins after the floor, not after the cut,
// so that a late change is not taken for the end of the warm-up; then it is made for what is kept.
//
// It assumes first-order autoregressive noise around the level, at least 20 values (a level lasts 6 at least), and
// that single outliers are stalls and not a level: they are pulled in.
func IsSteady(o WarmUpOptions, warm Cut, x []float64) Steadiness {
	o = o.withDefaults()
	drop := min(max(0, warm.Drop), len(x))
	s := lookFrom(min(drop, o.floor()), drop, o.Interval, x)
	if s.State == Steady && drop > o.floor() {
		// A warm-up and a change after it can hide one another: look at what is kept by itself.
		if kept := lookFrom(drop, drop, o.Interval, x); kept.State != Unknown {
			return kept
		}
	}
	return s
}

// lookFrom looks for changes from one value on, of which those up to drop are the warm-up's.
func lookFrom(start, drop int, interval time.Duration, x []float64) Steadiness {
	values, at, warnings := finite(x[start:])
	s := Steadiness{State: Unknown, Warnings: warnings}
	if len(values) < minSteady {
		s.Warnings = append(s.Warnings, fmt.Sprintf("steadiness needs %d values after the warm-up, has %d", minSteady, len(values)))
		return s
	}
	if constant(values) {
		s.State = Steady
		s.Warnings = append(s.Warnings, "all values are the same")
		return s
	}
	y, ok := relative(values)
	if !ok {
		s.Warnings = append(s.Warnings, "half of the values are not above 0: there is no relative change")
		return s
	}
	pull(y, winsor)
	group := (len(y) + maxSteady - 1) / maxSteady
	y = blocks(y, len(y)/group, meanOf)
	place := func(i int) int { // of a block's first value in x
		if i >= len(y) {
			return len(x)
		}
		return start + at[i*len(values)/len(y)]
	}
	s.State = Steady
	for range maxForms {
		c, gain := strongest(y, max(2, minSegment/group))
		if gain < steadyGain || !s.add(c, gain, y, place, drop, len(x), interval) {
			break
		}
		for j := range y {
			y[j] -= c.size * c.at(j, len(y))
		}
	}
	slices.SortFunc(s.Shifts, func(a, b Shift) int { return a.From - b.From })
	return s
}

// add takes one change into account, if it is large enough to matter.
func (s *Steadiness) add(c change, gain float64, y []float64, place func(int) int, drop, n int, interval time.Duration) bool {
	size := ratio(c.size)
	if math.Abs(size) <= steadyEffect {
		return false
	}
	verb := "rose"
	if size < 0 {
		verb = "fell"
	}
	switch {
	case c.line:
		s.creep(size, fmt.Sprintf("it %s steadily by %.0f%% after the warm-up", verb, 100*math.Abs(size)))
		return true
	case c.tau > 0:
		var left float64 // of the decay, in the values that are kept
		var kept int
		for i := range y {
			if place(i) >= drop {
				left += c.size * c.at(i, len(y))
				kept++
			}
		}
		if left = ratio(left / float64(max(1, kept))); math.Abs(left) > steadyEffect {
			s.creep(-left, fmt.Sprintf("it was still settling after the warm-up: on average %.0f%% off where it is going", 100*math.Abs(left)))
		}
		return true
	case place(c.over(len(y))) <= min(drop+mserBatch, n/3):
		return true // the warm-up
	}
	sh := Shift{From: place(c.from), To: place(c.to), Change: size, Strength: gain, EndsBeforeSeries: c.to < len(y)}
	sh.Start, sh.End = duration(sh.From, interval), duration(sh.To, interval)
	if s.State == Steady {
		s.State = Shifted
	}
	s.Shifts = append(s.Shifts, sh)
	reason := fmt.Sprintf("it %s by %.0f%% at %v", verb, 100*math.Abs(size), sh.Start)
	if sh.EndsBeforeSeries {
		reason += fmt.Sprintf(" until %v", sh.End)
	}
	s.Reasons = append(s.Reasons, reason)
	return true
}

// pull moves what is further than so many MADN from the median to there.
func pull(y []float64, most float64) {
	m := median(y)
	reach := most * madn(y, m)
	if !(reach > 0) {
		return
	}
	for i, v := range y {
		y[i] = min(m+reach, max(m-reach, v))
	}
}

func (s *Steadiness) creep(growth float64, reason string) {
	s.Growth = growth
	if s.State == Steady {
		s.State = Trended
	}
	s.Reasons = append(s.Reasons, reason)
}
