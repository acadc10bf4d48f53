package grafana

import (
	"fmt"
	"slices"

	"tidegauge/engine/catalog"
)

const (
	compareUID = "tidegauge-compare"
	noPair     = "No such runs in this time range"
)

// The variables of the dashboard, each a run.
const (
	before = "before"
	after  = "after"
)

// inRun selects a metric of the run chosen in a variable.
func inRun(variable string) func(metric string, more ...string) string {
	return func(metric string, more ...string) string {
		return selector(metric, append([]string{is(catalog.LabelRun, "$"+variable)}, more...)...)
	}
}

// inRequests selects a metric of the requests chosen.
func inRequests(variable string) func(metric string, more ...string) string {
	return func(metric string, more ...string) string {
		return inRun(variable)(metric, append([]string{chosen(catalog.LabelRequest)}, more...)...)
	}
}

// Compare returns the dashboard of two runs side by side.
func Compare() Dashboard {
	b := &board{}
	compareStats(b)
	b.row("Requests")
	compareRequests(b)
	b.row("Over time")
	compareTimes(b)
	runs := selector(catalog.RunInfo, chosen(catalog.LabelPlan), chosen(catalog.LabelTest))
	pair := func(name, title, description string, sort int) Variable {
		v := labelVariable(catalog.LabelRun, title, description, runs)
		v.Name, v.Sort = name, sort // ids begin with the time
		return v
	}
	request := many(labelVariable(catalog.LabelRequest, "Request", "Requests of both runs, by their names in the plan",
		selector(catalog.Requests, matches(catalog.LabelRun, "$"+before+"|$"+after))))
	return Dashboard{
		UID: compareUID, Title: "tidegauge: compare two runs", Tags: []string{"tidegauge"},
		Description:   "Two runs of load tests side by side. Whether a difference is more than chance is what `tidegauge compare` and the verdict against the baseline say: one pair of runs cannot.",
		SchemaVersion: schemaVersion, Editable: true, GraphTooltip: 1, Timezone: "browser",
		Time:       TimeRange{"now-6h", "now"},
		Timepicker: Timepicker{[]string{"30s", "1m", "5m"}},
		Links:      linksBut(compareUID),
		Templating: VariableList{append(append([]Variable{datasourceVariable()}, planAndTest()...),
			pair(before, "Before", "A run of the tests in the time range, the oldest first", 1),
			pair(after, "After", "A run of the tests in the time range, the newest first", 2), request)},
		Annotations: AnnotationList{[]Annotation{
			endOfRun(selector(catalog.Verdict, matches(catalog.LabelRun, "$"+before+"|$"+after)), "The run is over"),
		}},
		Panels: b.panels,
	}
}

// compareStats is what both runs came to.
func compareStats(b *board) {
	both := func(title, description string, f Field, expr func(of func(string, ...string) string) string, request bool) {
		in := inRun
		if request {
			in = inRequests
		}
		if f.NoValue == "" {
			f.NoValue = noPair
		}
		p := stat(title, description, "lastNotNull", f, now(expr(in(before)), before))
		more := now(expr(in(after)), after)
		more.RefID = refID(1)
		p.Targets = append(p.Targets, more)
		b.add(4, 4, p)
	}
	both("Verdict", "Answer to the objectives of the plan.", Field{NoValue: "none", Mappings: verdictWords()},
		func(of func(string, ...string) string) string { return by("max", total(of(catalog.Verdict))) }, false)
	both("Requests", "That came to an end.", Field{Unit: unitCount},
		func(of func(string, ...string) string) string { return sum(total(of(catalog.Requests, ended()))) }, true)
	for _, q := range []float64{0.5, 0.95, 0.99} {
		both(fmt.Sprintf("p%g", 100*q), fmt.Sprintf("%g%% of the requests had a shorter response time, counted from the intended start.", 100*q), Field{Unit: unitSeconds},
			func(of func(string, ...string) string) string {
				return quantile(q, total(of(catalog.ResponseTime, ended())))
			}, true)
	}
	both("Error rate", "Share of the requests that failed.", Field{Unit: unitShare},
		func(of func(string, ...string) string) string { return errorRate(of) }, true)
}

// pairs are the columns before, after and relative change of an expression.
func pairs(title, unit string, change bool, expr func(of func(string, ...string) string) string) []column {
	was, is := expr(inRequests(before)), expr(inRequests(after))
	list := []column{
		{title: title + " before", expr: was, field: Field{Unit: unit}},
		{title: title + " after", expr: is, field: Field{Unit: unit}},
	}
	if change {
		list = append(list, column{title: title + " change", expr: fmt.Sprintf("%s / %s - 1", is, was), field: Field{Unit: unitShare, Decimals: new(1)}})
	}
	return list
}

func compareRequests(b *board) {
	keys := []string{catalog.LabelClass, catalog.LabelRequest, catalog.LabelMethod}
	columns := []column{{title: "class", label: catalog.LabelClass}, {title: "request", label: catalog.LabelRequest}, {title: "method", label: catalog.LabelMethod}}
	for _, q := range []float64{0.5, 0.95, 0.99} {
		columns = append(columns, pairs(fmt.Sprintf("p%g", 100*q), unitSeconds, true, func(of func(string, ...string) string) string {
			return quantile(q, total(of(catalog.ResponseTime, ended())), keys...)
		})...)
	}
	columns = append(columns, pairs("failed", unitShare, false, func(of func(string, ...string) string) string { return errorRate(of, keys...) })...)
	b.add(24, 10, sortedBy(table("Requests before and after", "Since the start of each run. Change: 10% is a tenth more.", noPair, columns...), "p95 change"))

	phase := func(of string) string {
		return quantile(0.95, total(inRun(of)(catalog.PhaseDuration)), catalog.LabelPhase)
	}
	b.add(8, 8, table("Phases, p95", "95% of the requests that went through a phase spent less time in it.", noPair,
		column{title: "phase", label: catalog.LabelPhase},
		column{title: before, expr: phase(before), field: Field{Unit: unitSeconds}},
		column{title: after, expr: phase(after), field: Field{Unit: unitSeconds}}))
	b.add(8, 8, table("Outcomes", "Requests by how they ended.", noPair,
		slices.Concat([]column{{title: "outcome", label: catalog.LabelOutcome}}, pairs("requests", unitCount, false, func(of func(string, ...string) string) string {
			return sum(total(of(catalog.Requests)), catalog.LabelOutcome)
		}))...))
	objective := func(of string) string { return by("min", total(inRun(of)(catalog.Objective)), catalog.LabelObjective) }
	b.add(8, 8, table("Objectives", "Those of the plan, as each run met them.", noPair,
		column{title: "objective", label: catalog.LabelObjective},
		column{title: before, expr: objective(before), field: Field{Mappings: objectiveWords(), NoValue: "undecided"}},
		column{title: after, expr: objective(after), field: Field{Mappings: objectiveWords(), NoValue: "undecided"}}))
}

// compareTimes draws both runs on the one axis of time, each when it was.
func compareTimes(b *board) {
	draw := func(w int, title, description, unit string, expr func(of string) string) {
		b.add(w, 8, graph(title, description, unit, noPair, graphed(expr(before), before), graphed(expr(after), after)))
	}
	draw(8, "Response time, p95", "In each step of the graph.", unitSeconds, func(of string) string {
		return quantile(0.95, rate(inRequests(of)(catalog.ResponseTime, ended())))
	})
	draw(8, "Request rate", "Requests that came to an end.", unitRequests, func(of string) string { return sum(rate(inRequests(of)(catalog.Requests, ended()))) })
	draw(8, "Users", "Running users.", unitCount, func(of string) string { return sum(most(inRun(of)(catalog.Users))) })
	for _, of := range []string{before, after} {
		b.add(12, 9, heatmap("Response times "+of, "How many requests a second took how long, from the intended start.", unitSeconds, noPair,
			sum(rate(inRequests(of)(catalog.ResponseTime, ended())))))
	}
}
