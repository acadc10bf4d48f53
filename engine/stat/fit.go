package stat

import (
	"fmt"
	"math"
)

// fit is a baseline on the scale of comparison.
type fit struct {
	q       *Quantity
	mean    float64
	sd      float64 // of one run
	df      float64
	level   float64 // the mean as a value
	runs    int
	trimmed []int
	problem string // why there is nothing to compare with
}

// newFit takes the level and the variance of a baseline. fresh is what will be compared with it, which also shows how
// much runs vary inside.
func newFit(q *Quantity, baseline, fresh []RunValue) fit {
	f := fit{q: q}
	kept := make([]RunValue, 0, len(baseline))
	at := make([]int, 0, len(baseline))
	for i, r := range baseline {
		if _, ok := q.scale(r); ok {
			kept, at = append(kept, r), append(at, i)
		}
	}
	if len(kept) == 0 {
		f.problem = "there is no run to compare with"
		return f
	}
	_, inside := scaled(q, append(append([]RunValue(nil), kept...), fresh...))
	kappa := q.Kappa
	if !(kappa > 0) {
		kappa = DefaultKappa
	}
	weight, prior := priorWeight, kappa*median(inside)
	if !(prior > 0) {
		weight, prior = 0, 0
	}
	kept, f.trimmed = trim(q, kept, at, weight, prior)
	y, _ := scaled(q, kept)
	f.runs = len(y)
	var between float64
	f.mean, between = moments(y)
	f.level = q.level(kept)
	n := float64(f.runs)
	f.df = weight + n - 1
	if f.df == 0 {
		f.problem = "one run does not show how much runs differ, and what happened inside of it is not known"
		return f
	}
	f.sd = math.Sqrt((weight*prior + (n-1)*between) / f.df)
	return f
}

// trim leaves the outliers of a baseline out, and returns which they were.
func trim(q *Quantity, runs []RunValue, at []int, weight, prior float64) (kept []RunValue, trimmed []int) {
	y, _ := scaled(q, runs)
	if len(runs) < MinBaseline {
		return runs, nil
	}
	centre := median(y)
	spread := madn(y, centre)
	limit := trimMADs * math.Sqrt((weight*prior+float64(len(y)-1)*spread*spread)/(weight+float64(len(y)-1)))
	if limit == 0 {
		return runs, nil // more than half are the same: what is different is not far from anything
	}
	for i, v := range y {
		if math.Abs(v-centre) > limit {
			trimmed = append(trimmed, at[i])
			continue
		}
		kept = append(kept, runs[i])
	}
	return kept, trimmed
}

// scale puts a value on the scale of comparison; ok is false for one that is not on it.
func (q *Quantity) scale(r RunValue) (y float64, ok bool) {
	switch {
	case math.IsNaN(r.Value) || math.IsInf(r.Value, 0) || r.Value < 0:
		return 0, false
	case q.Scale == Logit:
		if !(r.Count > 0) || r.Value > 1 {
			return 0, false
		}
		k := r.Value * r.Count
		return math.Log((k + 0.5) / (r.Count - k + 0.5)), true
	default:
		return math.Log(r.Value), r.Value > 0
	}
}

// scaled returns the values that are on the scale, and the variances inside of runs that are known. That of a ratio is
// binomial at the ratio of all runs together: a run without any event says nothing about it.
func scaled(q *Quantity, runs []RunValue) (y, inside []float64) {
	var events, of, n float64
	for _, r := range runs {
		v, ok := q.scale(r)
		if !ok {
			continue
		}
		y = append(y, v)
		switch {
		case q.Scale == Logit:
			events, of, n = events+r.Value*r.Count, of+r.Count, n+1
		case r.Variance > 0 && !math.IsInf(r.Variance, 0):
			inside = append(inside, r.Variance)
		}
	}
	if n > 0 {
		inside = []float64{1/(events/n+0.5) + 1/((of-events)/n+0.5)}
	}
	return y, inside
}

// level returns what runs come to together, as a person would say it.
func (q *Quantity) level(runs []RunValue) float64 {
	var events, of, sum, n float64
	for _, r := range runs {
		y, ok := q.scale(r)
		if !ok {
			continue
		}
		events, of = events+r.Value*r.Count, of+r.Count
		sum, n = sum+y, n+1
	}
	if q.Scale == Logit {
		return events / of
	}
	return math.Exp(sum / n)
}

// worse gives a difference the sign that is positive for the worse.
func (q *Quantity) worse(d float64) float64 {
	if q.More {
		return -d
	}
	return d
}

// compare compares the mean of fresh runs with the baseline.
func (f *fit) compare(fresh []RunValue) Comparison {
	c := Comparison{Runs: f.runs, Trimmed: f.trimmed, Before: f.level, After: math.NaN(), Change: math.NaN(), P: 1}
	y, _ := scaled(f.q, fresh)
	c.Fresh = len(y)
	switch {
	case f.problem != "":
		return c.invalid(f.problem)
	case len(y) == 0 && len(fresh) > 0 && f.q.Scale == Log && fresh[0].Value <= 0:
		return c.invalid("a value that is not above 0 has no relative change")
	case len(y) == 0:
		return c.invalid("the run has no value")
	}
	c.After = f.q.level(fresh)
	c.count(fresh)
	d := meanOf(y) - f.mean
	if len(f.trimmed) > 0 {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%d of %d runs of the baseline stand alone and were left out", len(f.trimmed), f.runs+len(f.trimmed)))
	}
	c.fill(f.q, d, f.sd*math.Sqrt(alike(float64(len(y)))+alike(float64(f.runs))), f.df)
	return c
}

// pair compares blocks.
func (f *fit) pair(a, b []RunValue) Comparison {
	c := Comparison{Before: math.NaN(), After: math.NaN(), Change: math.NaN(), P: 1}
	var left, right []RunValue
	var d []float64
	for i := range min(len(a), len(b)) {
		ya, okA := f.q.scale(a[i])
		yb, okB := f.q.scale(b[i])
		if okA && okB {
			left, right, d = append(left, a[i]), append(right, b[i]), append(d, yb-ya)
		}
	}
	c.Runs, c.Fresh = len(d), len(d)
	if len(d) < 2 {
		return c.invalid("comparing two targets needs two blocks at least")
	}
	c.Before, c.After = f.q.level(left), f.q.level(right)
	c.count(right)
	mean, variance := moments(d)
	c.fill(f.q, mean, math.Sqrt(variance/float64(len(d))), float64(len(d)-1))
	return c
}

func (c *Comparison) count(fresh []RunValue) {
	c.events = 0
	for _, r := range fresh {
		if r.Count > 0 {
			c.events += r.Count
		}
	}
}

func (c Comparison) invalid(why string) Comparison {
	c.Judgement = Invalid
	c.Warnings = append(c.Warnings, why)
	return c
}

// fill tests a difference with its standard error.
func (c *Comparison) fill(q *Quantity, d, se, df float64) {
	c.Change = ratio(d)
	c.Worse = q.worse(d) > 0
	switch {
	case se > 0:
		c.P = tTail(q.worse(d)/se, df)
	case q.worse(d) > 0:
		c.P = 0 // no noise at all
	case d == 0:
		c.P = 0.5
	}
	half := critical(tail, df) * se
	c.Interval = Interval{Low: ratio(d - half), High: ratio(d + half)}
	least := (critical(suspectLevel, df) + z80) * se
	if q.More {
		c.Detectable = math.Min(ratio(-least), -q.Relative)
	} else {
		c.Detectable = math.Max(ratio(least), q.Relative)
	}
	c.bound = q.worse(d) + critical(suspectLevel, df)*se
}

// matters reports whether a change for the worse, or for the better, passes the gates.
func (f *fit) matters(c *Comparison, worse bool) bool {
	if math.IsNaN(c.Change) || c.Worse != worse {
		return false
	}
	before, after, q := c.Before, c.After, f.q
	if q.Scale == Logit {
		if !worse {
			before, after = after, before
		}
		return after >= before*(1+q.Relative) && after-before >= q.Absolute && (after-before)*c.events >= q.Excess
	}
	return math.Abs(c.Change) >= q.Relative && math.Abs(after-before) >= q.Absolute
}

// within tells a pass from what cannot be told.
func (f *fit) within(c *Comparison) Judgement {
	margin := math.Log1p(f.q.Margin)
	if f.q.More {
		margin = -math.Log1p(-f.q.Margin)
	}
	if c.bound < margin || f.negligible(c) {
		return Passed
	}
	return Inconclusive
}

// negligible reports whether so few events were seen that the ratio certainly did not grow by what matters: where there are
// hardly any, their logarithm says nothing.
func (f *fit) negligible(c *Comparison) bool {
	if f.q.Scale != Logit || f.q.More {
		return false
	}
	k := uint64(math.Round(c.After * c.events))
	excess := RatioInterval(k, max(k, uint64(c.events))).High - c.Before
	return excess*c.events < math.Max(f.q.Excess, f.q.Absolute*c.events)
}

// alike returns the variance of the mean of m runs by that of one: runs made one after the other are somewhat alike.
func alike(m float64) float64 { return (1 + 2*runsAlike*(1-1/m)) / m }

// each reports whether every rerun by itself is worse by what matters.
func (f *fit) each(reruns []RunValue) bool {
	for _, r := range reruns {
		if y, ok := f.q.scale(r); ok && f.q.worse(y-f.mean) < f.q.least() {
			return false
		}
	}
	return true
}

// least returns the relative gate on the scale of comparison.
func (q *Quantity) least() float64 {
	if q.More {
		return -math.Log1p(-q.Relative)
	}
	return math.Log1p(q.Relative)
}
