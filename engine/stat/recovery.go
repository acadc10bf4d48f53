package stat

import (
	"fmt"
	"math"
	"time"
)

// RecoveryOptions say when something was broken. Times count from the start of the first bucket.
type RecoveryOptions struct {
	Interval time.Duration // length of a bucket; 0: 1 s
	Start    time.Duration // of the fault
	End      time.Duration // of the fault
	Hold     time.Duration // how long it has to be good again; 0: 30 s
	Settle   time.Duration // after which a target that has not come back is stuck; 0: 2 min
}

func (o RecoveryOptions) withDefaults() RecoveryOptions {
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.Hold <= 0 {
		o.Hold = 30 * time.Second
	}
	if o.Settle <= 0 {
		o.Settle = 2 * time.Minute
	}
	return o
}

// Elapsed is a time that was measured, or one that was longer than what could be watched.
type Elapsed struct {
	After    time.Duration
	Censored bool // it took longer than After
}

func (e Elapsed) String() string {
	if e.Censored {
		return "> " + e.After.String()
	}
	return e.After.String()
}

// Recovery is what RecoveryOf found. A share that could not be computed is NaN.
type Recovery struct {
	Known    bool // there is a baseline and something after the fault; else only Warnings are filled
	Band     Band
	Good     []bool  // of each bucket: it lies in the band
	Detected Elapsed // from the start of the fault to the first of three bad buckets in a row
	Affected bool    // there were three bad buckets in a row
	// Recovered is from the end of the fault to the start of the first hold: it begins with a good bucket, and 90% of
	// its buckets are good. Where the end came first, it is longer than up to the first hold that this may have cut short.
	Recovered Elapsed
	Blind     int     // buckets after the event, up to the end of that hold, whose latency was not judged: the generator was late
	Held      int     // all buckets after the event up to the end of that hold
	Hidden    int     // buckets while the fault lasted whose latency was beyond the band and was not judged for the same reason
	Drained   Elapsed // the same for the requests under way; Censored with 0 if they are unknown

	// From the start of the fault on:
	Availability     float64 // good requests of the intended ones
	TimeAvailability float64 // good buckets of all with requests
	Intended         float64
	Failed           float64
	Unsent           float64
	OutageSeconds    float64 // as many seconds of a full outage lose as many requests: the sum of 1 - success
	ExcessLatency    float64 // the sum over seconds of p95 above the band, in s·s
	PeakLatency      float64 // greatest p95 in seconds; NaN if unknown
	PeakTail         float64 // greatest p99
	PeakInFlight     float64
	Amplification    float64 // greatest ratio of attempts to intended requests, by that of the baseline: retries; NaN if unknown

	// Stuck says that the load was as before and the target was not, Settle after the fault: a metastable state.
	Stuck    bool
	Warnings []string
}

const (
	badInARow = 3
	holdGood  = 0.9
	sameLoad  = 0.1 // relative difference up to which a load is as before
)

// RecoveryOf measures how a target took a fault: buckets by intended start, the time before the fault as the baseline.
//
// The hold of 30 s, 90% of it good, is not fooled by a short recovery that does not last, as one to five good seconds are;
// stuck targets are those of Bronson et al., Metastable Failures in Distributed Systems, HotOS 2021.
//
// It assumes an open model or one whose load does not follow the target's state, nothing wrong before the fault, and 20
// requests in a bucket at least.
func RecoveryOf(o RecoveryOptions, buckets []Bucket) Recovery {
	o = o.withDefaults()
	nan := math.NaN()
	r := Recovery{Availability: nan, TimeAvailability: nan, PeakLatency: nan, PeakTail: nan, PeakInFlight: nan, Amplification: nan,
		Detected: Elapsed{Censored: true}, Recovered: Elapsed{Censored: true}, Drained: Elapsed{Censored: true}}
	clean := make([]Bucket, len(buckets))
	for i, b := range buckets {
		clean[i] = b.clean()
	}
	if o.Start < 0 || o.End < o.Start {
		r.Warnings = append(r.Warnings, fmt.Sprintf("the fault ends at %v and starts at %v", o.End, o.Start))
		return r
	}
	start, end := int(o.Start/o.Interval), int((o.End+o.Interval-1)/o.Interval)
	if end >= len(clean) {
		r.Warnings = append(r.Warnings, fmt.Sprintf("nothing was measured after the end of the fault at %v", o.End))
		return r
	}
	var usable bool
	r.Band, r.Warnings = bandOf(clean[:start], o.Interval)
	if usable = !math.IsNaN(r.Band.Success); !usable {
		return r
	}
	r.Known = true
	r.Good = make([]bool, len(clean))
	for i, b := range clean {
		r.Good[i] = r.Band.good(b)
	}
	r.detect(o, clean, start)
	r.Recovered = held(o, len(clean), end, func(i int) bool { return r.Good[i] })
	r.look(o, clean, start, end)
	r.drain(o, clean, end)
	r.account(o, clean, start)
	r.amplify(clean, start)
	r.stuck(o, clean, end)
	if r.Recovered.Censored && !r.Stuck {
		r.Warnings = append(r.Warnings, fmt.Sprintf("it was not back for %v within what was measured: watch it for longer", o.Hold))
	}
	return r
}

func (r *Recovery) detect(o RecoveryOptions, buckets []Bucket, start int) {
	row := 0
	for i := start; i < len(buckets); i++ {
		if row++; !r.Band.bad(buckets[i]) {
			row = 0
		}
		if row == badInARow {
			r.Affected = true
			r.Detected = Elapsed{After: max(0, duration(i-badInARow+1, o.Interval)-o.Start)}
			return
		}
	}
	r.Detected = Elapsed{After: duration(len(buckets), o.Interval) - o.Start, Censored: true}
}

// held returns how long after o.End the first hold starts, in which the first and 90% of all buckets are good. Where there is
// none, it is longer than up to the first bucket with which one could have begun that the end cut short.
func held(o RecoveryOptions, n, end int, good func(int) bool) Elapsed {
	length := max(1, int((o.Hold+o.Interval-1)/o.Interval))
	for i := end; i < n; i++ {
		if !good(i) {
			continue
		}
		bad, last := 0, min(n, i+length)
		for j := i; j < last; j++ {
			if !good(j) {
				bad++
			}
		}
		if float64(length-bad) >= holdGood*float64(length) {
			return Elapsed{After: max(0, duration(i, o.Interval)-o.End), Censored: i+length > n}
		}
	}
	return Elapsed{After: max(0, duration(n, o.Interval)-o.End), Censored: true}
}

// look counts the buckets that the fault and the recovery were judged by.
func (r *Recovery) look(o RecoveryOptions, buckets []Bucket, start, end int) {
	unseen := func(b Bucket) bool { return b.Latency > r.Band.LatencyCeiling && r.Band.blind(b) }
	for _, b := range buckets[start:end] {
		if unseen(b) {
			r.Hidden++
		}
	}
	until := len(buckets)
	if !r.Recovered.Censored {
		until = min(until, end+int((r.Recovered.After+o.Hold+o.Interval-1)/o.Interval))
	}
	for _, b := range buckets[end:until] {
		r.Held++
		if unseen(b) {
			r.Blind++
		}
	}
	if r.Blind > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("in %v of %v after the event the generator itself was late by more than the band is wide: latency is not judged there, failures only",
			duration(r.Blind, o.Interval), duration(r.Held, o.Interval)))
	}
}

func (r *Recovery) drain(o RecoveryOptions, buckets []Bucket, end int) {
	if math.IsNaN(r.Band.InFlight) {
		return
	}
	r.Drained = held(o, len(buckets), end, func(i int) bool { return buckets[i].InFlight <= r.Band.InFlight })
}

func (r *Recovery) account(o RecoveryOptions, buckets []Bucket, start int) {
	var with, good float64
	for i := start; i < len(buckets); i++ {
		b := buckets[i]
		r.Intended += b.Intended
		r.Failed += b.Failed
		r.Unsent += b.Unsent
		if b.Intended > 0 {
			with++
			r.OutageSeconds += (1 - b.success()) * o.Interval.Seconds()
			if r.Good[i] {
				good++
			}
		}
		if excess := b.Latency - r.Band.LatencyCeiling; excess > 0 && !r.Band.blind(b) && !math.IsInf(excess, 0) {
			r.ExcessLatency += excess * o.Interval.Seconds()
		}
		r.PeakLatency, r.PeakTail, r.PeakInFlight = greater(r.PeakLatency, b.Latency), greater(r.PeakTail, b.Tail), greater(r.PeakInFlight, b.InFlight)
	}
	if with > 0 {
		r.Availability = 1 - (r.Failed+r.Unsent)/r.Intended
		r.TimeAvailability = good / with
	} else {
		r.Warnings = append(r.Warnings, "no request was meant to start from the fault on")
	}
}

// greater returns the greater number; NaN is none.
func greater(a, b float64) float64 {
	if math.IsNaN(a) || b > a {
		return b
	}
	return a
}

func (r *Recovery) amplify(buckets []Bucket, start int) {
	var before []float64
	for _, b := range buckets[:start] {
		if b.Intended > 0 && b.Attempts > 0 {
			before = append(before, b.Attempts/b.Intended)
		}
	}
	if len(before) < leastBaseline {
		return
	}
	usual := median(before)
	for _, b := range buckets[start:] {
		if b.Intended >= FewestRequests && b.Attempts > 0 {
			r.Amplification = greater(r.Amplification, b.Attempts/b.Intended/usual)
		}
	}
}

// stuck looks at what comes Settle after the fault, if anything does.
func (r *Recovery) stuck(o RecoveryOptions, buckets []Bucket, end int) {
	from := end + int((o.Settle+o.Interval-1)/o.Interval)
	if !r.Recovered.Censored || from+badInARow > len(buckets) {
		return
	}
	var bad, same int
	for _, b := range buckets[from:] {
		if r.Band.bad(b) {
			bad++
		}
		if math.Abs(b.Intended-r.Band.Rate) <= max(sameLoad*r.Band.Rate, bandWidth*math.Sqrt(r.Band.Rate)) {
			same++
		}
	}
	n := len(buckets) - from
	r.Stuck = 2*bad > n && 2*same > n
}
