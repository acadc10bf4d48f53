package prometheus

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/prompb"

	"tidegauge/engine/outlet"
	"tidegauge/engine/store"
)

func env(name string) (string, bool) { return "from the environment", name == "PROMETHEUS_TOKEN" }

func none(string) (string, bool) { return "", false }

func sample(h *store.Histogram, v float64) []outlet.Sample {
	series := &store.Series{Labels: []store.Label{{Name: "__name__", Value: "m"}, {Name: "job", Value: "j"}}}
	return []outlet.Sample{{Point: store.Point{Series: series, Time: 1234567, Value: v, Histogram: h}}}
}

// TestRequest: what the protocol asks for is in the request, and what the address asks for.
func TestRequest(t *testing.T) {
	var got prompb.WriteRequest
	var header http.Header
	var uri string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		header, uri = r.Header, r.RequestURI
		body, err := io.ReadAll(r.Body)
		if err == nil {
			body, err = snappy.Decode(nil, body)
		}
		if err == nil {
			got.Reset()
			err = got.Unmarshal(body)
		}
		if err != nil {
			t.Error(err)
		}
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	withUser := strings.Replace(s.URL, "://", "://me:pass@", 1)
	tests := []struct {
		address, authorization, uri string
		getenv                      func(string) (string, bool)
	}{
		{s.URL + "/api/v1/write", "", "/api/v1/write", none},
		{s.URL + "/api/v1/write", "Bearer from the environment", "/api/v1/write", env},
		{s.URL + "/w?token_file=" + url.QueryEscape(file) + "&extra_label=a%3Db", "Bearer from a file", "/w?extra_label=a%3Db", env},
		{withUser + "/w?header.X-Scope-OrgID=team&timeout=3s", "Basic bWU6cGFzcw==", "/w", none},
	}
	for i, tt := range tests {
		w, _, err := New(tt.address, tt.getenv)
		if err != nil {
			t.Fatal(err)
		}
		h := &store.Histogram{Schema: 6, Count: 9, Sum: 3, ZeroCount: 1, ZeroThreshold: 1e-128, Positive: []store.Bucket{{Index: -2, Count: 3}, {Index: -1, Count: 1}, {Index: 7, Count: 4}}}
		if err := w.Write(t.Context(), append(sample(nil, 5), sample(h, 0)...)); err != nil {
			t.Fatal(err)
		}
		if header.Get("Authorization") != tt.authorization || uri != tt.uri || header.Get("Content-Encoding") != "snappy" ||
			header.Get("X-Prometheus-Remote-Write-Version") != "0.1.0" || header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s: request %s with %v", tt.address, uri, header)
		}
		if i == 3 && header.Get("X-Scope-OrgID") != "team" {
			t.Errorf("the option header.X-Scope-OrgID is not in %v", header)
		}
		labels := []prompb.Label{{Name: "__name__", Value: "m"}, {Name: "job", Value: "j"}}
		want := []prompb.TimeSeries{
			{Labels: labels, Samples: []prompb.Sample{{Value: 5, Timestamp: 1234567}}},
			{Labels: labels, Histograms: []prompb.Histogram{{
				Count: &prompb.Histogram_CountInt{CountInt: 9}, Sum: 3, Schema: 6, ZeroThreshold: 1e-128,
				ZeroCount:     &prompb.Histogram_ZeroCountInt{ZeroCountInt: 1},
				PositiveSpans: []prompb.BucketSpan{{Offset: -2, Length: 2}, {Offset: 7, Length: 1}}, PositiveDeltas: []int64{3, -2, 3},
				Timestamp: 1234567,
			}}},
		}
		if d := cmp.Diff(want, got.Timeseries); d != "" {
			t.Error(d)
		}
		if len(got.Metadata) == 0 {
			t.Error("the first request has no metadata")
		}
		if err := w.Write(t.Context(), sample(nil, 5)); err != nil || len(got.Metadata) != 0 {
			t.Errorf("the second request has %d pieces of metadata, %v", len(got.Metadata), err)
		}
	}
}

func TestAnswers(t *testing.T) {
	tests := []struct {
		status   int
		header   string
		text     string
		reaction outlet.Reaction
		after    time.Duration
	}{
		{429, "17", "slow down", outlet.Retry, 17 * time.Second},
		{503, "", "starting", outlet.Retry, 0},
		{500, "nonsense", "", outlet.Retry, 0},
		{408, "", "", outlet.Retry, 0},
		{400, "", "out of order sample", outlet.Rejected, 0},
		{422, "", "invalid label", outlet.Rejected, 0},
		{413, "", "too large", outlet.Rejected, 0},
		{401, "", "", outlet.Refused, 0},
		{403, "", "", outlet.Refused, 0},
		{404, "", "", outlet.Refused, 0},
		{301, "", "", outlet.Refused, 0},
		{200, "", "<html><body>Log in</body></html>", outlet.Refused, 0},
		{415, "", "add protocol=2 to the address", outlet.Refused, 0},
		{500, "", "native histograms are disabled", outlet.Refused, 0},
	}
	for _, tt := range tests {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", tt.header)
			w.Header().Set("Location", "http://elsewhere.invalid/")
			w.WriteHeader(tt.status)
			if tt.status != http.StatusUnsupportedMediaType {
				fmt.Fprint(w, tt.text)
			}
		}))
		w, _, err := New(s.URL+"/w", none)
		if err != nil {
			t.Fatal(err)
		}
		err = w.Write(t.Context(), sample(nil, 1))
		var e *outlet.Error
		if !errors.As(err, &e) || e.Reaction != tt.reaction || e.After != tt.after || !strings.Contains(e.Error(), tt.text) || !strings.Contains(e.Error(), fmt.Sprint(tt.status)) {
			t.Errorf("%d %q: %+v", tt.status, tt.text, err)
		}
		s.Close()
	}
}

// TestCertificates: an unknown authority is said to be one, and believed once it is named.
func TestCertificates(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	s.Config.ErrorLog = nil
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer plain.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	pem := "-----BEGIN CERTIFICATE-----\n" + encode(s.Certificate().Raw) + "\n-----END CERTIFICATE-----\n"
	if err := os.WriteFile(file, []byte(pem), 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		s.URL + "/w": false,
		strings.Replace(plain.URL, "http:", "https:", 1) + "/w": false,
		s.URL + "/w?ca=" + url.QueryEscape(file):                true,
		s.URL + "/w?insecure_skip_verify=true":                  true,
	} {
		w, _, err := New(address, none)
		if err != nil {
			t.Fatal(err)
		}
		err = w.Write(t.Context(), sample(nil, 1))
		var e *outlet.Error
		if (err == nil) != want || err != nil && (!errors.As(err, &e) || e.Reaction != outlet.Refused) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func TestClassicAndQuantiles(t *testing.T) {
	h := &store.Histogram{Schema: 6, Count: 10, Sum: 3, Positive: []store.Bucket{{Index: -64, Count: 4}, {Index: -63, Count: 5}, {Index: 64 * 7, Count: 1}}}
	s := sample(h, 0)
	s[0].Before = &store.Histogram{Schema: 6, Count: 5, Sum: 1, Positive: []store.Bucket{{Index: -64, Count: 4}, {Index: 64 * 7, Count: 1}}}
	values := func(w *Writer) map[string]float64 {
		m := map[string]float64{}
		for _, one := range w.points(s) {
			key := ""
			for _, l := range one.labels {
				if l.Name != "job" {
					key += l.Value + " "
				}
			}
			m[key] = one.value
		}
		return m
	}
	classic := values(&Writer{histograms: Classic})
	for key, want := range map[string]float64{"m_bucket 0.25 ": 0, "m_bucket 0.5 ": 4, "m_bucket 1 ": 9, "m_bucket 64 ": 9, "m_bucket +Inf ": 10, "m_count ": 10, "m_sum ": 3} {
		if got, ok := classic[key]; got != want || !ok {
			t.Errorf("classic %q is %v (there: %v), want %v", key, got, ok, want)
		}
	}
	if len(classic) != highestBound-lowestBound+1+3 {
		t.Errorf("%d classic series", len(classic))
	}
	s[0].Exemplars = []store.Exemplar{{Value: 0.4}, {Value: 0.5}, {Value: 0.51}, {Value: 99}, {Value: 1e-9}}
	at := map[string][]float64{}
	for _, one := range (&Writer{histograms: Classic}).points(s) {
		for _, e := range one.exemplars {
			le := (&store.Series{Labels: one.labels}).Get("le")
			at[le] = append(at[le], e.Value)
		}
	}
	if d := cmp.Diff(map[string][]float64{"0.0009765625": {1e-9}, "0.5": {0.4, 0.5}, "1": {0.51}, "+Inf": {99}}, at); d != "" {
		t.Errorf("exemplars by bucket: %s", d)
	}
	q := values(&Writer{histograms: Quantiles})
	if v := q["m 0.5 "]; v <= 0.5 || v > 0.506 || q["m_count "] != 10 || len(q) != 7 {
		t.Errorf("quantiles %v: want the median of the second bucket, which is new", q)
	}
	s[0].Histogram = &store.Histogram{Sum: store.StaleMarker()}
	for _, kind := range []string{Classic, Quantiles, Native} {
		for _, one := range (&Writer{histograms: kind}).points(s) {
			v := one.value
			if kind == Native {
				v = one.whole.Sum
			}
			if p := (store.Point{Value: v}); !p.Stale() {
				t.Errorf("%s: %v has no marker at the end", kind, one.labels)
			}
		}
	}
}

// TestVictoriaMetrics: that it drops native histograms is said once, where some are sent.
func TestVictoriaMetrics(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Server-Hostname", "vm")
		w.WriteHeader(http.StatusNoContent)
	}))
	defer s.Close()
	histogram := &store.Histogram{Schema: 6, Count: 1, Sum: 1, Positive: []store.Bucket{{Index: 0, Count: 1}}}
	for _, tt := range []struct {
		options string
		h       *store.Histogram
		want    int
	}{{"", histogram, 1}, {"", nil, 0}, {"?histograms=classic", histogram, 0}, {"?histograms=quantiles", histogram, 0}} {
		w, _, err := New(s.URL+"/w"+tt.options, none)
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		w.Notify = func(text string) { said = append(said, text) }
		for range 2 {
			if err := w.Write(t.Context(), sample(tt.h, 1)); err != nil {
				t.Fatal(err)
			}
		}
		if len(said) != tt.want || tt.want > 0 && !strings.Contains(said[0], "add histograms=classic") {
			t.Errorf("%s with histogram %t: %q", tt.options, tt.h != nil, said)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for address, want := range map[string]string{
		"http://h:9090":                        "has no path",
		"ftp://h/w":                            "has to begin with http",
		"http://u:secret@h:99999999/%zz":       "reading the address",
		"http://h/w?histograms=none":           "choose one of native, classic, quantiles",
		"http://h/w?histogrms=classic":         "option histogrms: there is none of this name, did you mean histograms?",
		"http://h/w?protocol=3":                "choose one of 1, 2",
		"http://h/w?timeout=5&x=1":             "",
		"http://h/w?ca=/does/not/exist":        "option ca",
		"http://h/w?token_file=/does/not":      "option token_file",
		"http://h/w?cert=/no&key=/no":          "option cert: loading it with its key",
		"http://h/w?insecure_skip_verify=perh": "give true or false",
	} {
		_, a, err := New(address, none)
		if err == nil && want == "" {
			a.Duration("timeout", 0)
			if err = a.Err(); err == nil || !strings.Contains(err.Error(), "give a length of time") {
				t.Errorf("%s: %v", address, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want %q", address, err, want)
		}
	}
}
