package verdict

import (
	"fmt"
	"math"
	"time"

	"tidegauge/engine/hist"
	"tidegauge/engine/plan"
	"tidegauge/engine/stat"
)

// minRateTime is how long a rate must have been watched before its miss can end a run.
const minRateTime = 10 * time.Second

// minRatio is how many observations a ratio needs.
const minRatio = 30

// evaluation is an objective against one stretch of the run.
type evaluation struct {
	outcome  Outcome
	code     string
	value    float64
	hasValue bool
	unit     string
	samples  uint64
	interval *stat.Interval
	settled  bool   // no number of further samples of this kind will change the outcome but by chance
	few      string // what is missing, if there are too few samples
}

func unitOf(o *plan.Objective) string {
	switch o.Metric {
	case plan.Quantile, plan.Mean, plan.Maximum:
		return "s"
	case plan.ErrorRate, plan.CheckRate:
		return "ratio"
	case plan.Rate:
		return "1/s"
	case plan.Count, plan.Failures:
		return "1"
	case plan.Figure:
		return o.FigureUnit()
	}
	return o.Unit
}

// holds compares a value with an objective's limit.
func holds(o *plan.Objective, v float64) bool {
	switch o.Op {
	case "<":
		return v < o.Threshold
	case "<=":
		return v <= o.Threshold
	case ">":
		return v > o.Threshold
	case ">=":
		return v >= o.Threshold
	case "==":
		return v == o.Threshold
	}
	return false
}

// evaluate decides an objective, other than PromQL, by what was counted in a stretch of that length.
func evaluate(o *plan.Objective, s *sums, length time.Duration) evaluation {
	e := evaluation{unit: unitOf(o), code: CodeObjective}
	measureValue(&e, o, s, length)
	if !e.hasValue {
		e.outcome, e.code = Inconclusive, CodeNoData
		return e
	}
	e.outcome = Pass
	if !holds(o, e.value) {
		e.outcome = Fail
		e.settled = settled(o, &e, length)
	}
	if e.few != "" && !(e.outcome == Fail && e.settled) && !(e.outcome == Pass && clears(o, &e)) {
		e.outcome, e.code = Inconclusive, CodeSamples
	}
	return e
}

// clears reports whether a met quantile or ratio is met over its whole interval, which counts the samples there are: then few
// are enough. The interval of a mean leans on there being many, so it does not count here.
func clears(o *plan.Objective, e *evaluation) bool {
	i := e.interval
	if i == nil || o.Metric == plan.Mean || math.IsInf(i.Low, 0) || math.IsInf(i.High, 0) {
		return false
	}
	return holds(o, i.Low) && holds(o, i.High)
}

// measureValue sets the value, its interval, and what there is to say of the samples.
func measureValue(e *evaluation, o *plan.Objective, s *sums, length time.Duration) {
	ratio := func(k, n uint64) {
		e.samples, e.hasValue = n, n > 0
		if n == 0 {
			return
		}
		e.value = float64(k) / float64(n)
		i := stat.RatioInterval(k, n)
		e.interval = &i
		if n < minRatio {
			e.few = fmt.Sprintf("a ratio needs %d samples, has %d", minRatio, n)
		}
	}
	e.samples, e.hasValue = s.finished, s.finished > 0
	switch o.Metric {
	case plan.Quantile:
		e.value = s.times.Quantile(o.Quantile)
		i := stat.QuantileInterval(&s.times, o.Quantile)
		e.interval = &i
		e.few = stat.QuantileWarning(s.times.Count(), o.Quantile)
	case plan.Mean:
		e.value = s.times.Mean()
		i := stat.MeanInterval(e.value, variance(&s.times), s.times.Count())
		e.interval = &i
		if len(i.Warnings) > 0 {
			e.few = i.Warnings[0]
		}
	case plan.Maximum:
		e.value = s.times.Max()
	case plan.ErrorRate:
		ratio(s.failed, s.finished)
	case plan.CheckRate:
		ratio(s.passed, s.checked)
	case plan.Rate:
		e.hasValue = length > 0
		if length > 0 {
			e.value = float64(s.finished) / length.Seconds()
		}
	case plan.Count:
		e.value, e.hasValue = float64(s.finished), true
	case plan.Failures:
		e.value = float64(s.failed)
	}
}

// settled reports whether a missed objective will stay missed: its whole interval misses the limit, or what is counted
// can only grow further away from it.
func settled(o *plan.Objective, e *evaluation, length time.Duration) bool {
	switch o.Metric {
	case plan.Maximum, plan.Count, plan.Failures:
		return e.value >= o.Threshold && o.Op != ">" // it cannot fall again
	case plan.Rate:
		return length >= minRateTime
	}
	i := e.interval
	switch o.Op {
	case "<", "<=":
		return !holds(o, i.Low)
	case ">", ">=":
		return !holds(o, i.High)
	}
	return !i.Contains(o.Threshold)
}

// variance estimates the variance of what a histogram holds from its buckets, each taken at its geometric middle: exact to
// the 0.27% of a bucket's width.
func variance(h *hist.Histogram) float64 {
	n := float64(h.Count())
	if n < 2 {
		return 0
	}
	mean := h.Mean()
	b := h.Buckets(hist.Scale)
	base := math.Exp2(math.Exp2(-float64(b.Scale)))
	middle := math.Pow(base, float64(b.Offset)+0.5)
	sum := float64(b.Zero) * mean * mean
	for _, c := range b.Counts {
		sum += float64(c) * (middle - mean) * (middle - mean)
		middle *= base
	}
	return sum / (n - 1)
}

// result returns the evaluation as the report has it.
func (e *evaluation) result(o *plan.Objective) *ObjectiveResult {
	r := &ObjectiveResult{Text: o.Text, Threshold: o.Threshold, Unit: e.unit, Samples: e.samples}
	if e.hasValue {
		r.Value = &e.value
	}
	if e.interval != nil && e.hasValue {
		if !math.IsInf(e.interval.Low, 0) {
			r.Low = &e.interval.Low
		}
		if !math.IsInf(e.interval.High, 0) {
			r.High = &e.interval.High
		}
	}
	return r
}

// straddles returns a warning when the limit lies inside the interval.
func (e *evaluation) straddles(o *plan.Objective) string {
	i := e.interval
	if i == nil || !i.Contains(o.Threshold) {
		return ""
	}
	return fmt.Sprintf("the 95%% interval %s includes the limit", Interval(&i.Low, &i.High, e.unit))
}

// Interval writes an interval; an end that is nil or infinite is open.
func Interval(low, high *float64, unit string) string {
	side := func(v *float64) string {
		if v == nil || math.IsInf(*v, 0) {
			return "?"
		}
		return Format(*v, unit)
	}
	return "[" + side(low) + ", " + side(high) + "]"
}
