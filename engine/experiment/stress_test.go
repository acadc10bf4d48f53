package experiment

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/catalog"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/verdict"
)

// counter is a service with one window: each request takes so long, one after the other, so its capacity is known.
func counter(t *testing.T, service time.Duration) string {
	t.Helper()
	var mu sync.Mutex
	var free time.Time
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if now := time.Now(); free.Before(now) {
			free = now
		}
		free = free.Add(service)
		until := free
		mu.Unlock()
		select {
		case <-time.After(time.Until(until)):
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

const stressPlan = `
name: counter
target: {base_url: %q, timeout: 2s}
classes: {A: {tasks: [{get: /}]}}
objectives: [p90 < 200ms, error_rate < 1%%]
tests: {stress: {type: stress, %s}}
`

func stress(t *testing.T, url, test string, o Options) (*Lab, *report.Report) {
	t.Helper()
	l := newLab(t)
	o.Plan, o.Test = parse(t, fmt.Sprintf(stressPlan, url, test))
	r, err := l.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Answer == nil {
		t.Fatalf("there is no answer; the verdict is %s", r.Verdict.Summary)
	}
	return l, r
}

func figure(a *answer.Answer, metric string) *answer.Figure {
	i := slices.IndexFunc(a.Figures, func(f answer.Figure) bool { return f.Metric == metric })
	if i < 0 {
		return &answer.Figure{}
	}
	return &a.Figures[i]
}

// TestSearchEndsWithABracket: the books balance over all trials, the store has the figure and the trials, and the overload
// that a search makes is no failure of the run. How near the truth it comes is the matter of the tests without a clock.
func TestSearchEndsWithABracket(t *testing.T) {
	l, r := stress(t, counter(t, 5*time.Millisecond), "arrivals: {from: 60/s, to: 2000/s}, search: {trial: 600ms, warm_up: 100ms, budget: 8s, width: 20%}", Options{})
	a := r.Answer
	if len(a.Trials) < 3 {
		t.Fatalf("%d trials: %s", len(a.Trials), a.Text)
	}
	if books := r.Books.Iterations; books.Intended != books.Started+books.Dropped || books.Started != books.Finished+books.Cut {
		t.Errorf("books %+v do not balance", books)
	}
	for _, x := range a.Trials {
		if length := x.To.Sub(x.From); length > 600*time.Millisecond || length < 120*time.Millisecond {
			t.Errorf("the trial at %g took %v", x.Load, length)
		}
	}
	if r.Verdict.Outcome == verdict.Fail {
		t.Errorf("verdict %s: %s", r.Verdict.Outcome, r.Verdict.Summary)
	}
	stages, err := l.Store.Query(t.Context(), fmt.Sprintf(`count(count by (stage) (max_over_time(tidegauge_stage{run=%q, stage=~"trial.*"}[2m])))`, r.Run.ID), r.End)
	if err != nil || len(stages) != 1 || stages[0].Value != float64(len(a.Trials)) {
		t.Errorf("the store has %v stages of trials (%v), want %d", stages, err, len(a.Trials))
	}
	if f := figure(a, catalog.Capacity); f.Value == nil || f.Censored {
		t.Logf("no capacity on this machine: %s", a.Text) // it is too busy to say more
	} else if got, err := l.Store.Query(t.Context(), fmt.Sprintf(`{__name__=~"tidegauge_capacity.*", run=%q}`, r.Run.ID), time.Now()); err != nil || len(got) == 0 || math.Abs(got[0].Value-*f.Value) > 1e-9 {
		t.Errorf("the store has the capacity %v (%v), the answer %v", got, err, *f.Value)
	}
}

func TestSearchOfATargetThatIsDown(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	url := s.URL
	s.Close()
	_, r := stress(t, url, "arrivals: {from: 200/s, to: 400/s}, search: {trial: 300ms, warm_up: 0s, budget: 30s}", Options{})
	if r.Answer.Standing == answer.Good || r.Verdict.Outcome != verdict.Fail {
		t.Errorf("%s, %s: %s", r.Answer.Standing, r.Verdict.Outcome, r.Answer.Text)
	}
	for _, x := range r.Answer.Trials {
		if x.Load != 200 || x.Outcome == "passed" {
			t.Errorf("trial at %g %s", x.Load, x.Outcome)
		}
	}
}

// TestStepTestEndsWhereItBreaks: the answers become errors with the third step, at whatever speed.
func TestStepTestEndsWhereItBreaks(t *testing.T) {
	begun := time.Now()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if time.Since(begun) > 2*time.Second {
			http.Error(w, "full", http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	_, r := stress(t, s.URL, "arrivals: {start: 50/s, add: 50/s, every: 1s, steps: 8}", Options{})
	last := r.Answer.Trials[len(r.Answer.Trials)-1]
	if last.Outcome == "passed" || r.Seconds >= 8 || last.Load > 200 {
		t.Errorf("after %.1f s the last step is %+v: %s", r.Seconds, last, r.Answer.Text)
	}
	if last.Outcome == "failed" && !strings.Contains(last.Reason, "error_rate") {
		t.Errorf("reason %q", last.Reason)
	}
}

// TestSearchThatIsStopped: what is known until then is the answer.
func TestSearchThatIsStopped(t *testing.T) {
	stop := make(chan struct{})
	tries := 0
	_, r := stress(t, counter(t, time.Millisecond), "arrivals: {from: 100/s, to: 500/s}, search: {trial: 600ms, warm_up: 0s, budget: 1h}", Options{
		Stop: stop,
		Tell: func(string) {
			if tries++; tries == 3 {
				close(stop)
			}
		},
	})
	if r.Answer.Code != answer.CodeInterrupted || r.Verdict.Outcome != verdict.Inconclusive || r.Verdict.Code() != verdict.CodeStopped || len(r.Answer.Trials) != 2 {
		t.Errorf("%s, %s (%s), %d trials: %s", r.Answer.Code, r.Verdict.Outcome, r.Verdict.Code(), len(r.Answer.Trials), r.Answer.Text)
	}
}

func TestSearchHasDefaults(t *testing.T) {
	_, test := parse(t, fmt.Sprintf(stressPlan, "http://127.0.0.1:1", "users: {from: 2, to: 50}"))
	if s := test.Search; s == nil || s.Trial != 30*time.Second || s.Steps() || test.Shape.Model != plan.Closed {
		t.Errorf("the search is %+v", s)
	}
}
