package otlp

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"tidegauge/engine/outlet"
	"tidegauge/engine/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func vars(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func one(name string, h *store.Histogram) []outlet.Sample {
	series := &store.Series{Labels: []store.Label{{Name: "__name__", Value: name}, {Name: "instance", Value: "i"}, {Name: "job", Value: "j"}}}
	return []outlet.Sample{{Point: store.Point{Series: series, Time: 1000, Value: 7, Histogram: h}}}
}

// receiver is an OTLP receiver that gives one answer.
type receiver struct {
	collectorpb.UnimplementedMetricsServiceServer
	answer func() (*collectorpb.ExportMetricsServiceResponse, error)
	header metadata.MD
}

func (r *receiver) Export(ctx context.Context, _ *collectorpb.ExportMetricsServiceRequest) (*collectorpb.ExportMetricsServiceResponse, error) {
	r.header, _ = metadata.FromIncomingContext(ctx)
	return r.answer()
}

func (r *receiver) serve(t *testing.T, o ...grpc.ServerOption) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(o...)
	collectorpb.RegisterMetricsServiceServer(s, r)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// write sends one sample to an address.
func write(t *testing.T, address string, env func(string) (string, bool)) error {
	t.Helper()
	d, err := New(address, env, Self{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return errors.Join(d.Metrics.Write(ctx, one("m", nil)), d.Metrics.Close())
}

func check(t *testing.T, name string, err error, want outlet.Error, text string) {
	t.Helper()
	e, ok := errors.AsType[*outlet.Error](err)
	if !ok {
		e = &outlet.Error{Err: err}
	}
	if err == nil || e.Reaction != want.Reaction || e.After != want.After || e.Lost != want.Lost || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: %v, reaction %v after %v, %d lost; want %+v and %q", name, err, e.Reaction, e.After, e.Lost, want, text)
	}
}

// TestAnswersByGRPC: each status means for the samples what the specification says, and says so.
func TestAnswersByGRPC(t *testing.T) {
	delayed, err := status.New(codes.ResourceExhausted, "quota").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(17 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		err  error
		want outlet.Error
		text string
	}{
		{delayed.Err(), outlet.Error{Reaction: outlet.Retry, After: 17 * time.Second}, "ResourceExhausted: quota"},
		{status.Error(codes.ResourceExhausted, "grpc: received message larger than max (5 vs. 4)"), outlet.Error{Reaction: outlet.Rejected}, "larger"},
		{status.Error(codes.Unavailable, "starting"), outlet.Error{Reaction: outlet.Retry}, "Unavailable: starting"},
		{status.Error(codes.Internal, "broken"), outlet.Error{Reaction: outlet.Retry}, "broken"},
		{status.Error(codes.Unauthenticated, "who"), outlet.Error{Reaction: outlet.Refused}, "check the token"},
		{status.Error(codes.PermissionDenied, "no"), outlet.Error{Reaction: outlet.Refused}, "check the token"},
		{status.Error(codes.Unimplemented, "what"), outlet.Error{Reaction: outlet.Refused}, "check the address"},
		{status.Error(codes.InvalidArgument, "bad"), outlet.Error{Reaction: outlet.Rejected}, "InvalidArgument: bad"},
	} {
		r := &receiver{answer: func() (*collectorpb.ExportMetricsServiceResponse, error) { return nil, tt.err }}
		check(t, tt.err.Error(), write(t, "grpc://"+r.serve(t), vars()), tt.want, tt.text)
	}
	rejecting := func() (*collectorpb.ExportMetricsServiceResponse, error) {
		return &collectorpb.ExportMetricsServiceResponse{PartialSuccess: &collectorpb.ExportMetricsPartialSuccess{RejectedDataPoints: 1, ErrorMessage: "too old"}}, nil
	}
	r := &receiver{answer: rejecting}
	err = write(t, "grpc://"+r.serve(t), vars("OTEL_EXPORTER_OTLP_HEADERS", "x-team=a%2Cb, authorization=Bearer%20x"))
	check(t, "partial success", err, outlet.Error{Reaction: outlet.Partial, Lost: 1}, "the server rejects data points: too old")
	if d := cmp.Diff([]string{"a,b", "Bearer x"}, append(r.header.Get("x-team"), r.header.Get("authorization")...)); d != "" {
		t.Error(d)
	}
	check(t, "TLS to a server without", write(t, "grpcs://"+r.serve(t), vars()), outlet.Error{Reaction: outlet.Refused}, "check grpcs or grpc")
	check(t, "HTTP to a gRPC server", write(t, "http://"+r.serve(t), vars()), outlet.Error{}, "a gRPC server?")
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	check(t, "gRPC to a server with TLS", write(t, "grpc://"+secure.Listener.Addr().String(), vars()), outlet.Error{Reaction: outlet.Retry}, "grpcs://")
	check(t, "an unknown authority", write(t, "grpcs://"+secure.Listener.Addr().String(), vars()), outlet.Error{Reaction: outlet.Refused}, "check grpcs or grpc")
}

// TestAnswersByHTTP: what differs from every outlet by HTTP.
func TestAnswersByHTTP(t *testing.T) {
	partialText, err := proto.Marshal(&collectorpb.ExportMetricsServiceResponse{PartialSuccess: &collectorpb.ExportMetricsPartialSuccess{RejectedDataPoints: 1, ErrorMessage: "too old"}})
	if err != nil {
		t.Fatal(err)
	}
	statusText, err := proto.Marshal(status.New(codes.InvalidArgument, "bad name").Proto())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		code int
		body []byte
		want outlet.Error
		text string
	}{
		{429, nil, outlet.Error{Reaction: outlet.Retry, After: 17 * time.Second}, "429"},
		{503, []byte("later"), outlet.Error{Reaction: outlet.Retry, After: 17 * time.Second}, "503"},
		{400, statusText, outlet.Error{Reaction: outlet.Rejected, After: 17 * time.Second}, "400 Bad Request: bad name"},
		{401, nil, outlet.Error{Reaction: outlet.Refused, After: 17 * time.Second}, "check the token"},
		{404, nil, outlet.Error{Reaction: outlet.Refused, After: 17 * time.Second}, "check the address"},
		{200, partialText, outlet.Error{Reaction: outlet.Partial, Lost: 1}, "the server rejects data points: too old"},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/base/v1/metrics" || r.Header.Get("Content-Encoding") != "gzip" || r.Header.Get("Content-Type") != "application/x-protobuf" {
				t.Errorf("%s with %v", r.URL, r.Header)
			}
			w.Header().Set("Content-Type", "application/x-protobuf")
			w.Header().Set("Retry-After", "17")
			w.WriteHeader(tt.code)
			_, _ = w.Write(tt.body) // the client reads it or fails
		}))
		check(t, tt.text, write(t, s.URL+"/base", vars()), tt.want, tt.text)
		s.Close()
	}
	for _, tt := range []struct {
		mediaType, body string
		want            *outlet.Error // nil: taken
	}{
		{"", "", nil},
		{"text/plain; charset=utf-8", "OK", nil},
		{"application/json", "{}", nil},
		{"application/x-protobuf", string(partialText), &outlet.Error{Reaction: outlet.Partial, Lost: 1}},
		{"application/json", `{"partialSuccess": {"rejectedDataPoints": "2", "errorMessage": "too old"}}`, &outlet.Error{Reaction: outlet.Partial, Lost: 2}},
		{"application/json", `{"status": "ok"}`, &outlet.Error{Reaction: outlet.Refused}},
		{"application/x-protobuf", "OK", &outlet.Error{Reaction: outlet.Refused}},
		{"text/html; charset=utf-8", "Log in", &outlet.Error{Reaction: outlet.Refused}},
		{"text/plain", "\n<!DOCTYPE html><title>Log in</title>", &outlet.Error{Reaction: outlet.Refused}},
		{"image/png", "x", &outlet.Error{Reaction: outlet.Refused}},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", tt.mediaType)
			_, _ = w.Write([]byte(tt.body)) // the client reads it or fails
		}))
		err := write(t, s.URL, vars())
		s.Close()
		switch {
		case tt.want == nil && err != nil:
			t.Errorf("%s %q: %v", tt.mediaType, tt.body, err)
		case tt.want != nil && tt.want.Reaction == outlet.Refused:
			check(t, tt.body, err, *tt.want, "this is not the answer of an OTLP server, check the address: 200")
		case tt.want != nil:
			check(t, tt.body, err, *tt.want, "too old")
		}
	}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil || r.Header.Get("Content-Encoding") != "" {
			t.Errorf("%v with %v", err, r.Header)
		}
	}))
	defer s.Close()
	if err := write(t, s.URL+"?compression=none", vars()); err != nil {
		t.Error(err)
	}
}

// TestEnvironment: the variables say what the address does not, that of a signal before that of all.
func TestEnvironment(t *testing.T) {
	const e = "OTEL_EXPORTER_OTLP_"
	for _, tt := range []struct {
		address string
		env     []string
		url     string // of traces; gRPC begins with grpc
		timeout time.Duration
		wrong   string
	}{
		{"", nil, "http://localhost:4318/v1/traces", 0, ""},
		{"", []string{e + "PROTOCOL", "grpc"}, "grpc http://localhost:4317", 0, ""},
		{"", []string{e + "ENDPOINT", "https://c:1/x/"}, "https://c:1/x/v1/traces", 0, ""},
		{"", []string{e + "ENDPOINT", "https://c:1/x", e + "TRACES_ENDPOINT", "http://t/own"}, "http://t/own", 0, ""},
		{"", []string{e + "TRACES_PROTOCOL", "grpc", e + "ENDPOINT", "c:4317"}, "grpc https://c:4317", 0, ""},
		{"", []string{e + "PROTOCOL", "grpc", e + "ENDPOINT", "c:4317", e + "INSECURE", "true"}, "grpc http://c:4317", 0, ""},
		{"http://h", []string{e + "ENDPOINT", "http://c", e + "PROTOCOL", "grpc", e + "TIMEOUT", "1500"}, "http://h/v1/traces", 1500 * time.Millisecond, ""},
		{"http://h?timeout=2s", []string{e + "TIMEOUT", "1500"}, "http://h/v1/traces", 2 * time.Second, ""},
		{"grpcs://h:1", nil, "grpc https://h:1", 0, ""},
		{"http://h/v1/metrics", nil, "http://h/v1/traces", 0, ""},
		{"", []string{e + "PROTOCOL", "http/json"}, "", 0, e + "PROTOCOL=http/json: choose grpc or http/protobuf"},
		{"", []string{e + "TRACES_ENDPOINT", "c:4318"}, "", 0, e + "TRACES_ENDPOINT: the address has to begin with"},
		{"http://h", []string{e + "COMPRESSION", "zstd"}, "", 0, e + "COMPRESSION=zstd: choose gzip or none"},
		{"http://h", []string{e + "TIMEOUT", "10s"}, "", 0, e + "TIMEOUT=10s: give a number of milliseconds"},
		{"http://h", []string{e + "HEADERS", "secret"}, "", 0, e + "HEADERS: entry 1 is not KEY=VALUE"},
		{"http://h", []string{e + "CERTIFICATE", "/does/not/exist"}, "", 0, e + "CERTIFICATE: "},
		{"http://h", []string{e + "CLIENT_KEY", "/k"}, "", 0, e + "CLIENT_KEY needs " + e + "CLIENT_CERTIFICATE"},
		{"", []string{e + "PROTOCOL", "grpc", e + "ENDPOINT", "c:1", e + "INSECURE", "perhaps"}, "", 0, e + "INSECURE=perhaps: give true or false"},
		{"grpc://h/path", nil, "", 0, "the address of a gRPC server has no path"},
	} {
		target, err := parse(tt.address, tracesSignal(), vars(tt.env...))
		if tt.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), tt.wrong) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q with %q: %v, want %q", tt.address, tt.env, err, tt.wrong)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q with %q: %v", tt.address, tt.env, err)
			continue
		}
		got := target.URL.String()
		if target.grpc {
			got = "grpc " + got
		}
		if got != tt.url || target.timeout != tt.timeout || !target.gzip {
			t.Errorf("%q with %q: %s, timeout %v; want %s, %v", tt.address, tt.env, got, target.timeout, tt.url, tt.timeout)
		}
	}
	for address, want := range map[string]string{
		"http://h": "mte", "http://h/v1/traces": "t", "http://h/api/v1/otlp": "m", "grpc://h": "mte", "http://h?signals=" + url.QueryEscape("logs,metrics"): "me",
	} {
		d, err := New(address, vars(), Self{})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for name, there := range map[string]bool{"m": d.Metrics != nil, "t": d.Spans != nil, "e": d.Events != nil} {
			if there != strings.Contains(want, name) {
				got += name
			}
		}
		if got != "" {
			t.Errorf("%s takes %q otherwise than wanted: %q", address, got, want)
		}
	}
	if _, err := New("http://h?signals=smoke", vars(), Self{}); err == nil || !strings.Contains(err.Error(), "option signals=smoke") {
		t.Errorf("a wrong signal: %v", err)
	}
}

// FuzzEncode: whatever the labels and the histogram, everything is a data point that says the same, or counted as lost.
func FuzzEncode(f *testing.F) {
	f.Add("tidegauge_requests_total", "run", "x", 1.0, int32(6), int32(-3), int32(9), 4.0)
	f.Add("target_info", "service_version", "1", 1.0, int32(-4), int32(math.MinInt32), int32(math.MaxInt32), 1.5)
	f.Fuzz(func(t *testing.T, name, label, text string, v float64, schema, first, last int32, n float64) {
		h := &store.Histogram{Schema: max(-4, min(8, schema)), Count: 2 * n, Sum: v, Positive: []store.Bucket{{Index: first, Count: n}, {Index: last, Count: n}}}
		samples := append(one(name, nil), one(name+"_h", h)...)
		samples[0].Value = v
		samples[0].Series.Labels = append(samples[0].Series.Labels, store.Label{Name: label, Value: text})
		request, lost := newEncoder(nil).encode(samples)
		b, err := proto.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		var back collectorpb.ExportMetricsServiceRequest
		if err := proto.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		points := 0
		for _, rm := range back.ResourceMetrics {
			for _, a := range rm.Resource.Attributes {
				if name == targetInfo && a.Key == label {
					points++ // it is told by the resource
				}
			}
			for _, sm := range rm.ScopeMetrics {
				for _, m := range sm.Metrics {
					points += len(m.GetGauge().GetDataPoints()) + len(m.GetSum().GetDataPoints())
					for _, p := range m.GetExponentialHistogram().GetDataPoints() {
						points++
						sum := uint64(0)
						for _, c := range p.GetPositive().GetBucketCounts() {
							sum += c
						}
						if sum != uint64(2*n) || p.Count != sum || len(p.Positive.BucketCounts) > maxBuckets {
							t.Errorf("%d of %v observations in %d buckets", sum, 2*n, len(p.Positive.BucketCounts))
						}
						if down := h.Schema - p.Scale; p.Positive.Offset != int32(lower(first, int(down))) {
							t.Errorf("first bucket %d at scale %d, want that of %d at %d", p.Positive.Offset, p.Scale, first, schema)
						}
					}
				}
			}
		}
		if points+lost.count != 2 {
			t.Errorf("%d data points and %d lost of two samples (%v)", points, lost.count, lost.reason)
		}
	})
}
