package answer

import (
	"fmt"
	"math"
	"slices"
	"time"

	"tidegauge/engine/hist"
	"tidegauge/engine/stat"
	"tidegauge/engine/timeline"
)

// Disturbed is what the answers of tests are made from in which something happens to a target: faults, or surges of load.
// Times count from the start of the run.
type Disturbed struct {
	Timeline *timeline.Timeline
	Length   time.Duration // of the load, as far as it got
	Timeout  time.Duration // of a request
	Events   []Event       // in the order of their beginnings; those that overlap are taken as one
	// What scraped servers say, each nil where nobody is asked: how often circuit breakers left the closed state between two
	// times, and how often they opened, which each probe that fails makes them do again, NaN where that is not known; the
	// requests that the target counted in the AttemptsWindow before a time; and how many replicas it had then, NaN if that is
	// not known.
	Breakers func(from, to time.Duration) (trips, openings float64)
	Attempts func(at time.Duration) float64
	Replicas func(at time.Duration) float64
}

// Event is a fault or a surge.
type Event struct {
	Subject  string
	From, To time.Duration
}

// Stretch is a part of the run.
type Stretch struct{ From, To time.Duration }

// AttemptsWindow is how long the target's own count of requests is compared with ours.
const AttemptsWindow = 10 * time.Second

const (
	hold   = 30 * time.Second // good, for what was disturbed to be back
	settle = 2 * time.Minute  // bad at the usual load, for a metastable state

	fewestHidden = 3 // buckets in which an event would have shown, and may have
)

// run is a timeline in buckets of a width that has enough requests in each.
type run struct {
	*Disturbed
	width   time.Duration
	buckets []timeline.Bucket
	flights []int
	base    []stat.Bucket // before the first event
	fast    float64       // seconds up to which a failure is fast
	healthy time.Duration // median response time before the first event
}

// analysis looks at each event by itself: its baseline is what was before the first of them, and its end where the next begins.
func (d *Disturbed) analysis() (*run, []episode) {
	d.Events = merged(d.Events)
	if len(d.Events) == 0 {
		return &run{Disturbed: d, width: d.Timeline.Width()}, nil
	}
	first := d.Events[0].From
	before := d.Timeline.Between(0, first)
	fine := d.Timeline.Width()
	r := &run{Disturbed: d, width: fine * max(1, (time.Second+fine-1)/fine)}
	// Wide enough for every event to be seen in buckets of one width.
	if wide := stat.BucketWidth(float64(before.Requests()+before.Dropped) / first.Seconds()); first > 0 && wide > r.width {
		r.width = fine * ((wide + fine - 1) / fine)
	}
	r.healthy = time.Duration(before.Response.Quantile(0.5) * float64(time.Second))
	r.fast = max(0.1, 2*r.healthy.Seconds())
	flights := d.Timeline.Outstanding()
	per := int(r.width / d.Timeline.Width())
	for i := range int(d.Length / r.width) {
		at := time.Duration(i) * r.width
		r.buckets = append(r.buckets, d.Timeline.Between(at, at+r.width))
		if last := (i+1)*per - 1; last < len(flights) {
			r.flights = append(r.flights, slices.Max(flights[i*per:last+1]))
		} else {
			r.flights = append(r.flights, 0)
		}
	}
	r.base = r.between(0, r.index(first))
	episodes := make([]episode, len(d.Events))
	for i, e := range d.Events {
		last := len(r.buckets)
		if i+1 < len(d.Events) {
			last = min(last, r.index(d.Events[i+1].From))
		}
		episodes[i] = r.episode(e, last)
	}
	return r, episodes
}

// merged joins events that overlap.
func merged(events []Event) []Event {
	var all []Event
	for _, e := range slices.SortedStableFunc(slices.Values(events), func(a, b Event) int { return int(a.From - b.From) }) {
		if n := len(all); n > 0 && e.From < all[n-1].To {
			all[n-1].Subject += ", " + e.Subject
			all[n-1].To = max(all[n-1].To, e.To)
			continue
		}
		all = append(all, e)
	}
	return all
}

func (r *run) index(at time.Duration) int { return int(at / r.width) }

// between returns the buckets from one to before another as the statistics have them.
func (r *run) between(from, to int) []stat.Bucket {
	var all []stat.Bucket
	for i := max(0, from); i < min(to, len(r.buckets)); i++ {
		b := &r.buckets[i]
		one := stat.Bucket{
			Intended: float64(b.Requests() + b.Dropped), Unsent: float64(b.Dropped), Failed: float64(b.Failed),
			FastFailed: float64(b.Failures.CountAtMost(r.fast)), InFlight: float64(r.flights[i]), Latency: math.NaN(), Tail: math.NaN(),
		}
		if b.Good > 0 {
			one.Latency, one.Tail = b.Response.Quantile(0.95), b.Response.Quantile(0.99)
		}
		if b.Lateness.Count() > 0 {
			one.Late = b.Lateness.Quantile(0.99)
		}
		// Against those that were sent or ended: a queue is worked off without anybody trying again.
		if end := time.Duration(i+1) * r.width; r.Attempts != nil && end >= AttemptsWindow {
			sent := r.Timeline.Between(end-AttemptsWindow, end)
			if n := sent.Traffic(); n > 0 {
				one.Attempts = r.Attempts(end) / float64(n) * one.Intended
			}
		}
		all = append(all, one)
	}
	return all
}

// outcome is what became of the target in an episode.
type outcome int

const (
	unknown    outcome = iota // there is nothing to compare with, or nothing after it
	unaffected                // it did not show
	recovered
	short      // it was watched too shortly to say
	lost       // it did not come back while it was watched
	metastable // the same, at the load that it bore before
)

// episode is an event with what came of it.
type episode struct {
	Event
	first, last int // its buckets, from its beginning to where the next event begins or the load ends
	spike       stat.Spike
	outcome     outcome
	why         string // of unknown
	affected    timeline.Bucket
	failures    stat.Failures
	failing     stat.Failing
	breaker     stat.Breaker
	trips       float64 // of the breaker's own state; NaN: it shows none
	openings    float64 // of its own metric; NaN: it has none
	total       timeline.Bucket
}

func (r *run) episode(e Event, last int) episode {
	x := episode{Event: e, first: r.index(e.From), last: last}
	offset := time.Duration(len(r.base))*r.width - time.Duration(x.first)*r.width
	buckets := append(slices.Clone(r.base), r.between(x.first, last)...)
	x.spike = stat.SpikeOf(stat.RecoveryOptions{Interval: r.width, Start: e.From + offset, End: e.To + offset, Hold: hold, Settle: settle}, buckets)
	s := &x.spike
	x.total = r.Timeline.Between(e.From.Truncate(r.width), time.Duration(last)*r.width)
	x.outcome = x.outcomeOf(r)
	if x.outcome == unaffected {
		s.Recovered = stat.Elapsed{} // however short it was watched
	}
	end := min(e.To, time.Duration(last)*r.width)
	if s.Known && !s.Recovered.Censored {
		end = min(e.To+s.Recovered.After, time.Duration(last)*r.width)
	} else if s.Known {
		end = time.Duration(last) * r.width
	}
	x.affected = r.Timeline.Between(e.From.Truncate(r.width), end)
	f := &x.affected.Failures
	x.failures = stat.Failures{Count: f.Count(), P50: durationOf(f.Quantile(0.5)), P95: durationOf(f.Quantile(0.95))}
	x.failing, _ = stat.HowFailing(x.failures, r.healthy, r.Timeout)
	x.breaker = stat.InferBreaker(r.worstSlice(&x))
	x.trips, x.openings = math.NaN(), math.NaN()
	if r.Breakers != nil {
		x.trips, x.openings = r.Breakers(e.From, time.Duration(last)*r.width)
	}
	return x
}

func (x *episode) outcomeOf(r *run) outcome {
	s := &x.spike
	switch {
	case !s.Known:
		x.why = "nothing is known of it"
		if len(s.Warnings) > 0 {
			x.why = s.Warnings[len(s.Warnings)-1]
		}
		return unknown
	case s.Band.Success < 0.5:
		x.why = "the target did not work before it began"
		return unknown
	case 2*s.Blind > s.Held:
		x.why = "the load generator was too late for most of the time to tell how fast the target was"
		return unknown
	case !s.Affected && s.Hidden >= fewestHidden:
		x.why = fmt.Sprintf("in %v while it lasted the load generator was too late to tell how fast the target was", time.Duration(s.Hidden)*r.width)
		return unknown
	case s.Stuck:
		return metastable
	case !s.Affected && (!s.Recovered.Censored || s.TimeAvailability == 1):
		return unaffected
	case !s.Recovered.Censored:
		return recovered
	}
	// Not back for a whole hold: it may have been on its way when the watching ended.
	watched := time.Duration(x.last)*r.width - x.To
	n, bad := 0, 0
	for i := max(0, len(s.Good)-int(max(1, hold/r.width/3))); i < len(s.Good); i++ {
		if n++; !s.Good[i] {
			bad++
		}
	}
	if watched >= hold && 2*bad > n {
		return lost
	}
	return short
}

// watched is how long after the event the target was looked at.
func (r *run) watched(x *episode) string {
	return precisely((time.Duration(x.last)*r.width - x.To).Seconds())
}

// worstSlice returns the buckets of an episode of the request that failed most: a breaker may guard but one of them. They are
// as short as its rate allows, for probes that follow each other closely.
func (r *run) worstSlice(x *episode) (time.Duration, []stat.Bucket) {
	worst, most := -1, uint64(0)
	for i := range x.affected.Slices {
		if n := x.affected.Slices[i].Failed; n > most {
			worst, most = i, n
		}
	}
	if worst < 0 {
		return r.width, nil
	}
	from, to := time.Duration(max(0, x.first))*r.width, time.Duration(x.last)*r.width
	requests := 0.0
	if total := x.total.Slices; worst < len(total) {
		requests = float64(total[worst].Good + total[worst].Failed)
	}
	width := r.Timeline.Width()
	for width < r.width && requests*width.Seconds() < stat.FewestRequests*(to-from).Seconds() {
		width *= 2
	}
	width = min(width, r.width)
	fast := r.rejected(&x.affected.Slices[worst].Failures)
	var all []stat.Bucket
	for at := from; at+width <= to; at += width {
		var s timeline.Slice
		if b := r.Timeline.Between(at, at+width); worst < len(b.Slices) {
			s = b.Slices[worst]
		}
		all = append(all, stat.Bucket{Intended: float64(s.Good + s.Failed), Failed: float64(s.Failed), FastFailed: float64(s.Failures.CountAtMost(fast))})
	}
	return width, all
}

// rejected returns the seconds up to which a failure is one that an open breaker makes: half of what those take that fail
// slowly, so that a rejection which had to wait for a processor is no probe.
func (r *run) rejected(failures *hist.Histogram) float64 {
	all := float64(failures.Count())
	slow := all - float64(failures.CountAtMost(r.fast))
	if slow <= 0 {
		return r.fast
	}
	return max(r.fast, failures.Quantile(1-slow/2/all)/2)
}

// disturbed returns the parts of the run in which a target is not as it usually is, or in which that is not known.
func (r *run) disturbed(episodes []episode) []Stretch {
	var all []Stretch
	for i := range episodes {
		x := &episodes[i]
		to := time.Duration(x.last) * r.width
		if x.outcome == recovered || x.outcome == unaffected {
			to = max(x.To, x.To+x.spike.Recovered.After)
		}
		to = max(to, x.To)
		// A request that was meant to start meanwhile may have ended later, and results count when they are known.
		end := to
		for k := max(0, x.first); k < min(len(r.buckets), r.index(to)); k++ {
			b := &r.buckets[k]
			end = max(end, time.Duration(k+1)*r.width+durationOf(max(b.Response.Max(), b.Failures.Max())))
		}
		all = append(all, Stretch{x.From, end})
	}
	return all
}
