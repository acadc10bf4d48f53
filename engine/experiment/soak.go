package experiment

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/run"
	"tidegauge/engine/store"
)

// mostPoints bounds how many values of a series are read.
const mostPoints = 3600

// mostOwn bounds how many series of one resource of a plan are watched: each has figures of its own.
const mostOwn = 20

// soakAnswer answers whether the target leaks or degrades, from what was scraped of its servers while the load was constant.
func (e *experiment) soakAnswer(ctx context.Context, result run.Result, steady *stretch) *answer.Answer {
	in := answer.SoakInput{Constant: steady != nil, Scraped: len(e.o.Plan.WatchedJobs()) > 0}
	var problems []string
	if steady != nil {
		in.Values, in.Settling = steady.values, steady.settling
		in.Trends = answer.TrendValuesOf(e.seconds, steady.from, steady.to)
		w := watch{e: e, ctx: ctx, start: result.Start, from: result.Start.Add(steady.from), to: result.Start.Add(steady.to)}
		in.Resources, in.Missing = w.resources()
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

// resources reads every resource of every server that shows it. Those of the plan that none shows are missing.
func (w *watch) resources() (all []answer.SoakSeries, missing []string) {
	if len(w.e.o.Plan.WatchedJobs()) == 0 || !w.interval() {
		for i := range w.e.o.Plan.Resources {
			missing = append(missing, w.e.o.Plan.Resources[i].Name)
		}
		return nil, missing
	}
	started := map[string][]float64{}
	for _, s := range w.read(w.e.o.Plan.StartTimes()) {
		started[serverOf(s.Labels)] = s.At
	}
	for _, r := range w.e.o.Plan.Growing() {
		series := w.read(r.PromQL)
		names := knownNames(series)
		if r.Own {
			if len(series) == 0 {
				missing = append(missing, r.Name)
			}
			if n := len(series); n > mostOwn {
				series = series[:mostOwn]
				w.problems = append(w.problems, fmt.Sprintf("%s has %d series, of which the first %d are watched: take a sum of them", r.Name, n, mostOwn))
			}
			names = ownNames(series)
		}
		limits := map[string]float64{}
		for _, s := range w.last(r.Limit) {
			limits[nameOf(s.Labels)] = s.Value
		}
		slices.SortFunc(series, func(a, b store.Values) int { return cmp.Compare(nameOf(a.Labels), nameOf(b.Labels)) })
		seen := map[string]bool{}
		for _, s := range series {
			subject := names(r.Name, s.Labels)
			if seen[subject] {
				continue // the same by another name
			}
			seen[subject] = true
			all = append(all, answer.SoakSeries{
				Subject: subject, Unit: r.Unit, Start: w.from.Sub(w.start), Step: w.step, Values: s.At,
				Started: started[serverOf(s.Labels)], Limit: limitOf(limits, s.Labels), Least: r.Least,
			})
		}
	}
	return all, missing
}

// limitOf returns the limit by all labels that tell things apart, else that of the server, else the one for all; 0 without any.
func limitOf(limits map[string]float64, labels map[string]string) float64 {
	for _, name := range []string{nameOf(labels), serverOf(labels), serverOf(nil)} {
		if limit, ok := limits[name]; ok {
			return limit
		}
	}
	return 0
}

// knownNames names series of what is known of servers: by their job where it has only one such thing.
func knownNames(series []store.Values) func(what string, labels map[string]string) string {
	return func(what string, labels map[string]string) string {
		of := labels["job"]
		if slices.ContainsFunc(series, func(o store.Values) bool { return o.Labels["job"] == of && nameOf(o.Labels) != nameOf(labels) }) {
			of = nameOf(labels)
		}
		return what + " of " + of
	}
}

// ownNames names series of a resource of the plan: by the labels in which they differ.
func ownNames(series []store.Values) func(what string, labels map[string]string) string {
	values := map[string]map[string]bool{}
	for _, s := range series {
		for label := range s.Labels {
			values[label] = map[string]bool{}
		}
	}
	for label, all := range values {
		for _, s := range series {
			all[s.Labels[label]] = true
		}
	}
	return func(what string, labels map[string]string) string {
		var parts []string
		for _, label := range slices.Sorted(maps.Keys(values)) {
			if len(values[label]) > 1 && label != "__name__" {
				parts = append(parts, labels[label])
			}
		}
		if len(parts) > 0 {
			what += " of " + strings.TrimSpace(strings.Join(parts, " "))
		}
		return what
	}
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
