package experiment

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel"

	"tidegauge/engine/event"
	"tidegauge/engine/outlet"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
	"tidegauge/engine/trace"
)

// gathered is an Exporter into memory.
type gathered[T any] struct {
	mu   sync.Mutex
	list []T
}

func (g *gathered[T]) Export(_ context.Context, items []T) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list = append(g.list, items...)
	return nil
}

// withQueues gives a lab an outlet that takes spans and events, and runs it until the test is over.
func withQueues(t *testing.T, l *Lab) (*gathered[trace.Span], *gathered[event.Event]) {
	t.Helper()
	spans, events := &gathered[trace.Span]{}, &gathered[event.Event]{}
	spanQueue, err := outlet.NewQueue(outlet.QueueOptions[trace.Span]{Name: "memory", Signal: outlet.Spans, Exporter: spans})
	if err != nil {
		t.Fatal(err)
	}
	eventQueue, err := outlet.NewQueue(outlet.QueueOptions[event.Event]{Name: "memory", Signal: outlet.Events, Exporter: events})
	if err != nil {
		t.Fatal(err)
	}
	l.Spans, l.Events = []*outlet.Queue[trace.Span]{spanQueue}, []*outlet.Queue[event.Event]{eventQueue}
	l.Outlets, err = outlet.NewSet(outlet.SetOptions{Queues: []outlet.Lane{spanQueue, eventQueue}, Store: l.Store, Instance: "here"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := l.Outlets.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return spans, events
}

// seen is what a server saw of each trace: its requests by span id.
type seen struct {
	mu       sync.Mutex
	paths    map[string]string // by trace and span id
	flags    map[string]string // by trace id
	requests int
	own      int // requests with the plan's own traceparent
}

const ownTraceparent = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00"

func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	if h := r.Header.Values("traceparent"); len(h) == 1 && h[0] == ownTraceparent {
		s.own++
	} else if len(h) == 1 && len(h[0]) == 55 {
		s.paths[h[0][3:52]], s.flags[h[0][3:35]] = r.URL.Path, h[0][53:]
	}
	s.mu.Unlock()
	switch r.URL.Path {
	case "/slow":
		<-time.After(120 * time.Millisecond)
	case "/broken":
		http.Error(w, "no", http.StatusInternalServerError)
	}
}

const tracedPlan = `
name: traced
seed: 42
trace: {ratio: 10%%, slow: 100ms}
target: {base_url: %q}
classes:
  Reader:
    tasks:
      - {weight: 4, steps: [{get: /first}, {get: /second}]}
      - get: /slow
      - get: /broken
      - {get: /own, headers: {TraceParent: "` + ownTraceparent + `"}}
tests: {load: {arrivals: 100/s, duration: 3s, max_users: 50}}
`

// TestTracesEndToEnd: the target sees one trace for each iteration, a tenth of them with the flag; what is slow or failed is
// exported all the same; and an exemplar of a slow bucket leads to the trace that the target saw.
func TestTracesEndToEnd(t *testing.T) {
	l := newLab(t)
	spans, events := withQueues(t, l)
	server := &seen{paths: map[string]string{}, flags: map[string]string{}}
	s := httptest.NewServer(server)
	defer s.Close()
	before := otel.GetTracerProvider()
	p, err := plan.Parse("traced.yaml", fmt.Appendf(nil, tracedPlan, s.URL), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Run(t.Context(), Options{Plan: p, Test: &p.Tests[0]})
	if err != nil {
		t.Fatal(err)
	}
	if otel.GetTracerProvider() != before {
		t.Error("the global tracer provider was set: Prometheus's components would put spans of their own in")
	}

	sampled := 0
	for _, flag := range server.flags {
		if flag == "01" {
			sampled++
		}
	}
	// Of 300 iterations 30 are sampled; those with a traceparent of the plan's do not show here.
	if len(server.paths)+server.own != server.requests || server.own == 0 || sampled > 31 || sampled < 15 {
		t.Errorf("%d requests, %d with ours, %d with the plan's; %d traces, %d sampled", server.requests, len(server.paths), server.own, len(server.flags), sampled)
	}
	counts := map[string]int{}
	for i := range spans.list {
		one := &spans.list[i]
		if one.Kind == trace.Iteration {
			counts["iteration"]++
			continue
		}
		id := hex.EncodeToString(one.Trace[:]) + "-" + hex.EncodeToString(one.ID[:])
		if path := server.paths[id]; path == "" || !strings.HasSuffix(one.Name, path) || one.Sampled != (server.flags[id[:32]] == "01") {
			t.Fatalf("span %s %s: the target saw %q with flag %s", id, one.Name, path, server.flags[id[:32]])
		}
		counts[server.paths[id]]++
		if one.Name == "GET /slow" && !one.Slow || one.Name == "GET /broken" && one.Outcome != protocol.Status || one.Run.ID != r.Run.ID {
			t.Errorf("span %+v", one)
		}
	}
	for _, row := range r.Requests {
		if row.Name == "GET /slow" || row.Name == "GET /broken" {
			if path := strings.TrimPrefix(row.Name, "GET "); counts[path] != int(row.Count) {
				t.Errorf("%d spans of %s, want all %d", counts[path], path, row.Count)
			}
		}
	}
	// A second request that was cut with the run has no span.
	if counts["/first"] != counts["iteration"] || counts["/second"] > counts["iteration"] || counts["/second"] == 0 || counts["iteration"] == 0 || counts["/own"] != 0 {
		t.Errorf("spans %v", counts)
	}
	for _, b := range r.Outlets {
		if !b.Complete() || b.Produced == 0 || b.Signal == outlet.Spans && b.Sent != uint64(len(spans.list)) {
			t.Errorf("books %+v", b)
		}
	}
	exemplarsLeadToTraces(t, l, server, r.Run.ID)
	wantEvents(t, events.list, "start", "phase", "verdict")
}

// exemplarsLeadToTraces asks the store as Grafana does.
func exemplarsLeadToTraces(t *testing.T, l *Lab, server *seen, run string) {
	t.Helper()
	query := url.Values{
		"query": {fmt.Sprintf(`histogram_quantile(0.99, sum(rate(tidegauge_response_time_seconds{run=%q}[1m])))`, run)},
		"start": {fmt.Sprint(time.Now().Add(-time.Minute).Unix())}, "end": {fmt.Sprint(time.Now().Add(time.Minute).Unix())},
	}
	w := httptest.NewRecorder()
	l.Store.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/api/v1/query_exemplars?"+query.Encode(), nil))
	var answer struct {
		Data []struct {
			SeriesLabels map[string]string
			Exemplars    []struct {
				Labels    map[string]string
				Value     float64 `json:",string"`
				Timestamp float64
			}
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	slow, broken, buckets := 0, 0, map[int64]int{}
	for _, series := range answer.Data {
		for _, e := range series.Exemplars {
			path := server.paths[e.Labels["trace_id"]+"-"+e.Labels["span_id"]]
			if "GET "+path != series.SeriesLabels["request"] {
				t.Fatalf("an exemplar of %s leads to %q", series.SeriesLabels["request"], path)
			}
			if path == "/slow" && e.Value >= 0.12 {
				slow++
				buckets[int64(e.Timestamp)]++
			}
			if path == "/broken" && series.SeriesLabels["outcome"] == "status" {
				broken++
			}
		}
	}
	if slow == 0 || broken == 0 {
		t.Errorf("%d exemplars of slow requests, %d of failed ones, in %s", slow, broken, w.Body)
	}
	for second, n := range buckets {
		if n > 4 {
			t.Errorf("%d exemplars of one histogram in the second %d, of about two buckets", n, second)
		}
	}
}

func wantEvents(t *testing.T, list []event.Event, kinds ...string) {
	t.Helper()
	var got []string
	for _, e := range list {
		got = append(got, string(e.Kind))
		if e.Time.IsZero() || e.Text == "" || e.Run == nil || e.Run.Plan != "traced" || e.Kind == event.Verdict && e.Since.IsZero() {
			t.Errorf("event %+v", e)
		}
	}
	if strings.Join(got, " ") != strings.Join(kinds, " ") {
		t.Errorf("events %q, want %q", got, kinds)
	}
}

// TestStopIsAnEvent: in the outlets, in the report and in the store.
func TestStopIsAnEvent(t *testing.T) {
	l := newLab(t)
	_, events := withQueues(t, l)
	s := httptest.NewServer(&seen{paths: map[string]string{}, flags: map[string]string{}})
	defer s.Close()
	p, err := plan.Parse("traced.yaml", fmt.Appendf(nil, tracedPlan, s.URL), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	time.AfterFunc(500*time.Millisecond, func() { close(stop) })
	r, err := l.Run(t.Context(), Options{Plan: p, Test: &p.Tests[0], Stop: stop})
	if err != nil {
		t.Fatal(err)
	}
	wantEvents(t, events.list, "start", "phase", "stop", "verdict")
	var reported []string
	for _, e := range r.Events {
		reported = append(reported, e.Kind)
	}
	if strings.Join(reported, " ") != "phase start stop verdict" && strings.Join(reported, " ") != "start phase stop verdict" {
		t.Errorf("events of the report: %q", reported)
	}
	for _, kind := range []string{"start", "phase", "stop", "verdict"} {
		found, err := l.Store.Query(t.Context(), fmt.Sprintf(`max_over_time(tidegauge_event_time_seconds{run=%q, kind=%q}[1m])`, r.Run.ID, kind), time.Now().Add(time.Second))
		if err != nil || len(found) != 1 || found[0].Value < float64(r.Start.Unix()) {
			t.Errorf("%s in the store: %v, %v", kind, found, err)
		}
	}
}
