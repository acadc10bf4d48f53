// Package otlp sends series by OTLP, the protocol of OpenTelemetry, over gRPC and over HTTP.
//
// https://opentelemetry.io/docs/specs/otlp/ is the protocol. The metrics of tidegauge go under their names in
// OpenTelemetry, those that were scraped under their own. A Prometheus that takes OTLP under its default translation
// strategy gives all of them the names and labels that they have in the embedded store.
package otlp

import (
	"context"
	"fmt"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"

	"tidegauge/engine/outlet"
	"tidegauge/exporters/internal/client"
)

// MaxBatch is how many samples should go into one Write: servers take messages of 4 MB over gRPC.
const MaxBatch = 1000

// Writer is an outlet.Writer for metrics. It has to be closed.
type Writer struct {
	sender  sender
	encoder *encoder
}

// Endpoint says where a Writer sends.
type Endpoint struct {
	*client.Address
	GRPC bool
	Base string // the URL's path without that of the signal
}

// New returns a writer to an OTLP endpoint: http://HOST:4318 or https://, to whose path /v1/metrics is appended unless it
// ends so, or grpc://HOST:4317 or grpcs://. Option of the address: compression=gzip (default) or none. What the address
// does not say is in the OTEL_EXPORTER_OTLP_… variables; without an address they say all of it.
func New(address string, get func(string) (string, bool)) (*Writer, *Endpoint, error) {
	env := getenv(get)
	t, err := parse(address, metricsSignal(), env)
	if err != nil {
		return nil, nil, err
	}
	resource, err := resourceOf(env)
	if err != nil {
		return nil, nil, err
	}
	s, err := t.sender()
	if err != nil {
		return nil, nil, err
	}
	if _, ok := t.Options["timeout"]; !ok && t.timeout > 0 {
		t.Options["timeout"] = t.timeout.String()
	}
	return &Writer{sender: s, encoder: newEncoder(resource)}, &Endpoint{t.Address, t.grpc, base(t.URL.Path)}, nil
}

// Close ends the connections.
func (w *Writer) Close() error { return w.sender.Close() }

// Write implements outlet.Writer.
func (w *Writer) Write(ctx context.Context, samples []outlet.Sample) error {
	request, left := w.encoder.encode(samples)
	lost, reason := left.count, left.reason
	if len(request.ResourceMetrics) > 0 {
		var response collectorpb.ExportMetricsServiceResponse
		if err := w.sender.send(ctx, request, &response); err != nil {
			return err
		}
		w.encoder.acknowledged(samples)
		if p := response.GetPartialSuccess(); p.GetRejectedDataPoints() > 0 {
			lost += int(min(p.GetRejectedDataPoints(), int64(len(samples))))
			reason = fmt.Errorf("the server rejects data points: %s", client.Short(p.GetErrorMessage()))
		}
	}
	if lost > 0 {
		return &outlet.Error{Reaction: outlet.Partial, Lost: lost, Err: reason}
	}
	return nil
}
