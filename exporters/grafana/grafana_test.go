package grafana

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/event"
	"tidegauge/engine/outlet"
)

// server is as much of Grafana as annotations need.
type server struct {
	got    []annotation
	tries  int
	answer func(n int) int // the status of the n-th request, from 1
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.tries++
	if r.URL.Path != "/grafana/api/annotations" || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		http.Error(w, "not here", http.StatusNotFound)
		return
	}
	if r.Header.Get("Authorization") != "Bearer secret" {
		http.Error(w, `{"message":"Invalid API key"}`, http.StatusUnauthorized)
		return
	}
	if s.answer != nil {
		if status := s.answer(s.tries); status != 200 {
			http.Error(w, "no", status)
			return
		}
	}
	var a annotation
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.got = append(s.got, a)
}

func exporter(t *testing.T, s *server, token string) *Exporter {
	t.Helper()
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	e, _, err := New(h.URL+"/grafana/", func(name string) (string, bool) { return token, name == "GRAFANA_TOKEN" })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.client.CloseIdleConnections)
	return e
}

func threeEvents() []event.Event {
	run := &event.Run{ID: "r1", Plan: "payments", Test: "load"}
	start := time.UnixMilli(1_700_000_000_000)
	return []event.Event{
		{Time: start, Kind: event.Start, Text: "the load begins", Run: run},
		{Time: start.Add(time.Second), Kind: event.Phase, Text: "steady", Run: run},
		{Time: start.Add(time.Minute), Since: start, Kind: event.Verdict, Text: "fail: p95 < 500ms is missed", Run: run},
	}
}

func TestAnnotations(t *testing.T) {
	s := &server{}
	if err := exporter(t, s, "secret").Export(t.Context(), threeEvents()); err != nil {
		t.Fatal(err)
	}
	tags := func(kind string) []string { return []string{"tidegauge", "run:r1", "plan:payments", "test:load", kind} }
	want := []annotation{
		{1_700_000_000_000, 0, tags("start"), "the load begins"},
		{1_700_000_001_000, 0, tags("phase"), "steady"},
		{1_700_000_000_000, 1_700_000_060_000, tags("verdict"), "fail: p95 &lt; 500ms is missed"},
	}
	if diff := cmp.Diff(want, s.got); diff != "" {
		t.Error(diff)
	}
}

// What has arrived is not posted again when the rest is.
func TestNoneTwice(t *testing.T) {
	s := &server{answer: func(n int) int {
		if n == 2 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	}}
	e, events := exporter(t, s, "secret"), threeEvents()
	var answer *outlet.Error
	if err := e.Export(t.Context(), events); !errors.As(err, &answer) || answer.Reaction != outlet.Retry {
		t.Fatalf("Export: %v", err)
	}
	if err := e.Export(t.Context(), events); err != nil || len(s.got) != 3 || s.tries != 4 {
		t.Errorf("%v; %d annotations in %d requests", err, len(s.got), s.tries)
	}
}

func TestRefusals(t *testing.T) {
	s := &server{answer: func(n int) int {
		if n == 2 {
			return http.StatusBadRequest
		}
		return http.StatusOK
	}}
	var answer *outlet.Error
	if err := exporter(t, s, "secret").Export(t.Context(), threeEvents()); !errors.As(err, &answer) || answer.Reaction != outlet.Partial || answer.Lost != 1 || len(s.got) != 2 {
		t.Errorf("one that is not taken: %v, %d annotations", err, len(s.got))
	}
	err := exporter(t, &server{}, "wrong").Export(t.Context(), threeEvents())
	if !errors.As(err, &answer) || answer.Reaction != outlet.Refused || !strings.Contains(err.Error(), "check the token") {
		t.Errorf("a wrong token: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for _, address := range []string{"", "grafana:3000", "http://h?dashboard=1", "http://h?token_file=/nowhere"} {
		if _, _, err := New(address, func(string) (string, bool) { return "", false }); err == nil {
			t.Errorf("%q is taken", address)
		}
	}
}
