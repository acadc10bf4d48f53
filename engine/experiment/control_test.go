package experiment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"tidegauge/engine/run"
	"tidegauge/engine/verdict"
)

// A person changes the load while it lasts: every change is an event with its author, and the run does not pass.
func TestChangesAreEvents(t *testing.T) {
	l := newLab(t)
	control := new(Control)
	if err := control.SetRate("ann", 5); !errors.Is(err, run.ErrNoLoad) {
		t.Errorf("a change without a run: %v", err)
	}
	var served atomic.Uint64
	changed := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		switch served.Add(1) {
		case 40:
			go func() {
				defer close(changed)
				if err := control.SetRate("ann", 100); err != nil {
					t.Error(err)
				}
			}()
		case 100:
			go func() { control.Stop("ann has seen enough") }()
		}
	}))
	defer s.Close()
	p, test := parse(t, fmt.Sprintf("name: changed\ntarget: {base_url: %q}\nclasses: {A: {tasks: [{get: /}]}}\nobjectives: [error_rate < 50%%]\ntests: {load: {arrivals: 50/s, duration: 10m}}\n", s.URL))
	var id string
	r, err := l.Run(t.Context(), Options{Plan: p, Test: test, Control: control, Begun: func(s string) { id = s }})
	if err != nil {
		t.Fatal(err)
	}
	<-changed
	if id == "" || id != r.Run.ID {
		t.Errorf("the run %q was told to be %q", r.Run.ID, id)
	}
	if r.Verdict.Outcome != verdict.Inconclusive {
		t.Errorf("verdict %s: %s", r.Verdict.Outcome, r.Verdict.Summary)
	}
	var texts []string
	for _, e := range r.Events {
		texts = append(texts, e.Kind+" "+e.Text)
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{"change 100 arrivals/s from now on, by ann", "stop ended before the test was over: ann has seen enough"} {
		if !strings.Contains(all, want) {
			t.Errorf("no event %q among\n%s", want, all)
		}
	}
}

// A run that is ended to spare the target fails, and says why.
func TestHaltFails(t *testing.T) {
	l := newLab(t)
	control := new(Control)
	var served atomic.Uint64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if served.Add(1) == 20 {
			go control.Halt("up == 0 holds")
		}
	}))
	defer s.Close()
	p, test := parse(t, fmt.Sprintf("name: halted\ntarget: {base_url: %q}\nclasses: {A: {tasks: [{get: /}]}}\ntests: {load: {arrivals: 50/s, duration: 10m}}\n", s.URL))
	r, err := l.Run(t.Context(), Options{Plan: p, Test: test, Control: control})
	if err != nil {
		t.Fatal(err)
	}
	if v := r.Verdict; v.Outcome != verdict.Fail || v.Code() != verdict.CodeHalted || !strings.Contains(v.Summary, "up == 0 holds") {
		t.Errorf("verdict %s (%s): %s", v.Outcome, v.Code(), v.Summary)
	}
}

// What may not be loaded is not dialled, wherever the plan leads to.
func TestPermitKeepsFromDialling(t *testing.T) {
	l := newLab(t)
	var served atomic.Uint64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) }))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer s.Close()
	p, test := parse(t, fmt.Sprintf("name: far\ntarget: {base_url: %q, redirects: 3}\nclasses: {A: {tasks: [{get: /}]}}\ntests: {load: {arrivals: 20/s, duration: 1s}}\n", s.URL))
	r, err := l.Run(context.Background(), Options{Plan: p, Test: test, Permit: func(address string) error {
		if "http://"+address == other.URL {
			return errors.New(address + " may not be loaded")
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if served.Load() != 0 || r.Total.Failures != 20 || !strings.Contains(fmt.Sprint(r.Failures), "may not be loaded") {
		t.Errorf("%d requests reached it, %d failed: %+v", served.Load(), r.Total.Failures, r.Failures)
	}
}
