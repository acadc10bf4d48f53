package telemetry

import (
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// keyOf names a series in one line: its labels sorted, those of every series left out.
func keyOf(name string, labels attribute.Set) string {
	var parts []string
	for _, l := range labels.ToSlice() {
		if !slices.Contains([]string{"run", "plan", "test"}, string(l.Key)) {
			parts = append(parts, string(l.Key)+"="+l.Value.String())
		}
	}
	slices.Sort(parts)
	return strings.Join(append([]string{name}, parts...), " ")
}

// firstCounts returns the buckets of the first histogram.
func firstCounts(list []metricdata.Metrics) []uint64 {
	for _, m := range list {
		if d, ok := m.Data.(metricdata.ExponentialHistogram[float64]); ok {
			return d.DataPoints[0].PositiveBucket.Counts
		}
	}
	return nil
}
