package measure

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"tidegauge/engine/health"
	"tidegauge/engine/protocol"
)

// Recorder gathers what the users of one run observe. Its Shards are for the users, its Run for whoever started the run;
// the rest is safe for concurrent use.
//
// Each shard has a page that its users record on. At the end of an interval the recorder takes the pages away, leaves empty
// ones, and only then merges what it took; so recording never waits for a merge. A page is used again for the interval after
// the next. Memory is bounded by the names and by the range of the times measured, whatever the length of the run.
type Recorder struct {
	names    *Names
	interval time.Duration
	shards   []*Shard
	tables   tables
	users    []atomic.Int64
	atOnce   atomic.Int64 // users of all classes
	peak     atomic.Int64 // of atOnce since the last snapshot
	gauges   atomic.Pointer[Gauges]

	readHealth func() *health.Reading

	began   atomic.Bool
	started chan time.Time // has room for the one there is
	flushes chan chan<- struct{}
	ended   chan struct{}
}

// Options configure a Recorder. The zero value of each field is its default.
type Options struct {
	Shards      int           // default: GOMAXPROCS, at most 16
	Interval    time.Duration // default: 1 s
	MaxFailures int           // distinct rows in the table of failures and in that of exceptions; default 1,000
	// Health measures the generator; it is called once for each snapshot, and what it returns is not changed any more. nil: the
	// snapshots have no Health.
	Health func() *health.Reading
	Log    bool // snapshots have a Log, which takes 48 bytes for each request of an interval
}

const (
	maxShards          = 16 // of the default: beyond it, memory grows and contention hardly falls
	defaultInterval    = time.Second
	defaultMaxFailures = 1000
)

// New returns a recorder for a run with these names, which must not change any more. It starts nothing. A request whose
// class is not among the classes has no phases recorded.
func New(names *Names, o Options) *Recorder {
	if o.Shards <= 0 {
		o.Shards = min(runtime.GOMAXPROCS(0), maxShards)
	}
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.MaxFailures <= 0 {
		o.MaxFailures = defaultMaxFailures
	}
	r := &Recorder{
		names:    names,
		interval: o.Interval,
		tables:   tables{limit: o.MaxFailures},
		users:    make([]atomic.Int64, len(names.Classes)),
		started:  make(chan time.Time, 1),
		flushes:  make(chan chan<- struct{}),
		ended:    make(chan struct{}),

		readHealth: o.Health,
	}
	r.gauges.Store(&Gauges{})
	classOf := make([]int, len(names.Requests))
	for i, q := range names.Requests {
		classOf[i] = slices.Index(names.Classes, q.Class)
	}
	for range o.Shards {
		shard := &Shard{page: newTotals(names), classOf: classOf}
		if o.Log {
			shard.log = new(Log)
		}
		r.shards = append(r.shards, shard)
	}
	return r
}

// Shard returns the shard for the i-th user. What one user starts and finishes must go to one shard, so that no snapshot
// sees more finished than started.
func (r *Recorder) Shard(i int) *Shard { return r.shards[uint(i)%uint(len(r.shards))] }

// Fail adds a row to the table of failures (or counts one more of it). Off the hot path.
//
// When the table is full, what would be a new row is counted in the row of its request and outcome that has Other for its
// detail. Of a long detail the beginning is kept.
func (r *Recorder) Fail(request int, o protocol.Outcome, detail string, at time.Time) {
	r.tables.fail(request, o, detail, at)
}

// Except counts an expression of the plan that failed while running. When the table is full, what would be a new row is
// counted in the row of its task that has Other for its message.
func (r *Recorder) Except(class int, task, message string, at time.Time) {
	r.shards[0].except(class)
	r.tables.except(task, message, at)
}

// Gauges are the values of a run that are set, not counted.
type Gauges struct {
	Rate    float64
	Phase   string
	PhaseID int
	Planned time.Duration
}

// SetGauges replaces the gauges that the following snapshots show.
func (r *Recorder) SetGauges(g Gauges) { r.gauges.Store(&g) }

// AddUsers changes the number of running users of a class by d.
func (r *Recorder) AddUsers(class, d int) {
	r.users[class].Add(int64(d))
	now := r.atOnce.Add(int64(d))
	for peak := r.peak.Load(); now > peak && !r.peak.CompareAndSwap(peak, now); peak = r.peak.Load() {
	}
}

// Flush hands a snapshot to the sinks now, in the goroutine of Run: at a boundary between phases, so that what comes
// before and after can be told apart exactly. It returns when the sinks have it. Before Run has begun and after it has ended
// it does nothing; if Run ends meanwhile, it returns when the sinks have the final snapshot.
func (r *Recorder) Flush() {
	if !r.began.Load() {
		return
	}
	done := make(chan struct{})
	select {
	case r.flushes <- done:
	case <-r.ended:
		return
	}
	select {
	case <-done:
	case <-r.ended:
	}
}

// Started gives, once, the Start of every snapshot after the first: the load is to begin then. It does so when the sinks have
// the first one.
func (r *Recorder) Started() <-chan time.Time { return r.started }

// errRanBefore is what Run returns the second time.
var errRanBefore = errors.New("run recorder: it has run before and holds that run's counts; make another with New")

// Run hands a snapshot to every sink at once, then one at the end of each interval, and a final one when ctx ends; what is
// recorded after that is lost.
//
// Nobody knows how long the sinks take over the first snapshot, and the load has to wait for them. So the run starts at
// start or, if that has passed by then, when they all have it: see Started. Intervals that went by while the sinks were busy are not made up for: the next
// snapshot holds what came in all of them. It can be called once.
//
// It returns when the sinks have the final snapshot: for each sink that failed, the first of its errors and how many there
// were, joined.
func (r *Recorder) Run(ctx context.Context, start time.Time, sinks ...Sink) error {
	if !r.began.CompareAndSwap(false, true) {
		return errRanBefore
	}
	defer close(r.ended)

	s := newSeries(r, start, sinks)
	sinkContext := context.WithoutCancel(ctx)
	s.first(sinkContext)
	r.started <- s.start
	tick := time.NewTimer(s.untilNext())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.hand(sinkContext, true)
			return s.errors()
		case <-tick.C:
			s.hand(sinkContext, false)
			tick.Reset(s.untilNext())
		case done := <-r.flushes:
			s.hand(sinkContext, false)
			close(done)
		}
	}
}

// series is the snapshots of one run, one after the other.
type series struct {
	recorder *Recorder
	start    time.Time
	last     time.Time // of the last snapshot
	total    *Totals
	spares   []*Totals // one empty page for each shard
	logs     []*Log    // one empty log for each shard, or nil
	sinks    []Sink
	failed   []sinkErrors
	handed   int
	health   Health // as of the last snapshot
}

// sinkErrors are the errors of one sink.
type sinkErrors struct {
	first error
	at    time.Time
	count int
}

func newSeries(r *Recorder, start time.Time, sinks []Sink) *series {
	s := &series{
		recorder: r, start: start, last: start, total: newTotals(r.names),
		sinks: sinks, failed: make([]sinkErrors, len(sinks)),
	}
	for _, shard := range r.shards {
		s.spares = append(s.spares, newTotals(r.names))
		var log *Log
		if shard.log != nil {
			log = new(Log)
		}
		s.logs = append(s.logs, log)
	}
	return s
}

// untilNext returns how long it is to the next whole number of intervals since the start.
func (s *series) untilNext() time.Duration {
	i := s.recorder.interval
	since := time.Since(s.start)
	return max(since/i+1, 1)*i - since
}

// first hands on the snapshot of a run that is about to begin, so that every series starts at zero. The run starts when
// that is done.
func (s *series) first(ctx context.Context) {
	s.consume(ctx, &Snapshot{Time: s.start, Since: s.start, Total: s.total, Delta: s.spares[0], Log: s.logs[0]})
	if now := time.Now(); now.After(s.start) {
		s.start = now
	}
	s.last = s.start
}

// hand takes what was recorded since the last time and hands it on.
func (s *series) hand(ctx context.Context, final bool) {
	delta, log, traced := s.take()
	s.total.Merge(delta)
	// By the monotonic clock, which no correction of the wall clock moves.
	now := s.start.Add(time.Since(s.start))
	if now.Before(s.last) { // it began before its start
		now = s.last
	}
	s.consume(ctx, &Snapshot{Time: now, Since: s.last, Final: final, Total: s.total, Delta: delta, Log: log, Exemplars: traced.list()})
	s.last = now
	delta.reset()
	if log != nil {
		log.reset()
	}
}

// take leaves every shard an empty page and log and returns what is on the others, merged, and the exemplars. The result is
// also the first spare.
func (s *series) take() (*Totals, *Log, exemplars) {
	var all exemplars
	for i, shard := range s.recorder.shards {
		var traced exemplars
		s.spares[i], s.logs[i], traced = shard.swap(s.spares[i], s.logs[i])
		all.merge(traced)
	}
	delta, log := s.spares[0], s.logs[0]
	for i, page := range s.spares[1:] {
		delta.Merge(page)
		page.reset()
		if log != nil {
			log.append(s.logs[i+1])
			s.logs[i+1].reset()
		}
	}
	return delta, log, all
}

// consume completes a snapshot and gives it to each sink.
func (s *series) consume(ctx context.Context, snap *Snapshot) {
	r, g := s.recorder, s.recorder.gauges.Load()
	snap.Start, snap.Names = s.start, r.names
	snap.Rate, snap.Phase, snap.PhaseID, snap.Planned = g.Rate, g.Phase, g.PhaseID, g.Planned
	now := r.atOnce.Load()
	snap.PeakUsers = int(max(now, r.peak.Swap(now)))
	snap.Users = make([]int, len(r.users))
	for i := range r.users {
		snap.Users[i] = int(r.users[i].Load())
	}
	snap.Failures, snap.Exceptions = r.tables.rows()
	if r.readHealth != nil {
		now := r.readHealth()
		if s.health.Start == nil {
			s.health = Health{now, now, now}
		}
		s.health.Since, s.health.Now = s.health.Now, now
		snap.Health = s.health
	}
	s.handed++
	for i, sink := range s.sinks {
		if err := sink.Consume(ctx, snap); err != nil {
			f := &s.failed[i]
			f.count++
			if f.count == 1 {
				f.first, f.at = err, snap.Time
			}
		}
	}
}

// errors returns what the sinks returned.
func (s *series) errors() error {
	var errs []error
	for i, f := range s.failed {
		if f.count > 0 {
			errs = append(errs, fmt.Errorf("hand measurements to %T: %d of %d snapshots failed, the first at %s: %w",
				s.sinks[i], f.count, s.handed, f.at.Format(time.RFC3339), f.first))
		}
	}
	return errors.Join(errs...)
}
