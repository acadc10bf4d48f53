package answer

import (
	"fmt"
	"math"
	"strings"
	"time"

	"tidegauge/engine/catalog"
	"tidegauge/engine/hist"
	"tidegauge/engine/stat"
)

// LoadInput is what the answer of a load test is made from.
type LoadInput struct {
	Standing  Standing        // of the verdict: its objectives are what "holding" means
	Code      string          // of the finding that decided, unless it is good
	Verdict   string          // in a line
	Disturbed bool            // there is something to be said of the load generator
	From, To  time.Duration   // of what was judged, from the start of the run
	Response  *hist.Histogram // of the good requests of it
	Good      uint64
	Values    Values // of the whole stretch of constant load; no values: the load was not constant
	Settling  Settling
	Given     bool    // the warm-up is the plan's
	Limits    []Limit // on p95
	Decided   string  // of a test that ends by what is decided: how it ended
}

// LoadAnswer answers whether the target holds the expected traffic.
func LoadAnswer(in LoadInput) Answer {
	a := Answer{Question: "Does it hold the expected traffic?", Standing: in.Standing, Code: in.Code}
	length := in.To - in.From
	rate := 0.0
	if length > 0 {
		rate = float64(in.Good) / length.Seconds()
	}
	switch in.Standing {
	case Good:
		a.Text = "It holds the expected traffic: "
	case Bad:
		a.Text = "It does not hold the expected traffic: "
	default:
		a.Text = "Whether it holds the expected traffic is not decided: "
	}
	if in.Standing == Good {
		a.Text += fmt.Sprintf("%.3g good requests a second over %s; ", rate, seconds(length))
	}
	a.Text += in.Verdict + ". "
	if in.Decided != "" {
		a.Text += in.Decided + " "
	}
	a.Text += in.steadiness()
	if in.Disturbed {
		a.Text += " Mind the findings and warnings on the load generator."
	} else {
		a.Text += " The load generator kept up."
	}
	a.Warnings = in.Settling.Warnings
	a.Figures = append(a.Figures, Figure{Title: "good requests", Metric: catalog.Goodput, Value: &rate, Unit: "1/s"})
	for _, q := range []float64{0.5, 0.95, 0.99} {
		if in.Response.Count() > 0 {
			v := in.Response.Quantile(q)
			f := Figure{Title: fmt.Sprintf("p%g of response time, good requests", q*100), Metric: catalog.JudgedResponseTime, Subject: fmt.Sprintf("p%g", q*100), Value: &v, Unit: "s"}
			f.interval(stat.QuantileInterval(in.Response, q))
			a.Figures = append(a.Figures, f)
		}
	}
	a.Figures = append(a.Figures, SettledFigures(in.Settling)...)
	if c, ok := in.Values.chart(in.Settling, in.Limits); ok {
		a.Charts = append(a.Charts, c)
	}
	return a
}

// steadiness says how it began and went on.
func (in *LoadInput) steadiness() string {
	s := &in.Settling
	text := ""
	switch {
	case len(in.Values.P50) == 0:
		return "The load was not constant, so nothing can be said of a warm-up or of steadiness."
	case in.Given || s.WarmUp == 0:
	default:
		text = "After a warm-up of " + seconds(s.WarmUp) + ", which is left out, "
	}
	switch {
	case len(s.Unsteady) > 0:
		text += "it was not steady: " + joinText(s.Unsteady)
	case s.Tested:
		text += "it was steady"
		for _, d := range s.Drifts {
			if d.Name == "p95" {
				text += ", " + d.text()
			}
		}
	default:
		text += "it was too short to tell whether it was steady"
	}
	if strings.HasPrefix(text, "i") {
		text = "I" + text[1:]
	}
	return text + "."
}

// text says whether there is a drift beyond chance.
func (d *Drift) text() string {
	if d.Interval.Contains(0) {
		return "and " + d.Name + " did not drift beyond chance"
	}
	return fmt.Sprintf("but %s drifted by %s", d.Name, percent(d.Change))
}

// SettledFigures are the warm-up and the drifts.
func SettledFigures(s Settling) []Figure {
	var all []Figure
	if s.Found {
		w := s.WarmUp.Seconds()
		all = append(all, Figure{Title: "warm-up", Metric: catalog.WarmUpTime, Value: &w, Unit: "s", Censored: s.Bound})
	}
	for _, d := range s.Drifts {
		f := Figure{Title: "drift of " + d.Name, Metric: catalog.Drift, Subject: d.Name, Value: &d.Change, Unit: "ratio"}
		f.interval(d.Interval)
		all = append(all, f)
	}
	return all
}

// interval sets the finite ends of the figure's interval.
func (f *Figure) interval(i stat.Interval) {
	if !math.IsInf(i.Low, 0) && !math.IsNaN(i.Low) {
		f.Low = &i.Low
	}
	if !math.IsInf(i.High, 0) && !math.IsNaN(i.High) {
		f.High = &i.High
	}
}

// chart shows p95 with the warm-up and where it was on another level.
func (v Values) chart(s Settling, limits []Limit) (Chart, bool) {
	if len(v.P95) == 0 {
		return Chart{}, false
	}
	c := Chart{Title: "response time of good requests", Unit: "s", X: "s", Limits: limits}
	c.Lines = []Line{v.line("p50", v.P50), v.line("p95", v.P95)}
	if s.WarmUp > 0 {
		c.Marks = append(c.Marks, Mark{"after warm-up", (v.Start + s.WarmUp).Seconds(), (v.Start + s.WarmUp).Seconds()})
	}
	for _, m := range s.Shifts {
		c.Marks = append(c.Marks, Mark{m.Name + " shifts", m.From, m.To})
	}
	return c, true
}

// line is one of the values over time, each in the middle of its step.
func (v Values) line(name string, values []float64) Line {
	l := Line{Name: name, X: make([]float64, len(values)), Y: make([]*float64, len(values))}
	for i, y := range values {
		l.X[i] = (v.Start + time.Duration(i)*v.Step + v.Step/2).Seconds()
		if !math.IsNaN(y) {
			l.Y[i] = &y
		}
	}
	return l
}
