package experiment

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/report"
	"tidegauge/engine/run"
	"tidegauge/engine/store"
)

const (
	resourcePoints = 200 // of one over a run
	mostResources  = 32
	resourceDigits = 5 // more would not be seen
)

// resources reads how the servers under test did while the run lasted, so that the report shows it when the store has forgotten. What
// cannot be read is left out: it decides nothing.
func (e *experiment) resources(ctx context.Context, result run.Result) []report.Resource {
	w := watch{e: e, ctx: ctx, start: result.Start, from: result.Start, to: result.End}
	if !w.to.After(w.from) || !w.interval() {
		return nil
	}
	scraped := w.step
	w.step = max(w.step, w.to.Sub(w.from)/resourcePoints).Round(time.Millisecond)
	// A rate needs two scrapes, and one may be late.
	length := max(w.step, 3*scraped)
	back := fmt.Sprintf("%dms", length.Milliseconds())
	var all []report.Resource
	for _, r := range e.o.Plan.Watched() {
		series := w.read(rangeOf(r.PromQL, back))
		slices.SortFunc(series, func(a, b store.Values) int { return cmp.Compare(nameOf(a.Labels), nameOf(b.Labels)) })
		limits := map[string]float64{}
		for _, l := range w.last(r.Limit) {
			limits[nameOf(l.Labels)] = l.Value
		}
		for i := range series {
			one := report.Resource{Name: r.Name, Server: strings.TrimSpace(nameOf(series[i].Labels)), Unit: r.Unit, Step: w.step.Seconds(), Values: numbers(series[i].At)}
			twice := slices.ContainsFunc(all, func(o report.Resource) bool { return o.Name == one.Name && o.Server == one.Server })
			if one.Values == nil || twice || before(series[i].At, int(length/w.step)+1) {
				continue // it has nothing to show, is the same by another name, or is what a run before this one left
			}
			if limit := limitOf(limits, series[i].Labels); limit > 0 && !math.IsInf(limit, 0) {
				one.Limit = &limit
			}
			if all = append(all, one); len(all) == mostResources {
				return all
			}
		}
	}
	return all
}

// rangeOf fills in how far an expression looks back.
func rangeOf(promQL, back string) string { return strings.ReplaceAll(promQL, "$range", back) }

// before reports whether there are values only among the first n of more: those that look back to before the run.
func before(values []float64, n int) bool {
	return len(values) > n && !slices.ContainsFunc(values[n:], func(v float64) bool { return !math.IsNaN(v) })
}

// numbers returns values for JSON; nil if there are none, or all are 0.
func numbers(values []float64) []*float64 {
	out, some := make([]*float64, len(values)), false
	for i, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		some = some || v != 0
		if v != 0 {
			scale := math.Pow(10, resourceDigits-1-math.Floor(math.Log10(math.Abs(v))))
			if !math.IsInf(scale, 0) && scale != 0 {
				v = math.Round(v*scale) / scale
			}
		}
		out[i] = &v
	}
	if !some {
		return nil
	}
	return out
}
