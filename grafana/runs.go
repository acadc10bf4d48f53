package grafana

import (
	"fmt"
	"slices"
	"strings"

	"tidegauge/engine/catalog"
)

const noRuns = "No runs of these plans and tests in this time range"

// ofRuns selects a metric of the runs of the plans and tests chosen.
func ofRuns(metric string, more ...string) string {
	return selector(metric, append([]string{chosen(catalog.LabelPlan), chosen(catalog.LabelTest)}, more...)...)
}

// Runs returns the dashboard of the history of runs.
func Runs() Dashboard {
	b := &board{}
	runsStats(b)
	runsTrends(b)
	runsTable(b)
	runsAnswers(b)
	return Dashboard{
		UID: runsUID, Title: "tidegauge: runs", Tags: []string{"tidegauge"},
		Description:   "The history of load tests: what each run came to, and the trend over runs.",
		SchemaVersion: schemaVersion, Editable: true, GraphTooltip: 1, Timezone: "browser",
		Time:        TimeRange{"now-7d", "now"},
		Timepicker:  Timepicker{[]string{"30s", "1m", "5m", "15m"}},
		Links:       linksBut(runsUID),
		Templating:  VariableList{append([]Variable{datasourceVariable()}, planAndTest()...)},
		Annotations: AnnotationList{[]Annotation{endOfRun(ofRuns(catalog.Verdict), "Run")}},
		Panels:      b.panels,
	}
}

func runsStats(b *board) {
	verdicts := total(ofRuns(catalog.Verdict))
	count := func(title, description, condition, color string) {
		f := Field{NoValue: "0", Unit: unitCount, Color: &Color{Mode: "fixed", FixedColor: color}}
		b.add(6, 3, stat(title, description, "lastNotNull", f, now(by("count", verdicts+condition), "")))
	}
	count("Judged runs", "Runs that came to a verdict.", "", "text")
	count("Passed", "Runs that met every objective.", " == 1", "green")
	count("Failed", "Runs that missed an objective.", " == 0", "red")
	count("Inconclusive", "Runs whose measurements could not carry an answer.", " == -1", "orange")
}

// runsTrends draws one point for a run, or several that lead to what it came to where the steps of the graph are shorter
// than the run: what is drawn always counts since the run's start.
func runsTrends(b *board) {
	perTest := []string{catalog.LabelPlan, catalog.LabelTest}
	perRun := perRun()
	latest := func(s string) string { return over("last_over_time", s, rateWindow) }
	trend := func(title, description, unit, expr string) {
		p := graph(title, description+" The worst, where several runs fall into one step of the graph.", unit, noRuns, graphed(expr, legend(perTest...)))
		p.FieldConfig.Defaults.Custom = TimeSeriesField{DrawStyle: "line", LineWidth: 1, ShowPoints: "always", PointSize: 6, SpanNulls: true}
		p.MaxDataPoints = 300
		b.add(12, 8, p)
	}
	trend("p95", "95% of the requests since the start of the run had a shorter response time.", unitSeconds,
		by("max", quantile(0.95, latest(ofRuns(catalog.ResponseTime, ended())), perRun...), perTest...))
	trend("Error rate", "Share of the requests since the start of the run that failed.", unitShare,
		by("max", fmt.Sprintf("1 - %s / %s", sum(latest(ofRuns(catalog.Requests, answered())), perRun...), sum(latest(ofRuns(catalog.Requests, ended())), perRun...)), perTest...))
	trend("Request rate", "Requests a second over the whole run, when it is over.", unitRequests,
		by("min", fmt.Sprintf("%s / %s", sum(latest(ofRuns(catalog.Requests, ended())), perRun...), by("max", latest(ofRuns(catalog.RunDuration)), perRun...)), perTest...))

	f := Field{NoValue: noRuns, Mappings: verdictWords(), Color: &Color{Mode: "thresholds"}, Custom: StatusHistoryField{LineWidth: 1, FillOpacity: 80}}
	verdicts := panel("status-history", "Verdicts", "The verdict of the runs that ended in a step of the graph; the lowest, where there are several.",
		[]Target{graphed(by("min", over("last_over_time", ofRuns(catalog.Verdict), stepWindow), perTest...), legend(perTest...))}, f,
		StatusHistoryOptions{
			RowHeight: 0.9, ColWidth: 0.9, ShowValue: "never",
			Legend:  Legend{ShowLegend: true, DisplayMode: "list", Placement: "bottom", Calcs: []string{}},
			Tooltip: Tooltip{Mode: "single", Sort: "none"},
		})
	verdicts.MaxDataPoints = 60
	b.add(12, 8, verdicts)
}

// runsAnswers draws the figures that answer the questions of the types of test, from run to run.
func runsAnswers(b *board) {
	b.row("Answers")
	bounds, _ := catalog.Lookup(catalog.FigureBound)
	for _, m := range catalog.Figures() {
		subject := append([]string{catalog.LabelPlan, catalog.LabelTest}, m.Labels...)
		bounded := slices.DeleteFunc(slices.Clone(subject), func(l string) bool {
			return !slices.Contains(bounds.Labels, l) && !slices.Contains(catalog.CommonLabels(), l)
		})
		bound := func(end string) string {
			return by("max", over("last_over_time", ofRuns(catalog.FigureBound, is(catalog.LabelFigure, m.Name), is(catalog.LabelBound, end)), stepWindow), bounded...)
		}
		title := strings.NewReplacer("tidegauge.", "", ".", " ", "_", " ").Replace(m.Name)
		value, unit := by("max", over("last_over_time", ofRuns(m.Name), stepWindow), subject...), figureUnit(m.Unit)
		if slices.Contains([]string{catalog.BaselineTime, catalog.HistoryChangeTime, catalog.LastGoodTime}, m.Name) { // since 1970
			value, unit = "1000 * "+value, unitTime
		}
		p := graph(strings.ToUpper(title[:1])+title[1:], m.Help+" With its interval, where it has one.", unit, noRuns,
			graphed(value, legend(subject...)), graphed(bound("low"), "low "+legend(bounded...)), graphed(bound("high"), "high "+legend(bounded...)))
		p.FieldConfig.Defaults.Custom = TimeSeriesField{DrawStyle: "line", LineWidth: 1, ShowPoints: "always", PointSize: 6, SpanNulls: true}
		p.MaxDataPoints = 300
		b.add(12, 8, p)
	}
}

// figureUnit returns Grafana's name of a unit.
func figureUnit(unit string) string {
	switch unit {
	case "s":
		return unitSeconds
	case "1":
		return unitShare
	case "{request}/s", "{iteration}/s":
		return unitRequests
	}
	return unitCount
}

func runsTable(b *board) {
	perRun := perRun()
	requests := sum(total(ofRuns(catalog.Requests, ended())), perRun...)
	duration := by("max", total(ofRuns(catalog.RunDuration)), perRun...)
	end := by("max", endedAt(ofRuns(catalog.Verdict), allWindow)+" and "+total(ofRuns(catalog.Verdict)), perRun...)
	// Start and end are whole seconds around the run: they go into the link, and the verdict has to lie within.
	b.add(columns, 12, sortedBy(table("Runs", "Runs with a sample in the time range. A run leads to its dashboard, at its time.", noRuns,
		column{title: "run", label: catalog.LabelRun, links: []DataLink{{Title: "Open the run", URL: runURL()}, {Title: "Compare it with another", URL: compareURL()}}},
		column{title: "plan", label: catalog.LabelPlan},
		column{title: "test", label: catalog.LabelTest},
		column{title: "verdict", expr: by("max", total(ofRuns(catalog.Verdict)), perRun...), field: Field{NoValue: "none yet", Mappings: verdictWords()}},
		column{title: "start", expr: fmt.Sprintf("1000 * floor(%s - %s)", end, duration), field: Field{Unit: unitTime}},
		column{title: "end", expr: fmt.Sprintf("1000 * ceil(%s)", end), field: Field{Unit: unitTime}},
		column{title: "duration", expr: duration, field: Field{Unit: unitSeconds}},
		column{title: "requests", expr: requests, field: Field{Unit: unitCount}},
		column{title: "rate", expr: fmt.Sprintf("%s / %s", requests, duration), field: Field{Unit: unitRequests}},
		column{title: "p95", expr: quantile(0.95, total(ofRuns(catalog.ResponseTime, ended())), perRun...), field: Field{Unit: unitSeconds}},
		column{title: "failed", expr: errorRate(ofRuns, perRun...), field: Field{Unit: unitShare, Decimals: new(2)}},
	), "run"))
}

// compareURL leads from a row of the table to its comparison with another run of the plan and test, in the time range shown.
func compareURL() string {
	cell := func(name string) string { return "${__data.fields[\"" + name + "\"]}" }
	return "/d/" + compareUID + "?" + strings.Join([]string{
		"${datasource:queryparam}", "var-plan=" + cell("plan"), "var-test=" + cell("test"), "var-" + after + "=" + cell("run"), "${__url_time_range}",
	}, "&")
}

// runURL leads from a row of the table to the run's dashboard, at the run's time.
func runURL() string {
	cell := func(name, part string) string { return "${__data.fields[\"" + name + "\"]" + part + "}" }
	return "/d/" + runUID + "?" + strings.Join([]string{
		"${datasource:queryparam}",
		"var-plan=" + cell("plan", ""), "var-test=" + cell("test", ""), "var-run=" + cell("run", ""),
		"from=" + cell("start", ".numeric"), "to=" + cell("end", ".numeric"),
	}, "&")
}
