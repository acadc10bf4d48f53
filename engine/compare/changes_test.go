package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// made makes up the i-th run of a history: p95 and errors of a thousand requests.
func made(i int, p95, errors float64) Run {
	return Run{
		ID: fmt.Sprintf("run%03d", i), Start: time.Date(2026, 3, 1, 12, i, 0, 0, time.UTC), Version: fmt.Sprintf("1.%d", i/10),
		Values: Values{Values: []Value{{Metric: P95, Value: p95}, {Request: "User / a", Metric: P95, Value: p95 / 2}, {Metric: Errors, Value: errors, Count: 1000}}},
	}
}

// followed analyses a history after each run, as it grows, and returns what was known each time.
func followed(runs []Run) (each [][]Change) {
	var known []Change
	for n := 1; n <= len(runs); n++ {
		known = Changes(runs[:n], known)
		each = append(each, slices.Clone(known))
	}
	return each
}

func find(changes []Change, name string, worse bool) *Change {
	i := slices.IndexFunc(changes, func(c Change) bool { return c.Name() == name && c.Worse == worse })
	if i < 0 {
		return nil
	}
	return &changes[i]
}

// A service gets slower by a fifth with run 20 and is mended with run 40.
func TestAChangeFromItsBeginToItsEnd(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var runs []Run
	for i := range 60 {
		level := 0.1
		if i >= 20 && i < 40 {
			level = 0.12
		}
		runs = append(runs, made(i, level*math.Exp(0.02*r.NormFloat64()), 0))
	}
	each := followed(runs)
	for i, known := range each[:20] {
		if len(known) > 0 {
			t.Errorf("after run %d of an unchanged service: %s", i, known[0].Text())
		}
	}
	found := slices.IndexFunc(each, func(c []Change) bool { return len(c) > 0 })
	if found < 22 || found > 27 {
		t.Fatalf("found after run %d, want two to seven after 20", found)
	}
	first := find(each[found], "p95", true)
	if first == nil || first.Run != runs[20].ID || first.Found != runs[found].ID || first.Version != "1.2" {
		t.Fatalf("found: %+v", each[found])
	}
	for i := found; i < 40; i++ {
		c := find(each[i], "p95", true)
		if c == nil || c.Run != first.Run || c.Found != first.Found || !c.Lasts() {
			t.Fatalf("after run %d: %+v, want it to go on as it was found", i, each[i])
		}
	}
	c := find(each[39], "p95", true)
	if math.Abs(c.Change-0.2) > 0.03 || *c.Low > 0.2 || *c.High < 0.2 || math.Abs(c.Before-0.1) > 0.003 || math.Abs(c.After-0.12) > 0.003 {
		t.Errorf("its size: %+v", c)
	}
	if text := c.Text(); !strings.HasPrefix(text, "p95 +") || !strings.HasSuffix(text, " since run "+c.Run+" (version "+c.Version+")") {
		t.Errorf("in words: %s", text)
	}
	if find(each[39], "p95 of User / a", true) == nil {
		t.Errorf("of a single request: %+v", each[39])
	}
	// Two good runs end it: sooner than the way back is a change of its own.
	if c := find(each[42], "p95", true); c == nil || c.Back == "" || c.Lasts() || c.BackAt.Before(runs[40].Start) {
		t.Errorf("after three good runs: %+v", c)
	}
	last := each[59]
	if c, better := find(last, "p95", true), find(last, "p95", false); c == nil || better == nil || c.Back != better.Run || better.Change > -0.1 {
		t.Errorf("in the end: %+v and %+v", c, better)
	}
}

func TestErrorsChangeFromNone(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	var runs []Run
	for i := range 24 {
		failed := 0.0
		if i == 6 {
			failed = 0.001 // one of a thousand
		}
		if i >= 14 {
			failed = 0.01 + 0.001*float64(r.IntN(4))
		}
		runs = append(runs, made(i, 0.1*math.Exp(0.02*r.NormFloat64()), failed))
	}
	each := followed(runs)
	for i, known := range each[:14] {
		if len(known) > 0 {
			t.Errorf("after run %d: %s", i, known[0].Text())
		}
	}
	if c := find(each[23], "errors", true); c == nil || c.After < 0.009 || c.After > 0.014 || c.Unit != "ratio" {
		t.Errorf("1%% of errors: %+v", each[23])
	}
}

// What was not steady has no latencies, and what cannot be compared nothing: neither is a change.
func TestRunsThatSayNothingOfAMetric(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	var runs []Run
	for i := range 40 {
		run := made(i, 0.1*math.Exp(0.02*r.NormFloat64()), 0)
		switch {
		case i%3 == 1:
			run.Values.Unsteady, run.Values.Values[0].Value = "p95 rose", 5
		case i%7 == 2:
			run.Values.Problem, run.Values.Values[0].Value = "the generator was late", 9
		}
		runs = append(runs, run)
	}
	for i, known := range followed(runs) {
		if len(known) > 0 {
			t.Errorf("after run %d: %s", i, known[0].Text())
		}
	}
}

// One analysis that does not have a change does not end it, two do; one that is older than what is looked at stays.
func TestChangesThatGo(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	var runs []Run
	for i := range 150 {
		level := 0.1
		if i >= 20 {
			level = 0.13
		}
		runs = append(runs, made(i, level*math.Exp(0.02*r.NormFloat64()), 0))
	}
	each := followed(runs)
	if c := find(each[149], "p95", true); c == nil || !c.Lasts() {
		t.Errorf("130 runs later, of which 100 are looked at: %+v", each[149])
	}
	chance := Change{Metric: P95, Unit: "s", Run: runs[80].ID, Start: runs[80].Start, Change: 0.1, Before: 0.13, After: 0.143, Worse: true}
	if c := Changes(runs[:101], []Change{chance}); slices.ContainsFunc(c, func(c Change) bool { return c.Run == chance.Run }) {
		t.Errorf("what no analysis has: %+v", c)
	}
	if c := Changes(nil, []Change{chance}); len(c) != 1 {
		t.Errorf("without runs: %+v", c)
	}
}

func BenchmarkChanges(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 1))
	var runs []Run
	for i := range MaxChangeRuns {
		run := made(i, 0.1*math.Exp(0.03*r.NormFloat64()), 0)
		for k := range 20 {
			for _, m := range []string{P50, P95, P99} {
				run.Values.Values = append(run.Values.Values, Value{Request: fmt.Sprint(k), Metric: m, Value: math.Exp(0.03 * r.NormFloat64())})
			}
		}
		runs = append(runs, run)
	}
	for b.Loop() {
		Changes(runs, nil)
	}
}

// A run that happens to lie high before a change is not where it began, however few runs there are since.
func TestAFreshChangeBeginsWhereItDid(t *testing.T) {
	p50 := []float64{22.9, 22.4, 23.1, 22.6, 22.8, 22.5, 22.72, 22.55, 22.86, 22.55, 23.19, 26.93, 26.77, 26.89, 26.51, 28.43}
	var runs []Run
	for i, v := range p50 {
		runs = append(runs, made(i, v/1000, 0))
	}
	each := followed(runs)
	found := slices.IndexFunc(each, func(c []Change) bool { return len(c) > 0 })
	if found < 12 || found > 14 {
		t.Fatalf("found after run %d, want two to four runs with it", found)
	}
	for _, known := range each[found:] {
		if c := find(known, "p95", true); c == nil || c.Run != runs[11].ID {
			t.Errorf("it began with %+v, want run 11", known)
		}
	}
}
