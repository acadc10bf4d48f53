package telemetry

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"tidegauge/engine/hist"
	"tidegauge/engine/protocol"
)

var update = flag.Bool("update", false, "write the golden files")

func scrape(t *testing.T, h http.Handler, accept string) (body []byte, contentType string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.Bytes(), w.Header().Get("Content-Type")
}

func measured(t *testing.T) *Provider {
	t.Helper()
	p := newProvider(t, Options{Labels: map[string]string{"cost-center": "7"}})
	r := newRun()
	consume(t, p, r.snapshot(0))
	r.observe(0, protocol.OK, 0.004, 0.030, 0.031, 0.3, 2)
	r.observe(1, protocol.Refused, 0)
	consume(t, p, r.snapshot(time.Second))
	return p
}

func TestTextFormat(t *testing.T) {
	p := measured(t)
	got, contentType := scrape(t, p.Handler(), "text/plain")
	if !strings.HasPrefix(contentType, "text/plain; version=0.0.4") {
		t.Errorf("content type %q", contentType)
	}
	const golden = "testdata/metrics.txt"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	problems, err := promlint.New(bytes.NewReader(got)).Lint() // what promtool check metrics says
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestProtobufHasNativeHistograms(t *testing.T) {
	const accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	body, contentType := scrape(t, measured(t).Handler(), accept)
	decoder := expfmt.NewDecoder(bytes.NewReader(body), expfmt.ResponseFormat(http.Header{"Content-Type": {contentType}}))
	found := false
	for {
		var f dto.MetricFamily
		if err := decoder.Decode(&f); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if f.GetName() != "tidegauge_response_time_seconds" {
			continue
		}
		for _, m := range f.Metric {
			h := m.GetHistogram()
			if h.GetSampleCount() != 5 {
				continue
			}
			found = true
			if !h.GetCreatedTimestamp().AsTime().Equal(start) || h.GetSchema() != 6 || h.GetSampleSum() != 2.365 {
				t.Errorf("created %v, schema %d, sum %v", h.GetCreatedTimestamp().AsTime(), h.GetSchema(), h.GetSampleSum())
			}
			checkNative(t, h, []float64{0.004, 0.030, 0.031, 0.3, 2})
		}
	}
	if !found {
		t.Error("no native histogram with the five observations")
	}
}

// checkNative walks spans and deltas as a reader does and looks for each value in the bucket it must be in.
func checkNative(t *testing.T, h *dto.Histogram, values []float64) {
	t.Helper()
	counts := map[int32]int64{}
	index, count, k := int32(0), int64(0), 0
	for _, s := range h.PositiveSpan {
		index += s.GetOffset()
		for range s.GetLength() {
			count += h.PositiveDelta[k]
			counts[index] = count
			index, k = index+1, k+1
		}
	}
	want := map[int32]int64{}
	for _, v := range values {
		want[int32(math.Ceil(math.Log2(v)*math.Exp2(float64(h.GetSchema()))))]++
	}
	if d := cmp.Diff(want, counts); d != "" {
		t.Errorf("buckets -want +got:\n%s", d)
	}
}

func TestClassicBucketsCountWhatLiesBelow(t *testing.T) {
	var h hist.Histogram
	h.Record(0)
	for v := 0.0005; v < 100; v *= 1.3 {
		h.Record(v)
	}
	for _, scale := range []int{1, 6, hist.Scale} {
		b := h.Buckets(scale)
		p := &histogramPoint{Count: h.Count(), Scale: int32(b.Scale), ZeroCount: b.Zero}
		p.PositiveBucket = metricdata.ExponentialBucket{Offset: int32(b.Offset), Counts: b.Counts}
		width := math.Exp2(math.Exp2(-float64(b.Scale)))
		for _, c := range classicBuckets(p) {
			low, high := h.CountAtMost(c.GetUpperBound()/width/1.003), h.CountAtMost(c.GetUpperBound()*1.003)
			if n := c.GetCumulativeCount(); n < low || n > high {
				t.Errorf("scale %d, le %v: %d, want %d to %d", scale, c.GetUpperBound(), n, low, high)
			}
		}
	}
}

func TestScrapesWhileTheRunGoesOn(t *testing.T) {
	p := newProvider(t, Options{})
	r := newRun()
	h := p.Handler()
	if body, _ := scrape(t, h, "text/plain"); len(body) != 0 {
		t.Errorf("before the run: %s", body)
	}
	consume(t, p, r.snapshot(0))
	var scrapers sync.WaitGroup
	for range 2 {
		scrapers.Go(func() {
			for range 50 {
				if body, _ := scrape(t, h, "text/plain"); !bytes.Contains(body, []byte("tidegauge_run_info{")) {
					t.Error("a scrape without the run's info")
				}
			}
		})
	}
	for i := range 50 {
		r.observe(0, protocol.OK, float64(i)/10)
		consume(t, p, r.snapshot(time.Duration(i)*time.Second))
	}
	scrapers.Wait()
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if body, _ := scrape(t, h, "text/plain"); len(body) != 0 {
		t.Errorf("after Shutdown: %s", body)
	}
}

// TestAfterTheRun: who pulls later finds what was counted and the answers, and no gauge of a run that is over.
func TestAfterTheRun(t *testing.T) {
	p := measured(t)
	if err := p.Finish(t.Context(), Results{Time: start, Verdict: Failed, Objectives: map[string]Answer{"p95 < 1s": Failed}}); err != nil {
		t.Fatal(err)
	}
	body, _ := scrape(t, p.Handler(), "text/plain")
	for line, want := range map[string]bool{
		"\ntidegauge_requests_total{":            true,
		"\ntidegauge_response_time_seconds_sum{": true,
		"\ntidegauge_verdict{":                   true,
		"\ntidegauge_objective{":                 true,
		"\ntidegauge_users{":                     false,
		"\ntidegauge_stage{":                     false,
		"\ntidegauge_run_info{":                  false,
	} {
		if got := bytes.Contains(body, []byte(line)); got != want {
			t.Errorf("after the run: %q found %v, want %v", line, got, want)
		}
	}
	problems, err := promlint.New(bytes.NewReader(body)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
}
