package verdict

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidegauge/engine/plan"
)

// objectiveFindings decides the objectives. A preset asks the same question of each kind of server: those that are not
// there are left out, and when none is there the preset as a whole had no data.
func (j *Judge) objectiveFindings(ctx context.Context, d doubt) []Finding {
	var all []Finding
	place := map[string]int{} // of a preset's finding without data, while it has no other
	for i, o := range j.objectives {
		f := j.objectiveFinding(ctx, i, o, d)
		f.Objective.Preset = o.Preset
		if o.Preset == "" || o.Metric != plan.PromQL {
			all = append(all, f)
			continue
		}
		at, known := place[o.Preset]
		switch {
		case f.Code == CodeNoData && !known:
			place[o.Preset] = len(all)
			all = append(all, presetWithoutData(o.Objective))
		case f.Code == CodeNoData:
		case known && all[at].Outcome == NoData && all[at].Objective.Preset == o.Preset:
			all[at] = f
		default:
			place[o.Preset] = len(all)
			all = append(all, f)
		}
	}
	return all
}

func presetWithoutData(o *plan.Objective) Finding {
	return Finding{Outcome: NoData, Code: CodeNoData, Message: o.Preset + ": no server that is scraped shows it",
		Objective: &ObjectiveResult{Text: o.Preset, Preset: o.Preset, Unit: unitOf(o)}}
}

// joined names the objectives of findings.
func joined(findings []Finding) string {
	names := make([]string, len(findings))
	for i := range findings {
		names[i] = findings[i].Objective.Text
	}
	return strings.Join(names, ", ")
}

// objectiveFinding decides one objective.
func (j *Judge) objectiveFinding(ctx context.Context, k int, o *objective, d doubt) Finding {
	if o.Metric == plan.Figure {
		return j.figure(o.Objective, d)
	}
	if j.begin == nil && j.live.cut {
		return noData(o.Objective, fmt.Sprintf("%s: the load was changed before the %s began", o.Text, j.part.name()))
	}
	if j.begin == nil {
		return noData(o.Objective, fmt.Sprintf("%s: the run ended before its %s began", o.Text, j.part.name()))
	}
	if o.Metric == plan.PromQL {
		return j.promQL(ctx, o.Objective)
	}
	e := evaluate(o.Objective, &o.end, j.judgedLength())
	f := Finding{Outcome: e.outcome, Code: e.code, Objective: e.result(o.Objective)}
	if e.outcome != Inconclusive {
		if w := e.straddles(o.Objective); w != "" {
			f.Warnings = append(f.Warnings, w)
		}
	}
	f.Message = j.message(o, &e)
	j.doubtDecided(&f, o, &e)
	j.doubtSteady(&f, k, o, &e)
	if o.windows != nil {
		j.addWindows(&f, o)
	}
	if f.Outcome == Pass && timed(o.Objective) && o.end.finished > 0 && o.end.failed == o.end.finished {
		return onlyFailures(o.Objective)
	}
	f.Warnings = append(f.Warnings, cautions(o)...)
	if f.Outcome == Fail {
		if why := d.applies(o.Objective); why != "" {
			f.Outcome = Inconclusive
			f.Warnings = append(f.Warnings, "missed, but "+why)
		}
	}
	return f
}

func noData(o *plan.Objective, message string) Finding {
	return Finding{Outcome: Inconclusive, Code: CodeNoData, Message: message,
		Objective: &ObjectiveResult{Text: o.Text, Threshold: o.Threshold, Unit: unitOf(o)}}
}

// onlyFailures is an objective of response times that only failures met. Times of failures count, since who leaves out timeouts
// makes a target look the faster the more of its requests hang; but how fast a target fails says nothing of how fast it works.
// That the requests failed is a finding of its own.
func onlyFailures(o *plan.Objective) Finding {
	return Finding{Outcome: NoData, Code: CodeNoData, Message: o.Text + ": no successful request, and how fast requests fail does not meet it",
		Warnings:  []string{"no successful request: all failed, and how fast they did does not meet it"},
		Objective: &ObjectiveResult{Text: o.Text, Threshold: o.Threshold, Unit: unitOf(o)}}
}

// message says what an objective came to.
func (j *Judge) message(o *objective, e *evaluation) string {
	switch {
	case !e.hasValue && o.Metric == plan.CheckRate:
		return o.Text + ": none of the checks it selects had a result"
	case !e.hasValue:
		return o.Text + ": none of the requests it selects finished"
	case e.outcome == Inconclusive:
		text := fmt.Sprintf("%s: %s, but %s", o.Text, Format(e.value, e.unit), e.few)
		if e.interval != nil {
			text += ", and its 95% interval " + Interval(&e.interval.Low, &e.interval.High, e.unit) + " does not decide it"
		}
		return text
	case e.outcome == Fail:
		return fmt.Sprintf("%s missed: %s", o.Text, Format(e.value, e.unit))
	}
	return fmt.Sprintf("%s met: %s", o.Text, Format(e.value, e.unit))
}

// addWindows adds what the windows of `for` came to.
func (j *Judge) addWindows(f *Finding, o *objective) {
	w := o.windows
	r := f.Objective
	r.Windows, r.Missed, r.Skipped, r.WorstWindow = w.judged, w.missed, w.skipped, w.worst
	switch {
	case w.missed > 0:
		at := windowText(o.Objective, w.worst, j.start)
		if f.Outcome == Fail {
			f.Message += ", at worst " + at
		} else {
			f.Message = fmt.Sprintf("%s missed: %s", o.Text, at)
		}
		f.Outcome, f.Code = Fail, CodeObjective
	case w.judged+w.skipped == 0 && f.Outcome == Pass:
		f.Warnings = append(f.Warnings, fmt.Sprintf("the part judged is shorter than a window of %s", FormatDuration(w.length)))
	case w.judged == 0 && f.Outcome == Pass:
		f.Outcome, f.Code = Inconclusive, CodeSamples
		f.Message += fmt.Sprintf(", but no window of %s could be judged", FormatDuration(w.length))
	}
	if w.skipped > 0 {
		f.Warnings = append(f.Warnings, fmt.Sprintf("%d of %d windows of %s had too few samples and were not judged",
			w.skipped, w.skipped+w.judged, FormatDuration(w.length)))
	}
}

// cautions says what a distribution of times hides.
func cautions(o *objective) []string {
	s := &o.end
	if !timed(o.Objective) || s.finished == 0 {
		return nil
	}
	var w []string
	if float64(s.failed) > shortfall*float64(s.finished) {
		w = append(w, fmt.Sprintf("%s of the requests failed, and their times count too", Format(float64(s.failed)/float64(s.finished), "ratio")))
	}
	if all := s.finished + s.cut; float64(s.cut) > shortfall*float64(all) {
		w = append(w, fmt.Sprintf("%s of the requests were cut at the end, and their times are missing; a longer stop_timeout lets them finish",
			Format(float64(s.cut)/float64(all), "ratio")))
	}
	return w
}

// promQL asks the store.
func (j *Judge) promQL(ctx context.Context, o *plan.Objective) Finding {
	r := &ObjectiveResult{Text: o.Text, Threshold: o.Threshold, Unit: o.Unit}
	f := Finding{Outcome: Inconclusive, Code: CodeQuery, Objective: r}
	if j.o.Querier == nil {
		f.Message = o.Text + ": there is no store to ask"
		return f
	}
	// A range leaves its left end out, where the first sample of the part is; stores count in milliseconds.
	from, to := j.begin.sampled, j.end.at
	if o.Preset != "" && j.undisturbed != nil && len(j.undisturbed.out) > 0 {
		quiet := j.undisturbed.longest(to.Sub(j.start))
		from, to = j.start.Add(quiet.From), j.start.Add(quiet.To)
	}
	length := to.Sub(from) + 2*time.Millisecond
	left, right, held, err := j.o.Querier.Compare(ctx, expand(o.PromQL, j.o.Run, length), to)
	if err != nil {
		f.Message = fmt.Sprintf("%s: %v", o.Text, err)
		return f
	}
	if len(right) > 0 && finite(right[0]) {
		r.Threshold = right[0]
	}
	if len(left) == 0 || len(right) == 0 || slices.ContainsFunc(left, math.IsNaN) {
		f.Code, f.Message = CodeNoData, o.Text+": the store has no data for it"
		return f
	}
	if r.Samples = uint64(len(left)); finite(worst(o, left)) { // JSON has no infinity
		v := worst(o, left)
		r.Value = &v
	}
	f.Code, f.Outcome = CodeObjective, Pass
	word := "met"
	if !held {
		f.Outcome, word = Fail, "missed"
	}
	f.Message = fmt.Sprintf("%s %s: %s", o.Text, word, list(left, o.Unit))
	return f
}

// worst returns the value to show of several: a preset's limits are all upper ones, so the greatest; else the first.
func worst(o *plan.Objective, values []float64) float64 {
	if o.Preset != "" {
		return slices.Max(values)
	}
	return values[0]
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// expand puts the run's id for $run and the length of the judged part for $range and, as a number, for $seconds.
func expand(expr, run string, length time.Duration) string {
	length = max(length.Round(time.Millisecond), time.Millisecond)
	text := strconv.FormatInt(length.Milliseconds(), 10) + "ms"
	if length%time.Second == 0 {
		text = strconv.FormatInt(int64(length/time.Second), 10) + "s"
	}
	seconds := strconv.FormatFloat(length.Seconds(), 'f', -1, 64)
	return strings.NewReplacer("$run", run, "$range", text, "$seconds", seconds).Replace(expr)
}

// list writes a few values.
func list(values []float64, unit string) string {
	const most = 3
	var parts []string
	for _, v := range values[:min(most, len(values))] {
		parts = append(parts, Format(v, unit))
	}
	s := strings.Join(parts, ", ")
	if len(values) > most {
		s += fmt.Sprintf(" and %d more", len(values)-most)
	}
	return s
}
