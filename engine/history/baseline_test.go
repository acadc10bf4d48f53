package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/compare"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
)

// past makes up the folder of a finished run: the i-th, with a p95.
func past(t testing.TB, h *History, i int, p95 float64, change func(*Record)) string {
	t.Helper()
	at := time.Date(2026, 3, 1, 12, 0, i, 0, time.UTC)
	r := Record{Schema: recordSchema, ID: at.Format(timeForm) + "-load-aaaa", State: Finished, Plan: "payments", Test: "load", Start: at, Key: "k", Outcome: verdict.Pass}
	if change != nil {
		change(&r)
	}
	b, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	put(t, h, r.ID, string(b))
	v, err := json.Marshal(compare.Values{Values: []compare.Value{
		{Metric: compare.P95, Value: p95, Variance: 1e-4}, {Metric: compare.Errors, Count: 1000}, {Metric: compare.GoodRate, Value: 100, Variance: 1e-6},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.Dir(), r.ID, valuesFile), v, 0o644); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

func mark(t *testing.T, h *History, change func(*Marks)) {
	t.Helper()
	if err := h.ChangeMarks(t.Context(), func(m *Marks) error { change(m); return nil }); err != nil {
		t.Fatal(err)
	}
}

func rolling(t *testing.T, h *History, id string) []string {
	t.Helper()
	r, err := h.Find(id)
	if err != nil {
		t.Fatal(err)
	}
	runs, err := h.Rolling(r)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, run := range runs {
		ids = append(ids, run.ID)
	}
	return ids
}

func TestRollingBaseline(t *testing.T) {
	h := open(t)
	var ids []string
	add := func(change func(*Record)) string {
		id := past(t, h, len(ids), 0.1, change)
		ids = append(ids, id)
		return id
	}
	first := add(nil)
	second := add(nil)
	add(func(r *Record) { r.Outcome, r.Code = verdict.Inconclusive, verdict.CodeLateness })
	add(func(r *Record) { r.Key = "another" })
	add(func(r *Record) { r.State = Running })
	failed := add(func(r *Record) { r.Outcome, r.Code = verdict.Fail, verdict.CodeObjective })
	add(func(r *Record) { r.Comparison = stat.Regression })
	suspect := add(func(r *Record) { r.Comparison = stat.Suspect })
	excluded := add(nil)
	mark(t, h, func(m *Marks) { m.Runs[excluded] = Mark{Excluded: true} })
	confirms := add(func(r *Record) { r.RerunOf = suspect })
	last := add(func(r *Record) { r.RerunOf = suspect })

	if got, want := rolling(t, h, last), []string{first, second, failed}; !cmp.Equal(got, want) {
		t.Errorf("of a run made to confirm another: %s", cmp.Diff(want, got))
	}
	newest := add(nil)
	if got, want := rolling(t, h, newest), []string{first, second, failed, suspect, confirms, last}; !cmp.Equal(got, want) {
		t.Errorf("baseline: %s", cmp.Diff(want, got))
	}
	mark(t, h, func(m *Marks) { m.Runs[failed] = Mark{Accepted: true} })
	if got, want := rolling(t, h, newest), []string{failed, suspect, confirms, last}; !cmp.Equal(got, want) {
		t.Errorf("after a change was accepted: %s", cmp.Diff(want, got))
	}
	for range RollingRuns {
		newest = add(nil)
	}
	if got := rolling(t, h, newest); len(got) != RollingRuns || got[len(got)-1] != ids[len(ids)-2] {
		t.Errorf("of many: %q", got)
	}
}

func TestComparingStoredRuns(t *testing.T) {
	h := open(t)
	var ids []string
	for i := range 8 {
		ids = append(ids, past(t, h, i, 0.1+0.001*float64(i%3), nil))
	}
	mark(t, h, func(m *Marks) {
		if err := m.Pin("v1", ids[6], time.Now()); err != nil {
			t.Error(err)
		}
	})
	c, err := h.Recall(ids[7])
	if err != nil || c.Verdict != stat.Passed || len(c.Runs) != 7 {
		t.Errorf("with those before it: %+v, %v", c, err)
	}
	slow := past(t, h, 9, 0.2, nil)
	for with, want := range map[string]struct {
		verdict stat.Judgement
		runs    int
	}{"v1": {stat.Regression, 7}, ids[0]: {stat.Indicative, 1}} {
		c, err := h.CompareWith(slow, with)
		if err != nil || c.Verdict != want.verdict || len(c.Runs) != want.runs {
			t.Errorf("with %s: %+v, %v; want %s against %d runs", with, c, err, want.verdict, want.runs)
		}
	}
	for _, names := range [][2]string{{slow, slow}, {slow, "v2"}, {"nothing", "v1"}} {
		if _, err := h.CompareWith(names[0], names[1]); err == nil {
			t.Errorf("comparing %q: no error", names)
		}
	}
	if err := os.Remove(filepath.Join(h.Dir(), ids[0], valuesFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.CompareWith(slow, ids[0]); err == nil || !strings.Contains(err.Error(), "nothing to compare it by") {
		t.Errorf("with a run without values: %v", err)
	}
}

func TestComparisonIsKeptWithTheRun(t *testing.T) {
	h := open(t)
	r := begin(t, h, "load")
	c := &compare.Comparison{Schema: compare.Schema, Run: r.ID(), Verdict: stat.Regression, Summary: "worse", Rows: []compare.Row{}, Runs: []string{}, Reruns: []string{"x"}}
	if err := h.SetComparison(r.ID(), c); err == nil {
		t.Error("of a run that goes on: no error")
	}
	rep, totals := sample(t, 10, true)
	if err := r.Finish(rep, totals, ""); err != nil {
		t.Fatal(err)
	}
	if err := h.SetComparison(r.ID(), c); err != nil {
		t.Fatal(err)
	}
	s := load(t, h, r.ID())
	if diff := cmp.Diff(c, s.Report.Comparison); diff != "" || s.Record.Comparison != stat.Regression || s.Record.Compared != "worse" || s.Record.State != Finished {
		t.Errorf("%+v %s", s.Record, diff)
	}
	if got, err := h.Recall(r.ID()); err != nil || got.Verdict != stat.Regression {
		t.Errorf("a confirmed one is not judged again: %+v, %v", got, err)
	}
}

func TestMarks(t *testing.T) {
	h := open(t)
	var m Marks
	if err := m.Pin("v1", "a", time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"v1", "", "two words"} {
		if m.Pin(name, "b", time.Now()) == nil {
			t.Errorf("pinned as %q", name)
		}
	}
	if run, ok := m.Pinned("v1"); !ok || run != "a" {
		t.Errorf("v1 is %q", run)
	}
	if err := m.Unpin("v1"); err != nil || len(m.Pins) != 0 {
		t.Errorf("unpinned: %v, %v", m.Pins, err)
	}
	if m.Unpin("v1") == nil {
		t.Error("unpinned twice")
	}
	boom := errors.New("no")
	if err := h.ChangeMarks(t.Context(), func(m *Marks) error { m.Pins = append(m.Pins, Pin{}); return boom }); !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
	if m, err := h.Marks(); err != nil || len(m.Pins) != 0 {
		t.Errorf("a change that failed was kept: %+v, %v", m, err)
	}
	for _, text := range []string{"{", `{"schema":"tidegauge.baselines/v9"}`} {
		if err := os.WriteFile(h.marksPath(), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Marks(); err == nil {
			t.Errorf("read %q", text)
		}
	}
}

func TestDifferences(t *testing.T) {
	base := report.Meta{Plan: "payments", Test: "load", Type: plan.Load, Work: "w", Labels: map[string]string{"env": "staging"},
		Shape: report.Shape{Text: "10/s for 1m", Stages: []report.Stage{{From: 10, To: 10, Seconds: 60}}}, Machine: report.Machine{OS: "linux", Arch: "amd64", CPUs: 4}}
	for want, change := range map[string]func(*report.Meta){
		"": func(m *report.Meta) {
			m.Target, m.Seed, m.Commit, m.Machine.Host = "elsewhere", 7, "c", "h"
			m.Labels = map[string]string{"env": "staging", "version": "2"}
		},
		"other tests: load, soak":                                                        func(m *report.Meta) { m.Test = "soak" },
		"other loads: 10/s for 1m, 20/s":                                                 func(m *report.Meta) { m.Shape.Text, m.Shape.Stages = "20/s", nil },
		"other loads, in their stages or the most users at once":                         func(m *report.Meta) { m.Shape.MaxUsers = 3 },
		"label env: staging, none":                                                       func(m *report.Meta) { m.Labels = nil },
		"other machines make the load: linux/amd64 with 4 CPUs, linux/amd64 with 8 CPUs": func(m *report.Meta) { m.Machine.CPUs = 8 },
		"the classes, the data, the proxies or the faults of the plan have changed":      func(m *report.Meta) { m.Work = "v" },
	} {
		other := base
		change(&other)
		if got := strings.Join(Differences(&base, &other), "; "); got != want {
			t.Errorf("Differences = %q, want %q", got, want)
		}
		if same := KeyOf(&base) == KeyOf(&other); same != (want == "") {
			t.Errorf("%q: the keys are the same: %v", want, same)
		}
	}
}

func TestSound(t *testing.T) {
	if _, ok := Sound(nil); ok {
		t.Error("a run without a verdict")
	}
	if _, ok := Sound(&verdict.Verdict{Outcome: verdict.Pass}); !ok {
		t.Error("a run that passed")
	}
	late := verdict.Finding{Outcome: verdict.Inconclusive, Code: verdict.CodeLateness, Message: "late"}
	if why, ok := Sound(&verdict.Verdict{Outcome: verdict.Inconclusive, Findings: []verdict.Finding{late}}); ok || why != "late" {
		t.Errorf("a late generator: %q, %v", why, ok)
	}
}

// A list of the newest runs, a name and a baseline read what they need, however many runs there are.
func BenchmarkTenThousandRuns(b *testing.B) {
	h := open(b)
	const runs = 10_000
	var last string
	for i := range runs {
		last = past(b, h, i, 0.1, nil)
	}
	record, err := h.Find(last)
	if err != nil {
		b.Fatal(err)
	}
	for name, f := range map[string]func() error{
		"newest 20": func() error { _, _, err := h.Newest(20); return err },
		"all":       func() error { _, _, err := h.Newest(0); return err },
		"find":      func() error { _, err := h.Find(last); return err },
		"baseline":  func() error { _, err := h.Rolling(record); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func ExampleMarks_Pin() {
	m := Marks{}
	if err := m.Pin("v1.4", "20260301-120000-load-k3f9", time.Now()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(m.Pinned("v1.4"))
	// Output: 20260301-120000-load-k3f9 true
}
