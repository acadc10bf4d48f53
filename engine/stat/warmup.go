package stat

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// WarmUpOptions say what the series of WarmUp and IsSteady are. The zero value is for values of 5 s and leaves out 30 s at least.
type WarmUpOptions struct {
	Interval time.Duration // between two values; 0: 5 s
	Floor    time.Duration // left out at least; 0: 30 s, negative: nothing
}

// Cut says how much of the start of a run is warm-up.
type Cut struct {
	Drop     int           // how many values to leave out, at most half of them
	Length   time.Duration // the same as a time
	Found    time.Duration // what the series show, before the floor
	Bound    bool          // the warm-up may be longer: no more than half is left out
	Warnings []string
}

func (o WarmUpOptions) withDefaults() WarmUpOptions {
	if o.Interval <= 0 {
		o.Interval = 5 * time.Second
	}
	if o.Floor == 0 {
		o.Floor = 30 * time.Second
	}
	return o
}

// floor returns how many values the floor is.
func (o WarmUpOptions) floor() int { return max(0, int((o.Floor+o.Interval-1)/o.Interval)) }

const (
	mserBatch     = 5    // the 5 of MSER-5
	settledWithin = 0.01 // relative

	// Twice the log likelihood ratio that a start must have, and what must be left of it when all values are pulled in to so
	// many MADN from the median.
	startGain   = 15
	startLeft   = 10
	startWinsor = 2.5
)

// WarmUp returns where the series of a run (its latency and throughput, one value per interval, as long as each other)
// have left their start behind: the latest cut over all of them, no less than the floor, no more than half.
//
// First it asks whether the start differs from the rest at all: the level or the exponential decay at the start that makes
// the series likeliest is compared with a level only, each with first-order autoregressive errors of its own fit, and must be
// likelier by a ratio whose logarithm is above 7.5, and still by one above 5 when outliers are pulled in. That form ends where
// its level does, or where 1% of the decay is left. MSER-5 can move the cut from there by five values: it leaves out what makes
// the standard error of the mean of the rest least, over means of five values (White, Simulation 69(6), 1997; White, Cobb and
// Spratt, Proc. Winter Simulation Conference 2000). By itself it always finds a least value, and of a series of 30 to 60 values
// that is steady from the start it leaves out something in half of the cases.
//
// It assumes that the rest stays where it is: whether it does is for IsSteady to say. It looks at the data of one run only,
// never at other runs.
func WarmUp(o WarmUpOptions, series ...[]float64) Cut {
	o = o.withDefaults()
	var c Cut
	var n, found int
	for _, x := range series {
		values, at, warnings := finite(x)
		c.Warnings = append(c.Warnings, warnings...)
		if n = max(n, len(x)); len(values) < 2*mserBatch {
			c.Warnings = append(c.Warnings, fmt.Sprintf("finding the warm-up needs %d values, has %d", 2*mserBatch, len(values)))
			continue
		}
		y, ok := relative(values)
		if !ok {
			y = values
		}
		d, bound := startOf(y)
		c.Bound = c.Bound || bound
		if d > 0 {
			found = max(found, at[d])
		}
	}
	c.Found = duration(found, o.Interval)
	c.Drop = found
	c.Drop = max(c.Drop, o.floor())
	if c.Drop > n/2 {
		c.Drop, c.Bound = n/2, true
		c.Warnings = append(c.Warnings, fmt.Sprintf("the run of %v is too short for a warm-up of %v: only its first half was left out", duration(n, o.Interval), max(c.Found, o.Floor)))
	}
	if c.Bound {
		c.Warnings = append(c.Warnings, "the warm-up may last longer than half of the run")
	}
	c.Length = duration(c.Drop, o.Interval)
	return c
}

// calm pulls in single values that are far from both of their neighbours: a stall is no end of a warm-up, but MSER takes what
// is far from the rest for its last value.
func calm(y []float64) {
	m := median(y)
	reach := winsor * madn(y, m)
	for i := 1; i+1 < len(y); i++ {
		if low, high := min(y[i-1], y[i+1]), max(y[i-1], y[i+1]); math.Abs(y[i]-m) > reach {
			y[i] = min(max(y[i], low), high)
		}
	}
}

// mser returns how many of the values MSER-5 leaves out.
func mser(y []float64) int {
	m := len(y) / mserBatch
	// Batches end with the last value, so that it is the start that has a rest.
	first := len(y) - m*mserBatch
	b := blocks(y[first:], m, meanOf)
	best, cut := 0.0, 0
	for d := 0; d <= m/2; d++ {
		_, v := moments(b[d:])
		k := float64(m - d)
		if score := v * (k - 1) / (k * k); d == 0 || score < best {
			best, cut = score, d
		}
	}
	if cut == 0 {
		return 0
	}
	return min(first+cut*mserBatch, len(y)/2)
}

// startOf returns how many values at the start of y are on their way to where the rest is; 0 where none are, as far as its
// own noise lets anybody tell. bound: there may be more than half. It changes y.
func startOf(y []float64) (n int, bound bool) {
	calm(y)
	group := (len(y) + maxSteady - 1) / maxSteady
	b := blocks(y, len(y)/group, meanOf)
	c, gain := likeliestStart(b)
	if gain < startGain || math.Abs(c.size) <= settledWithin {
		return 0, false
	}
	end := float64(c.from)
	if c.tau > 0 {
		end = c.tau * math.Log(math.Abs(c.size)/settledWithin)
	}
	if !isLevel(b) && !isLevel(b[:2*len(b)/3]) { // what comes late can hide the start
		return 0, false
	}
	n = min(int(math.Ceil(end))*len(y)/len(b), len(y)/2)
	return max(n, min(mser(y), n+mserBatch)), n+mserBatch > len(y)/2
}

// isLevel reports whether the start of y differs from the rest also when single large values count for less, as stalls do.
func isLevel(y []float64) bool {
	y = slices.Clone(y)
	pull(y, startWinsor)
	_, gain := likeliestStart(y)
	return gain >= startLeft
}

// likeliestStart returns the start, another level or an exponential decay, that makes y likeliest, and twice the logarithm of
// how many times likelier than a level only.
func likeliestStart(y []float64) (best change, gain float64) {
	n := len(y)
	f := newFitter(y)
	alone := change{}
	f.estimate(&alone)
	try := func(c change) {
		f.estimate(&c)
		if g := alone.fit - c.fit; g > gain {
			best, gain = c, g
		}
	}
	for tau := float64(n) / 2; tau >= 0.5; tau /= math.Sqrt2 {
		try(change{tau: tau})
	}
	for end := 2; end <= n/2; end++ {
		try(change{from: end, to: n})
	}
	return best, gain
}
