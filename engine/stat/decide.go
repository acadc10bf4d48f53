package stat

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// Decision is what has been decided about an objective.
type Decision string

// The decisions.
const (
	Undecided Decision = "undecided"
	Met       Decision = "met"
	Missed    Decision = "missed"
)

// MissedP returns the probability of so few observations beyond a limit if the q-quantile were just at it: the objective
// "q-quantile below the limit" is shown with confidence c once this is at most 1-c. It is the bound by which MLPerf's
// LoadGen ends a run early: 459 observations with none beyond show p99 at 99%, 662 with one.
//
// It assumes independent observations and a number of them that was fixed before, or is looked at once: DecideEarly is for
// looking again and again. It returns 1 where nothing can be said.
func MissedP(beyond, n uint64, q float64) float64 {
	if n == 0 || beyond > n || !(q > 0 && q < 1) {
		return 1
	}
	return distuv.Binomial{N: float64(n), P: 1 - q}.CDF(float64(beyond))
}

// EarlyOptions say how sure an early decision has to be.
type EarlyOptions struct {
	Error float64 // probability of a wrong decision, each way, however often it is looked; 0: 0.05
	Worth float64 // how many observations are worth one independent one: 2 where they come in pairs; 0: 1
}

// Early is what DecideEarly found.
type Early struct {
	Decision Decision
	Met      float64 // evidence that the objective is met: a bet that would have grown that much if it were missed
	Missed   float64 // evidence that it is missed
	Warnings []string
}

// DecideEarly decides whether the share of observations beyond a limit is below the one that is allowed, from those seen
// so far: allowed = 0.05 for "p95 below the limit", the allowed ratio for an error ratio. It may be asked after every
// observation and stopped as soon as it decides: the probability of ever deciding wrongly is at most o.Error each way.
//
// The evidence is the likelihood ratio against the allowed share, averaged over the shares below it (or above it) with
// Jeffreys' prior; it is a supermartingale if the share is on the other side, so by Ville's inequality it ever reaches
// 1/Error with at most that probability (Robbins, Annals of Mathematical Statistics 41, 1970; Howard, Ramdas, McAuliffe and
// Sekhon, Annals of Statistics 49(2), 2021).
//
// It assumes independent observations: stalls that hit neighbours together are less evidence, which is for o.Worth to say.
func DecideEarly(o EarlyOptions, beyond, n uint64, allowed float64) Early {
	if o.Error == 0 {
		o.Error = 0.05
	}
	if o.Worth == 0 {
		o.Worth = 1
	}
	e := Early{Decision: Undecided, Met: 1, Missed: 1}
	switch {
	case n > mostDecided:
		e.Warnings = append(e.Warnings, fmt.Sprintf("%d observations are more than can be computed with", n))
	case n == 0:
		e.Warnings = append(e.Warnings, "there are no observations")
	case beyond > n:
		e.Warnings = append(e.Warnings, fmt.Sprintf("%d of %d observations are beyond the limit", beyond, n))
	case !(allowed > 0 && allowed < 1):
		e.Warnings = append(e.Warnings, fmt.Sprintf("a share of %v can never be decided early: it must lie between 0 and 1", allowed))
	case !(o.Error > 0 && o.Error < 0.5):
		e.Warnings = append(e.Warnings, fmt.Sprintf("an error of %v: must lie between 0 and 0.5", o.Error))
	case !(o.Worth >= 1) || math.IsInf(o.Worth, 1):
		e.Warnings = append(e.Warnings, fmt.Sprintf("a worth of %v: must be at least 1", o.Worth))
	}
	if len(e.Warnings) > 0 {
		return e
	}
	k, m := float64(beyond)/o.Worth, float64(n-beyond)/o.Worth
	at := k*math.Log(allowed) + m*math.Log1p(-allowed)
	e.Met = math.Exp(averaged(k, m, allowed) - averaged(0, 0, allowed) - at)
	// The shares above the allowed one are the complements of those below its complement.
	e.Missed = math.Exp(averaged(m, k, 1-allowed) - averaged(0, 0, 1-allowed) - at)
	share := float64(beyond) / float64(n)
	switch {
	case e.Met >= 1/o.Error && share < allowed:
		e.Decision = Met
	case e.Missed >= 1/o.Error && share > allowed:
		e.Decision = Missed
	}
	return e
}

// mostDecided is where rounding begins to matter.
const mostDecided = 1e12

// averaged returns the logarithm of ∫ p^(k-½)·(1-p)^(m-½) dp from 0 to limit.
func averaged(k, m, limit float64) float64 {
	a, b := k+0.5, m+0.5
	return mathext.Lbeta(a, b) + math.Log(mathext.RegIncBeta(a, b, limit))
}
