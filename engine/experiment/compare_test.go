package experiment

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/compare"
	"tidegauge/engine/history"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
)

// stored makes up a finished run, which was judged and has values.
func stored(t *testing.T, h *history.History, p95 float64) string {
	t.Helper()
	meta := report.Meta{Plan: "shop", Test: "load", Type: plan.Load, Labels: map[string]string{"env": "test"}, Machine: report.Machine{Host: "here"}, TargetVersion: "1.4"}
	r, err := h.Begin(meta, nil)
	if err != nil {
		t.Fatal(err)
	}
	v := compare.Values{Schema: "tidegauge.values/v1", Values: []compare.Value{{Metric: compare.P95, Value: p95, Variance: 1e-4}, {Metric: compare.Errors, Count: 1000}}}
	if err := r.Values(&v); err != nil {
		t.Fatal(err)
	}
	rep := &report.Report{Schema: report.Schema, Run: meta, Start: r.Record().Start, End: time.Now(), Verdict: &verdict.Verdict{Outcome: verdict.Pass}}
	if err := r.Finish(rep, nil, ""); err != nil {
		t.Fatal(err)
	}
	return r.ID()
}

// What further runs say of a run is in the store as soon as it is known, under that run, and later than what was known before.
func TestConfirmingIsInTheStore(t *testing.T) {
	l := newLab(t)
	for i := range 8 {
		stored(t, l.History, 0.1+0.001*float64(i%3))
	}
	slow := stored(t, l.History, 0.13)
	before := time.Now()
	reruns := []string{stored(t, l.History, 0.131), stored(t, l.History, 0.129)}
	c, err := l.Confirm(t.Context(), slow, reruns)
	if err != nil || c.Verdict != stat.Regression || !c.Confirmed {
		t.Fatalf("%+v, %v", c, err)
	}
	one := func(expr string) float64 {
		t.Helper()
		samples, err := l.Store.Query(t.Context(), expr, time.Now().Add(time.Second))
		if err != nil || len(samples) != 1 {
			t.Fatalf("%s: %v, %v, want one value", expr, samples, err)
		}
		for name, want := range map[string]string{"run": slow, "plan": "shop", "test": "load", "env": "test"} {
			if got := samples[0].Labels[name]; got != want {
				t.Errorf("%s has %s=%q, want %q", expr, name, got, want)
			}
		}
		return samples[0].Value
	}
	for expr, want := range map[string]float64{
		`tidegauge_baseline_verdict`: 0, `tidegauge_baseline_confirmed`: 1, `tidegauge_baseline_judgement{subject="p95"}`: 0,
		`tidegauge_baseline_judgement{subject="errors"}`: 1, `tidegauge_baseline_runs`: 8,
	} {
		if got := one(expr); got != want {
			t.Errorf("%s = %v, want %v", expr, got, want)
		}
	}
	if v := one(`tidegauge_baseline_change_ratio{subject="p95"}`); v < 0.25 || v > 0.33 {
		t.Errorf("p95 changed by %v, want 0.29", v)
	}
	if v := one(`tidegauge_baseline_run_value{subject="p95"}`); v < 0.128 || v > 0.132 {
		t.Errorf("its value is %v, want 0.13", v)
	}
	if v := one(`tidegauge_baseline_time_seconds`); v < seconds(before) {
		t.Errorf("compared at %v, want after %v", v, seconds(before))
	}
}

func TestFiguresOfAHistory(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC) }
	change := func(metric string, d int, worse bool) compare.Change {
		return compare.Change{Metric: metric, Run: "r" + string(rune('0'+d)), Start: day(d), Version: "1.4", Worse: worse, Change: 0.2, Low: new(0.1), High: new(0.3)}
	}
	course := &history.Course{Recent: day(3), LastGood: day(6), Changes: []compare.Change{
		change("p95", 1, true), change("p95", 2, true), change("p50", 2, false), change("p99", 4, false), change("errors", 5, true),
	}}
	course.Changes[4].Accepted = true
	at := day(7)
	got := map[string]float64{}
	figures := func(c *compare.Comparison, outcome verdict.Outcome) {
		clear(got)
		for _, f := range compared(c, course, &verdict.Verdict{Outcome: outcome}, at) {
			name := f.Metric + " " + f.Subject
			for _, l := range f.Labels {
				name += " " + l
			}
			got[name] = f.Value
		}
	}
	const worse, better = "p95 trend worse since r2 target_version 1.4", "p99 trend better since r4 target_version 1.4"
	want := map[string]float64{
		"tidegauge.history.change " + worse: 0.2, "tidegauge.history.change_time " + worse: seconds(day(2)),
		"tidegauge.history.change " + better: 0.2, "tidegauge.history.change_time " + better: seconds(day(4)),
		"tidegauge.history.changes  trend worse": 2, "tidegauge.history.changes  trend better": 1, "tidegauge.last_good.time ": seconds(day(6)),
	}
	figures(&compare.Comparison{Verdict: stat.Invalid}, verdict.Inconclusive)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("of a run that says nothing: %s", diff)
	}
	want["tidegauge.last_good.time "], want["tidegauge.baseline.time "], want["tidegauge.baseline.runs "] = seconds(at), seconds(at), 0
	figures(nil, verdict.Pass)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("of the first good run: %s", diff)
	}
	if all := compared(nil, nil, &verdict.Verdict{}, at); len(all) != 0 {
		t.Errorf("without anything: %v", all)
	}
}
