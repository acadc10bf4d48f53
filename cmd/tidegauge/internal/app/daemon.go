package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"tidegauge/engine/alert"
	"tidegauge/engine/api"
	"tidegauge/engine/history"
	"tidegauge/engine/plan"
	"tidegauge/engine/queue"
	"tidegauge/engine/scrape"
	"tidegauge/engine/store"
	"tidegauge/engine/telemetry"
	"tidegauge/exporters"
)

// Daemon is what a process needs that runs tests by itself and for others.
type Daemon struct {
	Plans     string // folder; empty: there are no plans
	Settings  queue.Settings
	Tokens    []api.Token
	Triggers  []api.Trigger
	Cert, Key string // files; empty: no TLS

	Rules        alert.Rules
	RuleInterval time.Duration // of every group of rules; 0: its own
	Receivers    []alert.Receiver
	URL          string // as receivers of alerts are to see it; empty: where it listens
}

// daemon is the parts of an App that has a Daemon.
type daemon struct {
	queue   *queue.Queue
	plans   *queue.Plans // nil: none
	guard   *api.Guard
	audit   *api.Audit
	api     http.Handler
	ending  chan struct{}
	stop    context.CancelFunc
	alerts  *alert.Engine
	process telemetry.Gatherer
	rules   alert.Rules // guarded by App.rulesMu
}

// openDaemon makes the queue and its API, but starts nothing.
func (a *App) openDaemon(c *Daemon) error {
	d := &daemon{guard: &api.Guard{Loopback: api.ListensOnLoopback(a.config.Listen)}, ending: make(chan struct{}), process: telemetry.Process()}
	d.guard.SetTokens(c.Tokens)
	d.guard.SetTriggers(c.Triggers)
	a.limits.Store(&c.Settings.Limits)
	err := a.readCertificate(c)
	if err != nil {
		return err
	}
	if c.Plans != "" {
		d.plans, err = queue.OpenPlans(c.Plans, a.parsePlan, a.config.Getenv, a.tellOfPlan)
	} else {
		d.plans = queue.NoPlans()
	}
	if err != nil {
		return err
	}
	if d.audit, err = api.OpenAudit(filepath.Join(a.config.DataDir, "audit.jsonl")); err != nil {
		return err
	}
	if d.alerts, err = alert.New(alert.Options{
		Store: a.store, Receivers: c.Receivers, Interval: c.RuleInterval, URL: cmp.Or(c.URL, a.URL()),
		StateFile: filepath.Join(a.config.DataDir, "alerts.json"), Logger: a.config.Logger,
	}); err != nil {
		return err
	}
	d.queue = queue.New(queue.Options{
		Run: a.runAnnounced, Plans: d.plans, Firing: a.firing, Settings: c.Settings, Logger: a.config.Logger,
		SentDir: filepath.Join(a.config.DataDir, "sent"), ParseSent: a.parseSent,
		StateFile: filepath.Join(a.config.DataDir, "schedule.json"),
	})
	d.api = api.New(api.Options{
		Formats: reportFormats(), Confirm: a.Lab.Confirm,
		Queue: d.queue, Plans: d.plans, History: a.History, Outlets: a.Outlets, Targets: a.scraper.States, Version: a.config.Version, Guard: d.guard, Audit: d.audit, Logger: a.config.Logger,
		Ending: d.ending,
	})
	a.daemon, d.rules = d, c.Rules
	return a.updateRules()
}

// gatherers are what tells of this process at /metrics: of outlets and, in a daemon, of alerts, the queue and the process.
func (a *App) gatherers() []telemetry.Gatherer {
	all := []telemetry.Gatherer{a.outlets}
	if d := a.daemon; d != nil {
		all = append(all, d.alerts, d.queue, d.process)
	}
	return all
}

// own is a daemon as a target of its own, so that its store, and what its outlets lead to, have its metrics as well. Its
// instance has no port: were the daemon scraped by somebody else too, these would be other series.
func (a *App) own() []scrape.Local {
	if a.config.Daemon == nil {
		return nil
	}
	return []scrape.Local{{
		Job: "tidegauge", Instance: hostname(), Interval: scrape.AlwaysInterval,
		Handler: telemetry.Handler(a.gatherers), Err: func() error { return nil },
	}}
}

// updateRules has the rules evaluated that there are now.
func (a *App) updateRules() error {
	a.rulesMu.Lock()
	defer a.rulesMu.Unlock()
	var plans []*plan.Plan
	for _, s := range a.daemon.plans.List() {
		if s.Plan != nil {
			plans = append(plans, s.Plan)
		}
	}
	sources, err := a.daemon.rules.Sources(plans)
	if err != nil {
		return err
	}
	return a.daemon.alerts.Update(sources)
}

func (a *App) parsePlan(file string, text []byte, getenv queue.Getenv) (*plan.Plan, error) {
	return plan.Parse(file, text, plan.Options{
		Getenv: getenv, Jobs: a.Scraped().Names, CheckPromQL: store.CheckComparison, CheckScrape: a.scrapeRules().Check,
	})
}

// readCertificate reads the certificate, which is renewed from time to time.
func (a *App) readCertificate(c *Daemon) error {
	if c.Cert == "" {
		return nil
	}
	found, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return fmt.Errorf("reading the certificate of the daemon: %w", err)
	}
	a.certificate.Store(&found)
	return nil
}

// scrapeRules hold for what plans scrape: no more hosts than they may load.
func (a *App) scrapeRules() scrape.Rules {
	return scrape.Rules{Listen: a.config.Listen, NoProxy: true, Permit: func(address string) error { return a.limits.Load().Permit(address) }}
}

// parseSent reads a plan that came with a request: of this machine it sees the folder that it was put in.
func (a *App) parseSent(file string, text []byte, getenv queue.Getenv) (*plan.Plan, error) {
	rules := a.scrapeRules()
	rules.NoFiles = true
	return plan.Parse(file, text, plan.Options{
		Getenv: getenv, Jobs: a.Scraped().Names, CheckPromQL: store.CheckComparison, CheckScrape: rules.Check,
		File: queue.SentFile,
	})
}

func (a *App) tellOfPlan(s *queue.PlanState) {
	select {
	case a.plansChanged <- struct{}{}:
	default: // somebody will look already
	}
	switch {
	case s.Err != nil && s.Plan != nil:
		a.config.Logger.Error("a plan is broken; its last good version goes on", "plan", s.Name, "error", s.Err)
	case s.Err != nil:
		a.config.Logger.Error("a plan is broken", "plan", s.Name, "error", s.Err)
	case s.Plan != nil:
		a.config.Logger.Info("a plan was read", "plan", s.Name)
	default:
		a.config.Logger.Info("a plan is gone", "plan", s.Name)
	}
}

// firing reports whether an expression has a result, as an alerting rule would.
func (a *App) firing(ctx context.Context, expr string) (bool, error) {
	samples, err := a.store.Query(ctx, expr, time.Now())
	return len(samples) > 0, err
}

// startDaemon runs the queue and watches the plans.
func (a *App) startDaemon() {
	ctx, cancel := context.WithCancel(context.Background())
	a.daemon.stop = cancel
	a.working.Go(func() { a.daemon.queue.Run(ctx) })
	a.working.Go(func() {
		if err := a.daemon.alerts.Run(ctx); err != nil {
			a.config.Logger.Error("rules are not evaluated", "error", err)
		}
	})
	a.working.Go(func() { a.followPlans(ctx) })
	a.working.Go(func() {
		if err := a.daemon.plans.Run(ctx); err != nil {
			a.config.Logger.Error("the plans are not watched any more; SIGHUP has them read again", "error", err)
		}
	})
}

// followPlans has the rules of plans evaluated as the plans change.
func (a *App) followPlans(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.plansChanged:
			if err := a.updateRules(); err != nil {
				a.config.Logger.Error("the rules of changed plans are not taken over", "error", err)
			}
		}
	}
}

// stopDaemon ends the run that is going on, gracefully, and what watches it.
func (a *App) stopDaemon() error {
	d := a.daemon
	if d == nil {
		return nil
	}
	if d.stop != nil {
		d.stop()
		a.working.Wait()
	}
	close(d.ending)
	return d.audit.Close()
}

// Reconfigure takes over what of a Daemon can change while it runs, and reads the plans again.
func (a *App) Reconfigure(c *Daemon) error {
	if a.daemon == nil {
		return errors.New("taking over the configuration: this process is no daemon")
	}
	if err := a.readCertificate(c); err != nil {
		return fmt.Errorf("taking over the configuration: %w", err)
	}
	a.daemon.guard.SetTokens(c.Tokens)
	a.daemon.guard.SetTriggers(c.Triggers)
	a.limits.Store(&c.Settings.Limits)
	a.daemon.queue.Configure(c.Settings)
	a.rulesMu.Lock()
	a.daemon.rules = c.Rules
	a.rulesMu.Unlock()
	if err := a.daemon.plans.Reload(); err != nil {
		return fmt.Errorf("taking over the configuration: %w", err)
	}
	if err := a.updateRules(); err != nil {
		return fmt.Errorf("taking over the configuration: %w", err)
	}
	return nil
}

// reportFormats are those that the API has beside JSON.
func reportFormats() []api.Format {
	var all []api.Format
	for _, f := range exporters.Formats() {
		if f.Name == "json" {
			continue
		}
		all = append(all, api.Format{Extension: f.Extension, MediaType: f.MediaType, Write: func(w io.Writer, s *history.Stored) error {
			run, err := exporters.RunOf(s)
			if err != nil {
				return err
			}
			return f.Write(w, run)
		}})
	}
	return all
}
