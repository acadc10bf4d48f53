package rule

import (
	"fmt"
	"strconv"
	"strings"

	"tidegauge/engine/catalog"
	"tidegauge/engine/protocol"
)

// label returns Prometheus's name of a label of the catalog.
func label(name string) string {
	l, err := catalog.PrometheusLabel(name)
	if err != nil { // no name of the catalog
		return name
	}
	return l
}

// metric returns Prometheus's name of a metric of the catalog.
func metric(name string) string {
	m, _ := catalog.Lookup(name)
	return m.PrometheusName()
}

func is(name, value string) string    { return label(name) + "=" + strconv.Quote(value) }
func isNot(name, value string) string { return label(name) + "!=" + strconv.Quote(value) }

// The matchers by outcome: of requests that were not cut by the end of the run, and of those that failed.
func ended() string { return isNot(catalog.LabelOutcome, protocol.Cut.String()) }
func failed() string {
	return label(catalog.LabelOutcome) + "!~" + strconv.Quote(protocol.OK.String()+"|"+protocol.Cut.String())
}

// selector selects series of a metric of the catalog.
func selector(name string, matchers ...string) string {
	if len(matchers) == 0 {
		return metric(name)
	}
	return metric(name) + "{" + strings.Join(matchers, ", ") + "}"
}

// total adds up over the labels of a metric of its own; those of the run and of the plan stay, whatever the plan's are.
func total(name, expr string) string {
	m, _ := catalog.Lookup(name)
	labels := make([]string, len(m.Labels))
	for i, l := range m.Labels {
		labels[i] = label(l)
	}
	return fmt.Sprintf("sum without (%s) (%s)", strings.Join(labels, ", "), expr)
}

func rate(selector, window string) string { return fmt.Sprintf("rate(%s[%s])", selector, window) }
func last(selector, window string) string {
	return fmt.Sprintf("last_over_time(%s[%s])", selector, window)
}

// quantile is one of native histograms.
func quantile(q float64, name, window string, matchers ...string) string {
	return fmt.Sprintf("histogram_quantile(%s, %s)", number(q), total(name, rate(selector(name, matchers...), window)))
}

// share is one part of counted things of all; nothing of the part is 0.
func share(name, window string, part, all []string) string {
	whole := total(name, rate(selector(name, all...), window))
	return fmt.Sprintf("(%s or 0 * %s) / %s", total(name, rate(selector(name, part...), window)), whole, whole)
}
