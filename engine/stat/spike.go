package stat

import (
	"fmt"
	"math"
	"time"
)

// Spike is what SpikeOf found. Times count from the start of the first bucket.
type Spike struct {
	Recovery               // with the surge for the fault: Recovered counts from when the load was back
	ToPeak   time.Duration // from the start of the surge to the greatest p95
	Queued   float64       // requests under way at most, above the baseline's; NaN if unknown
	Dropped  float64       // never sent
	// Hysteresis is the median p95 after the load was back and the target had recovered, by that of the baseline: 1.2 is
	// 20% slower than before. NaN if it never recovered or nothing was measured.
	Hysteresis float64
	Returned   bool // it came back to where it was: the median after is in the band
}

// SpikeOf measures how a target took a surge of load: o.Start and o.End are those of the surge.
//
// It assumes what RecoveryOf does, and the same load after the surge as before.
func SpikeOf(o RecoveryOptions, buckets []Bucket) Spike {
	o = o.withDefaults()
	s := Spike{Recovery: RecoveryOf(o, buckets), Queued: math.NaN(), Hysteresis: math.NaN()}
	if !s.Known {
		return s
	}
	peak := math.NaN()
	for i := int(o.Start / o.Interval); i < len(buckets); i++ {
		if v := buckets[i].Latency; v > peak || math.IsNaN(peak) && !math.IsNaN(v) {
			peak, s.ToPeak = v, max(0, duration(i, o.Interval)-o.Start)
		}
	}
	s.Dropped = s.Unsent
	var before, after, flights []float64
	for i, b := range buckets {
		at := duration(i, o.Interval)
		if at < o.Start {
			before, flights = append(before, b.Latency), append(flights, b.InFlight)
		}
		if !s.Recovered.Censored && at >= o.End+s.Recovered.After || s.Stuck && at >= o.End+o.Settle {
			after = append(after, b.Latency)
		}
	}
	before, _, _ = finite(before)
	after, _, _ = finite(after)
	flights, _, _ = finite(flights)
	if len(flights) > 0 && s.PeakInFlight >= 0 {
		s.Queued = max(0, s.PeakInFlight-median(flights))
	}
	if m := median(before); len(after) >= leastBaseline && m > 0 {
		s.Hysteresis = median(after) / m
		s.Returned = median(after) <= s.Band.LatencyCeiling && !s.Stuck
	} else if !s.Recovered.Censored {
		s.Warnings = append(s.Warnings, fmt.Sprintf("whether it came back to where it was needs %d intervals after the recovery, has %d", leastBaseline, len(after)))
	}
	return s
}

// Scaling is how a number of replicas followed the load.
type Scaling struct {
	Known  bool // there are values before and after
	Scaled bool // there were more replicas than before
	First  time.Duration
	Most   time.Duration // until the greatest number was reached
	Before float64
	Peak   float64
	// Warnings say what is missing.
	Warnings []string
}

// ScalingOf returns how long after start a count of replicas rose for the first time and until it was greatest; one value
// per interval, gaps as NaN. The lag is known to one interval.
//
// It assumes that the count before start is the usual one and does not change then.
func ScalingOf(interval, start time.Duration, replicas []float64) Scaling {
	if interval <= 0 {
		interval = defaultInterval
	}
	s := Scaling{Before: math.NaN(), Peak: math.NaN()}
	values, at, warnings := finite(replicas)
	s.Warnings = warnings
	var after bool
	for i, v := range values {
		t := duration(at[i], interval)
		if t < start || t <= start && math.IsNaN(s.Before) {
			s.Before = v
			continue
		}
		if math.IsNaN(s.Before) {
			break
		}
		after = true
		if v > s.Before && !s.Scaled {
			s.Scaled, s.First = true, t-start
		}
		if math.IsNaN(s.Peak) || v > s.Peak {
			s.Peak, s.Most = v, t-start
		}
	}
	if s.Known = after; !after {
		s.Warnings = append(s.Warnings, "the number of replicas is not known before and after the surge")
	}
	if !s.Scaled {
		s.Most = 0
	}
	return s
}
