package grafana

import (
	"maps"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"tidegauge/engine/catalog"
)

// query is a query of a dashboard and where it is.
type query struct {
	where         string
	expr          string // a selector, for a variable
	maxDataPoints int
	target        *Target // nil for a variable
}

var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// queriesOf returns every query of a dashboard.
func queriesOf(t *testing.T, d *Dashboard) (list []query) {
	t.Helper()
	for _, v := range d.Templating.List {
		if q, ok := v.Query.(VariableQuery); ok {
			m := labelValues.FindStringSubmatch(q.Query)
			if m == nil || m[2] != label(v.Name) && (m[2] != catalog.LabelRun || d.UID != compareUID) {
				t.Fatalf("variable %s has the query %q", v.Name, q.Query)
			}
			list = append(list, query{where: d.UID + " variable " + v.Name, expr: m[1]})
		}
	}
	for i := range d.Annotations.List {
		a := &d.Annotations.List[i]
		list = append(list, query{where: d.UID + " annotation " + a.Name, expr: a.Target.Expr, maxDataPoints: 100, target: &a.Target}) // as Grafana has it
	}
	for _, p := range d.Panels {
		for i := range p.Targets {
			list = append(list, query{d.UID + " panel " + p.Title + " " + p.Targets[i].RefID, p.Targets[i].Expr, p.MaxDataPoints, &p.Targets[i]})
		}
	}
	return list
}

// TestQueriesAreOfTheCatalog: every metric is in the catalog, every label on a metric or in an aggregation is one that the
// metric has, functions fit its kind; and what is in the catalog is shown.
func TestQueriesAreOfTheCatalog(t *testing.T) {
	known := foreign()
	for _, m := range slices.Concat(catalog.All(), catalog.Outlets(), catalog.Alerts(), catalog.Queue()) {
		known[m.PrometheusName()] = m
	}
	shown := map[string]bool{}
	v := view{from: time.Unix(0, 0), to: time.Unix(900, 0), scrape: time.Second, vars: map[string]choice{
		"plan": {all: ".*"}, "test": {all: ".*"}, "request": {all: ".*"}, "run": {values: []string{"r"}},
		"before": {values: []string{"r"}}, "after": {values: []string{"s"}}, "instance": {all: ".*"},
	}}
	boards := Files()
	delete(boards, "run-influxdb.json") // no PromQL: package exporters asks an InfluxDB
	for _, d := range boards {
		for _, q := range queriesOf(t, &d) {
			text, err := v.expand(q.expr, q.maxDataPoints)
			if err != nil {
				t.Fatal(err)
			}
			e, err := parser.NewParser(parser.Options{}).ParseExpr(text)
			if err != nil {
				t.Fatalf("%s: %s: %v", q.where, text, err)
			}
			parser.Inspect(e, func(n parser.Node, path []parser.Node) error {
				if s, ok := n.(*parser.VectorSelector); ok {
					shown[s.Name] = true
					checkSelector(t, q.where, known, s, path)
				}
				if a, ok := n.(*parser.AggregateExpr); ok {
					checkGrouping(t, q.where, known, a)
				}
				return nil
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if !shown[name] {
			t.Errorf("%s is in the catalog, but in no dashboard", name)
		}
	}
}

// foreign are the series of others' names that the dashboard of daemons shows: every one of them is asked for in the test of
// the whole stack.
func foreign() map[string]catalog.Metric {
	all := map[string]catalog.Metric{}
	for name, labels := range map[string][]string{
		seriesUp: nil, seriesScrapeDuration: nil, seriesScraped: nil, seriesAlerts: {"alertname", "alertstate"},
		seriesGroupDuration: {"rule_group"}, seriesMemory: nil, seriesHeap: nil, seriesFiles: nil, seriesGoroutines: nil,
	} {
		all[name] = catalog.Metric{Name: name, Kind: catalog.Gauge, Labels: labels}
	}
	for name, labels := range map[string][]string{seriesEvaluations: {"rule_group"}, seriesFailures: {"rule_group"}, seriesCPU: nil} {
		all[name] = catalog.Metric{Name: name, Kind: catalog.Counter, Labels: labels}
	}
	return all
}

func labelsOf(m catalog.Metric) []string {
	names := []string{"job", instance} // Prometheus's own
	for _, l := range slices.Concat(catalog.CommonLabels(), m.Labels) {
		names = append(names, label(l))
	}
	return names
}

func checkSelector(t *testing.T, where string, known map[string]catalog.Metric, s *parser.VectorSelector, path []parser.Node) {
	t.Helper()
	m, ok := known[s.Name]
	if !ok {
		t.Errorf("%s: metric %q is not in the catalog", where, s.Name)
		return
	}
	function := "none"
	for _, n := range path {
		if c, ok := n.(*parser.Call); ok {
			function = c.Func.Name // in the end the innermost
		}
	}
	if cumulative := m.Kind != catalog.Gauge; function == "rate" && !cumulative || function != "rate" && function != "last_over_time" && cumulative && len(path) > 0 {
		t.Errorf("%s: %s, a %s, in the function %s", where, s.Name, m.Kind, function)
	}
	for _, l := range s.LabelMatchers {
		if l.Name != model.MetricNameLabel && !slices.Contains(labelsOf(m), l.Name) {
			t.Errorf("%s: %s has no label %s", where, s.Name, l.Name)
		}
	}
}

func checkGrouping(t *testing.T, where string, known map[string]catalog.Metric, a *parser.AggregateExpr) {
	t.Helper()
	if a.Without {
		t.Errorf("%s: aggregates without: labels of the plan would change what is shown", where)
	}
	parser.Inspect(a.Expr, func(n parser.Node, _ []parser.Node) error {
		s, ok := n.(*parser.VectorSelector)
		for i := 0; ok && i < len(a.Grouping); i++ {
			if !slices.Contains(labelsOf(known[s.Name]), a.Grouping[i]) {
				t.Errorf("%s: groups %s by %s, which it does not have", where, s.Name, a.Grouping[i])
			}
		}
		return nil
	})
}
