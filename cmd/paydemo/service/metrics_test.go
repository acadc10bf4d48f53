package service

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

func TestMetrics(t *testing.T) {
	c := start(t, Options{Version: "v1.2.3"})
	id := c.pay().ID
	c.do("GET", "/payments/"+id, "")
	c.do("GET", "/payments/pay_77", "")
	c.do("POST", "/payments", "{")
	for series, want := range map[string]string{
		`http_requests_total{method="POST",route="/payments",status="201"}`:                     "1",
		`http_requests_total{method="POST",route="/payments",status="400"}`:                     "1",
		`http_requests_total{method="GET",route="/payments/{id}",status="200"}`:                 "1",
		`http_requests_total{method="GET",route="/payments/{id}",status="404"}`:                 "1",
		`http_request_duration_seconds_count{method="GET",route="/payments/{id}",status="200"}`: "1",
		`http_requests_in_flight`:                              "1", // the one that asks
		`notifications_total{result="sent"}`:                   "1",
		`circuit_breaker_state{breaker="notifications"}`:       "0",
		`circuit_breaker_trips_total{breaker="notifications"}`: "0",
		`db_pool_connections_limit`:                            "5",
		`db_pool_connections_in_use`:                           "0",
		`db_pool_connections_idle`:                             "1",
		`db_pool_timeouts_total`:                               "0",
		`db_pool_waits_total`:                                  "0",
	} {
		if got := c.metric(series); got != want {
			t.Errorf("%s is %s, want %s", series, got, want)
		}
	}
	text := c.do("GET", "/metrics", "").text
	for _, want := range []string{`version="v1.2.3"} 1`, "go_goroutines ", "process_resident_memory_bytes "} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics does not show %s", want)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestDurationIsANativeHistogramToo(t *testing.T) {
	c := start(t, Options{})
	c.pay()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, c.url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
	response, err := c.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}()
	decoder := expfmt.NewDecoder(response.Body, expfmt.ResponseFormat(response.Header))
	for {
		var family dto.MetricFamily
		if err := decoder.Decode(&family); errors.Is(err, io.EOF) {
			t.Fatal("there is no http_request_duration_seconds")
		} else if err != nil {
			t.Fatal(err)
		}
		if family.GetName() != "http_request_duration_seconds" {
			continue
		}
		h := family.GetMetric()[0].GetHistogram()
		if h.Schema == nil || h.GetSampleCount() != 1 || len(h.GetPositiveSpan()) == 0 || len(h.GetBucket()) == 0 {
			t.Errorf("the histogram is not classic and native: %v", h)
		}
		return
	}
}
