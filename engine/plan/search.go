package plan

import (
	"fmt"
	"math"
	"slices"
	"time"

	"tidegauge/engine/document"
)

// Search is how a stress test finds out where the target breaks: by trials, one load after the other.
type Search struct {
	Pos      Pos
	From, To float64       // the least and the greatest load
	Add      float64       // of a step test: added after each step that passes; 0: a search
	WarmUp   time.Duration // at the beginning of a trial, that is not judged
	Trial    time.Duration // that is judged
	Budget   time.Duration // no trial begins that would end later than this after the start; of a step test 0: its steps are its budget
	Width    float64       // half the width of the 90% interval to stop at, relative
	Trials   int           // most trials before the confirming ones
}

// Steps reports whether it is a step test.
func (s *Search) Steps() bool { return s.Add > 0 }

// What a search is where the plan does not say.
const (
	defaultTrial        = 30 * time.Second
	defaultTrialWarmUp  = 5 * time.Second
	defaultSearchBudget = 30 * time.Minute
	defaultSearchWidth  = 0.03
	defaultTrials       = 40

	phaseSearch = "search"
)

// newSearch is a search with the defaults.
func newSearch(from, to float64) *Search {
	return &Search{
		From: from, To: to,
		WarmUp: defaultTrialWarmUp, Trial: defaultTrial, Budget: defaultSearchBudget, Width: defaultSearchWidth, Trials: defaultTrials,
	}
}

// newStepTest is a step test of steps of that length, of which the first quarter, at most 5 s, is not judged.
func newStepTest(start, add float64, count int, every time.Duration) *Search {
	warm := min(defaultTrialWarmUp, every/4)
	return &Search{From: start, To: start + float64(count-1)*add, Add: add, WarmUp: warm, Trial: every - warm}
}

// search reads how a search is to be done, into the one that its load asks for.
func (d *decoder) search(n node, s *Search) {
	d.Mapping(n, "a search",
		document.Key("trial", document.Into(&s.Trial, d.Positive)),
		document.Key("warm_up", document.Into(&s.WarmUp, d.Duration)),
		document.Key("budget", document.Into(&s.Budget, d.Positive)),
		document.Key("width", document.Into(&s.Width, document.Read(d.Decoder, document.RatioForm, document.ParseRatio))),
		document.Key("trials", document.Into(&s.Trials, d.Whole(3, maxStages))),
	)
}

// leastWidth and mostWidth bound how exactly a capacity is asked for.
const leastWidth, mostWidth = 0.001, 0.5

// searchProblems finds what makes a search senseless. The objectives of the test are known.
func (t *Test) searchProblems() []problem {
	s := t.Search
	if s == nil {
		return nil
	}
	var problems []problem
	wrong := func(key, format string, args ...any) {
		problems = append(problems, problem{key, -1, fmt.Sprintf(format, args...)})
	}
	key := "search"
	if s.Steps() {
		key = t.Shape.key()
	}
	if !slices.ContainsFunc(t.Objectives, func(o Objective) bool { return o.Metric != Figure && o.Metric != Count && !o.Trend() }) {
		wrong("type", "there are no objectives, and a %s test looks for the load that still meets them, expected some, such as p95 < 500ms and error_rate < 1%%", t.Type)
	}
	if !s.Steps() {
		if len(t.Faults) > 0 {
			wrong("faults", "faults have no place in a search, whose trials are to be alike, expected none, or a test of type recovery")
		}
		if !(s.Width >= leastWidth && s.Width <= mostWidth) {
			wrong(key, "the width is %g, expected a ratio from %g%% to %g%%", s.Width, 100*leastWidth, 100*mostWidth)
		}
		if one := s.WarmUp + s.Trial; s.Budget < 3*one {
			wrong(key, "the budget of %v has room for %d trials of %v with their warm-up of %v, expected room for 3 at least", s.Budget, s.Budget/max(one, 1), s.Trial, s.WarmUp)
		}
	}
	if t.Shape.Model != Open {
		return problems // nobody knows how many requests users make
	}
	for i := range t.Objectives {
		o := &t.Objectives[i]
		if o.Metric != Quantile || len(o.Selector) > 0 || o.Quantile < 0.5 || o.Quantile >= 1 {
			continue
		}
		// A clean trial must be able to show it: no observation of n above the limit, with 97.5%.
		need := math.Ceil(math.Log(0.025) / math.Log(o.Quantile))
		if have := s.From * s.Trial.Seconds(); have < need {
			wrong(key, "a trial of %v at the lowest load, %g/s, has %.0f iterations, and %s needs %.0f to be shown, expected longer trials or a higher lowest load", s.Trial, s.From, have, document.Quoted(o.Text), need)
		}
	}
	return problems
}

// key returns the key of a test that gives the load.
func (s *Shape) key() string {
	if s.Model == Open {
		return "arrivals"
	}
	return "users"
}
