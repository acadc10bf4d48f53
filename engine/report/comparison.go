package report

import (
	"fmt"
	"io"
	"strings"

	"tidegauge/engine/compare"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
)

// comparison writes how the run stands against its baseline.
func (r *Report) comparison(t *text) {
	if r.Comparison == nil {
		return
	}
	if r.Run.Against != "" {
		t.heading("Against the other target", Clean(r.Comparison.Baseline))
	} else {
		t.heading("Against the baseline", Clean(r.Comparison.Baseline))
	}
	writeComparison(t, r.Comparison, false)
}

// changes writes which levels have changed in the course of the history.
func (r *Report) changes(t *text) {
	if len(r.Changes) == 0 {
		return
	}
	t.heading("Changes over the history", "that have lasted")
	writeChanges(t, r.Changes)
}

func writeChanges(t *text, all []compare.Change) {
	const mark = 16
	for i := range all {
		c := &all[i]
		word, s := "worse", red
		if !c.Worse {
			word, s = "better", green
		}
		switch {
		case c.Accepted:
			word, s = word+", accepted", dim
		case c.Back != "":
			word, s = word+", over", dim
		}
		line := c.Text()
		if c.Back != "" {
			line += ", back with run " + c.Back
		}
		line += ": " + verdict.Format(c.Before, c.Unit) + " before, " + verdict.Format(c.After, c.Unit) + " since"
		t.paragraph("  "+pad(word, mark)+" ", s, line)
	}
}

// WriteChanges writes the changes of a history for a terminal.
func WriteChanges(w io.Writer, all []compare.Change, width int, color bool) error {
	t := &text{w: w, width: min(max(width, minWidth), maxWidth), color: color}
	writeChanges(t, all)
	if t.err != nil {
		return fmt.Errorf("write changes: %w", t.err)
	}
	return nil
}

// WriteComparison writes a comparison for a terminal, with every row.
func WriteComparison(w io.Writer, c *compare.Comparison, width int, color bool) error {
	t := &text{w: w, width: min(max(width, minWidth), maxWidth), color: color}
	of := compare.VersionText(c.Version, c.Commit)
	if of != "" {
		of = " (" + of + ")"
	}
	t.line(t.paint(bold, cut(Clean("run "+c.Run+of), t.width)))
	t.paragraph("", plain, "against "+c.Baseline)
	t.line()
	writeComparison(t, c, true)
	if t.err != nil {
		return fmt.Errorf("write comparison of run %s: %w", c.Run, t.err)
	}
	return nil
}

func styleOfJudgement(j stat.Judgement) style {
	switch j {
	case stat.Regression:
		return red
	case stat.Passed, stat.Improvement:
		return green
	case stat.Indicative:
		return dim
	default:
		return yellow
	}
}

func writeComparison(t *text, c *compare.Comparison, all bool) {
	t.paragraph("  "+strings.ToUpper(string(c.Verdict))+"  ", styleOfJudgement(c.Verdict), c.Summary)
	for _, w := range c.Warnings {
		t.paragraph("  ! ", yellow, w)
	}
	if len(c.Rows) == 0 {
		return
	}
	defer writeExplanation(t, c.Explanation)
	names := column{}
	before, after := column{head: "before"}, column{head: "now"}
	change, interval := column{head: "change"}, column{head: "95% interval", optional: true}
	seen, chart := column{head: "would see", optional: true}, column{head: "history", optional: true}
	var rows []*compare.Row
	hidden := 0
	for i := range c.Rows {
		r := &c.Rows[i]
		if !all && !r.Telling() {
			hidden++
			continue
		}
		rows = append(rows, r)
		names.cells = append(names.cells, Clean(r.Name()))
		before.cells, after.cells = append(before.cells, maybe(r.Before, r.Unit)), append(after.cells, maybe(r.After, r.Unit))
		change.cells = append(change.cells, compare.Percent(r.Change))
		in := ""
		if r.Low != nil && r.High != nil {
			in = compare.Percent(r.Low) + " … " + compare.Percent(r.High)
		}
		interval.cells = append(interval.cells, in)
		seen.cells = append(seen.cells, compare.Percent(r.Detectable))
		chart.cells = append(chart.cells, spark(r.History))
	}
	const mark = 14
	lines := table(t.width-mark-2, []column{names, before, after, change, interval, seen, chart})
	t.line("  ", strings.Repeat(" ", mark), t.paint(dim, lines[0]))
	for i, r := range rows {
		word := string(r.Verdict)
		if r.Verdict == stat.Regression {
			word = strings.ToUpper(word)
		}
		t.line("  ", t.paint(styleOfJudgement(r.Verdict), pad(word, mark)), lines[i+1])
		for _, w := range r.Warnings {
			if all && r.Verdict != stat.Indicative {
				t.paragraph(strings.Repeat(" ", mark+2)+"! ", yellow, w)
			}
		}
	}
	if hidden > 0 {
		t.line(t.paint(dim, fmt.Sprintf("  … and %d rows of single requests with nothing to report (tidegauge compare %s)", hidden, c.Run)))
	}
}

// writeExplanation writes what changed together with what is worse.
func writeExplanation(t *text, x *compare.Explanation) {
	if x == nil {
		return
	}
	if x.Text != "" {
		t.paragraph("  What changed with it: ", bold, x.Text)
	}
	for i := range x.Traces {
		tr := &x.Traces[i]
		kind := "ordinary"
		if tr.Slow {
			kind = "slow"
		}
		t.line(fmt.Sprintf("  %-8s  trace %s  %s  %s", kind, Clean(tr.ID), verdict.Format(tr.Seconds, "s"), Clean(tr.Request)))
	}
}

// maybe writes a value of a comparison.
func maybe(v *float64, unit string) string {
	if v == nil {
		return "-"
	}
	return verdict.Format(*v, unit)
}
