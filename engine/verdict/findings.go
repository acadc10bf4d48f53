package verdict

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/catalog"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
)

// shortfall is the share of due work that may be missing or dropped.
const shortfall = 0.01

// Verdict decides, after the final snapshot. The context is for PromQL objectives, whose store must have that snapshot and
// must not have ended the run's series before it.
func (j *Judge) Verdict(ctx context.Context) Verdict {
	if j.final == nil {
		return conclude([]Finding{{Outcome: Inconclusive, Code: CodeNoData, Message: "the run ended before anything was measured"}}, nil, nil)
	}
	j.leaveOutDisturbed()
	var findings []Finding
	checks := []func() *Finding{
		j.books, j.generator, j.broken, j.unreachable, j.halted, j.aborted, j.stopped, j.changed, j.nothing, j.late, j.slow, j.dropped, j.excepted, j.failed, j.answered,
	}
	if j.searches() {
		checks = []func() *Finding{j.books, j.broken, j.unreachable, j.halted, j.nothing, j.excepted, j.answered}
		if j.answer == nil {
			checks = append(checks, j.stopped)
		}
	}
	for _, check := range checks {
		if f := check(); f != nil {
			findings = append(findings, *f)
		}
	}
	doubt := j.doubtOf(findings)
	j.strain.finish()
	busy := ""
	if !j.searches() {
		busy = j.strain.cpu(j.o.MaxLateness)
	}
	if busy != "" && doubt.speed == "" {
		doubt.speed = cpuDoubt
	}
	for i := range findings {
		if f := &findings[i]; f.Code == CodeAborted {
			if why := doubt.applies(j.abortedBy); why != "" {
				f.Outcome, f.Warnings = Inconclusive, append(f.Warnings, "but "+why)
			}
		}
	}
	objectives := j.objectiveFindings(ctx, doubt)
	warnings := j.strain.warnings()
	switch {
	case busy == "":
	case slices.ContainsFunc(slices.Concat(findings, objectives), func(f Finding) bool { return slices.ContainsFunc(f.Warnings, isCPUDoubt) }):
		findings = append(findings, Finding{Outcome: Inconclusive, Code: CodeCPU, Message: busy})
	default:
		warnings = append(warnings, busy)
	}
	if len(objectives) > 0 {
		if !slices.ContainsFunc(objectives, func(f Finding) bool { return f.Outcome != NoData }) {
			findings = append(findings, Finding{Outcome: Inconclusive, Code: CodeNoData, Message: "no objective had data: " + joined(objectives)})
		}
		findings = append(findings, objectives...)
	}
	var p *Part
	if j.begin != nil {
		p = &Part{Name: j.partName(), From: j.begin.at, To: j.end.at}
		if j.undisturbed != nil && len(j.undisturbed.out) > 0 {
			p.Name = "undisturbed part"
			for _, s := range j.undisturbed.out {
				p.Without = append(p.Without, Gap{j.start.Add(s.From), j.start.Add(min(s.To, j.finalTime.Sub(j.start)))})
			}
		}
	}
	v := conclude(findings, p, j.final)
	v.Warnings = warnings
	return v
}

// cpuDoubt is the doubt about missed objectives when the generator had too little CPU.
const cpuDoubt = "the generator had too little CPU"

func isCPUDoubt(warning string) bool { return strings.HasSuffix(warning, cpuDoubt) }

// doubt says why missed objectives may be our own doing.
type doubt struct {
	every string // of all of them
	speed string // of latency, rate and count
	count string // of counts not reached
}

func (j *Judge) doubtOf(findings []Finding) doubt {
	var d doubt
	for _, f := range findings {
		switch f.Code {
		case CodeGenerator:
			d.every = "the generator ran out of " + ranOutOf(&j.final.exhausted)
		case CodeLateness:
			d.speed = "the generator was late"
		case CodeStartRate:
			d.speed = "the generator made less load than intended"
		case CodeStopped:
			d.count = "the run was ended early"
		}
	}
	return d
}

// applies returns the doubt that takes a missed objective's failure away, or "".
func (d doubt) applies(o *plan.Objective) string {
	reached := o.Op != "<" && o.Op != "<="
	switch {
	case d.every != "":
		return d.every
	case timed(o), o.Metric == plan.Figure:
		return d.speed
	case o.Metric == plan.Rate && reached:
		return d.speed
	case o.Metric == plan.Count && reached:
		if d.count != "" {
			return d.count
		}
		return d.speed
	}
	return ""
}

func (j *Judge) books() *Finding {
	f := j.final
	if len(f.unbalanced) == 0 {
		return nil
	}
	sum := func(b measure.Books) string {
		return fmt.Sprintf("intended %d = started %d + dropped %d, started %d = finished %d + cut %d",
			b.Intended, b.Started, b.Dropped, b.Started, b.Finished, b.Cut)
	}
	return &Finding{Outcome: Inconclusive, Code: CodeBooks, Message: fmt.Sprintf(
		"the books do not balance, so no number of this run can be trusted (in %s): iterations %s; requests %s; please report this as a bug",
		strings.Join(f.unbalanced, ", "), sum(f.iterations), sum(f.requests))}
}

// answered finds what the answer to the test's question means for the run.
func (j *Judge) answered() *Finding {
	if j.answer == nil || j.answer.Standing == answer.Good && !j.searches() {
		return nil
	}
	outcome := Fail
	switch j.answer.Standing {
	case answer.Good:
		outcome = Pass
	case answer.Undecided:
		if outcome = Inconclusive; j.suffices() {
			outcome = Pass
		}
	}
	return &Finding{Outcome: outcome, Code: j.answer.Code, Message: j.answer.Text}
}

// suffices reports whether a search found enough before it came to its end: a lower bound that meets every objective on the
// capacity, of which there is one.
func (j *Judge) suffices() bool {
	asked := false
	for _, o := range j.objectives {
		if o.Figure != catalog.Capacity && o.Figure != catalog.CapacityUsers {
			continue
		}
		if asked = true; j.figure(o.Objective, doubt{}).Outcome != Pass {
			return false
		}
	}
	return asked && j.searches() && j.answer.Code != answer.CodeInterrupted
}

// generator finds that requests failed for want of something of our own.
func (j *Judge) generator() *Finding {
	e := &j.final.exhausted
	var n uint64
	var remedies []string
	for i, count := range e {
		if count > 0 {
			n += count
			remedies = append(remedies, protocol.Resource(i).Remedy())
		}
	}
	if n == 0 {
		return nil
	}
	return &Finding{Outcome: Inconclusive, Code: CodeGenerator, Message: fmt.Sprintf(
		"the generator ran out of %s: %s failed for that, through no fault of the target; %s",
		ranOutOf(e), requests(n), strings.Join(remedies, "; "))}
}

// ranOutOf names the resources that were lacking.
func ranOutOf(e *[protocol.Resources]uint64) string {
	var names []string
	for i, n := range e {
		if n > 0 {
			names = append(names, protocol.Resource(i).String())
		}
	}
	return strings.Join(names, " and ")
}

// broken finds that the test's faults were not what the plan has.
func (j *Judge) broken() *Finding {
	if len(j.faults) == 0 {
		return nil
	}
	return &Finding{Outcome: Inconclusive, Code: CodeFault, Message: strings.Join(j.faults, "; ")}
}

func (j *Judge) unreachable() *Finding {
	f := j.final
	if j.generator() != nil {
		return nil // who did not get to the door cannot say that nobody is in
	}
	var n uint64
	var kinds []string
	for _, o := range []protocol.Outcome{protocol.Refused, protocol.DNS, protocol.TLS, protocol.Timeout, protocol.Reset} {
		n += f.outcomes[o]
		if f.outcomes[o] > 0 {
			kinds = append(kinds, fmt.Sprintf("%s %d", o, f.outcomes[o]))
		}
	}
	if f.finished == 0 || n != f.finished || f.bytesReceived > 0 {
		return nil
	}
	target := ""
	if j.o.Plan != nil {
		target = " " + j.o.Plan.Target.BaseURL
	}
	detail := ""
	if len(j.failures) > 0 && j.failures[0].Detail != "" {
		detail = ": " + j.failures[0].Detail
	}
	return &Finding{Outcome: Fail, Code: CodeUnreachable, Message: fmt.Sprintf(
		"the target%s gave no answer to any of %s (%s)%s", target, requests(n), strings.Join(kinds, ", "), detail)}
}

func (j *Judge) nothing() *Finding {
	f := j.final
	if f.finished > 0 {
		return nil
	}
	return &Finding{Outcome: Inconclusive, Code: CodeNoData, Message: fmt.Sprintf(
		"no request finished (iterations started: %d, cut at the end: %d)", f.iterations.Started, f.iterations.Cut)}
}

func (j *Judge) aborted() *Finding {
	if j.abortedBy == nil {
		return nil
	}
	return &Finding{Outcome: Fail, Code: CodeAborted, Message: fmt.Sprintf(
		"the run was ended after %s by the objective %s: %s", FormatDuration(j.finalTime.Sub(j.start)), j.abortedBy.Text, j.abortText)}
}

// fewLate is how many late starts are an accident, however few starts there were.
const fewLate = 3

func (j *Judge) late() *Finding {
	l := &j.final.lateness
	if j.begin != nil {
		if part := j.end.account.lateness.Clone(); part.Count() > j.begin.account.lateness.Count() {
			part.Subtract(&j.begin.account.lateness)
			l = part
		}
	}
	p99 := l.Quantile(0.99)
	if p99 <= j.o.MaxLateness.Seconds() || float64(l.Count())*0.01 < fewLate && l.Count()-l.CountAtMost(j.o.MaxLateness.Seconds()) <= fewLate {
		return nil
	}
	return &Finding{Outcome: Inconclusive, Code: CodeLateness, Message: fmt.Sprintf(
		"the generator was late: p50 %s, p99 %s, at most %s (allowed: p99 %s); give it more CPU, or ask for less load",
		Format(l.Quantile(0.5), "s"), Format(p99, "s"), Format(l.Max(), "s"), Format(j.o.MaxLateness.Seconds(), "s"))}
}

// slow finds that the generator did not keep to the schedule of an open shape: work that was due was neither started nor
// dropped although users were free.
func (j *Judge) slow() *Finding {
	shape := &j.o.Test.Shape
	if shape.Model != plan.Open || j.begin == nil || j.early() {
		return nil
	}
	from, to := j.begin, j.loadEnd
	want := due(shape, from.at.Sub(j.start), to.at.Sub(j.start))
	allowed := shortfall*want + 1
	if shape.Poisson {
		allowed += 3 * math.Sqrt(want)
	}
	done := func(m *mark) uint64 { return m.account.iterations.Started + m.account.iterations.Dropped }
	got := done(to) - done(from)
	if want-float64(got) <= allowed || shape.MaxUsers > 0 && to.account.users >= shape.MaxUsers {
		return nil
	}
	return &Finding{Outcome: Inconclusive, Code: CodeStartRate, Message: fmt.Sprintf(
		"the generator started %s of %s due iterations in time, less than %.0f%%; give it more CPU, or ask for less load",
		FormatCount(got), FormatCount(uint64(want+0.5)), 100*(1-shortfall))}
}

func (j *Judge) dropped() *Finding {
	b := j.final.iterations
	if j.begin != nil {
		now, was := j.end.account.iterations, j.begin.account.iterations
		b.Dropped, b.Intended = now.Dropped-was.Dropped, now.Intended-was.Intended
	}
	if j.left != nil { // what a fault or a surge made of the work is the test's answer
		b.Dropped, b.Intended = j.left.books.Dropped, j.left.books.Intended
	}
	if b.Intended == 0 || float64(b.Dropped) <= shortfall*float64(b.Intended) {
		return nil
	}
	return &Finding{Outcome: Inconclusive, Code: CodeDropped, Message: fmt.Sprintf(
		"%s of %s due iterations were never started (%s), for want of a free user: max_users (%d) is too few, or the target too slow",
		FormatCount(b.Dropped), FormatCount(b.Intended), Format(float64(b.Dropped)/float64(b.Intended), "ratio"), j.o.Test.Shape.MaxUsers)}
}

func (j *Judge) excepted() *Finding {
	n := j.final.exceptions
	if n == 0 {
		return nil
	}
	detail := ""
	if len(j.exceptions) > 0 {
		detail = fmt.Sprintf("; in task %s: %s", j.exceptions[0].Task, j.exceptions[0].Message)
	}
	return &Finding{Outcome: Inconclusive, Code: CodeExceptions, Message: fmt.Sprintf(
		"expressions of the plan failed %s times, so it did not do what it says%s", FormatCount(n), detail)}
}

// early reports whether the run ended before its shape was over.
func (j *Judge) early() bool {
	length := j.o.Test.Shape.Duration()
	if j.decidedAt > 0 {
		length = j.decidedAt
	}
	return !j.stoppedAt.IsZero() || j.abortedBy != nil || j.finalTime.Sub(j.start) < length
}

func (j *Judge) stopped() *Finding {
	if j.abortedBy != nil || !j.early() {
		return nil
	}
	at := j.stoppedAt
	if at.IsZero() {
		at = j.finalTime
	}
	return &Finding{Outcome: Inconclusive, Code: CodeStopped, Message: fmt.Sprintf(
		"the run was ended after %s of %s", FormatDuration(at.Sub(j.start)), FormatDuration(j.o.Test.Shape.Duration()))}
}

// failed finds that requests failed and no objective says how many may. Objectives on times alone would pass a target that
// fails fast.
func (j *Judge) failed() *Finding {
	f, none := j.final, "no request failed"
	failed, finished := f.failed, f.finished
	if j.left != nil { // a fault is there to make requests fail
		all := &j.left.sums[len(j.objectives)]
		failed, finished, none = all.failed, all.finished, "no request failed outside of what was disturbed on purpose"
	}
	switch {
	case f.finished == 0 || j.unreachable() != nil || j.generator() != nil:
		return nil
	case failed > 0 && !slices.ContainsFunc(j.objectives, judgesFailures):
		return &Finding{Outcome: Fail, Code: CodeFailures, Message: fmt.Sprintf(
			"%s of %s failed, and no objective says how many may: add one such as error_rate < 1%%", FormatCount(failed), requests(finished))}
	case len(j.objectives) == 0:
		return &Finding{Outcome: Pass, Code: CodeNoObjectives, Message: none + ", but the plan names no objectives to judge speed by",
			Warnings: []string{"add objectives to the plan, such as p95 < 500ms"}}
	}
	return nil
}

// judgesFailures reports whether an objective speaks of failed requests, at least of some.
func judgesFailures(o *objective) bool {
	switch o.Metric {
	case plan.ErrorRate, plan.Failures, plan.CheckRate:
		return true
	case plan.Figure:
		return o.Figure == catalog.Availability || o.Figure == catalog.OutageTime
	case plan.PromQL:
		return strings.Contains(o.PromQL, "outcome") || strings.Contains(o.PromQL, "error")
	}
	return false
}

func requests(n uint64) string {
	if n == 1 {
		return "1 request"
	}
	return FormatCount(n) + " requests"
}

// conclude draws the verdict from its findings.
func conclude(findings []Finding, p *Part, a *account) Verdict {
	v := Verdict{Outcome: Pass, Part: p, Findings: findings}
	has := func(o Outcome) bool {
		return slices.ContainsFunc(findings, func(f Finding) bool { return f.Outcome == o })
	}
	coded := func(codes ...string) bool {
		return slices.ContainsFunc(findings, func(f Finding) bool { return slices.Contains(codes, f.Code) })
	}
	switch {
	// A target that never answered was not reached, whatever a fault did or not.
	case coded(CodeBooks, CodeGenerator), coded(CodeFault) && !coded(CodeUnreachable):
		v.Outcome = Inconclusive
	case has(Fail):
		v.Outcome = Fail
	case has(Inconclusive):
		v.Outcome = Inconclusive
	}
	v.Summary = summary(&v, a)
	return v
}

// summary says the verdict's reason in one line.
func summary(v *Verdict, a *account) string {
	main := v.Deciding()
	objectives := v.Objectives()
	if v.Outcome == Pass && main.Objective != nil {
		all := "the objective is met"
		if n := len(objectives); n > 1 {
			all = fmt.Sprintf("all %d objectives are met", n)
		}
		if missing := slices.DeleteFunc(slices.Clone(objectives), func(f Finding) bool { return f.Outcome != NoData }); len(missing) > 0 {
			all = "the objective with data is met"
			if n := len(objectives) - len(missing); n > 1 {
				all = fmt.Sprintf("all %d objectives with data are met", n)
			}
			all += " (no data: " + joined(missing) + ")"
		}
		length := v.Part.To.Sub(v.Part.From)
		for _, gap := range v.Part.Without {
			length -= gap.To.Sub(gap.From)
		}
		return fmt.Sprintf("%s over %s (%s); %s, %s failed", all, FormatDuration(length.Round(100*time.Millisecond)), v.Part.Name,
			requests(a.finished), Format(float64(a.failed)/float64(a.finished), "ratio"))
	}
	s := main.Message
	var more int
	for i := range v.Findings {
		if f := &v.Findings[i]; f != main && f.Outcome == v.Outcome {
			more++
		}
	}
	switch {
	case more == 0:
	case main.Objective != nil && v.Outcome == Fail:
		s += fmt.Sprintf(" (%d of %d objectives missed)", more+1, len(objectives))
	case more == 1:
		s += " (and one more reason)"
	default:
		s += fmt.Sprintf(" (and %d more reasons)", more)
	}
	return s
}
