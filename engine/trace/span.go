package trace

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidegauge/engine/catalog"
	"tidegauge/engine/event"
	"tidegauge/engine/protocol"
)

// Kind is the kind of a span.
type Kind uint8

// The kinds.
const (
	Request   Kind = iota // one request: OpenTelemetry's CLIENT
	Iteration             // one iteration of a task, the parent of its requests: OpenTelemetry's INTERNAL
)

// Span is one request or one iteration that is to be exported. It is a value; what it points to is not changed any more.
type Span struct {
	Trace   [16]byte
	ID      [8]byte
	Parent  [8]byte // zero: it is the root of its trace
	Kind    Kind
	Sampled bool // what the flag in traceparent said; a span that is slow or failed is exported without it too
	Slow    bool // its response time was above the limit

	Run    *event.Run
	Class  string
	Name   string // of a request, in the plan; of an iteration that of its task
	Method string // of a request, like what follows
	URL    string // as sent; URL.full has less of it
	Status int    // of the answer; 0 without one

	Outcome  protocol.Outcome
	Detail   string    // what went wrong, in words; empty where nothing did
	Intended time.Time // when it was due
	Start    time.Time // when it was sent
	End      time.Time
	Timings  protocol.Timings
	Sent     int64 // bytes on the wire
	Received int64
}

// Attribute is one attribute of a span, under its name in OpenTelemetry's semantic conventions (1.43) or one of ours.
type Attribute struct {
	Key   string
	Value any // string, int64, float64 or bool
}

// Event is something at a moment of a span.
type Event struct {
	Name       string
	Time       time.Time
	Attributes []Attribute
}

// Label returns the span's name as traces show it: the method and the request's name, or the name of the task.
func (s *Span) Label() string {
	if s.Kind == Iteration || strings.HasPrefix(s.Name, s.Method+" ") {
		return s.Name
	}
	return s.Method + " " + s.Name
}

// Failed reports whether the span's status is an error. Detail describes it.
func (s *Span) Failed() bool { return s.Outcome.Failed() }

// Attributes returns what describes the span, in a fixed order. A request has neither the query nor the user of its URL:
// that is where secrets are.
func (s *Span) Attributes() []Attribute {
	list := make([]Attribute, 0, 24)
	add := func(key string, value any) { list = append(list, Attribute{key, value}) }
	add(catalog.LabelRun, s.Run.ID)
	add(catalog.LabelPlan, s.Run.Plan)
	add(catalog.LabelTest, s.Run.Test)
	add(catalog.LabelClass, s.Class)
	for _, name := range slices.Sorted(maps.Keys(s.Run.Labels)) {
		add(name, s.Run.Labels[name])
	}
	add("tidegauge.intended_time", s.Intended.UTC().Format(time.RFC3339Nano))
	add("tidegauge.response_time", s.End.Sub(s.Intended).Seconds())
	if s.Kind == Iteration {
		add("tidegauge.task", s.Name)
		return list
	}
	add(catalog.LabelRequest, s.Name)
	add(catalog.LabelOutcome, s.Outcome.String())
	add("tidegauge.slow", s.Slow)
	add("http.request.method", s.Method)
	if path := strings.TrimPrefix(s.Name, s.Method+" "); strings.HasPrefix(path, "/") { // not every name is one
		add("url.template", path)
	}
	if full, host, port, ok := address(s.URL); ok {
		add("url.full", full)
		add("server.address", host)
		add("server.port", int64(port))
	}
	if s.Status != 0 {
		add("http.response.status_code", int64(s.Status))
	}
	if s.Failed() {
		kind := s.Outcome.String()
		if s.Outcome == protocol.Status { // the semantic conventions want the code itself
			kind = strconv.Itoa(s.Status)
		}
		add("error.type", kind)
	}
	add("http.request.size", s.Sent)
	add("http.response.size", s.Received)
	return list
}

// address returns what may be shown of a URL, and where it leads to.
func address(raw string) (full, host string, port int, ok bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "", "", 0, false
	}
	port, err = strconv.Atoi(u.Port())
	if err != nil {
		port = map[string]int{"https": 443, "wss": 443}[u.Scheme]
		if port == 0 {
			port = 80
		}
	}
	host = u.Hostname()
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return u.String(), host, port, true
}

// Events returns the phases of a request that took place, each at the moment it began, with its length in seconds as
// tidegauge.duration. Dns, connect and tls are shown one after the other from the send on; wait ends where receive begins,
// and receive with the span. Blocked is the time from when the request was due to its send, and begins before the span.
func (s *Span) Events() []Event {
	if s.Kind == Iteration {
		return nil
	}
	var list []Event
	add := func(name string, at time.Time, d time.Duration) {
		if d > 0 {
			list = append(list, Event{name, at, []Attribute{{"tidegauge.duration", d.Seconds()}}})
		}
	}
	t := &s.Timings
	add("blocked", s.Intended, s.Start.Sub(s.Intended))
	add("dns", s.Start, t.DNS)
	add("connect", s.Start.Add(t.DNS), t.Connect)
	add("tls", s.Start.Add(t.DNS+t.Connect), t.TLS)
	add("wait", s.End.Add(-t.Receive-t.Wait), t.Wait)
	add("receive", s.End.Add(-t.Receive), t.Receive)
	return list
}
