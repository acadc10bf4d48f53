// Package prometheus sends series by Prometheus's remote write 1.0.
//
// https://prometheus.io/docs/specs/prw/remote_write_spec/ is the protocol. Prometheus (with --web.enable-remote-write-receiver),
// Mimir, Thanos and VictoriaMetrics take it. Native histograms go as they are; for receivers that do not know them each can
// be sent as the series of a classic histogram or of a summary instead. Staleness markers are sent, so that nothing lingers
// there after a run. What the store does not hold, exemplars, is not sent.
package prometheus

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"tidegauge/engine/catalog"
	"tidegauge/engine/outlet"
	"tidegauge/exporters/internal/client"
)

// The forms in which histograms can be sent.
const (
	Native    = "native"
	Classic   = "classic"   // _bucket, _sum and _count; bounds at powers of two, where native buckets end too
	Quantiles = "quantiles" // a summary: quantiles of what was observed since the sample before, cumulative _sum and _count
)

// metadataEvery is how often the types, units and texts of the metrics are sent along.
const metadataEvery = time.Minute

// Writer is an outlet.Writer.
type Writer struct {
	url        string
	client     *http.Client
	histograms string
	described  time.Time // when metadata was last acknowledged
}

// New returns a writer to a remote write endpoint. Options of the address: histograms=native, classic or quantiles. The
// bearer token is in PROMETHEUS_TOKEN.
func New(address string, getenv func(string) (string, bool)) (*Writer, *client.Address, error) {
	a, err := client.Parse(address, "histograms")
	if err != nil {
		return nil, nil, err
	}
	if a.URL.Path == "" || a.URL.Path == "/" {
		return nil, nil, fmt.Errorf("the address %s has no path: Prometheus takes remote write at /api/v1/write", a.URL.Redacted())
	}
	w := &Writer{url: a.URL.String(), histograms: a.Choice("histograms", Native, Classic, Quantiles)}
	w.client = a.HTTP(a.Token(getenv, "PROMETHEUS_TOKEN"))
	return w, a, a.Err()
}

// NeedsBefore reports whether the writer makes use of outlet.Sample's Before.
func (w *Writer) NeedsBefore() bool { return w.histograms == Quantiles }

// Write implements outlet.Writer.
func (w *Writer) Write(ctx context.Context, samples []outlet.Sample) error {
	request := prompb.WriteRequest{Timeseries: w.series(samples)}
	describe := time.Since(w.described) >= metadataEvery
	if describe {
		request.Metadata = metadata()
	}
	body, err := request.Marshal()
	if err != nil {
		return &outlet.Error{Reaction: outlet.Rejected, Err: fmt.Errorf("encoding: %w", err)}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(snappy.Encode(nil, body)))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Encoding", "snappy")
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("User-Agent", "tidegauge")
	r.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	answer, err := w.client.Do(r)
	if err != nil {
		return client.Failure(err)
	}
	defer func() { _ = answer.Body.Close() }() // was only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if answer.StatusCode/100 == 2 {
		if describe {
			w.described = time.Now()
		}
		return nil
	}
	if err != nil {
		text = append(text, " (the answer ends here: "+err.Error()+")"...)
	}
	e := client.Answer(answer.StatusCode, answer.Header.Get("Retry-After"), string(text))
	if bytes.Contains(text, []byte("native histograms are disabled")) { // with status 500, as if it came with time
		e.Reaction = outlet.Refused
		e.Err = fmt.Errorf("%w (start it with --enable-feature=native-histograms, or add histograms=classic to the address)", e.Err)
	}
	return e
}

// metadata describes the metrics of the catalog.
func metadata() []prompb.MetricMetadata {
	var list []prompb.MetricMetadata
	for _, m := range append(catalog.All(), catalog.Outlets()...) {
		one := prompb.MetricMetadata{MetricFamilyName: m.PrometheusName(), Help: m.Help, Unit: m.PrometheusUnit()}
		switch m.Kind {
		case catalog.Counter:
			one.Type = prompb.MetricMetadata_COUNTER
		case catalog.Gauge:
			one.Type = prompb.MetricMetadata_GAUGE
		case catalog.Histogram:
			one.Type = prompb.MetricMetadata_HISTOGRAM
		}
		list = append(list, one)
	}
	return list
}
