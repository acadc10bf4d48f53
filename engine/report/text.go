package report

import (
	"fmt"
	"io"
	"math"
	"strings"

	"tidegauge/engine/compare"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
)

// How much of what can be long the text shows; the JSON form has all of it.
const (
	maxRows     = 40
	maxFailures = 10
	minWidth    = 60
	maxWidth    = 160
)

// style is how a piece of text is coloured, as parameters of the escape sequence SGR.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

// text writes the summary line by line and keeps the first error.
type text struct {
	w     io.Writer
	width int
	color bool
	err   error
}

func (t *text) line(parts ...string) {
	if t.err == nil {
		_, t.err = fmt.Fprintln(t.w, strings.TrimRight(strings.Join(parts, ""), " "))
	}
}

// paragraph writes text with a first prefix, wrapped and indented by the prefix's width.
func (t *text) paragraph(prefix string, st style, s string) {
	indent := len([]rune(prefix))
	for i, l := range wrap(Clean(s), t.width-indent) {
		if i > 0 {
			prefix = strings.Repeat(" ", indent)
		}
		t.line(t.paint(st, prefix), l)
	}
}

func (t *text) heading(s string, note ...string) {
	t.line()
	if len(note) > 0 {
		t.line(t.paint(bold, s), t.paint(dim, " ("+strings.Join(note, ", ")+")"))
		return
	}
	t.line(t.paint(bold, s))
}

func (t *text) paint(st style, s string) string {
	if !t.color || st == plain || s == "" {
		return s
	}
	return "\x1b[" + string(st) + "m" + s + "\x1b[0m"
}

func styleOf(o verdict.Outcome) style {
	switch o {
	case verdict.Pass:
		return green
	case verdict.NoData:
		return dim
	case verdict.Fail:
		return red
	}
	return yellow
}

// WriteText writes the summary for a terminal of the given width; color says whether escape sequences are welcome.
// Text that came from the target or the plan is stripped of control characters.
func (r *Report) WriteText(w io.Writer, width int, color bool) error {
	t := &text{w: w, width: min(max(width, minWidth), maxWidth), color: color}
	r.head(t)
	r.answer(t)
	r.objectives(t)
	r.comparison(t)
	r.changes(t)
	r.charts(t)
	r.faults(t)
	r.requests(t)
	r.failures(t)
	r.checks(t)
	r.exceptions(t)
	r.servers(t)
	r.outlets(t)
	r.generator(t)
	if t.err != nil {
		return fmt.Errorf("write summary of run %s: %w", r.Run.ID, t.err)
	}
	return nil
}

func (r *Report) head(t *text) {
	m := &r.Run
	t.line(t.paint(bold, cut(Clean(fmt.Sprintf("%s / %s", m.Plan, m.Test)), t.width)), t.paint(dim, "  run "+Clean(m.ID)))
	target := m.Target
	if of := compare.VersionText(m.TargetVersion, m.Commit); of != "" {
		target += " (" + of + ")"
	}
	t.paragraph("", plain, fmt.Sprintf("%s, %s, %s: %s", target, r.Start.Format("2006-01-02 15:04:05 MST"), duration(r.Seconds), m.Shape.Text))
	t.line()
	switch {
	case r.Verdict != nil:
		st := styleOf(r.Verdict.Outcome)
		if t.color {
			st = bold + ";" + st
		}
		t.paragraph(strings.ToUpper(string(r.Verdict.Outcome))+"  ", st, r.Verdict.Summary)
		for i := range r.Verdict.Findings {
			f := &r.Verdict.Findings[i]
			if f.Objective == nil && f.Message != r.Verdict.Summary && !strings.HasPrefix(r.Verdict.Summary, f.Message) {
				t.paragraph("  "+f.Code+": ", styleOf(f.Outcome), f.Message)
			}
			if f.Objective == nil {
				for _, w := range f.Warnings {
					t.paragraph("  ! ", yellow, w)
				}
			}
		}
		for _, w := range r.Verdict.Warnings {
			t.paragraph("! ", yellow, w)
		}
	case !r.Complete:
		t.paragraph("UNFINISHED  ", yellow, "the run did not come to its end; this is its last checkpoint")
	}
	for _, w := range r.Warnings {
		t.paragraph("! ", yellow, w)
	}
}

// objectives writes the objectives with their values and intervals.
func (r *Report) objectives(t *text) {
	if r.Verdict == nil {
		return
	}
	list := r.Verdict.Objectives()
	if len(list) == 0 {
		return
	}
	var notes []string
	if p := r.Verdict.Part; p != nil {
		notes = []string{fmt.Sprintf("%s, %s to %s", p.Name, clock(p.From.Sub(r.Start).Seconds()), clock(p.To.Sub(r.Start).Seconds()))}
		for _, gap := range p.Without {
			notes = append(notes, fmt.Sprintf("without %s to %s", clock(gap.From.Sub(r.Start).Seconds()), clock(gap.To.Sub(r.Start).Seconds())))
		}
	}
	t.heading("Objectives", notes...)
	names := column{head: ""}
	value, interval, samples := column{head: "value"}, column{head: "95% interval"}, column{head: "samples"}
	for _, f := range list {
		o := f.Objective
		names.cells = append(names.cells, Clean(o.Text))
		shown := optional(o.Value, o.Unit)
		if f.Outcome == verdict.NoData {
			shown = ""
		}
		value.cells = append(value.cells, shown)
		in := ""
		if o.Low != nil || o.High != nil {
			in = verdict.Interval(o.Low, o.High, o.Unit)
		}
		interval.cells = append(interval.cells, in)
		seen := verdict.FormatCount(o.Samples)
		if f.Outcome == verdict.NoData {
			seen = ""
		}
		samples.cells = append(samples.cells, seen)
	}
	const mark = 14 // the widest outcome, "inconclusive", and two spaces
	lines := table(t.width-mark-2, []column{names, value, interval, samples})
	t.line("  ", strings.Repeat(" ", mark), t.paint(dim, lines[0]))
	for i, f := range list {
		word := string(f.Outcome)
		if f.Outcome != verdict.Pass && f.Outcome != verdict.NoData {
			word = strings.ToUpper(word)
		}
		t.line("  ", t.paint(styleOf(f.Outcome), pad(word, mark)), lines[i+1])
		explains := f.Outcome == verdict.Inconclusive || f.Outcome == verdict.Fail && f.Objective.WorstWindow != nil
		if explains && !strings.HasPrefix(r.Verdict.Summary, f.Message) {
			t.paragraph(strings.Repeat(" ", mark+2), plain, f.Message)
		}
		for _, w := range f.Warnings {
			t.paragraph(strings.Repeat(" ", mark+2)+"! ", yellow, w)
		}
	}
}

func optional(v *float64, unit string) string {
	if v == nil {
		return "no data"
	}
	return verdict.Format(*v, unit)
}

// charts draws p95, rate and failures over time.
func (r *Report) charts(t *text) {
	if len(r.Series) < 4 {
		return
	}
	t.heading("Over time", "each bar is the peak of its stretch")
	const label, legend = 12, 18
	draw := func(name, unit string, st style, value func(*Point) float64) {
		values := columns(r.Series, t.width-label-legend, value)
		var top float64
		for _, v := range values {
			top = max(top, v)
		}
		t.line("  ", pad(name, label-2), t.paint(st, spark(values)), "  ≤ ", verdict.Format(top, unit))
	}
	draw("p95", "s", plain, func(p *Point) float64 {
		if p.Requests == 0 {
			return -1
		}
		return p.P95
	})
	draw("rate", "1/s", plain, func(p *Point) float64 { return p.Rate })
	if r.Total.Failures > 0 {
		draw("failures", "1/s", red, func(p *Point) float64 {
			if p.Seconds <= 0 {
				return 0
			}
			return float64(p.Failures) / p.Seconds
		})
	}
	r.phaseRuler(t, label, min(len(r.Series), t.width-label-legend))
}

// phaseRuler writes the names of the phases under the charts, each where it begins.
func (r *Report) phaseRuler(t *text, label, width int) {
	if r.Seconds <= 0 {
		return
	}
	ruler := []rune(strings.Repeat(" ", width+18))
	for _, e := range r.Events {
		at := int(min(max(e.At/r.Seconds, 0), 1) * float64(width))
		if name := []rune("│" + Clean(e.Text)); e.Kind == "phase" && at+len(name) <= len(ruler) {
			copy(ruler[at:], name) // over the end of the one before, if that is short
		}
	}
	t.line(strings.Repeat(" ", label), t.paint(dim, string(ruler)))
}

// duration writes seconds as a length of time.
func duration(s float64) string { return verdict.FormatDuration(toDuration(s)) }

// clock writes seconds since the start as m:ss.
func clock(s float64) string {
	n := int64(math.Round(min(max(s, 0), 1e9)))
	if n >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", n/3600, n/60%60, n%60)
	}
	return fmt.Sprintf("%d:%02d", n/60, n%60)
}

// short writes a time for a table, without the space.
func short(v float64) string { return strings.Replace(verdict.Format(v, "s"), " ", "", 1) }

// quantile writes a quantile of a table, marked where too few observations lie beyond it.
func quantile(v float64, n uint64, q float64) string {
	if n == 0 {
		return "-"
	}
	if stat.QuantileWarning(n, q) != "" {
		return "~" + short(v)
	}
	return short(v)
}
