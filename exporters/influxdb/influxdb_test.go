package influxdb

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/outlet"
	"tidegauge/engine/store"
)

func token(name string) (string, bool) { return "secret", name == "INFLUX_TOKEN" }

func samples() []outlet.Sample {
	series := func(name string) *store.Series {
		return &store.Series{Labels: []store.Label{{Name: "__name__", Value: name}, {Name: "empty", Value: ""}, {Name: "request", Value: `GET /a b,c=d`}}}
	}
	h := func(n float64) *store.Histogram {
		return &store.Histogram{Schema: 6, Count: n, Sum: n / 2, Positive: []store.Bucket{{Index: -64, Count: n}}}
	}
	return []outlet.Sample{
		{Point: store.Point{Series: series("up"), Time: 1700000000123, Value: 1}},
		{Point: store.Point{Series: series("time"), Time: 1700000000123, Histogram: h(10)}, Before: h(6)},
		{Point: store.Point{Series: series("time"), Time: 1700000001123, Histogram: h(10)}, Before: h(10)},
	}
}

// TestLines: the schema, as it goes over the wire.
func TestLines(t *testing.T) {
	var got, query, authorization string
	var length int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, authorization, length = r.URL.RequestURI(), r.Header.Get("Authorization"), r.ContentLength
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		text, err := io.ReadAll(unzipped)
		if err != nil {
			t.Error(err)
		}
		got = string(text)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer s.Close()
	w, _, err := New(s.URL+"?org=ops&bucket=load", token)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), samples()); err != nil {
		t.Fatal(err)
	}
	if query != "/api/v2/write?bucket=load&org=ops&precision=ms" || authorization != "Token secret" {
		t.Errorf("request %s with authorization %q", query, authorization)
	}
	if length <= 0 {
		t.Errorf("the request has the length %d: it is sent in chunks", length)
	}
	lines := strings.Split(strings.TrimSpace(got), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines, want 3:\n%s", len(lines), got)
	}
	if want := `up,request=GET\ /a\ b\,c\=d value=1 1700000000123`; lines[0] != want {
		t.Errorf("got  %s\nwant %s", lines[0], want)
	}
	for _, part := range []string{`time,request=GET\ /a\ b\,c\=d `, "count=4", "sum=2", "total=10", "p50=0.49", "p999=0.49", "max=0.5", "min=0.494", " 1700000000123"} {
		if !strings.Contains(lines[1], part) {
			t.Errorf("%s is not in %s", part, lines[1])
		}
	}
	if want := `time,request=GET\ /a\ b\,c\=d count=0,sum=0,total=10 1700000001123`; lines[2] != want {
		t.Errorf("got  %s\nwant %s", lines[2], want)
	}
}

func TestAnswers(t *testing.T) {
	tests := []struct {
		status     int
		header     http.Header
		text       string
		reaction   outlet.Reaction
		after      time.Duration
		lost       int
		impossible bool
	}{
		{status: 429, header: http.Header{"Retry-After": {"9"}}, reaction: outlet.Retry, after: 9 * time.Second},
		{status: 503, reaction: outlet.Retry},
		{status: 500, text: `{"code":"internal error","message":"disk full"}`, reaction: outlet.Retry},
		{status: 401, text: `{"code":"unauthorized","message":"unauthorized access"}`, reaction: outlet.Refused},
		{status: 404, text: `{"code":"not found","message":"bucket \"load\" not found"}`, reaction: outlet.Refused},
		{status: 400, text: `{"code":"invalid","message":"unable to parse 'x'"}`, reaction: outlet.Rejected},
		{status: 413, text: `{"code":"request too large","message":"too large"}`, reaction: outlet.Rejected},
		{status: 200, header: http.Header{"Content-Type": {"text/html"}}, text: "<!doctype html><title>Log in</title>", reaction: outlet.Refused},
		{status: 200, text: `{"status":"ok"}`, reaction: outlet.Refused},
		{status: 422, text: `{"code":"unprocessable entity","message":"failure writing points to database: partial write: points beyond retention policy dropped=2"}`, reaction: outlet.Partial, lost: 2},
		{status: 400, header: http.Header{"X-Influxdb-Error": {"partial write: field type conflict dropped=1"}}, text: `{"error":"partial write: field type conflict dropped=1"}`, reaction: outlet.Partial, lost: 1},
		{status: 400, text: `{"code":"invalid","message":"partial write dropped=1"}`, reaction: outlet.Partial, lost: 2, impossible: true},
		{status: 400, text: `{"error":"partial write of line protocol occurred","data":[{"original_line":"a v=1 1","line_number":1,"error_message":"no"},{"original_line":"b v=1 1","line_number":2,"error_message":"no"}]}`, reaction: outlet.Partial, lost: 2},
		{status: 400, text: `{"error":"partial write of line protocol occurred","data":[` + strings.Repeat(`{"line_number":1,"error_message":"no"},`, 99) + `{"line_number":2,"error_message":"no"}]}`, reaction: outlet.Rejected},
		{status: 400, text: `{"error":"parsing failed for write_lp endpoint","data":{"original_line":"a v=1 1","line_number":1,"error_message":"no"}}`, reaction: outlet.Rejected},
		{status: 400, text: "{\"code\":\"invalid\",\"message\":\"failed to parse line protocol: errors encountered on line(s):\\nerror parsing line 2 (1-based): no\",\"line\":2}", reaction: outlet.Rejected},
		{status: 201, text: "{\"code\":\"invalid\",\"message\":\"failed to parse line protocol: errors encountered on line(s):\\nerror parsing line 1 (1-based): no\\nerror parsing line 2 (1-based): no\",\"line\":1}", reaction: outlet.Partial, lost: 2},
		{status: 201, text: `{"code":"invalid","message":"some points were rejected"}`, reaction: outlet.Partial, lost: 1},
		{status: 201, text: `{"id":7}`, reaction: outlet.Refused},
		{status: 500, header: http.Header{"X-Influxdb-Error": {"timeout"}}, text: `{"error":"timeout"}`, reaction: outlet.Retry},
	}
	for _, tt := range tests {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			maps.Copy(w.Header(), tt.header)
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.text)
		}))
		w, _, err := New(s.URL+"?org=ops&bucket=load", token)
		if err != nil {
			t.Fatal(err)
		}
		list := samples()
		if tt.impossible {
			list[0].Value = math.Inf(1)
		}
		err = w.Write(t.Context(), list)
		var e *outlet.Error
		if !errors.As(err, &e) || e.Reaction != tt.reaction || e.After != tt.after || e.Lost != tt.lost || !strings.Contains(e.Error(), fmt.Sprint(tt.status)) {
			t.Errorf("%d %s: %+v", tt.status, tt.text, err)
		}
		s.Close()
	}
	w, _, err := New("http://127.0.0.1:1?org=ops&bucket=load", token)
	if err != nil {
		t.Fatal(err)
	}
	var e *outlet.Error
	if err := w.Write(t.Context(), samples()); err == nil || errors.As(err, &e) {
		t.Errorf("nobody listens: %v, want an error that is tried again", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for address, want := range map[string]string{
		"http://h:8086":                         "add ?org=ORG&bucket=BUCKET",
		"http://h:8086?org=o":                   "add ?org=ORG&bucket=BUCKET",
		"http://h:8086?org=o&bucket=b&bukets=1": "option bukets: there is none of this name, did you mean buckets?",
		"http://h:8086?org=o&bucket=b&other=1":  "an option that there is not",
		"http://h:8086?org=o&bucket=b&buckets=": "give true or false",
	} {
		if _, _, err := New(address, token); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", address, err, want)
		}
	}
}
