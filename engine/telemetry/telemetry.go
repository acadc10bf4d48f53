// Package telemetry shows measurements as an OpenTelemetry Producer.
package telemetry

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/sdk/metric"

	"tidegauge/engine/measure"
)

// Options describe the run and where its metrics go.
type Options struct {
	Run, Plan, Test string
	Labels          map[string]string // the plan's
	Version         string            // of tidegauge
	Instance        string            // service.instance.id; must be unique among the daemons that write to one store
	Scale           int               // of the histograms shown; default 6
	Exporters       []metric.Exporter // each gets every interval, in turn; the caller shuts them down
}

// Provider is a measure.Sink that turns snapshots into OpenTelemetry metrics, exports them, and serves them for pull.
type Provider struct{}

// New returns a provider.
func New(o Options) (*Provider, error) { panic("stub") }

// Consume implements measure.Sink.
func (p *Provider) Consume(ctx context.Context, s *measure.Snapshot) error { panic("stub") }

// Handler serves the current metrics in Prometheus's formats: native histograms in protobuf, classic buckets in text.
func (p *Provider) Handler() http.Handler { panic("stub") }

// Shutdown releases what the provider holds.
func (p *Provider) Shutdown(ctx context.Context) error { panic("stub") }
