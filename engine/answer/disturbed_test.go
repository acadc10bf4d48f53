package answer

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/catalog"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
	"tidegauge/engine/timeline"
)

// target makes a timeline of what a target does with requests that are sent when they are due.
type target struct {
	length time.Duration
	rate   func(at time.Duration) float64 // a second; nil: 100
	// does says what becomes of request i, which is due at a time.
	does func(at time.Duration, i int) (took time.Duration, o protocol.Outcome)
	// checks fail so often in the second that begins at a time; each request has them all.
	checks func(at time.Duration) []measure.CheckTotals
	late   func(at time.Duration) float64 // how late the generator was in the second that begins at a time; nil: it is not known
	two    bool                           // every other request is one of another name and class
}

var names = &measure.Names{
	Classes:  []string{"Payer"},
	Requests: []measure.Request{{Class: "Payer", Name: "/payments", Method: "POST"}},
	Checks:   []measure.Check{{Request: 0, Name: "status == 201"}, {Request: 0, Name: "notified"}},
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (g target) timeline(t *testing.T) *timeline.Timeline {
	t.Helper()
	tl := timeline.New(timeline.Options{})
	of := *names
	if g.two {
		of.Classes = []string{"Payer", "Reader"}
		of.Requests = append(slices.Clone(of.Requests), measure.Request{Class: "Reader", Name: "/payments", Method: "GET"})
	}
	due, n := 0.0, 0
	for second := time.Duration(0); second < g.length; second += time.Second {
		s := &measure.Snapshot{Start: epoch, Since: epoch.Add(second), Time: epoch.Add(second + time.Second), Names: &of, Log: &measure.Log{}, Delta: &measure.Totals{}}
		rate := 100.0
		if g.rate != nil {
			rate = g.rate(second)
		}
		for due += rate; float64(n) < due; n++ {
			at := second + time.Duration((float64(n)-(due-rate))/rate*float64(time.Second))
			took, o := g.does(at, n)
			e := measure.Entry{Intended: epoch.Add(at), Response: took, Service: took, Outcome: o}
			if g.two {
				e.Request = int32(n % 2)
			}
			s.Log.Requests = append(s.Log.Requests, e)
		}
		if g.checks != nil {
			s.Delta.Checks = g.checks(second)
		}
		if g.late != nil {
			s.Delta.Classes = make([]measure.ClassTotals, len(of.Classes))
			s.Delta.Classes[0].Lateness.Record(g.late(second))
		}
		if err := tl.Consume(context.Background(), s); err != nil {
			t.Fatal(err)
		}
	}
	return tl
}

func between(at, from, to time.Duration) bool { return at >= from && at < to }

// usual is what a healthy target takes, with a little scatter.
func usual(i int) time.Duration { return 20*time.Millisecond + time.Duration(i%7)*time.Millisecond }

const s = time.Second

// broken is a target that a fault breaks from 60 s to 80 s, so that requests fail as they do in between.
func broken(until time.Duration, took time.Duration, o protocol.Outcome) func(time.Duration, int) (time.Duration, protocol.Outcome) {
	return func(at time.Duration, i int) (time.Duration, protocol.Outcome) {
		if between(at, 60*s, until) {
			return took, o
		}
		return usual(i), protocol.OK
	}
}

func figure(t *testing.T, a *Answer, title, subject string) *Figure {
	t.Helper()
	for i := range a.Figures {
		if f := &a.Figures[i]; f.Title == title && f.Subject == subject {
			return f
		}
	}
	t.Fatalf("no figure %q of %q in %+v", title, subject, a.Figures)
	return nil
}

var cut = []Event{{"cut", 60 * s, 80 * s}}

func TestRecoveryStandings(t *testing.T) {
	for name, c := range map[string]struct {
		g        target
		events   []Event
		standing Standing
		code     string
		recovery float64 // NaN: there is no value
		censored bool
		text     string
	}{
		"back five seconds after": {target{length: 150 * s, does: broken(85*s, 5*time.Millisecond, protocol.Status)}, cut,
			Good, "", 5, false, "It came back after the fault. Cut showed at once, requests failed fast (p95 5 ms), and it was back 5 s after the end."},
		"a false dawn": {target{length: 150 * s, does: func(at time.Duration, i int) (time.Duration, protocol.Outcome) {
			if between(at, 60*s, 85*s) || between(at, 90*s, 97*s) {
				return 5 * time.Millisecond, protocol.Status
			}
			return usual(i), protocol.OK
		}}, cut, Good, "", 17, false, "back 17 s after"},
		"hangs": {target{length: 150 * s, does: broken(82*s, 10*s, protocol.Timeout)}, cut,
			Good, "", 2, false, "requests hung until their timeout"},
		"slow only": {target{length: 150 * s, does: broken(83*s, 300*time.Millisecond, protocol.OK)}, cut,
			Good, "", 3, false, "It came back"},
		"no effect":  {target{length: 150 * s, does: broken(0, 0, 0)}, cut, Good, "", 0, false, "It took the fault without a sign. Cut did not show."},
		"not back":   {target{length: 130 * s, does: broken(130*s, 5*time.Millisecond, protocol.Status)}, cut, Bad, CodeNotRecovered, 50, true, "50 s after the end it was not back"},
		"metastable": {target{length: 260 * s, does: broken(260*s, 5*time.Millisecond, protocol.Status)}, cut, Bad, CodeMetastable, 180, true, "a metastable state"},
		"too short":  {target{length: 100 * s, does: broken(85*s, 5*time.Millisecond, protocol.Status)}, cut, Undecided, CodeTooShort, 5, true, "only 20 s were measured after the end"},
		"shows afterwards": {target{length: 150 * s, does: func(at time.Duration, i int) (time.Duration, protocol.Outcome) {
			if between(at, 85*s, 90*s) {
				return 5 * time.Millisecond, protocol.Status
			}
			return usual(i), protocol.OK
		}}, cut, Good, "", 10, false, "Cut showed 5 s after it had ended"},
		"slow, and the generator late": {target{length: 150 * s, does: broken(150*s, 300*time.Millisecond, protocol.OK),
			late: func(at time.Duration) float64 {
				if at >= 60*s {
					return 0.2
				}
				return 0.0002
			}}, cut, Undecided, CodeNoBaseline, math.NaN(), false, "the load generator was too late"},
		"slow while it lasted, and the generator late": {target{length: 150 * s, does: broken(80*s, 300*time.Millisecond, protocol.OK),
			late: func(at time.Duration) float64 {
				if at >= 60*s && at < 80*s {
					return 0.2
				}
				return 0.0002
			}}, cut, Undecided, CodeNoBaseline, math.NaN(), false, "in 20s while it lasted the load generator was too late"},
		"slower than that explains": {target{length: 150 * s, does: broken(83*s, 1500*time.Millisecond, protocol.OK),
			late: func(at time.Duration) float64 {
				if at >= 60*s {
					return 0.1
				}
				return 0.0002
			}}, cut, Good, "", 3, false, "Cut showed at once"},
		"no baseline": {target{length: 150 * s, does: broken(0, 0, 0)}, []Event{{"cut", 5 * s, 10 * s}}, Undecided, CodeNoBaseline, math.NaN(), false, "needs 10 intervals with requests before the event, has 5"},
		"down from the start": {target{length: 150 * s, does: func(time.Duration, int) (time.Duration, protocol.Outcome) {
			return time.Millisecond, protocol.Refused
		}}, cut, Undecided, CodeNoBaseline, math.NaN(), false, "the target did not work before it began"},
		"nothing after":  {target{length: 80 * s, does: broken(80*s, time.Millisecond, protocol.Status)}, cut, Undecided, CodeNoBaseline, math.NaN(), false, "nothing was measured after the end"},
		"nothing at all": {target{length: 0}, cut, Undecided, CodeNoBaseline, math.NaN(), false, "not known"},
		"few requests, wide buckets": {target{length: 200 * s, rate: func(time.Duration) float64 { return 5 }, does: broken(88*s, 5*time.Millisecond, protocol.Status)}, cut,
			Good, "", 8, false, "back 8 s after"},
		"too few requests": {target{length: 150 * s, rate: func(time.Duration) float64 { return 1 }, does: broken(88*s, 5*time.Millisecond, protocol.Status)}, cut,
			Undecided, CodeNoBaseline, math.NaN(), false, "needs 10 intervals"},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := Recovery(Disturbed{Timeline: c.g.timeline(t), Length: c.g.length, Timeout: 10 * s, Events: c.events})
			if a.Standing != c.standing || a.Code != c.code || !strings.Contains(a.Text, c.text) {
				t.Errorf("%s %s: %s\n%q", a.Standing, a.Code, a.Text, a.Warnings)
			}
			f := figure(t, a, "time to recover", "cut")
			switch {
			case math.IsNaN(c.recovery):
				if f.Value != nil {
					t.Errorf("time to recover %v, want none", *f.Value)
				}
			case f.Value == nil || *f.Value != c.recovery || f.Censored != c.censored:
				t.Errorf("time to recover %+v, want %v", f, c.recovery)
			}
		})
	}
	if a, out := Recovery(Disturbed{Timeline: target{length: 60 * s, does: broken(0, 0, 0)}.timeline(t), Length: 60 * s}); a.Standing != Undecided || a.Code != CodeNoFault || out != nil {
		t.Errorf("without a fault: %+v, %v", a, out)
	}
}

func TestRecoveryFigures(t *testing.T) {
	// 100 requests a second; all of 25 s fail, of the 90 s from the beginning of the fault to the end.
	g := target{length: 150 * s, does: broken(85*s, 5*time.Millisecond, protocol.Status)}
	a, out := Recovery(Disturbed{Timeline: g.timeline(t), Length: g.length, Timeout: 10 * s, Events: cut,
		Breakers: func(from, to time.Duration) (float64, float64) {
			if from != 60*s || to != 150*s {
				t.Errorf("asked for %v to %v", from, to)
			}
			return math.NaN(), 3
		}})
	for title, want := range map[string]float64{
		"time to detect": 0, "time to recover": 5, "time to fail, p95": 0.005, "outage": 25, "availability": 65.0 / 90, "requests failed": 2500,
		"excess latency": 0, "circuit breaker openings": 3, "time to drain": 0,
	} {
		if f := figure(t, a, title, "cut"); f.Value == nil || math.Abs(*f.Value-want) > 0.003*want {
			t.Errorf("%s: %+v, want %v", title, f, want)
		}
	}
	if f := figure(t, a, "circuit breaker trips", "cut"); f.Value != nil || !strings.Contains(f.Text, "cannot be told") {
		t.Errorf("failures that are fast by themselves tell of no breaker: %+v", f)
	}
	if len(out) != 1 || out[0].From != 60*s || out[0].To < 85*s || out[0].To > 86*s {
		t.Errorf("disturbed: %v", out)
	}
	if len(a.Charts) != 2 || *a.Charts[0].Lines[0].Y[70] != 0 || a.Charts[1].Lines[0].Y[70] != nil || len(a.Charts[0].Limits) != 1 || a.Charts[0].Marks[1].From != 85 {
		t.Errorf("charts %+v", a.Charts)
	}
}

// A breaker opens after failures that hang, lets a request through every 5 s, and closes with the first that succeeds.
func TestRecoveryInfersABreaker(t *testing.T) {
	g := target{length: 150 * s, does: func(at time.Duration, i int) (time.Duration, protocol.Outcome) {
		switch {
		case !between(at, 60*s, 82*s):
			return usual(i), protocol.OK
		case at < 62*s, at%(5*s) == 2*s:
			return 500 * time.Millisecond, protocol.Check
		}
		return 3 * time.Millisecond, protocol.Check
	}}
	a, _ := Recovery(Disturbed{Timeline: g.timeline(t), Length: g.length, Timeout: 10 * s, Events: cut})
	f := figure(t, a, "circuit breaker trips", "cut")
	if f.Value == nil || *f.Value != 1 || !strings.Contains(f.Text, "inferred from outside; probes: 3, of which 3 failed, one every 5 s") || !strings.Contains(a.Text, "until a circuit breaker opened, it seems 4 times") {
		t.Errorf("%+v\n%s", f, a.Text)
	}
	if got := figure(t, a, "time to recover", "cut"); *got.Value != 2 {
		t.Errorf("%+v", got)
	}
}

func TestSeveralFaults(t *testing.T) {
	g := target{length: 300 * s, does: func(at time.Duration, i int) (time.Duration, protocol.Outcome) {
		if between(at, 60*s, 72*s) || between(at, 120*s, 136*s) || between(at, 180*s, 193*s) || between(at, 240*s, 251*s) {
			return time.Millisecond, protocol.Status
		}
		return usual(i), protocol.OK
	}}
	a, out := Recovery(Disturbed{Timeline: g.timeline(t), Length: g.length, Events: []Event{
		{"cut", 180 * s, 190 * s}, {"cut", 60 * s, 70 * s}, {"status", 240 * s, 250 * s}, {"cut", 120 * s, 130 * s}, {"delay", 242 * s, 249 * s},
	}})
	for _, want := range []struct {
		title, subject string
		value          float64
		text           string
	}{
		{"time to recover", "cut", 3, "median of 3, from 2 s to 6 s"},
		{"time to recover", "status, delay", 1, "back is: for 30s"},
		{"time to recover, worst of all", "", 6, ""},
		{"time to recover, median of all", "", 2.5, "median of 4, from 1 s to 6 s"},
	} {
		if f := figure(t, a, want.title, want.subject); f.Value == nil || *f.Value != want.value || !strings.Contains(f.Text, want.text) {
			t.Errorf("%s of %q: %+v, want %v", want.title, want.subject, f, want.value)
		}
	}
	if len(out) != 4 || !strings.Contains(a.Text, "It came back after each of 4 faults.") {
		t.Errorf("%v: %s", out, a.Text)
	}
}

func TestPartialFailures(t *testing.T) {
	// Of a hundred reads one fails, which is nothing among all requests; and payments are made without a notification.
	g := target{length: 150 * s, two: true,
		does: func(at time.Duration, i int) (time.Duration, protocol.Outcome) {
			if between(at, 60*s, 80*s) && i%2 == 1 && i%20 == 1 {
				return usual(i), protocol.Status
			}
			return usual(i), protocol.OK
		},
		checks: func(at time.Duration) []measure.CheckTotals {
			if between(at, 60*s, 80*s) {
				return []measure.CheckTotals{{Passed: 50}, {Passed: 20, Failed: 30}}
			}
			return []measure.CheckTotals{{Passed: 50}, {Passed: 50}}
		}}
	a, _ := Recovery(Disturbed{Timeline: g.timeline(t), Length: g.length, Events: cut})
	all := strings.Join(a.Warnings, "\n")
	for _, want := range []string{
		`cut: a partial failure: GET /payments of Reader, class Reader failed, the other requests did not`,
		`cut: a partial failure in consistency: 600 of POST /payments of Payer kept "status == 201" and failed "notified"`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
}

func TestRetryStorm(t *testing.T) {
	g := target{length: 150 * s, does: broken(85*s, time.Millisecond, protocol.Status)}
	for factor, want := range map[float64]bool{1: false, 4: true} {
		a, _ := Recovery(Disturbed{Timeline: g.timeline(t), Length: g.length, Events: cut, Attempts: func(at time.Duration) float64 {
			if between(at, 70*s, 90*s) {
				return 1000 * factor
			}
			return 1000
		}})
		if got := strings.Contains(strings.Join(a.Warnings, "\n"), "a retry storm: the target counted up to 4.0 times"); got != want {
			t.Errorf("%v times as many requests: %q", factor, a.Warnings)
		}
	}
}

// queue is a server that answers 250 requests a second in turn. From 60 s to 80 s there are 400 a second: 150 a second wait,
// 3,000 in all, and are worked off at 150 a second once 100 come: 20 s after the load is back the last one is.
func queue() target {
	free := time.Duration(0)
	return target{length: 200 * s,
		rate: func(at time.Duration) float64 {
			if between(at, 60*s, 80*s) {
				return 400
			}
			return 100
		},
		does: func(at time.Duration, _ int) (time.Duration, protocol.Outcome) {
			free = max(free, at) + 4*time.Millisecond
			return free - at, protocol.OK
		}}
}

var surge = &plan.Shape{Stages: []plan.Stage{{From: 100, To: 100, Over: 60 * s}, {From: 100, To: 400}, {From: 400, To: 400, Over: 20 * s}, {From: 400, To: 100}, {From: 100, To: 100, Over: 120 * s}}}

func TestSpike(t *testing.T) {
	g := queue()
	a, out := Spike(Disturbed{Timeline: g.timeline(t), Length: g.length, Timeout: 60 * s, Events: Surges(surge), Replicas: func(at time.Duration) float64 {
		return 2 + min(4, max(0, math.Floor((at-65*s).Seconds())))
	}})
	if a.Standing != Good || !strings.Contains(a.Text, "From 100 to 400 requests a second") || !strings.Contains(a.Text, "no request was lost, and it was back 20 s after the load") {
		t.Errorf("%+v", a)
	}
	for title, want := range map[string]struct{ value, within float64 }{
		"time to recover":      {20, 1},
		"time to drain":        {20, 1},
		"requests queued":      {3000, 10},
		"p99 at the peak":      {12, 0.1}, // 3,000 waiting at 250 a second
		"requests dropped":     {0, 0},
		"rate at the peak":     {400, 0},
		"p95 after, of before": {1, 0.01},
		"availability":         {1, 0},
		"time until it scaled": {7, 0}, // 4 of 2 to 6, from the first one more at 66 s
	} {
		if f := figure(t, a, title, map[bool]string{true: "spike"}[!slices.Contains([]string{"p99 at the peak", "p95 after, of before", "time until it scaled"}, title)]); f.Value == nil || math.Abs(*f.Value-want.value) > want.within {
			t.Errorf("%s: %+v, want %v", title, f, want.value)
		}
	}
	if len(out) != 1 || out[0].From != 60*s || out[0].To < 99*s || out[0].To > 101*s+s {
		t.Errorf("disturbed: %v", out)
	}
}

func TestSpikeThatIsNone(t *testing.T) {
	g := target{length: 60 * s, does: broken(0, 0, 0)}
	if a, _ := Spike(Disturbed{Timeline: g.timeline(t), Length: g.length}); a.Standing != Undecided || a.Code != CodeNoSpike {
		t.Errorf("%+v", a)
	}
}

// A surge after which the target stays slow, at the load that it bore before.
func TestMetastableSpike(t *testing.T) {
	g := target{length: 260 * s, does: func(at time.Duration, i int) (time.Duration, protocol.Outcome) {
		if at >= 60*s {
			return 10 * usual(i), protocol.OK
		}
		return usual(i), protocol.OK
	}}
	a, _ := Spike(Disturbed{Timeline: g.timeline(t), Length: g.length, Events: []Event{{"spike", 60 * s, 80 * s}}})
	if a.Standing != Bad || a.Code != CodeMetastable {
		t.Errorf("%+v", a)
	}
	for i := range a.Figures {
		if f := &a.Figures[i]; f.Metric == catalog.Hysteresis && (f.Value == nil || math.Abs(*f.Value-10) > 0.2) {
			t.Errorf("%+v", f)
		}
	}
}

func TestSurges(t *testing.T) {
	stage := func(from, to float64, over time.Duration) plan.Stage {
		return plan.Stage{From: from, To: to, Over: over}
	}
	for name, c := range map[string]struct {
		stages []plan.Stage
		want   []Event
	}{
		"base, peak, base": {surge.Stages, []Event{{"spike", 60 * s, 80 * s}}},
		"with ramps": {[]plan.Stage{stage(0, 20, 5*s), stage(20, 20, 30*s), stage(20, 400, 2*s), stage(400, 400, 20*s), stage(400, 20, 2*s), stage(20, 20, 60*s)},
			[]Event{{"spike", 35 * s, 59 * s}}},
		"two":            {[]plan.Stage{stage(1, 1, s), stage(1, 5, s), stage(5, 1, s), stage(1, 1, s), stage(1, 9, s), stage(9, 1, s)}, []Event{{"spike", s, 3 * s}, {"spike", 4 * s, 6 * s}}},
		"steady":         {[]plan.Stage{stage(5, 5, s)}, nil},
		"never back":     {[]plan.Stage{stage(5, 5, s), stage(5, 50, s), stage(50, 50, s)}, nil},
		"no base before": {[]plan.Stage{stage(0, 50, s), stage(50, 0, s)}, nil},
	} {
		if got := Surges(&plan.Shape{Stages: c.stages}); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
