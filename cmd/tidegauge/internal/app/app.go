// Package app puts the command together: the store, the history, the HTTP listener and the lab that runs tests.
package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tidegauge/engine/document"
	"tidegauge/engine/experiment"
	"tidegauge/engine/fault"
	"tidegauge/engine/history"
	"tidegauge/engine/host"
	"tidegauge/engine/outlet"
	"tidegauge/engine/queue"
	"tidegauge/engine/scrape"
	"tidegauge/engine/store"
	"tidegauge/engine/telemetry"
	"tidegauge/exporters"
	"tidegauge/exporters/announce"
)

// Config says where things are.
type Config struct {
	DataDir   string        // for the store and the runs; created if it is not there
	Listen    string        // address of the query API and /metrics; empty: none
	Retention time.Duration // of the store; default the store's
	Size      int64         // of the store, in bytes; 0: whatever it takes
	Runs      history.Retention
	Version   string
	Logger    *slog.Logger // default: discard

	Outlets     []exporters.Spec
	OutletsWait time.Duration               // at the end of a run; default 10 s
	Scrape      document.Jobs               // always, while the App runs
	Host        *host.Options               // what is read of this machine always, by default every 15 s; nil: nothing
	Getenv      func(string) (string, bool) // for the outlets' tokens; default os.LookupEnv
	Notify      func(text string)           // told what people should know of outlets and faults; default: nobody

	Announce []announce.Hook // told how runs ended; see App.Announce

	Daemon *Daemon // nil: the process runs what it was started for, and answers queries

	AllowedHooks []string // commands and URLs that plans may break things with, see fault.Allowed
}

// ServerJobs returns the values of the label job that series have which are always there: of what is scraped, then of this machine.
func (c *Config) ServerJobs() []string {
	jobs := slices.Clone(c.Scrape.Names)
	if c.Host != nil {
		for _, job := range c.Host.Jobs() {
			if !slices.Contains(jobs, job) {
				jobs = append(jobs, job)
			}
		}
	}
	return jobs
}

// App is the command put together. New opens, Start serves, Stop undoes both in reverse.
type App struct {
	Lab      *experiment.Lab
	History  *history.History
	config   Config
	store    *store.Store
	listener net.Listener
	server   *http.Server
	served   sync.WaitGroup
	metrics  atomic.Pointer[telemetry.Gatherer]
	outlets  *exporters.Outlets
	sending  sync.WaitGroup
	endSend  context.CancelFunc
	sendErr  error

	daemon       *daemon                         // nil: it is none
	limits       atomic.Pointer[queue.Limits]    // of a daemon
	certificate  atomic.Pointer[tls.Certificate] // of a daemon that has one
	rulesMu      sync.Mutex
	plansChanged chan struct{}
	working      sync.WaitGroup

	hooks atomic.Pointer[[]announce.Hook]

	scraper   *scrape.Scraper
	jobs      atomic.Pointer[document.Jobs] // of scraper
	scraping  sync.WaitGroup
	endScrape context.CancelFunc
	scrapeErr error
}

// New opens the store and the history and listens, but starts nothing. What it opened is closed again when it fails.
func New(ctx context.Context, c Config) (*App, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Notify == nil {
		c.Notify = func(string) {}
	}
	if err := os.MkdirAll(c.DataDir, 0o755); err != nil {
		return nil, fmt.Errorf("creating the data directory: %w; choose another with --data-dir", err)
	}
	s, err := store.Open(store.Options{
		Dir:       filepath.Join(c.DataDir, "store"),
		Retention: c.Retention, Size: c.Size,
		Logger: c.Logger,
	})
	if err != nil {
		return nil, err
	}
	a := &App{config: c, store: s, plansChanged: make(chan struct{}, 1)}
	a.SetAnnounce(c.Announce)
	a.History, err = history.Open(c.DataDir)
	if err == nil && c.Listen != "" {
		a.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
		if err != nil {
			err = fmt.Errorf("listening for queries: %w; choose another address with --listen", err)
		}
	}
	if err == nil {
		a.outlets, err = openOutlets(&c, s)
	}
	if err == nil {
		a.scraper, err = scrape.New(scrape.Options{
			Jobs: c.Scrape.YAML(nil), Locals: append(ownTargets(c.Host), a.own()...), Dir: c.Scrape.Dir, Store: s, Logger: c.Logger,
			Rules: scrape.Rules{Interval: scrape.AlwaysInterval, Listen: c.Listen}, Changed: a.tellOfTarget,
		})
	}
	if err != nil {
		if a.listener != nil {
			a.listener.Close()
		}
		return nil, errors.Join(err, s.Close())
	}
	a.jobs.Store(&c.Scrape)
	a.Lab = &experiment.Lab{
		Always: a.Scraped, AlwaysHost: c.Host, Listen: c.Listen,
		Store:         s,
		History:       a.History,
		Version:       c.Version,
		Logger:        c.Logger,
		Outlets:       a.outlets.Set,
		Spans:         a.outlets.Spans,
		Events:        a.outlets.Events,
		ScrapeChanged: a.tellOfTarget,
		Expose:        func(g telemetry.Gatherer) { a.metrics.Store(&g) },

		FaultDir:     filepath.Join(c.DataDir, "faults"),
		AllowedHooks: c.AllowedHooks,
	}
	restoreFaults(ctx, &c)
	if err := s.EndLeft(ctx); err != nil { // after the outlets are there, which send the markers
		c.Notify("WARNING: what a process that was killed has measured may linger: " + err.Error())
	}
	if c.Daemon != nil {
		if err := a.openDaemon(c.Daemon); err != nil {
			return nil, errors.Join(err, a.Stop(ctx))
		}
	}
	return a, nil
}

// restoreFaults undoes what a process that was killed has left broken. The store is open: no other process is at work here.
func restoreFaults(ctx context.Context, c *Config) {
	restored, err := fault.Restore(ctx, filepath.Join(c.DataDir, "faults"), c.AllowedHooks)
	for _, r := range restored {
		c.Notify(r.String())
	}
	if err != nil {
		c.Notify("WARNING: " + err.Error())
	}
}

// ownTargets are this machine and processes on it.
func ownTargets(o *host.Options) []scrape.Local {
	if o == nil {
		return nil
	}
	always := *o
	always.Interval = cmp.Or(o.Interval, scrape.AlwaysInterval)
	var list []scrape.Local
	for _, t := range host.New(always).Targets() {
		list = append(list, scrape.Local(t))
	}
	return list
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

func openOutlets(c *Config, s *store.Store) (*exporters.Outlets, error) {
	if c.Getenv == nil {
		c.Getenv = os.LookupEnv
	}
	return exporters.Open(exporters.Options{
		Specs: c.Outlets, Listen: c.Listen, Dir: filepath.Join(c.DataDir, "outlets"), Store: s, Instance: hostname(), Version: c.Version,
		Within: c.OutletsWait, Getenv: c.Getenv, Notify: c.Notify,
	})
}

// Outlets returns the accounts of the outlets since each was first used.
func (a *App) Outlets() []outlet.Books { return a.outlets.Books() }

// Scraped returns the jobs that are scraped always.
func (a *App) Scraped() *document.Jobs { return a.jobs.Load() }

// Rescrape goes on with other jobs than those of the Config. App must have been started.
func (a *App) Rescrape(ctx context.Context, jobs document.Jobs) error {
	if err := a.scraper.Reload(ctx, jobs.YAML(nil), jobs.Dir); err != nil {
		return err
	}
	a.jobs.Store(&jobs)
	return nil
}

// tellOfTarget says that a target is down, or up again.
func (a *App) tellOfTarget(now, before scrape.State) {
	switch {
	case a.config.Daemon == nil && now.Up:
		a.config.Notify(fmt.Sprintf("scrape: %s of the job %s is up again, after %s", now.Instance, now.Job, now.Since.Sub(before.Since).Round(time.Second)))
	case a.config.Daemon == nil:
		a.config.Notify(fmt.Sprintf("scrape: %s of the job %s is down: %s", now.Instance, now.Job, now.LastError))
	case now.Up:
		a.config.Logger.Info("a target is up again", "job", now.Job, "instance", now.Instance, "after", now.Since.Sub(before.Since).Round(time.Second))
	default:
		a.config.Logger.Warn("a target is down", "job", now.Job, "instance", now.Instance, "error", now.LastError)
	}
}

// Start scrapes, sends to the outlets, and serves HTTP, where an address was given.
func (a *App) Start() {
	scraping, endScrape := context.WithCancel(context.Background())
	a.endScrape = endScrape
	a.scraping.Go(func() { a.scrapeErr = a.scraper.Run(scraping) })
	ctx, cancel := context.WithCancel(context.Background())
	a.endSend = cancel
	a.sending.Go(func() { a.sendErr = a.outlets.Run(ctx) })
	if a.daemon != nil {
		a.startDaemon()
		a.sending.Go(func() { a.pruneRuns(ctx) })
	}
	if a.listener == nil {
		return
	}
	a.server = &http.Server{Handler: a.handler(), ReadHeaderTimeout: 10 * time.Second}
	if a.daemon != nil && a.config.Daemon.Cert != "" {
		a.server.TLSConfig = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return a.certificate.Load(), nil }}
	}
	a.served.Go(func() {
		if err := a.serve(); !errors.Is(err, http.ErrServerClosed) {
			a.config.Logger.Error("serving queries failed", "error", err)
		}
	})
}

// pruneEvery is how often a daemon removes old runs.
const pruneEvery = 15 * time.Minute

// pruneRuns removes old runs from time to time, until ctx ends.
func (a *App) pruneRuns(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		a.Prune(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Prune removes the oldest runs beyond what is to be kept, and says so. That it cannot is a warning.
func (a *App) Prune(ctx context.Context) {
	pruned, err := a.History.Prune(ctx, a.config.Runs, false)
	if pruned != nil && len(pruned.Runs) > 0 {
		a.config.Notify("removed " + pruned.String() + "; retention.runs of the configuration says how many are kept")
	}
	if err != nil && ctx.Err() == nil {
		a.config.Notify("WARNING: " + err.Error())
	}
}

// URL returns where queries are answered, or "" when nothing listens.
func (a *App) URL() string {
	if a.listener == nil {
		return ""
	}
	if d := a.config.Daemon; d != nil && d.Cert != "" {
		return "https://" + a.listener.Addr().String()
	}
	return "http://" + a.listener.Addr().String()
}

// Stop ends scraping, with a last look at every target, and serving, letting requests under way finish until ctx ends, ends the outlets, and closes the store.
func (a *App) Stop(ctx context.Context) error {
	var failures []error
	if err := a.stopDaemon(); err != nil {
		failures = append(failures, err)
	}
	if a.endScrape != nil {
		a.endScrape()
		a.scraping.Wait()
		if a.scrapeErr != nil {
			failures = append(failures, a.scrapeErr)
		}
	}
	if a.endSend != nil {
		a.endSend()
		a.sending.Wait()
		if a.sendErr != nil {
			failures = append(failures, a.sendErr)
		}
	}
	if a.server != nil {
		if err := a.server.Shutdown(ctx); err != nil {
			failures = append(failures, fmt.Errorf("ending the HTTP server: %w", err))
		}
		a.served.Wait()
	} else if a.listener != nil {
		failures = append(failures, a.listener.Close())
	}
	if err := a.Lab.Close(ctx); err != nil {
		failures = append(failures, err)
	}
	if err := a.store.Close(); err != nil {
		failures = append(failures, fmt.Errorf("closing the store: %w", err))
	}
	return errors.Join(failures...)
}

func (a *App) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", a.store.Handler())
	mux.Handle("GET /metrics", telemetry.Handler(func() []telemetry.Gatherer {
		all := append(a.gatherers(), a.scraper)
		if run := a.metrics.Load(); run != nil {
			all = append(all, *run)
		}
		return all
	}))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "healthy\n") })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ready\n") })
	if a.daemon == nil {
		return mux
	}
	mux.Handle("/tidegauge/", a.daemon.api)
	mux.Handle("GET /api/v1/rules", a.daemon.alerts.Handler())
	mux.Handle("GET /api/v1/alerts", a.daemon.alerts.Handler())
	return a.daemon.guard.Protect(mux)
}

func (a *App) serve() error {
	if d := a.config.Daemon; d != nil && d.Cert != "" {
		return a.server.ServeTLS(a.listener, "", "")
	}
	return a.server.Serve(a.listener)
}
