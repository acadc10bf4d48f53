package locust

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/compare"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/stat"
)

// ImportedFrom is what runs that came of results of Locust are marked with.
const ImportedFrom = "Locust"

// Values returns what runs of a test of a plan are compared with, and in words what of it cannot be compared as well as between runs of
// our own. Entries are the plan's requests by method and name, as METHOD NAME too, where only one class has them.
func (r *Results) Values(p *plan.Plan) (compare.Values, []string) {
	v := compare.Between(0, r.End.Sub(r.Start))
	v.Imported = ImportedFrom
	warnings := []string{
		"imported from Locust: response times count from the send, not from when a request was due, the warm-up is part of them, and whether the load was the plan's is not known; runs that are compared with it get no verdict, only an indication",
	}
	if r.Total.Failures > 0 {
		warnings = append(warnings, "response times are of all requests, failed ones too, where ours are of good ones")
	}
	v.Values = appendEntry(v.Values, "", &r.Total)
	var unknown []string
	for i := range r.Entries {
		e := &r.Entries[i]
		names := requestsOf(p, e)
		if len(names) != 1 {
			unknown = append(unknown, report.RequestName(e.Method, e.Name))
			continue
		}
		v.Values = appendEntry(v.Values, names[0], e)
	}
	if len(unknown) > 0 {
		const most = 5
		list := strings.Join(unknown[:min(most, len(unknown))], ", ")
		if len(unknown) > most {
			list += fmt.Sprintf(" and %d more", len(unknown)-most)
		}
		warnings = append(warnings, "not compared by themselves, since no request of the plan has this name, or several classes do: "+list)
	}
	return v, warnings
}

// requestsOf returns the requests of a plan that an entry may be, as CLASS / NAME.
func requestsOf(p *plan.Plan, e *Entry) (names []string) {
	for i := range p.Classes {
		c := &p.Classes[i]
		for j := range c.Tasks {
			for k := range c.Tasks[j].Steps {
				q := c.Tasks[j].Steps[k].Request
				if q == nil || q.Method != e.Method || q.Name != e.Name && q.Name != e.Method+" "+e.Name {
					continue
				}
				if name := c.Name + " / " + q.Name; !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

func appendEntry(all []compare.Value, request string, e *Entry) []compare.Value {
	if e.Requests == 0 {
		return all
	}
	good := e.Requests - min(e.Failures, e.Requests)
	for _, q := range []struct {
		metric string
		q      float64
	}{{compare.P50, 0.5}, {compare.P95, 0.95}, {compare.P99, 0.99}, {compare.P999, 0.999}} {
		if v := e.Quantiles[q.q]; v > 0 && stat.QuantileWarning(good, q.q) == "" {
			all = append(all, compare.Value{Request: request, Metric: q.metric, Value: v})
		}
	}
	share := float64(e.Requests-good) / float64(e.Requests)
	all = append(all, compare.Value{Request: request, Metric: compare.Errors, Value: share, Count: e.Requests})
	if request == "" && e.Rate > 0 && good > 0 {
		all = append(all, compare.Value{Metric: compare.GoodRate, Value: e.Rate * (1 - share)})
	}
	return all
}

// Report returns what the results say as a report.
func (r *Results) Report(meta report.Meta, warnings []string) *report.Report {
	out := &report.Report{
		Schema: report.Schema, Run: meta, Complete: true, Start: r.Start, End: r.End, Seconds: r.End.Sub(r.Start).Seconds(),
		Requests: []report.Row{}, Failures: []report.Failure{}, Checks: []report.Check{}, Exceptions: []report.Exception{}, Classes: []report.Class{},
		Phases: []report.Phase{}, Series: []report.Point{}, Events: []report.Event{}, Warnings: warnings, Total: r.Total.row(),
		Books: report.Books{Iterations: report.Account{Balanced: true}, Requests: report.Account{Balanced: true}}, // none were kept
	}
	for i := range r.Entries {
		row := r.Entries[i].row()
		row.Name, row.Method = r.Entries[i].Name, r.Entries[i].Method
		out.Requests = append(out.Requests, row)
	}
	return out
}

func (e *Entry) row() report.Row {
	times := report.Times{
		Count: e.Requests, Min: e.Min, Mean: e.Mean, P50: e.Quantiles[0.5], P95: e.Quantiles[0.95], P99: e.Quantiles[0.99], P999: e.Quantiles[0.999], Max: e.Max,
	}
	return report.Row{Count: e.Requests, Failures: e.Failures, Rate: e.Rate, Response: times, Service: times, Outcomes: map[string]uint64{}}
}

// At gives results that do not say when they were made their end; how long they took follows from their requests and their rate.
func (r *Results) At(end time.Time) {
	if !r.End.IsZero() {
		return
	}
	r.Start, r.End = end, end
	if r.Total.Rate > 0 {
		const most = 1e7 // seconds
		r.Start = end.Add(-time.Duration(min(float64(r.Total.Requests)/r.Total.Rate, most) * float64(time.Second)))
	}
}
