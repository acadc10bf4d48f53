package prometheus

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"tidegauge/engine/outlet"
	"tidegauge/engine/store"
)

// decode2 reads a request of remote write 2.0 as a server does.
func decode2(t *testing.T, r *http.Request) *writev2.Request {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err == nil {
		body, err = snappy.Decode(nil, body)
	}
	var request writev2.Request
	if err == nil {
		err = request.Unmarshal(body)
	}
	if err != nil {
		t.Error(err)
	}
	return &request
}

// TestRequest2: headers, labels, metadata and histograms of remote write 2.0.
func TestRequest2(t *testing.T) {
	var got *writev2.Request
	var header http.Header
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header, got = r.Header, decode2(t, r)
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", "1")
		w.Header().Set("X-Prometheus-Remote-Write-Histograms-Written", "2")
		w.WriteHeader(http.StatusNoContent)
	}))
	defer s.Close()
	w, a, err := New(s.URL+"/w?protocol=2", none)
	if err != nil {
		t.Fatal(err)
	}
	if a.URL.RawQuery != "" {
		t.Errorf("the option is sent: %s", a.URL.RawQuery)
	}
	whole := &store.Histogram{Schema: 6, Count: 4, Sum: 3, ZeroCount: 1, ZeroThreshold: 1e-128, Positive: []store.Bucket{{Index: -2, Count: 2}, {Index: 7, Count: 1}}}
	fractions := &store.Histogram{Schema: 0, Count: 0.5, Sum: 1, Fractions: true, Gauge: true, Negative: []store.Bucket{{Index: 1, Count: 0.5}}}
	list := append(append(sample(nil, 5), sample(whole, 0)...), sample(fractions, 0)...)
	list[0].Series = &store.Series{Labels: []store.Label{{Name: "__name__", Value: "tidegauge_network_io_bytes_total"}, {Name: "job", Value: "j"}}}
	list[1].Series = &store.Series{Labels: []store.Label{{Name: "__name__", Value: "tidegauge_response_time_seconds"}}}
	if err := w.Write(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "2.0.0",
	} {
		if header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, header.Get(name), want)
		}
	}
	if len(got.Timeseries) != 3 || got.Symbols[0] != "" {
		t.Fatalf("%d series with the symbols %q", len(got.Timeseries), got.Symbols)
	}
	b := labels.NewScratchBuilder(0)
	for i, want := range []struct {
		labels string
		metadata.Metadata
	}{
		{`{__name__="tidegauge_network_io_bytes_total", job="j"}`, metadata.Metadata{Type: "counter", Unit: "bytes"}},
		{`{__name__="tidegauge_response_time_seconds"}`, metadata.Metadata{Type: "histogram", Unit: "seconds"}},
		{`{__name__="m", job="j"}`, metadata.Metadata{Type: "unknown"}},
	} {
		l, err := got.Timeseries[i].ToLabels(&b, got.Symbols)
		if err != nil || l.String() != want.labels {
			t.Errorf("labels %s, %v; want %s", l, err, want.labels)
		}
		m, err := got.Timeseries[i].ToMetadata(got.Symbols)
		if err != nil || m.Type != want.Type || m.Unit != want.Unit || (m.Help == "") != (want.Unit == "") {
			t.Errorf("%s: metadata %+v, %v; want %+v and a text", l, m, err, want.Metadata)
		}
	}
	if v := got.Timeseries[0].Samples; len(v) != 1 || v[0].Value != 5 || v[0].Timestamp != 1234567 {
		t.Errorf("samples %v", v)
	}
	h := got.Timeseries[1].Histograms[0]
	if d := cmp.Diff([]float64{2, 1}, h.ToFloatHistogram().PositiveBuckets); d != "" || h.GetCountInt() != 4 || h.Sum != 3 || h.GetZeroCountInt() != 1 || h.Schema != 6 || h.Timestamp != 1234567 {
		t.Errorf("histogram %v %s", h, d)
	}
	h = got.Timeseries[2].Histograms[0]
	if d := cmp.Diff([]float64{0.5}, h.NegativeCounts); d != "" || h.GetCountFloat() != 0.5 || h.ResetHint != writev2.Histogram_RESET_HINT_GAUGE {
		t.Errorf("histogram of fractions %v %s", h, d)
	}
}

// TestAnswers2: what the server says that it has written counts.
func TestAnswers2(t *testing.T) {
	h := &store.Histogram{Schema: 6, Count: 1, Positive: []store.Bucket{{Index: 1, Count: 1}}}
	three := func() []outlet.Sample { return append(append(sample(nil, 1), sample(nil, 2)...), sample(h, 0)...) }
	tests := []struct {
		name                string
		status              int
		samples, histograms string // headers
		options             string
		reaction            outlet.Reaction
		lost                int
		want                string // "" for success
	}{
		{"all", 204, "2", "1", "", 0, 0, ""},
		{"more than sent", 200, "9", "9", "", 0, 0, ""},
		{"all, classic", 200, "22", "", "&histograms=classic", 0, 0, ""},
		{"one is missing", 204, "2", "0", "", outlet.Partial, 1, "has written 2 of 3"},
		{"no header for histograms", 204, "2", "", "", outlet.Partial, 1, "has written 2 of 3"},
		{"nothing", 204, "0", "0", "", outlet.Rejected, 0, "has written 0 of 3"},
		{"refused in part", 400, "1", "0", "", outlet.Partial, 2, "400 Bad Request: why"},
		{"refused in part, classic", 400, "21", "0", "&histograms=classic", outlet.Rejected, 0, "400 Bad Request: why"},
		{"refused", 400, "0", "0", "", outlet.Rejected, 0, "400 Bad Request: why"},
		{"refused without counts", 400, "", "", "", outlet.Rejected, 0, "400 Bad Request: why"},
		{"refused with all written", 400, "2", "1", "", outlet.Partial, 0, "400 Bad Request: why"},
		{"later", 503, "1", "0", "", outlet.Retry, 0, "503"},
		{"slower", 429, "", "", "", outlet.Retry, 0, "429"},
		{"version 1 that looks at the media type", 415, "", "", "", outlet.Refused, 0, "leave protocol=2 out of the address"},
		{"version 1 that does not", 204, "", "", "", outlet.Refused, 0, "leave protocol=2 out of the address"},
		{"nonsense", 204, "many", "-", "", outlet.Refused, 0, "without saying what it has written"},
		{"token", 401, "0", "0", "", outlet.Refused, 0, "check the token"},
	}
	for _, tt := range tests {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for name, v := range map[string]string{"Samples": tt.samples, "Histograms": tt.histograms} {
				if v != "" {
					w.Header().Set("X-Prometheus-Remote-Write-"+name+"-Written", v)
				}
			}
			w.WriteHeader(tt.status)
			if tt.status >= 400 {
				fmt.Fprint(w, "why")
			}
		}))
		w, _, err := New(s.URL+"/w?protocol=2"+tt.options, none)
		if err != nil {
			t.Fatal(err)
		}
		err = w.Write(t.Context(), three())
		s.Close()
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		var e *outlet.Error
		if !errors.As(err, &e) || e.Reaction != tt.reaction || e.Lost != tt.lost || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %+v, want reaction %d, %d lost, %q", tt.name, err, tt.reaction, tt.lost, tt.want)
		}
	}
}
