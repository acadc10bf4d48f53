package experiment

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
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

// TestABreakerFromOutside: a service behind whose circuit breaker a dependency hangs. The openings that are inferred from
// outside are those that the breaker itself counted: it opens once more for each probe that fails. The service is back when the
// next probe succeeds, to one bucket.
func TestABreakerFromOutside(t *testing.T) {
	for name, c := range map[string]struct {
		reset  time.Duration
		broken [][2]time.Duration
		trips  int
		probes string
	}{
		"probes that fail": {5 * time.Second, [][2]time.Duration{{60 * time.Second, 80 * time.Second}}, 1, "; probes: 3, of which 3 failed, one every 5"},
		"several a bucket": {700 * time.Millisecond, [][2]time.Duration{{60 * time.Second, 80 * time.Second}}, 1, "; probes: 16, of which 16 failed, one every 1.25 s"},
		"tripped twice":    {3 * time.Second, [][2]time.Duration{{60 * time.Second, 68 * time.Second}, {75 * time.Second, 80 * time.Second}}, 2, ""},
		"back at once":     {15 * time.Second, [][2]time.Duration{{60 * time.Second, 64 * time.Second}}, 1, ""},
		"nothing trips":    {5 * time.Second, [][2]time.Duration{{60 * time.Second, 60*time.Second + 50*time.Millisecond}}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &counted{broken: c.broken, begin: time.Now()}
				d := b.observe(t, c.reset)
				end := c.broken[len(c.broken)-1][1]
				d.Events = []answer.Event{{Subject: "hang", From: time.Minute, To: end}}
				a, _ := answer.Recovery(d)
				if a.Standing != answer.Good || b.trips != c.trips {
					t.Errorf("%s: %s; the breaker tripped %d times, want %d", a.Standing, a.Text, b.trips, c.trips)
				}
				expect(t, a, "circuit breaker trips", float64(b.trips), 0, "inferred from outside"+c.probes)
				if b.openings == 0 {
					return
				}
				expect(t, a, "circuit breaker openings", float64(b.openings), 0, "inferred from outside")
				expect(t, a, "time to recover", (b.closed - end).Seconds(), 1, "")
				expect(t, a, "time to detect", 0, 0, "")

				// What it counted is the truth, even where it looks otherwise.
				d.Breakers = func(time.Duration, time.Duration) (float64, float64) { return 7, 9 }
				a, _ = answer.Recovery(d)
				expect(t, a, "circuit breaker trips", 7, 0, fmt.Sprintf("by the breaker's own state; from outside it looked like %d", b.trips))
				expect(t, a, "circuit breaker openings", 9, 0, "by the breaker's own count")
			})
		})
	}
}

func expect(t *testing.T, a *answer.Answer, title string, value, within float64, text string) {
	t.Helper()
	for i := range a.Figures {
		if f := &a.Figures[i]; f.Title == title {
			if f.Value == nil || math.Abs(*f.Value-value) > within || !strings.HasPrefix(f.Text, text) {
				t.Errorf("%s: %v %q, want %v %q", title, f.Value, f.Text, value, text)
				if f.Value != nil {
					t.Log(*f.Value)
				}
			}
			return
		}
	}
	t.Errorf("no %s", title)
}

// counted is a circuit breaker that counts what it does, and the times in which what it guards hangs.
type counted struct {
	begin           time.Time
	broken          [][2]time.Duration
	trips, openings int
	closed          time.Duration // the last time
}

func (c *counted) observe(t *testing.T, reset time.Duration) answer.Disturbed {
	breaker := gobreaker.NewCircuitBreaker[bool](gobreaker.Settings{
		Timeout: reset, ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= 5 },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			switch {
			case from == gobreaker.StateClosed:
				c.trips++
				c.openings++
			case to == gobreaker.StateOpen:
				c.openings++
			case to == gobreaker.StateClosed:
				c.closed = time.Since(c.begin)
			}
		},
	})
	dial := serveInMemory(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := breaker.Execute(func() (bool, error) {
			at := time.Since(c.begin)
			for _, b := range c.broken {
				if at >= b[0] && at < b[1] {
					time.Sleep(500 * time.Millisecond)
					return false, errors.New("the dependency hangs")
				}
			}
			time.Sleep(10 * time.Millisecond)
			return true, nil
		})
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	return observe(t, `
name: breaker
target: {base_url: "http://127.0.0.1"}
classes: {Caller: {tasks: [{get: /}]}}
tests: {recovery: {type: recovery, arrivals: 100/s, duration: 2m, faults: [{at: 1m, for: 20s, command: ["true"]}]}}
`, user.Options{Dial: dial})
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
	seconds := timeline.New(resolution(test.Type))
	_, err = run.Do(t.Context(), run.Options{
		Shape: test.Shape, Mix: mix, Recorder: measure.New(mix.Names(), measure.Options{Log: true}), Sinks: []measure.Sink{seconds}, Seed: 1, StopTimeout: test.StopTimeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Disturbed{Timeline: seconds, Length: test.Shape.Duration(), Timeout: p.Target.Timeout}
}
