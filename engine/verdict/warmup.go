package verdict

import (
	"slices"
	"time"

	"tidegauge/engine/plan"
)

// mostPlaces bounds at how many moments the part can be made to begin when it is over.
const mostPlaces = 128

// place is a moment at which the part can begin, or a piece of it end.
type place struct {
	*mark
	objectives []placed
}

// placed is what an objective had come to at a place: its sums since the start of the run, and the windows of `for` that
// begin between here and the next place.
type placed struct {
	sums  sums
	tally tally
}

// settle keeps the state of the run as a place, if it is time for one. Where there are too many, every second one is given
// up.
func (j *Judge) settle(s *placeSource) {
	if n := len(j.places); n > 0 && s.mark.at.Sub(j.places[n-1].at) < j.spacing {
		return
	}
	p := place{mark: s.mark, objectives: make([]placed, len(j.objectives))}
	for i, o := range j.objectives {
		s.collect(&p.objectives[i].sums, o)
	}
	if j.places = append(j.places, p); len(j.places) <= mostPlaces {
		return
	}
	j.spacing = max(2*j.spacing, j.places[2].at.Sub(j.places[0].at))
	var kept []place
	for i := range j.places {
		if i%2 == 0 {
			kept = append(kept, j.places[i])
			continue
		}
		last := &kept[len(kept)-1]
		for k := range last.objectives {
			last.objectives[k].tally.merge(j.objectives[k].Objective, &j.places[i].objectives[k].tally)
		}
	}
	j.places = kept
}

// placeSource is the state of the run now.
type placeSource struct {
	mark    *mark
	collect func(*sums, *objective)
}

// noteWindow keeps a window that was judged with the place it begins after.
func (j *Judge) noteWindow(k int, o *objective, one *tally, from time.Time) {
	for _, p := range slices.Backward(j.places) {
		if !from.Before(p.at) {
			p.objectives[k].tally.merge(o.Objective, one)
			return
		}
	}
}

// Steady returns what Consume has seen of the steady stretch of the test's load so far, or until it ended: without what the
// plan gives as its warm-up. It reports false if there is none.
func (j *Judge) Steady() (from, to time.Time, ok bool) {
	if j.begin == nil || !j.part.steady {
		return time.Time{}, time.Time{}, false
	}
	to = j.latest
	if j.loadEnd != nil {
		to = j.loadEnd.at
	}
	return j.begin.at, to, true
}

// LeaveOut makes the part that is judged begin later by that much, or by a little more: at the next moment whose state was
// kept, of which there are up to 128 in a part. It returns by how much. It is for once, after the final snapshot and before
// Verdict.
func (j *Judge) LeaveOut(warmUp time.Duration) time.Duration {
	if j.begin == nil || j.end == nil || warmUp <= 0 || len(j.places) == 0 {
		return 0
	}
	const slack = 100 * time.Millisecond // snapshots are never exactly an interval apart
	from := j.begin.at.Add(warmUp - slack)
	k := slices.IndexFunc(j.places, func(p place) bool { return !p.at.Before(from) })
	if k < 0 || !j.places[k].at.Before(j.loadEnd.at) {
		return 0
	}
	p := &j.places[k]
	for i, o := range j.objectives {
		var skipped sums
		skipped.add(&p.objectives[i].sums)
		skipped.subtract(&o.begin)
		o.end.subtract(&skipped)
		o.begin = p.objectives[i].sums
		if o.windows == nil {
			continue
		}
		o.windows.tally = tally{}
		for q := k; q < len(j.places); q++ {
			o.windows.tally.merge(o.Objective, &j.places[q].objectives[i].tally)
		}
	}
	j.warmUp += p.at.Sub(j.begin.at)
	j.begin = p.mark
	j.places = j.places[k:]
	return j.warmUp
}

// NotSteady tells the judge that response times did not stay where they were over what is judged, and how. A quantile or a
// mean is then one of a mixture: its objective is inconclusive, unless each quarter by itself says the same of it.
func (j *Judge) NotSteady(why string) { j.unsteady = why }

// partName says what is judged.
func (j *Judge) partName() string {
	if j.warmUp > 0 {
		return j.part.name() + " after a warm-up of " + Format(j.warmUp.Round(100*time.Millisecond).Seconds(), "s")
	}
	return j.part.name()
}

const quarters = 4

// sameAllAlong reports whether each quarter of the part gives an objective the same outcome.
func (j *Judge) sameAllAlong(k int, o *objective, outcome Outcome) bool {
	length := j.loadEnd.at.Sub(j.begin.at)
	before, at := &o.begin, j.begin.at
	end := sums{}
	end.add(&o.end)
	end.add(&o.begin)
	for q := 1; q <= quarters; q++ {
		next, to := &end, j.loadEnd.at
		if q < quarters {
			until := j.begin.at.Add(length * time.Duration(q) / quarters)
			i := slices.IndexFunc(j.places, func(p place) bool { return !p.at.Before(until) })
			if i < 0 {
				return false
			}
			next, to = &j.places[i].objectives[k].sums, j.places[i].at
		}
		var piece sums
		piece.add(next)
		piece.subtract(before)
		if e := evaluate(o.Objective, &piece, to.Sub(at)); e.outcome != outcome {
			return false
		}
		before, at = next, to
	}
	return true
}

// doubtSteady makes what was found of an objective inconclusive if it was not steady, unless that makes no difference.
func (j *Judge) doubtSteady(f *Finding, k int, o *objective, e *evaluation) {
	if j.unsteady == "" || o.Metric != plan.Quantile && o.Metric != plan.Mean || f.Outcome == Inconclusive {
		return
	}
	if j.sameAllAlong(k, o, f.Outcome) {
		f.Warnings = append(f.Warnings, "not steady: "+j.unsteady+"; each quarter by itself says the same")
		return
	}
	f.Outcome, f.Code = Inconclusive, CodeNotSteady
	f.Message = o.Text + ": " + Format(e.value, e.unit) + ", but not steady: " + j.unsteady
}
