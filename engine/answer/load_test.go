package answer

import (
	"strings"
	"testing"
	"time"

	"tidegauge/engine/hist"
	"tidegauge/engine/stat"
)

func TestLoadAnswer(t *testing.T) {
	var response hist.Histogram
	for i := range 1000 {
		response.Record(0.1 + float64(i)/10_000) // 100 ms to 200 ms
	}
	constant := Values{Start: 10 * s, Step: s, Width: 50 * s, P50: make([]float64, 50), P95: make([]float64, 50)}
	drift := func(low, high float64) []Drift {
		return []Drift{{Name: "p95", Change: 0.12, Interval: stat.Interval{Low: low, High: high}}}
	}
	for name, c := range map[string]struct {
		in      LoadInput
		text    []string
		without string
		warmUp  float64 // of the figure; -1: there is none
	}{
		"holds": {LoadInput{Standing: Good, Verdict: "all 2 objectives are met", Values: constant, Settling: Settling{Tested: true, Drifts: drift(-0.01, 0.2)}},
			[]string{"It holds the expected traffic: 50 good requests a second over 20 s; all 2 objectives are met. It was steady, and p95 did not drift beyond chance. The load generator kept up."}, "warm-up", -1},
		"does not, after a warm-up": {LoadInput{Standing: Bad, Code: "objective", Verdict: "p95 < 100 ms missed", Values: constant, Settling: Settling{Found: true, WarmUp: 9 * s, Tested: true, Drifts: drift(0.05, 0.2)}},
			[]string{"It does not hold the expected traffic: p95 < 100 ms missed.", "After a warm-up of 9 s, which is left out, it was steady, but p95 drifted by"}, "good requests a second", 9},
		"undecided and disturbed": {LoadInput{Verdict: "too few requests", Disturbed: true, Values: constant, Settling: Settling{Tested: true}},
			[]string{"Whether it holds the expected traffic is not decided: too few requests.", "Mind the findings and warnings on the load generator."}, "kept up", -1},
		"not steady": {LoadInput{Standing: Good, Verdict: "the objective is met", Values: constant, Settling: Settling{Tested: true, Unsteady: []string{"p95 rose by 30% at 40s"}}},
			[]string{"It was not steady: p95 rose by 30% at 40s"}, "drift", -1},
		"too short to tell": {LoadInput{Standing: Good, Verdict: "the objective is met", Values: constant}, []string{"too short to tell whether it was steady"}, "It was steady", -1},
		"a ramp":            {LoadInput{Standing: Good, Verdict: "the objective is met"}, []string{"The load was not constant, so nothing can be said of a warm-up or of steadiness."}, "was steady", -1},
		"nothing good":      {LoadInput{Standing: Bad, Verdict: "error_rate < 1% missed", Response: &hist.Histogram{}, Values: constant}, []string{"It does not hold"}, "", -1},
	} {
		t.Run(name, func(t *testing.T) {
			in := c.in
			in.From, in.To = 10*s, 30*s
			if in.Response == nil {
				in.Response, in.Good = &response, 1000
			}
			a := LoadAnswer(in)
			if a.Standing != in.Standing || a.Code != in.Code {
				t.Errorf("%s %s", a.Standing, a.Code)
			}
			for _, want := range c.text {
				if !strings.Contains(a.Text, want) {
					t.Errorf("%q, want in it %q", a.Text, want)
				}
			}
			if c.without != "" && strings.Contains(a.Text, c.without) {
				t.Errorf("%q, want without %q", a.Text, c.without)
			}
			if in.Good > 0 {
				about(t, &a, "good requests", "", 50)
				about(t, &a, "p50 of response time, good requests", "p50", 0.15)
				about(t, &a, "p99 of response time, good requests", "p99", 0.199)
			} else if len(a.Figures) != 1 || *a.Figures[0].Value != 0 {
				t.Errorf("of no good request: %+v", a.Figures)
			}
			if c.warmUp >= 0 {
				about(t, &a, "warm-up", "", c.warmUp)
			}
			if n := len(in.Values.P95); n > 0 && (len(a.Charts) != 1 || len(a.Charts[0].Lines[1].X) != n || a.Charts[0].Lines[1].X[0] != 10.5) {
				t.Errorf("charts: %+v", a.Charts)
			}
		})
	}
}

// about expects a figure within half a percent.
func about(t *testing.T, a *Answer, title, subject string, want float64) {
	t.Helper()
	f := figure(t, a, title, subject)
	if f.Value == nil || *f.Value < want*0.995 || *f.Value > want*1.005 {
		t.Errorf("%s: %+v, want %v", title, f, want)
	}
}

func TestValuesOf(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to time.Duration
		step     time.Duration
		values   int
	}{
		{"a minute: every second", 10 * s, 70 * s, s, 60},
		{"begins between two buckets", 10*s + s/2, 70 * s, s, 59},
		{"two minutes: every other second", 0, 120 * s, 2 * s, 60},
	} {
		g := target{length: 120 * s, does: broken(0, 0, 0)}
		v := ValuesOf(g.timeline(t), c.from, c.to)
		if v.Step != c.step || len(v.P95) != c.values || len(v.P50) != c.values || v.Width != c.to-c.from {
			t.Errorf("%s: %d values every %v of %v, want %d every %v", c.name, len(v.P95), v.Step, v.Width, c.values, c.step)
		}
		if v := TrendValuesOf(g.timeline(t), c.from, c.to); v.Step != s || len(v.P95) < 59 {
			t.Errorf("%s, for trends: %d values every %v, want one every second", c.name, len(v.P95), v.Step)
		}
		if v.Goodput[3] != 100 || v.P50[3] < 0.0225 || v.P50[3] > 0.0235 || v.Failures[3] != 0 {
			t.Errorf("%s: %v a second, p50 %v, failures %v", c.name, v.Goodput[3], v.P50[3], v.Failures[3])
		}
	}
}
