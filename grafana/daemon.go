package grafana

import (
	"fmt"
	"slices"
	"strings"

	"tidegauge/engine/catalog"
)

const (
	daemonUID = "tidegauge-daemon"
	noDaemon  = "No daemon in this time range"
	instance  = "instance" // Prometheus's own label
)

// The series that others name: Prometheus's of each scrape and of rules, and of its client library for a process.
const (
	seriesUp             = "up"
	seriesScrapeDuration = "scrape_duration_seconds"
	seriesScraped        = "scrape_samples_scraped"
	seriesAlerts         = "ALERTS"
	seriesEvaluations    = "prometheus_rule_evaluations_total"
	seriesFailures       = "prometheus_rule_evaluation_failures_total"
	seriesGroupDuration  = "prometheus_rule_group_last_duration_seconds"
	seriesMemory         = "process_resident_memory_bytes"
	seriesHeap           = "go_memstats_heap_inuse_bytes"
	seriesCPU            = "process_cpu_seconds_total"
	seriesFiles          = "process_open_fds"
	seriesGoroutines     = "go_goroutines"
)

// ofDaemon selects a metric of the catalog, or a series of somebody else's name, of the daemons chosen.
func ofDaemon(metric string, more ...string) string {
	name := metric
	if m, ok := catalog.Lookup(metric); ok {
		name = m.PrometheusName()
	}
	own := []string{`job="tidegauge"`, matches(instance, "$"+instance)}
	return name + "{" + strings.Join(append(own, more...), ", ") + "}"
}

// Daemon returns the dashboard of daemons: what they are to do, and whether what they measure arrives.
func Daemon() Dashboard {
	b := &board{}
	daemonStats(b)
	b.row("Queue and schedules")
	daemonQueue(b)
	b.row("Outlets")
	daemonOutlets(b)
	b.row("Scraping")
	daemonScrapes(b)
	b.row("Rules and alerts")
	daemonAlerts(b)
	b.row("Process")
	daemonProcess(b)
	instances := many(labelVariable(instance, "Daemon", "Daemons, by the names of their machines", selector(catalog.QueueJobs)))
	return Dashboard{
		UID: daemonUID, Title: "tidegauge: daemon", Tags: []string{"tidegauge"},
		Description:   "Daemons: queue and schedules, the way of measurements to other stores, scraping, rules and alerts.",
		SchemaVersion: schemaVersion, Editable: true, GraphTooltip: 1, Timezone: "browser", Refresh: "30s",
		Time:        TimeRange{"now-6h", "now"},
		Timepicker:  Timepicker{[]string{"10s", "30s", "1m", "5m"}},
		Links:       linksBut(daemonUID),
		Templating:  VariableList{[]Variable{datasourceVariable(), instances}},
		Annotations: AnnotationList{[]Annotation{}},
		Panels:      b.panels,
	}
}

func daemonStats(b *board) {
	number := func(title, description, unit, expr string, steps ...Step) {
		f := Field{NoValue: noDaemon, Unit: unit}
		if steps != nil {
			f.Thresholds = &Thresholds{Mode: "absolute", Steps: steps}
		}
		b.add(4, 4, stat(title, description, "lastNotNull", f, now(expr, "")))
	}
	bad := []Step{{Color: "green"}, {Color: "red", Value: new(1.0)}}
	number("Running", "Runs that are going on.", unitCount, sum(ofDaemon(catalog.QueueJobs, is(catalog.LabelState, "running"))))
	number("Waiting", "Runs that wait for those before them.", unitCount, sum(ofDaemon(catalog.QueueJobs, is(catalog.LabelState, "waiting"))))
	number("Targets down", "Of all that is scraped into this store.", unitCount, "count("+seriesUp+" == 0) or vector(0)", bad...)
	number("Alerts", "That fire, of tidegauge's rules and of others in this store.", unitCount, "count("+seriesAlerts+`{alertstate="firing"}) or vector(0)`, bad...)
	number("Lost", "Samples that did not get to another store since the outlets were first used.", unitCount,
		sum(total(ofDaemon(catalog.OutletSamples, is(catalog.LabelEntry, "lost"))))+" or vector(0)", bad...)
	number("Memory", "Resident memory of the daemons.", unitSize, sum(ofDaemon(seriesMemory)))
}

func daemonQueue(b *board) {
	schedule := []string{catalog.LabelSchedule}
	const none = "No schedules"
	moments := func(outcome string) string {
		return sum(total(ofDaemon(catalog.ScheduleMoments, is(catalog.LabelOutcome, outcome))), schedule...)
	}
	var columns []column
	columns = append(columns,
		column{title: "schedule", label: catalog.LabelSchedule},
		column{title: "last start", expr: "1000 * " + by("max", ofDaemon(catalog.ScheduleLastTime), schedule...), field: Field{Unit: unitTime, NoValue: "never"}},
		column{title: "next", expr: "1000 * " + by("min", ofDaemon(catalog.ScheduleNextTime), schedule...), field: Field{Unit: unitTime}},
		column{title: "overdue", expr: by("max", ofDaemon(catalog.ScheduleOverdue), schedule...), field: Field{Unit: unitSeconds}})
	for _, outcome := range []string{"started", "missed", "overlap", "blackout", "refused"} {
		columns = append(columns, column{title: outcome, expr: moments(outcome), field: Field{Unit: unitCount}})
	}
	b.add(16, 8, table("Schedules", "What became of the moments at which each was due, since the daemon started: started; missed, since no daemon was there; overlap, since the run before was not over; "+
		"blackout; refused, since the plan is broken or not allowed.", none, columns...))
	b.add(8, 8, graph("Queue", "Jobs that run and that wait.", unitCount, noDaemon,
		graphed(sum(most(ofDaemon(catalog.QueueJobs)), catalog.LabelState), legend(catalog.LabelState))))
}

func daemonOutlets(b *board) {
	const none = "No outlets"
	entry, signal := []string{catalog.LabelOutlet, catalog.LabelEntry}, []string{catalog.LabelOutlet, catalog.LabelSignal}
	b.add(12, 8, graph("Samples", "Samples a second that were produced for an outlet, that it sent, and that it lost.", unitItems, none,
		graphed(sum(rate(ofDaemon(catalog.OutletSamples)), entry...), legend(entry...))))
	b.add(12, 8, graph("Not sent yet", "What waits: samples in the data directory, spans and events in memory.", unitCount, none,
		graphed(by("max", most(ofDaemon(catalog.OutletWaiting)), signal...), legend(signal...))))
	b.add(8, 8, graph("Age of what waits", "Of the oldest that was not sent yet: what is older than the retention would be lost.", unitSeconds, none,
		graphed(by("max", most(ofDaemon(catalog.OutletAge)), signal...), legend(signal...))))
	b.add(8, 8, graph("Attempts", "Attempts a second to send again, and those that failed.", unitItems, none,
		graphed(sum(rate(ofDaemon(catalog.OutletRetries)), signal...), "again "+legend(signal...)),
		graphed(sum(rate(ofDaemon(catalog.OutletErrors)), signal...), "failed "+legend(signal...))))
	book := func(metric string) string { return sum(total(ofDaemon(metric)), entry...) }
	b.add(8, 8, table("Books of the outlets", "Since each was first used, over restarts. Produced = sent + lost + waiting.", none,
		column{title: "outlet", label: catalog.LabelOutlet},
		column{title: "entry", label: catalog.LabelEntry},
		column{title: "samples", expr: book(catalog.OutletSamples), field: Field{Unit: unitCount}},
		column{title: "spans", expr: book(catalog.OutletSpans), field: Field{Unit: unitCount}},
		column{title: "events", expr: book(catalog.OutletEvents), field: Field{Unit: unitCount}}))
}

func daemonScrapes(b *board) {
	const none = "Nothing is scraped"
	target := "{{job}} {{instance}}"
	f := Field{NoValue: none, Mappings: upWords(), Color: &Color{Mode: "thresholds"}, Custom: StatusHistoryField{LineWidth: 1, FillOpacity: 80}}
	up := panel("status-history", "Targets", "Whether everything that is scraped into this store answered.",
		[]Target{graphed("min by (job, instance) ("+over("min_over_time", seriesUp, stepWindow)+" or "+seriesUp+")", target)}, f,
		StatusHistoryOptions{
			RowHeight: 0.9, ColWidth: 1, ShowValue: "never",
			Legend:  Legend{ShowLegend: true, DisplayMode: "list", Placement: "bottom", Calcs: []string{}},
			Tooltip: Tooltip{Mode: "single", Sort: "none"},
		})
	up.MaxDataPoints = 100
	b.add(12, 8, up)
	b.add(6, 8, graph("Duration of a scrape", "Beyond the interval samples are missing.", unitSeconds, none,
		graphed("max by (job, instance) ("+seriesScrapeDuration+")", target)))
	b.add(6, 8, graph("Samples of a scrape", "As many as the target answered with.", unitCount, none,
		graphed("max by (job, instance) ("+seriesScraped+")", target)))
}

func daemonAlerts(b *board) {
	const none = "Nobody is told of alerts"
	receiver := legend(catalog.LabelReceiver)
	b.add(8, 8, graph("Alerts by name", "That are pending or fire.", unitCount, "No alerts",
		graphed("count by (alertname, alertstate) ("+seriesAlerts+")", "{{alertname}} {{alertstate}}")))
	b.add(8, 8, graph("Rules", "Evaluations a second, and those that failed.", unitItems, noDaemon,
		graphed("sum("+rate(ofDaemon(seriesEvaluations))+")", "evaluations"),
		graphed("sum by (rule_group) ("+rate(ofDaemon(seriesFailures))+") > 0 or sum("+rate(ofDaemon(seriesFailures))+")", "failed {{rule_group}}")))
	b.add(8, 8, graph("Duration of rules", "Of the slowest group; beyond its interval evaluations are left out.", unitSeconds, noDaemon,
		graphed("max("+ofDaemon(seriesGroupDuration)+")", "slowest group")))
	b.add(8, 8, graph("Notifications", "Alerts a second that receivers were to be told of, were told of, and were not.", unitItems, none,
		graphed(sum(rate(ofDaemon(catalog.AlertNotifications)), catalog.LabelReceiver, catalog.LabelEntry), legend(catalog.LabelReceiver, catalog.LabelEntry))))
	b.add(8, 8, graph("Notifications that wait", "That a receiver has not been told of yet.", unitCount, none,
		graphed(by("max", most(ofDaemon(catalog.AlertWaiting)), catalog.LabelReceiver), receiver)))
	b.add(8, 8, graph("Errors of receivers", "Attempts a second to tell a receiver that failed.", unitItems, none,
		graphed(sum(rate(ofDaemon(catalog.AlertErrors)), catalog.LabelReceiver), receiver)))
}

func daemonProcess(b *board) {
	perInstance := func(expr string) string { return fmt.Sprintf("max by (%s) (%s)", instance, expr) }
	at := "{{" + instance + "}}"
	b.add(6, 8, graph("Memory of the process", "Resident, and the heap of the Go runtime.", unitSize, noDaemon,
		graphed(perInstance(most(ofDaemon(seriesMemory))), "resident "+at), graphed(perInstance(most(ofDaemon(seriesHeap))), "heap "+at)))
	b.add(6, 8, graph("CPU of the process", "Processors in use.", unitCount, noDaemon, graphed(perInstance(rate(ofDaemon(seriesCPU))), at)))
	b.add(6, 8, graph("Open files", "File descriptors, sockets among them.", unitCount, noDaemon, graphed(perInstance(most(ofDaemon(seriesFiles))), at)))
	b.add(6, 8, graph("Goroutines of the process", "Those of the Go runtime.", unitCount, noDaemon, graphed(perInstance(most(ofDaemon(seriesGoroutines))), at)))
}

func upWords() []Mapping {
	return []Mapping{{Type: "value", Options: map[string]Word{
		"1": {Text: "up", Color: "green", Index: 0},
		"0": {Text: "down", Color: "red", Index: 1},
	}}}
}

// linksBut leads to all dashboards but one.
func linksBut(uid string) []Link {
	all := []Link{
		link("Latest run", runUID, "The newest run of these plans and tests, live if it is under way"),
		link("All runs", runsUID, "The history of the runs of these plans and tests"),
		link("Compare two runs", compareUID, "Two runs side by side"),
		link("Daemon", daemonUID, "Queue, schedules, outlets, scraping, rules and alerts"),
	}
	return slices.DeleteFunc(all, func(l Link) bool { return l.URL == "/d/"+uid })
}
