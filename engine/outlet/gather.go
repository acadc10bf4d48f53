package outlet

import (
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"tidegauge/engine/catalog"
)

// Gather returns the books of all outlets, for /metrics; a *Set is a prometheus.Gatherer.
func (s *Set) Gather() ([]*dto.MetricFamily, error) {
	var families []*dto.MetricFamily
	for _, b := range s.Books() {
		for _, m := range b.metrics() {
			i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == m.name })
			if i < 0 {
				f := &dto.MetricFamily{Name: new(m.name), Help: new(m.help), Type: dto.MetricType_GAUGE.Enum()}
				if m.kind == catalog.Counter {
					f.Type = dto.MetricType_COUNTER.Enum()
				}
				i, families = len(families), append(families, f)
			}
			one := &dto.Metric{}
			for _, l := range m.labels {
				one.Label = append(one.Label, &dto.LabelPair{Name: new(l.Name), Value: new(l.Value)})
			}
			slices.SortFunc(one.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
			if m.kind == catalog.Counter {
				one.Counter = &dto.Counter{Value: new(m.value)}
			} else {
				one.Gauge = &dto.Gauge{Value: new(m.value)}
			}
			families[i].Metric = append(families[i].Metric, one)
		}
	}
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return families, nil
}
