package grafana

import (
	"fmt"

	"tidegauge/engine/catalog"
)

// The uids of the dashboards: fixed, so that links and bookmarks hold.
const (
	runUID  = "tidegauge-run"
	runsUID = "tidegauge-runs"
)

const noRun = "No such run in this time range"

// ofRun selects a metric of the run chosen.
func ofRun(metric string, more ...string) string {
	return selector(metric, append([]string{is(catalog.LabelRun, "$"+catalog.LabelRun)}, more...)...)
}

// ofRequest selects a metric of the requests chosen.
func ofRequest(metric string, more ...string) string {
	return ofRun(metric, append([]string{chosen(catalog.LabelRequest)}, more...)...)
}

// Run returns the dashboard of one run, while it lasts and afterwards.
func Run() Dashboard {
	b := &board{}
	runStats(b)
	b.row("Requests")
	runRequests(b)
	b.row("Load")
	runLoad(b)
	b.row("Generator")
	runGenerator(b)
	b.row("Parts of a request")
	runParts(b)
	run := labelVariable(catalog.LabelRun, "Run", "Runs of the test in the time range, newest first",
		selector(catalog.RunInfo, chosen(catalog.LabelPlan), chosen(catalog.LabelTest)))
	run.Sort = 2 // ids begin with the time
	request := many(labelVariable(catalog.LabelRequest, "Request", "Requests of the run, by their names in the plan", ofRun(catalog.Requests)))
	return Dashboard{
		UID: runUID, Title: "tidegauge: run", Tags: []string{"tidegauge"},
		Description:   "One run of a load test, while it lasts and afterwards.",
		SchemaVersion: schemaVersion, Editable: true, GraphTooltip: 1, Timezone: "browser", Refresh: "5s",
		Time:       TimeRange{"now-15m", "now"},
		Timepicker: Timepicker{[]string{"5s", "10s", "30s", "1m", "5m"}},
		Links:      linksBut(runUID),
		Templating: VariableList{append(append([]Variable{datasourceVariable()}, planAndTest()...), run, request)},
		Annotations: AnnotationList{[]Annotation{
			annotation("Stages", "blue", by("max", most(ofRun(catalog.Stage)), catalog.LabelStage), legend(catalog.LabelStage), "Stage of the load shape"),
			happened(),
			endOfRun(ofRun(catalog.Verdict), "The run is over"),
		}},
		Panels: b.panels,
	}
}

// perRun are the labels by which runs are told apart.
func perRun() []string { return []string{catalog.LabelPlan, catalog.LabelTest, catalog.LabelRun} }

// endedAt is when the runs that ended in a window did, in seconds. A verdict is one sample, found for five minutes: steps of
// two find it within the window, the sample itself at the window's edge.
func endedAt(verdicts, window string) string {
	when := "timestamp(" + verdicts + ")"
	return fmt.Sprintf("(max_over_time(%s[%s:2m]) or %s)", when, window, when)
}

// happened marks what else happened to the run, such as a fault or its end before its time.
func happened() Annotation {
	others := label(catalog.LabelKind) + `!~"phase|verdict"`
	when := by("max", most(ofRun(catalog.EventTime, others)), catalog.LabelKind, catalog.LabelText)
	a := annotation("Events", "orange", "1000 * "+when, legend(catalog.LabelKind), legend(catalog.LabelText))
	a.UseValueForTime = true
	return a
}

// endOfRun marks when runs got their verdict.
func endOfRun(verdicts, title string) Annotation {
	a := annotation("Verdicts", "purple", "1000 * "+by("max", endedAt(verdicts, stepWindow), perRun()...), title, legend(perRun()...))
	a.UseValueForTime = true
	return a
}

// runStats is what the run came to so far; it stays when the run is over.
func runStats(b *board) {
	b.add(4, 4, stat("Verdict", "Answer to the objectives of the plan, at the end of the run.", "lastNotNull",
		Field{NoValue: "none yet", Mappings: verdictWords()},
		now(by("max", total(ofRun(catalog.Verdict))), "")))
	b.add(4, 4, stat("Requests", "Requests that came to an end since the start of the run.", "lastNotNull",
		Field{NoValue: noRun, Unit: unitCount},
		now(sum(total(ofRequest(catalog.Requests, ended()))), "")))
	b.add(4, 4, stat("Request rate", "Mean over the time range, as far as the run lasted.", "mean",
		Field{NoValue: noRun, Unit: unitRequests},
		graphed(sum(rate(ofRequest(catalog.Requests, ended()))), "")))
	b.add(4, 4, stat("p95", "95% of the requests since the start of the run had a shorter response time, counted from the intended start.", "lastNotNull",
		Field{NoValue: noRun, Unit: unitSeconds},
		now(quantile(0.95, total(ofRequest(catalog.ResponseTime, ended()))), "")))
	b.add(4, 4, stat("Error rate", "Share of the requests since the start of the run that failed.", "lastNotNull",
		Field{NoValue: noRun, Unit: unitShare, Max: new(1.0)},
		now(errorRate(ofRequest), "")))
	b.add(4, 4, stat("Most users", "Most running users at once in the time range.", "max",
		Field{NoValue: noRun, Unit: unitCount},
		graphed(sum(most(ofRun(catalog.Users))), "")))
}

func runRequests(b *board) {
	perRequest := []string{catalog.LabelClass, catalog.LabelRequest}
	b.add(12, 9, graph("Request rate", "Requests that came to an end, by request and outcome.", unitRequests, noRun,
		graphed(sum(rate(ofRequest(catalog.Requests)), append(perRequest, catalog.LabelOutcome)...), legend(append(perRequest, catalog.LabelOutcome)...))))
	failures := graph("Failures", "Requests that failed, by outcome, and expressions of the plan that did.", unitItems, "No failures",
		graphed(sum(rate(ofRequest(catalog.Requests, failed())), catalog.LabelOutcome), legend(catalog.LabelOutcome)),
		graphed(sum(rate(ofRun(catalog.Exceptions))), "exceptions in the plan"))
	b.add(12, 9, failures)

	b.add(12, 10, responseTimes())
	b.add(12, 10, heatmap("Response times", "How many requests a second took how long, from the intended start.", unitSeconds, noRun,
		sum(rate(ofRequest(catalog.ResponseTime, ended())))))

	keys := append(perRequest, catalog.LabelMethod)
	times := func(q float64) string { return quantile(q, total(ofRequest(catalog.ResponseTime, ended())), keys...) }
	// The rate as the mean over those steps in which the run lasted: the time range may be longer.
	mean := fmt.Sprintf("avg_over_time(%s[%s:%s])", sum(rate(ofRequest(catalog.Requests, ended())), keys...), allWindow, stepWindow)
	b.add(columns, 9, sortedBy(table("Requests", "Since the start of the run; the rate is the mean over the time range, as far as the run lasted.", noRun,
		column{title: "class", label: catalog.LabelClass},
		column{title: "request", label: catalog.LabelRequest},
		column{title: "method", label: catalog.LabelMethod},
		column{title: "requests", expr: sum(total(ofRequest(catalog.Requests, ended())), keys...), field: Field{Unit: unitCount}},
		column{title: "rate", expr: mean, field: Field{Unit: unitRequests}},
		column{title: "failed", expr: errorRate(ofRequest, keys...), field: Field{Unit: unitShare, Decimals: new(2)}},
		column{title: "p50", expr: times(0.5), field: Field{Unit: unitSeconds}},
		column{title: "p95", expr: times(0.95), field: Field{Unit: unitSeconds}},
		column{title: "p99", expr: times(0.99), field: Field{Unit: unitSeconds}},
	), "requests"))
	b.add(12, 7, table("Objectives", "Answers to the objectives of the plan, at the end of the run; one that could not be decided is missing.", "No answers yet",
		column{title: "objective", label: catalog.LabelObjective},
		column{title: "answer", expr: by("min", total(ofRun(catalog.Objective)), catalog.LabelObjective), field: Field{Mappings: objectiveWords()}},
	))
	checks := graph("Checks", "Share of the plan's checks that hold.", unitShare, "No checks in this plan",
		graphed(fmt.Sprintf("%s / %s",
			sum(rate(ofRequest(catalog.Checks, is(catalog.LabelOutcome, "pass"))), catalog.LabelRequest, catalog.LabelCheck),
			sum(rate(ofRequest(catalog.Checks)), catalog.LabelRequest, catalog.LabelCheck)),
			legend(catalog.LabelRequest, catalog.LabelCheck)))
	checks.FieldConfig.Defaults.Max = new(1.0)
	b.add(12, 7, checks)
}

// responseTimes draws response time, from the intended start, and dashed in the same color service time, from the send.
func responseTimes() Panel {
	quantiles := []struct {
		q     float64
		color string
	}{{0.5, "green"}, {0.95, "orange"}, {0.99, "red"}}
	var targets []Target
	for _, metric := range []struct{ name, legend string }{{catalog.ResponseTime, "response"}, {catalog.ServiceTime, "service"}} {
		for _, q := range quantiles {
			targets = append(targets, graphed(quantile(q.q, rate(ofRequest(metric.name, ended()))), fmt.Sprintf("%s p%g", metric.legend, 100*q.q)))
		}
	}
	p := graph("Response and service time", "Response time counts from the intended start of a request, service time (dashed) from the send. "+
		"The gap between them is what a tool hides that measures from the send only.", unitSeconds, noRun, targets...)
	for _, q := range quantiles {
		p = styled(p, fmt.Sprintf("/p%g$/", 100*q.q), Property{"color", Color{Mode: "fixed", FixedColor: q.color}})
	}
	return styled(p, "/^service/", Property{"custom.lineStyle", LineStyle{Fill: "dash", Dash: []int{6, 6}}}, Property{"custom.fillOpacity", 0})
}

func runLoad(b *board) {
	users := graph("Users and arrival rate", "Running users by class, and on the right the rate at which iterations are meant to start (open models).", unitCount, noRun,
		graphed(sum(most(ofRun(catalog.Users)), catalog.LabelClass), "users "+legend(catalog.LabelClass)),
		graphed(by("max", most(ofRun(catalog.ArrivalRate))), "arrival rate"))
	b.add(12, 9, styled(users, "/^arrival rate$/",
		Property{"unit", unitItems}, Property{"custom.axisPlacement", "right"}, Property{"custom.lineStyle", LineStyle{Fill: "dash", Dash: []int{10, 10}}}))
	b.add(12, 9, graph("Iterations", "Books of the iterations: those intended, started, dropped for want of a user, finished, and cut by the end of the run.", unitItems, noRun,
		graphed(sum(rate(ofRun(catalog.Books, is(catalog.LabelWork, "iteration"))), catalog.LabelEntry), legend(catalog.LabelEntry))))
	b.add(8, 9, graph("Lateness", "How much later than it could have the load generator started iterations: the generator's own fault, not the target's.", unitSeconds, noRun,
		graphed(quantile(0.5, rate(ofRun(catalog.Lateness))), "p50"), graphed(quantile(0.99, rate(ofRun(catalog.Lateness))), "p99")))
	b.add(8, 9, graph("Iteration duration", "From the intended start of an iteration to its end, waiting between requests included.", unitSeconds, noRun,
		graphed(quantile(0.5, rate(ofRun(catalog.IterationDuration)), catalog.LabelClass), "p50 "+legend(catalog.LabelClass)),
		graphed(quantile(0.95, rate(ofRun(catalog.IterationDuration)), catalog.LabelClass), "p95 "+legend(catalog.LabelClass))))
	books := table("Books", "Since the start of the run. Intended = started + dropped; started = finished + cut once the run is over.", noRun,
		column{title: "work", label: catalog.LabelWork},
		column{title: "entry", label: catalog.LabelEntry},
		column{title: "count", expr: sum(total(ofRun(catalog.Books)), catalog.LabelWork, catalog.LabelEntry), field: Field{Unit: unitCount}})
	b.add(8, 9, books)
}

// runGenerator shows whether the load generator itself was the limit.
func runGenerator(b *board) {
	cpu := graph("CPU of the generator", "Share of its processors that the generator used: from 80% on its own waiting shows in what it measures, at 90% a missed latency or rate is no answer. "+
		"Machine (dashed) is the share of all CPUs that was busy, whoever used them.", unitShare, noRun,
		graphed(sum(most(ofRun(catalog.ProcessCPUUtilization)), catalog.LabelCPUMode), legend(catalog.LabelCPUMode)),
		graphed(by("max", most(ofRun(catalog.MachineUtilization))), "machine"),
		graphed(fmt.Sprintf("%s / %s", sum(rate(ofRun(catalog.GoCPUTime))), sum(rate(ofRun(catalog.ProcessCPUTime)))), "garbage collector, of the generator's"))
	b.add(8, 9, styled(cpu, "/^machine$/", Property{"custom.lineStyle", LineStyle{Fill: "dash", Dash: []int{6, 6}}}))
	b.add(8, 9, graph("Delays in the generator", "How long its goroutines waited for a thread, and the share of the time that its garbage collector stopped them all.", unitSeconds, noRun,
		graphed(quantile(0.5, rate(ofRun(catalog.ScheduleDuration))), "scheduler p50"), graphed(quantile(0.99, rate(ofRun(catalog.ScheduleDuration))), "scheduler p99"),
		graphed(by("max", "histogram_sum("+rate(ofRun(catalog.GCPauseDuration))+")"), "stopped per second")))
	b.add(8, 9, graph("Memory of the generator", "Resident memory, and what the Go runtime uses of it.", unitSize, noRun,
		graphed(by("max", most(ofRun(catalog.ProcessMemory))), "resident"),
		graphed(by("max", most(ofRun(catalog.GoMemory)), catalog.LabelMemoryType), legend(catalog.LabelMemoryType))))
	b.add(12, 8, graph("Files and sockets of the generator", "Open file descriptors and their limit, and the TCP sockets of its machine.", unitCount, noRun,
		graphed(by("max", most(ofRun(catalog.ProcessFiles))), "open files"),
		graphed(by("max", most(ofRun(catalog.FileLimit))), "limit of open files"),
		graphed(by("max", most(ofRun(catalog.Sockets)), catalog.LabelState), "sockets "+legend(catalog.LabelState))))
	b.add(6, 8, graph("Goroutines", "Goroutines of the generator, and how many can run at once.", unitCount, noRun,
		graphed(by("max", most(ofRun(catalog.Goroutines))), "goroutines"), graphed(by("max", most(ofRun(catalog.Processors))), "at once")))
	b.add(6, 8, graph("Ran out of", "Requests that failed since the generator ran out of files, ports or memory.", unitItems, noRun,
		graphed(sum(rate(ofRun(catalog.Exhausted)), catalog.LabelResource), legend(catalog.LabelResource))))
}

func runParts(b *board) {
	b.add(12, 9, graph("Phases, p95", "95% of the requests that went through a phase spent less time in it. Blocked is the wait of an iteration for a free user.", unitSeconds, noRun,
		graphed(quantile(0.95, rate(ofRun(catalog.PhaseDuration)), catalog.LabelPhase), legend(catalog.LabelPhase))))
	b.add(9, 9, graph("Network", "Bytes on the wire, headers included, without the framing of TLS.", unitBytes, noRun,
		graphed(sum(rate(ofRequest(catalog.NetworkIO)), catalog.LabelDirection), legend(catalog.LabelDirection))))
	b.add(3, 9, stat("Without series", "Requests of the plan without series of their own, since all could have more than its max_series; (other) is their sum.", "lastNotNull",
		Field{NoValue: noRun, Unit: unitCount},
		now(by("max", total(ofRun(catalog.OverflowRequests))), "")))
}
