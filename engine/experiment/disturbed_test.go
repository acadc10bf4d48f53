package experiment

import (
	"errors"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"

	"tidegauge/engine/answer"
	"tidegauge/engine/measure"
	"tidegauge/engine/run"
	"tidegauge/engine/timeline"
	"tidegauge/engine/user"
)

// TestABreakerFromOutside: a service behind whose circuit breaker a dependency hangs from 1:00 to 1:20. What is inferred from
// outside is what the breaker itself counted: it opens once more for each probe that fails, and the service is back when the
// next probe succeeds, to one bucket.
func TestABreakerFromOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		openings := 0
		var closed time.Duration
		breaker := gobreaker.NewCircuitBreaker[bool](gobreaker.Settings{
			Timeout: 5 * time.Second, ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 5 },
			OnStateChange: func(_ string, _, to gobreaker.State) {
				switch to {
				case gobreaker.StateOpen:
					openings++
				case gobreaker.StateClosed:
					closed = time.Since(begin)
				case gobreaker.StateHalfOpen:
				}
			},
		})
		dial := serveInMemory(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, err := breaker.Execute(func() (bool, error) {
				if at := time.Since(begin); at >= time.Minute && at < 80*time.Second {
					time.Sleep(500 * time.Millisecond)
					return false, errors.New("the dependency hangs")
				}
				time.Sleep(10 * time.Millisecond)
				return true, nil
			})
			if err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		d := observe(t, `
name: breaker
target: {base_url: "http://127.0.0.1"}
classes: {Caller: {tasks: [{get: /}]}}
tests: {load: {arrivals: 50/s, duration: 2m}}
`, user.Options{Dial: dial})
		d.Events = []answer.Event{{Subject: "hang", From: time.Minute, To: 80 * time.Second}}
		d.Openings = func(time.Duration, time.Duration) (float64, bool) { return float64(openings), true }
		a, _ := answer.Recovery(d)
		if a.Standing != answer.Good || openings != 4 {
			t.Errorf("%+v; the breaker opened %d times, want 4", a, openings)
		}
		for title, want := range map[string]struct {
			value, within float64
			text          string
		}{
			"circuit breaker trips":          {1, 0, "inferred from outside; 3 probes, 1 resets"},
			"breaker opened, its own metric": {4, 0, "counts each opening: trips, and probes that failed"},
			"time to recover":                {(closed - 80*time.Second).Seconds(), 1, ""},
			"time to detect":                 {0, 0, ""},
		} {
			for _, f := range a.Figures {
				if f.Title != title {
					continue
				}
				if f.Value == nil || math.Abs(*f.Value-want.value) > want.within || want.text != "" && f.Text != want.text {
					t.Errorf("%s: %v %q, want %v %q", title, *f.Value, f.Text, want.value, want.text)
				}
			}
		}
	})
}

// observe runs the only test of a plan and returns what an answer is made from.
func observe(t *testing.T, text string, o user.Options) answer.Disturbed {
	t.Helper()
	p, test := parse(t, text)
	o.Seed = 1
	mix, err := user.NewMix(p, test, o)
	if err != nil {
		t.Fatal(err)
	}
	seconds := timeline.New(timeline.Options{})
	_, err = run.Do(t.Context(), run.Options{
		Shape: test.Shape, Mix: mix, Recorder: measure.New(mix.Names(), measure.Options{Log: true}), Sinks: []measure.Sink{seconds}, Seed: 1, StopTimeout: test.StopTimeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Disturbed{Timeline: seconds, Length: test.Shape.Duration(), Timeout: p.Target.Timeout}
}
