package stat

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// TrendOptions say what the series of GrowthOf is.
type TrendOptions struct {
	Interval time.Duration // between two values; 0: 1 s
	WarmUp   time.Duration // left out at least; a quarter of the series always is
	Least    bool          // judge the least value of each block: for memory that a garbage collector gives back
	Limit    float64       // what the series must not reach; 0: none
}

// TrendClass says what a series does in the long run.
type TrendClass string

// The classes.
const (
	NotEnough TrendClass = "not enough data"
	Stable    TrendClass = "stable"
	Growing   TrendClass = "growing, may be saturating" // run longer
	Leak      TrendClass = "leak"
)

// Trend is what GrowthOf found.
type Trend struct {
	Class    TrendClass
	PerHour  float64  // Sen's slope
	Interval Interval // of PerHour
	Growth   float64  // by the slope over what was judged, relative to its start
	P        float64  // of "no growth", Mann-Kendall
	Current  float64  // where the line through the blocks stands at the end
	// ToLimit is how long it takes from the end of the series to the limit at the pace of the interval's ends. High is
	// 0 where the slower end never gets there; both are 0 where there is no limit or no growth.
	ToLimit  Range
	Start    time.Duration // where what was judged begins
	Blocks   []float64     // what was judged, in equal lengths of time from Start on
	Reason   string        // of the class, in words
	Warnings []string
}

// Range is a span of time.
type Range struct{ Low, High time.Duration }

const (
	trendBlocks  = 20
	perBlock     = 3    // values in a block at least
	trendP       = 0.01 // one-sided
	trendEffect  = 0.05
	slowestCurve = 0.4 // the greatest time constant, in lengths of what is judged
	lineBetter   = 1   // twice the logarithm of how many times likelier a line must be
	trendDiscard = 4   // one part in that many is left out at the start
)

// GrowthOf judges whether a series at constant load grows without end: a leak of memory, connections, descriptors, or a
// latency that creeps.
//
// The first quarter is left out, the rest cut into 20 blocks (their means, or their least values). A leak is a rise by the
// Mann-Kendall test with p < 0.01, more than 5% by Sen's slope, to which a line fits better than a curve that levels off
// with a time constant of up to 0.4 of what is judged, by a likelihood ratio of at least √e. Otherwise a rise is "growing,
// may be saturating": a cache that fills looks like this, and only a longer run can tell.
//
// It assumes that the noise of the blocks is a first-order autoregression, and a constant load: what follows from more
// load is no leak. A cache that takes as long to fill as the run lasts cannot be told from a leak by any test.
func GrowthOf(o TrendOptions, x []float64) Trend {
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	skip := min(len(x), max((len(x)+trendDiscard-1)/trendDiscard, int((o.WarmUp+o.Interval-1)/o.Interval)))
	t := Trend{Class: NotEnough, PerHour: math.NaN(), Interval: Interval{Low: math.Inf(-1), High: math.Inf(1)}, P: 1, Current: math.NaN()}
	t.Start = duration(skip, o.Interval)
	judged := x[skip:]
	values, _, warnings := finite(judged)
	t.Warnings = warnings
	if len(values) < trendBlocks*perBlock {
		t.Reason = fmt.Sprintf("a trend needs %d values after the first quarter and the warm-up, has %d", trendBlocks*perBlock, len(values))
		t.Warnings = append(t.Warnings, t.Reason)
		return t
	}
	of := meanOf
	if o.Least {
		of = slices.Min[[]float64]
	}
	b, ok := timedBlocks(judged, of)
	if !ok {
		t.Reason = "a trend needs values all along, there are gaps longer than a twentieth of what is judged"
		t.Warnings = append(t.Warnings, t.Reason)
		return t
	}
	t.Blocks = b
	t.judge(o, float64(len(judged))/trendBlocks)
	return t
}

// timedBlocks cuts x into blocks of equal time; it reports false if one of them holds no number.
func timedBlocks(x []float64, of func([]float64) float64) ([]float64, bool) {
	complete := true
	b := blocks(x, trendBlocks, func(part []float64) float64 {
		values, _, _ := finite(part)
		if len(values) == 0 {
			complete = false
			return 0
		}
		return of(values)
	})
	return b, complete
}

// judge does the rest; a block is that many values long.
func (t *Trend) judge(o TrendOptions, length float64) {
	b := t.Blocks
	if constant(b) {
		t.Class, t.PerHour, t.Interval, t.Growth, t.Current = Stable, 0, Interval{}, 0, b[0]
		t.Reason = "it never changed"
		t.Warnings = append(t.Warnings, "all values are the same: is the metric alive?")
		return
	}
	rho := detrendedLag1(b)
	k := MannKendall(b, rho)
	slope, i := SenSlope(b, k.Variance)
	perHour := float64(time.Hour) / float64(o.Interval) / length
	t.PerHour, t.P = slope*perHour, k.Rising
	t.Interval = Interval{Low: i.Low * perHour, High: i.High * perHour, Warnings: i.Warnings}
	start := levelOf(b, slope)
	t.Current = start + slope*trendBlocks
	rise := slope * trendBlocks
	if start > 0 {
		t.Growth = rise / start
	} else if rise != 0 {
		t.Growth = math.Copysign(math.Inf(1), rise) // from nothing
	}
	switch {
	case k.Rising >= trendP:
		t.Class, t.Reason = Stable, fmt.Sprintf("no rise beyond chance (p = %.2g)", k.Rising)
		if k.Falling < trendP && t.Growth < -trendEffect {
			t.Reason = fmt.Sprintf("it does not rise, it falls by %.0f%% (p = %.2g)", -100*t.Growth, k.Falling)
		}
	case t.Growth < trendEffect:
		t.Class, t.Reason = Stable, fmt.Sprintf("it rises by %.1f%% only", 100*t.Growth)
	case levelling(b):
		t.Class, t.Reason = Growing, fmt.Sprintf("it rises (p = %.2g), but as well as a line fits a curve that levels off: run longer", k.Rising)
	default:
		t.Class, t.Reason = Leak, fmt.Sprintf("it rises (p = %.2g) and does not slow down", k.Rising)
	}
	t.project(o)
}

// detrendedLag1 is the first autocorrelation of what is left without Sen's line, corrected for its bias, and not below 0.
func detrendedLag1(b []float64) float64 {
	slope, _ := SenSlope(b, 0)
	return max(0, lag1(residuals(b, slope))+1/float64(len(b)))
}

// residuals returns a series without a line of that slope.
func residuals(x []float64, slope float64) []float64 {
	d := make([]float64, len(x))
	for i, v := range x {
		d[i] = v - slope*float64(i)
	}
	return d
}

// levelOf returns where the line of the given slope through the medians starts, half a block before the first.
func levelOf(b []float64, slope float64) float64 {
	d := make([]float64, len(b))
	for i, v := range b {
		d[i] = v - slope*(float64(i)+0.5)
	}
	return median(d)
}

// project computes when the limit is reached, as a range.
func (t *Trend) project(o TrendOptions) {
	if !(o.Limit > 0) {
		return
	}
	left := o.Limit - t.Current
	if left <= 0 {
		t.Warnings = append(t.Warnings, fmt.Sprintf("the limit of %g is reached already", o.Limit))
		return
	}
	if t.Class == Stable || !(t.Interval.High > 0) {
		return
	}
	t.ToLimit.Low = hours(left / t.Interval.High)
	if t.Interval.Low > 0 {
		t.ToLimit.High = hours(left / t.Interval.Low)
	} else {
		t.Warnings = append(t.Warnings, "the slowest growth that fits never reaches the limit")
	}
}

// hours returns h hours, or the longest duration there is.
func hours(h float64) time.Duration {
	if d := h * float64(time.Hour); d < math.MaxInt64 {
		return time.Duration(d)
	}
	return math.MaxInt64
}

// levelling reports whether a curve that levels off fits the blocks as well as a line does.
func levelling(b []float64) bool {
	f := newFitter(b)
	line := change{line: true}
	f.estimate(&line)
	for tau := slowestCurve * float64(len(b)); tau >= 1; tau /= math.Sqrt2 {
		c := change{tau: tau}
		// An approach from below is a decay of something negative.
		if f.estimate(&c); c.size < 0 && line.fit-c.fit > -lineBetter {
			return true
		}
	}
	return false
}
