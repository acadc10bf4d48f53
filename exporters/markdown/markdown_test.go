package markdown

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/compare"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/stat"
	"tidegauge/exporters/internal/sample"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
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
		t.Errorf("%s: run with -update if this is meant; -want +got\n%s", name, diff)
	}
}

func written(t testing.TB, r *report.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	for _, kind := range []plan.Type{plan.Stress, plan.Recovery} {
		golden(t, string(kind)+".md", []byte(written(t, sample.Run(kind, ""))))
	}
}

func TestComparison(t *testing.T) {
	var b bytes.Buffer
	err := WriteComparison(&b, &compare.Comparison{
		Schema: compare.Schema, Run: "20260301-120000-load-k3f9", Baseline: "the 10 good runs before it, from 20260220-120000-load-m2x7 on",
		Verdict: stat.Regression, Confirmed: true, Summary: "worse than 10 runs before: p95 of User / GET /pay|ments +31%, p95 +20%",
		Warnings: []string{"the runs are not really comparable: label env: <staging>, none"},
		Rows: []compare.Row{
			{Metric: "p95", Unit: "s", Verdict: stat.Regression, Worse: true, Before: new(0.1), After: new(0.12), Change: new(0.2), Low: new(0.14), High: new(0.26), Detectable: new(0.08)},
			{Metric: "errors", Unit: "ratio", Verdict: stat.Passed, Before: new(0.0), After: new(0.0)},
			{Metric: "good requests", Unit: "1/s", Verdict: stat.Inconclusive, Before: new(100.0), After: new(99.0), Change: new(-0.01), Low: new(-0.04), High: new(0.02), Detectable: new(-0.05)},
			{Request: "User / GET /pay|ments", Metric: "p95", Unit: "s", Verdict: stat.Regression, Worse: true, Before: new(0.1), After: new(0.131), Change: new(0.31), Low: new(0.2), High: new(0.4), Detectable: new(0.1)},
			{Request: "User / GET /", Metric: "p95", Unit: "s", Verdict: stat.Invalid, Warnings: []string{"the run has no value"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "comparison.md", b.Bytes())
}

// ours are the pieces of HTML that there may be.
var ours = regexp.MustCompile(`</?(details|summary)>`)

// harmless fails where text of a plan or a target would mean something: outside of code every character that does is escaped.
func harmless(t testing.TB, text string) {
	t.Helper()
	if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\x07\x1b\r\u202e") {
		t.Error("it is not UTF-8, or has control characters")
	}
	rest := regexp.MustCompile("`[^`\n]*`").ReplaceAllString(text, "")
	rest = ours.ReplaceAllString(rest, "")
	rest = regexp.MustCompile(`\\[^\sA-Za-z0-9]`).ReplaceAllString(rest, "")
	for _, what := range []string{"<", "`", "[l]", "![", "@user", "*b*", " _i_"} {
		if i := strings.Index(rest, what); i >= 0 {
			t.Errorf("%q means something in %q", what, rest[max(0, i-30):min(len(rest), i+30)])
		}
	}
	if a, b := strings.Count(text, "<details>"), strings.Count(text, "</details>"); a != b {
		t.Errorf("%d times something is folded up, %d times that ends", a, b)
	}
	// Every row of a table has as many cells as its head.
	cells := func(l string) int {
		return strings.Count(strings.ReplaceAll(l, `\|`, ""), "|")
	}
	want := 0
	for l := range strings.SplitSeq(text, "\n") {
		switch {
		case !strings.HasPrefix(l, "|"):
			want = 0
		case want == 0:
			want = cells(l)
		case cells(l) != want:
			t.Errorf("a row of %d cells, want %d: %s", cells(l), want, l)
		}
	}
}

func TestWhatOthersWroteMeansNothing(t *testing.T) {
	for _, kind := range []plan.Type{plan.Load, plan.Stress, plan.Soak, plan.Recovery} {
		harmless(t, written(t, sample.Run(kind, sample.Hostile)))
	}
	harmless(t, written(t, &report.Report{}))
}

func TestItFitsIntoAComment(t *testing.T) {
	r := sample.Run(plan.Stress, strings.Repeat("<*>", 300))
	for len(r.Requests) < 300 {
		r.Requests = append(r.Requests, r.Requests[0])
		r.Failures = append(r.Failures, r.Failures[0])
		r.Warnings = append(r.Warnings, r.Warnings[0])
	}
	if n := utf8.RuneCountInString(written(t, r)); n > 65536 {
		t.Errorf("it has %d characters, GitHub takes 65,536", n)
	}
}

func FuzzWrite(f *testing.F) {
	f.Add(sample.Hostile)
	f.Add("a\\")
	f.Add("`\\`|\\|")
	f.Fuzz(func(t *testing.T, name string) {
		for _, what := range []string{"@user", "[l]", "*b*", "_i_", "![", "@"} {
			name = strings.ReplaceAll(name, what, "")
		}
		harmless(t, written(t, sample.Run(plan.Stress, name)))
	})
}
