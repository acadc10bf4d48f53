package queue

import (
	"maps"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"

	"tidegauge/engine/catalog"
)

// Gather returns how the queue and its schedules stand, for /metrics; a *Queue is a prometheus.Gatherer.
func (q *Queue) Gather() ([]*dto.MetricFamily, error) {
	states := map[State]float64{Waiting: 0, Running: 0}
	for _, s := range q.Jobs() {
		if !s.Over() {
			states[s.State]++
		}
	}
	var jobs, moments, next, last, overdue family
	for _, state := range slices.Sorted(maps.Keys(states)) {
		jobs.add(states[state], catalog.LabelState, string(state))
	}
	for _, s := range q.Schedules() {
		for _, what := range []string{Blacked, Missed, Overlap, Refused, Started} { // all from the start: what counts up from 0 has a rate
			moments.add(float64(s.Counts[what]), catalog.LabelOutcome, what, catalog.LabelSchedule, s.Name)
		}
		next.add(unix(s.Next), catalog.LabelSchedule, s.Name)
		since := 0.0
		if !s.Outstanding.IsZero() {
			since = wall().Sub(s.Outstanding).Seconds()
		}
		overdue.add(since, catalog.LabelSchedule, s.Name)
		if !s.LastStart.IsZero() {
			last.add(unix(s.LastStart), catalog.LabelSchedule, s.Name)
		}
	}
	var all []*dto.MetricFamily
	for _, one := range []struct {
		name string
		family
	}{{catalog.QueueJobs, jobs}, {catalog.ScheduleLastTime, last}, {catalog.ScheduleMoments, moments}, {catalog.ScheduleNextTime, next}, {catalog.ScheduleOverdue, overdue}} {
		if len(one.family) > 0 {
			all = append(all, one.as(one.name))
		}
	}
	return all, nil
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// family is values with their labels.
type family []*dto.Metric

// add adds a value with pairs of names and values of labels, by their names.
func (f *family) add(value float64, labels ...string) {
	m := &dto.Metric{Gauge: &dto.Gauge{Value: &value}}
	for pair := range slices.Chunk(labels, 2) {
		m.Label = append(m.Label, &dto.LabelPair{Name: &pair[0], Value: &pair[1]})
	}
	*f = append(*f, m)
}

// as returns the values as a metric of the catalog.
func (f family) as(name string) *dto.MetricFamily {
	m, _ := catalog.Lookup(name)
	all := &dto.MetricFamily{Name: new(m.PrometheusName()), Help: new(m.Help), Type: dto.MetricType_GAUGE.Enum(), Metric: f}
	if m.Kind == catalog.Counter {
		all.Type = dto.MetricType_COUNTER.Enum()
		for _, one := range f {
			one.Counter, one.Gauge = &dto.Counter{Value: one.Gauge.Value}, nil
		}
	}
	return all
}
