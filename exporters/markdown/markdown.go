// Package markdown writes the verdict of a run as GitHub Flavored Markdown, for pull requests and the summaries of CI jobs.
//
// The verdict, the objectives, the answer and the comparison with the baseline are there at once; the rest is folded up. Text that came
// from the plan or from the target can be neither Markdown nor HTML in it.
package markdown

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tidegauge/engine/answer"
	"tidegauge/engine/report"
	"tidegauge/engine/verdict"
)

// How much of what can be long there is: GitHub takes 65,536 characters in a comment.
const (
	maxRequests = 50
	maxFailures = 15
	maxWarnings = 20
	maxChanges  = 10
	maxText     = 300
	maxCode     = 100 // names and examples, of which there are many
)

// Write writes the verdict of a run.
func Write(w io.Writer, r *report.Report) error {
	var b strings.Builder
	head(&b, r)
	objectives(&b, r)
	if r.Answer != nil {
		writeAnswer(&b, r.Answer)
	}
	if r.Comparison != nil {
		fmt.Fprintf(&b, "\n#### Against the baseline\n\n%s **%s**: %s (%s)\n", signOf(r.Comparison.Verdict), r.Comparison.Verdict, escape(r.Comparison.Summary), escape(r.Comparison.Baseline))
		comparisonTable(&b, r.Comparison)
	}
	changes(&b, r)
	requests(&b, r)
	failures(&b, r)
	about(&b, r)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write run %s as Markdown: %w", r.Run.ID, err)
	}
	return nil
}

// mark is a sign and a word for an outcome.
func mark(o verdict.Outcome) string {
	switch o {
	case verdict.Pass:
		return "✅ pass"
	case verdict.Fail:
		return "❌ fail"
	case verdict.NoData:
		return "➖ no data"
	}
	return "⚠️ " + string(o)
}

func head(b *strings.Builder, r *report.Report) {
	m := &r.Run
	outcome, summary := "⚠️ unfinished", "the run did not come to its end; this is its last checkpoint"
	if v := r.Verdict; v != nil {
		outcome, summary = mark(v.Outcome), v.Summary
	}
	fmt.Fprintf(b, "### %s: %s\n\n%s.\n", outcome, escape(m.Plan+" / "+m.Test), escape(strings.TrimSuffix(capital(summary), ".")))
	if r.Verdict != nil {
		for i := range r.Verdict.Findings {
			f := &r.Verdict.Findings[i]
			if f.Objective == nil && f.Outcome != verdict.Pass && !strings.HasPrefix(summary, f.Message) {
				fmt.Fprintf(b, "\n* %s: %s\n", mark(f.Outcome), escape(f.Message))
			}
		}
	}
	fmt.Fprintf(b, "\n%s requests at %s, %s failed", verdict.FormatCount(r.Total.Count), verdict.Format(r.Total.Rate, "1/s"), verdict.FormatCount(r.Total.Failures))
	if t := &r.Total.Response; t.Count > 0 {
		fmt.Fprintf(b, "; response time p50 %s, p95 %s, p99 %s", verdict.Format(t.P50, "s"), verdict.Format(t.P95, "s"), verdict.Format(t.P99, "s"))
	}
	fmt.Fprintf(b, " (whole run, %s: %s)\n", verdict.FormatDuration(time.Duration(min(r.Seconds, 1e9)*float64(time.Second))), escape(m.Shape.Text))
}

func objectives(b *strings.Builder, r *report.Report) {
	if r.Verdict == nil {
		return
	}
	list := r.Verdict.Objectives()
	if len(list) == 0 {
		return
	}
	b.WriteString("\n| | objective | value | 95% interval | samples |\n|---|---|---:|---:|---:|\n")
	for i := range list {
		f := &list[i]
		o := f.Objective
		value, interval := "", ""
		if o.Value != nil {
			value = verdict.Format(*o.Value, o.Unit)
		}
		if o.Low != nil || o.High != nil {
			interval = verdict.Interval(o.Low, o.High, o.Unit)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", mark(f.Outcome), code(o.Text), value, escape(interval), verdict.FormatCount(o.Samples))
	}
	for i := range list {
		if f := &list[i]; f.Outcome == verdict.Inconclusive {
			fmt.Fprintf(b, "\n%s: %s\n", code(f.Objective.Text), escape(f.Message))
		}
	}
}

func writeAnswer(b *strings.Builder, a *answer.Answer) {
	sign := map[answer.Standing]string{answer.Good: "✅", answer.Bad: "❌"}[a.Standing]
	if sign == "" {
		sign = "⚠️"
	}
	fmt.Fprintf(b, "\n#### %s\n\n%s %s\n", escape(a.Question), sign, escape(a.Text))
	if len(a.Figures) > 0 {
		b.WriteString("\n| | value | interval | |\n|---|---:|---:|---|\n")
	}
	for i := range a.Figures {
		f := &a.Figures[i]
		title := f.Title
		if s := report.SubjectOf(f); s != "" {
			title = s + ": " + title
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", escape(title), escape(report.FigureValue(f)), escape(report.FigureInterval(f)), escape(f.Text))
	}
	if len(a.Trials) > 0 {
		open(b, fmt.Sprintf("Trials (%d)", len(a.Trials)))
		b.WriteString("| load | outcome | rate | p95 | failed | broke first |\n|---:|---|---:|---:|---:|---|\n")
		for i := range a.Trials {
			t := &a.Trials[i]
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", report.FormatLoad(t.Load), escape(t.Outcome), verdict.Format(t.Rate, "1/s"), verdict.Format(t.P95, "s"),
				verdict.Format(t.Failures, "ratio"), escape(t.Reason))
		}
		shut(b)
	}
	warnings(b, a.Warnings)
}

func changes(b *strings.Builder, r *report.Report) {
	if len(r.Changes) == 0 {
		return
	}
	b.WriteString("\n#### Changes over the history that have lasted\n\n")
	for i := range r.Changes[:min(maxChanges, len(r.Changes))] {
		c := &r.Changes[i]
		sign := "🎉"
		if c.Worse {
			sign = "❌"
		}
		fmt.Fprintf(b, "* %s %s: %s before, %s since\n", sign, escape(c.Text()), verdict.Format(c.Before, c.Unit), verdict.Format(c.After, c.Unit))
	}
}

func requests(b *strings.Builder, r *report.Report) {
	if len(r.Requests) == 0 {
		return
	}
	open(b, fmt.Sprintf("Requests (%d)", len(r.Requests)))
	b.WriteString("| class | request | count | failed | rate | p50 | p95 | p99 | max |\n|---|---|---:|---:|---:|---:|---:|---:|---:|\n")
	row := func(class, name string, q *report.Row) {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |", class, name, verdict.FormatCount(q.Count), verdict.FormatCount(q.Failures), verdict.Format(q.Rate, "1/s"))
		for _, v := range []float64{q.Response.P50, q.Response.P95, q.Response.P99, q.Response.Max} {
			if q.Response.Count == 0 {
				b.WriteString(" - |")
			} else {
				fmt.Fprintf(b, " %s |", verdict.Format(v, "s"))
			}
		}
		b.WriteByte('\n')
	}
	for i := range r.Requests[:min(maxRequests, len(r.Requests))] {
		q := &r.Requests[i]
		row(code(q.Class), code(report.RequestName(q.Method, q.Name)), q)
	}
	row("", "**all**", &r.Total)
	if n := len(r.Requests) - maxRequests; n > 0 {
		fmt.Fprintf(b, "\n… and %d more.\n", n)
	}
	b.WriteString("\nResponse times count from the intended start of each request, over the whole run.\n")
	shut(b)
}

func failures(b *strings.Builder, r *report.Report) {
	if len(r.Failures) == 0 {
		return
	}
	open(b, fmt.Sprintf("Failures (%s of %s requests)", verdict.FormatCount(r.Total.Failures), verdict.FormatCount(r.Total.Count)))
	b.WriteString("| count | outcome | request | most often |\n|---:|---|---|---|\n")
	for i := range r.Failures[:min(maxFailures, len(r.Failures))] {
		f := &r.Failures[i]
		example := ""
		if len(f.Samples) > 0 && f.Samples[0].Detail != "" {
			example = code(f.Samples[0].Detail)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", verdict.FormatCount(f.Count), escape(f.Outcome), code(report.RequestName(f.Method, f.Name)), example)
	}
	if n := len(r.Failures) - maxFailures; n > 0 {
		fmt.Fprintf(b, "\n… and %d more kinds.\n", n)
	}
	shut(b)
}

// about is which run it was, where and of what.
func about(b *strings.Builder, r *report.Report) {
	m := &r.Run
	open(b, "About the run")
	item := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "* %s: %s\n", name, code(value))
		}
	}
	item("run", m.ID)
	item("started", r.Start.UTC().Format(time.RFC3339))
	item("target", m.Target)
	item("target version", m.TargetVersion)
	item("commit", m.Commit)
	item("branch", m.Branch)
	for _, name := range slices.Sorted(maps.Keys(m.Labels)) {
		item(escape(name), m.Labels[name])
	}
	item("generator", fmt.Sprintf("%s, %d CPUs, %s/%s, tidegauge %s, seed %d", m.Machine.Host, m.Machine.CPUs, m.Machine.OS, m.Machine.Arch, m.Version, m.Seed))
	if l := &r.Lateness; l.Count > 0 {
		item("its lateness", fmt.Sprintf("p50 %s, p99 %s, max %s", verdict.Format(l.P50, "s"), verdict.Format(l.P99, "s"), verdict.Format(l.Max, "s")))
	}
	all := slices.Clone(r.Warnings)
	if r.Verdict != nil {
		all = append(all, r.Verdict.Warnings...)
	}
	warnings(b, all)
	shut(b)
}

func warnings(b *strings.Builder, all []string) {
	for _, w := range all[:min(maxWarnings, len(all))] {
		fmt.Fprintf(b, "\n> %s\n", escape(w))
	}
	if n := len(all) - maxWarnings; n > 0 {
		fmt.Fprintf(b, "\n> … and %d more warnings\n", n)
	}
}

// open begins what is folded up; title is ours.
func open(b *strings.Builder, title string) {
	fmt.Fprintf(b, "\n<details><summary>%s</summary>\n\n", title)
}

func shut(b *strings.Builder) { b.WriteString("\n</details>\n") }

// escape keeps text of the plan or the target from being Markdown or HTML.
func escape(s string) string {
	var b strings.Builder
	for _, r := range cut(s, maxText) {
		switch {
		case r == '&':
			b.WriteString("&amp;") // no entity
			continue
		case r == '@':
			b.WriteString("@\u200b") // nobody is called
			continue
		case strings.ContainsRune("\\`*_{}[]<>#|~$!", r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// code writes text as code, in which nothing means anything. A bar would end a table's cell even there.
func code(s string) string {
	s = strings.NewReplacer("`", "ˋ", "|", "\\|").Replace(cut(s, maxCode))
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// cut makes one clean line of bounded length.
func cut(s string, most int) string {
	s = report.Clean(s)
	if utf8.RuneCountInString(s) > most {
		return string([]rune(s)[:most-1]) + "…"
	}
	return s
}

func capital(s string) string {
	if s == "" || s[0] >= utf8.RuneSelf || len(s) > 1 && s[0] == 'p' && s[1] >= '0' && s[1] <= '9' { // p95
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
