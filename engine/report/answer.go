package report

import (
	"math"
	"slices"
	"strings"

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
	columns := []column{{}, {}, {head: "95% interval", optional: true}}
	var notes []string
	subjects := map[string]bool{}
	for i := range figures {
		subjects[figures[i].Subject] = true
	}
	delete(subjects, "")
	for i := range figures {
		f := &figures[i]
		name := clean(f.Title)
		if f.Subject != "" && len(subjects) > 1 {
			name += " (" + clean(f.Subject) + ")"
		}
		columns[0].cells = append(columns[0].cells, "  "+name)
		columns[1].cells = append(columns[1].cells, figureValue(f))
		columns[2].cells = append(columns[2].cells, figureInterval(f))
		notes = append(notes, f.Text)
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
		t.line(l)
		if notes[i-1] != "" {
			t.paragraph("      ", dim, notes[i-1])
		}
	}
}

func figureValue(f *answer.Figure) string {
	switch {
	case f.Value == nil:
		return "-"
	case f.Censored:
		return "> " + verdict.Format(*f.Value, f.Unit)
	}
	return verdict.Format(*f.Value, f.Unit)
}

func figureInterval(f *answer.Figure) string {
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
			"  " + verdict.Format(x.Load, ""), x.Stage, x.Outcome, verdict.Format(x.Rate, "1/s"), short(x.P95), verdict.Format(x.Failures, "ratio"), cut(clean(x.Reason), max(t.width-others, 12)),
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
	t.line("  ", t.paint(dim, clean(c.Title)))
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
		t.line("  ", pad(cut(clean(l.Name), label-3), label-2), spark(values), "  ≤ ", verdict.Format(top, c.Unit))
	}
	ruler := []rune(strings.Repeat(" ", width+legend))
	for _, m := range c.Marks {
		at := int(min(max((m.From-low)/(high-low), 0), 1) * float64(width))
		rest := ruler[min(at, len(ruler)-1):]
		for k := copy(rest, []rune("│"+clean(m.Name))); k < len(rest); k++ {
			rest[k] = ' ' // of a mark before that was longer
		}
	}
	if len(c.Marks) > 0 {
		t.line(strings.Repeat(" ", label), t.paint(dim, strings.TrimRight(string(ruler), " ")))
	}
}
