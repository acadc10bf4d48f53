package otlp

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/event"
	"tidegauge/engine/protocol"
	"tidegauge/engine/trace"
)

// TestWhatWaitsIsKeptWhole: spans and events that wait for the next process are the same there.
func TestWhatWaitsIsKeptWhole(t *testing.T) {
	run := &event.Run{ID: "r", Plan: "p", Test: "load", Labels: map[string]string{"env": "test"}}
	at := time.Unix(1_700_000_000, 123_456_789).UTC()
	spans := []trace.Span{
		{
			Trace: [16]byte{1, 255}, ID: [8]byte{2}, Parent: [8]byte{3}, Kind: trace.Iteration, Sampled: true, Slow: true, Run: run, Class: "c", Name: "n",
			Method: "GET", URL: "http://h/?a=b&c=<d>", Status: 503, Outcome: protocol.Status, Detail: "no", Intended: at, Start: at.Add(1), End: at.Add(time.Second),
			Timings: protocol.Timings{DNS: 1, Connect: 2, TLS: 3, Wait: 4, Receive: 5}, Sent: 6, Received: 7,
		},
		{},
	}
	events := []event.Event{{Time: at, Since: at.Add(-time.Minute), Kind: event.Verdict, Severity: event.Error, Text: "two\nlines", Run: run}, {}}
	same(t, spans)
	same(t, events)
}

func same[T any](t *testing.T, items []T) {
	t.Helper()
	text, err := json.Marshal(items)
	if err != nil {
		t.Fatal(err)
	}
	var back []T
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(items, back); diff != "" {
		t.Errorf("-before +after: %s", diff)
	}
}
