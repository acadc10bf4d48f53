package verdict

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/hist"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
	"tidegauge/engine/stat"
)

// TrialOptions say what a Trial judges.
type TrialOptions struct {
	Plan     *plan.Plan
	Test     *plan.Test
	Run      string  // for $run in PromQL
	Querier  Querier // nil: objectives in PromQL are left out
	From, To time.Time
	Load     float64 // arrivals per second, or users
	// Usual is the median service time where the target had no trouble, seconds; 0: not known. It tells a target that slows
	// down from a generator that has too few users.
	Usual float64
}

// Trial judges one load of a search, over the work that was meant to start within its window. Its objectives are those of the
// test with these differences: the whole of `for` is the window, `abort` ends the trial and not the search, a quantile must
// be met by the upper end of its 95% interval (the binomial bound of MLPerf's server scenario and of section 5 of RFC 9971's
// spirit: a trial that shows it, not one that may have been lucky), and counts and trends, which a trial is too short for, are
// left out. Besides, the target must keep up: at most 1% of the work that is due may be added to what waits for it.
//
// What the generator does badly can only make a trial fail, never pass. So a trial that passed has passed, and one that failed
// while the generator was late, had too little CPU or ran out of something says nothing of the target.
//
// Consume is for the goroutine that hands on snapshots; the caller sees to it that nothing else is called meanwhile.
type Trial struct {
	o          TrialOptions
	names      *measure.Names
	objectives []trialObjective
	begin, end *measureMark
	strain     strain
	response   hist.Histogram // of all that ended with an outcome
	service    hist.Histogram
	finished   uint64
	failed     uint64
	good       uint64 // answered well within the window
	ended      uint64 // within the window
	waiting    int    // users at work at most
}

// measureMark is the state at a boundary of the window.
type measureMark struct {
	at       time.Time
	account  *account
	checks   []measure.CheckTotals
	underway int64
}

// trialObjective is an objective with what was counted for it.
type trialObjective struct {
	*plan.Objective
	sel           selection
	chosen        []bool // by request
	sums, service sums
}

// TrialResult is what a trial came to.
type TrialResult struct {
	Passed      bool
	Generator   bool     // it failed, and that may be the generator's doing
	Reason      string   // of a failure
	Missed      []string // texts of the objectives that were not met, in the order of the test, and what else was not
	From, To    time.Time
	Rate        float64 // finished per second of the window, whenever they were meant to start
	Goodput     float64 // of those, the ones answered well
	P50         float64 // seconds of response time of what was meant to start in the window
	P95         float64
	P99         float64
	ServiceTime float64 // median, seconds
	Failures    float64 // ratio
	Resources   []Resource
	Warnings    []string
}

// NewTrial returns a trial of which nothing has been seen.
func NewTrial(o TrialOptions, names *measure.Names) *Trial {
	t := &Trial{o: o, names: names}
	for i := range o.Test.Objectives {
		one := &o.Test.Objectives[i]
		if one.Metric == plan.Count || one.Metric == plan.Figure || one.Trend() {
			continue
		}
		x := trialObjective{Objective: one}
		if one.Metric != plan.PromQL {
			x.sel = selectNames(one, names)
			x.chosen = make([]bool, len(names.Requests))
			for _, r := range x.sel.requests {
				x.chosen[r] = true
			}
		}
		t.objectives = append(t.objectives, x)
	}
	return t
}

// Consume takes a snapshot of the run, from before the window on.
func (t *Trial) Consume(s *measure.Snapshot) {
	if t.begin == nil && !s.Time.Before(t.o.From) {
		t.begin = trialMark(s)
		t.strain.add(s.Health.Since)
	}
	if t.begin != nil && t.end == nil {
		t.strain.add(s.Health.Now)
		t.waiting = max(t.waiting, s.PeakUsers)
		if !s.Time.Before(t.o.To) || s.Final {
			t.end = trialMark(s)
		}
	}
	if s.Log == nil {
		return
	}
	for i := range s.Log.Requests {
		t.add(&s.Log.Requests[i])
	}
}

func trialMark(s *measure.Snapshot) *measureMark {
	b := s.Total.IterationBooks()
	return &measureMark{
		at: s.Time, account: accountOf(s), checks: slices.Clone(s.Total.Checks),
		underway: int64(b.Intended) - int64(b.Dropped+b.Finished+b.Cut),
	}
}

func (t *Trial) add(e *measure.Entry) {
	if e.Outcome == protocol.Cut {
		return
	}
	if at := e.Intended.Add(e.Response); !at.Before(t.o.From) && at.Before(t.o.To) {
		t.ended++
		if !e.Outcome.Failed() {
			t.good++
		}
	}
	if e.Intended.Before(t.o.From) || !e.Intended.Before(t.o.To) {
		return
	}
	t.finished++
	t.response.Record(e.Response.Seconds())
	t.service.Record(e.Service.Seconds())
	if e.Outcome.Failed() {
		t.failed++
	}
	for i := range t.objectives {
		o := &t.objectives[i]
		if o.chosen == nil || !o.chosen[e.Request] {
			continue
		}
		o.sums.finished++
		o.service.finished++
		if e.Outcome.Failed() {
			o.sums.failed++
			o.service.failed++
		}
		if timed(o.Objective) {
			o.service.times.Record(e.Service.Seconds())
			if o.Service {
				o.sums.times.Record(e.Service.Seconds())
			} else {
				o.sums.times.Record(e.Response.Seconds())
			}
		}
	}
}

// Early decisions of a trial that cannot pass any more.
const (
	earlyError = 0.01 // of ending a trial that would have passed
	earlyWorth = 10   // requests that a stall hits together count as one
)

// Hopeless reports whether the trial cannot be expected to pass any more: going on would only make the target's queue longer.
func (t *Trial) Hopeless() bool {
	for i := range t.objectives {
		o := &t.objectives[i]
		if o.Op != "<" && o.Op != "<=" {
			continue
		}
		var beyond uint64
		allowed := o.Threshold
		switch o.Metric {
		case plan.Quantile:
			beyond, allowed = o.sums.times.Count()-o.sums.times.CountAtMost(o.Threshold), 1-o.Quantile
		case plan.ErrorRate:
			beyond = o.sums.failed
		default:
			continue
		}
		if !(allowed > 0 && allowed < 1) {
			continue
		}
		if d := stat.DecideEarly(stat.EarlyOptions{Error: earlyError, Worth: earlyWorth}, beyond, o.sums.finished, allowed); d.Decision == stat.Missed {
			return true
		}
	}
	return false
}

// Stop ends the window early.
func (t *Trial) Stop(at time.Time) {
	if at.Before(t.o.To) {
		t.o.To = at
	}
}

// Judge decides, once everything that was meant to start in the window has ended; left is how many iterations have not, in
// spite of having been waited for. The context is for PromQL.
func (t *Trial) Judge(ctx context.Context, left int64) TrialResult {
	length := t.o.To.Sub(t.o.From)
	r := TrialResult{From: t.o.From, To: t.o.To}
	if length <= 0 || t.begin == nil || t.end == nil {
		r.Generator, r.Reason = true, "the run ended before the trial did"
		return r
	}
	r.Rate, r.Goodput = float64(t.ended)/length.Seconds(), float64(t.good)/length.Seconds()
	if meant := float64(t.finished-t.failed) / length.Seconds(); left == 0 && t.backlog(length) == "" {
		r.Goodput = min(r.Goodput, meant) // the rest was left over from before
	}
	if t.finished > 0 {
		r.P50, r.P95, r.P99 = t.response.Quantile(0.5), t.response.Quantile(0.95), t.response.Quantile(0.99)
		r.ServiceTime = t.service.Quantile(0.5)
		r.Failures = float64(t.failed) / float64(t.finished)
	}
	reasons, slowService := t.judgeObjectives(ctx, &r, length)
	if left > 0 {
		reasons = append(reasons, fmt.Sprintf("%s iterations had not ended long after", FormatCount(uint64(left))))
	}
	if backlog := t.backlog(length); backlog != "" {
		reasons = append(reasons, backlog)
		r.Missed = append(r.Missed, "keeping up with the arrivals")
	}
	if !slices.ContainsFunc(t.objectives, func(o trialObjective) bool { return judgesFailures(&objective{Objective: o.Objective}) }) &&
		float64(t.failed) > shortfall*float64(t.finished) {
		reasons = append(reasons, fmt.Sprintf("%s of the requests failed, and no objective says how many may", Format(r.Failures, "ratio")))
	}
	if t.finished == 0 && len(reasons) == 0 {
		reasons = append(reasons, "no request ended")
	}
	if r.Passed = len(reasons) == 0; r.Passed {
		return r
	}
	r.Reason = strings.Join(reasons, ", ")
	if why := t.generator(slowService || t.slowed(&r), left > 0); why != "" {
		r.Generator, r.Reason = true, why
	}
	return r
}

// judgeObjectives returns what was missed, and whether service times alone miss something too.
func (t *Trial) judgeObjectives(ctx context.Context, r *TrialResult, length time.Duration) (reasons []string, service bool) {
	for i := range t.objectives {
		o := &t.objectives[i]
		if o.Metric == plan.PromQL {
			if text, missed, warning := t.promQL(ctx, o.Objective); missed {
				r.Missed, service = append(r.Missed, o.Text), true
				reasons = append(reasons, text)
			} else if warning != "" {
				r.Warnings = append(r.Warnings, warning)
			}
			continue
		}
		for _, k := range o.sel.checks {
			var was measure.CheckTotals
			if k < len(t.begin.checks) {
				was = t.begin.checks[k]
			}
			now := t.end.checks[k]
			o.sums.passed += now.Passed - was.Passed
			o.sums.checked += now.Passed + now.Failed - was.Passed - was.Failed
		}
		if met, text := carried(o.Objective, &o.sums, length); !met {
			r.Missed = append(r.Missed, o.Text)
			reasons = append(reasons, text)
			if met, _ := carried(o.Objective, &o.service, length); !met || !timed(o.Objective) {
				service = true
			}
		}
	}
	return reasons, service
}

// carried reports whether an objective is met for certain, and what it came to.
func carried(o *plan.Objective, s *sums, length time.Duration) (bool, string) {
	e := evaluate(o, s, length)
	if !e.hasValue {
		return true, "" // nothing of it was sent, or another reason says so
	}
	value := e.value
	if o.Metric == plan.Quantile && (o.Op == "<" || o.Op == "<=") && e.interval != nil {
		value = e.interval.High
		if math.IsInf(value, 1) {
			value = s.times.Max() // too few for a bound: as strict as can be
		}
	}
	if holds(o, value) {
		return true, ""
	}
	text := o.Text + ": " + Format(e.value, e.unit)
	if holds(o, e.value) {
		text += " (up to " + Format(value, e.unit) + ")"
	}
	return false, text
}

func (t *Trial) promQL(ctx context.Context, o *plan.Objective) (text string, missed bool, warning string) {
	left, _, held, err := t.compare(ctx, o)
	switch {
	case err != nil:
		return "", false, fmt.Sprintf("%s could not be asked, and was left out: %v", o.Text, err)
	case len(left) == 0 || slices.ContainsFunc(left, math.IsNaN):
		if o.Preset == "" {
			return "", false, o.Text + ": the store had no data for some trials, which were judged without it"
		}
		return "", false, ""
	case held:
		return "", false, ""
	}
	return o.Text + ": " + list(left, o.Unit), true, ""
}

func (t *Trial) compare(ctx context.Context, o *plan.Objective) (left, right []float64, held bool, err error) {
	if t.o.Querier == nil {
		return nil, nil, false, nil
	}
	length := t.o.To.Sub(t.o.From) + 2*time.Millisecond // as Judge.promQL
	return t.o.Querier.Compare(ctx, expand(o.PromQL, t.o.Run, length), t.o.To)
}

// Resource is what a server had in use in the window of a trial.
type Resource struct {
	Name         string
	Value, Limit float64
	Unit         string
}

// Resources asks the store what the servers had in use in the window. What no server shows is left out.
func (t *Trial) Resources(ctx context.Context, asked []plan.Objective) []Resource {
	var found []Resource
	for i := range asked {
		o := &asked[i]
		left, right, _, err := t.compare(ctx, o)
		if err != nil || len(left) == 0 || len(right) == 0 {
			continue
		}
		v, limit := slices.Max(left), right[0]
		if finite(v) && finite(limit) && limit > 0 {
			name := o.Text
			if o.Preset != "" {
				name = o.Preset + " (" + o.Source + ")"
			}
			found = append(found, Resource{Name: name, Value: v, Limit: limit, Unit: o.Unit})
		}
	}
	return found
}

// backlog says that the target did not keep up: work was due faster than it was done.
func (t *Trial) backlog(length time.Duration) string {
	if t.o.Test.Shape.Model != plan.Open {
		return ""
	}
	offered := t.o.Load * length.Seconds()
	allowed := shortfall*offered + 2 // an arrival at each end
	if t.o.Test.Shape.Poisson {
		allowed += 3 * math.Sqrt(offered)
	}
	added := float64(t.end.underway - t.begin.underway)
	if added <= allowed {
		return ""
	}
	return fmt.Sprintf("it kept up with %.1f%% of the arrivals", 100*max(0, 1-added/offered))
}

// slowed reports whether the target takes much longer than where it had no trouble.
func (t *Trial) slowed(r *TrialResult) bool {
	const much = 3
	return t.o.Usual > 0 && r.ServiceTime > much*t.o.Usual
}

// generator says why a failure may be the generator's doing, or "". slow is whether the target is to blame for being slow even
// from the moment of the send.
func (t *Trial) generator(slow, hung bool) string {
	var exhausted [protocol.Resources]uint64
	for i := range exhausted {
		exhausted[i] = t.end.account.exhausted[i] - t.begin.account.exhausted[i]
	}
	if what := ranOutOf(&exhausted); what != "" {
		return "the generator ran out of " + what
	}
	if t.finished > 0 && t.failed == t.finished {
		return "" // no lateness makes every request fail
	}
	allowed := maxLateness(t.o.Test.Objectives)
	late := t.end.account.lateness.Clone()
	late.Subtract(&t.begin.account.lateness)
	if p99 := late.Quantile(0.99); late.Count() > 0 && p99 > allowed.Seconds() {
		return fmt.Sprintf("the generator was late: p99 %s, allowed %s", Format(p99, "s"), Format(allowed.Seconds(), "s"))
	}
	t.strain.finish()
	if why := t.strain.cpu(allowed); why != "" {
		why, _, _ = strings.Cut(why, ";")
		return why
	}
	shape := &t.o.Test.Shape
	if shape.Model == plan.Open && t.waiting >= shape.MaxUsers && !slow && !hung {
		return fmt.Sprintf("all of max_users, %d, were at work while the target answered in time", shape.MaxUsers)
	}
	return ""
}
