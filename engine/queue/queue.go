// Package queue runs tests one after the other: those that somebody asks for and those of a schedule.
//
// One run at a time, whatever its target: two runs on one machine measure each other. A request is checked when it is made,
// against the plan as it is then and against the Limits, which no plan and no request can widen.
package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"tidegauge/engine/experiment"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/run"
)

const (
	maxWaiting = 100 // jobs
	maxOver    = 100 // jobs that are over and still known
	haltEvery  = 5 * time.Second
	haltWithin = 4 * time.Second
)

// The errors of requests.
var (
	ErrNoPlan   = errors.New("there is no plan")
	ErrBroken   = errors.New("the plan is broken")
	ErrSent     = errors.New("the plan that was sent is wrong")
	ErrRequest  = errors.New("the request does not fit the plan")
	ErrFull     = errors.New("too many runs are waiting")
	ErrBlackout = errors.New("no run starts in a blackout window")
	ErrNoJob    = errors.New("there is no job")
	ErrOver     = errors.New("the job is over")
	ErrEnding   = errors.New("the daemon is ending")
)

// Settings are what a configuration says; they can be replaced while the queue runs.
type Settings struct {
	Limits    Limits
	Schedules []Schedule
	Blackouts []Blackout
}

// Options say what a queue works with.
type Options struct {
	Run       func(ctx context.Context, o experiment.Options) (*report.Report, error) // as experiment.Lab
	Plans     *Plans
	SentDir   string // for plans that come with a request; emptied by New. Empty: none do
	ParseSent ParseSent
	Firing    func(ctx context.Context, expr string) (bool, error) // whether an expression of Limits.Halt has a result
	Settings  Settings
	StateFile string        // keeps over restarts what became of the schedule; empty: nothing does
	EndWithin time.Duration // how long a run may take to end gracefully when the queue ends; then it is cut. Default 20 s
	Logger    *slog.Logger  // default: discard
}

// Queue runs tests. Safe for concurrent use.
type Queue struct {
	o    Options
	wake chan struct{} // something is to be done by the worker
	tick chan struct{} // the timetable has changed

	mu        sync.Mutex
	settings  Settings
	jobs      []*job // the oldest first
	timetable []*timetable
	states    map[string]saved
	ending    bool
}

// New returns a queue. It starts nothing.
func New(o Options) *Queue {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.EndWithin == 0 {
		o.EndWithin = 20 * time.Second
	}
	q := &Queue{o: o, wake: make(chan struct{}, 1), tick: make(chan struct{}, 1)}
	var err error
	if q.states, err = loadState(o.StateFile); err != nil {
		o.Logger.Warn(err.Error())
	}
	q.clearSent()
	q.Configure(o.Settings)
	return q
}

// Configure replaces the settings. A run that is going on keeps the limits it was started with, but not the blackouts.
func (q *Queue) Configure(s Settings) {
	s.Limits = s.Limits.clone()
	q.mu.Lock()
	defer q.mu.Unlock()
	before := q.timetable
	q.settings, q.timetable = s, nil
	now := wall()
	for _, one := range s.Schedules {
		t := &timetable{Schedule: one, last: now, counts: map[string]uint64{}}
		if old, ok := q.states[one.Name]; ok {
			t.last, t.lastStart, t.outstanding = old.Last, old.LastStart, old.Outstanding
		}
		if i := slices.IndexFunc(before, func(b *timetable) bool { return b.Name == one.Name }); i >= 0 {
			t.counts, t.job = before[i].counts, before[i].job
		}
		t.advance()
		q.timetable = append(q.timetable, t)
	}
	q.save()
	notify(q.tick)
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wall returns the time by the clock on the wall, which schedules go by.
func wall() time.Time { return time.Now().Round(0) }

// save keeps how the timetable stands. The caller holds mu.
func (q *Queue) save() {
	q.states = map[string]saved{}
	for _, t := range q.timetable {
		q.states[t.Name] = saved{t.last, t.lastStart, t.outstanding}
	}
	if err := saveState(q.o.StateFile, q.states); err != nil {
		q.o.Logger.Error(err.Error())
	}
}

// Run works until ctx ends. A run that is going on then is ended gracefully, and cut when that takes too long; what waits is
// given up.
func (q *Queue) Run(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	working.Go(func() { q.keepTime(ctx) })
	for {
		if j := q.next(ctx); j != nil {
			q.run(ctx, j)
			continue
		}
		select {
		case <-ctx.Done():
			q.giveUp()
			return
		case <-q.wake:
		}
	}
}

// next returns the oldest job that waits, or nil.
func (q *Queue) next(ctx context.Context) *job {
	if ctx.Err() != nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range q.jobs {
		if s, _ := j.now(); s.State == Waiting {
			return j
		}
	}
	return nil
}

func (q *Queue) giveUp() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ending = true
	for _, j := range q.jobs {
		j.update(func(s *Status) {
			if s.State == Waiting {
				s.State, s.Ended, s.Error = Failed, time.Now(), ErrEnding.Error()
			}
		})
		q.drop(j)
	}
}

// keepTime starts what is due until ctx ends.
func (q *Queue) keepTime(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.tick:
		case <-timer.C:
		}
		timer.Reset(q.startDue())
	}
}

// startDue starts what is due, and returns how long there is nothing to do.
func (q *Queue) startDue() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	sleep, acted := checkEvery, false
	for _, t := range q.timetable {
		now := wall()
		if !t.at.After(now) {
			q.due(t, now)
			acted = true
		}
		sleep = min(sleep, max(t.at.Sub(now), 0))
	}
	if acted {
		q.save()
	}
	return sleep
}

// due deals with the moments of a timetable until now. The caller holds mu.
func (q *Queue) due(t *timetable, now time.Time) {
	first, missed := t.due, 0
	onTime := now.Sub(t.at) <= late
	for {
		t.last = t.due
		if t.advance(); t.due.After(now) || missed == 1000 {
			break
		}
		missed++
	}
	if missed == 1000 { // of a schedule that slept for long
		t.last = now
		t.advance()
	}
	log := q.o.Logger.With("schedule", t.Name, "due", first)
	became := func(what string, answered bool, why error) {
		t.counts[what]++
		if !answered && t.outstanding.IsZero() {
			t.outstanding = first
		}
		log.Warn("a scheduled run does not start", "reason", what, "error", why)
	}
	t.counts[Missed] += uint64(missed)
	_, black := q.blackout(now)
	busy := false
	if t.job != nil {
		s, _ := t.job.now()
		busy = !s.Over()
	}
	switch {
	case black:
		became(Blacked, true, nil)
	case busy:
		became(Overlap, false, nil)
	case !onTime && !t.CatchUp:
		became(Missed, false, nil)
	default:
		j, err := q.enqueue(Request{Plan: t.Plan, Test: t.Test, Parameters: t.Parameters, Labels: t.Labels, By: "schedule " + t.Name, Schedule: t.Name})
		if err != nil {
			became(Refused, false, err)
			return
		}
		t.job = j
		log.Info("a scheduled run is due", "job", j.status.ID)
	}
}

// blackout reports whether a window is open, and until when. The caller holds mu.
func (q *Queue) blackout(now time.Time) (until time.Time, ok bool) {
	for i := range q.settings.Blackouts {
		if u, active := q.settings.Blackouts[i].active(now); active {
			if ok = true; u.After(until) {
				until = u
			}
		}
	}
	return until, ok
}

// Start asks for a run. It returns the job, which waits for those before it.
func (q *Queue) Start(r Request) (Status, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if until, black := q.blackout(wall()); black {
		return Status{}, fmt.Errorf("%w: it is open until %s", ErrBlackout, until.Format(time.RFC3339))
	}
	j, err := q.enqueue(r)
	if err != nil {
		return Status{}, err
	}
	s, _ := j.now()
	return s, nil
}

// Replace asks for a run, in place of one that the same somebody asked for and that still waits.
func (q *Queue) Replace(r Request) (Status, error) {
	s, err := q.Start(r)
	if err != nil {
		return s, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range q.jobs {
		if j.request.By != r.By || j.status.ID == s.ID {
			continue
		}
		gone := false
		j.update(func(old *Status) {
			if gone = old.State == Waiting; gone {
				old.State, old.Ended, old.Error = Failed, time.Now(), "given up for job "+s.ID
			}
		})
		if gone {
			q.drop(j)
		}
	}
	return s, nil
}

// RunSchedule asks for a run as a schedule has it, now.
func (q *Queue) RunSchedule(name, by string) (Status, error) {
	q.mu.Lock()
	i := slices.IndexFunc(q.timetable, func(t *timetable) bool { return t.Name == name })
	if i < 0 {
		q.mu.Unlock()
		return Status{}, fmt.Errorf("%w: no schedule %q", ErrNoJob, name)
	}
	t := q.timetable[i]
	q.mu.Unlock()
	return q.Start(Request{Plan: t.Plan, Test: t.Test, Parameters: t.Parameters, Labels: t.Labels, By: by, Schedule: name})
}

// enqueue checks a request and puts it at the end. The caller holds mu.
func (q *Queue) enqueue(r Request) (*job, error) {
	if q.ending {
		return nil, ErrEnding
	}
	waiting := 0
	for _, j := range q.jobs {
		if s, _ := j.now(); s.State == Waiting {
			waiting++
		}
	}
	if waiting >= maxWaiting {
		return nil, ErrFull
	}
	p, folder, err := q.open(&r)
	if err != nil {
		return nil, err
	}
	j, err := q.newJob(r, p)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	j.folder = folder
	q.jobs = append(q.jobs, j)
	q.forget()
	notify(q.wake)
	return j, nil
}

// open reads the plan of a request, from the folder or as it was sent; folder is that of the latter.
func (q *Queue) open(r *Request) (p *plan.Plan, folder string, err error) {
	if r.Sent != nil {
		return q.openSent(r)
	}
	p, err = q.o.Plans.Open(r.Plan, r.Parameters)
	return p, "", err
}

// newJob makes a job of a request, if it may be done. The caller holds mu.
func (q *Queue) newJob(r Request, p *plan.Plan) (*job, error) {
	if err := p.AddLabels(r.Labels); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	test, err := p.Override(r.Test, r.Overrides)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if err := q.settings.Limits.Check(p, test); err != nil {
		return nil, err
	}
	j := &job{request: r, plan: p, test: test, control: new(experiment.Control), cut: make(chan struct{}), changed: make(chan struct{})}
	j.status = Status{
		ID: strconv.FormatUint(uint64(time.Now().Unix()), 36) + strconv.FormatUint(rand.Uint64N(1<<20)+1<<20, 36), State: Waiting, Plan: cmp.Or(r.Plan, p.Name), Test: test.Name, Labels: r.Labels,
		By: r.By, Schedule: r.Schedule, Asked: time.Now(),
	}
	if test.Search != nil {
		j.status.AtMost = test.Search.Budget.Seconds()
	}
	r.Sent = nil // it is in the folder
	j.request = r
	return j, nil
}

// forget lets go of the oldest jobs that are over. The caller holds mu.
func (q *Queue) forget() {
	over := 0
	for _, j := range slices.Backward(q.jobs) {
		if s, _ := j.now(); s.Over() {
			over++
		}
	}
	q.jobs = slices.DeleteFunc(q.jobs, func(j *job) bool {
		s, _ := j.now()
		if !s.Over() || over <= maxOver {
			return false
		}
		over--
		return true
	})
}

// Jobs returns what is going on, waits, or was over of late, the newest first.
func (q *Queue) Jobs() []Status {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := make([]Status, 0, len(q.jobs))
	for _, j := range slices.Backward(q.jobs) {
		s, _ := j.now()
		all = append(all, s)
	}
	return all
}

func (q *Queue) find(id string) (*job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range q.jobs {
		if j.status.ID == id {
			return j, nil
		}
	}
	return nil, fmt.Errorf("%w %q", ErrNoJob, id)
}

// Job returns a job, and a channel that is closed when it stands otherwise.
func (q *Queue) Job(id string) (Status, <-chan struct{}, error) {
	j, err := q.find(id)
	if err != nil {
		return Status{}, nil, err
	}
	s, changed := j.now()
	return s, changed, nil
}

// Stop ends a job: one that waits is given up, one that runs ends gracefully or, with now, cuts what is under way.
func (q *Queue) Stop(id, by string, now bool) error {
	j, err := q.find(id)
	if err != nil {
		return err
	}
	err = ErrOver
	given := false
	j.update(func(s *Status) {
		switch s.State {
		case Waiting:
			s.State, s.Ended, s.Error, err = Failed, time.Now(), "given up by "+by, nil
			given = true
		case Running:
			err = nil
		}
	})
	if given {
		q.drop(j)
	}
	j.control.Stop("by " + by)
	if now {
		j.cutOnce.Do(func() { close(j.cut) })
	}
	return err
}

// SetRate changes the load of a job that runs, as SetUsers, Pause and Resume do; see experiment.Control. The ceilings hold here too.
func (q *Queue) SetRate(id, by string, rate float64) error {
	return q.change(id, func(j *job, l *Limits) error {
		if l.Rate > 0 && rate > l.Rate {
			return fmt.Errorf("%w: %g arrivals/s, the ceiling is %g/s", ErrLimit, rate, l.Rate)
		}
		return j.control.SetRate(by, rate)
	})
}

// SetUsers is described at SetRate.
func (q *Queue) SetUsers(id, by string, users int) error {
	return q.change(id, func(j *job, l *Limits) error {
		if l.Users > 0 && users > l.Users {
			return fmt.Errorf("%w: %d users, the ceiling is %d", ErrLimit, users, l.Users)
		}
		return j.control.SetUsers(by, users)
	})
}

// Add changes the load by an amount of users or arrivals per second, as described at SetRate.
func (q *Queue) Add(id, by string, amount float64) error {
	return q.change(id, func(j *job, l *Limits) error {
		most := l.Rate
		if j.test.Shape.Model == plan.Closed {
			most = float64(l.Users)
		}
		err := j.control.Add(by, amount, most)
		if errors.Is(err, run.ErrMost) {
			err = fmt.Errorf("%w: %w", ErrLimit, err)
		}
		return err
	})
}

// Pause is described at SetRate.
func (q *Queue) Pause(id, by string) error {
	return q.change(id, func(j *job, _ *Limits) error { return j.control.Pause(by) })
}

// Resume is described at SetRate.
func (q *Queue) Resume(id, by string) error {
	return q.change(id, func(j *job, _ *Limits) error { return j.control.Resume(by) })
}

func (q *Queue) change(id string, do func(*job, *Limits) error) error {
	j, err := q.find(id)
	if err != nil {
		return err
	}
	if s, _ := j.now(); s.Over() {
		return ErrOver
	}
	q.mu.Lock()
	limits := q.settings.Limits
	q.mu.Unlock()
	return do(j, &limits)
}

// Schedules returns how the schedules stand.
func (q *Queue) Schedules() []ScheduleState {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := make([]ScheduleState, 0, len(q.timetable))
	for _, t := range q.timetable {
		all = append(all, ScheduleState{
			Name: t.Name, Plan: t.Plan, Test: t.Test, Cron: t.Cron.Text, Next: t.at, LastStart: t.lastStart, Outstanding: t.outstanding,
			Counts: maps.Clone(t.counts),
		})
	}
	return all
}
