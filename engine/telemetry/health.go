package telemetry

import (
	"math"

	"go.opentelemetry.io/otel/attribute"

	"tidegauge/engine/catalog"
	"tidegauge/engine/health"
	"tidegauge/engine/hist"
	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

// health lays out what the generator shows of itself. What its system does not know is NaN and gets no point.
func (l *layout) health() map[string]func(*family) {
	const mode, state, kind = catalog.LabelCPUMode, catalog.LabelState, catalog.LabelMemoryType
	user := func(r *health.Reading) float64 { return r.CPUUser }
	system := func(r *health.Reading) float64 { return r.CPUSystem }
	utilization := func(cpu func(*health.Reading) float64) func(h *measure.Health) float64 {
		return func(h *measure.Health) float64 {
			return (cpu(h.Now) - cpu(h.Since)) / (h.Now.Processors * h.Now.Time.Sub(h.Since.Time).Seconds())
		}
	}
	now := func(f *family, read func(*health.Reading) float64, labels ...string) {
		f.healthGauge(func(h *measure.Health) float64 { return read(h.Now) }, labels...)
	}
	return map[string]func(*family){
		catalog.ProcessCPUTime: func(f *family) {
			f.healthSum(user, mode, "user")
			f.healthSum(system, mode, "system")
		},
		catalog.ProcessCPUUtilization: func(f *family) {
			f.healthGauge(utilization(user), mode, "user")
			f.healthGauge(utilization(system), mode, "system")
		},
		catalog.MachineUtilization: func(f *family) {
			f.healthGauge(func(h *measure.Health) float64 { return h.Now.MachineUtilization(h.Since) })
		},
		catalog.ProcessMemory: func(f *family) { now(f, func(r *health.Reading) float64 { return r.Resident }) },
		catalog.ProcessFiles:  func(f *family) { now(f, func(r *health.Reading) float64 { return r.Files }) },
		catalog.FileLimit:     func(f *family) { now(f, func(r *health.Reading) float64 { return r.FileLimit }) },
		catalog.Sockets: func(f *family) {
			now(f, func(r *health.Reading) float64 { return r.SocketsInUse }, state, "in_use")
			now(f, func(r *health.Reading) float64 { return r.SocketsTimeWait }, state, "time_wait")
		},
		catalog.Goroutines: func(f *family) { now(f, func(r *health.Reading) float64 { return r.Goroutines }) },
		catalog.Processors: func(f *family) { now(f, func(r *health.Reading) float64 { return r.MaxProcs }) },
		catalog.GoMemory: func(f *family) {
			now(f, func(r *health.Reading) float64 { return r.StackMemory }, kind, "stack")
			now(f, func(r *health.Reading) float64 { return r.OtherMemory }, kind, "other")
		},
		catalog.GoCPUTime: func(f *family) {
			f.healthSum(func(r *health.Reading) float64 { return r.GCSeconds }, catalog.LabelCPUState, "gc")
		},
		catalog.ScheduleDuration: func(f *family) {
			f.healthHistogram(func(r *health.Reading) health.Buckets { return r.ScheduleDelays })
		},
		catalog.GCPauseDuration: func(f *family) {
			f.healthHistogram(func(r *health.Reading) health.Buckets { return r.GCPauses })
		},
		catalog.Exhausted: l.exhausted,
	}
}

func pairs(labels []string) func() []attribute.KeyValue {
	return func() (all []attribute.KeyValue) {
		for i := 0; i+1 < len(labels); i += 2 {
			all = append(all, attribute.String(labels[i], labels[i+1]))
		}
		return all
	}
}

func (f *family) healthGauge(read func(*measure.Health) float64, labels ...string) {
	f.gauges = append(f.gauges, series[float64]{labels: pairs(labels), sure: true, read: func(s *measure.Snapshot) float64 {
		if s.Health.Now == nil {
			return math.NaN()
		}
		return read(&s.Health)
	}})
}

// healthSum adds a counter from the start of the run on.
func (f *family) healthSum(read func(*health.Reading) float64, labels ...string) {
	f.sums = append(f.sums, series[float64]{labels: pairs(labels), sure: true, read: func(s *measure.Snapshot) float64 {
		if s.Health.Now == nil {
			return math.NaN()
		}
		return max(0, read(s.Health.Now)-read(s.Health.Start))
	}})
}

// healthHistogram adds a distribution of the Go runtime, whose buckets are wider than ours: each of its values counts as the
// middle of its bucket.
func (f *family) healthHistogram(read func(*health.Reading) health.Buckets) {
	f.histograms = append(f.histograms, histogramSeries{series: series[*hist.Histogram]{labels: none, sure: true, read: func(s *measure.Snapshot) *hist.Histogram {
		h := &hist.Histogram{}
		if s.Health.Now != nil {
			b := read(s.Health.Now).Since(read(s.Health.Start))
			for i, n := range b.Counts {
				h.RecordN(b.Middle(i), n)
			}
		}
		return h
	}}})
}

// exhausted lays out what requests failed for want of.
func (l *layout) exhausted(f *family) {
	for i := range l.names.Classes {
		for r := range protocol.Resource(protocol.Resources) {
			if r == protocol.NoResource {
				continue
			}
			f.count(true,
				func() []attribute.KeyValue {
					return append(l.ofClass(i), attribute.String(catalog.LabelResource, r.Label()))
				},
				func(t *measure.Totals) uint64 { return t.Classes[i].Exhausted[r] })
		}
	}
}
