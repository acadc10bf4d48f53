package stat

import (
	"fmt"
	"math"
	"time"
)

// Failing says how requests fail.
type Failing string

// The ways to fail.
const (
	FailsUnknown Failing = "unknown"
	FailsFast    Failing = "fast"
	Hangs        Failing = "hang"
	FailsMixed   Failing = "mixed"
)

// Failures are the latencies of failed requests by themselves.
type Failures struct {
	Count    uint64
	P50, P95 time.Duration
}

// HowFailing says whether failures come fast, as behind a circuit breaker or from a closed port, or only once a timeout
// has passed: fast if their p95 is at most max(100 ms, twice the healthy median), hanging if their median is at least 0.9
// of the timeout.
//
// It assumes that the failures have one cause; mixed is the answer where they do not.
func HowFailing(f Failures, healthy, timeout time.Duration) (how Failing, warnings []string) {
	const few, quick = 20, 100 * time.Millisecond
	switch {
	case f.Count == 0:
		return FailsUnknown, []string{"nothing failed"}
	case f.P50 < 0 || f.P95 < f.P50:
		return FailsUnknown, []string{fmt.Sprintf("the latencies of the failures make no sense: p50 %v, p95 %v", f.P50, f.P95)}
	}
	if f.Count < few {
		warnings = append(warnings, fmt.Sprintf("how requests fail needs %d failures, has %d", few, f.Count))
	}
	switch {
	case f.P95 <= max(quick, 2*healthy):
		how = FailsFast
	case timeout > 0 && f.P50 >= timeout-timeout/10:
		how = Hangs
	default:
		how = FailsMixed
		if timeout <= 0 {
			warnings = append(warnings, "there is no timeout to tell hanging by")
		}
	}
	return how, warnings
}

// Crowding returns how many times more requests were under way at the peak than Little's law gives for the healthy target
// (L = λ·W; Little, Operations Research 9, 1961): rate per second, mean latency in seconds. It is NaN where one of them is
// not known.
//
// It assumes that rate and latency are those of a stable system.
func Crowding(peak, rate, mean float64) float64 {
	if usual := rate * mean; usual > 0 && peak >= 0 && !math.IsInf(usual, 0) {
		return peak / usual
	}
	return math.NaN()
}
