package history

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/compare"
	"tidegauge/engine/report"
)

func left(t *testing.T, h *History) []string {
	t.Helper()
	records, err := h.List()
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for i := range slices.Backward(records) {
		ids = append(ids, records[i].ID)
	}
	return ids
}

func prune(t *testing.T, h *History, keep Retention, try bool) *Pruned {
	t.Helper()
	p, err := h.Prune(t.Context(), keep, try)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPruneKeepsWhatIsNeeded(t *testing.T) {
	h := open(t)
	var ids []string
	for i := range 40 {
		ids = append(ids, past(t, h, i, 0.1, nil))
	}
	other := past(t, h, 41, 0.1, func(r *Record) { // the only one of its test
		r.ID, r.Test, r.Key = r.ID[:timeLength]+"-soak-bbbb", "soak", "s"
	})
	mark(t, h, func(m *Marks) {
		if err := m.Pin("v1", ids[12], time.Now()); err != nil {
			t.Fatal(err)
		}
		m.Runs[ids[1]] = Mark{Note: "a slow disk"}
		m.Runs[ids[0]] = Mark{Excluded: true}
	})
	if err := h.keep(&Course{Schema: changesSchema, Key: "k", Changes: []compare.Change{{Metric: compare.P95, Run: ids[20], Start: time.Now()}}}); err != nil {
		t.Fatal(err)
	}
	if p := prune(t, h, Retention{Count: 100}, false); len(p.Runs) != 0 {
		t.Errorf("within the bound: %v", p)
	}
	tried := prune(t, h, Retention{Count: 12}, true)
	if n := len(left(t, h)); n != 41 {
		t.Fatalf("a try leaves %d of 41", n)
	}
	p := prune(t, h, Retention{Count: 12}, false)
	if !slices.Equal(p.Runs, tried.Runs) || p.Spare == 0 || !strings.Contains(p.String(), "more than 12 runs") {
		t.Errorf("%v, tried %v", p, tried)
	}
	// The pinned run, those before it that it is a baseline with, the change, the note, and what the next run is compared with.
	want := append([]string{ids[1]}, ids[2:13]...)
	want = append(append(want, ids[20]), append(slices.Clone(ids[30:]), other)...)
	if got := left(t, h); !slices.Equal(got, want) {
		t.Errorf("left\n%v, want\n%v", got, want)
	}
	if m, err := h.Marks(); err != nil || len(m.Runs) != 1 {
		t.Errorf("marks of what is gone: %v, %v", m.Runs, err)
	}
}

func TestPruneByAgeAndSize(t *testing.T) {
	h := open(t)
	for i := range 30 {
		past(t, h, i, 0.1, nil)
	}
	at, _ := StartOf(left(t, h)[14])
	if p := prune(t, h, Retention{Age: time.Since(at)}, false); len(p.Runs) < 14 || len(p.Runs) > 20 || !strings.Contains(p.String(), "older than") {
		t.Errorf("by age: %v", p)
	}
	h = open(t)
	var last string
	for i := range 30 {
		last = past(t, h, i, 0.1, nil)
		if err := os.WriteFile(filepath.Join(h.Dir(), last, histogramsFile), make([]byte, 1e6), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := prune(t, h, Retention{Size: 20_100_000}, false)
	if len(p.Runs) != 10 || p.Bytes < 10e6 || p.Bytes > 11e6 {
		t.Errorf("by size: %v", p)
	}
}

// Who has begun to read a run that is removed reads it to its end; a minute later its files are gone.
func TestPruneLeavesReadersAndWritersAlone(t *testing.T) {
	h := open(t)
	for i := range 20 {
		past(t, h, i, 0.1, nil)
	}
	first := left(t, h)[0]
	s, err := h.Load(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, histogramsFile), []byte("no histograms"), 0o644); err != nil {
		t.Fatal(err)
	}
	going, err := h.Begin(report.Meta{Plan: "payments", Test: "load"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := going.Close(); err != nil {
			t.Error(err)
		}
	}()
	if p := prune(t, h, Retention{Age: time.Nanosecond}, false); len(p.Runs) != 10 || p.Bytes == 0 {
		t.Errorf("removed %v", p)
	}
	if got := left(t, h); !slices.Contains(got, going.ID()) || slices.Contains(got, first) {
		t.Errorf("left %v", got)
	}
	if _, err := s.Totals(); err == nil || strings.Contains(err.Error(), "no such file") {
		t.Errorf("reading on: %v, want that the file is wrong", err)
	}
	removed := filepath.Join(h.root(), removedFolder, first)
	old := time.Now().Add(-2 * readWithin)
	if err := os.Chtimes(removed, old, old); err != nil {
		t.Fatal(err)
	}
	prune(t, h, Retention{}, false)
	if _, err := os.Stat(removed); !os.IsNotExist(err) {
		t.Errorf("two minutes later: %v", err)
	}
}

func TestRemove(t *testing.T) {
	h := open(t)
	a, b := past(t, h, 0, 0.1, nil), past(t, h, 1, 0.1, nil)
	mark(t, h, func(m *Marks) {
		if err := m.Pin("v1", a, time.Now()); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := h.Remove(t.Context(), []string{b, a}); err == nil || !strings.Contains(err.Error(), "pinned as v1") || len(left(t, h)) != 2 {
		t.Errorf("a pinned run: %v, left %v", err, left(t, h))
	}
	p, err := h.Remove(t.Context(), []string{b, b})
	if err != nil || len(p.Runs) != 1 || !slices.Equal(left(t, h), []string{a}) {
		t.Errorf("%v, %v, left %v", p, err, left(t, h))
	}
	if entries, err := os.ReadDir(filepath.Join(h.root(), removedFolder)); err != nil || len(entries) != 0 {
		t.Errorf("its files: %v, %v", entries, err)
	}
}

// What is known of a history goes with its last run.
func TestPruneForgetsHistories(t *testing.T) {
	h := open(t)
	for i, key := range []string{"old", "k", "l", "m"} {
		for j := range 12 {
			past(t, h, 20*i+j, 0.1, func(r *Record) { r.Key = key })
		}
		if err := h.keep(&Course{Schema: changesSchema, Key: key, Run: key}); err != nil {
			t.Fatal(err)
		}
	}
	prune(t, h, Retention{Count: 10}, false)
	var keys []string
	courses, err := h.Courses()
	for _, c := range courses {
		keys = append(keys, c.Key)
	}
	if err != nil || !slices.Equal(keys, []string{"m", "l", "k"}) {
		t.Errorf("left %v, %v", keys, err)
	}
}
