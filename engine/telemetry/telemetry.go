// Package telemetry shows measurements as an OpenTelemetry Producer.
//
// At each snapshot of a run it exports what was counted so far, cumulatively, with the run's start as the start of every
// series and the snapshot's time as the time of every point. Names, units and labels are those of package catalog. It
// also serves the same metrics to whoever pulls.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"tidegauge/engine/catalog"
	"tidegauge/engine/hist"
	"tidegauge/engine/measure"
)

const (
	defaultScale = 6
	service      = "tidegauge"
)

// Options describe the run and where its metrics go.
type Options struct {
	Run, Plan, Test string            // Run must not be empty
	TestType        string            // load, stress, …
	Labels          map[string]string // the plan's; none may have the name of a label of ours
	Version         string            // of tidegauge
	Instance        string            // service.instance.id, not empty; must be unique among the daemons that write to one store
	Scale           int               // of the histograms shown, 1 to hist.Scale: buckets are 2^(2^-Scale) wide; default 6, 1.1%
	MaxSeries       int               // of all requests together, see Overflow; default DefaultMaxSeries
	Exporters       []metric.Exporter // each gets every interval, in turn; the caller shuts them down
}

// Provider is a measure.Sink that turns snapshots into OpenTelemetry metrics, exports them, and serves them for pull.
//
// The first point of every counter and histogram is zero: one that first shows up with a value in the middle of a run is
// exported at zero, at the time of the snapshot before, ahead of that value. Otherwise PromQL's increase would lose it.
//
// The number of series is bounded: requests beyond MaxSeries are summed, class by class and outcome by outcome, into series
// with the label otel.metric.overflow, from the first point to the last. So nothing is missing in a sum over all series.
//
// Consume, Finish and Shutdown are for one goroutine; what Handler returns may be called from any at the same time.
type Provider struct {
	exporters []metric.Exporter
	scale     int
	maxSeries int
	labels    []attribute.KeyValue // of every series
	info      []attribute.KeyValue // of the run's info

	provider *metric.MeterProvider
	reader   *metric.ManualReader
	source   *source

	layout  *layout
	events  events
	start   time.Time
	last    time.Time // of the latest point exported
	current atomic.Pointer[[]metricdata.Metrics]
}

// New returns a provider.
func New(o Options) (*Provider, error) {
	if o.Run == "" || o.Instance == "" {
		return nil, fmt.Errorf("preparing telemetry: run %q and instance %q must both have a name", o.Run, o.Instance)
	}
	if o.Scale == 0 {
		o.Scale = defaultScale
	}
	if o.Scale < 1 || o.Scale > hist.Scale {
		return nil, fmt.Errorf("preparing telemetry: histogram scale %d: choose one from 1 to %d", o.Scale, hist.Scale)
	}
	labels, err := commonLabels(o)
	if err != nil {
		return nil, fmt.Errorf("preparing telemetry: %w", err)
	}
	p := &Provider{
		exporters: o.Exporters,
		scale:     o.Scale,
		maxSeries: o.MaxSeries,
		labels:    labels,
		info: []attribute.KeyValue{
			attribute.String(catalog.LabelVersion, o.Version), attribute.Int(catalog.LabelScale, o.Scale), attribute.String(catalog.LabelTestType, o.TestType),
		},
		source: &source{scope: instrumentation.Scope{Name: service, Version: o.Version}},
	}
	p.reader = metric.NewManualReader(metric.WithProducer(p.source))
	p.provider = metric.NewMeterProvider(metric.WithReader(p.reader), metric.WithResource(resource.NewSchemaless(
		attribute.String("service.name", service),
		attribute.String("service.instance.id", o.Instance),
		attribute.String("service.version", o.Version),
	)))
	return p, nil
}

// Consume implements measure.Sink. The error joins those of the exporters; each was given the metrics nevertheless.
func (p *Provider) Consume(ctx context.Context, s *measure.Snapshot) error {
	if p.layout == nil {
		p.start = s.Start
		p.layout = p.newLayout(s.Names)
	}
	if err := p.layout.fits(s.Total); err != nil {
		return fmt.Errorf("exporting metrics: %w", err)
	}
	p.layout.surplus.add(s)
	at := p.next(s.Time)
	births, all := p.layout.collect(s, p.scale, span{p.start, at}, span{p.start, birth(s.Since, at)})
	p.current.Store(&all)
	var errs []error
	if len(births) > 0 {
		errs = append(errs, p.export(ctx, births))
	}
	return errors.Join(append(errs, p.export(ctx, all))...)
}

// Answer is what became of an objective or of a run.
type Answer int8

// The answers.
const (
	Undecided Answer = iota
	Passed
	Failed
)

// Results are what a run came to.
type Results struct {
	Time       time.Time // of the points; not before the final snapshot
	Verdict    Answer
	Objectives map[string]Answer // by the objective's text; an undecided one gets no series
	Figures    []Figure          // of the answer to the test's question
}

// Figure is one number of an answer, for the metric of that name in the catalog. One whose name the catalog does not have is not
// exported.
type Figure struct {
	Metric    string
	Subject   string // what it is about; empty: the whole run
	Value     float64
	Low, High *float64 // of its interval; nil: there is none, or it is open
	// Labels are further ones that the metric has in the catalog, name and value in turns.
	Labels []string
}

// Finish exports the verdict, the answers to the objectives, the run's duration and the events, after the final snapshot. Where the
// series of a run are made stale at its end, Finish comes after that: its one point is meant to be found for a while. Who
// pulls finds the answers and what was counted from then on, and no gauge of a run that is over. Its errors are like
// Consume's.
func (p *Provider) Finish(ctx context.Context, r Results) error {
	now := span{p.start, p.next(r.Time)}
	verdicts := answers(p.labels, r, now, p.events.points(now, true))
	shown := verdicts
	if before := p.current.Load(); before != nil {
		shown = append(slices.DeleteFunc(slices.Clone(*before), isGauge), verdicts...)
	}
	p.current.Store(&shown)
	return p.export(ctx, verdicts)
}

// Amend exports figures of a run that is over, as of now: what is known of it has changed. Its errors are like Consume's.
func (p *Provider) Amend(ctx context.Context, figures []Figure) error {
	now := span{p.start, p.next(time.Now())}
	return p.export(ctx, figuresOf(p.labels, figures, now))
}

func isGauge(m metricdata.Metrics) bool {
	_, is := m.Data.(metricdata.Gauge[float64])
	return is
}

// Shutdown releases what the provider holds; the handler has nothing to show then. The exporters are the caller's. A
// second Shutdown does nothing.
func (p *Provider) Shutdown(ctx context.Context) error {
	p.current.Store(nil)
	if err := p.provider.Shutdown(ctx); err != nil && !errors.Is(err, metric.ErrReaderShutdown) {
		return fmt.Errorf("ending telemetry: %w", err)
	}
	return nil
}

// next returns the time for points of t: stores count in milliseconds and refuse a second point in one.
func (p *Provider) next(t time.Time) time.Time {
	t = t.Truncate(time.Millisecond)
	if earliest := p.last.Add(time.Millisecond); t.Before(earliest) {
		t = earliest
	}
	p.last = t
	return t
}

// birth is when a series that shows up at a time was still zero: at the snapshot before.
func birth(since, at time.Time) time.Time {
	since = since.Truncate(time.Millisecond)
	if latest := at.Add(-time.Millisecond); since.After(latest) {
		return latest
	}
	return since
}

func (p *Provider) export(ctx context.Context, m []metricdata.Metrics) error {
	if len(p.exporters) == 0 {
		return nil
	}
	p.source.metrics = m
	var rm metricdata.ResourceMetrics
	if err := p.reader.Collect(ctx, &rm); err != nil {
		return fmt.Errorf("collecting metrics: %w", err)
	}
	var errs []error
	for _, e := range p.exporters {
		if err := e.Export(ctx, &rm); err != nil {
			errs = append(errs, fmt.Errorf("exporting metrics: %w", err))
		}
	}
	return errors.Join(errs...)
}

// source is the metric.Producer through which the SDK gets the metrics of the export under way.
type source struct {
	scope   instrumentation.Scope
	metrics []metricdata.Metrics
}

func (s *source) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	return []metricdata.ScopeMetrics{{Scope: s.scope, Metrics: s.metrics}}, nil
}
