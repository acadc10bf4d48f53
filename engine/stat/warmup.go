package stat

import (
	"fmt"
	"math"
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
)

// WarmUp returns where the series of a run (its latency and throughput, one value per interval, as long as each other)
// have left their start behind: the latest cut over all of them, no less than the floor, no more than half.
//
// MSER-5 leaves out what makes the standard error of the mean of the rest least, over means of five values (White,
// Simulation 69(6), 1997; White, Cobb and Spratt, Proc. Winter Simulation Conference 2000). Beside it an exponential approach to the level
// is fitted, and where it is beyond chance the cut is where 1% is left of it.
//
// It assumes that the start differs from the rest, and that the rest stays where it is: whether it does is for Steady to
// say. It looks at the data of one run only, never at other runs.
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
		calm(y)
		d := max(mser(y), settled(y))
		c.Bound = c.Bound || d > 0 && d+mserBatch > len(y)/2
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

// settled returns from where on an exponential approach to the level has less than settledWithin of it left, as fitted to
// the series; 0 where there is none. It sees the end of a warm-up that is already lost in the noise of single values.
func settled(y []float64) int {
	if len(y) < minSteady {
		return 0
	}
	group := (len(y) + maxSteady - 1) / maxSteady
	b := blocks(y, len(y)/group, meanOf)
	f := newFitter(b)
	alone, best := change{}, change{}
	f.estimate(&alone)
	best.fit = alone.fit - steadyGain
	for tau := float64(len(b)) / 2; tau >= 0.5; tau /= math.Sqrt2 {
		c := change{tau: tau}
		if f.estimate(&c); c.fit < best.fit {
			best = c
		}
	}
	if math.Abs(best.size) <= settledWithin {
		return 0
	}
	at := best.tau * math.Log(math.Abs(best.size)/settledWithin)
	return min(int(math.Ceil(at))*len(y)/len(b), len(y)/2)
}
