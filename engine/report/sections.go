package report

import (
	"fmt"
	"strings"
	"time"

	"tidegauge/engine/verdict"
)

func toDuration(s float64) time.Duration {
	const most = 1e9 // seconds; more would not fit
	return time.Duration(min(max(s, -most), most) * float64(time.Second))
}

// RequestName names a request as people know it: POST /payments, without repeating a method that the name has.
func RequestName(method, name string) string {
	if method == "" || strings.HasPrefix(name, method+" ") {
		return Clean(name)
	}
	return Clean(method + " " + name)
}

// requests writes the table of requests, by class where there are several.
func (r *Report) requests(t *text) {
	if r.Total.Count == 0 && r.Total.Cut == 0 {
		return
	}
	t.heading("Requests", "whole run", "response time from the intended start")
	b := newRequestTable()
	several := false
	for i := range r.Requests {
		several = several || r.Requests[i].Class != r.Requests[0].Class
	}
	class := ""
	for i := range r.Requests[:min(maxRows, len(r.Requests))] {
		q := &r.Requests[i]
		indent := "  "
		if several {
			if i == 0 || q.Class != class {
				b.heading("  " + Clean(q.Class))
			}
			indent = "    "
		}
		class = q.Class
		b.add(indent+RequestName(q.Method, q.Name), q)
	}
	b.add("  all", &r.Total)
	lines := table(t.width, b.columns)
	for i, l := range lines {
		switch i {
		case 0:
			t.line(t.paint(dim, l))
		case len(lines) - 1:
			if n := len(r.Requests) - maxRows; n > 0 {
				t.line(fmt.Sprintf("  … and %d more requests (see the JSON report)", n))
			}
			t.line(t.paint(bold, l))
		default:
			t.line(l)
		}
	}
	if b.marked {
		t.line(t.paint(dim, "  ~ fewer than 30 requests lie beyond this quantile"))
	}
	if r.Total.Cut > 0 {
		t.line(t.paint(dim, fmt.Sprintf("  %s cut when the run ended, in none of these numbers", counted(r.Total.Cut, "request was", "requests were"))))
	}
}

// requestTable gathers the rows of the table of requests.
type requestTable struct {
	columns []column
	marked  bool
}

func newRequestTable() *requestTable {
	return &requestTable{columns: []column{
		{}, {head: "count"}, {head: "failed"}, {head: "rate"}, {head: "p50"}, {head: "p95"}, {head: "p99"}, {head: "p99.9", optional: true},
		{head: "max"}, {head: "mean", optional: true}, {head: "service p95", optional: true},
	}}
}

func (b *requestTable) row(cells ...string) {
	for i := range b.columns {
		cell := ""
		if i < len(cells) {
			cell = cells[i]
		}
		b.columns[i].cells = append(b.columns[i].cells, cell)
		b.marked = b.marked || i > 0 && strings.HasPrefix(cell, "~")
	}
}

func (b *requestTable) heading(s string) { b.row(s) }

func (b *requestTable) add(name string, q *Row) {
	t := &q.Response
	longest, mean := "-", "-"
	if t.Count > 0 {
		longest, mean = short(t.Max), short(t.Mean)
	}
	b.row(name, verdict.FormatCount(q.Count), verdict.FormatCount(q.Failures), verdict.Format(q.Rate, "1/s"),
		quantile(t.P50, t.Count, 0.5), quantile(t.P95, t.Count, 0.95), quantile(t.P99, t.Count, 0.99), quantile(t.P999, t.Count, 0.999),
		longest, mean, quantile(q.Service.P95, q.Service.Count, 0.95))
}

// failures writes the kinds of failures, each with its most frequent text.
func (r *Report) failures(t *text) {
	if len(r.Failures) == 0 {
		return
	}
	note := []string{}
	if r.Total.Count > 0 {
		note = append(note, fmt.Sprintf("%s of %s requests", verdict.Format(float64(r.Total.Failures)/float64(r.Total.Count), "ratio"), verdict.FormatCount(r.Total.Count)))
	}
	t.heading("Failures", note...)
	for i := range r.Failures[:min(maxFailures, len(r.Failures))] {
		f := &r.Failures[i]
		t.line("  ", t.paint(red, fmt.Sprintf("%8s", verdict.FormatCount(f.Count))), "  ",
			cut(fmt.Sprintf("%-8s %s", f.Outcome, RequestName(f.Method, f.Name)), t.width-12))
		if len(f.Samples) > 0 && f.Samples[0].Detail != "" {
			t.line(strings.Repeat(" ", 12), t.paint(dim, cut(Clean(f.Samples[0].Detail), t.width-12)))
		}
	}
	if n := len(r.Failures) - maxFailures; n > 0 {
		t.line(fmt.Sprintf("  … and %s (see the JSON report)", counted(uint64(n), "more kind", "more kinds")))
	}
}

// checks writes the checks that did not always hold, and how many always did.
func (r *Report) checks(t *text) {
	if len(r.Checks) == 0 {
		return
	}
	var held, idle int
	for i := range r.Checks {
		c := &r.Checks[i]
		switch {
		case c.Failed+c.Passed == 0:
			idle++
		case c.Failed == 0:
			held++
		}
	}
	note := fmt.Sprintf("%d of %d always held", held, len(r.Checks))
	if idle > 0 {
		note += fmt.Sprintf("; %d without a result", idle)
	}
	t.heading("Checks", note)
	for i := range r.Checks {
		c := &r.Checks[i]
		if c.Failed == 0 {
			continue
		}
		// As floats: a damaged file may hold counts whose sum does not fit.
		share := float64(c.Passed) / (float64(c.Passed) + float64(c.Failed))
		t.line("  ", t.paint(red, fmt.Sprintf("%8s", verdict.FormatCount(c.Failed))), "  ",
			cut(fmt.Sprintf("%s, %s (held in %s)", Clean(c.Check), RequestName(c.Method, c.Name), verdict.Format(share, "ratio")), t.width-12))
	}
}

func (r *Report) exceptions(t *text) {
	if len(r.Exceptions) == 0 {
		return
	}
	t.heading("Expressions of the plan that failed")
	for i := range r.Exceptions[:min(maxFailures, len(r.Exceptions))] {
		e := &r.Exceptions[i]
		t.line("  ", t.paint(red, fmt.Sprintf("%8s", verdict.FormatCount(e.Count))), "  ",
			cut(fmt.Sprintf("task %s: %s", Clean(e.Task), Clean(e.Message)), t.width-12))
	}
	if more := len(r.Exceptions) - maxFailures; more > 0 {
		t.line("  ", t.paint(dim, fmt.Sprintf("and %d more in the report", more)))
	}
}

// generator writes how the generator did and how the books stand.
func (r *Report) generator(t *text) {
	t.heading("Generator")
	if l := &r.Lateness; l.Count > 0 {
		t.paragraph("  lateness    ", dim, fmt.Sprintf("p50 %s, p99 %s, max %s", short(l.P50), short(l.P99), short(l.Max)))
	}
	if b := &r.Blocked; b.Count > 0 {
		t.paragraph("  waiting     ", dim, fmt.Sprintf("%s waited for a free user: p50 %s, p99 %s, max %s",
			counted(b.Count, "iteration", "iterations"), short(b.P50), short(b.P99), short(b.Max)))
	}
	i, q := &r.Books.Iterations, &r.Books.Requests
	n := verdict.FormatCount
	t.paragraph("  iterations  ", dim, fmt.Sprintf("%s due = %s started + %s dropped; %s finished + %s cut%s",
		n(i.Intended), n(i.Started), n(i.Dropped), n(i.Finished), n(i.Cut), balance(i, r.Complete)))
	t.paragraph("  requests    ", dim, fmt.Sprintf("%s started = %s finished + %s cut%s", n(q.Started), n(q.Finished), n(q.Cut), balance(q, r.Complete)))
	t.paragraph("  users       ", dim, fmt.Sprintf("at most %s at once; seed %d", n(uint64(max(0, r.UsersPeak))), r.Run.Seed))
	if r.Generator != nil {
		r.Generator.lines(t)
	}
	m := &r.Run.Machine
	t.paragraph("  machine     ", dim, fmt.Sprintf("%s, %d CPUs, %s/%s, tidegauge %s", m.Host, m.CPUs, m.OS, m.Arch, r.Run.Version))
	if r.Folder != "" {
		t.line()
		t.line("Run folder: ", Clean(r.Folder))
	}
}

func balance(a *Account, complete bool) string {
	if a.Balanced || !complete {
		return ""
	}
	return "; they do NOT balance"
}

func counted(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return verdict.FormatCount(n) + " " + many
}
