package verdict

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
)

var ok100 = work{n: 100, seconds: 0.1}

func TestObjectives(t *testing.T) {
	o := func(text string, m plan.Metric, op string, limit float64) plan.Objective {
		return plan.Objective{Text: text, Metric: m, Op: op, Threshold: limit}
	}
	with := func(o plan.Objective, change func(*plan.Objective)) plan.Objective { change(&o); return o }
	mixed := []work{{n: 94, seconds: 0.1}, {n: 4, seconds: 0.1, service: 0.05, request: get}, {n: 2, seconds: 1, outcome: protocol.Status}}
	for _, c := range []struct {
		o       plan.Objective
		outcome Outcome
		value   float64
		samples uint64
		code    string
	}{
		{p95(0.2), Pass, 0.1, 6000, CodeObjective},
		{p95(0.05), Fail, 0.1, 6000, CodeObjective},
		{with(p95(2), func(o *plan.Objective) { o.Quantile = 0.99 }), Pass, 1, 6000, CodeObjective},
		// Six beyond p99.9 are few, but its whole interval meets the limit; of p99.99 there is no upper end.
		{with(p95(2), func(o *plan.Objective) { o.Quantile = 0.999 }), Pass, 1, 6000, CodeObjective},
		{with(p95(2), func(o *plan.Objective) { o.Quantile = 0.9999 }), Inconclusive, 1, 6000, CodeSamples},
		{with(p95(0.5), func(o *plan.Objective) { o.Quantile = 0.999 }), Fail, 1, 6000, CodeObjective},
		{with(p95(0.06), func(o *plan.Objective) { o.Selector = map[string]string{"name": "show"}; o.Service = true }), Pass, 0.05, 240, CodeObjective},
		{with(p95(0.06), func(o *plan.Objective) {
			o.Quantile = 0.5
			o.Selector = map[string]string{"method": "GET"}
			o.Service = true
		}), Pass, 0.05, 240, CodeObjective},
		{with(p95(0.2), func(o *plan.Objective) { o.Selector = map[string]string{"class": "Nobody"} }), Inconclusive, math.NaN(), 0, CodeNoData},
		{o("mean < 110ms", plan.Mean, "<", 0.11), Fail, 0.118, 6000, CodeObjective},
		{o("mean < 150ms", plan.Mean, "<", 0.15), Pass, 0.118, 6000, CodeObjective},
		{o("max <= 0.9s", plan.Maximum, "<=", 0.9), Fail, 1, 6000, CodeObjective},
		{o("error_rate < 3%", plan.ErrorRate, "<", 0.03), Pass, 0.02, 6000, CodeObjective},
		{o("error_rate < 1%", plan.ErrorRate, "<", 0.01), Fail, 0.02, 6000, CodeObjective},
		{o("rate > 99/s", plan.Rate, ">", 99), Pass, 100, 6000, CodeObjective},
		{o("rate >= 101/s", plan.Rate, ">=", 101), Fail, 100, 6000, CodeObjective},
		{o("count >= 6000", plan.Count, ">=", 6000), Pass, 6000, 6000, CodeObjective},
		{o("count > 6000", plan.Count, ">", 6000), Fail, 6000, 6000, CodeObjective},
		{o("failures == 120", plan.Failures, "==", 120), Pass, 120, 6000, CodeObjective},
		{o("failures == 0", plan.Failures, "==", 0), Fail, 120, 6000, CodeObjective},
		{o("check_rate > 99%", plan.CheckRate, ">", 0.99), Pass, 1, 5760, CodeObjective},
		{with(o("check_rate > 99%", plan.CheckRate, ">", 0.99), func(o *plan.Objective) { o.Selector = map[string]string{"check": "other"} }), Inconclusive, math.NaN(), 0, CodeNoData},
	} {
		f := newFakeRun(t, Options{Test: loadTest(c.o)})
		v := f.usual(mixed...)
		if v.Outcome != c.outcome || v.Code() != c.code {
			t.Errorf("%s %v: %s (%s), want %s (%s): %s", c.o.Text, c.o.Selector, v.Outcome, v.Code(), c.outcome, c.code, v.Summary)
		}
		r := v.Objectives()[0].Objective
		switch {
		case math.IsNaN(c.value):
			if r.Value != nil {
				t.Errorf("%s %v: value %v, want none", c.o.Text, c.o.Selector, *r.Value)
			}
		case r.Value == nil || math.Abs(*r.Value-c.value) > 0.003*c.value:
			t.Errorf("%s %v: value %v, want %v", c.o.Text, c.o.Selector, r.Value, c.value)
		}
		if r.Samples != c.samples {
			t.Errorf("%s %v: %d samples, want %d", c.o.Text, c.o.Selector, r.Samples, c.samples)
		}
	}
}

func TestMessages(t *testing.T) {
	for _, c := range []struct {
		name    string
		o       plan.Objective
		steady  []work
		summary string
		warning string
	}{
		{"met", p95(0.5), []work{ok100}, "all 2 objectives are met over 1m0s (steady part); 7,000 requests, 14.3% failed", ""},
		{"missed", p95(0.05), []work{ok100}, "p95 < 50 ms missed: 100 ms", ""},
		{"straddling", errorRate(0.01), []work{{n: 99, seconds: 0.1}, {n: 1, seconds: 0.1, outcome: protocol.Reset}},
			"error_rate < 1% missed: 1%", "the 95% interval [0.778%, 1.28%] includes the limit"},
		{"failing", p95(0.5), []work{{n: 90, seconds: 0.1}, {n: 10, seconds: 0.01, outcome: protocol.Status}},
			"all 2 objectives are met over 1m0s (steady part); 7,000 requests, 22.9% failed", "10% of the requests failed, and their times count too"},
		{"cut", p95(0.5), []work{{n: 90, seconds: 0.1}, {n: 10, seconds: 0.01, outcome: protocol.Cut}},
			"all 2 objectives are met over 1m0s (steady part); 6,400 requests, 15.6% failed", "10% of the requests were cut at the end, and their times are missing"},
		{"few", p95(0.5), []work{{n: 1, seconds: 0.1}, {n: 99, seconds: 0.1, request: get}}, "", ""},
	} {
		if c.name == "few" {
			c.o.Selector = map[string]string{"name": "pay"}
			c.summary = "p95 < 500 ms: 100 ms, but p95 needs 30 observations beyond it, has 3, and its 95% interval [100 ms, ?] does not decide it"
		}
		v := newFakeRun(t, Options{Test: loadTest(c.o)}).usual(c.steady...)
		want := strings.Replace(c.summary, "", "", 1)
		if v.Summary != want {
			t.Errorf("%s: summary\n %q, want\n %q", c.name, v.Summary, want)
		}
		warnings := strings.Join(v.Objectives()[0].Warnings, "; ")
		if (c.warning == "") != (warnings == "") || !strings.HasPrefix(warnings, c.warning) {
			t.Errorf("%s: warnings %q, want %q", c.name, warnings, c.warning)
		}
	}
}

// Failing fast meets no limit of response times, failing slowly misses it, and neither changes what the run came to.
func TestOnlyFailures(t *testing.T) {
	maximum := plan.Objective{Text: "max < 1s", Metric: plan.Maximum, Op: "<", Threshold: 1}
	for _, c := range []struct {
		name    string
		seconds float64
		good    int
		outcome Outcome
	}{
		{"fast", 0.01, 0, NoData},
		{"slow", 2, 0, Fail},
		{"fast, but one in a hundred", 0.01, 1, Pass},
	} {
		for _, o := range []plan.Objective{p95(0.5), maximum} {
			steady := []work{{n: 99, seconds: c.seconds, outcome: protocol.Status}}
			if c.good > 0 {
				steady = append(steady, work{n: c.good, seconds: 0.01})
			}
			v := newFakeRun(t, Options{Test: loadTest(o, errorRate(0.01))}).usual(steady...)
			f := v.Objectives()[0]
			if f.Outcome != c.outcome || v.Outcome != Fail || v.Deciding().Outcome != Fail {
				t.Errorf("%s, %s: %s (%s), the run %s, want %s and a run that failed", c.name, o.Text, f.Outcome, f.Message, v.Outcome, c.outcome)
			}
			if shown := f.Objective.Value != nil; shown == (c.outcome == NoData) {
				t.Errorf("%s, %s: a value %t", c.name, o.Text, shown)
			}
			if said := strings.Contains(strings.Join(f.Warnings, "; "), "no successful request"); said != (c.outcome == NoData) {
				t.Errorf("%s, %s: warnings %q", c.name, o.Text, f.Warnings)
			}
		}
	}
}

func TestFindings(t *testing.T) {
	rate := plan.Objective{Text: "rate > 99/s", Metric: plan.Rate, Op: ">", Threshold: 99}
	count := plan.Objective{Text: "count >= 6000", Metric: plan.Count, Op: ">=", Threshold: 6000}
	late := work{n: 100, seconds: 0.1, late: 0.05}
	for _, c := range []struct {
		name       string
		objectives []plan.Objective
		run        func(f *fakeRun) Verdict
		outcome    Outcome
		code       string
		message    string // part of the deciding message
	}{
		{"nothing wrong", []plan.Objective{p95(0.2)}, func(f *fakeRun) Verdict { return f.usual(ok100) }, Pass, CodeObjective, "met: 100 ms"},
		{"late", []plan.Objective{p95(0.2)}, func(f *fakeRun) Verdict { return f.usual(late) }, Inconclusive, CodeLateness, "p50 50 ms, p99 50 ms, at most 50 ms (allowed: p99 20 ms)"},
		{"late and slow", []plan.Objective{p95(0.05)}, func(f *fakeRun) Verdict { return f.usual(late) }, Inconclusive, CodeLateness, "give it more CPU"},
		{"late and failing", []plan.Objective{p95(0.05), errorRate(0.01)}, func(f *fakeRun) Verdict {
			return f.usual(late, work{n: 5, outcome: protocol.Status})
		}, Fail, CodeObjective, "error_rate < 1% missed"},
		{"late outside of the steady part", []plan.Objective{p95(0.2)}, func(f *fakeRun) Verdict {
			f.seconds(10, work{n: 50, seconds: 0.1, late: 1})
			f.seconds(60, ok100)
			f.seconds(10, work{n: 50, seconds: 0.1, late: 1})
			return f.end()
		}, Pass, CodeObjective, ""},
		{"too few started", []plan.Objective{p95(0.2), rate}, func(f *fakeRun) Verdict {
			return f.usual(work{n: 98, seconds: 0.1})
		}, Inconclusive, CodeStartRate, "started 5,880 of 6,000 due iterations in time"},
		{"too few started, all users busy", []plan.Objective{p95(0.2), rate}, func(f *fakeRun) Verdict {
			f.users = 50
			return f.usual(work{n: 98, seconds: 0.1})
		}, Fail, CodeObjective, "rate > 99/s missed: 98/s"},
		{"dropped", []plan.Objective{p95(0.2)}, func(f *fakeRun) Verdict {
			return f.usual(work{n: 98, seconds: 0.1, dropped: 2})
		}, Inconclusive, CodeDropped, "120 of 6,000 due iterations were never started (2%), for want of a free user: max_users (50)"},
		{"dropped and failing", []plan.Objective{p95(0.05)}, func(f *fakeRun) Verdict {
			return f.usual(work{n: 98, seconds: 0.1, dropped: 2})
		}, Fail, CodeObjective, "p95 < 50 ms missed"},
		{"books", []plan.Objective{p95(0.05)}, func(f *fakeRun) Verdict {
			return f.usual(work{n: 100, seconds: 0.1, unstarts: 1})
		}, Inconclusive, CodeBooks, "(in User): iterations intended 7060 = started 7000 + dropped 0, started 7000 = finished 7000 + cut 0"},
		{"exceptions", []plan.Objective{p95(0.2)}, func(f *fakeRun) Verdict {
			f.exceptions = []measure.Exception{{Task: "pay", Message: "json.id: no such field", Count: 3}}
			f.delta.Classes[0].Exceptions = 3
			return f.usual(ok100)
		}, Inconclusive, CodeExceptions, "failed 3 times, so it did not do what it says; in task pay: json.id: no such field"},
		{"unreachable", []plan.Objective{p95(0.2)}, func(f *fakeRun) Verdict {
			f.failures = []measure.Failure{{Outcome: protocol.Refused, Detail: "dial tcp 127.0.0.1:1: connection refused"}}
			f.seconds(80, work{n: 100, seconds: 0.001, outcome: protocol.Refused})
			return f.end()
		}, Fail, CodeUnreachable, "the target http://127.0.0.1:1 gave no answer to any of 8,000 requests (refused 8000): dial tcp 127.0.0.1:1: connection refused"},
		{"unreachable, and a fault without effect", []plan.Objective{p95(0.2)}, func(f *fakeRun) Verdict {
			f.judge.FaultFailed("nothing has connected to the proxy")
			f.seconds(80, work{n: 100, seconds: 0.001, outcome: protocol.Refused})
			return f.end()
		}, Fail, CodeUnreachable, "gave no answer to any of 8,000 requests"},
		{"unreachable, no objectives", nil, func(f *fakeRun) Verdict {
			f.seconds(80, work{n: 100, seconds: 0.001, outcome: protocol.DNS})
			return f.end()
		}, Fail, CodeUnreachable, "(dns 8000)"},
		{"out of files", []plan.Objective{p95(0.05), errorRate(0.01)}, func(f *fakeRun) Verdict {
			f.delta.Classes[0].Exhausted[protocol.Files] = 1500
			return f.usual(work{n: 75, outcome: protocol.Refused}, work{n: 25, seconds: 0.1})
		}, Inconclusive, CodeGenerator, "the generator ran out of open files: 1,500 requests failed for that, through no fault of the target; raise the limit (ulimit -n)"},
		{"out of files and ports, nothing answered", nil, func(f *fakeRun) Verdict {
			f.delta.Classes[0].Exhausted = [protocol.Resources]uint64{protocol.Files: 7999, protocol.Ports: 1}
			f.seconds(80, work{n: 100, outcome: protocol.Refused})
			return f.end()
		}, Inconclusive, CodeGenerator, "ran out of open files and local ports: 8,000 requests failed for that, through no fault of the target; raise the limit (ulimit -n); widen net.ipv4.ip_local_port_range"},
		{"nothing", []plan.Objective{p95(0.2)}, func(f *fakeRun) Verdict { f.seconds(80); return f.end() }, Inconclusive, CodeNoData, "no request finished"},
		{"stopped in the steady part", []plan.Objective{p95(0.2), count}, func(f *fakeRun) Verdict {
			f.seconds(10, ok100)
			f.seconds(29, ok100)
			return f.end(ok100)
		}, Inconclusive, CodeStopped, "the run was ended after 40s of 1m20s"},
		{"stopped, and failing all the same", []plan.Objective{p95(0.05), count}, func(f *fakeRun) Verdict {
			f.seconds(40, ok100)
			return f.end(ok100)
		}, Fail, CodeObjective, "p95 < 50 ms missed"},
		{"stopped before the steady part", []plan.Objective{p95(0.2)}, func(f *fakeRun) Verdict {
			f.seconds(5, ok100)
			return f.end(ok100)
		}, Inconclusive, CodeStopped, "the run was ended after 6s of 1m20s"},
		{"stopped at the last moment", []plan.Objective{p95(0.2)}, func(f *fakeRun) Verdict {
			f.judge.Stopped(f.start.Add(79 * time.Second))
			return f.usual(ok100)
		}, Inconclusive, CodeStopped, "ended after 1m19s of 1m20s"},
		{"stopped before anything was answered", []plan.Objective{p95(0.2)}, func(f *fakeRun) Verdict {
			f.seconds(20, work{n: 1, outcome: protocol.Cut})
			return f.end()
		}, Inconclusive, CodeStopped, "the run was ended after 21s of 1m20s"},
		{"no objectives, failures", nil, func(f *fakeRun) Verdict {
			return f.usual(ok100)
		}, Fail, CodeFailures, "1,000 of 7,000 requests failed, and no objective says how many may"},
		{"reset, every one", []plan.Objective{p95(0.2)}, func(f *fakeRun) Verdict {
			f.seconds(80, work{n: 10, outcome: protocol.Reset})
			return f.end()
		}, Fail, CodeUnreachable, "gave no answer to any of 800 requests (reset 800)"},
		{"a few late starts", []plan.Objective{p95(0.2)}, func(f *fakeRun) Verdict {
			f.seconds(10, ok100)
			f.seconds(1, work{n: 98, seconds: 0.1}, work{n: 2, seconds: 0.1, late: 0.05})
			f.seconds(59, work{n: 2, seconds: 0.1})
			f.seconds(10, ok100)
			f.users = 50
			return f.end()
		}, Inconclusive, CodeStartRate, "in time"}, // and not lateness: two late starts of 218 are an accident
		{"no objectives, no failures", nil, func(f *fakeRun) Verdict {
			f.seconds(80, ok100)
			return f.end()
		}, Pass, CodeNoObjectives, "no request failed, but the plan names no objectives to judge speed by"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &plan.Plan{Target: plan.Target{BaseURL: "http://127.0.0.1:1"}}
			v := c.run(newFakeRun(t, Options{Plan: p, Test: loadTest(c.objectives...)}))
			if v.Outcome != c.outcome || v.Code() != c.code || !strings.Contains(v.Deciding().Message, c.message) {
				t.Errorf("%s %s: %q\nwant %s %s: …%q…", v.Outcome, v.Code(), v.Deciding().Message, c.outcome, c.code, c.message)
			}
			if !strings.HasPrefix(v.Summary, v.Deciding().Message) && c.outcome != Pass {
				t.Errorf("summary %q does not begin with the reason", v.Summary)
			}
		})
	}
}

func TestLateMissIsExplained(t *testing.T) {
	v := newFakeRun(t, Options{Test: loadTest(p95(0.05))}).usual(work{n: 100, seconds: 0.1, late: 0.05})
	o := v.Objectives()[0]
	if o.Outcome != Inconclusive || len(o.Warnings) != 1 || o.Warnings[0] != "missed, but the generator was late" {
		t.Errorf("%s, %q", o.Outcome, o.Warnings)
	}
	v = newFakeRun(t, Options{Test: loadTest(p95(0.05)), MaxLateness: time.Second}).usual(work{n: 100, seconds: 0.1, late: 0.05})
	if v.Outcome != Fail {
		t.Errorf("with one second allowed: %s, want fail", v.Outcome)
	}
}

// TestObjectivesOnSpeedAloneDoNotPassFailures: a target that fails fast has a good p95.
func TestObjectivesOnSpeedAloneDoNotPassFailures(t *testing.T) {
	for _, c := range []struct {
		more plan.Objective
		want string
	}{
		{p95(0.3), CodeFailures},
		{errorRate(0.5), CodeObjective},
		{plan.Objective{Text: "failures < 9999", Metric: plan.Failures, Op: "<", Threshold: 9999}, CodeObjective},
	} {
		test := loadTest(p95(0.2))
		test.Objectives = []plan.Objective{p95(0.2), c.more}
		v := newFakeRun(t, Options{Test: test}).usual(work{n: 60, seconds: 0.1}, work{n: 40, seconds: 0.001, outcome: protocol.Status})
		if v.Code() != c.want || (v.Outcome == Fail) != (c.want == CodeFailures) {
			t.Errorf("with %s: %s (%s): %s", c.more.Text, v.Outcome, v.Code(), v.Summary)
		}
	}
}

func TestAMissForWantOfOurOwnIsExplained(t *testing.T) {
	f := newFakeRun(t, Options{Test: loadTest(p95(0.05), errorRate(0.01))})
	f.delta.Classes[0].Exhausted[protocol.Ports] = 1
	v := f.usual(work{n: 75, seconds: 0.1}, work{n: 25, outcome: protocol.Refused})
	for _, o := range v.Objectives()[:2] {
		if o.Outcome != Inconclusive || o.Warnings[len(o.Warnings)-1] != "missed, but the generator ran out of local ports" {
			t.Errorf("%s: %s, %q", o.Objective.Text, o.Outcome, o.Warnings)
		}
	}
}

func TestVerdictWithoutSnapshots(t *testing.T) {
	v := NewJudge(Options{Test: loadTest(p95(1))}).Verdict(context.Background())
	if v.Outcome != Inconclusive || v.Code() != CodeNoData {
		t.Errorf("%s %s", v.Outcome, v.Code())
	}
}

// querier answers every expression alike and keeps what it was asked.
type querier struct {
	left, right []float64
	held        bool
	err         error
	expr        string
	at          time.Time
}

func (q *querier) Compare(_ context.Context, expr string, at time.Time) (left, right []float64, held bool, err error) {
	q.expr, q.at = expr, at
	return q.left, q.right, q.held, q.err
}

func TestPromQL(t *testing.T) {
	o := plan.Objective{Text: "promql: max(x) < 2", Metric: plan.PromQL, PromQL: `max(x{run="$run"}[$range]) < 2`}
	for _, c := range []struct {
		name    string
		q       *querier
		outcome Outcome
		code    string
		message string
	}{
		{"held", &querier{left: []float64{1}, right: []float64{2}, held: true}, Pass, CodeObjective, "promql: max(x) < 2 met: 1"},
		{"missed", &querier{left: []float64{3, 1, 4, 1, 5}, right: []float64{2}}, Fail, CodeObjective, "promql: max(x) < 2 missed: 3, 1, 4 and 2 more"},
		{"no data", &querier{}, Inconclusive, CodeNoData, "promql: max(x) < 2: the store has no data for it"},
		{"not a number", &querier{left: []float64{math.NaN()}, right: []float64{2}}, Inconclusive, CodeNoData, "promql: max(x) < 2: the store has no data for it"},
		{"one is not a number", &querier{left: []float64{1, math.NaN()}, right: []float64{2}}, Inconclusive, CodeNoData, "promql: max(x) < 2: the store has no data for it"},
		{"infinite", &querier{left: []float64{math.Inf(1)}, right: []float64{2}}, Fail, CodeObjective, "promql: max(x) < 2 missed: +Inf"},
		{"error", &querier{err: errors.New("query store: too many samples")}, Inconclusive, CodeQuery, "promql: max(x) < 2: query store: too many samples"},
		{"no store", nil, Inconclusive, CodeQuery, "promql: max(x) < 2: there is no store to ask"},
	} {
		options := Options{Run: "r1", Test: loadTest(o)}
		if c.q != nil {
			options.Querier = c.q
		}
		f := newFakeRun(t, options)
		v := f.usual(ok100)
		d := v.Deciding()
		if v.Outcome != c.outcome || v.Code() != c.code || d.Message != c.message {
			t.Errorf("%s: %s %s %q, want %s %s %q", c.name, v.Outcome, v.Code(), d.Message, c.outcome, c.code, c.message)
		}
		if c.q == nil {
			continue
		}
		if want := `max(x{run="r1"}[60002ms]) < 2`; c.q.expr != want || !c.q.at.Equal(f.start.Add(70*time.Second)) {
			t.Errorf("%s: asked %s at %s, want %s at the end of the steady part", c.name, c.q.expr, c.q.at, want)
		}
	}
	if got := expand("$range", "", 1500*time.Millisecond); got != "1500ms" {
		t.Errorf("range of 1.5 s: %s", got)
	}
}

func TestPartOf(t *testing.T) {
	st := func(phase string, seconds int) plan.Stage {
		return plan.Stage{Phase: phase, Over: time.Duration(seconds) * time.Second}
	}
	s := time.Second
	for _, c := range []struct {
		name   string
		typ    plan.Type
		stages []plan.Stage
		want   part
	}{
		{"ramp and hold", plan.Load, []plan.Stage{st("ramp", 10), st("steady", 60)}, part{10 * s, 70 * s, true, true}},
		{"ramps around", plan.Soak, []plan.Stage{st("ramp", 10), st("steady", 60), st("ramp", 5)}, part{10 * s, 70 * s, true, false}},
		{"jump at the end", plan.Load, []plan.Stage{st("steady", 60), st("steady", 0)}, part{0, 60 * s, true, true}},
		{"two stretches", plan.Load, []plan.Stage{st("steady", 60), st("ramp", 10), st("steady", 30)}, part{0, 60 * s, true, false}},
		{"two equal stretches", plan.Load, []plan.Stage{st("steady", 30), st("ramp", 10), st("steady", 30)}, part{40 * s, 70 * s, true, true}},
		{"joined by a jump", plan.Load, []plan.Stage{st("steady", 30), st("ramp", 0), st("steady", 40)}, part{0, 70 * s, true, true}},
		{"none", plan.Load, []plan.Stage{st("ramp", 30)}, part{0, 30 * s, false, true}},
		{"spike", plan.Spike, []plan.Stage{st("steady", 30), st("spike", 5)}, part{0, 35 * s, false, true}},
	} {
		if got := partOf(&plan.Test{Type: c.typ, Shape: plan.Shape{Stages: c.stages}}); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestWorkUnderWayAtTheEndCounts(t *testing.T) {
	test := loadTest(p95(0.2), plan.Objective{Text: "count == 6006", Metric: plan.Count, Op: "==", Threshold: 6006},
		plan.Objective{Text: "rate < 100.2/s", Metric: plan.Rate, Op: "<", Threshold: 100.2})
	test.Shape.Stages = test.Shape.Stages[:2]
	f := newFakeRun(t, Options{Test: test})
	f.seconds(10, work{n: 50, seconds: 9})
	f.seconds(60, ok100)
	v := f.end(work{n: 6, seconds: 1}) // what was still under way
	if v.Outcome != Pass {
		t.Errorf("%s: %+v", v.Outcome, v.Findings)
	}
	if want := f.start.Add(71 * time.Second); !v.Part.To.Equal(want) || v.Part.Name != "steady part" {
		t.Errorf("part %+v, want to %s", v.Part, want)
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		v    float64
		unit string
		want string
	}{
		{0, "s", "0 ms"}, {0.0000123, "s", "12.3 µs"}, {0.00321, "s", "3.21 ms"}, {0.8124, "s", "812 ms"}, {0.99999, "s", "1 s"},
		{1.2345, "s", "1.23 s"}, {45.67, "s", "45.7 s"}, {125, "s", "2m5s"},
		{0.0012, "ratio", "0.12%"}, {1, "ratio", "100%"}, {0, "ratio", "0%"}, {0.000001234, "ratio", "0.000123%"},
		{99.83, "1/s", "99.8/s"}, {12345.6, "1/s", "12,346/s"}, {0.05, "1/s", "0.05/s"},
		{1234567, "1", "1,234,567"}, {999, "1", "999"}, {-3, "1", "0"},
		{1.5e9, "", "1.5e+09"}, {-1234.4, "1/s", "-1,234/s"}, {1e-15, "1/s", "1e-15/s"},
	} {
		if got := Format(c.v, c.unit); got != c.want {
			t.Errorf("Format(%v, %q) = %q, want %q", c.v, c.unit, got, c.want)
		}
	}
}
