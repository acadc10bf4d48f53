package html

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/report"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
)

// How much of what can be long there is; report.json has all of it.
const (
	maxRequests  = 200
	maxFailures  = 60
	maxChecks    = 100
	maxEvents    = 100
	maxWarnings  = 40
	minQuantiles = 30 // observations beyond a quantile, below which it is marked
)

func outcomeOf(o verdict.Outcome) outcome {
	switch o {
	case verdict.Pass:
		return outcome{"pass", "✓", "pass"}
	case verdict.Fail:
		return outcome{"fail", "✕", "fail"}
	case verdict.NoData:
		return outcome{"none", "–", "no data"}
	}
	return outcome{"open", "?", report.Clean(string(o))}
}

func head(r *report.Report) *document {
	m := &r.Run
	d := &document{
		Plan: report.Clean(m.Plan), Test: report.Clean(m.Test), Outcome: outcome{"open", "?", "unfinished"},
		Summary: "The run did not come to its end; this is its last checkpoint.",
		When:    r.Start.UTC().Format("Mon 2 January 2006, 15:04:05 UTC"),
		Lead:    report.Clean(m.Shape.Text), Warnings: cleaned(r.Warnings[:min(len(r.Warnings), maxWarnings)]),
	}
	if v := r.Verdict; v != nil {
		d.Outcome = outcomeOf(v.Outcome)
		d.Summary = capital(report.Clean(v.Summary))
		if !strings.HasSuffix(d.Summary, ".") {
			d.Summary += "."
		}
		for i := range v.Findings {
			f := &v.Findings[i]
			if f.Objective != nil || strings.HasPrefix(v.Summary, f.Message) && len(f.Warnings) == 0 {
				continue
			}
			d.Reasons = append(d.Reasons, reason{outcomeOf(f.Outcome), capital(report.Clean(f.Message)), cleaned(f.Warnings)})
		}
		d.Warnings = append(cleaned(v.Warnings), d.Warnings...)
	}
	d.Title = fmt.Sprintf("%s / %s: %s, %s", d.Plan, d.Test, d.Outcome.Word, r.Start.UTC().Format("2006-01-02 15:04"))
	t := &r.Total
	d.Facts = []fact{
		{"requests", verdict.FormatCount(t.Count), verdict.Format(t.Rate, "1/s") + " in the mean"},
		{"failed", share(t.Failures, t.Count), verdict.FormatCount(t.Failures) + " requests"},
	}
	if t.Response.Count > 0 {
		d.Facts = append(d.Facts, fact{"p50", verdict.Format(t.Response.P50, "s"), "response time"},
			fact{"p95", verdict.Format(t.Response.P95, "s"), "whole run"}, fact{"p99", verdict.Format(t.Response.P99, "s"), "longest " + verdict.Format(t.Response.Max, "s")})
	}
	d.Facts = append(d.Facts, fact{"duration", duration(r.Seconds), "at most " + counted(uint64(max(r.UsersPeak, 0)), "user", "users")})
	d.Footer = "Made by tidegauge " + report.Clean(m.Version) + " from run " + report.Clean(m.ID) + "."
	return d
}

func share(k, n uint64) string {
	if n == 0 {
		return "–"
	}
	return verdict.Format(float64(k)/float64(n), "ratio")
}

func duration(s float64) string {
	return verdict.FormatDuration(time.Duration(min(max(s, 0), 1e9) * float64(time.Second)))
}

func counted(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return verdict.FormatCount(n) + " " + many
}

// objectives are a table with a picture in each row: where the value and its interval lie beside the limit.
type objectives struct {
	Part    string
	Rows    []objectiveView
	Windows bool
}

type objectiveView struct {
	Outcome  outcome
	Text     string
	Value    string
	Interval string
	Samples  string
	Windows  string
	Gauge    *gauge
	Message  string
	Warnings []string
}

// gauge is a line with a limit, an interval and a value on it, in percent of its width.
type gauge struct {
	Limit, Value, Low, Width string
	Open                     bool // the interval has no end
	Class                    string
}

func objectivesOf(r *report.Report) *objectives {
	if r.Verdict == nil {
		return nil
	}
	list := r.Verdict.Objectives()
	if len(list) == 0 {
		return nil
	}
	o := &objectives{}
	if p := r.Verdict.Part; p != nil {
		at := func(t time.Time) string { return clock(t.Sub(r.Start).Seconds()) }
		o.Part = fmt.Sprintf("Judged over the %s, %s to %s", report.Clean(p.Name), at(p.From), at(p.To))
		for i, gap := range p.Without {
			o.Part += []string{", ", ", without "}[b2i(i == 0)] + at(gap.From) + " to " + at(gap.To)
		}
		o.Part += "."
	}
	for i := range list {
		f := &list[i]
		x := f.Objective
		row := objectiveView{Outcome: outcomeOf(f.Outcome), Text: report.Clean(x.Text), Value: "–", Warnings: cleaned(f.Warnings), Gauge: gaugeOf(x, f.Outcome)}
		if x.Value != nil {
			row.Value = verdict.Format(*x.Value, x.Unit)
			row.Samples = verdict.FormatCount(x.Samples)
		}
		if x.Low != nil || x.High != nil {
			row.Interval = verdict.Interval(x.Low, x.High, x.Unit)
		}
		if x.Windows > 0 {
			row.Windows = fmt.Sprintf("%d of %d missed", x.Missed, x.Windows)
			o.Windows = true
		}
		if f.Outcome == verdict.Inconclusive || f.Outcome == verdict.Fail && x.WorstWindow != nil {
			row.Message = capital(report.Clean(f.Message))
		}
		o.Rows = append(o.Rows, row)
	}
	return o
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// gaugeOf draws an objective where the limit has room on both sides; nil where there is nothing to draw.
func gaugeOf(x *verdict.ObjectiveResult, o verdict.Outcome) *gauge {
	if x.Value == nil || !(x.Threshold > 0) || o == verdict.NoData {
		return nil
	}
	const room = 1.6 // times the limit
	top := x.Threshold * room
	at := func(v float64) float64 { return min(max(v/top, 0), 1) }
	g := &gauge{Limit: percent(at(x.Threshold)), Value: percent(at(*x.Value)), Class: outcomeOf(o).Class}
	if x.Low != nil || x.High != nil {
		low, high := 0.0, 1.0
		if x.Low != nil {
			low = at(*x.Low)
		}
		if x.High != nil {
			high = at(*x.High)
		}
		g.Low, g.Width = percent(low), percent(max(high-low, 0))
	}
	return g
}

type requestsView struct {
	Rows   []requestRow
	More   int
	Marked bool
	Sparks bool
	Cut    string
	Phases []pair
}

type requestRow struct {
	Class string // where another one begins
	Name  string
	Total bool
	Cells []string
	Bad   bool // some failed
	Spark string
}

func requestsOf(run *Run) (*requestsView, error) {
	r := run.Report
	if r.Total.Count == 0 && r.Total.Cut == 0 {
		return nil, nil //nolint:nilnil // there is no such section
	}
	v := &requestsView{More: max(len(r.Requests)-maxRequests, 0)}
	sparks, err := sparksOf(run)
	if err != nil {
		return nil, err
	}
	v.Sparks = len(sparks) > 0
	class, several := "", slices.ContainsFunc(r.Requests, func(q report.Row) bool { return q.Class != r.Requests[0].Class })
	for i := range r.Requests[:min(len(r.Requests), maxRequests)] {
		q := &r.Requests[i]
		row := v.row(report.RequestName(q.Method, q.Name), q)
		row.Spark = sparks[[3]string{q.Class, q.Method, q.Name}]
		if several && q.Class != class {
			row.Class = report.Clean(q.Class)
		}
		class = q.Class
		v.Rows = append(v.Rows, row)
	}
	total := v.row("All requests", &r.Total)
	total.Total = true
	v.Rows = append(v.Rows, total)
	if r.Total.Cut > 0 {
		v.Cut = counted(r.Total.Cut, "request was", "requests were") + " cut when the run ended, and in none of these numbers."
	}
	for _, p := range r.Phases {
		v.Phases = append(v.Phases, pair{report.Clean(p.Phase), fmt.Sprintf("p50 %s, p95 %s, p99 %s, longest %s, %s",
			verdict.Format(p.Times.P50, "s"), verdict.Format(p.Times.P95, "s"), verdict.Format(p.Times.P99, "s"), verdict.Format(p.Times.Max, "s"), counted(p.Times.Count, "time", "times"))})
	}
	return v, nil
}

// sparksOf returns p95 over time of each request, as paths.
func sparksOf(run *Run) (map[[3]string]string, error) {
	sparks := map[[3]string]string{}
	if run.Intervals == nil || run.Intervals.Len() < 4 {
		return sparks, nil
	}
	const most = 60
	all, err := courses(run.Intervals, most)
	if err != nil {
		return nil, err
	}
	for i, q := range run.Intervals.Names.Requests {
		if len(sparks) < maxRequests {
			sparks[[3]string{q.Class, q.Method, q.Name}] = sparkline(all[i], run.Report.Seconds)
		}
	}
	return sparks, nil
}

func (v *requestsView) row(name string, q *report.Row) requestRow {
	row := requestRow{Name: name, Bad: q.Failures > 0, Cells: []string{
		verdict.FormatCount(q.Count), verdict.FormatCount(q.Failures), verdict.Format(q.Rate, "1/s"),
	}}
	t := &q.Response
	for _, one := range []struct {
		value, q float64
		n        uint64
	}{{t.P50, 0.5, t.Count}, {t.P95, 0.95, t.Count}, {t.P99, 0.99, t.Count}, {t.P999, 0.999, t.Count}, {t.Max, 0, t.Count}, {t.Mean, 0, t.Count}, {q.Service.P95, 0.95, q.Service.Count}} {
		cell := "–"
		if one.n > 0 {
			cell = verdict.Format(one.value, "s")
			if one.q > 0 && stat.QuantileWarning(one.n, one.q) != "" {
				cell, v.Marked = "~"+cell, true
			}
		}
		row.Cells = append(row.Cells, cell)
	}
	return row
}

type failuresView struct {
	Kinds      []failureView
	More       int
	Share      string
	Checks     []checkView
	Exceptions []failureView
}

type failureView struct {
	Count, Outcome, Request string
	Samples                 []sampleView
}

type sampleView struct{ Count, Detail, When string }

type checkView struct{ Check, Request, Failed, Held string }

func failuresOf(r *report.Report) *failuresView {
	v := &failuresView{More: max(len(r.Failures)-maxFailures, 0), Share: share(r.Total.Failures, r.Total.Count) + " of " + counted(r.Total.Count, "request", "requests")}
	when := func(first, last time.Time) string {
		a, b := clock(first.Sub(r.Start).Seconds()), clock(last.Sub(r.Start).Seconds())
		if a == b {
			return "at " + a
		}
		return a + " to " + b
	}
	for i := range r.Failures[:min(len(r.Failures), maxFailures)] {
		f := &r.Failures[i]
		one := failureView{Count: verdict.FormatCount(f.Count), Outcome: report.Clean(f.Outcome), Request: report.RequestName(f.Method, f.Name)}
		for _, s := range f.Samples {
			one.Samples = append(one.Samples, sampleView{verdict.FormatCount(s.Count), cut(report.Clean(s.Detail)), when(s.First, s.Last)})
		}
		v.Kinds = append(v.Kinds, one)
	}
	for i := range r.Checks {
		c := &r.Checks[i]
		if c.Failed == 0 || len(v.Checks) == maxChecks {
			continue
		}
		held := float64(c.Passed) / (float64(c.Passed) + float64(c.Failed))
		v.Checks = append(v.Checks, checkView{report.Clean(c.Check), report.RequestName(c.Method, c.Name), verdict.FormatCount(c.Failed), verdict.Format(held, "ratio")})
	}
	for i := range r.Exceptions[:min(len(r.Exceptions), maxFailures)] {
		e := &r.Exceptions[i]
		v.Exceptions = append(v.Exceptions, failureView{Count: verdict.FormatCount(e.Count), Request: report.Clean(e.Task), Samples: []sampleView{{"", cut(report.Clean(e.Message)), when(e.First, e.Last)}}})
	}
	if len(v.Kinds)+len(v.Checks)+len(v.Exceptions) == 0 {
		return nil
	}
	return v
}

// cut bounds a text of the target.
func cut(s string) string {
	const most = 400
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// eventView is something that happened.
type eventView struct{ At, Kind, Text string }

// about fills in where, of what and how the run was made.
func (d *document) about(r *report.Report) {
	m := &r.Run
	add := func(to *[]pair, name, value string) {
		if value = report.Clean(value); value != "" {
			*to = append(*to, pair{name, value})
		}
	}
	add(&d.About, "run", m.ID)
	add(&d.About, "plan", m.PlanFile)
	add(&d.About, "test", m.Test+" ("+string(m.Type)+")")
	add(&d.About, "load", m.Shape.Text)
	add(&d.About, "target", m.Target)
	add(&d.About, "target version", m.TargetVersion)
	add(&d.About, "commit", m.Commit)
	add(&d.About, "branch", m.Branch)
	add(&d.About, "start", r.Start.UTC().Format(time.RFC3339))
	add(&d.About, "end", r.End.UTC().Format(time.RFC3339))
	add(&d.About, "seed", fmt.Sprint(m.Seed))
	add(&d.About, "generator", fmt.Sprintf("%s, %s, %s/%s", m.Machine.Host, counted(uint64(max(m.Machine.CPUs, 0)), "CPU", "CPUs"), m.Machine.OS, m.Machine.Arch))
	add(&d.About, "tidegauge", m.Version+", "+m.Machine.Go)
	for _, name := range slices.Sorted(maps.Keys(m.Labels)) {
		add(&d.Labels, report.Clean(name), m.Labels[name])
	}
	for i := range r.Events[:min(len(r.Events), maxEvents)] {
		e := &r.Events[i]
		d.Events = append(d.Events, eventView{clock(e.At), report.Clean(e.Kind), report.Clean(e.Text)})
	}
	d.generator(r)
	d.outlets(r)
}

func (d *document) generator(r *report.Report) {
	add := func(name, text string, args ...any) {
		d.Generator = append(d.Generator, pair{name, fmt.Sprintf(text, args...)})
	}
	time := func(v float64) string { return verdict.Format(v, "s") }
	if l := &r.Lateness; l.Count > 0 {
		add("lateness", "p50 %s, p99 %s, max %s", time(l.P50), time(l.P99), time(l.Max))
	}
	if b := &r.Blocked; b.Count > 0 {
		add("waiting", "%s waited for a free user: p50 %s, p99 %s, max %s", counted(b.Count, "iteration", "iterations"), time(b.P50), time(b.P99), time(b.Max))
	}
	if g := r.Generator; g != nil {
		ratio := func(v *float64) string {
			if v == nil {
				return "unknown"
			}
			return verdict.Format(*v, "ratio")
		}
		add("CPU", "mean %s, peak %s of %.3g processors; machine mean %s, peak %s", ratio(g.CPUMean), ratio(g.CPUPeak), g.Processors, ratio(g.MachineMean), ratio(g.MachinePeak))
		add("Go", "garbage collector %s of its CPU time, pauses p99 %s; goroutines waited p99 %s for a thread", ratio(g.GCShare), time(g.GCPauseP99), time(g.ScheduleP99))
		if g.MemoryPeak != nil {
			add("memory", "at most %s", verdict.Format(*g.MemoryPeak, "By"))
		}
		if g.FilesPeak != nil && g.FileLimit != nil {
			add("open files", "at most %s of %s", verdict.FormatCount(uint64(max(*g.FilesPeak, 0))), verdict.FormatCount(uint64(min(max(*g.FileLimit, 0), math.MaxInt64))))
		}
	}
	books := func(name string, a *report.Account, due bool) {
		n := verdict.FormatCount
		text := fmt.Sprintf("%s started = %s finished + %s cut", n(a.Started), n(a.Finished), n(a.Cut))
		if due {
			text = fmt.Sprintf("%s due = %s started + %s dropped; ", n(a.Intended), n(a.Started), n(a.Dropped)) + text
		}
		if !a.Balanced && r.Complete {
			text += "; these do NOT balance"
		}
		d.Books = append(d.Books, pair{name, text})
	}
	books("iterations", &r.Books.Iterations, true)
	books("requests", &r.Books.Requests, false)
}

// outletView is the account of an outlet.
type outletView struct {
	Name, Before, Produced, Sent, Waiting, Lost string
	Outcome                                     outcome
	Notes                                       []string
}

func (d *document) outlets(r *report.Report) {
	n := verdict.FormatCount
	for i := range r.Outlets {
		b := &r.Outlets[i]
		if b.Signal != "" && b.Produced == 0 && b.WaitingBefore == 0 && b.Lost == 0 && b.Errors == 0 && b.Balanced {
			continue // the plan traces nothing
		}
		v := outletView{Name: report.Clean(b.Outlet), Before: n(b.WaitingBefore), Produced: n(b.Produced), Sent: n(b.Sent), Waiting: n(b.Waiting), Lost: n(b.Lost)}
		if b.Signal != "" {
			v.Name += " (" + report.Clean(b.Signal) + ")"
		}
		switch {
		case !b.Balanced:
			v.Outcome = outcome{"fail", "✕", "not balanced"}
		case b.Lost > 0:
			v.Outcome = outcome{"fail", "✕", "incomplete"}
		case b.Waiting > 0:
			v.Outcome = outcome{"open", "?", "waiting"}
		default:
			v.Outcome = outcome{"pass", "✓", "complete"}
		}
		if b.Errors > 0 {
			v.Notes = append(v.Notes, counted(b.Errors, "error", "errors")+", last: "+cut(report.Clean(b.LastError)))
		}
		for _, why := range slices.Sorted(maps.Keys(b.LostBecause)) {
			v.Notes = append(v.Notes, verdict.FormatCount(b.LostBecause[why])+" lost: "+cut(report.Clean(why)))
		}
		d.Outlets = append(d.Outlets, v)
	}
}
