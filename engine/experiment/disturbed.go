package experiment

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/plan"
	"tidegauge/engine/run"
	"tidegauge/engine/timeline"
)

// resolution is that of the timeline: finer where the probes of circuit breakers are looked for.
func resolution(t plan.Type) timeline.Options {
	if t != plan.Recovery {
		return timeline.Options{}
	}
	return timeline.Options{Width: 250 * time.Millisecond, MaxBuckets: 4 * 3600}
}

// recovery answers what the faults did.
func (e *experiment) recovery(ctx context.Context, result run.Result) *answer.Answer {
	d := e.disturbed(ctx, result)
	for i := range e.faults {
		f := &e.faults[i]
		if f.Start == nil || f.Error != "" && f.Undoing == nil {
			continue
		}
		subject := f.Name
		if f.Target != "" {
			subject += " of " + f.Target
		}
		end := d.Length
		if f.Undoing != nil {
			end = toDuration(*f.Undoing)
		}
		d.Events = append(d.Events, answer.Event{Subject: subject, From: toDuration(*f.Start), To: end})
	}
	a, disturbed := answer.Recovery(d)
	e.judge.Disturbed(disturbed)
	return a
}

// spike answers what the surges of the load did.
func (e *experiment) spike(ctx context.Context, result run.Result) *answer.Answer {
	d := e.disturbed(ctx, result)
	for _, s := range answer.Surges(&e.o.Test.Shape) {
		if s.From < d.Length {
			d.Events = append(d.Events, s)
		}
	}
	if expr := e.o.Test.Replicas; expr != "" {
		d.Replicas = func(at time.Duration) float64 {
			if v, ok := e.ask(ctx, expr, result.Start.Add(at)); ok {
				return v
			}
			return math.NaN()
		}
	}
	a, disturbed := answer.Spike(d)
	e.judge.Disturbed(disturbed)
	return a
}

func (e *experiment) disturbed(ctx context.Context, result run.Result) answer.Disturbed {
	d := answer.Disturbed{
		Timeline: e.seconds, Timeout: e.o.Plan.Target.Timeout,
		Length: min(e.o.Test.Shape.Duration(), result.End.Sub(result.Start)),
	}
	jobs := e.o.Plan.WatchedJobs()
	if len(jobs) == 0 {
		return d
	}
	for i := range jobs {
		jobs[i] = regexp.QuoteMeta(jobs[i])
	}
	selector := "job=~" + strconv.Quote(strings.Join(jobs, "|"))
	d.Breakers = func(from, to time.Duration) (tripped, opened float64) {
		// From one scrape before the beginning, for what was counted until then.
		length := fmt.Sprintf("%dms", (to - from + 2*time.Second).Milliseconds())
		at := result.Start.Add(to)
		tripped, opened = math.NaN(), math.NaN()
		if v, ok := e.first(ctx, trips(selector, length), at); ok {
			tripped = v
		}
		if v, ok := e.first(ctx, openings(selector, length), at); ok {
			opened = v
		}
		return tripped, opened
	}
	if _, counted := e.first(ctx, attempts(selector), result.Start.Add(d.Length)); counted {
		d.Attempts = func(at time.Duration) float64 {
			n, _ := e.first(ctx, attempts(selector), result.Start.Add(at))
			return n
		}
	}
	return d
}

// openings are expressions of how often circuit breakers opened, by the names of those that show it.
func openings(selector, length string) []string {
	counted := func(name string) string {
		series := name + "{" + selector + "}[" + length + "]"
		return "sum(max_over_time(" + series + ") - min_over_time(" + series + "))"
	}
	return []string{
		counted("circuit_breaker_trips_total"),
		rises("(circuit_breaker_state{"+selector+"} > bool 1)", length),
		rises(`resilience4j_circuitbreaker_state{`+selector+`,state="open"}`, length),
	}
}

// trips are expressions of how often circuit breakers left the closed state.
func trips(selector, length string) []string {
	return []string{
		rises("(circuit_breaker_state{"+selector+"} > bool 0)", length),
		rises(`(1 - resilience4j_circuitbreaker_state{`+selector+`,state="closed"})`, length),
	}
}

// rises is an expression of how often a gauge of 0 or 1 became 1: half of its changes, but for where it began and ended.
func rises(gauge, length string) string {
	return fmt.Sprintf("sum((changes(%[1]s[%[2]s:1s]) + last_over_time(%[1]s[%[2]s:1s]) - min_over_time(%[1]s[2s:1s] offset %[2]s)) / 2)", gauge, length)
}

// attempts are expressions of the requests that servers counted.
func attempts(selector string) []string {
	var all []string
	for _, name := range []string{"http_requests_total", "http_server_request_duration_seconds_count", "http_server_requests_seconds_count"} {
		all = append(all, fmt.Sprintf("sum(increase(%s{%s}[%dms]))", name, selector, answer.AttemptsWindow.Milliseconds()))
	}
	return all
}

// first returns the value of the first expression that has one.
func (e *experiment) first(ctx context.Context, exprs []string, at time.Time) (float64, bool) {
	for _, expr := range exprs {
		if v, ok := e.ask(ctx, expr, at); ok {
			return v, true
		}
	}
	return 0, false
}

// ask returns the sum of what an expression gives at a moment.
func (e *experiment) ask(ctx context.Context, expr string, at time.Time) (float64, bool) {
	samples, err := e.lab.Store.Query(ctx, expr, at)
	if err != nil || len(samples) == 0 {
		return 0, false
	}
	sum := 0.0
	for i := range samples {
		sum += samples[i].Value
	}
	return sum, !math.IsNaN(sum)
}

func toDuration(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second))
}
