package compare

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
	"tidegauge/engine/stat"
	"tidegauge/engine/timeline"
)

// target is a service that a run is made up against: requests by an open model, with an effect of the run on all latencies.
type target struct {
	factor, slowB float64 // of all latencies, and of request b
	failures      float64 // share
	noise         float64 // sd of the effect of a run
}

const length = 60 * time.Second

// run makes up every request of a run.
func (s target) run(r *rand.Rand, id string) Run {
	names := &measure.Names{Classes: []string{"User"}, Requests: []measure.Request{{Class: "User", Name: "a"}, {Class: "User", Name: "b"}}}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	log := &measure.Log{}
	effect, inside := math.Exp(s.noise*r.NormFloat64()), 0.0
	for at := time.Duration(0); at < length; at += 20 * time.Millisecond {
		inside = 0.99*inside + 0.004*r.NormFloat64()
		e := measure.Entry{Intended: start.Add(at), Request: int32(r.IntN(2)), Outcome: protocol.OK}
		seconds := 0.05 * s.factor * effect * math.Exp(inside+0.4*r.NormFloat64())
		if e.Request == 1 {
			seconds *= s.slowB
		}
		if r.Float64() < s.failures {
			e.Outcome = protocol.Timeout
		}
		e.Response = time.Duration(seconds * float64(time.Second))
		e.Service = e.Response
		log.Requests = append(log.Requests, e)
	}
	t := timeline.New(timeline.Options{})
	if err := t.Consume(context.Background(), &measure.Snapshot{Start: start, Time: start.Add(length), Names: names, Log: log, Final: true}); err != nil {
		panic(err)
	}
	return Run{ID: id, Values: Measure(t, 10*time.Second, length)}
}

var usual = target{factor: 1, slowB: 1, failures: 0.002, noise: 0.02}

func several(r *rand.Rand, s target, n int) []Run {
	var runs []Run
	for i := range n {
		runs = append(runs, s.run(r, fmt.Sprintf("run%02d", i)))
	}
	return runs
}

func TestMeasure(t *testing.T) {
	v := target{factor: 1, slowB: 2, failures: 0.1}.run(rand.New(rand.NewPCG(1, 1)), "").Values
	got := map[string]Value{}
	for _, f := range v.Values {
		got[strings.TrimSpace(f.Request+" "+f.Metric)] = f
	}
	for name, want := range map[string]float64{
		"p50": 0.0707, "errors": 0.1, "good requests": 45, "User / a p50": 0.05, "User / b p50": 0.1, "User / b p95": 0.1 * math.Exp(0.4*1.645), "User / a errors": 0.1,
	} {
		if f := got[name]; math.Abs(f.Value/want-1) > 0.15 {
			t.Errorf("%s = %v, want %v", name, f.Value, want)
		}
	}
	if p := got["p95"]; p.Variance < 1e-5 || p.Variance > 1e-2 {
		t.Errorf("the variance of p95 is %v", p.Variance)
	}
	if got["errors"].Count != 2500 {
		t.Errorf("errors of %d requests, want 2,500: those after the warm-up", got["errors"].Count)
	}
	if _, ok := got["p99.9"]; ok {
		t.Error("p99.9 of 2,500 requests")
	}
	if v := Measure(timeline.New(timeline.Options{}), 0, 0); v.Problem == "" {
		t.Error("nothing was measured, and there is no problem")
	}
}

// Thirty runs of a service that does not change: none is a confirmed regression. Then it gets slower by a fifth.
func TestThirtyRunsAndASlowerOne(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	runs := several(r, usual, 30)
	reran := 0
	for i := 1; i < len(runs); i++ {
		from := max(0, i-stat.DefaultBaseline)
		c := Against("the runs before", runs[i], runs[from:i], nil)
		if i < stat.MinBaseline {
			if c.Verdict != stat.Indicative {
				t.Errorf("run %d: %s with %d runs before it, want %s", i, c.Verdict, i, stat.Indicative)
			}
			continue
		}
		if c.Verdict == stat.Suspect || c.Verdict == stat.Regression {
			reran++
			c = Against("the runs before", runs[i], runs[from:i], several(r, usual, 2))
		}
		if c.Verdict == stat.Regression {
			t.Errorf("run %d of an unchanged service: %s", i, c.Summary)
		}
	}
	t.Logf("%d of 30 runs were made again", reran)

	slow := usual
	slow.factor = 1.2
	c := Against("the runs before", slow.run(r, "slow"), runs[20:], several(r, slow, 2))
	if c.Verdict != stat.Regression || !c.Confirmed || len(c.Reruns) != 2 || !strings.Contains(c.Summary, "p50") {
		t.Errorf("20%% slower: %s, confirmed %v: %s", c.Verdict, c.Confirmed, c.Summary)
	}
	for i := range c.Rows {
		if row := &c.Rows[i]; row.Name() == "p50" && (math.Abs(*row.Change-0.2) > 0.06 || *row.Low > 0.2 || *row.High < 0.2 || len(row.History) != 13) {
			t.Errorf("p50: %+v, want +20%%", row)
		}
	}
}

func TestOneRequestIsSlower(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	runs := several(r, usual, 10)
	slow := usual
	slow.slowB = 1.4
	c := Against("the runs before", slow.run(r, "slow"), runs, several(r, slow, 2))
	worst := c.Worst(stat.Regression)
	if c.Verdict != stat.Regression || len(worst) == 0 || worst[0].Request != "User / b" {
		t.Errorf("%s: %s", c.Verdict, c.Summary)
	}
	for i := range c.Rows {
		if row := &c.Rows[i]; row.Request == "User / a" && row.Verdict == stat.Regression {
			t.Errorf("a did not change: %+v", row)
		}
	}
}

func TestWhatCannotBeCompared(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	runs := several(r, usual, 6)
	bad := usual.run(r, "bad")
	bad.Values.Problem = "the generator was late"
	if c := Against("x", bad, runs, nil); c.Verdict != stat.Invalid || c.Summary != "it cannot be compared: the generator was late" || len(c.Rows) != 0 {
		t.Errorf("%+v", c)
	}
	if c := Against("x", runs[0], nil, nil); c.Verdict != stat.Invalid || c.Summary != "there is no run to compare it with" {
		t.Errorf("%+v", c)
	}
	if c := Against("x", runs[0], []Run{bad}, nil); c.Verdict != stat.Invalid || len(c.Runs) != 0 {
		t.Errorf("against a run that says nothing: %+v", c)
	}
	unsteady := usual.run(r, "unsteady")
	unsteady.Values.Unsteady = "p95 rose"
	c := Against("x", unsteady, runs, nil)
	for i := range c.Rows {
		if row := &c.Rows[i]; row.Metric == P95 && row.Verdict != stat.Invalid {
			t.Errorf("%s of a run that was not steady: %s", row.Name(), row.Verdict)
		}
	}
	if c.Verdict == stat.Invalid || len(c.Warnings) != 1 {
		t.Errorf("errors and throughput can still be compared: %s, warnings %q", c.Verdict, c.Warnings)
	}
}

func TestComparisonSurvivesJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	runs := several(r, usual, 6)
	for _, c := range []*Comparison{Against("x", usual.run(r, "a"), runs, nil), Against("x", usual.run(r, "a"), runs[:1], nil), Against("x", Run{ID: "nothing"}, runs, nil)} {
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var back Comparison
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, &back); diff != "" {
			t.Error(diff)
		}
	}
}

func TestPercent(t *testing.T) {
	for v, want := range map[float64]string{0.2: "+20%", -0.2: "-20%", 0.051: "+5.1%", 0: "+0.0%", 3: "x4", 5000: "x1000 or more"} {
		if got := Percent(&v); got != want {
			t.Errorf("Percent(%v) = %q, want %q", v, got, want)
		}
	}
	if Percent(nil) != "" {
		t.Error("of nothing")
	}
}
