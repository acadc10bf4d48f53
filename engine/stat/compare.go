package stat

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Scale is the scale on which values of runs are compared.
type Scale int

// The scales.
const (
	Log   Scale = iota // logarithms: differences are relative changes. For latencies, sizes, throughput
	Logit              // of a ratio of events, with half an event added on both sides: differences are odds ratios
)

// Quantity says what a value of runs is, and how much of a change of it matters. A change counts only if it passes Relative,
// Absolute and Excess alike: what is certain may still be too little to care.
type Quantity struct {
	Scale    Scale
	More     bool    // more is better, as of throughput
	Relative float64 // least relative change: 0.05 is 5%; of less of something that should be more, the loss
	Absolute float64 // least change in the value's own unit
	Excess   float64 // Logit: least number of events beyond the baseline's
	Margin   float64 // a change that is certainly less than this is a pass
	Kappa    float64 // variance between runs by that inside of them, before enough runs show it; 0: DefaultKappa
}

// RunValue is what one run came to.
type RunValue struct {
	Value float64 // NaN: not measured
	// Variance of the value by what happened inside the run, on the scale of comparison, as QuantileVariance gives it.
	// Not positive: unknown. Logit does not need it.
	Variance float64
	Count    float64 // Logit: the events of which Value is the ratio
}

// Judgement is what a comparison comes to.
type Judgement string

// The judgements.
const (
	Regression   Judgement = "regression"
	Suspect      Judgement = "suspect" // it looks like a regression; two more runs decide
	Passed       Judgement = "pass"    // not worse, or by less than the margin, with 95% confidence
	Inconclusive Judgement = "inconclusive"
	Improvement  Judgement = "improvement"
	Indicative   Judgement = "indicative" // too few runs to compare with for any promise
	Invalid      Judgement = "invalid"    // there is nothing to compare
)

// How sure a comparison is. The README has what these were measured at.
const (
	MinBaseline     = 5    // fewer runs give nothing but Indicative
	DefaultBaseline = 10   // runs that a baseline should have
	MinKappaRuns    = 30   // fewer runs do not show the ratio of variances; see Kappa
	DefaultKappa    = 9.0  // of a quantity whose ratio nobody knows
	priorWeight     = 4.0  // degrees of freedom that the variance inside of runs stands for
	suspectLevel    = 0.05 // one-sided, of one quantity
	familyLevel     = 0.04 // one-sided, of all quantities together (Holm)
	aloneLevel      = 0.02 // the same without reruns, which would show what was chance
	fewRuns         = 1.75 // exponent by which runs missing to DefaultBaseline make a P greater
	runsAlike       = 0.3  // correlation of runs that are made one after the other
	trimMADs        = 3.5
	z80             = 0.8416212335729143 // power of 80%
)

// Comparison is what was found of one quantity. Changes are relative and signed: 0.1 is 10% more than before.
type Comparison struct {
	Judgement   Judgement
	Leaning     Judgement // what an Indicative one would be with enough runs
	Unconfirmed bool      // a Regression that one run alone shows
	Worse       bool      // the change is for the worse, however small
	Before      float64   // the level of the baseline
	After       float64
	Change      float64
	Interval    Interval // of Change, two-sided
	P           float64  // one-sided, of "not worse"; before Holm's correction
	// Detectable is the least change for the worse that such a comparison finds in 80% of cases.
	Detectable float64
	Runs       int   // of the baseline, that were used
	Fresh      int   // runs that the baseline was compared with
	Trimmed    []int // runs of the baseline that were left out as outliers
	Warnings   []string

	bound  float64 // one-sided 95% bound of the change for the worse, on the scale of comparison
	events float64 // Logit: of the fresh runs together
}

// Sample is one quantity of the runs that are compared.
type Sample struct {
	Quantity Quantity
	Baseline []RunValue
	Run      RunValue
	Reruns   []RunValue // of the same, made after it: they alone decide whether a suspect is a regression
}

// Compare compares a run with a baseline, in all quantities at once.
//
// The unit is the run: what happens inside of one says nothing about how runs differ (Kalibera and Jones, ISMM 2013). A
// run is suspect in a quantity if it lies outside of the one-sided 95% prediction interval of the baseline and the change
// matters. The variance is that of the runs of the baseline, moderated by the variance inside of runs (Smyth, Stat. Appl.
// Genet. Mol. Biol. 3(1), 2004); its outliers are left out. Only reruns make a suspect a regression: their mean is compared
// alone, so that the luck of the first run does not count, with Holm's correction over the suspects (Holm, Scand. J. Stat.
// 6, 1979), and each of them has to be worse by what matters, so that one outlier among them does not count either. Without
// reruns Holm's correction over all quantities decides, at a stricter level, and the regression is unconfirmed.
//
// It assumes log-normal differences between runs that are as great in the baseline as afterwards, and runs that are no more
// alike than a correlation of 0.3 from one to the next.
func Compare(samples []Sample) []Comparison {
	all := make([]Comparison, len(samples))
	fits := make([]fit, len(samples))
	p := make([]float64, len(samples))
	better := make([]float64, len(samples))
	reruns := false
	for i := range samples {
		s := &samples[i]
		f := newFit(&s.Quantity, s.Baseline, append([]RunValue{s.Run}, s.Reruns...))
		fits[i] = f
		all[i] = f.compare([]RunValue{s.Run})
		p[i], better[i] = all[i].cautious()
		reruns = reruns || len(s.Reruns) > 0
	}
	suspect := make([]bool, len(samples))
	for i := range all {
		suspect[i] = all[i].P < suspectLevel && fits[i].matters(&all[i], true)
	}
	certain, improved := holm(p, aloneLevel, nil), holm(better, aloneLevel, nil)
	if reruns {
		for i := range all {
			fresh := samples[i].Reruns
			if !suspect[i] {
				fresh = append([]RunValue{samples[i].Run}, fresh...)
			}
			all[i] = fits[i].compare(fresh)
			p[i], better[i] = all[i].cautious()
		}
		certain, improved = holm(p, familyLevel, suspect), holm(better, familyLevel, nil)
	}
	for i := range all {
		c := &all[i]
		if c.Judgement == Invalid {
			continue
		}
		switch {
		case suspect[i] && certain[i] && fits[i].matters(c, true) && fits[i].each(samples[i].Reruns):
			c.Judgement, c.Unconfirmed = Regression, !reruns
		case suspect[i] && !reruns:
			c.Judgement = Suspect
		case improved[i] && fits[i].matters(c, false):
			c.Judgement = Improvement
		default:
			c.Judgement = fits[i].within(c)
		}
		c.indicate(MinBaseline)
	}
	return all
}

// cautious returns P and its complement for Holm's procedure. Few runs that are somewhat alike show less of how runs differ than
// their degrees of freedom say, and the noisier they are the more that matters: so they count for less. Those that are too few for
// a verdict say where it leans.
func (c *Comparison) cautious() (worse, better float64) {
	by := 1.0
	if n := c.Runs + len(c.Trimmed); n >= MinBaseline && n < DefaultBaseline {
		by = math.Pow(float64(DefaultBaseline-1)/float64(n-1), fewRuns)
	}
	return math.Min(1, by*c.P), math.Min(1, by*(1-c.P))
}

// indicate takes a judgement back that too few runs carry.
func (c *Comparison) indicate(least int) {
	if c.Runs+len(c.Trimmed) < least {
		c.Judgement, c.Leaning, c.Unconfirmed = Indicative, c.Judgement, false
		c.Warnings = append(c.Warnings, fmt.Sprintf("a verdict needs %d runs to compare with, has %d", least, c.Runs))
	}
}

// ComparePaired compares two targets that were run in turns: value i of a and of b are of the same block, so that what the
// machine does to both falls out. The differences of the blocks are tested by Student's t with Holm's correction; there is
// nothing to confirm. quantities, a and b have one element for each quantity.
//
// It assumes that the blocks are independent and that neither side always comes first.
func ComparePaired(quantities []Quantity, a, b [][]RunValue) []Comparison {
	all := make([]Comparison, len(quantities))
	fits := make([]fit, len(quantities))
	p, better := make([]float64, len(quantities)), make([]float64, len(quantities))
	for i := range quantities {
		fits[i] = fit{q: &quantities[i]}
		all[i] = fits[i].pair(a[i], b[i])
		p[i], better[i] = all[i].P, 1-all[i].P
	}
	certain, improved := holm(p, familyLevel, nil), holm(better, familyLevel, nil)
	for i := range all {
		c := &all[i]
		if c.Judgement == Invalid {
			continue
		}
		switch {
		case certain[i] && fits[i].matters(c, true):
			c.Judgement = Regression
		case improved[i] && fits[i].matters(c, false):
			c.Judgement = Improvement
		default:
			c.Judgement = fits[i].within(c)
		}
		c.indicate(MinBaseline)
	}
	return all
}

// holm tells which hypotheses Holm's procedure rejects at a level; where among is not nil, of those only.
func holm(p []float64, level float64, among []bool) []bool {
	var order []int
	for i := range p {
		if among == nil || among[i] {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case p[i] < p[j]:
			return -1
		case p[i] > p[j]:
			return 1
		}
		return 0
	})
	rejected := make([]bool, len(p))
	for k, i := range order {
		if !(p[i] <= level/float64(len(order)-k)) {
			break
		}
		rejected[i] = true
	}
	return rejected
}

// Kappa returns the ratio of the variance between runs to that inside of them, as the history of a quantity shows it; 0,
// which is "unknown", for fewer than MinKappaRuns.
//
// It assumes that the level of the runs did not change.
func Kappa(q Quantity, runs []RunValue) float64 {
	y, v := scaled(&q, runs)
	inside := median(v)
	if len(y) < MinKappaRuns || !(inside > 0) {
		return 0
	}
	spread := madn(y, median(y))
	return spread * spread / inside
}

// QuantileVariance returns the variance of the logarithm of the q-quantile of a run from its batches, which are its
// stretches of equal length after the warm-up; all is their merger. 0 where it is not known.
//
// By Bahadur's representation (Ann. Math. Stat. 37, 1966) a quantile varies as the share of observations above it does,
// divided by the density there: so the shares of the batches above the quantile of all are what batch means are taken of
// (Seila, Management Science 28, 1982), which needs no quantile of a batch.
//
// It assumes that batches are longer than what is alike in them: ten times the correlation time.
func QuantileVariance(all Counted, batches []Counted, q float64) float64 {
	n := float64(all.Count())
	at := all.Quantile(q)
	if n == 0 || !(at > 0) {
		return 0
	}
	var shares []float64
	for _, b := range batches {
		if c := float64(b.Count()); c > 0 {
			shares = append(shares, 1-float64(b.CountAtMost(at))/c)
		}
	}
	if len(shares) < 2 {
		return 0
	}
	// The slope of ln(quantile) by share, over a stretch wide enough to be seen.
	h := math.Max(2*math.Sqrt(q*(1-q)/n), (1-q)/4)
	low, high := math.Max(q-h, 0), math.Min(q+h, 1-0.5/n)
	below, above := all.Quantile(low), all.Quantile(high)
	if !(below > 0) || !(high > low) {
		return 0
	}
	slope := math.Log(above/below) / (high - low)
	_, variance := moments(shares)
	// A few batches may be alike by chance: no quantile is surer than that of independent observations.
	variance = math.Max(variance/float64(len(shares)), q*(1-q)/n)
	return slope * slope * variance
}

// Counted is a sample that can also be asked how much of it lies below a value.
type Counted interface {
	Ordered
	CountAtMost(v float64) uint64
}

// MeanVariance returns the variance of the logarithm of the mean of batches, 0 where it is not known.
func MeanVariance(batches []float64) float64 {
	values, _, _ := finite(batches)
	mean, variance := moments(values)
	if len(values) < 2 || !(mean > 0) {
		return 0
	}
	return variance / float64(len(values)) / (mean * mean)
}

// critical returns the t that Student's distribution exceeds with probability p.
func critical(p, df float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Quantile(1 - p)
}
