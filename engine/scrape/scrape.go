// Package scrape reads the metrics of the servers under test with Prometheus's own scraper and writes them to the store.
//
// Jobs are scrape_configs in Prometheus's own syntax, with everything it has but service discovery: targets are static or
// come from files. What differs from Prometheus is what a short run needs: the first scrape comes at once and not after
// five seconds, the last one when the run ends, and then every series is marked stale, which Prometheus leaves out when it
// is shut down.
package scrape

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/util/logging"

	"tidegauge/engine/catalog"
	"tidegauge/engine/store"
)

const (
	reloadEvery = time.Second      // how often targets that files name are taken over; Prometheus: 5 s
	endWithin   = 10 * time.Second // how long marking the series stale may take
)

// Options say what to scrape.
type Options struct {
	Jobs   []byte            // YAML: a list of scrape_configs
	Locals []Local           // targets in this process
	Dir    string            // what file names in them are relative to
	Labels map[string]string // put on every target that has no label of that name; as a plan has them
	Store  *store.Store
	Logger *slog.Logger // default: discard
	Rules  Rules
	// Permit is asked before every connection, with HOST:PORT; what it refuses is not dialled and the target is down. nil: all is
	// permitted.
	Permit func(address string) error
	// Changed is told, once each time, that a target is down, and that one is up again, with what it was before: the zero State
	// if it was nothing yet. It may be called from several goroutines at once and must return soon, since the next scrape of
	// the target waits; nil: nobody is told.
	Changed func(now, before State)
}

// Scraper scrapes the targets of some jobs, while a run lasts or always. It runs once.
type Scraper struct {
	options Options
	reload  chan reload
	tally   *tally
	loaded  *config.Config
	logger  *slog.Logger
	empty   *config.Config
	locals  locals
	targets []Target
}

// New returns a scraper, or what is wrong with its jobs. It starts nothing.
func New(o Options) (*Scraper, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Scraper{logger: newQuiet(o.Logger)}
	s.locals = newLocals(slices.Clone(o.Locals))
	jobs, err := o.jobs(&s.locals)
	if err != nil {
		return nil, err
	}
	// Only a configuration that was loaded is taken; it gets its jobs afterwards, since their defaults are ours.
	empty, err := config.Load("", o.Logger)
	if err != nil {
		return nil, fmt.Errorf("preparing the scraper: %w", err)
	}
	loaded := *empty
	loaded.ScrapeConfigs = jobs
	s.options, s.reload = o, make(chan reload)
	s.tally, s.loaded, s.empty = newTally(o.Store, &s.locals, o.Changed), &loaded, empty
	return s, nil
}

// jobs reads the jobs, and adds those of the targets in this process.
func (o *Options) jobs(own *locals) ([]*config.ScrapeConfig, error) {
	jobs, err := o.Rules.parse(o.Dir, o.Jobs)
	if err != nil {
		return nil, fmt.Errorf("reading what to scrape: %w", err)
	}
	more, err := own.jobs()
	if err != nil {
		return nil, fmt.Errorf("reading what to scrape: %w", err)
	}
	jobs = append(jobs, more...)
	rules, err := relabelling(o.Labels)
	if err != nil {
		return nil, fmt.Errorf("labels of what is scraped: %w", err)
	}
	for _, job := range jobs {
		job.RelabelConfigs = append(job.RelabelConfigs, rules...)
	}
	return jobs, nil
}

// reload are jobs to go on with, and where the answer is waited for.
type reload struct {
	jobs []*config.ScrapeConfig
	done chan error
}

// Reload goes on with other jobs, and with the same Locals. What is in both is not interrupted. The targets of a job that is
// not there any more are scraped once more, and their series are marked stale. With an error everything is as it was. Run
// must be running, or come to run before ctx ends.
func (s *Scraper) Reload(ctx context.Context, jobs []byte, dir string) error {
	o := s.options
	o.Jobs, o.Dir = jobs, dir
	list, err := o.jobs(&s.locals)
	if err != nil {
		return err
	}
	r := reload{list, make(chan error, 1)}
	select {
	case s.reload <- r:
		return <-r.done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// relabelling puts labels on the targets that do not have them, after the rules of the job.
func relabelling(add map[string]string) ([]*relabel.Config, error) {
	var rules []*relabel.Config
	for _, label := range slices.Sorted(maps.Keys(add)) {
		name, err := catalog.PrometheusLabel(label)
		if err != nil {
			return nil, err
		}
		rule := relabel.DefaultRelabelConfig
		rule.SourceLabels = model.LabelNames{model.LabelName(name)}
		rule.Regex = relabel.MustNewRegexp("")
		rule.TargetLabel = name
		rule.Replacement = strings.ReplaceAll(add[label], "$", "$$")
		rule.NameValidationScheme = model.UTF8Validation
		rules = append(rules, &rule)
	}
	return rules, nil
}

// Run scrapes until ctx ends. Then it scrapes every target once more, which takes as long as the slowest of them, at most
// its scrape_timeout, and marks all series stale. It is called once. The error says what of that could not be written.
func (s *Scraper) Run(ctx context.Context) error {
	registry := prometheus.NewRegistry()
	clients, stopLocals := s.locals.serve(s.options.Permit)
	defer stopLocals() // also where starting fails
	manager, err := scrape.NewManager(&scrape.Options{
		HTTPClientOptions:        clients,
		ScrapeOnShutdown:         true,
		PassMetadataInContext:    true, // the target, for tally
		DiscoveryReloadOnStartup: true,
		DiscoveryReloadInterval:  model.Duration(reloadEvery),
	}, s.logger, logging.NewJSONFileLogger, nil, s.tally, registry)
	if err != nil {
		return fmt.Errorf("starting to scrape: %w", err)
	}
	found, err := discovery.CreateAndRegisterSDMetrics(registry)
	if err != nil {
		return fmt.Errorf("starting to scrape: %w", err)
	}
	finding, stopFinding := context.WithCancel(ctx)
	defer stopFinding()
	finder := discovery.NewManager(finding, s.logger, registry, found, discovery.Updatert(reloadEvery))
	if finder == nil {
		return errors.New("starting to scrape: targets cannot be looked for")
	}
	if err := s.apply(ctx, manager, finder); err != nil {
		return err
	}
	var running sync.WaitGroup
	running.Go(func() { _ = finder.Run() }) // its error is that of its context
	updates := make(chan map[string][]*targetgroup.Group)
	running.Go(func() { forward(finding, finder.SyncCh(), updates) })
	running.Go(func() { _ = manager.Run(updates) }) // it has no error
	s.follow(ctx, manager, finder)
	s.targets = s.tally.targets(manager.TargetsActive(), s.loaded.ScrapeConfigs)
	// Without jobs every loop ends, with its last scrape, and no late discovery can begin another.
	err = manager.ApplyConfig(s.empty)
	s.targets = s.tally.counted(s.targets)
	manager.Stop()
	running.Wait()
	stopLocals()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	return errors.Join(err, s.tally.end(ctx, nil, time.Now()))
}

// apply goes on with the jobs that are loaded.
func (s *Scraper) apply(ctx context.Context, manager *scrape.Manager, finder *discovery.Manager) error {
	if err := manager.ApplyConfig(s.loaded); err != nil {
		return fmt.Errorf("starting to scrape: %w", err)
	}
	// The scraper does that where a target goes, but not where its whole job does.
	if err := s.tally.end(context.WithoutCancel(ctx), manager.TargetsActive(), time.Now()); err != nil {
		s.logger.Warn("series of jobs that are not scraped any more could not be marked stale", "error", err)
	}
	where := make(map[string]discovery.Configs, len(s.loaded.ScrapeConfigs))
	for _, job := range s.loaded.ScrapeConfigs {
		where[job.JobName] = job.ServiceDiscoveryConfigs
	}
	if err := finder.ApplyConfig(where); err != nil {
		return fmt.Errorf("looking for what to scrape: %w", err)
	}
	return nil
}

// follow takes over other jobs until ctx ends.
func (s *Scraper) follow(ctx context.Context, manager *scrape.Manager, finder *discovery.Manager) {
	for {
		select {
		case r := <-s.reload:
			before := s.loaded
			after := *before
			after.ScrapeConfigs = r.jobs
			s.loaded = &after
			err := s.apply(ctx, manager, finder)
			if err != nil {
				s.loaded = before
				err = errors.Join(err, s.apply(ctx, manager, finder))
			}
			r.done <- err
		case <-ctx.Done():
			return
		}
	}
}

// forward hands on the targets found until ctx ends.
func forward(ctx context.Context, from <-chan map[string][]*targetgroup.Group, to chan<- map[string][]*targetgroup.Group) {
	for {
		select {
		case <-ctx.Done():
			return
		case groups, ok := <-from:
			if !ok {
				return
			}
			select {
			case to <- groups:
			case <-ctx.Done():
				return
			}
		}
	}
}

// Targets returns what became of each target, after Run: sorted by job and instance. A job that found no target has one
// entry without an instance. Of more than 1,000 targets, those that went first are left out.
func (s *Scraper) Targets() []Target { return s.targets }

// States returns how the targets are that are scraped now: sorted by job and instance, without those that were not scraped
// yet. It may be called at any time.
func (s *Scraper) States() []State { return s.tally.states() }
