package stat

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Bucket is what became of the requests that were meant to start in one interval, whenever they ended.
type Bucket struct {
	Intended   float64 // requests that were meant to start, those that were not sent among them
	Unsent     float64 // of these, not sent
	Failed     float64 // of these, sent and failed
	FastFailed float64 // of the failed, those that failed fast: without waiting for a timeout
	Latency    float64 // p95 of those that succeeded, in seconds; NaN: unknown
	Tail       float64 // p99 of those that succeeded, in seconds; NaN: unknown
	InFlight   float64 // requests under way; NaN: unknown
	Late       float64 // p99 of how late the generator itself was, in seconds; 0: unknown
	Attempts   float64 // requests that the target counted itself, retries among them; 0: unknown
}

// clean returns the bucket with counts that can be.
func (b Bucket) clean() Bucket {
	count := func(v, most float64) float64 {
		if math.IsNaN(v) || v < 0 {
			return 0
		}
		return min(v, most)
	}
	b.Intended = count(b.Intended, 1e15)
	b.Unsent = count(b.Unsent, b.Intended)
	b.Failed = count(b.Failed, b.Intended-b.Unsent)
	b.FastFailed = count(b.FastFailed, b.Failed)
	b.Attempts = count(b.Attempts, 1e15)
	return b
}

// success returns the share of the intended requests that succeeded.
func (b Bucket) success() float64 {
	if b.Intended == 0 {
		return math.NaN()
	}
	return 1 - (b.Failed+b.Unsent)/b.Intended
}

// FewestRequests are those that a bucket needs.
const FewestRequests = 20

const (
	minBaseline     = 2 * time.Minute
	leastBaseline   = 10 // buckets
	latencyMargin   = 0.1
	successMargin   = 0.005
	bandWidth       = 3 // standard deviations
	lateExplains    = 5 // times as late as the generator was may a response be by the same cause: it passes several processes
	baselineGood    = 0.95
	defaultInterval = time.Second
)

// BucketWidth returns how wide buckets have to be at a rate per second for 20 requests in each: a whole number of seconds,
// 1 at least. Quantiles cannot be put together afterwards.
func BucketWidth(rate float64) time.Duration {
	if !(rate > 0) {
		return time.Second
	}
	return time.Duration(min(3600, max(1, math.Ceil(FewestRequests/rate)))) * time.Second
}

// Band is what counts as undisturbed: above Latency or below the success of the baseline less a margin a bucket is bad.
type Band struct {
	Success        float64 // share of the intended requests that succeeded in the baseline
	MedianLatency  float64 // of the buckets' p95 in the baseline, in seconds
	LatencyCeiling float64 // median + max(10%, 3 MADN), wider after a short baseline, or what 95% of the baseline keeps to: it has to be good itself
	InFlight       float64 // the same ceiling for requests under way, and at least 3 standard deviations of a Poisson count
	Rate           float64 // median of the intended requests in a bucket
	Buckets        int
}

// bandOf takes the baseline from buckets before an event. One of less than two minutes shows little of what changes slowly: the
// margin of latency is then wider, by the square root of how much is missing.
//
// It assumes that nothing is wrong before the event, and that the buckets scatter about a level.
func bandOf(before []Bucket, interval time.Duration) (Band, []string) {
	var latencies, flights, rates []float64
	var intended, lost float64
	for _, b := range before {
		if b = b.clean(); b.Intended == 0 {
			continue
		}
		intended += b.Intended
		lost += b.Failed + b.Unsent
		latencies, flights, rates = append(latencies, b.Latency), append(flights, b.InFlight), append(rates, b.Intended)
	}
	latencies, _, _ = finite(latencies)
	flights, _, _ = finite(flights)
	nan := math.NaN()
	had := duration(len(before), interval)
	wide := max(1, math.Sqrt(minBaseline.Seconds()/had.Seconds()))
	band := Band{Success: nan, MedianLatency: median(latencies), LatencyCeiling: ceiling(latencies, wide), InFlight: crowd(flights, wide), Rate: median(rates), Buckets: len(rates)}
	if len(rates) < leastBaseline {
		return band, []string{fmt.Sprintf("a baseline needs %d intervals with requests before the event, has %d", leastBaseline, len(rates))}
	}
	band.Success = 1 - lost/intended
	var warnings []string
	if had < minBaseline {
		warnings = append(warnings, fmt.Sprintf("the baseline is %v long, %v make it reliable: the band of latency is %.1f times as wide as it would be then", had, minBaseline, wide))
	}
	if band.Rate < FewestRequests {
		warnings = append(warnings, fmt.Sprintf("intervals hold %.0f requests, %d are needed: use intervals of %v", band.Rate, FewestRequests, BucketWidth(band.Rate/interval.Seconds())))
	}
	if len(latencies) == 0 {
		warnings = append(warnings, "the baseline has no latency: only failures are judged")
	}
	if band.Success < 0.5 {
		warnings = append(warnings, fmt.Sprintf("%.0f%% of the requests failed before the event", 100*(1-band.Success)))
	}
	return band, warnings
}

// ceiling returns the end of the band of x, whose margin is so many times as wide as usual.
func ceiling(x []float64, wide float64) float64 {
	m := median(x)
	return max(m+wide*max(latencyMargin*math.Abs(m), bandWidth*madn(x, m)), quantileOf(slices.Sorted(slices.Values(x)), baselineGood))
}

// crowd is the ceiling of a count, which may be small.
func crowd(x []float64, wide float64) float64 {
	m := median(x)
	return max(ceiling(x, wide), m+bandWidth*math.Sqrt(max(1, m)))
}

// SuccessFloor returns the share of successes below which a bucket with that many intended requests is bad: max(0.5
// percentage points, 3 binomial standard deviations) below the baseline.
func (b Band) SuccessFloor(intended float64) float64 {
	if !(intended > 0) {
		return math.NaN()
	}
	// Half a failure more than were seen, for a baseline without any.
	p := (b.Success*intended + 0.5) / (intended + 1)
	return b.Success - max(successMargin, bandWidth*math.Sqrt(p*(1-p)/intended))
}

// blind reports whether the generator was itself late by more than the band is wide. Whatever held it up may have held up the
// target: a latency beyond the band then says nothing, and only failures are judged, unless it is so much beyond that this
// explains nothing of it.
func (b Band) blind(x Bucket) bool {
	return x.Late > b.LatencyCeiling-b.MedianLatency && !(x.Latency > b.LatencyCeiling+lateExplains*x.Late)
}

// good reports whether a bucket lies in the band; one without requests does not.
func (b Band) good(x Bucket) bool { return x.Intended > 0 && !b.bad(x) }

// bad reports whether a bucket lies outside of the band; one without requests does not either.
func (b Band) bad(x Bucket) bool {
	return x.Intended > 0 && (x.success() < b.SuccessFloor(x.Intended) || x.Latency > b.LatencyCeiling && !b.blind(x))
}
