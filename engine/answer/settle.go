package answer

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/hist"
	"tidegauge/engine/stat"
	"tidegauge/engine/timeline"
)

const (
	usualStep   = 5 * time.Second // of the values that warm-up and steadiness are looked for in
	usualValues = 60              // of a stretch; a shorter one than that many usual steps has shorter steps
	mostFloor   = 30 * time.Second
	floorShare  = 10 // of a short stretch, one part in that many is left out at least
)

// Values are what became of the work of a stretch of constant load, one value of each kind for every step.
type Values struct {
	Start time.Duration // where the first step begins, from the start of the run
	Step  time.Duration
	Width time.Duration // of the whole stretch

	P50, P95 []float64 // of the response times of good requests, seconds; NaN without any
	Goodput  []float64 // good requests per second
	Failures []float64 // failed requests of all that ended, ratio; NaN without any
}

// ValuesOf sorts the buckets of a timeline into values, from one offset since the start of the run to another. The step is
// 5 s, in a stretch of less than 5 minutes a sixtieth of it in whole buckets of the timeline, at least one.
func ValuesOf(t *timeline.Timeline, from, to time.Duration) Values {
	return valuesOf(t, from, to, usualValues)
}

// TrendValuesOf is ValuesOf with twice as many values of a stretch of less than ten minutes: enough for a trend in what a soak
// leaves of it.
func TrendValuesOf(t *timeline.Timeline, from, to time.Duration) Values {
	return valuesOf(t, from, to, 2*usualValues)
}

func valuesOf(t *timeline.Timeline, from, to time.Duration, values int) Values {
	width := t.Width()
	first, last := int((from+width-1)/width), min(int(to/width), len(t.Buckets()))
	per := max(1, int(min(usualStep, (to-from)/time.Duration(values))/width))
	v := Values{Start: time.Duration(first) * width, Step: time.Duration(per) * width, Width: max(0, to-from)}
	for i := first; i+per <= last; i += per {
		b := t.Between(time.Duration(i)*width, time.Duration(i+per)*width)
		v.P50 = append(v.P50, quantile(&b.Response, 0.5))
		v.P95 = append(v.P95, quantile(&b.Response, 0.95))
		v.Goodput = append(v.Goodput, float64(b.Good)/v.Step.Seconds())
		failures := math.NaN()
		if n := b.Requests(); n > 0 {
			failures = float64(b.Failed) / float64(n)
		}
		v.Failures = append(v.Failures, failures)
	}
	return v
}

func quantile(h *hist.Histogram, q float64) float64 {
	if h.Count() == 0 {
		return math.NaN()
	}
	return h.Quantile(q)
}

// Settling says how a stretch of constant load began and whether it stayed where it was.
type Settling struct {
	Found    bool          // a warm-up was looked for
	WarmUp   time.Duration // to leave out
	Bound    bool          // it may be longer
	Tested   bool          // there was enough to tell whether the rest is steady
	Unsteady []string      // why the rest is not steady: what, how much, when
	Shifts   []Mark        // where it was on another level, in seconds from the start of the run
	Drifts   []Drift       // over the rest
	Warnings []string
}

// Drift is how much something changed from the beginning of what was judged to its end, by Sen's line, relative to its level.
type Drift struct {
	Name     string
	Change   float64
	Interval stat.Interval
}

// Floor returns what of a stretch of that length is left out at least when its warm-up is looked for: 30 s, of one of less
// than 5 minutes a tenth.
func Floor(length time.Duration) time.Duration { return min(mostFloor, length/floorShare) }

// WarmUpOf looks for the warm-up of a stretch: at most half of it. It is 0 where there are too few values to look for one.
func WarmUpOf(v Values) stat.Cut {
	if len(v.P50) < 2*fewestValues {
		return stat.Cut{Warnings: []string{fmt.Sprintf(
			"the stretch of constant load is too short to look for a warm-up: it needs %d values, one for every %v, and has %d", 2*fewestValues, v.Step, len(v.P50))}}
	}
	return stat.WarmUp(stat.WarmUpOptions{Interval: v.Step, Floor: Floor(v.Width)}, v.P50, v.P95, v.Goodput)
}

const fewestValues = 10 // that the warm-up may leave

// ShortestLooked is the length of a stretch of constant load below which no warm-up is looked for.
const ShortestLooked = 2 * fewestValues * time.Second

// Settle finds the warm-up of a stretch, if it is to be looked for, and tests what follows it for steadiness and drift.
func Settle(v Values, look bool) Settling {
	s := Settling{Found: look}
	cut := stat.Cut{}
	o := stat.WarmUpOptions{Interval: v.Step, Floor: -1}
	if look {
		cut = WarmUpOf(v)
		o.Floor = Floor(v.Width)
		s.WarmUp, s.Bound, s.Found = cut.Length, cut.Bound, cut.Drop > 0
		if cut.Bound {
			s.Warnings = append(s.Warnings, fmt.Sprintf("the warm-up may last longer than the %v that were left out: no more than half is", cut.Length))
		}
		if !s.Found {
			s.Warnings = append(s.Warnings, cut.Warnings...)
		}
	}
	for _, one := range []struct {
		name   string
		values []float64
	}{{"p50", v.P50}, {"p95", v.P95}, {"throughput", v.Goodput}} {
		found := stat.IsSteady(o, cut, one.values)
		s.Tested = s.Tested || found.State != stat.Unknown
		s.shifts(v, one.name, found)
		if change, i, ok := stat.DriftOf(one.values[min(cut.Drop, len(one.values)):]); ok {
			s.Drifts = append(s.Drifts, Drift{one.name, change, i})
		}
	}
	if !s.Tested {
		s.Warnings = append(s.Warnings, "the stretch of constant load is too short to tell whether it was steady")
	}
	return s
}

// shifts takes what was found of one series into account, with its times from the start of the run.
func (s *Settling) shifts(v Values, name string, found stat.Steadiness) {
	for _, x := range found.Shifts {
		from, to := v.Start+x.Start, v.Start+x.End
		s.Shifts = append(s.Shifts, Mark{name, from.Seconds(), to.Seconds()})
		text := fmt.Sprintf("%s %s by %.0f%% at %v", name, rose(x.Change), 100*math.Abs(x.Change), from)
		if x.EndsBeforeSeries {
			text += fmt.Sprintf(" until %v", to)
		}
		s.Unsteady = append(s.Unsteady, text)
	}
	if found.State == stat.Trended || found.Growth != 0 {
		s.Unsteady = append(s.Unsteady, fmt.Sprintf("%s %s steadily by %.0f%%", name, rose(found.Growth), 100*math.Abs(found.Growth)))
	}
}

func rose(change float64) string {
	if change < 0 {
		return "fell"
	}
	return "rose"
}

// LatencyUnsteady returns why the response times were not steady; empty where they were, or nothing could be told.
func (s *Settling) LatencyUnsteady() string {
	reasons := slices.DeleteFunc(slices.Clone(s.Unsteady), func(r string) bool { return !strings.HasPrefix(r, "p") })
	return strings.Join(reasons, ", ")
}
