package stat

import (
	"fmt"
	"math"
	"time"
)

// Trip is one time that a closed circuit breaker opened, as inferred from outside. Times count from the start of the first
// bucket.
type Trip struct {
	At     time.Duration
	Probes []Probe       // single requests that it let through
	Reset  time.Duration // when it let everything through again
	Closed bool          // it did; else it was open to the end, or gave way to slow failures
	last   int           // bucket of the last probe
}

// Probe is a request that an open breaker let through. One that failed opened it again.
type Probe struct {
	At     time.Duration
	Failed bool
}

// Breaker is what InferBreaker found.
type Breaker struct {
	Trips    []Trip
	Timer    time.Duration // from open to half-open: the median gap between probes; 0: not known
	Warnings []string
}

// Probed returns how many probes there were, and how many of them failed.
func (r *Breaker) Probed() (all, failed int) {
	for i := range r.Trips {
		for _, p := range r.Trips[i].Probes {
			all++
			if p.Failed {
				failed++
			}
		}
	}
	return all, failed
}

// Openings returns how often the breaker opened, as breakers count it themselves: once a trip, and again after each probe that
// failed.
func (r *Breaker) Openings() int {
	_, failed := r.Probed()
	return len(r.Trips) + failed
}

const (
	openFailing = 0.5 // share of the requests that fail behind an open breaker, at least
	openFast    = 0.9 // share of these that fail fast, at least
	probing     = 0.8 // share of failures while probes are looked for
	probeShare  = 0.1 // share of a bucket that can be probes, or one request
	evenGaps    = 0.25
)

// InferBreaker finds the trips, probes and resets of a circuit breaker (Nygard, Release It!, 2007, chapter 5) behind the
// target: it opens in the first of three buckets in which half of the requests fail and 90% of the failures are fast, after
// failures that were slow; single slow or good requests while it is open are probes, and evenly spaced ones give its timer;
// it closed in the first of three buckets in which most succeed.
//
// It assumes that what the breaker guards fails slowly. Where it fails fast by itself, as a closed port does, there is
// nothing to tell the breaker by, and none is reported. It is an inference: a metric of the breaker's own is better.
func InferBreaker(interval time.Duration, buckets []Bucket) Breaker {
	if interval <= 0 {
		interval = defaultInterval
	}
	var r Breaker
	var slow bool // since it was last closed
	open := -1
	var openRow, goodRow, slowRow, fewest int
	for i, b := range buckets {
		b = b.clean()
		if b.Intended == 0 {
			continue
		}
		if b.Intended < FewestRequests {
			fewest++
		}
		failing, fast := b.Failed/b.Intended, b.FastFailed
		isOpen := failing >= openFailing && fast >= openFast*b.Failed
		slow = slow || b.Failed > fast
		openRow, goodRow, slowRow = counting(openRow, isOpen), counting(goodRow, failing < openFailing), counting(slowRow, failing >= openFailing && !isOpen)
		at := func(row int) time.Duration { return duration(i-row+1, interval) }
		switch {
		case open < 0:
			if openRow == badInARow && slow {
				open = len(r.Trips)
				r.Trips = append(r.Trips, Trip{At: at(badInARow)})
				for k := i - badInARow + 2; k <= i; k++ { // in the first one are the last failures that were slow
					r.Trips[open].probe(interval, k, buckets[k].clean())
				}
			}
		case goodRow == badInARow:
			r.Trips[open].Reset, r.Trips[open].Closed = at(badInARow), true
			r.forget(open, at(badInARow))
			open, slow = -1, false
		case slowRow == badInARow:
			open = -1
		default:
			r.Trips[open].probe(interval, i, b)
		}
	}
	if fewest > 0 && len(r.Trips) > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d intervals have fewer than %d requests: probes among them cannot be told", fewest, FewestRequests))
	}
	r.time()
	return r
}

// probe takes a bucket as a probe if but a few of its requests came through, or as one more of the probe before it.
func (t *Trip) probe(interval time.Duration, i int, b Bucket) {
	passed := b.Intended - b.Unsent - b.FastFailed
	if !(passed > 0) || b.Failed < probing*b.Intended || passed > max(1, probeShare*b.Intended) {
		return
	}
	if n := len(t.Probes); n == 0 || t.last < i-1 {
		t.Probes = append(t.Probes, Probe{At: duration(i, interval)})
	}
	last := &t.Probes[len(t.Probes)-1]
	last.Failed = last.Failed || b.Failed > b.FastFailed
	t.last = i
}

// forget drops probes from a time on: what let everything through again was no probe.
func (r *Breaker) forget(trip int, from time.Duration) {
	p := r.Trips[trip].Probes
	for len(p) > 0 && p[len(p)-1].At >= from {
		p = p[:len(p)-1]
	}
	r.Trips[trip].Probes = p
}

func counting(row int, holds bool) int {
	if holds {
		return row + 1
	}
	return 0
}

// time takes the half-open timer from the gaps between probes, the first from the trip itself.
func (r *Breaker) time() {
	var gaps []float64
	for _, t := range r.Trips {
		last := t.At
		for _, p := range t.Probes {
			gaps = append(gaps, (p.At - last).Seconds())
			last = p.At
		}
	}
	if len(gaps) == 0 {
		return
	}
	m := median(gaps)
	if len(gaps) > 1 && madn(gaps, m) > evenGaps*m {
		r.Warnings = append(r.Warnings, "the gaps between what look like probes differ: no timer can be told from them")
		return
	}
	if len(gaps) == 1 {
		r.Warnings = append(r.Warnings, "the timer comes from a single probe")
	}
	r.Timer = time.Duration(math.Round(m*1e3)) * time.Millisecond
}
