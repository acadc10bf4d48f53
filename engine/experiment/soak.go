package experiment

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/run"
	"tidegauge/engine/store"
)

// mostPoints bounds how many values of a series are read.
const mostPoints = 3600

// soakAnswer answers whether the target leaks or degrades, from what was scraped of its servers while the load was constant.
func (e *experiment) soakAnswer(ctx context.Context, result run.Result, steady *stretch) *answer.Answer {
	in := answer.SoakInput{Constant: steady != nil, Scraped: e.scraper != nil}
	var problems []string
	if steady != nil {
		in.Values, in.Settling = steady.values, steady.settling
		w := watch{e: e, ctx: ctx, start: result.Start, from: result.Start.Add(steady.from), to: result.Start.Add(steady.to)}
		in.Resources = w.resources()
		problems = w.problems
	}
	a := answer.SoakAnswer(in)
	a.Warnings = append(a.Warnings, problems...)
	return &a
}

// watch reads what was scraped between two moments.
type watch struct {
	e               *experiment
	ctx             context.Context
	start, from, to time.Time
	step            time.Duration
	problems        []string
}

func (w *watch) read(promQL string) []store.Values {
	all, err := w.e.lab.Store.Range(w.ctx, promQL, w.from, w.to, w.step)
	if err != nil {
		w.problems = append(w.problems, err.Error())
	}
	return all
}

func (w *watch) last(promQL string) []store.Sample {
	if promQL == "" {
		return nil
	}
	all, err := w.e.lab.Store.Query(w.ctx, promQL, w.to)
	if err != nil {
		w.problems = append(w.problems, err.Error())
	}
	return all
}

// interval sets the step to the longest interval that anything is scraped at, so that no scrape counts twice. It reports
// false if nothing was.
func (w *watch) interval() bool {
	length := w.to.Sub(w.from)
	for _, s := range w.last(fmt.Sprintf("count_over_time(%s[%dms])", w.e.o.Plan.Scrapes(), length.Milliseconds())) {
		if s.Value > 1 {
			w.step = max(w.step, (length / time.Duration(s.Value)).Round(100*time.Millisecond))
		}
	}
	if w.step == 0 {
		return false
	}
	w.step = max(w.step, time.Second, length/mostPoints).Truncate(time.Millisecond)
	return true
}

// resources reads every resource of every server that shows it.
func (w *watch) resources() []answer.SoakSeries {
	if w.e.scraper == nil || !w.interval() {
		return nil
	}
	started := map[string][]float64{}
	for _, s := range w.read(w.e.o.Plan.StartTimes()) {
		started[serverOf(s.Labels)] = s.At
	}
	var all []answer.SoakSeries
	for _, r := range w.e.o.Plan.Growing() {
		series := w.read(r.PromQL)
		slices.SortFunc(series, func(a, b store.Values) int { return cmp.Compare(nameOf(a.Labels), nameOf(b.Labels)) })
		limits := map[string]float64{}
		for _, s := range w.last(r.Limit) {
			limits[nameOf(s.Labels)] = s.Value
		}
		for i, s := range series {
			of := s.Labels["job"]
			alone := !slices.ContainsFunc(series, func(o store.Values) bool { return o.Labels["job"] == of && nameOf(o.Labels) != nameOf(s.Labels) })
			if !alone {
				of = nameOf(s.Labels)
			}
			if i > 0 && alone && nameOf(series[i-1].Labels) == nameOf(s.Labels) {
				continue // the same by another name
			}
			limit, known := limits[nameOf(s.Labels)]
			if !known {
				limit = limits[serverOf(s.Labels)]
			}
			all = append(all, answer.SoakSeries{
				Subject: r.Name + " of " + of, Unit: r.Unit, Start: w.from.Sub(w.start), Step: w.step, Values: s.At,
				Started: started[serverOf(s.Labels)], Limit: limit, Least: r.Least,
			})
		}
	}
	return all
}

func serverOf(labels map[string]string) string { return labels["job"] + " " + labels["instance"] }

// nameOf tells apart what one server shows several of.
func nameOf(labels map[string]string) string {
	parts := []string{serverOf(labels)}
	for _, label := range []string{"namespace", "pod", "container", "name", "pool", "db_name"} {
		if v := labels[label]; v != "" {
			parts = append(parts, v)
		}
	}
	return strings.Join(parts, " ")
}
