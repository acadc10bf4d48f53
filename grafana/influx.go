package grafana

import (
	"encoding/json"
	"fmt"
	"strings"

	"tidegauge/engine/catalog"
)

const influxUID = "tidegauge-run-influxdb"

// influxQuery is one InfluxQL query, as Grafana's InfluxDB data source keeps it.
type influxQuery struct {
	RefID        string `json:"refId"`
	Query        string `json:"query"`
	RawQuery     bool   `json:"rawQuery"`
	ResultFormat string `json:"resultFormat"` // time_series, table
	Alias        string `json:"alias,omitempty"`
}

// MarshalJSON writes a query in the form of the data source whose language it is in.
func (t Target) MarshalJSON() ([]byte, error) {
	if t.InfluxQL != "" {
		return json.Marshal(influxQuery{t.RefID, t.InfluxQL, true, t.Format, t.LegendFormat})
	}
	type plain Target
	return json.Marshal(plain(t))
}

// ofInflux is a query of the run chosen: what is selected of a metric, grouped by tags, over time where step is set.
func ofInflux(selected, metric, where, format string, step bool, tags ...string) Target {
	m, _ := catalog.Lookup(metric)
	var groups []string
	fill := ""
	if step {
		groups, fill = append(groups, "time($__interval)"), " fill(none)"
	}
	alias := make([]string, len(tags))
	for i, tag := range tags {
		groups, alias[i] = append(groups, `"`+label(tag)+`"`), "$tag_"+label(tag)
	}
	query := fmt.Sprintf(`SELECT %s FROM "%s" WHERE "run" =~ /^$run$/%s AND $timeFilter`, selected, m.PrometheusName(), where)
	if len(groups) > 0 {
		query += " GROUP BY " + strings.Join(groups, ", ") + fill
	}
	return Target{InfluxQL: query, Format: format, LegendFormat: strings.Join(alias, " ")}
}

// drawn is a query for a graph.
func drawn(selected, metric, where string, tags ...string) Target {
	return ofInflux(selected, metric, where, "time_series", true, tags...)
}

// named gives a series a name where it has no tags.
func (t Target) named(prefix string) Target {
	t.LegendFormat = strings.TrimSpace(prefix + " " + t.LegendFormat)
	return t
}

// InfluxRun returns the dashboard of one run for data sources of type InfluxDB with InfluxQL, which InfluxDB 1 and 2 answer.
// Quantiles are those of each interval and series, which nothing can add up: the worst of them is drawn.
func InfluxRun() Dashboard {
	b := &board{}
	const (
		perSecond = `sum("count") * 1000 / $__interval_ms`
		ended     = ` AND "outcome" != 'cut'`
		failed    = ` AND "outcome" != 'ok' AND "outcome" != 'cut'`
	)
	number := func(title, description string, f Field, t Target) {
		if f.NoValue == "" {
			f.NoValue = noRun
		}
		b.add(6, 4, stat(title, description, "lastNotNull", f, t))
	}
	once := func(selected, metric, where string) Target {
		return ofInflux(selected, metric, where, "time_series", false)
	}
	number("Verdict", "Answer to the objectives of the plan, at the end of the run.", Field{NoValue: "none yet", Mappings: verdictWords()}, once(`last("value")`, catalog.Verdict, ""))
	number("Requests", "That came to an end in the time range.", Field{Unit: unitCount}, once(`sum("count")`, catalog.ResponseTime, ended))
	number("Failures", "Requests that failed in the time range.", Field{Unit: unitCount, NoValue: "0"}, once(`sum("count")`, catalog.ResponseTime, failed))
	number("Longest response time", "From the intended start of a request, in the time range.", Field{Unit: unitSeconds}, once(`max("max")`, catalog.ResponseTime, ended))

	b.add(12, 9, graph("Request rate", "Requests that came to an end, by request and outcome.", unitRequests, noRun,
		drawn(perSecond, catalog.ResponseTime, "", catalog.LabelRequest, catalog.LabelOutcome)))
	b.add(12, 9, graph("Failures by outcome", "Requests that failed.", unitItems, "No failures", drawn(perSecond, catalog.ResponseTime, failed, catalog.LabelOutcome)))
	var times []Target
	for _, metric := range []struct{ name, legend string }{{catalog.ResponseTime, "response"}, {catalog.ServiceTime, "service"}} {
		for _, q := range []string{"p50", "p95", "p99"} {
			times = append(times, drawn(`max("`+q+`")`, metric.name, ended).named(metric.legend+" "+q))
		}
	}
	b.add(12, 9, graph("Worst response and service time", "Quantiles of the request that is slowest in each step. Response time counts from the intended start, service time from the send.", unitSeconds, noRun, times...))
	b.add(12, 9, graph("p95 by request", "Of the response time, the highest of the class and outcome that is slowest.", unitSeconds, noRun, drawn(`max("p95")`, catalog.ResponseTime, ended, catalog.LabelRequest)))
	b.add(8, 8, graph("Users", "Running users by class.", unitCount, noRun, drawn(`max("value")`, catalog.Users, "", catalog.LabelClass)))
	b.add(8, 8, graph("Lateness", "How much later than it could have the load generator started iterations.", unitSeconds, noRun, drawn(`max("p99")`, catalog.Lateness, "").named("p99")))
	b.add(8, 8, graph("Phases, p95", "The highest of the classes.", unitSeconds, noRun, drawn(`max("p95")`, catalog.PhaseDuration, "", catalog.LabelPhase)))
	b.add(8, 8, graph("CPU of the generator", "Share of its processors that the generator used.", unitShare, noRun, drawn(`mean("value")`, catalog.ProcessCPUUtilization, "", catalog.LabelCPUMode)))
	b.add(8, 8, graph("Memory of the generator", "Resident memory.", unitSize, noRun, drawn(`max("value")`, catalog.ProcessMemory, "").named("resident")))
	b.add(8, 8, panel("table", "Objectives", "Answers at the end of the run.", []Target{ofInflux(`last("value") AS "answer"`, catalog.Objective, "", "table", false, catalog.LabelObjective)},
		Field{NoValue: "none yet", Mappings: objectiveWords(), Custom: TableField{Align: "auto", CellOptions: CellOptions{Type: "auto"}}}, TableOptions{ShowHeader: true, CellHeight: "sm"}))
	for i := range b.panels {
		b.panels[i].Datasource = influxSource()
	}
	return Dashboard{
		UID: influxUID, Title: "tidegauge: run (InfluxDB)", Tags: []string{"tidegauge"},
		Description:   "One run of a load test out of an InfluxDB, while it lasts and afterwards.",
		SchemaVersion: schemaVersion, Editable: true, GraphTooltip: 1, Timezone: "browser", Refresh: "5s",
		Time:        TimeRange{"now-15m", "now"},
		Timepicker:  Timepicker{[]string{"5s", "10s", "30s", "1m", "5m"}},
		Links:       []Link{},
		Templating:  VariableList{influxVariables()},
		Annotations: AnnotationList{[]Annotation{}},
		Panels:      b.panels,
	}
}

func influxSource() *DatasourceRef { return &DatasourceRef{Type: "influxdb", UID: "${datasource}"} }

func influxVariables() []Variable {
	info, _ := catalog.Lookup(catalog.RunInfo)
	return []Variable{
		{
			Name: "datasource", Label: "Data source", Type: "datasource", Query: "influxdb", Refresh: 1,
			Description: "An InfluxDB that tidegauge writes to, with InfluxQL as its language",
		},
		{
			Name: "run", Label: "Run", Description: "Runs of the database, newest first", Type: "query", Datasource: influxSource(), Refresh: 2, Sort: 2, // ids begin with the time
			Query: fmt.Sprintf(`SHOW TAG VALUES FROM "%s" WITH KEY = "run"`, info.PrometheusName()),
		},
	}
}
