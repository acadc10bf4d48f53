package experiment

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/run"
	"tidegauge/engine/search"
	"tidegauge/engine/verdict"
)

const (
	drainEvery = 100 * time.Millisecond // looks at what is under way
	drainSlack = 5 * time.Second        // beyond the timeout of a request, in which nothing ends
	mostDrain  = 2 * time.Minute
	mostCool   = 30 * time.Second // at the lowest load, until response times are what they were
	coolFactor = 1.5              // times the usual p95 is as it was
	coolSample = 20               // requests that tell
	askWithin  = 10 * time.Second // the store, after a trial

	// generatorTries is how often a load is tried that the generator does not make: what disturbs it may pass, and the search
	// asks for no load as high again.
	generatorTries = 3
	// earlyShare of a trial is over before it may be ended as hopeless.
	earlyShare = 5

	phaseWarmUp = "warm-up"
	phaseCool   = "cool-down"
)

// explorer finds the load at which the target breaks: in trials of one run, one load after the other. It is a measure.Sink.
type explorer struct {
	e        *experiment
	test     *plan.Test
	plan     *plan.Search
	control  run.Control
	recorder *measure.Recorder
	names    *measure.Names
	begun    chan time.Time // receives when the load begins
	over     chan struct{}  // closed when the run is
	news     chan struct{}  // has room for one: there was a snapshot
	tell     func(string)

	mu       sync.Mutex
	active   []*verdict.Trial
	underway int64 // iterations
	recent   measure.Sum

	// For the goroutine of explore, and after it.
	start    time.Time
	search   *search.Search
	steps    *search.Steps
	stopped  bool   // before it was over
	budget   string // why no further trial had room
	trials   []answer.StressTrial
	p95      []float64 // of the trials that passed
	usual    float64   // median service time of the first that passed
	warnings []string
}

// newExplorer returns one for a test that has a search.
func newExplorer(e *experiment, recorder *measure.Recorder, names *measure.Names, tell func(string)) (*explorer, error) {
	x := &explorer{
		e: e, test: e.o.Test, plan: e.o.Test.Search, recorder: recorder, names: names, tell: tell,
		begun: make(chan time.Time, 1), over: make(chan struct{}), news: make(chan struct{}, 1),
	}
	if x.tell == nil {
		x.tell = func(string) {}
	}
	var err error
	if s := x.plan; s.Steps() {
		x.steps, err = search.NewSteps(search.StepOptions{Start: s.From, Add: s.Add, Highest: s.To})
	} else {
		x.search, err = search.New(search.Options{
			Lowest: s.From, Highest: s.To, Whole: x.users(), Width: s.Width, Trials: s.Trials,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPlan, err)
	}
	return x, nil
}

func (x *explorer) users() bool { return x.test.Shape.Model == plan.Closed }

// shape returns the load that the run begins with.
func (x *explorer) shape() plan.Shape {
	s := x.test.Shape
	if x.steps != nil {
		s.Stages = x.climbing(0)
	} else {
		load, _, _ := x.search.Next()
		s.Stages = x.stages(1, load, 0)
	}
	return s
}

// length is how long a trial takes at least.
func (x *explorer) length() time.Duration { return x.plan.WarmUp + x.plan.Trial }

// stages are those of a trial that begins so long after the start, and of the silence after it.
func (x *explorer) stages(n int, load float64, at time.Duration) []plan.Stage {
	stages := []plan.Stage{
		{From: load, To: load, Over: x.plan.WarmUp, Phase: phaseWarmUp},
		{From: load, To: load, Over: x.plan.Trial, Phase: fmt.Sprintf("trial %d", n)},
		x.silence(at + x.length()),
	}
	if x.plan.WarmUp == 0 {
		stages = stages[1:]
	}
	return stages
}

// silence lasts until the search has to be over, whatever happens.
func (x *explorer) silence(at time.Duration) plan.Stage {
	return plan.Stage{Over: max(x.plan.Budget-at, 0) + mostDrain + mostCool, Phase: phaseCool}
}

// Consume implements measure.Sink.
func (x *explorer) Consume(_ context.Context, s *measure.Snapshot) error {
	x.mu.Lock()
	b := s.Total.IterationBooks()
	x.underway = int64(b.Intended) - int64(b.Dropped+b.Finished+b.Cut)
	sum := s.Delta.Sum(s.Names, nil)
	x.recent.ResponseTime.Merge(&sum.ResponseTime)
	for _, t := range x.active {
		t.Consume(s)
	}
	x.mu.Unlock()
	select {
	case x.news <- struct{}{}:
	default:
	}
	return nil
}

// locked runs f while no snapshot is handed on.
func (x *explorer) locked(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f()
}

// await waits until a moment, or until done says so, which is asked at each snapshot. It returns false when the run is being
// ended before.
func (x *explorer) await(until time.Time, done func() bool) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	for {
		select {
		case <-x.e.stop:
			return false
		case <-x.over:
			return false
		case <-timer.C:
			return true
		case <-x.news:
			var ended bool
			if x.locked(func() { ended = done != nil && done() }); ended {
				return true
			}
		}
	}
}

// explore tries loads until it is known where the target breaks, then ends the run. It returns when that is done, or when
// the run has ended.
func (x *explorer) explore(ctx context.Context, started chan<- time.Time) {
	select {
	case x.start = <-x.begun:
		started <- x.start
	case <-x.over:
		return
	}
	if x.steps != nil {
		x.climb(ctx)
	} else {
		x.seek(ctx)
	}
	_, _ = x.control.Follow([]plan.Stage{{Over: time.Millisecond, Phase: "end"}}) // an error: it has ended already
}

// seek is a search.
func (x *explorer) seek(ctx context.Context) {
	again := 0
	for n := 1; ; n++ {
		load, phase, ok := x.search.Next()
		if !ok {
			return
		}
		if at := time.Since(x.start); n > 1 && at+x.length() > x.plan.Budget {
			x.budget = fmt.Sprintf("%s took %v, and the budget of %v has no room for another", plural(n-1, "trial"), at.Round(time.Second), x.plan.Budget)
			return
		}
		x.announce(n, load, phase)
		began, at := time.Now(), time.Duration(0)
		if n > 1 {
			var err error
			if at, err = x.control.Follow(x.stages(n, load, time.Since(x.start))); err != nil {
				x.stopped = true
				return
			}
		}
		r, ok := x.try(ctx, load, x.start.Add(at))
		if !ok {
			x.stopped = true
			return
		}
		outcome := x.note(load, string(phase), r)
		if outcome == search.Generator {
			if again++; again < generatorTries {
				continue
			}
		}
		again = 0
		if outcome == search.Failed && !x.cool() {
			x.stopped = true
		}
		if err := x.search.Record(load, outcome, time.Since(began)); err != nil {
			x.warnings = append(x.warnings, err.Error())
			return
		}
		if x.stopped {
			return
		}
	}
}

// announce says what is about to be tried, and what is known.
func (x *explorer) announce(n int, load float64, phase search.Phase) {
	unit := "/s"
	if x.users() {
		unit = " users"
	}
	text := fmt.Sprintf("trial %d: %.4g%s (%s)", n, load, unit, phase)
	r := x.result()
	switch {
	case r.Capacity > 0:
		text += fmt.Sprintf(", breaks at about %.4g%s, 90%% interval %.4g to %.4g", r.Capacity, unit, r.Low, r.High)
	case r.Lower > 0 && r.Upper > 0:
		text += fmt.Sprintf(", between %.4g and %.4g", r.Lower, r.Upper)
	case r.Lower > 0:
		text += fmt.Sprintf(", above %.4g", r.Lower)
	}
	x.tell(text)
}

func (x *explorer) result() search.Result {
	if x.steps != nil {
		return x.steps.Result()
	}
	return x.search.Result()
}

// trial returns one that begins at a moment, and has it fed.
func (x *explorer) trial(load float64, began time.Time) *verdict.Trial {
	from := began.Add(x.plan.WarmUp)
	t := verdict.NewTrial(verdict.TrialOptions{
		Plan: x.e.o.Plan, Test: x.test, Run: x.e.identity.ID, Querier: x.e.lab.Store,
		From: from, To: from.Add(x.plan.Trial), Load: load, Usual: x.usual,
	}, x.names)
	x.locked(func() { x.active = append(x.active, t) })
	return t
}

// judge takes a trial that is over; left is how many of its iterations are under way still.
func (x *explorer) judge(ctx context.Context, t *verdict.Trial, left int64) (r verdict.TrialResult) {
	ctx, done := context.WithTimeout(ctx, askWithin)
	defer done()
	x.locked(func() {
		x.active = slices.DeleteFunc(x.active, func(other *verdict.Trial) bool { return other == t })
	})
	r = t.Judge(ctx, left)
	if p := x.e.o.Plan; len(p.WatchedJobs()) > 0 {
		r.Resources = t.Resources(ctx, p.Limits())
	}
	return r
}

// try has a trial that began at a moment, and waits until nothing of it is under way; false: the run is being ended.
func (x *explorer) try(ctx context.Context, load float64, began time.Time) (r verdict.TrialResult, ok bool) {
	t := x.trial(load, began)
	end := began.Add(x.length())
	soonest := began.Add(x.plan.WarmUp + x.plan.Trial/earlyShare)
	hopeless := false
	if !x.await(end, func() bool {
		hopeless = !time.Now().Before(soonest) && time.Now().Before(end) && t.Hopeless()
		return hopeless
	}) {
		return r, false
	}
	if hopeless {
		x.locked(func() { t.Stop(time.Now()) })
		if _, err := x.control.Follow([]plan.Stage{x.silence(time.Since(x.start))}); err != nil {
			return r, false
		}
	}
	left, ok := x.drain()
	if !ok {
		return r, false
	}
	return x.judge(ctx, t, left), true
}

// drain waits until nothing is under way, or nothing ends any more. It returns what is left; false: the run is being ended.
func (x *explorer) drain() (left int64, ok bool) {
	patience := x.e.o.Plan.Target.Timeout + drainSlack
	x.recorder.Flush()
	x.locked(func() { left = x.underway })
	last, limit := time.Now(), time.Now().Add(mostDrain)
	for left > 0 && time.Since(last) < patience && time.Now().Before(limit) {
		if !x.await(time.Now().Add(drainEvery), nil) {
			return left, false
		}
		x.recorder.Flush()
		before := left
		if x.locked(func() { left = x.underway }); left < before {
			last = time.Now()
		}
	}
	return left, true
}

// note keeps what a trial came to.
func (x *explorer) note(load float64, stage string, r verdict.TrialResult) search.Outcome {
	outcome := search.Failed
	switch {
	case r.Passed:
		outcome = search.Passed
		x.p95 = append(x.p95, r.P95)
		if x.usual == 0 {
			x.usual = r.ServiceTime
		}
	case r.Generator:
		outcome = search.Generator
	}
	t := answer.StressTrial{Missed: r.Missed, Trial: answer.Trial{
		Load: load, From: r.From, To: r.To, Outcome: string(outcome), Stage: stage, Reason: r.Reason,
		Rate: r.Rate, Goodput: r.Goodput, P50: r.P50, P95: r.P95, P99: r.P99, Failures: r.Failures,
	}}
	for _, s := range r.Resources {
		t.Servers = append(t.Servers, answer.ServerValue{Name: s.Name, Value: s.Value, Limit: &s.Limit, Unit: s.Unit})
	}
	x.trials = append(x.trials, t)
	x.warnings = append(x.warnings, r.Warnings...)
	return outcome
}

// cool has the target at the lowest load until its response times are what they were; false: the run is being ended.
func (x *explorer) cool() bool {
	if len(x.p95) == 0 {
		return true // they never were good
	}
	usual := slices.Clone(x.p95)
	slices.Sort(usual)
	band := coolFactor * usual[len(usual)/2]
	low := x.plan.From
	at, err := x.control.Follow([]plan.Stage{{From: low, To: low, Over: mostCool, Phase: phaseCool}, x.silence(time.Since(x.start))})
	if err != nil {
		return false
	}
	x.locked(func() { x.recent = measure.Sum{} })
	well := false
	for limit := x.start.Add(at + mostCool); !well && time.Now().Before(limit); {
		if !x.await(time.Now().Add(2*drainEvery), nil) {
			return false
		}
		x.recorder.Flush()
		x.locked(func() {
			if x.recent.ResponseTime.Count() >= coolSample {
				well = x.recent.ResponseTime.Quantile(0.95) <= band
				x.recent = measure.Sum{}
			}
		})
	}
	if !well {
		x.warnings = append(x.warnings, fmt.Sprintf("after a load that was too much, p95 at the lowest load was not back at %s within %v: the trials after it may have found a target that had not recovered",
			verdict.Format(band, "s"), mostCool))
	}
	return true
}

// answer answers what the trials came to.
func (x *explorer) answer() *answer.Answer {
	in := answer.StressInput{
		Result: x.result(), Users: x.users(), Steps: x.steps != nil, Highest: x.plan.To, Stopped: x.stopped, Trials: x.trials, Warnings: x.warnings,
	}
	if x.budget != "" {
		in.Result.Stop, in.Result.Reason = search.OutOfBudget, x.budget
	}
	return answer.Stress(in)
}

func plural(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// explore has a test that searches find its own load: it changes what the run is to do, and the end that it returns waits for
// the search when the run is over.
func (e *experiment) explore(ctx context.Context, o *run.Options) (end func(), err error) {
	if e.o.Test.Search == nil {
		return func() {}, nil
	}
	x, err := newExplorer(e, o.Recorder, o.Mix.Names(), e.o.Tell)
	if err != nil {
		return nil, err
	}
	e.explorer = x
	started := e.started
	o.Shape, o.Control, o.Started = x.shape(), &x.control, x.begun
	o.Sinks = append([]measure.Sink{x}, o.Sinks...)
	o.Sinks[0], o.Sinks[1] = o.Sinks[1], o.Sinks[0] // the store has a snapshot before a trial that asks it
	var exploring sync.WaitGroup
	exploring.Go(func() { x.explore(ctx, started) })
	return func() {
		close(x.over)
		exploring.Wait()
	}, nil
}
