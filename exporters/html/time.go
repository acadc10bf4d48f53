package html

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"tidegauge/engine/report"
	"tidegauge/engine/verdict"
)

// timeView is the run over time: a ruler of what was going on, and pictures on the same axis.
type timeView struct {
	Ruler  []ruler
	XTicks []tick
	Panels []*panel
	Table  *table
}

// ruler is a row of what was going on when.
type ruler struct {
	Name   string
	Pieces []piece
}

// piece is a stretch of a ruler, in percent.
type piece struct {
	At, Width, Text, Class string
	Title                  string
	Beside                 string // where its text begins that does not fit into it; empty: it does, or there is no room
}

// disturbance is a stretch in which something was broken on purpose.
type disturbance struct {
	from, to float64
	text     string
}

func disturbances(r *report.Report) []disturbance {
	var all []disturbance
	for i := range r.Faults {
		f := &r.Faults[i]
		if f.Start == nil {
			continue
		}
		d := disturbance{from: *f.Start, to: r.Seconds, text: report.Clean(f.Name)}
		if f.Target != "" {
			d.text += " of " + report.Clean(f.Target)
		}
		if f.End != nil {
			d.to = *f.End
		}
		all = append(all, d)
	}
	return all
}

func timeOf(r *report.Report, columns []column) *timeView {
	if len(r.Series) < 2 || !(r.Seconds > 0) {
		return nil
	}
	x := timeAxis(r.Seconds)
	v := &timeView{Ruler: rulers(r, &x), XTicks: x.across(), Table: timeTable(r)}
	v.Panels = append(v.Panels, latency(r, columns))
	if p := heatMap(columns, r.Seconds); p != nil {
		p.Table = nil
		v.Panels = append(v.Panels, p)
	}
	v.Panels = append(v.Panels, rates(r))
	if r.Total.Failures > 0 {
		v.Panels = append(v.Panels, errorRate(r))
	}
	v.Panels = append(v.Panels, users(r))
	broken := disturbances(r)
	for _, p := range v.Panels {
		for _, d := range broken {
			p.band(d.from, d.to, "fault", d.text)
		}
	}
	return v
}

// rulers show phases, what was judged, and faults.
func rulers(r *report.Report, x *axis) []ruler {
	at := func(from, to float64, text, class string) piece {
		a, b := x.at(from), x.at(to)
		text = report.Clean(text)
		return piece{At: percent(a), Width: percent(max(b-a, 0.002)), Text: text, Class: class, Title: text}
	}
	var all []ruler
	phases := ruler{Name: "phase"}
	for i := range r.Events {
		e := &r.Events[i]
		if e.Kind != "phase" {
			continue
		}
		to := r.Seconds
		for k := i + 1; k < len(r.Events); k++ {
			if r.Events[k].Kind == "phase" {
				to = r.Events[k].At
				break
			}
		}
		phases.Pieces = append(phases.Pieces, at(e.At, to, e.Text, "phase"))
	}
	if len(phases.Pieces) > 0 {
		all = append(all, phases)
	}
	if r.Verdict != nil && r.Verdict.Part != nil {
		part := r.Verdict.Part
		judged := ruler{Name: "judged"}
		from := part.From.Sub(r.Start).Seconds()
		for _, gap := range part.Without {
			judged.Pieces = append(judged.Pieces, at(from, gap.From.Sub(r.Start).Seconds(), "", "judged"))
			from = gap.To.Sub(r.Start).Seconds()
		}
		if to := part.To.Sub(r.Start).Seconds(); to > from {
			judged.Pieces = append(judged.Pieces, at(from, to, "", "judged"))
		}
		if len(judged.Pieces) > 0 {
			judged.Pieces[0].Text = report.Clean(part.Name)
		}
		all = append(all, judged)
	}
	faults := ruler{Name: "faults"}
	broken := disturbances(r)
	for i, d := range broken {
		p := at(d.from, d.to, d.text, "broken")
		need := 0.012 * float64(utf8.RuneCountInString(d.text)) // of the width, about
		next := 1.0
		if i+1 < len(broken) {
			next = x.at(broken[i+1].from)
		}
		if end := x.at(d.to); end-x.at(d.from) < need && next-end > need {
			p.Text, p.Beside = "", percent(end)
		}
		faults.Pieces = append(faults.Pieces, p)
	}
	if len(faults.Pieces) > 0 {
		all = append(all, faults)
	}
	return all
}

// points takes one value of each point of the series.
func points(r *report.Report, value func(*report.Point) float64) []point {
	all := make([]point, len(r.Series))
	for i := range r.Series {
		p := &r.Series[i]
		all[i] = point{p.At + p.Seconds/2, value(p)}
	}
	return all
}

// finished leaves a gap where nothing finished.
func finished(value func(*report.Point) float64) func(*report.Point) float64 {
	return func(p *report.Point) float64 {
		if p.Requests == 0 {
			return math.NaN()
		}
		return value(p)
	}
}

func valuesOf(lists ...[]point) []float64 {
	var all []float64
	for _, l := range lists {
		for _, q := range l {
			if !math.IsNaN(q.y) {
				all = append(all, q.y)
			}
		}
	}
	return all
}

func latency(r *report.Report, columns []column) *panel {
	p50 := points(r, finished(func(p *report.Point) float64 { return p.P50 }))
	p95 := points(r, finished(func(p *report.Point) float64 { return p.P95 }))
	p99 := points(r, finished(func(p *report.Point) float64 { return p.P99 }))
	var service []point
	for i := range columns {
		c := &columns[i]
		y := math.NaN()
		if c.service.Count() > 0 {
			y = c.service.Quantile(0.95)
		}
		service = append(service, point{(c.from + c.to) / 2, y})
	}
	p := &panel{ID: "latency", Title: "Response time", Height: 260, x: timeAxis(r.Seconds)}
	p.y = valueAxis(valuesOf(p50, p95, p99, service), "s", true)
	p.Note = "from the intended start of each request, all requests"
	if p.y.log {
		p.Note += "; logarithmic"
	}
	if len(service) > 0 {
		p.line("service", "", service)
		p.Legend = append(p.Legend, legend{"service", "service time p95, from the send"})
	}
	p.line("q1", "p50", p50)
	p.line("q2", "p95", p95)
	p.line("q3", "p99", p99)
	t := &r.Total.Response
	p.Summary = fmt.Sprintf("Line chart of p50, p95 and p99 of response time over %s. Over the whole run p50 is %s, p95 %s, p99 %s, the longest %s.",
		clock(r.Seconds), verdict.Format(t.P50, "s"), verdict.Format(t.P95, "s"), verdict.Format(t.P99, "s"), verdict.Format(t.Max, "s"))
	p.hits(r, func(q *report.Point) string {
		if q.Requests == 0 {
			return "nothing finished"
		}
		return fmt.Sprintf("p50 %s, p95 %s, p99 %s, max %s", verdict.Format(q.P50, "s"), verdict.Format(q.P95, "s"), verdict.Format(q.P99, "s"), verdict.Format(q.Max, "s"))
	})
	p.finish()
	return p
}

// maxHits bounds the columns that say their values: a page is to stay small.
const maxHits = 300

// hits lets the picture say its values where it is pointed at.
func (p *panel) hits(r *report.Report, say func(*report.Point) string) {
	if len(r.Series) > maxHits {
		return
	}
	for i := range r.Series {
		q := &r.Series[i]
		x, end := p.x.at(q.At)*1000, p.x.at(q.At+q.Seconds)*1000
		p.Hits = append(p.Hits, hit{decimal(x, 1), decimal(end-x, 1), clock(q.At) + "  " + say(q)})
	}
}

func rates(r *report.Report) *panel {
	rate := points(r, func(p *report.Point) float64 { return p.Rate })
	target := points(r, func(p *report.Point) float64 { return p.TargetRate })
	open := r.Run.Shape.Model == "open"
	p := &panel{ID: "rate", Title: "Throughput", Note: "finished requests per second, failed ones included", Height: 150, x: timeAxis(r.Seconds)}
	all := valuesOf(rate)
	if open {
		all = valuesOf(rate, target)
	}
	p.y = valueAxis(all, "1/s", false)
	p.Areas = append(p.Areas, shape{p.area(rate), "rate"})
	if open {
		p.line("target", "", target)
		p.Legend = append(p.Legend, legend{"target", "intended arrivals of iterations per second"})
	}
	p.line("rate", "", rate)
	p.Summary = fmt.Sprintf("Line chart of finished requests per second over %s, in the mean %s.", clock(r.Seconds), verdict.Format(r.Total.Rate, "1/s"))
	p.hits(r, func(q *report.Point) string {
		return fmt.Sprintf("%s, %s of %s failed", verdict.Format(q.Rate, "1/s"), verdict.FormatCount(q.Failures), verdict.FormatCount(q.Requests))
	})
	p.finish()
	return p
}

func errorRate(r *report.Report) *panel {
	failed := points(r, func(p *report.Point) float64 {
		if p.Seconds <= 0 {
			return 0
		}
		return float64(p.Failures) / p.Seconds
	})
	p := &panel{ID: "errors", Title: "Failed requests", Note: "per second", Height: 110, x: timeAxis(r.Seconds)}
	p.y = valueAxis(valuesOf(failed), "1/s", false)
	p.Areas = append(p.Areas, shape{p.area(failed), "bad"})
	p.line("bad", "", failed)
	p.Summary = fmt.Sprintf("Line chart of failed requests per second; in all %s of %s failed.", verdict.FormatCount(r.Total.Failures), verdict.FormatCount(r.Total.Count))
	p.finish()
	return p
}

func users(r *report.Report) *panel {
	n := points(r, func(p *report.Point) float64 { return float64(p.Users) })
	p := &panel{ID: "users", Title: "Users", Note: "the most at once", Height: 110, x: timeAxis(r.Seconds)}
	if r.Run.Shape.Model == "open" {
		p.Note = "users at work, the most at once"
	}
	p.y = valueAxis(valuesOf(n), "1", false)
	p.Areas = append(p.Areas, shape{p.area(n), "users"})
	p.line("users", "", n)
	p.Summary = fmt.Sprintf("Line chart of users at once, at most %d.", r.UsersPeak)
	p.finish()
	return p
}

// maxTableRows is how many rows the table over time has: some for each minute of a short run, and a page of a long one.
const maxTableRows = 60

// timeTable is the run over time in numbers, thinned out: of several points the one with the greatest p95 stands for all, since it is the
// worst that people look for.
func timeTable(r *report.Report) *table {
	t := &table{Heads: []string{"from", "users", "rate", "failed", "p50", "p95", "p99", "max"}}
	each := (len(r.Series) + maxTableRows - 1) / maxTableRows
	if each > 1 {
		t.Caption = fmt.Sprintf("Of each %d intervals the one with the greatest p95.", each)
	}
	for i := 0; i < len(r.Series); i += each {
		worst := &r.Series[i]
		for k := i; k < min(i+each, len(r.Series)); k++ {
			if r.Series[k].P95 > worst.P95 {
				worst = &r.Series[k]
			}
		}
		value := func(v float64) string {
			if worst.Requests == 0 {
				return "–"
			}
			return strings.Replace(verdict.Format(v, "s"), " ", "\u00a0", 1)
		}
		t.Rows = append(t.Rows, []string{clock(worst.At), verdict.FormatCount(uint64(max(worst.Users, 0))), verdict.Format(worst.Rate, "1/s"), verdict.FormatCount(worst.Failures),
			value(worst.P50), value(worst.P95), value(worst.P99), value(worst.Max)})
	}
	return t
}
