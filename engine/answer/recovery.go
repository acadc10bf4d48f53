package answer

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/catalog"
	"tidegauge/engine/stat"
)

// The codes of answers to what a fault or a surge did.
const (
	CodeMetastable   = "metastable"    // it did not come back at the load that it bore before
	CodeNotRecovered = "not_recovered" // it did not come back while it was watched
	CodeTooShort     = "too_short"     // whether it came back is not known: it was watched too shortly
	CodeNoBaseline   = "no_baseline"   // there is nothing that it could come back to
	CodeNoFault      = "no_fault"      // no fault came to be
)

// Recovery answers whether a target fails fast and comes back. The stretches are the parts of the run that the faults disturbed.
func Recovery(d Disturbed) (*Answer, []Stretch) {
	a := &Answer{Question: "Does it fail fast and come back?"}
	r, episodes := d.analysis()
	if len(episodes) == 0 {
		a.Standing, a.Code, a.Text = Undecided, CodeNoFault, "No fault of the test was in force: there was nothing to recover from."
		return a, nil
	}
	a.conclude(episodes)
	for i := range episodes {
		x := &episodes[i]
		a.warn(x.about(x.spike.Warnings, len(episodes))...)
		if x.outcome != unknown {
			a.warn(x.about(x.breaker.Warnings, len(episodes))...)
			a.warn(r.partialWarnings(x)...)
			a.warn(r.stormWarning(x)...)
		}
	}
	a.Text = headline(episodes, "fault") + r.clauses(episodes, r.clause)
	a.Figures = append(overall(episodes), combined(episodes, r.recoveryFigures)...)
	a.Charts = r.charts(episodes)
	return a, r.disturbed(episodes)
}

// warn adds warnings, each once.
func (a *Answer) warn(all ...string) {
	for _, w := range all {
		if !slices.Contains(a.Warnings, w) {
			a.Warnings = append(a.Warnings, w)
		}
	}
}

// about says which of several episodes warnings are of; the baseline is that of all.
func (x *episode) about(warnings []string, of int) []string {
	if of < 2 {
		return warnings
	}
	var all []string
	for _, w := range warnings {
		if !strings.Contains(w, "baseline") {
			w = x.Subject + ": " + w
		}
		all = append(all, w)
	}
	return all
}

// conclude sets the standing: the worst of the episodes.
func (a *Answer) conclude(episodes []episode) {
	has := func(o outcome) bool {
		return slices.ContainsFunc(episodes, func(x episode) bool { return x.outcome == o })
	}
	switch {
	case has(metastable):
		a.Standing, a.Code = Bad, CodeMetastable
	case has(lost):
		a.Standing, a.Code = Bad, CodeNotRecovered
	case has(unknown):
		a.Standing, a.Code = Undecided, CodeNoBaseline
	case has(short):
		a.Standing, a.Code = Undecided, CodeTooShort
	default:
		a.Standing = Good
	}
}

// recoveryFigures are those of one fault.
func (r *run) recoveryFigures(x *episode) []Figure {
	s := &x.spike
	if x.outcome == unknown {
		return []Figure{{Title: "time to recover", Metric: catalog.RecoveryTime, Subject: x.Subject, Unit: "s", Text: x.why}}
	}
	detected := Figure{Title: "time to detect", Metric: catalog.DetectionTime, Unit: "s", Text: "it did not show"}
	if s.Affected {
		detected.Value, detected.Text = new(s.Detected.After.Seconds()), ""
		if s.Detected.After == 0 {
			detected.Text = fmt.Sprintf("within the first %v", r.width)
		}
	}
	all := []Figure{detected}
	if x.failures.Count > 0 {
		all = append(all, Figure{Title: "time to fail, p95", Metric: catalog.FailureTime, Value: new(x.failures.P95.Seconds()), Unit: "s", Text: howText(x)})
	}
	all = append(all, r.breakerFigures(x)...)
	all = append(all, r.returnFigures(x)...)
	all = append(all, r.partialFigures(x)...)
	all = append(all,
		Figure{Title: "requests failed", Metric: catalog.FailedRequests, Value: new(s.Failed), Unit: "1"})
	if s.Unsent > 0 {
		all = append(all, Figure{Title: "requests not sent", Metric: catalog.DroppedRequests, Value: new(s.Unsent), Unit: "1", Text: "no user was free for them; they count as failed in the availability"})
	}
	if s.Amplification > 0 {
		all = append(all, Figure{Title: "requests that the target counted", Metric: catalog.Amplification, Value: new(s.Amplification), Unit: "ratio", Text: "at most, by those that were meant to be made, as usual before: retries on the way make more"})
	}
	return all
}

func howText(x *episode) string {
	switch x.failing {
	case stat.FailsFast:
		return "it fails fast"
	case stat.Hangs:
		return "it hangs"
	}
	return fmt.Sprintf("half of them within %s", precisely(x.failures.P50.Seconds()))
}

// returnFigures are those of the way back, of faults and surges alike.
func (r *run) returnFigures(x *episode) []Figure {
	s := &x.spike
	back := fmt.Sprintf("back is: for %v at least %s good and p95 at most %s", hold, share(s.Band.SuccessFloor(s.Band.Rate)), precisely(s.Band.LatencyCeiling))
	if math.IsNaN(s.Band.LatencyCeiling) {
		back = fmt.Sprintf("back is: for %v at least %s good", hold, share(s.Band.SuccessFloor(s.Band.Rate)))
	}
	if r.width > time.Second {
		back += fmt.Sprintf("; known to %v, since there are few requests", r.width)
	}
	all := []Figure{{
		Title: "time to recover", Metric: catalog.RecoveryTime, Value: new(s.Recovered.After.Seconds()), Unit: "s", Censored: s.Recovered.Censored, Text: back,
	}}
	if !math.IsNaN(s.Band.InFlight) {
		all = append(all, Figure{Title: "time to drain", Metric: catalog.DrainTime, Value: new(s.Drained.After.Seconds()), Unit: "s", Censored: s.Drained.Censored, Text: r.crowdText(x)})
	}
	if !math.IsNaN(s.Availability) {
		all = append(all,
			Figure{Title: "availability", Metric: catalog.Availability, Value: new(s.Availability), Unit: "ratio",
				Text: fmt.Sprintf("of what was meant to be requested in %v; %s of the time was good", (time.Duration(x.last)*r.width - x.From).Round(time.Second), share(s.TimeAvailability))},
			Figure{Title: "outage", Metric: catalog.OutageTime, Value: new(s.OutageSeconds), Unit: "s", Text: "a full outage of this length loses as many"},
			Figure{Title: "excess latency", Metric: catalog.ExcessLatency, Value: new(s.ExcessLatency), Unit: "s", Text: "p95 above the usual, summed over the seconds"})
	}
	return all
}

// crowdText compares the requests under way with what Little's law gives for the healthy target.
func (r *run) crowdText(x *episode) string {
	before := r.Timeline.Between(0, r.Events[0].From)
	rate := float64(before.Requests()) / r.Events[0].From.Seconds()
	text := fmt.Sprintf("at most %s requests were due and not answered", amount(x.spike.PeakInFlight, "1"))
	if n := stat.Crowding(x.spike.PeakInFlight, rate, before.Response.Mean()); n >= 2 {
		text += fmt.Sprintf(", %s times as many as usual", amount(math.Round(n), "1"))
	}
	return text
}

// breakerFigures state how often a circuit breaker tripped and opened. What it shows itself is the truth; else it is inferred.
func (r *run) breakerFigures(x *episode) []Figure {
	b := &x.breaker
	const outside, own = "inferred from outside", "by the breaker's own state"
	probes, failed := b.Probed()
	trips := Figure{Title: "circuit breaker trips", Metric: catalog.BreakerTrips, Value: new(float64(len(b.Trips))), Unit: "1", Text: outside}
	switch {
	case !math.IsNaN(x.trips):
		trips.Value, trips.Text = new(x.trips), own
		if len(b.Trips) > 0 && x.trips != float64(len(b.Trips)) {
			trips.Text += fmt.Sprintf("; from outside it looked like %d", len(b.Trips))
		}
	case x.openings == 0:
		trips.Value, trips.Text = new(0.0), "by the breaker's own count"
	case len(b.Trips) == 0 && x.failures.Count > 0 && x.failing == stat.FailsFast:
		trips.Value, trips.Text = nil, "requests failed fast from the beginning: from outside a breaker cannot be told"
	}
	if probes > 0 {
		trips.Text += fmt.Sprintf("; probes: %d, of which %d failed", probes, failed)
	}
	if b.Timer > 0 {
		trips.Text += ", one every " + precisely(b.Timer.Seconds())
	}
	openings := Figure{Title: "circuit breaker openings", Metric: catalog.BreakerOpenings, Value: new(float64(b.Openings())), Unit: "1", Text: outside + ": trips and probes that failed"}
	if !math.IsNaN(x.openings) {
		openings.Value, openings.Text = new(x.openings), "by the breaker's own count: trips and probes that failed"
		if n := b.Openings(); n > 0 && x.openings != float64(n) {
			openings.Text += fmt.Sprintf("; from outside it looked like %d", n)
		}
	}
	if *openings.Value == 0 {
		return []Figure{trips}
	}
	return []Figure{trips, openings}
}

// combined puts the figures of all episodes together. Those of one subject that was there several times are medians.
func combined(episodes []episode, figures func(*episode) []Figure) []Figure {
	var all []Figure
	var subjects []string
	for i := range episodes {
		if s := episodes[i].Subject; !slices.Contains(subjects, s) {
			subjects = append(subjects, s)
		}
	}
	for _, s := range subjects {
		var lists [][]Figure
		for i := range episodes {
			if episodes[i].Subject == s {
				lists = append(lists, figures(&episodes[i]))
			}
		}
		var titles []string
		same := map[string][]Figure{}
		for _, list := range lists {
			for _, f := range list {
				if same[f.Title] == nil {
					titles = append(titles, f.Title)
				}
				same[f.Title] = append(same[f.Title], f)
			}
		}
		for _, title := range titles {
			f := median(same[title])
			if m, ok := catalog.Lookup(f.Metric); !ok || len(m.Labels) > 0 {
				f.Subject = s
			}
			all = append(all, f)
		}
	}
	return all
}

// median returns the median figure: one that is censored is greater than all others.
func median(all []Figure) Figure {
	if len(all) == 1 {
		return all[0]
	}
	known := slices.DeleteFunc(slices.Clone(all), func(f Figure) bool { return f.Value == nil })
	if len(known) == 0 {
		return all[0]
	}
	slices.SortStableFunc(known, func(a, b Figure) int {
		if a.Censored != b.Censored {
			return cmp.Compare(weight(a.Censored), weight(b.Censored))
		}
		return cmp.Compare(*a.Value, *b.Value)
	})
	n := len(known)
	f := known[n/2]
	if low := known[(n-1)/2]; !f.Censored && !low.Censored {
		f.Value = new((*low.Value + *f.Value) / 2)
	}
	first, last := known[0], known[n-1]
	f.Text = fmt.Sprintf("median of %d, from %s to %s", n, quantity(first), quantity(last))
	if n < len(all) {
		f.Text += fmt.Sprintf(", of %d occurrences", len(all))
	}
	return f
}

func weight(b bool) int {
	if b {
		return 1
	}
	return 0
}

func quantity(f Figure) string {
	v := *f.Value
	text := fmt.Sprintf("%.4g", v)
	switch f.Unit {
	case "s":
		text = precisely(v)
	case "ratio":
		text = share(v)
	}
	if f.Censored {
		text = "> " + text
	}
	return text
}

// overall is the summary over several episodes.
func overall(episodes []episode) []Figure {
	var times []Figure
	for i := range episodes {
		if x := &episodes[i]; x.outcome != unknown {
			times = append(times, Figure{Title: "time to recover, median of all", Value: new(x.spike.Recovered.After.Seconds()), Unit: "s", Censored: x.spike.Recovered.Censored})
		}
	}
	if len(times) < 2 {
		return nil
	}
	worst := slices.MaxFunc(times, func(a, b Figure) int {
		if a.Censored != b.Censored {
			return cmp.Compare(weight(a.Censored), weight(b.Censored))
		}
		return cmp.Compare(*a.Value, *b.Value)
	})
	worst.Title = "time to recover, worst of all"
	return []Figure{worst, median(times)}
}

// charts are the availability and the latency over time.
func (r *run) charts(episodes []episode) []Chart {
	good, slow := Line{Name: "good"}, Line{Name: "p95"}
	for i, b := range r.between(0, len(r.buckets)) {
		if b.Intended == 0 {
			continue
		}
		at := (time.Duration(i) * r.width).Seconds()
		good.X, slow.X = append(good.X, at), append(slow.X, at)
		good.Y = append(good.Y, new(1-(b.Failed+b.Unsent)/b.Intended))
		if math.IsNaN(b.Latency) {
			slow.Y = append(slow.Y, nil)
		} else {
			slow.Y = append(slow.Y, new(b.Latency))
		}
	}
	charts := []Chart{
		{Title: "Availability, by intended start", Unit: "ratio", X: "s", Lines: []Line{good}},
		{Title: "Response time, by intended start", Unit: "s", X: "s", Lines: []Line{slow}},
	}
	for i := range episodes {
		x := &episodes[i]
		for k := range charts {
			charts[k].Marks = append(charts[k].Marks, Mark{x.Subject, x.From.Seconds(), x.To.Seconds()})
			if x.outcome == recovered {
				at := (x.To + x.spike.Recovered.After).Seconds()
				charts[k].Marks = append(charts[k].Marks, Mark{"back", at, at})
			}
		}
	}
	if band := episodes[0].spike.Band; episodes[0].spike.Known {
		charts[0].Limits = []Limit{{"band", band.SuccessFloor(band.Rate)}}
		if !math.IsNaN(band.LatencyCeiling) {
			charts[1].Limits = []Limit{{"band", band.LatencyCeiling}}
		}
	}
	return charts
}
