package experiment

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/plan"
	"tidegauge/engine/run"
	"tidegauge/engine/verdict"
)

// stretch is the steady part of a load or soak test and what was found of it.
type stretch struct {
	from, to time.Duration // from the start of the run, what the plan gives as warm-up left out
	values   answer.Values // none: the load was not constant
	settling answer.Settling
}

// settle finds the warm-up of a load or soak test, has it left out of what is judged, and tells the judge whether the rest was
// steady. nil where there is no stretch of constant load.
func (e *experiment) settle(result run.Result) *stretch {
	t := e.o.Test
	if t.Type != plan.Load && t.Type != plan.Soak {
		return nil
	}
	from, to, ok := e.judge.Steady()
	if !ok || !constantLoad(t, from.Sub(result.Start), to.Sub(result.Start)) {
		return nil
	}
	s := &stretch{from: max(0, from.Sub(result.Start)), to: to.Sub(result.Start)}
	s.values = answer.ValuesOf(e.seconds, s.from, s.to)
	s.settling = answer.Settle(s.values, t.WarmUp == nil)
	if left := e.judge.LeaveOut(s.settling.WarmUp); left > 0 {
		s.settling.WarmUp = left
	} else {
		s.settling.WarmUp, s.settling.Found = 0, false
	}
	if why := s.settling.LatencyUnsteady(); why != "" {
		e.judge.NotSteady(why)
	}
	return s
}

// constantLoad reports whether all stages between two offsets hold one level.
func constantLoad(t *plan.Test, from, to time.Duration) bool {
	var level float64
	var at time.Duration
	seen := false
	for _, s := range t.Shape.Stages {
		begin, end := at, at+s.Over
		at = end
		if end <= from || begin >= to || s.Over == 0 {
			continue
		}
		if s.From != s.To || seen && s.From != level {
			return false
		}
		seen, level = true, s.From
	}
	return seen
}

// loadFigures is what objectives of a load test can ask for; its answer is the verdict on these among others.
func loadFigures(s *stretch) *answer.Answer {
	if s == nil {
		return nil
	}
	return &answer.Answer{Standing: answer.Good, Figures: answer.SettledFigures(s.settling)}
}

// loadAnswer answers whether the target holds the expected traffic, which is what the verdict says.
func (e *experiment) loadAnswer(result run.Result, s *stretch, v *verdict.Verdict) *answer.Answer {
	if v.Part == nil {
		return nil // the run ended before anything was judged
	}
	in := answer.LoadInput{
		Standing: map[verdict.Outcome]answer.Standing{verdict.Pass: answer.Good, verdict.Fail: answer.Bad}[v.Outcome],
		Verdict:  v.Summary, Disturbed: len(v.Warnings) > 0, Given: e.o.Test.WarmUp != nil,
		From: v.Part.From.Sub(result.Start), To: min(v.Part.To.Sub(result.Start), e.o.Test.Shape.Duration()),
	}
	if in.Standing == "" {
		in.Standing = answer.Undecided
	}
	if in.Standing == answer.Good {
		in.Verdict = metText(v)
	} else {
		in.Code = v.Code()
	}
	for _, f := range v.Findings {
		if slices.Contains([]string{verdict.CodeGenerator, verdict.CodeLateness, verdict.CodeCPU, verdict.CodeStartRate, verdict.CodeBooks}, f.Code) {
			in.Disturbed = true
		}
	}
	if s != nil {
		in.Values, in.Settling = s.values, s.settling
		in.To = min(in.To, s.to)
	}
	sum := e.seconds.Between(in.From, in.To)
	in.Response, in.Good = &sum.Response, sum.Good
	in.Limits = limitsOf(e.o.Test)
	if e.decider != nil {
		in.Decided = e.decider.text()
	}
	a := answer.LoadAnswer(in)
	return &a
}

// metText says that the objectives are met.
func metText(v *verdict.Verdict) string {
	met := 0
	for _, f := range v.Objectives() {
		if f.Outcome == verdict.Pass {
			met++
		}
	}
	switch met {
	case 0:
		return "no request failed, but there are no objectives to judge its speed by"
	case 1:
		return "the objective is met"
	}
	return fmt.Sprintf("all %d objectives with data are met", met)
}

// limitsOf returns the limits on p95 of all requests, for charts.
func limitsOf(t *plan.Test) []answer.Limit {
	var all []answer.Limit
	for i := range t.Objectives {
		o := &t.Objectives[i]
		if o.Metric == plan.Quantile && o.Quantile == 0.95 && len(o.Selector) == 0 && !o.Service && strings.HasPrefix(o.Op, "<") {
			all = append(all, answer.Limit{Name: o.Text, Value: o.Threshold})
		}
	}
	return all
}
