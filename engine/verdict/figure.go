package verdict

import (
	"fmt"
	"slices"
	"strings"

	"tidegauge/engine/answer"
	"tidegauge/engine/plan"
)

// figure decides an objective on a figure of the answer. Where the answer has it of several subjects, each has to meet it.
func (j *Judge) figure(o *plan.Objective, d doubt) Finding {
	r := &ObjectiveResult{Text: o.Text, Threshold: o.Threshold, Unit: unitOf(o)}
	f := Finding{Outcome: Inconclusive, Code: CodeNoData, Objective: r}
	figures, subjects := j.figures(o)
	if len(figures) == 0 {
		f.Message = o.Text + ": the test gave no answer with this figure"
		if len(subjects) > 0 {
			f.Message = fmt.Sprintf("%s: the answer has it of %s only", o.Text, strings.Join(subjects, ", "))
		}
		return f
	}
	var worst *answer.Figure
	var weight int
	for _, one := range figures {
		w := weightOf(o, one)
		if worst == nil || w > weight || w == weight && w > 0 && worse(o, *one.Value, *worst.Value) {
			worst, weight = one, w
		}
	}
	about := o.Text
	if worst.Subject != "" && o.Selector["subject"] == "" {
		about += " (" + worst.Subject + ")"
	}
	if worst.Value == nil {
		f.Message = about + ": there is no value"
		if worst.Text != "" {
			f.Message = about + ": " + worst.Text
		}
		if j.answer.Standing == answer.Good {
			f.Outcome = NoData
		}
		return f
	}
	r.Value, r.Low, r.High, r.Samples = worst.Value, worst.Low, worst.High, uint64(len(figures))
	value := Format(*worst.Value, r.Unit)
	if worst.Censored {
		value = "more than " + value
	}
	f.Code = CodeObjective
	switch weight {
	case figureMet:
		f.Outcome, f.Message = Pass, fmt.Sprintf("%s met: %s", about, value)
	case figureUnknown:
		f.Code, f.Message = CodeSamples, fmt.Sprintf("%s: %s, and how much more is not known", about, value)
	default:
		f.Outcome, f.Message = Fail, fmt.Sprintf("%s missed: %s", about, value)
		if why := d.applies(o); why != "" {
			f.Outcome, f.Warnings = Inconclusive, append(f.Warnings, "missed, but "+why)
		}
	}
	if l, h := worst.Low, worst.High; l != nil && h != nil && holds(o, *l) != holds(o, *h) {
		f.Warnings = append(f.Warnings, fmt.Sprintf("the interval %s includes the limit", Interval(l, h, r.Unit)))
	}
	return f
}

// figures returns the figures of the answer that an objective is about, and the subjects there are of this figure.
func (j *Judge) figures(o *plan.Objective) (figures []*answer.Figure, subjects []string) {
	if j.answer == nil {
		return nil, nil
	}
	for i := range j.answer.Figures {
		f := &j.answer.Figures[i]
		if f.Metric != o.Figure {
			continue
		}
		if f.Subject != "" && !slices.Contains(subjects, f.Subject) {
			subjects = append(subjects, f.Subject)
		}
		if want := o.Selector["subject"]; want == "" || want == f.Subject {
			figures = append(figures, f)
		}
	}
	return figures, subjects
}

// The outcomes of a figure by how much they weigh among several.
const (
	figureNone = iota // there is no value
	figureMet
	figureUnknown // it is censored, and may lie on either side
	figureMissed
)

func weightOf(o *plan.Objective, f *answer.Figure) int {
	upper := o.Op == "<" || o.Op == "<="
	switch {
	case f.Value == nil:
		return figureNone
	case f.Censored && holds(o, *f.Value) == upper || f.Censored && o.Op == "==":
		return figureUnknown
	case holds(o, *f.Value):
		return figureMet
	}
	return figureMissed
}
