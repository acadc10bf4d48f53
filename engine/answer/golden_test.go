package answer

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/hist"
	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
	"tidegauge/engine/search"
)

var update = flag.Bool("update", false, "write the golden files")

// The answers of all five types as JSON. Package report has golden files of how they look in a terminal, made from these.
func TestGoldenAnswers(t *testing.T) {
	for name, answer := range map[string]func(*testing.T) *Answer{
		"load": goldenLoad, "stress": goldenStress, "spike": goldenSpike, "soak": goldenSoak, "recovery": goldenRecovery,
	} {
		t.Run(name, func(t *testing.T) {
			got := rounded(t, answer(t))
			file := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("(run with -update if this is meant, and then package report's) -want +got\n%s", diff)
			}
		})
	}
}

// rounded returns an answer as JSON with numbers of six digits: the last ones of a float are not the same on all processors.
func rounded(t *testing.T, a *Answer) []byte {
	t.Helper()
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if b, err = json.MarshalIndent(round(v), "", " "); err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func round(v any) any {
	switch v := v.(type) {
	case float64:
		if v == 0 {
			return v
		}
		unit := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-5)
		return json.Number(amountOf(math.Round(v/unit) * unit))
	case []any:
		for i := range v {
			v[i] = round(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = round(v[k])
		}
	}
	return v
}

func amountOf(v float64) string {
	b, _ := json.Marshal(float32(v))
	return string(b)
}

func goldenLoad(*testing.T) *Answer {
	const length = 100 * time.Second
	values := steadyValues(length)
	h := &hist.Histogram{}
	for i := range 5000 {
		h.Record(0.005 * math.Exp(float64(i%100)/50))
	}
	a := LoadAnswer(LoadInput{
		Standing: Good, Verdict: "both objectives are met over 1m30s", From: 15 * s, To: 105 * s, Response: h, Good: 4500,
		Values: values, Settling: Settle(values, true), Limits: []Limit{{"p95 < 100ms", 0.1}},
	})
	return &a
}

func goldenSoak(*testing.T) *Answer {
	const length = 200 * time.Second
	leaking := memory(series(length, func(s float64) float64 { return 60*mib + mib*s }, 0.005))
	leaking.Limit = 1 << 30
	files := SoakSeries{Subject: "open files of web", Unit: "1", Step: time.Second, Values: series(length, constant(20), 0)}
	a := SoakAnswer(SoakInput{
		Constant: true, Scraped: true, Values: steadyValues(length), Settling: Settle(steadyValues(length), true),
		Resources: []SoakSeries{files, leaking}, Missing: []string{"jobs"},
	})
	return &a
}

func goldenSpike(t *testing.T) *Answer {
	g := queue()
	a, _ := Spike(Disturbed{Timeline: g.timeline(t), Length: g.length, Timeout: 60 * s, Events: Surges(surge), Replicas: func(at time.Duration) float64 {
		return 2 + min(4, max(0, math.Floor((at-65*s).Seconds())))
	}})
	return a
}

// goldenRecovery is of two faults: one that fails fast, and one after which payments are made and not notified.
func goldenRecovery(t *testing.T) *Answer {
	g := target{length: 300 * s, two: true,
		does: func(at time.Duration, i int) (time.Duration, protocol.Outcome) {
			switch {
			case between(at, 60*s, 84*s):
				return 5 * time.Millisecond, protocol.Status
			case between(at, 180*s, 190*s) && i%2 == 0:
				return 500 * time.Millisecond, protocol.Check
			}
			return usual(i), protocol.OK
		},
		checks: func(at time.Duration) []measure.CheckTotals {
			if between(at, 180*s, 190*s) {
				return []measure.CheckTotals{{Passed: 50}, {Failed: 50}}
			}
			return []measure.CheckTotals{{Passed: 50}, {Passed: 50}}
		}}
	a, _ := Recovery(Disturbed{
		Timeline: g.timeline(t), Length: g.length, Timeout: 10 * s, Events: []Event{{"cut of database", 60 * s, 80 * s}, {"delay 5s of notifications", 180 * s, 190 * s}},
		Breakers: func(from, _ time.Duration) (float64, float64) {
			return float64(from / (180 * s)), 3 * float64(from/(180*s))
		},
		Attempts: func(at time.Duration) float64 {
			if between(at, 70*s, 90*s) {
				return 4000
			}
			return 1000
		},
	})
	return a
}

func goldenStress(*testing.T) *Answer { return Stress(searched(search.Found)) }

// searched is a search of arrivals from 50/s: the target breaks between 400/s and 412/s, first by its p95.
func searched(stop search.Stop) StressInput {
	in := StressInput{Highest: 2000, Result: search.Result{
		Stop: stop, Lower: 400, Upper: 412, Capacity: 405, Low: 398, High: 413, Spread: 0.02,
	}}
	full := 1.0
	for i, load := range []float64{50, 100, 200, 400, 800, 800, 566, 420, 412, 412, 412, 400, 400, 400} {
		trial := StressTrial{Trial: Trial{
			Load: load, From: epoch.Add(time.Duration(i) * time.Minute), To: epoch.Add(time.Duration(i)*time.Minute + 30*time.Second),
			Outcome: "passed", Stage: "growth", Rate: min(load, 415), Goodput: min(load, 415), P50: 0.02, P95: 0.03 + load/1e4, P99: 0.05 + load/5e3,
			Servers: []ServerValue{{Name: "cpu (Go process)", Value: min(0.9, load/600), Limit: new(0.8), Unit: "ratio"}, {Name: "pool (HikariCP)", Value: min(1, load/410), Limit: &full, Unit: "ratio"}},
		}}
		if load > 400 {
			trial.Outcome, trial.P95, trial.Failures = "failed", 0.9, 0.02
			trial.Reason, trial.Missed = "p95 < 500ms: 900 ms, error_rate < 1%: 2%", []string{"p95 < 500ms", "error_rate < 1%"}
		}
		switch {
		case i >= 8:
			trial.Stage = "confirming"
		case i >= 6:
			trial.Stage = "fit"
		}
		in.Trials = append(in.Trials, trial)
	}
	return in
}
