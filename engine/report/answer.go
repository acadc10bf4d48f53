package report

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tidegauge/engine/answer"
	"tidegauge/engine/verdict"
)

// answer writes the answer to the question of the test's type: in words, in figures, and as a picture.
func (r *Report) answer(t *text) {
	a := r.Answer
	if a == nil {
		return
	}
	t.heading(a.Question)
	t.paragraph("  ", styleOfStanding(a.Standing), a.Text)
	for _, w := range a.Warnings {
		t.paragraph("  ! ", yellow, w)
	}
	figureTable(t, a.Figures)
	trialTable(t, a.Trials)
	for i := range a.Charts {
		drawChart(t, &a.Charts[i])
	}
}

func styleOfStanding(s answer.Standing) style {
	switch s {
	case answer.Good:
		return green
	case answer.Bad:
		return red
	}
	return yellow
}

func figureTable(t *text, figures []answer.Figure) {
	if len(figures) == 0 {
		return
	}
	columns := []column{{}, {}, {head: intervalHead(figures), optional: true}}
	subjects := map[string]bool{}
	for i := range figures {
		subjects[SubjectOf(&figures[i])] = true
	}
	delete(subjects, "")
	for i := range figures {
		f := &figures[i]
		indent := "  "
		if len(subjects) > 1 && SubjectOf(f) != "" {
			indent = "    "
		}
		columns[0].cells = append(columns[0].cells, indent+Clean(f.Title))
		columns[1].cells = append(columns[1].cells, FigureValue(f))
		columns[2].cells = append(columns[2].cells, FigureInterval(f))
	}
	if !slices.ContainsFunc(columns[2].cells, func(s string) bool { return s != "" }) {
		columns = columns[:2]
	}
	for i, l := range table(t.width, columns) {
		if i == 0 {
			if len(columns) > 2 {
				t.line(t.paint(dim, l))
			}
			continue
		}
		f := &figures[i-1]
		if len(subjects) > 1 && (i == 1 || SubjectOf(&figures[i-2]) != SubjectOf(f)) && SubjectOf(f) != "" {
			t.line("  ", t.paint(dim, cut(Clean(f.Subject), t.width-2)))
		}
		note := Clean(f.Text)
		switch n := utf8.RuneCountInString(l) + 2 + utf8.RuneCountInString(note); {
		case note == "":
			t.line(l)
		case n <= t.width:
			t.line(l, "  ", t.paint(dim, note))
		default:
			t.line(l)
			t.paragraph("      ", dim, note)
		}
	}
}

// SubjectOf returns what is to stand above a figure: its subject, unless its title or text says it.
func SubjectOf(f *answer.Figure) string {
	if strings.Contains(f.Title, f.Subject) || strings.Contains(f.Text, f.Subject) {
		return ""
	}
	return f.Subject
}

const usualLevel = 0.95

func levelOf(f *answer.Figure) float64 {
	if f.Level > 0 {
		return f.Level
	}
	return usualLevel
}

// intervalHead names the level that all intervals have; where they differ each says its own.
func intervalHead(figures []answer.Figure) string {
	levels := map[float64]bool{}
	for i := range figures {
		if f := &figures[i]; f.Low != nil || f.High != nil {
			levels[levelOf(f)] = true
		}
	}
	if len(levels) != 1 {
		return "interval"
	}
	for l := range levels {
		return verdict.Format(l, "ratio") + " interval"
	}
	return ""
}

// FigureValue writes the value of a figure; "-" where there is none.
func FigureValue(f *answer.Figure) string {
	switch {
	case f.Value == nil:
		return "-"
	case f.Censored:
		return "> " + verdict.Format(*f.Value, f.Unit)
	}
	return verdict.Format(*f.Value, f.Unit)
}

// FigureInterval writes the interval of a figure, "" where it has none; an open end is an ellipsis.
func FigureInterval(f *answer.Figure) string {
	if f.Low == nil && f.High == nil {
		return ""
	}
	end := func(v *float64) string {
		if v == nil {
			return "…"
		}
		return verdict.Format(*v, f.Unit)
	}
	return "[" + end(f.Low) + ", " + end(f.High) + "]"
}

func trialTable(t *text, trials []answer.Trial) {
	if len(trials) == 0 {
		return
	}
	columns := []column{{head: "  load"}, {head: "stage"}, {head: "outcome"}, {head: "rate"}, {head: "p95"}, {head: "failed"}, {head: "broke first", optional: true, left: true}}
	const others = 62 // columns that the ones before take, about
	for i := range trials {
		x := &trials[i]
		for k, cell := range []string{
			"  " + FormatLoad(x.Load), x.Stage, x.Outcome, verdict.Format(x.Rate, "1/s"), short(x.P95), verdict.Format(x.Failures, "ratio"), cut(Clean(x.Reason), max(t.width-others, 12)),
		} {
			columns[k].cells = append(columns[k].cells, cell)
		}
	}
	for i, l := range table(t.width, columns) {
		if i == 0 {
			l = t.paint(dim, l)
		}
		t.line(l)
	}
}

// drawChart draws the lines of a chart that share its horizontal axis, each as a line of bars, and its marks below them.
func drawChart(t *text, c *answer.Chart) {
	low, high := math.Inf(1), math.Inf(-1)
	for i := range c.Lines {
		for _, x := range c.Lines[i].X {
			low, high = min(low, x), max(high, x)
		}
	}
	if !(high > low) {
		return
	}
	const label, legend = 22, 14
	width := t.width - label - legend
	t.line("  ", t.paint(dim, Clean(c.Title)))
	for i := range c.Lines {
		l := &c.Lines[i]
		values := slices.Repeat([]float64{-1}, width)
		top := 0.0
		for k, y := range l.Y {
			if y == nil || k >= len(l.X) {
				continue
			}
			at := min(int((l.X[k]-low)/(high-low)*float64(width)), width-1)
			values[at] = max(values[at], *y)
			top = max(top, *y)
		}
		for k := 1; k < width; k++ { // fewer points than columns
			if values[k] < 0 && len(l.X) < width {
				values[k] = values[k-1]
			}
		}
		t.line("  ", pad(cut(Clean(l.Name), label-3), label-2), spark(values), "  ≤ ", verdict.Format(top, c.Unit))
	}
	for _, row := range markRows(c.Marks, low, high, width, width+legend) {
		t.line(strings.Repeat(" ", label), t.paint(dim, row))
	}
}

// markRows writes the names of marks below the place of each, on as many rows as they need not to overlap.
func markRows(marks []answer.Mark, low, high float64, width, room int) []string {
	var rows [][]rune
	for _, m := range marks {
		name := []rune(cut("│"+Clean(m.Name), room))
		at := int(min(max((m.From-low)/(high-low), 0), 1) * float64(width))
		if at+len(name) > room { // its end is where the mark is
			name = append(name[1:], '│')
			at = max(0, at-len(name)+1)
		}
		k := slices.IndexFunc(rows, func(row []rune) bool { return len(row) < at || len(row) == 0 })
		if k < 0 {
			k, rows = len(rows), append(rows, nil)
		}
		gap := strings.Repeat(" ", at-len(rows[k]))
		rows[k] = append(append(rows[k], []rune(gap)...), name...)
	}
	all := make([]string, len(rows))
	for i, row := range rows {
		all[i] = string(row)
	}
	return all
}

// FormatLoad writes the load of a trial: a rate to four digits, users whole.
func FormatLoad(v float64) string {
	if v == math.Trunc(v) {
		return verdict.Format(v, "")
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
