package report

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/compare"
	"tidegauge/engine/stat"
)

func comparison() *compare.Comparison {
	return &compare.Comparison{
		Schema: compare.Schema, Run: "20260301-120000-load-k3f9", Baseline: "the 10 good runs before it, from 20260220-120000-load-m2x7 on",
		Verdict: stat.Regression, Confirmed: true, Summary: "worse than 10 runs before: p95 of User / GET /pay|ments +31%, p95 +20%",
		Warnings: []string{"the runs are not really comparable: label env: <staging>, none"},
		Rows: []compare.Row{
			{Metric: "p95", Unit: "s", Verdict: stat.Regression, Worse: true, Before: new(0.1), After: new(0.12), Change: new(0.2), Low: new(0.14), High: new(0.26),
				Detectable: new(0.08), History: []float64{0.1, 0.099, 0.101, 0.12, 0.121}, Warnings: []string{"1 of 10 runs of the baseline stand alone and were left out"}},
			{Metric: "errors", Unit: "ratio", Verdict: stat.Passed, Before: new(0.0), After: new(0.0), History: []float64{0, 0, 0, 0, 0}},
			{Metric: "good requests", Unit: "1/s", Verdict: stat.Inconclusive, Before: new(100.0), After: new(99.0), Change: new(-0.01), Low: new(-0.04), High: new(0.02), Detectable: new(-0.05), History: []float64{100, 101, 99}},
			{Request: "User / GET /pay|ments", Metric: "p95", Unit: "s", Verdict: stat.Regression, Worse: true, Before: new(0.1), After: new(0.131), Change: new(0.31), Low: new(0.2), High: new(0.4), Detectable: new(0.1), History: []float64{0.1, 0.131}},
			{Request: "User / GET /", Metric: "p95", Unit: "s", Verdict: stat.Invalid, Warnings: []string{"the run has no value"}},
		},
	}
}

func changes() []compare.Change {
	return []compare.Change{
		{Metric: "p95", Unit: "s", Run: "20260301-120000-load-k3f9", Version: "1.4.2", Worse: true, Before: 0.1, After: 0.121, Change: 0.21, Low: new(0.17), High: new(0.25)},
		{Request: "User / GET /pay|ments", Metric: "p50", Unit: "s", Run: "20260301-120000-load-k3f9", Commit: "0123456789abcdef", Before: 0.1, After: 0.08, Change: -0.2},
		{Metric: "errors", Unit: "ratio", Run: "20260301-120000-load-k3f9", Worse: true, Before: 0.001, After: 0.02, Change: 19, Back: "20260302-120000-load-m2x7"},
		{Metric: "good requests", Unit: "1/s", Run: "20260301-120000-load-k3f9", Worse: true, Before: 100, After: 90, Change: -0.1, Accepted: true},
	}
}

func TestComparisonText(t *testing.T) {
	for name, write := range map[string]func(*bytes.Buffer, *compare.Comparison) error{
		"comparison-100.txt": func(b *bytes.Buffer, c *compare.Comparison) error { return WriteComparison(b, c, 100, false) },
		"comparison-60.txt":  func(b *bytes.Buffer, c *compare.Comparison) error { return WriteComparison(b, c, 60, false) },
		"comparison-section.txt": func(b *bytes.Buffer, c *compare.Comparison) error {
			x := &text{w: b, width: 100}
			(&Report{Comparison: c}).comparison(x)
			return x.err
		},
		"changes.txt": func(b *bytes.Buffer, _ *compare.Comparison) error { return WriteChanges(b, changes(), 100, false) },
		"changes-section.txt": func(b *bytes.Buffer, _ *compare.Comparison) error {
			x := &text{w: b, width: 72}
			(&Report{Changes: changes()[:1]}).changes(x)
			return x.err
		},
	} {
		var b bytes.Buffer
		if err := write(&b, comparison()); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s (run with -update if this is meant): -want +got\n%s", name, diff)
		}
	}
}
