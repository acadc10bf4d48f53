package experiment

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/verdict"
)

// The target here is the proxy itself, so that what it does is what the run sees.
const faultyPlan = `
name: faulty
target: {base_url: "http://PROXY", timeout: 5s}
classes: {User: {tasks: [{get: /, check: [status == 200]}]}}
proxies:
  web: {http: "http://OTHER", listen: "PROXY"}
  unused: {http: "UPSTREAM", listen: "127.0.0.1:0"}
  connections: {tcp: "UPSTREAM_ADDRESS", listen: "OTHER"}
objectives: [error_rate < 90%]
tests:
  recovery:
    type: recovery
    arrivals: 40/s
    duration: 3s
    faults: [FAULTS]
  load: {arrivals: 40/s, duration: 500ms}
`

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func runFaulty(t *testing.T, l *Lab, test, faults string) (*report.Report, error) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	text := strings.NewReplacer("PROXY", freeAddress(t), "OTHER", freeAddress(t), "UPSTREAM_ADDRESS", s.Listener.Addr().String(),
		"UPSTREAM", s.URL, "FAULTS", faults).Replace(faultyPlan)
	p, err := plan.Parse("faulty.yaml", []byte(text), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := p.Test(test)
	if err != nil {
		t.Fatal(err)
	}
	return l.Run(t.Context(), Options{Plan: p, Test: chosen})
}

func TestFaults(t *testing.T) {
	l := newLab(t)
	l.FaultDir = filepath.Join(t.TempDir(), "faults")
	r, err := runFaulty(t, l, "recovery", "{at: 1s, for: 1s, http: web, status: 503}, {at: 1s, for: 1s, tcp: connections, cut: true}")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Faults) != 2 || r.Verdict.Code() == verdict.CodeFault {
		t.Fatalf("faults %+v, verdict %+v", r.Faults, r.Verdict)
	}
	for _, f := range r.Faults {
		if !f.Undone || f.Error != "" || f.At != 1 || f.For != 1 || *f.Asked < 1 || *f.Start < *f.Asked || *f.Undoing < 2 || *f.End < *f.Undoing {
			t.Errorf("fault %s: %+v", f.Name, f)
		}
	}
	// As many requests failed as were made in that second, but for those at its edges on a busy machine.
	if n := r.Total.Failures; n < 20 || n > 80 {
		t.Errorf("%d of %d requests failed, want about 40", n, r.Total.Count)
	}
	var events []string
	for _, e := range r.Events {
		if e.Kind == "fault" {
			events = append(events, e.Text)
		}
	}
	for _, want := range []string{"status 503 of web begins", "status 503 of web is undone", "cut of connections begins", "cut of connections is undone"} {
		if !strings.Contains(strings.Join(events, "\n"), want) {
			t.Errorf("there is no event %q among %q", want, events)
		}
	}
	if left, err := filepath.Glob(filepath.Join(l.FaultDir, "*")); err != nil || len(left) > 0 {
		t.Errorf("the journal has %v, %v after the run", left, err)
	}
}

// A fault that met nothing tells nothing.
func TestFaultOfAnUnusedProxy(t *testing.T) {
	l := newLab(t)
	l.FaultDir = t.TempDir()
	r, err := runFaulty(t, l, "recovery", "{at: 500ms, for: 500ms, http: unused, status: 503}")
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict.Code() != verdict.CodeFault || !strings.Contains(r.Verdict.Summary, "nothing has connected to the proxy; it listens on another port in every run") || !r.Faults[0].Undone {
		t.Errorf("verdict %+v, fault %+v", r.Verdict, r.Faults[0])
	}
}

// A command that fails makes the run inconclusive, whatever else it came to.
func TestFaultThatCannotBeStarted(t *testing.T) {
	l := newLab(t)
	l.FaultDir, l.AllowedHooks = t.TempDir(), []string{"false"}
	r, err := runFaulty(t, l, "recovery", "{at: 500ms, for: 500ms, command: [false]}")
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict.Outcome != verdict.Inconclusive || r.Verdict.Code() != verdict.CodeFault || !strings.Contains(r.Verdict.Summary, "starting the fault false: running false: exit status 1") {
		t.Errorf("verdict %+v", r.Verdict)
	}
	if f := r.Faults[0]; f.Start != nil || f.Undone || f.Error == "" {
		t.Errorf("fault %+v", f)
	}
}

func TestHooksHaveToBeAllowed(t *testing.T) {
	_, err := runFaulty(t, newLab(t), "recovery", "{at: 500ms, for: 500ms, command: [docker, stop, redis]}")
	if err == nil || !strings.Contains(err.Error(), "docker stop redis is not allowed here") {
		t.Errorf("error %v", err)
	}
}

// The proxies are there in a test without faults too: here the target is behind one.
func TestProxiesWithoutFaults(t *testing.T) {
	r, err := runFaulty(t, newLab(t), "load", "{at: 1s, for: 1s, http: web, status: 503}")
	if err != nil {
		t.Fatal(err)
	}
	if r.Total.Count != 20 || r.Total.Failures != 0 || len(r.Faults) != 0 {
		t.Errorf("%d requests, %d failed, faults %v", r.Total.Count, r.Total.Failures, r.Faults)
	}
}

// What ends a run early undoes its faults at once.
func TestStopUndoesFaults(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	stop := make(chan struct{})
	p, err := plan.Parse("stop.yaml", []byte(`
target: {base_url: "`+s.URL+`"}
classes: {User: {tasks: [{get: /}]}}
proxies: {web: {tcp: "`+s.Listener.Addr().String()+`", listen: "127.0.0.1:0"}}
tests: {recovery: {type: recovery, arrivals: 10/s, duration: 10m, faults: [{at: 0, for: 5m, tcp: web, cut: true}]}}
`), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(time.Second, func() { close(stop) })
	l := newLab(t)
	l.FaultDir = t.TempDir()
	r, err := l.Run(t.Context(), Options{Plan: p, Test: &p.Tests[0], Stop: stop})
	if err != nil {
		t.Fatal(err)
	}
	if f := r.Faults[0]; !f.Undone || f.End == nil || *f.End > 120 {
		t.Errorf("fault %+v", f)
	}
}
