package experiment

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/event"
	"tidegauge/engine/measure"
	"tidegauge/engine/run"
	"tidegauge/engine/timeline"
	"tidegauge/engine/user"
	"tidegauge/engine/verdict"
)

// decided is what became of a load test that ends by what is decided.
type decided struct {
	verdict verdict.Verdict
	took    time.Duration
	told    []string
	text    string
	result  run.Result
}

// decide runs a load test against a server in memory, by the clock of a bubble.
func decide(t *testing.T, h http.Handler, test string) decided {
	t.Helper()
	p, chosen := parse(t, fmt.Sprintf(`
name: decided
target: {base_url: "http://127.0.0.1"}
classes: {Caller: {tasks: [{get: /}]}}
objectives: [p95 < 200ms, error_rate < 5%%]
tests: {load: {%s}}
`, test))
	mix, err := user.NewMix(p, chosen, user.Options{Dial: serveInMemory(t, h)})
	if err != nil {
		t.Fatal(err)
	}
	d := newDecider(&chosen)
	e := &experiment{
		o: Options{Plan: p, Test: chosen}, identity: &event.Run{}, decider: d, seconds: timeline.New(timeline.Options{}),
		judge: verdict.NewJudge(verdict.Options{Plan: p, Test: chosen}),
	}
	var got decided
	d.judge, d.control, d.tell = e.judge, new(run.Control), func(_ time.Time, text string) { got.told = append(got.told, text) }
	k := &keep{}
	got.result, err = run.Do(t.Context(), run.Options{
		Shape: chosen.Shape, Mix: mix, Recorder: measure.New(mix.Names(), measure.Options{Log: true}), Seed: 1,
		Sinks: []measure.Sink{e.judge, e.seconds, looks{d}, k}, StopTimeout: chosen.StopTimeout, Control: d.control,
	})
	if err != nil {
		t.Fatal(err)
	}
	if books := k.total.IterationBooks(); !books.Balanced() {
		t.Errorf("books do not balance: %+v", books)
	}
	got.took = got.result.End.Sub(got.result.Start)
	steady := e.settle(got.result)
	got.verdict = e.judge.Verdict(t.Context())
	got.text = e.loadAnswer(got.result, steady, &got.verdict).Text
	return got
}

// looks is a decider as a sink.
type looks struct{ *decider }

func (l looks) Consume(_ context.Context, s *measure.Snapshot) error {
	l.look(s)
	return nil
}

// answering answers after 10 ms; by chance a share fails, and one is slow.
func answering(failed, slow float64) http.Handler {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(1, 2))
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		x := r.Float64()
		mu.Unlock()
		time.Sleep(10 * time.Millisecond)
		switch {
		case x < failed:
			w.WriteHeader(http.StatusInternalServerError)
		case x < failed+slow:
			time.Sleep(490 * time.Millisecond)
		}
	})
}

// everyTwentieth fails: exactly what is allowed, which nothing decides.
func everyTwentieth() http.Handler {
	var n atomic.Uint64
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(10 * time.Millisecond)
		if n.Add(1)%20 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
}

func TestALoadTestEndsByWhatIsDecided(t *testing.T) {
	const open, closed = "arrivals: 20/s, duration: 5m, ", "users: 5, spawn_rate: 5, duration: 5m, "
	for name, c := range map[string]struct {
		server  http.Handler
		test    string
		from    time.Duration // it lasts
		to      time.Duration
		outcome verdict.Outcome
		code    string
		told    []string
		text    string
	}{
		"met early": {answering(0.005, 0.005), open + "stop: decided", 20 * time.Second, 90 * time.Second,
			verdict.Pass, verdict.CodeObjective, []string{"every objective is decided"}, "Every objective was decided after"},
		"met early, users": {answering(0.005, 0.005), closed + "stop: decided, warm_up: none", 10 * time.Second, 30 * time.Second,
			verdict.Pass, verdict.CodeObjective, []string{"every objective is decided"}, "Every objective was decided after"},
		"missed early": {answering(0.3, 0.3), open + "stop: decided", 20 * time.Second, 60 * time.Second,
			verdict.Fail, verdict.CodeObjective, []string{"every objective is decided"}, "Every objective was decided after"},
		"decided, but not to be stopped": {answering(0, 0), open + "at_most: 10m", 5 * time.Minute, 5*time.Minute + 3*time.Second,
			verdict.Pass, verdict.CodeObjective, []string{"every objective is decided"}, "Every objective was decided after 5m"},
		"prolonged until it is decided": {answering(0.035, 0), "arrivals: 20/s, duration: 1m, at_most: 1h", 61 * time.Second, time.Hour,
			verdict.Pass, verdict.CodeObjective, []string{"goes on, until 1h0m0s at most: undecided is ", "every objective is decided"}, "Every objective was decided after"},
		"undecided to the limit": {everyTwentieth(), open + "stop: decided, at_most: 10m", 10 * time.Minute, 10*time.Minute + time.Second,
			verdict.Inconclusive, verdict.CodeUndecided, []string{"goes on, until 10m0s at most: undecided is error_rate < 5%"}, "After 10m0s, as long as it may last, not decided: error_rate < 5%."},
		"undecided to the end": {everyTwentieth(), open + "stop: decided", 5 * time.Minute, 5*time.Minute + time.Second,
			verdict.Inconclusive, verdict.CodeUndecided, nil, "After 5m0s, as long as it may last, not decided: error_rate < 5%."},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := decide(t, c.server, c.test)
				if got.took < c.from || got.took > c.to || got.result.Stopped {
					t.Errorf("it took %v, want %v to %v; stopped %t", got.took, c.from, c.to, got.result.Stopped)
				}
				if got.verdict.Outcome != c.outcome || got.verdict.Code() != c.code {
					t.Errorf("%s (%s), want %s (%s): %s", got.verdict.Outcome, got.verdict.Code(), c.outcome, c.code, got.verdict.Summary)
				}
				if len(got.told) != len(c.told) {
					t.Fatalf("told %q, want %q", got.told, c.told)
				}
				for i, want := range c.told {
					if !strings.HasPrefix(got.told[i], want) {
						t.Errorf("told %q, want %q", got.told[i], want)
					}
				}
				if !strings.Contains(got.text, c.text) {
					t.Errorf("%q, want %q in it", got.text, c.text)
				}
				t.Logf("%v: %s", got.took, got.text)
			})
		})
	}
}
