package answer

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/catalog"
	"tidegauge/engine/stat"
)

// The codes of what a soak test finds.
const (
	CodeLeak        = "leak"         // something of a server grows without end
	CodeDegradation = "degradation"  // response times or failures do
	CodeGrowing     = "growing"      // something grows, and may level off
	CodeUnanswered  = "not_answered" // what was measured carries no answer
)

const (
	leastMemory   = 8 << 20 // bytes; runtimes and allocators move that much by themselves
	leastCount    = 5       // connections, files, threads
	leastLatency  = 0.10    // relative
	leastFailures = 0.005   // ratio
	mostCharts    = 4
	fills         = 5 // a soak is to last that many times as long as the slowest fill of a cache
)

// SoakInput is what the answer of a soak test is made from.
type SoakInput struct {
	Constant  bool   // there was a stretch of constant load
	Values    Values // of it
	Trends    Values // of it, in steps for trends; those of Values where it has none
	Settling  Settling
	Resources []SoakSeries
	Missing   []string // resources of the plan that no server shows
	Scraped   bool     // something is scraped
}

// SoakSeries is something of a server that was scraped.
type SoakSeries struct {
	Subject  string // resident memory of payments
	Unit     string // By or 1
	Start    time.Duration
	Step     time.Duration
	Values   []float64
	Started  []float64 // when the process began, at the same steps; nil: not known
	Limit    float64   // 0: none is known
	Least    bool      // the least value of a block counts
	Warnings []string
}

// growing is one thing with what became of it.
type growing struct {
	SoakSeries
	trend  stat.Trend
	hourly float64 // relative, NaN where it starts from nothing
	scale  float64 // turns a growth an hour into a relative one
	server bool
}

// SoakAnswer answers whether the target leaks or degrades: from the trends of what was scraped of its servers, and of its
// response times and failures, at constant load.
func SoakAnswer(in SoakInput) Answer {
	a := Answer{Question: "Does it leak or degrade?", Standing: Undecided, Code: CodeUnanswered}
	if !in.Constant {
		a.Text = "The load was not constant, and what follows the load cannot be told from what grows by itself: give the test a long stretch of steady load."
		return a
	}
	a.Warnings = in.Settling.Warnings
	var all []growing
	for _, s := range in.Resources {
		one, warnings := judgeSeries(s, in.Settling.WarmUp)
		a.Warnings = append(a.Warnings, warnings...)
		one.server = true
		all = append(all, one)
	}
	for _, s := range in.own() {
		one, _ := judgeSeries(s, in.Settling.WarmUp)
		all = append(all, one)
	}
	slices.SortStableFunc(all, func(a, b growing) int { return cmp.Compare(a.rank(), b.rank()) })
	for i := range all {
		a.Figures = append(a.Figures, all[i].figures()...)
		if c := all[i].trend.Class; (c == stat.Leak || c == stat.Growing) && len(a.Charts) < mostCharts {
			a.Charts = append(a.Charts, all[i].chart())
		}
	}
	a.Figures = append(a.Figures, SettledFigures(in.Settling)...)
	if c, ok := in.Values.chart(in.Settling, nil); ok {
		a.Charts = append(a.Charts, c)
	}
	a.judgeTrends(&in, all)
	return a
}

// own are the series that need no server.
func (in *SoakInput) own() []SoakSeries {
	v := &in.Trends
	if v.Step == 0 {
		v = &in.Values
	}
	return []SoakSeries{
		{Subject: "p95 of response time", Unit: "s", Start: v.Start, Step: v.Step, Values: v.P95},
		{Subject: "failed requests", Unit: "ratio", Start: v.Start, Step: v.Step, Values: v.Failures},
	}
}

// judgeSeries judges the longest stretch without a restart. What grows by less than anybody cares for is stable.
func judgeSeries(s SoakSeries, warmUp time.Duration) (growing, []string) {
	var warnings []string
	if from, to, restarts := longest(s.Started); restarts > 0 {
		at := s.Start + time.Duration(from)*s.Step
		warnings = append(warnings, fmt.Sprintf("%s: its process was started anew in the run; judged is the longest stretch without, from %s to %s",
			s.Subject, seconds(at), seconds(s.Start+time.Duration(to)*s.Step)))
		warmUp -= time.Duration(from) * s.Step
		s.Start, s.Values = at, s.Values[from:min(to, len(s.Values))]
	}
	g := growing{SoakSeries: s}
	g.trend = stat.GrowthOf(stat.TrendOptions{Interval: s.Step, WarmUp: max(warmUp, 0), Least: s.Least, Limit: s.Limit}, s.Values)
	if g.trend.Class == stat.NotEnough && warmUp > 0 {
		// The warm-up is of the response times; a quarter of the series, which is always left out, is enough then.
		g.trend = stat.GrowthOf(stat.TrendOptions{Interval: s.Step, Least: s.Least, Limit: s.Limit}, s.Values)
	}
	t := &g.trend
	g.hourly, g.scale = math.NaN(), math.NaN()
	if t.Class == stat.NotEnough {
		return g, warnings
	}
	length := time.Duration(len(s.Values))*s.Step - t.Start
	rise := t.PerHour * length.Hours()
	if start := t.Current - rise; start > 0 {
		g.scale = 1 / start
		g.hourly = t.PerHour * g.scale
	}
	small := map[string]bool{"By": rise < leastMemory, "1": rise < leastCount, "s": t.Growth < leastLatency, "ratio": rise < leastFailures}[s.Unit]
	if small && (t.Class == stat.Leak || t.Class == stat.Growing) {
		t.Class, t.Reason, t.ToLimit = stat.Stable, "it rises by "+amount(rise, s.Unit)+" only, which is too little to be told from what a runtime does by itself", stat.Range{}
	}
	if strings.Contains(strings.Join(t.Warnings, " "), "reached already") {
		warnings = append(warnings, s.Subject+": its limit of "+amount(s.Limit, s.Unit)+" is reached already")
	}
	return g, warnings
}

// rank puts what matters first.
func (g *growing) rank() int {
	return slices.Index([]stat.TrendClass{stat.Leak, stat.Growing, stat.NotEnough, stat.Stable}, g.trend.Class)
}

// longest returns the longest stretch of the same value, and how often it changed. What is missing is as before.
func longest(started []float64) (from, to, changes int) {
	begin, last := 0, math.NaN()
	end := func(i int) {
		if i-begin > to-from {
			from, to = begin, i
		}
		begin = i
	}
	for i, v := range started {
		if math.IsNaN(v) {
			continue
		}
		// Some processes tell when they began from a clock that is adjusted.
		if !math.IsNaN(last) && math.Abs(v-last) > 2 {
			changes++
			end(i)
		}
		last = v
	}
	end(len(started))
	return from, to, changes
}

// figures are the growth an hour, relative; for what grows also the absolute one, and the time to the limit.
func (g *growing) figures() []Figure {
	t := &g.trend
	relative := Figure{Title: "growth an hour, relative", Metric: catalog.HourlyGrowth, Subject: g.Subject, Unit: "ratio"}
	if t.Class == stat.NotEnough {
		relative.Text = t.Reason
		return []Figure{relative}
	}
	absolute := Figure{Title: "growth an hour", Metric: catalog.HourlyIncrease, Subject: g.Subject, Value: &t.PerHour, Unit: perHour(g.Unit)}
	absolute.interval(t.Interval)
	if math.IsNaN(g.scale) {
		absolute.Text = string(t.Class) + ": " + t.Reason
		return []Figure{absolute}
	}
	relative.Value = &g.hourly
	relative.interval(stat.Interval{Low: t.Interval.Low * g.scale, High: t.Interval.High * g.scale})
	if t.Class == stat.Stable {
		return []Figure{relative}
	}
	relative.Text = string(t.Class) + ": " + t.Reason
	all := []Figure{relative, absolute}
	if t.ToLimit.Low > 0 {
		pace := (g.Limit - t.Current) / t.PerHour * 3600
		low := t.ToLimit.Low.Seconds()
		f := Figure{Title: "time until its limit of " + amount(g.Limit, g.Unit), Metric: catalog.LimitTime, Subject: g.Subject, Unit: "s", Value: &pace, Low: &low}
		if t.ToLimit.High > 0 {
			high := t.ToLimit.High.Seconds()
			f.High = &high
		} else {
			f.Value, f.Text = nil, "at the slowest growth that fits it is never reached"
		}
		all = append(all, f)
	}
	return all
}

// chart shows the blocks with the line through them.
func (g *growing) chart() Chart {
	t := &g.trend
	length := time.Duration(len(g.Values))*g.Step - t.Start
	what := "means"
	if g.Least {
		what = "least values"
	}
	c := Chart{Title: fmt.Sprintf("%s, %s of %d blocks", g.Subject, what, len(t.Blocks)), Unit: g.Unit, X: "s"}
	blocks, fitted := Line{Name: "measured"}, Line{Name: "line"}
	for i, b := range t.Blocks {
		middle := (float64(i) + 0.5) / float64(len(t.Blocks))
		x := (g.Start + t.Start + time.Duration(middle*float64(length))).Seconds()
		y := t.Current - t.PerHour*length.Hours()*(1-middle)
		blocks.X, fitted.X = append(blocks.X, x), append(fitted.X, x)
		blocks.Y, fitted.Y = append(blocks.Y, &b), append(fitted.Y, &y)
	}
	c.Lines = []Line{blocks, fitted}
	if g.Limit > 0 {
		c.Limits = []Limit{{"limit", g.Limit}}
	}
	return c
}

// judgeTrends says what the trends mean together.
func (a *Answer) judgeTrends(in *SoakInput, all []growing) {
	of := func(class stat.TrendClass, server bool) (found []*growing) {
		for i := range all {
			if all[i].trend.Class == class && all[i].server == server {
				found = append(found, &all[i])
			}
		}
		return found
	}
	leaks, degrades := of(stat.Leak, true), of(stat.Leak, false)
	rising := append(of(stat.Growing, true), of(stat.Growing, false)...)
	stable, quiet := of(stat.Stable, true), of(stat.Stable, false)
	length := seconds(in.Values.Width)
	switch {
	case len(leaks) > 0:
		a.Standing, a.Code, a.Text = Bad, CodeLeak, "It leaks: "+sentence(leaks)+"."
		if len(degrades) > 0 {
			a.Text += " It also degrades: " + sentence(degrades) + "."
		}
	case len(degrades) > 0:
		a.Standing, a.Code, a.Text = Bad, CodeDegradation, "It degrades: "+sentence(degrades)+"."
	case len(rising) > 0:
		a.Code = CodeGrowing
		a.Text = fmt.Sprintf("Something grows, and may be saturating: %s. A cache that fills looks the same: run at least %d times as long as the slowest one takes to fill, longer than these %s.",
			sentence(rising), fills, length)
	case len(in.Missing) > 0:
		a.Text = fmt.Sprintf("Whether it leaks is not known: no server that was scraped shows %s, which the plan has under resources", joinText(in.Missing))
		if len(stable) > 0 {
			a.Text += "; " + stableText(stable) + quietText(quiet)
		}
		a.Text += "."
	case len(stable) > 0:
		a.Standing, a.Code = Good, ""
		a.Text = fmt.Sprintf("Nothing leaks: %s over %s of constant load%s.", stableText(stable), length, quietText(quiet))
		if missing := of(stat.NotEnough, false); len(missing) > 0 {
			a.judgeSettling(in, missing)
		}
		a.Text += fmt.Sprintf(" A leak within the intervals below would not show; run a soak for at least %d times as long as the slowest cache takes to fill.", fills)
	case !in.Scraped:
		a.Text = "Whether it leaks is not known: no metrics of its servers were scraped" + quietText(quiet) + ". Add the servers under scrape, or host for this machine."
	case len(in.Resources) == 0:
		a.Text = "Whether it leaks is not known: the servers that were scraped show no memory, connections, files or threads" + quietText(quiet) + "."
	default:
		a.Text = fmt.Sprintf("Whether it leaks is not known: %s; %s of constant load is too short for how often it is scraped.", all[0].trend.Reason, length)
	}
	if len(in.Missing) > 0 && len(all) > 0 && a.Code != CodeUnanswered {
		a.Warnings = append(a.Warnings, "no server that was scraped shows "+joinText(in.Missing)+", which the plan has under resources")
	}
	if short := of(stat.NotEnough, true); len(short) > 0 && a.Standing == Good {
		a.Warnings = append(a.Warnings, fmt.Sprintf("%s: %s", short[0].Subject, short[0].trend.Reason))
	}
}

// judgeSettling says what of the response times and failures was not judged, and does not leave it at that where response
// times rose: too little for a trend, but seen.
func (a *Answer) judgeSettling(in *SoakInput, missing []*growing) {
	names := make([]string, len(missing))
	for i, g := range missing {
		names[i] = g.Subject
	}
	a.Text += fmt.Sprintf(" Whether it degrades is not known from so short a run: %s could not be judged (%s).", joinText(names), missing[0].trend.Reason)
	for _, d := range in.Settling.Drifts {
		if (d.Name == "p50" || d.Name == "p95") && d.Change > leastLatency && d.Interval.Low > 0 {
			a.Standing, a.Code = Undecided, CodeGrowing
			a.Text += fmt.Sprintf(" But %s rose by %.3g%% [%.3g%%, %.3g%%]: run longer.", d.Name, 100*d.Change, 100*d.Interval.Low, 100*d.Interval.High)
			return
		}
	}
}

// sentence says how each grows, the first three in full.
func sentence(of []*growing) string {
	var parts []string
	for _, g := range of {
		t := &g.trend
		text := fmt.Sprintf("%s grows by %s an hour", g.Subject, amount(t.PerHour, g.Unit))
		if !math.IsInf(t.Interval.Low, 0) && !math.IsInf(t.Interval.High, 0) {
			text += fmt.Sprintf(" [%s, %s]", amount(t.Interval.Low, g.Unit), amount(t.Interval.High, g.Unit))
		}
		switch {
		case t.ToLimit.Low > 0 && t.ToLimit.High > 0:
			when := approximately(t.ToLimit.Low) + " to " + approximately(t.ToLimit.High)
			if approximately(t.ToLimit.Low) == approximately(t.ToLimit.High) {
				when = "about " + approximately(t.ToLimit.Low)
			}
			text += fmt.Sprintf(", and reaches its limit of %s in %s", amount(g.Limit, g.Unit), when)
		case t.ToLimit.Low > 0:
			text += fmt.Sprintf(", and reaches its limit of %s in %s at the soonest", amount(g.Limit, g.Unit), approximately(t.ToLimit.Low))
		}
		parts = append(parts, text)
	}
	return joinText(parts)
}

func stableText(of []*growing) string {
	names := make([]string, len(of))
	for i, g := range of {
		names[i] = g.Subject
	}
	return joinText(names) + " did not grow beyond chance or by anything that matters"
}

func quietText(of []*growing) string {
	if len(of) == 0 {
		return ""
	}
	names := make([]string, len(of))
	for i, g := range of {
		names[i] = g.Subject
	}
	return ", nor did " + strings.Join(names, " and ")
}
