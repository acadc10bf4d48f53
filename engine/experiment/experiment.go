// Package experiment carries one test from start to verdict.
package experiment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"

	"tidegauge/engine/compare"
	"tidegauge/engine/document"
	"tidegauge/engine/event"
	"tidegauge/engine/fault"
	"tidegauge/engine/fault/tcp"
	"tidegauge/engine/fault/webfault"
	"tidegauge/engine/health"
	"tidegauge/engine/history"
	"tidegauge/engine/host"
	"tidegauge/engine/interval"
	"tidegauge/engine/measure"
	"tidegauge/engine/outlet"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/run"
	"tidegauge/engine/scrape"
	"tidegauge/engine/store"
	"tidegauge/engine/telemetry"
	"tidegauge/engine/timeline"
	"tidegauge/engine/trace"
	"tidegauge/engine/user"
	"tidegauge/engine/verdict"
)

const (
	// endWithin is how long judging a run may take, and then again its last writes.
	endWithin = 20 * time.Second
	// summaryWidth is that of the summary kept in the run's folder.
	summaryWidth = 100
)

// ErrStorage is the error of a run whose measurements could not all be kept; if it had begun there is a report all the same.
var ErrStorage = errors.New("not everything measured can be kept")

// ErrPlan is the error of a test that cannot be run as the plan has it. Nothing was sent.
var ErrPlan = errors.New("the plan cannot be run")

// Lab is where experiments take place: the store and the history they are kept in. Its fields are not changed while an
// experiment runs. One experiment at a time.
type Lab struct {
	Store         *store.Store
	History       *history.History
	Version       string      // of tidegauge
	Outlets       *outlet.Set // to other stores; running, with the queues that follow. nil: there are none
	Spans         []*outlet.Queue[trace.Span]
	Events        []*outlet.Queue[event.Event]
	ScrapeChanged func(now, before scrape.State) // told of what plans scrape, as scrape.Options say; nil: nobody is told
	Expose        func(telemetry.Gatherer)       // given the metrics of each run as it starts; nil: nobody pulls
	Logger        *slog.Logger                   // of scraping and faults; default: discard

	// FaultDir is where the journal of faults is kept, for the next start after a process that was killed; see fault.Restore.
	// AllowedHooks are the commands and URLs that plans may break things with. Empty: none.
	FaultDir     string
	AllowedHooks fault.Allowed

	Listen string                // where this process answers: no server under test; empty: nowhere
	Always func() *document.Jobs // what is scraped always, into the same store; nil: nothing
	// AlwaysHost is what is read of this machine always, into the same store; nil: nothing.
	AlwaysHost *host.Options

	shown *telemetry.Provider // of the last run: it can be pulled until the next begins
}

// Close releases what the last experiment left to be pulled.
func (l *Lab) Close(ctx context.Context) error { return l.show(ctx, nil) }

func (l *Lab) log() *slog.Logger {
	if l.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l.Logger
}

// log is the lab's log, with the run on each line.
func (e *experiment) log() *slog.Logger { return e.lab.log().With("run", e.identity.ID) }

func (l *Lab) show(ctx context.Context, p *telemetry.Provider) error {
	before := l.shown
	l.shown = p
	if before == nil {
		return nil
	}
	return before.Shutdown(ctx)
}

// Options say what to run.
type Options struct {
	Plan  *plan.Plan
	Test  *plan.Test
	Seed  uint64          // of everything random; 0: the plan's, or a new one, which the report names
	Sinks []measure.Sink  // beside the lab's own, called after them
	Stop  <-chan struct{} // when closed, the run ends gracefully
	Tell  func(string)    // given a line about each trial of a search as it begins; must return at once; nil: nobody wants to know
	// Control, if there is one, changes the run while it lasts.
	Control *Control
	// Permit is asked before every connection of the load, with HOST:PORT; what it refuses is not dialled. nil: all is permitted.
	Permit func(address string) error
	// Begun is told the id of the run when all is prepared, before anything is sent; nil: nobody wants to know.
	Begun func(id string)

	Subject Subject // what is under test; empty: nobody knows
	RerunOf string  // the run that this one is to confirm; empty: none
}

// Run makes the load of a test, breaks what the test has faults for, keeps what it measures and judges it. It returns when all
// of that is done and every fault is undone.
//
// What the target does wrong is in the report. An error without a report says why the test could not be run; one with a
// report (ErrStorage) says what of it could not be kept. When ctx ends, what is under way is cut and the rest is as always.
func (l *Lab) Run(ctx context.Context, o Options) (*report.Report, error) {
	seed := o.Seed
	if seed == 0 {
		seed = o.Plan.Seed
	}
	for seed == 0 {
		seed = rand.Uint64()
	}
	meta := report.MetaOf(o.Plan, o.Test)
	meta.Version, meta.Seed = l.Version, seed
	o.Subject = o.Subject.or(labelled(o.Plan.Labels))
	meta.TargetVersion, meta.Commit, meta.Branch = o.Subject.Version, o.Subject.Commit, o.Subject.Branch
	identity := &event.Run{Plan: meta.Plan, Test: meta.Test, Labels: meta.Labels}
	users := user.Options{Seed: seed, Tracer: l.tracer(&o, seed, identity), Permit: o.Permit}
	var blocks *turns
	began := new(atomic.Pointer[time.Time]) // the load; known from the first interval on, which is of no block that counts
	if o.Test.Against != "" {
		var err error
		if blocks, err = newTurns(o.Test, seed); err != nil {
			return nil, err
		}
		users.Turn = func(due time.Time) bool {
			start := began.Load()
			return start != nil && blocks.at(due.Sub(*start))
		}
	}
	mix, err := user.NewMix(o.Plan, o.Test, users)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPlan, err)
	}
	decider := newDecider(&o.Test)
	required, err := l.required(o.Plan)
	if err != nil {
		return nil, err
	}
	record, err := l.History.Begin(meta, o.Plan.Source)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStorage, err)
	}
	record.RerunOf(o.RerunOf)
	meta.ID, identity.ID = record.ID(), record.ID()
	e := &experiment{
		lab: l, o: o, decider: decider, record: record, required: required, collector: report.NewCollector(meta), identity: identity,
		traces:  traces{},
		seconds: timeline.New(resolution(o.Test.Type)),
		stop:    make(chan struct{}), started: make(chan time.Time, 1), turns: blocks, began: began,
	}
	if err := e.prepareScrape(); err != nil {
		return nil, errors.Join(err, record.Close())
	}
	if err := e.prepare(ctx, meta); err != nil {
		return nil, errors.Join(err, record.Close())
	}
	if warning := overflowWarning(mix.Names(), o.Plan.MaxSeries); warning != "" {
		e.collector.Warn(warning)
	}
	if err := e.openProxies(ctx, seed); err != nil {
		return nil, errors.Join(err, record.Close())
	}
	defer func() { _ = e.closeProxies(context.WithoutCancel(ctx)) }() // their connections end: there is nothing to lose
	if err := e.prepareFaults(); err != nil {
		return nil, errors.Join(err, record.Close())
	}
	if o.Begun != nil {
		o.Begun(meta.ID)
	}
	if warning := run.FileWarning(&o.Test.Shape); warning != "" {
		e.collector.Warn(warning)
	}
	l.Outlets.Begin(ctx)
	ran := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-o.Stop: // a nil channel never says anything
			e.end()
		case <-ran:
		}
	})
	scraping, endScraping := context.WithCancel(ctx)
	defer endScraping()
	var scrapeErr error
	if e.scraper != nil {
		watching.Go(func() { scrapeErr = e.scraper.Run(scraping) })
	}
	o.Control.attach(e)
	defer o.Control.attach(nil)
	mend := e.startFaults(ctx)
	defer mend() // also after a panic
	load := run.Options{
		Shape:       o.Test.Shape,
		Mix:         mix,
		Recorder:    measure.New(mix.Names(), measure.Options{Log: true, Health: health.NewSampler().Read}),
		Sinks:       append([]measure.Sink{e.telemetry, e.judge, e.collector, e.seconds, &e.intervals, e}, o.Sinks...),
		Seed:        seed,
		StopTimeout: o.Test.StopTimeout,
		Stop:        e.stop,
		Started:     e.started,
		Control:     o.Control.load(),
	}
	if decider != nil {
		if load.Control == nil {
			load.Control = new(run.Control)
		}
		decider.judge, decider.tell, decider.control = e.judge, e.changed, load.Control
	}
	explored, err := e.explore(ctx, &load)
	if err != nil {
		return nil, errors.Join(err, record.Close())
	}
	result, err := run.Do(ctx, load)
	explored()
	o.Control.attach(nil)
	mend()
	close(ran)
	endScraping()
	watching.Wait()
	e.scraped(scrapeErr)
	e.broke(result.Start)
	return e.finish(context.WithoutCancel(ctx), ctx, result, err)
}

// experiment is one run of a Lab under way.
type experiment struct {
	lab       *Lab
	o         Options
	record    *history.Run
	required  []string // outlets that the plan needs complete
	telemetry *telemetry.Provider
	exporter  metric.Exporter // to the store
	judge     *verdict.Judge
	collector *report.Collector
	seconds   *timeline.Timeline // what became of the work, by when it was meant to start
	identity  *event.Run
	scraper   *scrape.Scraper // nil: the plan scrapes nothing
	host      *host.Host      // nil: the plan reads nothing of this machine
	scrapeErr error
	proxies   []proxy // started
	tcp       map[string]*tcp.Proxy
	web       map[string]*webfault.Proxy
	timeline  *fault.Timeline // nil: the test has no faults
	explorer  *explorer       // nil: the load is the plan's
	decider   *decider        // nil: the test does not end by what is decided
	faults    []report.Fault  // what became of them
	started   chan time.Time  // receives when the load begins

	endOnce sync.Once
	stop    chan struct{} // closed to end the run gracefully
	aborted atomic.Bool   // by a missed objective, not by a person
	reason  atomic.Value  // string: why it was ended, if somebody said so

	phase string // of the shape, the latest seen

	traces        traces
	turns         *turns // nil: there is one target
	began         *atomic.Pointer[time.Time]
	intervals     interval.Recorder
	intervalsAt   time.Time // when they were written last
	checkpointed  time.Time
	checkpointErr error
}

func (e *experiment) prepare(ctx context.Context, meta report.Meta) error {
	exporter, err := telemetry.NewOTLPExporter(ctx, e.lab.Store.OTLP())
	if err != nil {
		return err
	}
	e.exporter = exporter
	e.telemetry, err = telemetry.New(telemetry.Options{
		Run: meta.ID, Plan: meta.Plan, Test: meta.Test, TestType: string(e.o.Test.Type), Labels: meta.Labels, Version: meta.Version,
		Instance:  meta.Machine.Host,
		MaxSeries: e.o.Plan.MaxSeries,
		Exporters: []metric.Exporter{exporter},
	})
	if err != nil {
		return err
	}
	if err := e.lab.show(ctx, e.telemetry); err != nil {
		return err
	}
	if e.lab.Expose != nil {
		e.lab.Expose(e.telemetry)
	}
	e.judge = verdict.NewJudge(verdict.Options{
		Plan: e.o.Plan, Test: e.o.Test, Run: meta.ID, Querier: e.lab.Store,
		Abort: func(reason string) {
			e.happened(event.Event{Time: time.Now(), Kind: event.Abort, Severity: event.Error, Text: reason})
			e.aborted.Store(true)
			e.end()
		},
	})
	return nil
}

// required returns the names of the outlets that a plan says have to be complete.
func (l *Lab) required(p *plan.Plan) ([]string, error) {
	var names []string
	var wrong document.Errors
	for i, one := range p.Outlets.Required {
		found := l.Outlets.Find(one)
		if len(found) == 0 {
			e := &document.Error{File: p.File, Pos: p.Outlets.Places[i], Path: fmt.Sprintf("outlets.required[%d]", i),
				Message: fmt.Sprintf("there is no outlet %q: name it with --out, or under outlets in tidegauge.yaml", one)}
			if near := document.Nearest(one, l.Outlets.Known()); near != "" {
				e.Message = fmt.Sprintf("there is no outlet %q, did you mean %s?", one, near)
			}
			wrong = append(wrong, e)
		}
		names = append(names, found...)
	}
	if wrong != nil {
		return nil, fmt.Errorf("%w:\n%w", ErrPlan, wrong)
	}
	return names, nil
}

// prepareScrape reads what the plan scrapes.
func (e *experiment) prepareScrape() (err error) {
	jobs := e.o.Plan.ScrapeConfigs()
	if jobs == nil && e.o.Plan.Host == nil {
		return nil
	}
	if e.lab.Always != nil {
		if err := scrapedAlready(e.o.Plan, e.lab.Always()); err != nil {
			return err
		}
	}
	if err := readAlready(e.o.Plan, e.lab.AlwaysHost); err != nil {
		return err
	}
	var locals []scrape.Local
	if e.o.Plan.Host != nil {
		e.host = host.New(*e.o.Plan.Host)
		for _, t := range e.host.Targets() {
			locals = append(locals, scrape.Local(t))
		}
	}
	e.scraper, err = scrape.New(scrape.Options{
		Jobs: jobs, Locals: locals, Dir: e.o.Plan.Scrape.Dir, Labels: e.o.Plan.Labels, Store: e.lab.Store, Logger: e.log(),
		Rules: scrape.Rules{Listen: e.lab.Listen, NoProxy: e.o.Permit != nil, Permit: e.o.Permit}, Permit: e.o.Permit, Changed: e.lab.ScrapeChanged,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPlan, err)
	}
	return nil
}

// scrapedAlready says which jobs of a plan are also scraped always: their series would be written twice.
func scrapedAlready(p *plan.Plan, always *document.Jobs) error {
	var twice document.Errors
	for i, name := range p.Scrape.Names {
		if j := slices.Index(always.Names, name); j >= 0 {
			twice = append(twice, &document.Error{
				File: p.File, Pos: p.Scrape.Places[i], Path: fmt.Sprintf("scrape[%d].job_name", i),
				Message: fmt.Sprintf("the job %q is scraped already, always, by %s:%d: its series would be written twice; remove the job from the plan or from the configuration, or give it another job_name",
					name, always.File, always.Places[j].Line),
			})
		}
	}
	if twice != nil {
		return fmt.Errorf("%w:\n%w", ErrPlan, twice)
	}
	return nil
}

// readAlready says what a plan reads of this machine that is also read always.
func readAlready(p *plan.Plan, always *host.Options) error {
	if p.Host == nil || always == nil {
		return nil
	}
	for _, job := range p.Host.Jobs() {
		if slices.Contains(always.Jobs(), job) {
			return fmt.Errorf("%w:\n%w", ErrPlan, document.Errors{{File: p.File, Pos: p.HostPos, Path: "host", Message: fmt.Sprintf(
				"the job %q of this machine is read already, always, as the configuration says: its series would be written twice; remove host from the plan or from the configuration, or give it another job", job)}})
		}
	}
	return nil
}

// scraped notes what became of the servers that were scraped.
func (e *experiment) scraped(err error) {
	if e.scraper == nil {
		return
	}
	e.scrapeErr = err
	var servers []report.Server
	for _, t := range e.scraper.Targets() {
		servers = append(servers, report.Server{
			Job: t.Job, Instance: t.Instance, URL: t.URL, Scrapes: t.Scrapes, Up: t.Up, Samples: t.Samples, LastError: t.LastError,
		})
	}
	e.collector.Servers(servers)
	if e.host != nil {
		for _, w := range e.host.Warnings() {
			e.collector.Warn(w)
		}
	}
}

func (e *experiment) end() { e.endOnce.Do(func() { close(e.stop) }) }

// Consume implements measure.Sink: it tells what is new, and writes a checkpoint to the run's folder from time to time. Its first failure is kept for
// the end and does not disturb the run.
func (e *experiment) Consume(_ context.Context, s *measure.Snapshot) error {
	e.watch(s)
	e.traces.add(s)
	if e.turns != nil {
		e.began.Store(new(s.Start))
	}
	if e.decider != nil {
		e.decider.look(s)
	}
	if s.Final || !report.CheckpointDue(s.Start, e.checkpointed, s.Time) {
		return nil
	}
	e.checkpointed = s.Time
	var err error
	if intervalsDue(s.Start, e.intervalsAt, s.Time) {
		e.intervalsAt = s.Time
		err = e.record.Intervals(&e.intervals)
	}
	err = errors.Join(err, e.record.Checkpoint(e.collector.Report(nil), e.collector.Totals()))
	if e.checkpointErr == nil {
		e.checkpointErr = err
	}
	return nil
}

// intervalsDue reports whether the intervals are to be written at a checkpoint: when a fifth of the run is new, or five minutes, since they
// are the largest file of a run.
func intervalsDue(start, last, now time.Time) bool {
	return now.Sub(last) >= min(max(now.Sub(start)/5, 5*time.Second), 5*time.Minute)
}

// finish ends the run's series, judges it, and completes its folder. Outlets are waited for until patience ends.
func (e *experiment) finish(ctx, patience context.Context, result run.Result, runErr error) (*report.Report, error) {
	e.ended(result)
	var kept []error
	if result.SinkErrors != nil {
		kept = append(kept, result.SinkErrors)
	}
	if e.scrapeErr != nil {
		kept = append(kept, e.scrapeErr)
	}
	// Objectives and answers that ask the store may take their time, but not what the rest of the end needs.
	judging, done := context.WithTimeout(ctx, endWithin)
	steady := e.settle(result)
	a := e.answer(judging, result, steady)
	e.judge.Answer(a)
	v := e.judge.Verdict(judging)
	if e.o.Test.Type == plan.Load {
		a = e.loadAnswer(result, steady, &v) // of the objectives
	}
	resources := e.resources(judging, result)
	e.identify(judging, result)
	var values *compare.Values
	if e.turns == nil {
		values = e.values(judging, result, steady, &v, a)
	}
	done()
	comparison, course := e.compare(values)
	kept = append(kept, e.conclude(ctx, patience, &v, a, func(at time.Time) []telemetry.Figure { return compared(comparison, course, &v, at) }, result.Start)...)
	if e.turns != nil { // it has no place in a history, and its metrics would take that of what has
		comparison = e.paired(result, &v)
	}
	books := e.lab.Outlets.Flush(patience)
	e.require(books)
	for _, cause := range causes(kept) {
		e.collector.Warn(cause)
	}
	r := e.collector.Report(&v)
	r.Answer, r.Comparison, r.Resources, r.Folder, r.Outlets = a, comparison, resources, e.record.Dir(), books
	if course != nil {
		r.Changes = course.Open()
	}
	var summary strings.Builder
	if err := r.WriteText(&summary, summaryWidth, false); err != nil {
		kept = append(kept, err)
	}
	if err := e.record.Intervals(&e.intervals); err != nil {
		kept = append(kept, err)
	}
	if err := e.record.Finish(r, e.collector.Totals(), summary.String()); err != nil {
		kept = append(kept, err)
	} else if e.checkpointErr != nil {
		kept = append(kept, e.checkpointErr)
	}
	var err error
	if len(kept) > 0 {
		err = fmt.Errorf("%w: %s", ErrStorage, strings.Join(causes(kept), "; "))
	}
	return r, errors.Join(runErr, err)
}

// overflowWarning returns a warning if not all requests can have series of their own, else "".
func overflowWarning(names *measure.Names, maxSeries int) string {
	n := telemetry.Overflow(names, maxSeries)
	if n == 0 {
		return ""
	}
	if maxSeries == 0 {
		maxSeries = telemetry.DefaultMaxSeries
	}
	first := names.Requests[len(names.Requests)-n]
	return fmt.Sprintf("%d of %d request names, from %q of %s on, have no series of their own in the store, only their sum: all would have more than max_series, %d; raise it in the plan, or name fewer requests. This report has every name",
		n, len(names.Requests), first.Name, first.Class, maxSeries)
}
