// Package alert evaluates rules over the store and tells Alertmanagers and webhooks what fires.
//
// Rules are evaluated by Prometheus's own rule manager. What it makes, ALERTS and ALERTS_FOR_STATE too, is in the store, so that
// an alert that was pending when the process ended goes on where it was.
package alert

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"

	"tidegauge/engine/store"
)

const (
	defaultInterval = 15 * time.Second // of groups that name none
	resendAfter     = time.Minute      // to receivers, while an alert fires
	outageTolerance = time.Hour        // after which what was pending begins anew
)

// Options configure an Engine.
type Options struct {
	Store     *store.Store
	Receivers []Receiver
	Interval  time.Duration // of every group, whatever it says itself; 0: what it says
	URL       string        // of the process, as receivers are to see it
	StateFile string        // where it is kept what webhooks have been told; empty: nowhere
	Logger    *slog.Logger  // default: discard
	Client    *http.Client  // default: one of its own
}

// Source is a file of rules, in the form of Prometheus.
type Source struct {
	Name string
	Text []byte
}

// Engine evaluates rules and tells receivers of alerts. Safe for concurrent use.
type Engine struct {
	o         Options
	registry  *prometheus.Registry
	parser    parser.Parser
	receivers []*receiver
	state     *state

	mu      sync.Mutex
	sources []Source
	manager *rules.Manager // nil: it does not run
	update  sync.Mutex
}

// New returns an engine without rules, and starts nothing.
func New(o Options) (*Engine, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Client == nil {
		o.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	e := &Engine{o: o, registry: prometheus.NewRegistry(), parser: parser.NewParser(parser.Options{})}
	var err error
	if e.state, err = openState(o.StateFile); err != nil {
		return nil, err
	}
	for _, r := range o.Receivers {
		e.receivers = append(e.receivers, newReceiver(r, o.Client, o.Logger, o.URL, e.state))
	}
	return e, nil
}

// Check says what is wrong with a file of rules: every mistake, with line and column where they are known.
func Check(s Source) []error {
	_, errs := parse(s, parser.NewParser(parser.Options{}))
	return errs
}

func parse(s Source, p parser.Parser) (*rulefmt.RuleGroups, []error) {
	groups, errs := rulefmt.Parse(s.Text, false, model.UTF8Validation, p, slog.New(slog.DiscardHandler))
	for i := range errs {
		errs[i] = fmt.Errorf("%s:%w", s.Name, errs[i])
	}
	return groups, errs
}

// Update replaces the rules. Groups that stay as they are go on. When a source cannot be read, everything goes on as before.
func (e *Engine) Update(sources []Source) error {
	for _, s := range sources {
		if _, errs := parse(s, e.parser); len(errs) > 0 {
			return fmt.Errorf("taking over rules: %w", errs[0])
		}
	}
	e.mu.Lock()
	e.sources = sources
	manager := e.manager
	e.mu.Unlock()
	if manager == nil {
		return nil
	}
	return e.apply(manager)
}

// apply gives the manager the rules there are.
func (e *Engine) apply(m *rules.Manager) error {
	e.update.Lock()
	defer e.update.Unlock()
	e.mu.Lock()
	sources := e.sources
	e.mu.Unlock()
	var names, records []string
	for _, s := range sources {
		names = append(names, s.Name)
		groups, _ := parse(s, e.parser)
		for _, g := range groups.Groups {
			for _, r := range g.Rules {
				if r.Record != "" {
					records = append(records, r.Record)
				}
			}
		}
	}
	e.o.Store.Rules(records)
	if err := m.Update(defaultInterval, names, labels.EmptyLabels(), e.o.URL, rules.DefaultEvalIterationFunc); err != nil {
		return fmt.Errorf("taking over rules: %w", err)
	}
	return nil
}

// Load implements rules.GroupLoader.
func (e *Engine) Load(name string, _ bool, _ model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.sources {
		if s.Name != name {
			continue
		}
		groups, errs := parse(s, e.parser)
		if len(errs) > 0 {
			return nil, errs
		}
		for i := range groups.Groups {
			if e.o.Interval > 0 {
				groups.Groups[i].Interval = model.Duration(e.o.Interval)
			}
		}
		return groups, nil
	}
	return nil, []error{fmt.Errorf("there are no rules %q", name)}
}

// Parse implements rules.GroupLoader.
func (e *Engine) Parse(expr string) (parser.Expr, error) { return e.parser.ParseExpr(expr) }

// Run evaluates rules and tells receivers, until ctx ends. Then it tries once more to tell what is waiting. It runs once.
func (e *Engine) Run(ctx context.Context) error {
	var working sync.WaitGroup
	for _, r := range e.receivers {
		working.Go(func() { r.run(ctx) })
	}
	evaluating, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	way := e.o.Store.Rules(nil)
	m := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: way.Query, Queryable: way, Appendable: way, NotifyFunc: e.notify, GroupLoader: e, Parser: e.parser,
		Context: evaluating, Logger: e.o.Logger, Registerer: e.registry, ExternalURL: &url.URL{},
		OutageTolerance: outageTolerance, ResendDelay: resendAfter,
	})
	e.mu.Lock()
	e.manager = m
	e.mu.Unlock()
	working.Go(m.Run)
	err := e.apply(m)
	if err == nil {
		<-ctx.Done()
	}
	m.Stop()
	e.mu.Lock()
	e.manager = nil
	e.mu.Unlock()
	if err != nil {
		<-ctx.Done()
	}
	working.Wait()
	return err
}

// notify takes alerts from the manager: those that fire, and from time to time again, and those that do not any more.
func (e *Engine) notify(_ context.Context, expr string, alerts ...*rules.Alert) {
	if len(alerts) == 0 || len(e.receivers) == 0 {
		return
	}
	var all []Alert
	for _, a := range alerts {
		one := Alert{
			Labels: a.Labels.Map(), Annotations: a.Annotations.Map(), StartsAt: a.FiredAt, EndsAt: a.ValidUntil,
			GeneratorURL: e.o.URL + "/api/v1/query?query=" + url.QueryEscape(expr),
		}
		if !a.ResolvedAt.IsZero() {
			one.EndsAt, one.Resolved = a.ResolvedAt, true
		}
		all = append(all, one)
	}
	for _, r := range e.receivers {
		r.take(all)
	}
}

// Gather returns what is to be told at /metrics: of notifications, and the manager's own of its rules.
func (e *Engine) Gather() ([]*dto.MetricFamily, error) {
	all, err := e.registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("gathering the metrics of rules: %w", err)
	}
	return append(all, families(e.receivers)...), nil
}
