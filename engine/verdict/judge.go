package verdict

import (
	"context"
	"math"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
)

// Options configure a Judge.
type Options struct {
	Plan    *plan.Plan
	Test    *plan.Test
	Run     string  // the run's id, for $run in PromQL
	Querier Querier // nil: PromQL objectives are inconclusive
	// Abort is called once, when an objective with `abort` is missed, from the goroutine that calls Consume: it must return
	// at once. nil: the run goes on, and fails.
	Abort func(reason string)
	// MaxLateness is the p99 above which the generator was too late. Default: a tenth of the tightest limit on a response
	// time, since less cannot decide anything, but at least 10 ms.
	MaxLateness time.Duration
}

// Judge watches a run as a measure.Sink and gives its verdict at the end. Its memory does not grow with the run. Consume
// is for the one goroutine that hands on snapshots, and everything else for after the last of them.
type Judge struct {
	o    Options
	part part

	objectives []*objective
	begin      *mark    // where the part begins; nil: not reached yet
	loadEnd    *mark    // where the load of the part ends
	end        *mark    // where the part ends: that, or the end of the run
	final      *account // of the whole run
	finalTime  time.Time
	start      time.Time
	failures   []measure.Failure // a few of the run's
	exceptions []measure.Exception

	strain strain // of the generator, over the part

	places   []place       // of the part, in the order of time; the first is its begin
	spacing  time.Duration // between two places at least
	latest   time.Time     // of what was consumed
	warmUp   time.Duration // that was left out
	unsteady string        // why response times were not steady; empty: nothing is known

	undisturbed *undisturbed  // nil: the objectives are judged over the part as a whole
	left        *stretchOfRun // of that, once it is known
	leftLength  time.Duration

	abortedBy *plan.Objective // nil: not aborted
	abortText string
	stoppedAt time.Time
	live      live
	answer    *answer.Answer // nil: the type asks nothing
	faults    []string       // why they failed
	decidedAt time.Duration  // where the load ended since all was decided; 0: it did not
}

// leastLateness is what a generator on a shared machine may be late by, whatever is judged.
const leastLateness = 10 * time.Millisecond

// mark is the state of the run at a boundary of the part.
type mark struct {
	at      time.Time
	sampled time.Time // time of the samples in the store; of the run's first ones a little before at
	account *account
}

// objective is an objective with what was collected for it.
type objective struct {
	*plan.Objective
	sel        selection
	begin, end sums // cumulative, at the ends of the part
	windows    *windows
	clumps     *clumps // for what is decided while the run lasts; nil: nothing is yet
}

// NewJudge returns a judge.
func NewJudge(o Options) *Judge {
	if o.MaxLateness == 0 {
		o.MaxLateness = maxLateness(o.Test.Objectives)
	}
	j := &Judge{o: o, part: partOf(o.Test), undisturbed: undisturbedOf(o.Test)}
	j.warmUp = j.part.leaveOut(o.Test.WarmUp)
	j.spacing = (j.part.end - j.part.begin) / mostPlaces
	return j
}

// maxLateness is the default of Options.MaxLateness.
func maxLateness(objectives []plan.Objective) time.Duration {
	tightest := math.Inf(1)
	for i := range objectives {
		if timed(&objectives[i]) {
			tightest = min(tightest, objectives[i].Threshold)
		}
	}
	if math.IsInf(tightest, 1) {
		return leastLateness
	}
	return max(leastLateness, time.Duration(tightest/10*float64(time.Second)))
}

// Stopped tells the judge that the run was ended at that time, before its shape was over, by a person and not by Abort.
// Without it a run that ended early is recognised by its length alone.
func (j *Judge) Stopped(at time.Time) { j.stoppedAt = at }

// Answer gives the judge the answer to the question of the test's type: a bad one fails the run, and one that what was measured
// does not carry makes it inconclusive.
func (j *Judge) Answer(a *answer.Answer) { j.answer = a }

// searches reports whether the test finds its load itself. Then loads that are too much belong to it: its objectives are the
// criteria of its trials, but for those on figures of the answer.
func (j *Judge) searches() bool { return j.o.Test.Search != nil }

// FaultFailed tells the judge that a fault of the test could not be started or undone.
func (j *Judge) FaultFailed(why string) { j.faults = append(j.faults, why) }

// Consume implements measure.Sink. It returns no error.
func (j *Judge) Consume(_ context.Context, s *measure.Snapshot) error {
	if j.objectives == nil {
		j.bind(s.Names)
	}
	if j.start = s.Start; j.begin != nil && j.begin.at.Before(j.start) { // of the first snapshot
		j.begin.at = j.start
	}
	at := s.Time.Sub(s.Start)
	j.latest = s.Time
	begins := j.cutPart()
	inside := j.begin != nil && j.end == nil // the interval that ends with s lies in the part
	if inside && j.loadEnd == nil {
		j.slide(s)
		j.ponder(s)
	}
	if inside && j.undisturbed != nil {
		j.undisturbed.add(s, j.objectives)
	}
	if inside {
		if j.loadEnd == nil && (at >= j.part.end || s.Final) {
			j.loadEnd = markAt(s)
		}
		if s.Final || j.loadEnd != nil && !j.part.open {
			j.finish(s)
		}
	}
	if j.begin == nil && begins && at >= j.part.begin && !s.Final {
		j.begin = markAt(s)
		for _, o := range j.objectives {
			o.begin.collect(o.Objective, o.sel, s.Total)
		}
	}
	if j.begin != nil && j.loadEnd == nil {
		j.settle(&placeSource{mark: markAt(s), collect: func(x *sums, o *objective) { x.collect(o.Objective, o.sel, s.Total) }})
	}
	if j.begin != nil && j.end == nil || inside {
		j.strain.add(s.Health.Now)
	}
	if j.begin != nil && j.end == nil {
		j.watch(s)
	}
	if s.Final {
		j.finalTime, j.final = s.Time, accountOf(s)
		j.failures = append(j.failures, s.Failures[:min(3, len(s.Failures))]...)
		j.exceptions = append(j.exceptions, s.Exceptions[:min(3, len(s.Exceptions))]...)
	}
	return nil
}

func markAt(s *measure.Snapshot) *mark {
	return &mark{at: s.Time, sampled: s.Time, account: accountOf(s)}
}

// bind resolves what the objectives select.
func (j *Judge) bind(names *measure.Names) {
	j.objectives = []*objective{}
	for i := range j.o.Test.Objectives {
		o := &objective{Objective: &j.o.Test.Objectives[i]}
		if j.searches() && o.Metric != plan.Figure {
			continue // it is one of the trials
		}
		if o.Metric != plan.PromQL && o.Metric != plan.Figure {
			o.sel = selectNames(o.Objective, names)
			if o.For > 0 {
				o.windows = newWindows(o.For)
			}
		}
		j.objectives = append(j.objectives, o)
	}
}

// slide hands the interval to the windows, and ends the run when a window with `abort` is missed.
func (j *Judge) slide(s *measure.Snapshot) {
	for i, o := range j.objectives {
		if o.windows == nil {
			continue
		}
		o.windows.cur.collect(o.Objective, o.sel, s.Delta)
		missed := o.windows.advance(o.Objective, s.Since, s.Time)
		if one := o.windows.fresh; one != nil {
			j.noteWindow(i, o, one, o.windows.pieces[0].from)
		}
		if missed != nil && o.Abort {
			j.abort(o.Objective, windowText(o.Objective, missed, j.start))
		}
	}
}

// watch ends the run when an objective with `abort` and without windows is missed beyond doubt so far.
func (j *Judge) watch(s *measure.Snapshot) {
	if s.Final || j.abortedBy != nil || j.undisturbed != nil && s.Time.Sub(j.start) > j.undisturbed.quiet {
		return
	}
	for _, o := range j.objectives {
		if !o.Abort || o.windows != nil || o.Metric == plan.PromQL {
			continue
		}
		var now sums
		now.collect(o.Objective, o.sel, s.Total)
		now.subtract(&o.begin)
		r := evaluate(o.Objective, &now, s.Time.Sub(j.begin.at))
		if r.outcome == Fail && r.settled {
			j.abort(o.Objective, Format(r.value, r.unit)+" so far")
		}
	}
}

func (j *Judge) abort(o *plan.Objective, text string) {
	if j.abortedBy != nil {
		return
	}
	j.abortedBy, j.abortText = o, text
	if j.o.Abort != nil {
		j.o.Abort("objective " + o.Text + " missed: " + text)
	}
}

// finish takes the state at the end of the part.
func (j *Judge) finish(s *measure.Snapshot) {
	j.end = markAt(s)
	for _, o := range j.objectives {
		o.end.collect(o.Objective, o.sel, s.Total)
		o.end.subtract(&o.begin)
	}
}
