package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tidegauge/engine/hist"
	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
	"tidegauge/engine/report"
	"tidegauge/engine/verdict"
)

// sample is a run of n requests of 100 ms.
func sample(t testing.TB, n int, final bool) (*report.Report, *measure.Totals) {
	t.Helper()
	rep, totals, err := makeSample(n, final)
	if err != nil {
		t.Fatal(err)
	}
	return rep, totals
}

func makeSample(n int, final bool) (*report.Report, *measure.Totals, error) {
	names := &measure.Names{Classes: []string{"User"}, Requests: []measure.Request{{Class: "User", Name: "pay", Method: "POST"}},
		Checks: []measure.Check{{Request: 0, Name: "status == 201"}}}
	total := &measure.Totals{Classes: make([]measure.ClassTotals, 1), Requests: make([]measure.RequestTotals, 1), Checks: make([]measure.CheckTotals, 1)}
	c, q := &total.Classes[0], &total.Requests[0]
	books := measure.Books{Intended: uint64(n), Started: uint64(n), Finished: uint64(n)}
	c.Iterations, q.Books = books, books
	for range n {
		c.Lateness.Record(0.0001)
		c.IterationDuration.Record(0.1)
		c.Phases[measure.Wait].Record(0.09)
		q.Outcomes[protocol.OK].ResponseTime.Record(0.1)
		q.Outcomes[protocol.OK].ServiceTime.Record(0.1)
	}
	q.BytesReceived = uint64(100 * n)
	total.Checks[0] = measure.CheckTotals{Passed: uint64(n)}
	collector := report.NewCollector(report.Meta{Plan: "payments", Test: "load"})
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	err := collector.Consume(context.Background(), &measure.Snapshot{Start: start, Since: start, Time: start.Add(time.Duration(n) * time.Second), Final: final,
		Names: names, Total: total, Delta: total, Users: []int{1}})
	if err != nil {
		return nil, nil, err
	}
	if !final {
		return collector.Report(nil), total, nil
	}
	return collector.Report(&verdict.Verdict{Outcome: verdict.Pass, Summary: "all is well",
		Findings: []verdict.Finding{{Outcome: verdict.Pass, Code: verdict.CodeNoObjectives, Message: "all is well"}}}), total, nil
}

func open(t testing.TB) *History {
	t.Helper()
	h, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func begin(t testing.TB, h *History, test string) *Run {
	t.Helper()
	r, err := h.Begin(report.Meta{Plan: "payments", Test: test, Target: "http://localhost:8000"}, []byte("name: payments\n"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func load(t testing.TB, h *History, name string) *Stored {
	t.Helper()
	s, err := h.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// allowHistograms lets cmp look into histograms, which are equal when what they count is.
var allowHistograms = cmp.Comparer(func(a, b hist.Histogram) bool {
	ab, bb := a.Buckets(hist.Scale), b.Buckets(hist.Scale)
	return a.Count() == b.Count() && a.Min() == b.Min() && a.Max() == b.Max() && a.Sum() == b.Sum() && cmp.Equal(ab, bb, cmpopts.EquateEmpty())
})

func TestLifeOfARun(t *testing.T) {
	h := open(t)
	r := begin(t, h, "load")
	s := load(t, h, r.ID())
	if s.Record.State != Running || s.Record.PID != os.Getpid() || s.Record.Plan != "payments" || s.Report != nil || string(s.PlanSource) != "name: payments\n" || len(s.Problems) > 0 {
		t.Errorf("after Begin: %+v", s)
	}

	rep, totals := sample(t, 10, false)
	if err := r.Checkpoint(rep, totals); err != nil {
		t.Fatal(err)
	}
	s = load(t, h, "latest")
	if s.Record.State != Running || s.Record.Requests != 10 || s.Record.Seconds != 10 || s.Report.Complete || s.Report.Total.Count != 10 || len(s.Problems) > 0 {
		t.Errorf("after Checkpoint: %+v", s.Record)
	}

	rep, totals = sample(t, 25, true)
	if err := r.Finish(rep, totals, "PASS all is well\n"); err != nil {
		t.Fatal(err)
	}
	s = load(t, h, r.ID()[:12])
	want := Record{Schema: recordSchema, ID: r.ID(), State: Finished, Plan: "payments", Test: "load", Target: "http://localhost:8000", PID: os.Getpid(),
		Start: rep.Start, AsOf: rep.End, Seconds: 25, Requests: 25, P95: 0.1, Outcome: verdict.Pass, Code: verdict.CodeNoObjectives, Summary: "all is well", Key: "dd55e9c363b4fe30"}
	if diff := cmp.Diff(want, s.Record); diff != "" {
		t.Errorf("after Finish: -want +got\n%s", diff)
	}
	if diff := cmp.Diff(rep, s.Report); diff != "" {
		t.Errorf("report: -want +got\n%s", diff)
	}
	if s.Summary != "PASS all is well\n" || len(s.Problems) > 0 {
		t.Errorf("summary %q, problems %q", s.Summary, s.Problems)
	}
	got, err := s.Totals()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(totals, got, allowHistograms); diff != "" {
		t.Errorf("totals: -want +got\n%s", diff)
	}
	var files []string
	entries, err := os.ReadDir(r.Dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		files = append(files, e.Name())
	}
	if want := []string{histogramsFile, planFile, recordFile, reportFile, summaryFile}; !slices.Equal(files, want) {
		t.Errorf("the folder has %q, want %q", files, want)
	}

	for name, err := range map[string]error{"Checkpoint": r.Checkpoint(rep, totals), "Finish": r.Finish(rep, totals, "")} {
		if err == nil || !strings.HasSuffix(err.Error(), "run "+r.ID()+": it is over") {
			t.Errorf("%s after Finish: %v", name, err)
		}
	}
}

func TestListIsNewestFirst(t *testing.T) {
	h := open(t)
	if records, err := h.List(); err != nil || len(records) != 0 {
		t.Errorf("at first: %v, %v", records, err)
	}
	var want []string
	for _, id := range []string{"20260301-120000-load-aaaa", "20260301-120001-load-zzzz", "20260301-120002-soak-bbbb", "20270101-000000-load-cccc"} {
		put(t, h, id, fmt.Sprintf(`{"schema":%q,"id":%q,"state":"finished"}`, recordSchema, id))
		want = append([]string{id}, want...)
	}
	for _, other := range []string{"lost+found", "20260301-120000", "20261301-120000-load-aaaa"} {
		if err := os.Mkdir(filepath.Join(h.Dir(), other), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(h.Dir(), "20260301-120000-load-file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	records, err := h.List()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range records {
		got = append(got, r.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}

	for _, c := range []struct{ name, id, err string }{
		{"latest", want[0], ""},
		{"20260301-120002", want[1], ""},
		{"zzzz", "20260301-120001-load-zzzz", ""},
		{"load-aaaa", "20260301-120000-load-aaaa", ""},
		{want[3], want[3], ""},
		{"20260301-12", "", `find run "20260301-12": 3 runs have that name: 20260301-120002-soak-bbbb, 20260301-120001-load-zzzz, 20260301-120000-load-aaaa`},
		{"nothing", "", `find run "nothing": there is none in ` + h.Dir() + "; the newest is 20270101-000000-load-cccc"},
		{"", "", `find run "": there is none in ` + h.Dir() + "; the newest is 20270101-000000-load-cccc"},
		{"../..", "", `find run "../..": there is none in ` + h.Dir() + "; the newest is 20270101-000000-load-cccc"},
	} {
		r, err := h.Find(c.name)
		if r.ID != c.id || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("Find(%q) = %q, %v; want %q, %s", c.name, r.ID, err, c.id, c.err)
		}
	}
}

func put(t testing.TB, h *History, id, record string) {
	t.Helper()
	dir := filepath.Join(h.Dir(), id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, recordFile), []byte(record), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDamage(t *testing.T) {
	h := open(t)
	good := begin(t, h, "load")
	rep, totals := sample(t, 3, true)
	if err := good.Finish(rep, totals, "summary"); err != nil {
		t.Fatal(err)
	}
	for id, c := range map[string]struct{ record, problem string }{
		"20260101-000001-load-half": {`{"schema":"tidegauge.run/v1","id":"20260101-0`, "unexpected end of JSON input"},
		"20260101-000002-load-none": {"", "unexpected end of JSON input"},
		"20260101-000003-load-next": {`{"schema":"tidegauge.run/v9"}`, `its schema is "tidegauge.run/v9", this version reads "tidegauge.run/v1"`},
		"20260101-000004-load-what": {`{"schema":"tidegauge.run/v1","id":"20260101-000004-load-what","state":"asleep"}`, `its state is "asleep"`},
		"20260101-000005-load-copy": {`{"schema":"tidegauge.run/v1","id":"20260101-000006-load-orig","state":"finished"}`, `is that of run "20260101-000006-load-orig"`},
		"20260101-000007-load-anon": {`{"schema":"tidegauge.run/v1","state":"finished"}`, "it has no valid id"},
	} {
		put(t, h, id, c.record)
		s := load(t, h, id)
		if s.Record.State != Damaged || len(s.Problems) != 1 || !strings.Contains(s.Problems[0], c.problem) {
			t.Errorf("%s: %s %q, want damaged, %q", id, s.Record.State, s.Problems, c.problem)
		}
	}
	// A record that is gone while the report is there, and a folder in which nothing ever began.
	gone := filepath.Join(h.Dir(), "20260101-000008-load-gone")
	if err := os.MkdirAll(gone, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(gone, reportFile), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(h.Dir(), "20260101-000009-load-void"), 0o755); err != nil {
		t.Fatal(err)
	}
	if s := load(t, h, "gone"); s.Record.State != Damaged || len(s.Problems) != 2 || s.Report != nil {
		t.Errorf("record gone, report damaged: %+v", s)
	}
	records, err := h.List()
	if err != nil || len(records) != 8 || records[0].ID != good.ID() || records[0].State != Finished {
		t.Errorf("%d records, %v: %+v", len(records), err, records)
	}
	// Damaged histograms.
	if err := os.WriteFile(filepath.Join(good.Dir(), histogramsFile), []byte("?"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := load(t, h, good.ID()).Totals(); err == nil || !strings.HasPrefix(err.Error(), "read histograms of run "+good.ID()+": ") {
		t.Errorf("Totals: %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	h := open(t)
	r := begin(t, h, "soak")
	rep, totals := sample(t, 10, false)
	if err := r.Checkpoint(rep, totals); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	s := load(t, h, "latest")
	if s.Record.State != Interrupted || s.Report.Total.Count != 10 || s.Record.Requests != 10 {
		t.Errorf("%+v", s.Record)
	}
	if err := r.Close(); err != nil {
		t.Errorf("Close twice: %v", err)
	}
}

func TestFullDisk(t *testing.T) {
	for _, c := range []struct {
		full  []string // files that cannot be written when the run finishes
		state State
		lost  []string
		want  []string // in the error
	}{
		{[]string{reportFile}, Finished, []string{reportFile}, []string{"report.json is lost but for its checkpoint of "}},
		{[]string{summaryFile}, Finished, []string{summaryFile}, []string{"summary.txt is lost: no space left on device"}},
		{[]string{recordFile}, Interrupted, nil, []string{"record.json is lost, so that the run will be listed as interrupted: no space left on device"}},
		{[]string{histogramsFile, reportFile, summaryFile, recordFile}, Interrupted, nil, []string{"histograms.bin is lost", "report.json is lost", "summary.txt is lost", "record.json is lost"}},
	} {
		h := open(t)
		r := begin(t, h, "load")
		rep, totals := sample(t, 10, false)
		if err := r.Checkpoint(rep, totals); err != nil {
			t.Fatal(err)
		}
		r.write = func(path string, content []byte) error {
			if slices.Contains(c.full, filepath.Base(path)) {
				return syscall.ENOSPC
			}
			return writeFile(path, content)
		}
		rep, totals = sample(t, 20, true)
		err := r.Finish(rep, totals, "summary")
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("%v: %v", c.full, err)
		}
		for _, want := range append(c.want, "finish run "+r.ID()+" in "+r.Dir()) {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: no %q in %v", c.full, want, err)
			}
		}
		s := load(t, h, "latest")
		if s.Record.State != c.state || !slices.Equal(s.Record.Lost, c.lost) || len(s.Problems) > 0 {
			t.Errorf("%v: %+v, problems %q", c.full, s.Record, s.Problems)
		}
		count := uint64(20)
		if slices.Contains(c.full, reportFile) {
			count = 10
		}
		if s.Report.Total.Count != count {
			t.Errorf("%v: %d requests in the report, want %d", c.full, s.Report.Total.Count, count)
		}
	}
}

func TestCheckpointErrorsLeaveTheLastOne(t *testing.T) {
	for _, file := range []string{reportFile, histogramsFile, recordFile} {
		h := open(t)
		r := begin(t, h, "load")
		rep, totals := sample(t, 10, false)
		if err := r.Checkpoint(rep, totals); err != nil {
			t.Fatal(err)
		}
		r.write = func(path string, content []byte) error {
			if filepath.Base(path) == file {
				return syscall.ENOSPC
			}
			return writeFile(path, content)
		}
		rep, totals = sample(t, 20, false)
		if err := r.Checkpoint(rep, totals); !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "checkpoint run "+r.ID()) {
			t.Errorf("%s: %v", file, err)
		}
		r.write = writeFile
		if err := r.Finish(rep, totals, "summary"); err != nil {
			t.Errorf("%s: Finish after a failed checkpoint: %v", file, err)
		}
	}
}

func TestUnwritableDirectory(t *testing.T) {
	// A file where a folder should be cannot be written to by anybody, not even by root.
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil || !strings.HasPrefix(err.Error(), "open history in "+file) || !strings.Contains(err.Error(), "name a data directory that can be written") {
		t.Errorf("Open: %v", err)
	}
	h, err := Open(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(h.Dir()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Begin(report.Meta{}, nil); err == nil || !strings.HasPrefix(err.Error(), "begin run in "+h.Dir()) {
		t.Errorf("Begin: %v", err)
	}
	if _, err := h.List(); err == nil || !strings.HasPrefix(err.Error(), "list runs: ") {
		t.Errorf("List: %v", err)
	}
}

func TestIDs(t *testing.T) {
	at := time.Date(2026, 11, 23, 20, 31, 42, 0, time.FixedZone("", 2*3600))
	for test, want := range map[string]string{
		"load": "load", "": "run", "Größe 2!": "gr-e-2", "../../etc": "etc", "--": "run", strings.Repeat("x", 50): strings.Repeat("x", 24),
	} {
		id := newID(at, test)
		if !strings.HasPrefix(id, "20261123-183142-"+want+"-") || len(id) != len("20261123-183142-")+len(want)+5 || !isID(id) {
			t.Errorf("test %q: id %q", test, id)
		}
	}
	h := open(t)
	seen := map[string]bool{}
	for range 20 {
		r := begin(t, h, "load")
		if seen[r.ID()] {
			t.Errorf("%s twice", r.ID())
		}
		seen[r.ID()] = true
	}
}
