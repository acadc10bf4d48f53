package scrape

import (
	dto "github.com/prometheus/client_model/go"

	"tidegauge/engine/catalog"
)

// Gather returns for /metrics whether each target that is scraped now is up; a *Scraper is a prometheus.Gatherer. Of targets
// that have the same job and instance all have to be.
func (s *Scraper) Gather() ([]*dto.MetricFamily, error) {
	m, _ := catalog.Lookup(catalog.ScrapeUp)
	f := &dto.MetricFamily{Name: new(m.PrometheusName()), Help: new(m.Help), Type: dto.MetricType_GAUGE.Enum()}
	for _, state := range s.States() {
		value := 0.0
		if state.Up {
			value = 1
		}
		if n := len(f.Metric); n > 0 && *f.Metric[n-1].Label[0].Value == state.Job && *f.Metric[n-1].Label[1].Value == state.Instance {
			last := f.Metric[n-1].Gauge
			last.Value = new(min(*last.Value, value))
			continue
		}
		f.Metric = append(f.Metric, &dto.Metric{
			Label: []*dto.LabelPair{{Name: new(catalog.LabelScrapeJob), Value: new(state.Job)}, {Name: new(catalog.LabelTarget), Value: new(state.Instance)}},
			Gauge: &dto.Gauge{Value: &value},
		})
	}
	if len(f.Metric) == 0 {
		return nil, nil
	}
	return []*dto.MetricFamily{f}, nil
}
