package compare

import (
	"math"

	"tidegauge/engine/catalog"
	"tidegauge/engine/stat"
)

// CPUPerRequest is the metric of servers that does not depend on how much load there was.
const CPUPerRequest = "CPU per request"

// key tells what is compared apart: of a request or of all, of a server, or a figure of the answer.
type key struct{ request, metric, of, figure, unit string }

// server reports whether it is a metric of the servers under test.
func (k key) server() bool { return k.of != "" && k.figure == "" }

// latency reports whether it is a response time of requests.
func (k key) latency() bool {
	return !k.server() && k.figure == "" && k.metric != Errors && k.metric != GoodRate
}

// main reports whether it is of the run as a whole as its client sees it.
func (k key) main() bool { return k.request == "" && !k.server() }

func (k key) name() string {
	switch {
	case k.request != "":
		return k.metric + " of " + k.request
	case k.of != "":
		return k.metric + " of " + k.of
	}
	return k.metric
}

// quantity returns how a metric is compared, and in which unit it is.
func (k key) quantity() (q stat.Quantity, unit string) {
	switch {
	case k.figure != "":
		return figureQuantity(k.figure), k.unit
	case k.server():
		return serverQuantity(k.metric, k.unit), k.unit
	}
	switch k.metric {
	case P50, P95:
		return stat.Quantity{Relative: 0.05, Absolute: 0.001, Margin: 0.1}, "s"
	case P99:
		return stat.Quantity{Relative: 0.1, Absolute: 0.002, Margin: 0.1}, "s"
	case P999:
		return stat.Quantity{Relative: 0.2, Absolute: 0.002, Margin: 0.2}, "s"
	case Errors:
		return stat.Quantity{Scale: stat.Logit, Relative: 0.5, Absolute: 0.001, Excess: 10, Margin: 0.5}, "ratio"
	default:
		return stat.Quantity{More: true, Relative: 0.02, Margin: 0.02}, "1/s"
	}
}

// serverQuantity is how a metric of servers is compared. Memory hardly varies inside of a run and much between runs.
func serverQuantity(metric, unit string) stat.Quantity {
	const memoryKappa, otherKappa = 200, 25
	switch {
	case metric == CPUPerRequest:
		return stat.Quantity{Relative: 0.1, Margin: 0.1}
	case unit == "By":
		return stat.Quantity{Relative: 0.1, Absolute: 1 << 20, Margin: 0.1, Kappa: memoryKappa}
	case unit == "ratio":
		return stat.Quantity{Relative: 0.1, Absolute: 0.02, Margin: 0.1, Kappa: otherKappa}
	case unit == "s":
		return stat.Quantity{Relative: 0.2, Absolute: 0.001, Margin: 0.2, Kappa: otherKappa}
	}
	return stat.Quantity{Relative: 0.2, Absolute: 2, Margin: 0.2, Kappa: otherKappa}
}

// figureQuantities are the figures of answers that runs are compared by, by their names in the catalog. What is not here describes a run,
// and neither more nor less of it is better. An Absolute is also the least that is told from none.
func figureQuantities() map[string]stat.Quantity {
	times := stat.Quantity{Relative: 0.2, Absolute: 1, Margin: 0.3}
	counts := stat.Quantity{Relative: 0.5, Absolute: 10, Margin: 0.5}
	load := stat.Quantity{More: true, Relative: 0.05, Absolute: 0.01, Margin: 0.05}
	return map[string]stat.Quantity{
		catalog.Capacity: load, catalog.CapacityUsers: load, catalog.ThroughputCeiling: load,
		catalog.RecoveryTime: times, catalog.DetectionTime: times, catalog.DrainTime: times, catalog.OutageTime: times,
		catalog.FailureTime:      {Relative: 0.2, Absolute: 0.05, Margin: 0.2},
		catalog.PeakResponseTime: {Relative: 0.2, Absolute: 0.005, Margin: 0.2},
		catalog.Availability:     {More: true, Relative: 0.005, Margin: 0.005},
		catalog.QueuedRequests:   counts, catalog.DroppedRequests: counts, catalog.FailedRequests: counts,
		catalog.Hysteresis: {Relative: 0.1, Margin: 0.1},
		// As a level after an hour, of the one before: growth itself has no relative change.
		catalog.HourlyGrowth: {Relative: 0.05, Margin: 0.05},
	}
}

func figureQuantity(name string) stat.Quantity { return figureQuantities()[name] }

// Figure returns a figure of an answer as a value that is compared; ok is false for one that runs are not compared by. name is its
// metric in the catalog; low and high are its interval with a level, where it has one.
func Figure(title, name, subject, unit string, v float64, low, high *float64) (value Value, ok bool) {
	q, ok := figureQuantities()[name]
	if !ok || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 && name != catalog.HourlyGrowth {
		return Value{}, false
	}
	if name == catalog.HourlyGrowth {
		title, v = "level after an hour, by that before", 1+v
		low, high = nil, nil
	}
	value = Value{Metric: title, Of: subject, Figure: name, Unit: unit, Value: max(v, q.Absolute)}
	if low != nil && high != nil && *low > 0 && *high > *low {
		sd := math.Log(*high / *low) / (2 * z95)
		value.Variance = sd * sd
	}
	return value, true
}

// z95 is how many standard deviations half an interval of 95% has; those of 90% make a variance a little too small, which the
// variance between runs hides.
const z95 = 1.96
