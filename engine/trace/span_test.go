package trace

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/event"
	"tidegauge/engine/protocol"
)

func TestRequestSpan(t *testing.T) {
	due := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := Span{
		Kind: Request, Sampled: true, Slow: true,
		Run:   &event.Run{ID: "r1", Plan: "payments", Test: "load", Labels: map[string]string{"env": "staging", "area": "pay"}},
		Class: "PaymentUser", Name: "GET /payments/{id}", Method: "GET", URL: "https://me:secret@shop.example/payments/7?token=secret#x",
		Status: 503, Outcome: protocol.Status, Detail: "status 503",
		Intended: due, Start: due.Add(10 * time.Millisecond), End: due.Add(1010 * time.Millisecond),
		Timings: protocol.Timings{DNS: time.Millisecond, Connect: 2 * time.Millisecond, TLS: 3 * time.Millisecond, Wait: 900 * time.Millisecond, Receive: 90 * time.Millisecond},
		Sent:    120, Received: 4000,
	}
	if s.Label() != "GET /payments/{id}" || !s.Failed() {
		t.Errorf("label %q, failed %v", s.Label(), s.Failed())
	}
	want := []Attribute{
		{"run", "r1"}, {"plan", "payments"}, {"test", "load"}, {"class", "PaymentUser"}, {"area", "pay"}, {"env", "staging"},
		{"tidegauge.intended_time", "2026-03-01T12:00:00Z"}, {"tidegauge.response_time", 1.01},
		{"request", "GET /payments/{id}"}, {"outcome", "status"}, {"tidegauge.slow", true},
		{"http.request.method", "GET"}, {"url.template", "/payments/{id}"},
		{"url.full", "https://shop.example/payments/7"}, {"server.address", "shop.example"}, {"server.port", int64(443)},
		{"http.response.status_code", int64(503)}, {"error.type", "503"},
		{"http.request.size", int64(120)}, {"http.response.size", int64(4000)},
	}
	if diff := cmp.Diff(want, s.Attributes()); diff != "" {
		t.Error(diff)
	}
	s.Name, s.Outcome = "look at it", protocol.Timeout
	want = slices.DeleteFunc(want, func(a Attribute) bool { return a.Key == "url.template" })
	for i := range want {
		switch want[i].Key {
		case "request":
			want[i].Value = "look at it"
		case "outcome", "error.type":
			want[i].Value = "timeout"
		}
	}
	if diff := cmp.Diff(want, s.Attributes()); diff != "" {
		t.Error(diff)
	}
	var phases []string
	var at []time.Duration
	for _, e := range s.Events() {
		phases, at = append(phases, e.Name), append(at, e.Time.Sub(s.Start))
	}
	if diff := cmp.Diff([]string{"blocked", "dns", "connect", "tls", "wait", "receive"}, phases); diff != "" {
		t.Error(diff)
	}
	ms := time.Millisecond
	if diff := cmp.Diff([]time.Duration{-10 * ms, 0, ms, 3 * ms, 10 * ms, 910 * ms}, at); diff != "" {
		t.Error(diff)
	}
}

func TestAddress(t *testing.T) {
	for _, tt := range []struct {
		url, full, host string
		port            int
		ok              bool
	}{
		{"http://a.example/x", "http://a.example/x", "a.example", 80, true},
		{"http://[::1]:8080/x?y=1", "http://[::1]:8080/x", "::1", 8080, true},
		{"https://a.example", "https://a.example", "a.example", 443, true},
		{"/x", "", "", 0, false},
		{"http://a b/", "", "", 0, false},
		{"", "", "", 0, false},
	} {
		full, host, port, ok := address(tt.url)
		if full != tt.full || host != tt.host || port != tt.port || ok != tt.ok {
			t.Errorf("%q: %q %q %d %v", tt.url, full, host, port, ok)
		}
	}
}
