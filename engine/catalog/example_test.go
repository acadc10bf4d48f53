package catalog_test

import (
	"fmt"

	"tidegauge/engine/catalog"
)

func ExampleMetric_PrometheusName() {
	m, _ := catalog.Lookup(catalog.ResponseTime)
	fmt.Println(m.PrometheusName(), m.Kind, m.Labels)
	// Output: tidegauge_response_time_seconds histogram [class request method outcome otel.metric.overflow]
}
