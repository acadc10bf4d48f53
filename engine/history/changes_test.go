package history

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/compare"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
)

// gone adds runs to a history and follows it after each, as experiments do; it returns their ids and what the last one showed.
// Levels are what the p95 of each run lies around; runs at more than 0.11 s are regressions.
func gone(t *testing.T, h *History, from int, levels ...float64) (ids []string, c *Course) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(from), 7))
	for i, level := range levels {
		id := past(t, h, from+i, level*(1+0.01*r.NormFloat64()), func(r *Record) {
			r.TargetVersion = "v1"
			if level > 0.11 {
				r.Comparison, r.TargetVersion = stat.Regression, "v2"
			}
			r.AsOf = r.Start.Add(time.Second)
		})
		ids = append(ids, id)
		record, err := h.Find(id)
		if err != nil {
			t.Fatal(err)
		}
		values, err := h.Values(id)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = h.Follow(record, &values); err != nil {
			t.Fatal(err)
		}
	}
	return ids, c
}

func times(n int, level float64) (levels []float64) {
	for range n {
		levels = append(levels, level)
	}
	return levels
}

func TestChangesAreKept(t *testing.T) {
	h := open(t)
	ids, c := gone(t, h, 0, append(times(10, 0.1), times(6, 0.13)...)...)
	if len(c.Changes) != 1 || c.Changes[0].Metric != compare.P95 || c.Changes[0].Run != ids[10] || c.Changes[0].Version != "v2" || !c.Changes[0].Worse {
		t.Fatalf("changes: %+v, want one that began with %s", c.Changes, ids[10])
	}
	if good, _ := h.Find(ids[9]); !c.LastGood.Equal(good.AsOf) {
		t.Errorf("the last good run ended %v, want %v", c.LastGood, good.AsOf)
	}
	found := c.Changes[0].Found
	again, err := Open(h.root())
	if err != nil {
		t.Fatal(err)
	}
	more, c := gone(t, again, 16, times(5, 0.13)...)
	if len(c.Changes) != 1 || c.Changes[0].Run != ids[10] || c.Changes[0].Found != found {
		t.Errorf("after a restart: %+v", c.Changes)
	}
	all, err := again.Courses()
	if err != nil || len(all) != 1 || all[0].Run != more[4] || !cmp.Equal(all[0].Changes, c.Changes) {
		t.Errorf("stored: %+v, %v", all, err)
	}
	// Excluded runs are none of the history.
	mark(t, again, func(m *Marks) {
		for _, id := range append(ids[10:], more...) {
			m.Runs[id] = Mark{Excluded: true}
		}
	})
	if _, c = gone(t, again, 21, times(2, 0.1)...); len(c.Open()) != 0 {
		t.Errorf("without the runs that were slower: %+v", c.Changes)
	}
	if err := os.WriteFile(again.coursePath("k"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	record, _ := again.Find(more[4])
	if _, err := again.Follow(record, nil); err == nil {
		t.Error("a broken file: no error")
	}
	if all, err := again.Courses(); err == nil || len(all) != 0 {
		t.Errorf("a broken file in the list: %v, %v", all, err)
	}
}

// What was accepted is not told any more, and what came after it is the baseline: also what had been worse than the one before.
func TestAcceptingAChange(t *testing.T) {
	h := open(t)
	ids, c := gone(t, h, 0, append(times(10, 0.1), times(6, 0.13)...)...)
	if len(c.Open()) != 1 {
		t.Fatalf("open: %+v", c.Open())
	}
	next := past(t, h, 30, 0.13, nil)
	if got, want := rolling(t, h, next), ids[:10]; !cmp.Equal(got, want) {
		t.Errorf("before: %s", cmp.Diff(want, got))
	}
	// The run that the alert named, or one right before it: what was seen is what is accepted.
	for i, accepted := range []string{ids[10], ids[9]} {
		mark(t, h, func(m *Marks) {
			m.Runs = map[string]Mark{accepted: {Accepted: true, At: time.Date(2026, 3, 1, 12, 0, 20, 0, time.UTC)}}
		})
		if _, c = gone(t, h, 31+i, 0.13); len(c.Open()) != 0 || len(c.Changes) != 1 || !c.Changes[0].Accepted {
			t.Errorf("after %s was accepted: %+v", accepted, c.Changes)
		}
	}
	mark(t, h, func(m *Marks) {
		m.Runs = map[string]Mark{ids[10]: {Accepted: true, At: time.Date(2026, 3, 1, 12, 0, 20, 0, time.UTC)}}
	})
	if got, want := rolling(t, h, next), ids[10:]; !cmp.Equal(got, want) {
		t.Errorf("after: %s", cmp.Diff(want, got))
	}
	// A regression after that is none of it.
	worse := past(t, h, 40, 0.2, func(r *Record) { r.Comparison = stat.Regression })
	last := past(t, h, 41, 0.13, nil)
	for _, id := range rolling(t, h, last) {
		if id == worse {
			t.Error("what got worse after somebody accepted a change is part of the baseline")
		}
	}
}

// What was rejected is no baseline, even where it was no regression by itself, until the level is back.
func TestRejectingAChange(t *testing.T) {
	h := open(t)
	levels := append(times(10, 0.1), times(8, 0.108)...) // little by little: no run is a regression
	ids, c := gone(t, h, 0, levels...)
	if len(c.Open()) != 1 || c.Open()[0].Run != ids[10] {
		t.Fatalf("open: %+v", c.Open())
	}
	mark(t, h, func(m *Marks) { m.Runs[ids[10]] = Mark{Rejected: true} })
	next := past(t, h, 20, 0.108, nil)
	if got, want := rolling(t, h, next), ids[:10]; !cmp.Equal(got, want) {
		t.Errorf("while it lasts: %s", cmp.Diff(want, got))
	}
	back, c := gone(t, h, 30, times(6, 0.1)...)
	if len(c.Changes) == 0 || !c.Changes[0].Rejected || c.Changes[0].Back == "" {
		t.Fatalf("after it was mended: %+v", c.Changes)
	}
	last := past(t, h, 40, 0.1, nil)
	got := rolling(t, h, last)
	if len(got) != RollingRuns || got[len(got)-1] != back[5] || got[0] > ids[9] {
		t.Errorf("after it was mended: %q, want the runs since then and those before %s", got, ids[10])
	}
	for _, id := range got {
		if id >= ids[10] && id < back[0] {
			t.Errorf("%s is part of the baseline", id)
		}
	}
}

func TestRunsWithoutValuesFollowNothing(t *testing.T) {
	h := open(t)
	id := past(t, h, 0, 0.1, func(r *Record) { r.Outcome = verdict.Inconclusive })
	record, err := h.Find(id)
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.Follow(record, nil)
	if err != nil || c.Runs != 0 || len(c.Changes) != 0 || !c.LastGood.IsZero() {
		t.Errorf("%+v, %v", c, err)
	}
}
