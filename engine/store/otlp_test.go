package store

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

func export(t *testing.T, to http.RoundTripper, m metricdata.Metrics) error {
	t.Helper()
	e, err := otlpmetrichttp.New(t.Context(),
		otlpmetrichttp.WithHTTPClient(&http.Client{Transport: to}),
		otlpmetrichttp.WithEndpointURL("http://store/v1/metrics"),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: false}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	return e.Export(t.Context(), &metricdata.ResourceMetrics{
		Resource:     resource.NewSchemaless(attribute.String("service.name", "tidegauge"), attribute.String("service.instance.id", "i")),
		ScopeMetrics: []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{m}}},
	})
}

func counter(v int64, from, when time.Time) metricdata.Metrics {
	return metricdata.Metrics{Name: "tidegauge.requests", Unit: "{request}", Data: metricdata.Sum[int64]{
		Temporality: metricdata.CumulativeTemporality, IsMonotonic: true,
		DataPoints: []metricdata.DataPoint[int64]{{Attributes: attribute.NewSet(attribute.String("network.io.direction", "x")), StartTime: from, Time: when, Value: v}},
	}}
}

func TestOTLPTakesTheNamesOfPrometheus(t *testing.T) {
	s := open(t, Options{})
	if err := export(t, s.OTLP(), counter(5, at(0), at(time.Second))); err != nil {
		t.Fatal(err)
	}
	h := metricdata.Metrics{Name: "tidegauge.response_time", Unit: "s", Data: metricdata.ExponentialHistogram[float64]{
		Temporality: metricdata.CumulativeTemporality,
		DataPoints: []metricdata.ExponentialHistogramDataPoint[float64]{{
			StartTime: at(0), Time: at(time.Second), Count: 3, Sum: 4, Scale: 0, PositiveBucket: metricdata.ExponentialBucket{Offset: 0, Counts: []uint64{2, 1}},
		}},
	}}
	if err := export(t, s.OTLP(), h); err != nil {
		t.Fatal(err)
	}
	for expr, want := range map[string]float64{
		`tidegauge_requests_total{network_io_direction="x",job="tidegauge",instance="i"}`: 5,
		`histogram_count(tidegauge_response_time_seconds)`:                                3,
		`histogram_quantile(1, tidegauge_response_time_seconds)`:                          4,
	} {
		if got := query(t, s, expr, at(2*time.Second)); len(got) != 1 || got[0].Value != want {
			t.Errorf("%s: got %v, want %v", expr, got, want)
		}
	}
}

func TestOTLPRefuses(t *testing.T) {
	s := open(t, Options{})
	delta := counter(1, at(0), at(0))
	sum := delta.Data.(metricdata.Sum[int64])
	sum.Temporality = metricdata.DeltaTemporality
	delta.Data = sum
	if err := export(t, s.OTLP(), delta); err == nil || !strings.Contains(err.Error(), "temporality") {
		t.Errorf("delta: got %v, want an error that names the temporality", err)
	}
	if err := export(t, s.OTLP(), counter(1, at(0), at(0))); err != nil {
		t.Fatal(err)
	}
	if err := export(t, s.OTLP(), counter(2, at(0), at(0))); err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("another value for the same moment: got %v, want status 400", err)
	}
	for name, body := range map[string]*strings.Reader{"garbage": strings.NewReader("\xff\xff"), "nothing": nil} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://store/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if body != nil {
			r.Body = http.MaxBytesReader(nil, readCloser{body}, 1<<20)
		} else {
			r.Body = nil
		}
		resp, err := s.OTLP().RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400", name, resp.StatusCode)
		}
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// fullDisk is a storage whose Commit fails.
type fullDisk struct{ storage.AppendableV2 }

type fullDiskAppender struct{ storage.AppenderV2 }

func (f fullDisk) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return fullDiskAppender{f.AppendableV2.AppenderV2(ctx)}
}

func (a fullDiskAppender) Commit() error {
	return errors.Join(errors.New("write wal: no space left on device"), a.Rollback())
}

func TestFullDiskIsAnError(t *testing.T) {
	s := open(t, Options{})
	s.otlp = newOTLPHandler(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), fullDisk{s.db})
	err := export(t, s.OTLP(), counter(1, at(0), at(0)))
	if err == nil || !strings.Contains(err.Error(), "no space left on device") || !strings.Contains(err.Error(), s.dir) {
		t.Errorf("got %v, want an error that names the directory and why", err)
	}
}
