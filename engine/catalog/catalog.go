// Package catalog lists every metric we emit: name, unit, help, labels.
package catalog

// Kind is the type of an instrument.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram" // base-2 exponential
)

// Metric is one instrument. Every metric also has the labels of CommonLabels and the plan's own.
type Metric struct {
	Name   string // OpenTelemetry's: tidegauge.response_time
	Kind   Kind
	Unit   string // UCUM: s, By, 1, {request}
	Help   string
	Labels []string
}

// All returns every metric, in the order of the documentation.
func All() []Metric { panic("stub") }

// PrometheusName returns the name under which Prometheus's OTLP translation (UnderscoreEscapingWithSuffixes) stores the metric.
func (m Metric) PrometheusName() string { panic("stub") }
