package grafana

import (
	"fmt"
	"strings"

	"tidegauge/engine/catalog"
	"tidegauge/engine/protocol"
)

// The windows of the queries, which Grafana fills in: of rates while a run lasts, of what a run came to, and of one step
// of a graph.
const (
	rateWindow = "$__rate_interval"
	allWindow  = "$__range"
	stepWindow = "$__interval"
)

// label returns Prometheus's name of a label of the catalog.
func label(name string) string {
	l, err := catalog.PrometheusLabel(name)
	if err != nil { // no name of the catalog
		return name
	}
	return l
}

// The matchers of selectors.
func is(name, value string) string      { return fmt.Sprintf("%s=%q", label(name), value) }
func isNot(name, value string) string   { return fmt.Sprintf("%s!=%q", label(name), value) }
func matches(name, value string) string { return fmt.Sprintf("%s=~%q", label(name), value) }

// chosen matches what is chosen in the variable of the same name.
func chosen(name string) string { return matches(name, "$"+name) }

// The matchers by outcome: of requests that were not cut by the end of the run, that were right, that failed.
func ended() string    { return isNot(catalog.LabelOutcome, protocol.Cut.String()) }
func answered() string { return is(catalog.LabelOutcome, protocol.OK.String()) }
func failed() string {
	return fmt.Sprintf("%s!~%q", label(catalog.LabelOutcome), protocol.OK.String()+"|"+protocol.Cut.String())
}

// selector returns a selector of a metric of the catalog.
func selector(metric string, matchers ...string) string {
	m, _ := catalog.Lookup(metric)
	if len(matchers) == 0 {
		return m.PrometheusName()
	}
	return m.PrometheusName() + "{" + strings.Join(matchers, ", ") + "}"
}

func rate(s string) string { return over("rate", s, rateWindow) }

// total is what a counter or histogram, both counting from the start of its run, came to.
func total(s string) string { return over("last_over_time", s, allWindow) }

// most is the highest value of a gauge in a step of the graph, since a short run may lie between two steps; where a step has
// no sample of its own, the one before it.
func most(s string) string { return over("max_over_time", s, stepWindow) + " or " + s }

func over(function, s, window string) string { return fmt.Sprintf("%s(%s[%s])", function, s, window) }

// by aggregates; labels are names of the catalog.
func by(aggregation, expr string, labels ...string) string {
	if len(labels) == 0 {
		return fmt.Sprintf("%s(%s)", aggregation, expr)
	}
	return fmt.Sprintf("%s by (%s) (%s)", aggregation, list(labels), expr)
}

func list(labels []string) string {
	names := make([]string, len(labels))
	for i, l := range labels {
		names[i] = label(l)
	}
	return strings.Join(names, ", ")
}

func sum(expr string, labels ...string) string { return by("sum", expr, labels...) }

// quantile is one of native histograms, added up.
func quantile(q float64, histograms string, labels ...string) string {
	return fmt.Sprintf("histogram_quantile(%g, %s)", q, sum(histograms, labels...))
}

// errorRate is the share of ended requests that failed, since the start of each run.
func errorRate(of func(metric string, more ...string) string, labels ...string) string {
	return fmt.Sprintf("1 - %s / %s",
		sum(total(of(catalog.Requests, answered())), labels...), sum(total(of(catalog.Requests, ended())), labels...))
}

// legend shows labels, which are names of the catalog.
func legend(labels ...string) string {
	names := make([]string, len(labels))
	for i, l := range labels {
		names[i] = "{{" + label(l) + "}}"
	}
	return strings.Join(names, " ")
}
