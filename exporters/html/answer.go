package html

import (
	"fmt"
	"math"
	"strings"

	"tidegauge/engine/answer"
	"tidegauge/engine/catalog"
	"tidegauge/engine/report"
	"tidegauge/engine/verdict"
)

// answerView is the answer to the question of the test's type.
type answerView struct {
	Short    string // for the contents
	Question string
	Standing outcome
	Text     string
	Warnings []string
	Groups   []figureGroup
	Interval string // what the intervals are
	Panels   []*panel
	Trials   *trialsView
}

// figureGroup is the figures of one subject.
type figureGroup struct {
	Subject string
	Figures []figureView
}

type figureView struct{ Title, Value, Interval, Text string }

type trialsView struct{ Rows []trialView }

type trialView struct {
	Load, Stage, Rate, Good, P95, Failed, Reason, Servers string
	Outcome                                               outcome
}

func answerOf(r *report.Report) *answerView {
	a := r.Answer
	if a == nil {
		return nil
	}
	v := &answerView{Short: "Answer", Question: report.Clean(a.Question), Text: report.Clean(a.Text), Warnings: cleaned(a.Warnings)}
	switch a.Standing {
	case answer.Good:
		v.Standing = outcome{"pass", "✓", "good"}
	case answer.Bad:
		v.Standing = outcome{"fail", "✕", "bad"}
	default:
		v.Standing = outcome{"open", "?", "undecided"}
	}
	v.figures(a)
	for i := range a.Charts {
		if p := chart(r, &a.Charts[i], i); p != nil {
			v.Panels = append(v.Panels, p)
		}
	}
	v.Trials = trialsOf(a)
	return v
}

func cleaned(all []string) []string {
	var out []string
	for _, s := range all {
		out = append(out, report.Clean(s))
	}
	return out
}

func (v *answerView) figures(a *answer.Answer) {
	subjects := map[string]bool{}
	levels := map[float64]bool{}
	for i := range a.Figures {
		f := &a.Figures[i]
		if s := report.SubjectOf(f); s != "" {
			subjects[s] = true
		}
		if f.Low != nil || f.High != nil {
			levels[levelOf(f)] = true
		}
	}
	if len(levels) == 1 {
		for l := range levels {
			v.Interval = verdict.Format(l, "ratio") + " interval"
		}
	} else if len(levels) > 1 {
		v.Interval = "interval"
	}
	for i := range a.Figures {
		f := &a.Figures[i]
		one := figureView{Title: capital(report.Clean(f.Title)), Value: report.FigureValue(f), Interval: report.FigureInterval(f), Text: report.Clean(f.Text)}
		if one.Interval != "" && len(levels) > 1 {
			one.Interval += " at " + verdict.Format(levelOf(f), "ratio")
		}
		subject := ""
		if len(subjects) > 1 {
			subject = capital(report.Clean(report.SubjectOf(f)))
		} else if len(subjects) == 1 && len(v.Groups) == 0 && report.SubjectOf(f) != "" && f.Subject != "spike" {
			one.Text = strings.TrimPrefix(strings.TrimSuffix(one.Text+"; "+report.Clean(f.Subject), "; "), "; ")
		}
		if n := len(v.Groups); n == 0 || v.Groups[n-1].Subject != subject {
			v.Groups = append(v.Groups, figureGroup{Subject: subject})
		}
		g := &v.Groups[len(v.Groups)-1]
		g.Figures = append(g.Figures, one)
	}
}

func levelOf(f *answer.Figure) float64 {
	if f.Level > 0 {
		return f.Level
	}
	return 0.95
}

// chart draws a picture of an answer: over time on the axis of the whole run, or over the load with the trials in it.
func chart(r *report.Report, c *answer.Chart, n int) *panel {
	p := &panel{ID: fmt.Sprintf("answer-%d", n), Title: capital(report.Clean(c.Title)), Height: 220}
	var all, across []float64
	for i := range c.Lines {
		l := &c.Lines[i]
		for k, x := range l.X {
			across = append(across, x)
			if k < len(l.Y) && l.Y[k] != nil {
				all = append(all, *l.Y[k])
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	overLoad := c.X != "s"
	if overLoad {
		p.x = loadAxis(across, c.X)
		p.Across = map[string]string{"1/s": "load, arrivals of iterations per second", "users": "load, users"}[c.X]
	} else {
		p.x = timeAxis(r.Seconds)
	}
	for _, l := range c.Limits { // in view, where it does not make everything else small
		if top := greatest(all); l.Value <= 3*top {
			all = append(all, l.Value)
		}
	}
	p.y = valueAxis(all, c.Unit, c.Unit == "s")
	if p.y.log {
		p.Note = "logarithmic"
	}
	p.marks(r, c)
	for _, l := range c.Limits {
		p.limit(l.Value, report.Clean(l.Name))
	}
	if overLoad {
		p.trials(r.Answer, c.Unit)
	}
	classes := []string{"a1", "a2", "a3", "a4"}
	if c.Unit == "ratio" && len(c.Lines) == 1 {
		classes = []string{"good"}
	}
	for i := range c.Lines {
		l := &c.Lines[i]
		var points []point
		for k, x := range l.X {
			y := math.NaN()
			if k < len(l.Y) && l.Y[k] != nil {
				y = *l.Y[k]
			}
			points = append(points, point{x, y})
		}
		class := classes[i%len(classes)]
		if known := map[string]string{"p50": "q1", "p95": "q2", "p99": "q3", "line": "fit"}[l.Name]; known != "" {
			class = known
		}
		p.line(class, report.Clean(l.Name), points)
		if len(points) <= 40 && !overLoad && class != "fit" {
			p.dots(class, points)
		}
	}
	p.Summary = fmt.Sprintf("Line chart: %s. The values lie between %s and %s.", report.Clean(c.Title), amount(least(all), c.Unit), amount(greatest(all), c.Unit))
	p.Table = chartTable(c)
	p.finish()
	return p
}

// marks shades stretches of a chart and names moments.
func (p *panel) marks(r *report.Report, c *answer.Chart) {
	for _, m := range c.Marks {
		class := "mark"
		switch {
		case m.From == m.To:
			class = "moment"
		case c.X == "s" && (r.Run.Type == "recovery" || r.Run.Type == "spike"):
			class = "fault"
		}
		name := report.Clean(m.Name)
		p.band(m.From, m.To, class, name)
		p.Words = append(p.Words, label{At: percent(p.x.at(m.From)), Text: name, Class: class})
	}
}

// trials puts the trials of a search into its chart.
func (p *panel) trials(a *answer.Answer, unit string) {
	for i := range a.Figures {
		if f := &a.Figures[i]; f.Metric == catalog.Capacity && f.Low != nil && f.High != nil && *f.High > *f.Low {
			p.band(*f.Low, *f.High, "likely", report.FigureInterval(f))
			p.Legend = append(p.Legend, legend{"likely", verdict.Format(levelOf(f), "ratio") + " interval of the capacity"})
		}
	}
	names := map[string][2]string{"passed": {"ok", "trial that passed"}, "failed": {"no", "trial that failed"}, "generator": {"own", "the generator's limit"}}
	for _, o := range []string{"passed", "failed", "generator"} {
		var points []point
		for i := range a.Trials {
			t := &a.Trials[i]
			y := t.P95
			if unit != "s" {
				y = t.Goodput
			}
			if t.Outcome == o && y > 0 {
				points = append(points, point{t.Load, y})
			}
		}
		if len(points) > 0 {
			p.dots(names[o][0], points)
			p.Legend = append(p.Legend, legend{"dot " + names[o][0], names[o][1]})
		}
	}
}

const maxChartRows = 40

func chartTable(c *answer.Chart) *table {
	t := &table{Heads: []string{"time"}}
	if c.X != "s" {
		t.Heads[0] = "load"
	}
	for i := range c.Lines {
		t.Heads = append(t.Heads, report.Clean(c.Lines[i].Name))
	}
	first := &c.Lines[0]
	each := max((len(first.X)+maxChartRows-1)/maxChartRows, 1)
	for k := 0; k < len(first.X); k += each {
		x := clock(first.X[k])
		if c.X != "s" {
			x = amount(first.X[k], c.X)
		}
		row := []string{x}
		for i := range c.Lines {
			cell := "–"
			if l := &c.Lines[i]; k < len(l.Y) && l.Y[k] != nil {
				cell = verdict.Format(*l.Y[k], c.Unit)
			}
			row = append(row, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func trialsOf(a *answer.Answer) *trialsView {
	if len(a.Trials) == 0 {
		return nil
	}
	v := &trialsView{}
	for i := range a.Trials {
		t := &a.Trials[i]
		o := outcome{"open", "–", report.Clean(t.Outcome)}
		switch t.Outcome {
		case "passed":
			o = outcome{"pass", "✓", "passed"}
		case "failed":
			o = outcome{"fail", "✕", "failed"}
		}
		var servers []string
		for _, s := range t.Servers {
			servers = append(servers, report.Clean(s.Name)+" "+verdict.Format(s.Value, s.Unit))
		}
		v.Rows = append(v.Rows, trialView{
			Load: report.FormatLoad(t.Load), Stage: report.Clean(t.Stage), Rate: verdict.Format(t.Rate, "1/s"), Good: verdict.Format(t.Goodput, "1/s"),
			P95: verdict.Format(t.P95, "s"), Failed: verdict.Format(t.Failures, "ratio"), Reason: report.Clean(t.Reason), Servers: strings.Join(servers, ", "), Outcome: o,
		})
	}
	return v
}

func greatest(all []float64) float64 {
	top := 0.0
	for _, v := range all {
		top = max(top, v)
	}
	return top
}

func least(all []float64) float64 {
	low := math.Inf(1)
	for _, v := range all {
		low = min(low, v)
	}
	return low
}

func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' || len(s) > 1 && s[0] == 'p' && s[1] >= '0' && s[1] <= '9' {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
