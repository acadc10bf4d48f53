package telemetry

import (
	"math"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"tidegauge/engine/health"
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

// reading is what a generator shows that uses half a processor of two, and whose scheduler had a delay in each second.
func reading(at time.Time) *health.Reading {
	t := at.Sub(start).Seconds()
	return &health.Reading{
		Time: at, Processors: 2, CPUUser: 100 + 0.375*t, CPUSystem: 50 + 0.125*t, MachineBusy: 500 + t, MachineAll: 1000 + 2*t,
		Resident: 50 << 20, Files: 20, FileLimit: 1024, SocketsInUse: 7, SocketsTimeWait: 3, Goroutines: 12, MaxProcs: 2,
		StackMemory: 1 << 20, OtherMemory: 9 << 20, GCSeconds: 10 + 0.0625*t,
		ScheduleDelays: health.Buckets{Bounds: []float64{0, 0.001, 0.004, math.Inf(1)}, Counts: []uint64{5, 5 + uint64(t), 0}},
		GCPauses:       health.Buckets{Bounds: []float64{0, 0.001}, Counts: []uint64{2}},
	}
}
