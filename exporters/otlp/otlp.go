// Package otlp sends series, spans and the events of runs by OTLP, the protocol of OpenTelemetry, over gRPC and over HTTP.
//
// https://opentelemetry.io/docs/specs/otlp/ is the protocol. The metrics of tidegauge go under their names in
// OpenTelemetry, those that were scraped under their own. A Prometheus that takes OTLP under its default translation
// strategy gives all of them the names and labels that they have in the embedded store.
package otlp

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"tidegauge/engine/outlet"
	"tidegauge/exporters/internal/client"
)

// MaxBatch is how many samples should go into one Write: servers take messages of 4 MB over gRPC by default.
const MaxBatch = 1000

// Self is what describes this process.
type Self struct {
	Instance string // service.instance.id
	Version  string // service.version
}

// Destination is an OTLP endpoint. A signal that it does not take is nil; each of the others has to be closed.
type Destination struct {
	Metrics *Metrics
	Spans   *Spans
	Events  *Events

	Address *client.Address // of the first signal that it takes
	Shown   string          // to people, without secrets
	Base    string          // the URL's path without that of the signal
	Timeout time.Duration   // of a request; 0: none was asked for
}

// New returns a destination: http://HOST:4318 or https://, to whose path that of each signal, as /v1/metrics, is appended,
// or grpc://HOST:4317 or grpcs://. A path that ends in that of a signal is for it alone. Options of the address:
// compression=gzip (default) or none, signals=metrics,traces,logs. What the address does not say is in the
// OTEL_EXPORTER_OTLP_… variables; without an address they say all of it.
func New(address string, get func(string) (string, bool), self Self) (*Destination, error) {
	env := getenv(get)
	attributes, err := resourceOf(env)
	if err != nil {
		return nil, err
	}
	first, err := parse(address, metricsSignal(), env)
	if err != nil {
		return nil, err
	}
	list, err := taken(first, address, env)
	if err != nil {
		return nil, err
	}
	d := &Destination{}
	for _, s := range list {
		t, err := parse(address, s, env)
		if err != nil {
			return nil, err
		}
		sender, err := t.sender()
		if err != nil {
			return nil, err
		}
		if d.Address == nil {
			d.Address, d.Base, d.Timeout = t.Address, base(t.URL.Path), t.timeout
			d.Shown = d.Address.URL.Host + d.Base
			if t.grpc {
				d.Shown = "grpc " + d.Address.URL.Host
			}
		}
		switch s.name {
		case metricsSignal().name:
			d.Metrics = &Metrics{sender, newEncoder(attributes)}
		case tracesSignal().name:
			d.Spans = &Spans{sender, self.resource(attributes), self.scope()}
		case logsSignal().name:
			d.Events = &Events{sender, self.resource(attributes), self.scope()}
		}
	}
	return d, nil
}

// resource is that of tidegauge itself.
func (s Self) resource(attributes map[string]string) *resourcepb.Resource {
	all := map[string]string{"service.name": ownJob, "service.instance.id": s.Instance, "service.version": s.Version}
	maps.Copy(all, attributes)
	r := &resourcepb.Resource{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name] != "" {
			r.Attributes = append(r.Attributes, pair(name, all[name]))
		}
	}
	return r
}

func (s Self) scope() *commonpb.InstrumentationScope {
	return &commonpb.InstrumentationScope{Name: ownJob, Version: s.Version}
}

// Metrics is an outlet.Writer.
type Metrics struct {
	sender  sender
	encoder *encoder
}

// Close ends the connections.
func (w *Metrics) Close() error { return w.sender.Close() }

// Write implements outlet.Writer.
func (w *Metrics) Write(ctx context.Context, samples []outlet.Sample) error {
	request, left := w.encoder.encode(samples)
	lost, reason := left.count, left.reason
	if len(request.ResourceMetrics) > 0 {
		var response collectorpb.ExportMetricsServiceResponse
		if err := w.sender.send(ctx, request, &response); err != nil {
			return err
		}
		w.encoder.acknowledged(samples)
		p := response.GetPartialSuccess()
		if e := partial(p.GetRejectedDataPoints(), "data points", p.GetErrorMessage()); e != nil {
			lost, reason = lost+e.Lost, e.Err
		}
	}
	if lost > 0 {
		return &outlet.Error{Reaction: outlet.Partial, Lost: lost, Err: reason}
	}
	return nil
}

// partial returns what a partial success means; nil if nothing was rejected.
func partial(rejected int64, what, text string) *outlet.Error {
	if rejected <= 0 {
		return nil
	}
	return &outlet.Error{
		Reaction: outlet.Partial, Lost: int(min(rejected, math.MaxInt32)),
		Err: fmt.Errorf("the server rejects %s: %s", what, client.Short(text)),
	}
}
