package experiment

import (
	"maps"
	"testing"
	"time"
)

// between is 1 in the given seconds, else 0.
func between(spans ...[2]int) shown {
	return func(second int) float64 {
		for _, s := range spans {
			if second >= s[0] && second < s[1] {
				return 1
			}
		}
		return 0
	}
}

func not(of shown) shown { return func(second int) float64 { return 1 - of(second) } }

// What circuit breakers show by the names that are in use is counted as it was: this one trips once, and opens once more for
// each of two probes that fail. Resilience4j's names are those of its module for Micrometer, one gauge for each state.
func TestBreakersThatAreScraped(t *testing.T) {
	const of = `{job="j",instance="i"`
	open, half := between([2]int{12, 20}, [2]int{21, 29}, [2]int{30, 38}), between([2]int{20, 21}, [2]int{29, 30}, [2]int{38, 39})
	away := between([2]int{12, 39})
	resilience4j := func(name string, open, half, away shown) map[string]shown {
		series := `resilience4j_circuitbreaker_state` + of + `,group="none",name="` + name + `",state="`
		return map[string]shown{
			series + `open"}`: open, series + `half_open"}`: half, series + `closed"}`: not(away),
			series + `disabled"}`: constant(0), series + `forced_open"}`: constant(0), series + `metrics_only"}`: constant(0),
		}
	}
	both := resilience4j("notify", open, half, away)
	maps.Copy(both, resilience4j("bank", between([2]int{5, 25}), between([2]int{25, 26}), between([2]int{5, 26})))
	code := func(second int) float64 { return 2*open(second) + half(second) }
	quiet := constant(0)
	for _, c := range []struct {
		name            string
		shown           map[string]shown
		tripped, opened float64
		known           bool
	}{
		{"Resilience4j", resilience4j("notify", open, half, away), 1, 3, true},
		{"two of Resilience4j", both, 2, 4, true},
		{"Resilience4j, always closed", resilience4j("notify", quiet, quiet, quiet), 0, 0, true},
		{"Resilience4j, open from the beginning", resilience4j("notify", between([2]int{0, 61}), quiet, between([2]int{0, 61})), 0, 0, true},
		{"a code of the state", map[string]shown{`circuit_breaker_state` + of + `,breaker="notify"}`: code}, 1, 3, true},
		{"another server's", map[string]shown{`circuit_breaker_state{job="k",instance="i"}`: code}, 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			begin := time.Now().Add(-time.Hour).Truncate(time.Second)
			put(t, l.Store, begin, c.shown)
			e := &experiment{lab: l}
			const selector, length = `job=~"j"`, "60000ms"
			tripped, known := e.first(t.Context(), trips(selector, length), begin.Add(time.Minute))
			opened, _ := e.first(t.Context(), openings(selector, length), begin.Add(time.Minute))
			if known != c.known || tripped != c.tripped || opened != c.opened {
				t.Errorf("%g trips and %g openings, known %t; want %g, %g, %t", tripped, opened, known, c.tripped, c.opened, c.known)
			}
		})
	}
}
