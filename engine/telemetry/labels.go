package telemetry

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"tidegauge/engine/catalog"
)

// commonLabels returns the labels of every series: ours, and the plan's as far as they can stand beside ours.
func commonLabels(o Options) ([]attribute.KeyValue, error) {
	taken := map[string]string{}
	for _, own := range ownLabels() {
		name, err := catalog.PrometheusLabel(own)
		if err != nil {
			return nil, err
		}
		taken[name] = "it belongs to tidegauge"
	}
	labels := []attribute.KeyValue{
		attribute.String(catalog.LabelRun, o.Run),
		attribute.String(catalog.LabelPlan, o.Plan),
		attribute.String(catalog.LabelTest, o.Test),
	}
	for _, key := range slices.Sorted(maps.Keys(o.Labels)) {
		name, err := catalog.PrometheusLabel(key)
		if err != nil {
			return nil, fmt.Errorf("the plan's %w: choose another name", err)
		}
		if strings.HasPrefix(name, "__") {
			return nil, fmt.Errorf("the plan's label %q: names that begin with __ belong to Prometheus: choose another name", key)
		}
		if why, ok := taken[name]; ok {
			return nil, fmt.Errorf("the plan's label %q is taken, %s: choose another name", key, why)
		}
		taken[name] = fmt.Sprintf("it is the same in Prometheus as the plan's label %q", key)
		labels = append(labels, attribute.String(key, o.Labels[key]))
	}
	return labels, nil
}

// ownLabels returns the labels that are set by tidegauge, by Prometheus for a series that came by OTLP, or by text
// formats.
func ownLabels() []string {
	own := append(catalog.CommonLabels(), "job", "instance", "le", "quantile")
	for _, m := range catalog.All() {
		own = append(own, m.Labels...)
	}
	return own
}
