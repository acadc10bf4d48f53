package search

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// target answers trials: its capacity scatters from trial to trial, and some trials fail whatever the load.
type target struct {
	capacity, sd, bad, generator float64
}

func (c target) try(r *rand.Rand, load float64) Outcome {
	own, stall := c.capacity*math.Exp(c.sd*r.NormFloat64()), r.Float64() < c.bad
	switch {
	case c.generator > 0 && load > c.generator:
		return Generator
	case stall || load >= own:
		return Failed
	}
	return Passed
}

// carry runs a search to its end.
func carry(t testing.TB, r *rand.Rand, o Options, c target) Result {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		load, _, ok := s.Next()
		if !ok {
			return s.Result()
		}
		if err := s.Record(load, c.try(r, load), 30*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("the search does not end: %+v", s.Result())
	return Result{}
}

func TestSearchFigures(t *testing.T) {
	const searches = 250
	for _, c := range []struct {
		sd, bad         float64
		within2         float64 // percent of the searches
		within5, covers float64
	}{
		{0.02, 0, 95, 99.5, 89},
		{0.02, 0.05, 93, 98.5, 86},
		{0.05, 0.05, 70, 97, 80},
		{0.05, 0.10, 65, 95, 76},
	} {
		r := rand.New(rand.NewPCG(21, 22))
		var within2, within5, covered, fit, all float64
		for range searches {
			truth := 100 * math.Exp(3*r.Float64())
			got := carry(t, r, Options{Lowest: 50}, target{capacity: truth, sd: c.sd, bad: c.bad})
			off := math.Abs(got.Capacity/truth - 1)
			if off <= 0.02 {
				within2 += 100.0 / searches
			}
			if off <= 0.05 {
				within5 += 100.0 / searches
			}
			if got.Low <= truth && truth <= got.High {
				covered += 100.0 / searches
			}
			for _, x := range got.Trials {
				all += 1.0 / searches
				if x.Phase != Confirming {
					fit += 1.0 / searches
				}
			}
		}
		t.Logf("trials scatter %.0f%%, %.0f%% bad: within 2%% %.1f%%, within 5%% %.1f%%, the 90%% interval covers %.1f%%; %.1f trials, %.1f with the confirming ones",
			100*c.sd, 100*c.bad, within2, within5, covered, fit, all)
		if within2 < c.within2 || within5 < c.within5 || covered < c.covers {
			t.Errorf("scatter %v, bad %v: want at least %v, %v and %v%%", c.sd, c.bad, c.within2, c.within5, c.covers)
		}
		if fit > 30 {
			t.Errorf("scatter %v, bad %v: %.1f trials, want at most 30 before the confirming ones", c.sd, c.bad, fit)
		}
	}
}

func TestSearchEnds(t *testing.T) {
	for _, c := range []struct {
		name         string
		o            Options
		c            target
		stop         Stop
		lower, upper [2]float64 // from, to
		reason       string
	}{
		{"found", Options{Lowest: 50}, target{capacity: 1000}, Found, [2]float64{900, 1000}, [2]float64{1000, 1100}, "it carries"},
		{"users", Options{Lowest: 1, Whole: true}, target{capacity: 7.5}, Found, [2]float64{7, 7}, [2]float64{8, 8}, "it carries 7 and not 8"},
		{"doomed", Options{Lowest: 50}, target{capacity: 20}, Doomed, [2]float64{0, 0}, [2]float64{50, 50}, "fails at the lowest load, 50"},
		{"no limit", Options{Lowest: 50, Highest: 1000}, target{capacity: 5000}, Unlimited, [2]float64{1000, 1000}, [2]float64{0, 0}, "passes at the highest load, 1000"},
		{"budget", Options{Lowest: 50, Budget: 3 * time.Minute}, target{capacity: 1e9}, OutOfBudget, [2]float64{1600, 1600}, [2]float64{0, 0}, "3m0s of 3m0s"},
		{"the generator's limit below the target's", Options{Lowest: 50}, target{capacity: 1000, generator: 600}, GeneratorLimited, [2]float64{560, 600}, [2]float64{0, 0}, "the generator cannot make"},
		{"the generator's limit above the target's", Options{Lowest: 50}, target{capacity: 1000, generator: 1200}, Found, [2]float64{900, 1000}, [2]float64{1000, 1100}, "it carries"},
		{"a generator that makes nothing", Options{Lowest: 50}, target{capacity: 1000, generator: 10}, GeneratorLimited, [2]float64{0, 0}, [2]float64{0, 0}, "the generator cannot make the lowest load, 50"},
	} {
		got := carry(t, rand.New(rand.NewPCG(23, 24)), c.o, c.c)
		if got.Stop != c.stop || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s: %s (%s), want %s (%s)", c.name, got.Stop, got.Reason, c.stop, c.reason)
		}
		if got.Lower < c.lower[0] || got.Lower > c.lower[1] || got.Upper < c.upper[0] || got.Upper > c.upper[1] {
			t.Errorf("%s: bounds %v and %v, want within %v and %v", c.name, got.Lower, got.Upper, c.lower, c.upper)
		}
		if c.c.generator > 0 && !(got.GeneratorLimit > c.c.generator) && got.Stop == GeneratorLimited {
			t.Errorf("%s: the generator's limit is %v, want it above %v", c.name, got.GeneratorLimit, c.c.generator)
		}
		// After the generator's limit is known, nothing as high is tried.
		limit := math.Inf(1)
		for _, x := range got.Trials {
			if x.Load >= limit {
				t.Errorf("%s: tried %v although the generator cannot make %v", c.name, x.Load, limit)
			}
			if x.Outcome == Generator {
				limit = min(limit, x.Load)
			}
		}
	}
}

func TestGeneratorIsNeverTheTargetsLimit(t *testing.T) {
	r := rand.New(rand.NewPCG(25, 26))
	for range 300 {
		c := target{capacity: 1000, sd: 0.03, generator: 100 * math.Exp(3*r.Float64())}
		got := carry(t, r, Options{Lowest: 50}, c)
		if c.generator < 850 && got.Upper != 0 {
			t.Fatalf("generator %.0f: an upper bound of %v (%s)", c.generator, got.Upper, got.Reason)
		}
		if c.generator < 850 && (got.Stop != GeneratorLimited || got.Lower < 0.85*c.generator) {
			t.Fatalf("generator %.0f: %s, lower %v (%s)", c.generator, got.Stop, got.Lower, got.Reason)
		}
	}
}

// What disturbs the generator for a while, at loads it had made before, is no limit: the search goes on where it was.
func TestDisturbedGenerator(t *testing.T) {
	for _, c := range []struct {
		disturbed int // trials of the confirming phase
		stop      Stop
	}{{2, Found}, {mostAgain, Disturbed}} {
		r := rand.New(rand.NewPCG(27, 28))
		s, err := New(Options{Lowest: 50})
		if err != nil {
			t.Fatal(err)
		}
		left := c.disturbed
		for {
			load, phase, ok := s.Next()
			if !ok {
				break
			}
			outcome := target{capacity: 1000, sd: 0.01}.try(r, load)
			if phase == Confirming && load <= s.made() && left > 0 {
				left, outcome = left-1, Generator
			}
			if err := s.Record(load, outcome, 30*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		got := s.Result()
		if got.Stop != c.stop || left != 0 || got.GeneratorLimit != 0 || got.Lower < 950 || got.Lower > 1020 {
			t.Errorf("%d disturbed: %s (%s), lower %v, generator's limit %v; want %s and a lower bound near 1000", c.disturbed, got.Stop, got.Reason, got.Lower, got.GeneratorLimit, c.stop)
		}
	}
}

// Where the generator was no good, one trial of the target by itself is no bound, at the lowest load not even two.
func TestGeneratorLimitIsNoBound(t *testing.T) {
	for name, c := range map[string]struct {
		outcomes     string // p, f, g
		stop         Stop
		lower, upper float64
	}{
		"two of the lowest fail":     {"ffg", GeneratorLimited, 0, 0},
		"three of the lowest fail":   {"fff", Doomed, 0, 50},
		"one above fails":            {"pfgp", GeneratorLimited, 70.71, 0},
		"two of the lowest, running": {"ff", Running, 0, 0},
	} {
		s, err := New(Options{Lowest: 50, Width: 0.2})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range c.outcomes {
			load, _, ok := s.Next()
			if !ok {
				break
			}
			if err := s.Record(load, map[rune]Outcome{'p': Passed, 'f': Failed, 'g': Generator}[o], time.Second); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.Result(); got.Stop != c.stop || got.Upper != c.upper || math.Abs(got.Lower-c.lower) > 1e-9 {
			t.Errorf("%s: %q (%s), lower %v, upper %v; want %q, %v, %v; %+v", name, got.Stop, got.Reason, got.Lower, got.Upper, c.stop, c.lower, c.upper, got.Trials)
		}
	}
}

func TestRestoreGoesOnWhereItWas(t *testing.T) {
	r := rand.New(rand.NewPCG(27, 28))
	c := target{capacity: 777, sd: 0.05, bad: 0.1}
	o := Options{Lowest: 50, Budget: time.Hour}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for {
		load, phase, ok := s.Next()
		text, err := json.Marshal(s.Result().Trials)
		if err != nil {
			t.Fatal(err)
		}
		var trials []Trial
		if err := json.Unmarshal(text, &trials); err != nil {
			t.Fatal(err)
		}
		again, err := Restore(o, trials)
		if err != nil {
			t.Fatal(err)
		}
		if l, p, k := again.Next(); l != load || p != phase || k != ok {
			t.Fatalf("after %d trials: next %v %s %v, want %v %s %v", len(trials), l, p, k, load, phase, ok)
		}
		if !ok {
			if diff := cmp.Diff(s.Result(), again.Result(), cmp.Comparer(func(a, b []Trial) bool { return len(a) == len(b) })); diff != "" {
				t.Error(diff)
			}
			return
		}
		if err := s.Record(load, c.try(r, load), time.Second); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, "making a search: lowest load 0: must be above 0"},
		{Options{Lowest: math.NaN()}, "lowest load NaN"},
		{Options{Lowest: 50, Highest: 20}, "highest load 20: must be at least the lowest, 50"},
		{Options{Lowest: 50, Width: 2}, "width 2: must be from 0.001 to 0.5"},
		{Options{Lowest: 50, Trials: 1}, "1 trials: must be 3 at least"},
		{Options{Lowest: 50, Budget: -1}, "budget -1ns: must not be negative"},
	} {
		if _, err := New(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
	s, err := New(Options{Lowest: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Record(math.NaN(), Passed, 0); err == nil {
		t.Error("a trial at NaN was taken")
	}
	if err := s.Record(1, "perhaps", 0); err == nil {
		t.Error("an unknown outcome was taken")
	}
}

func TestSteps(t *testing.T) {
	for _, c := range []struct {
		o            StepOptions
		c            target
		stop         Stop
		lower, upper float64
		trials       int
	}{
		{StepOptions{Start: 10, Add: 10}, target{capacity: 45}, Found, 40, 50, 5},
		{StepOptions{Start: 10, Add: 10}, target{capacity: 5}, Doomed, 0, 10, 1},
		{StepOptions{Start: 10, Add: 10, Highest: 35}, target{capacity: 100}, Unlimited, 35, 0, 4},
		{StepOptions{Start: 10, Add: 10}, target{capacity: 100, generator: 30}, GeneratorLimited, 30, 0, 4},
	} {
		s, err := NewSteps(c.o)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(1, 1))
		for load, ok := s.Next(); ok; load, ok = s.Next() {
			if err := s.Record(c.c.try(r, load), time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.Result(); got.Stop != c.stop || got.Lower != c.lower || got.Upper != c.upper || len(got.Trials) != c.trials {
			t.Errorf("%+v: %+v, want %s, %v, %v after %d", c.o, got, c.stop, c.lower, c.upper, c.trials)
		}
		if err := s.Record(Passed, 0); err == nil {
			t.Error("a step after the end was taken")
		}
	}
	if _, err := NewSteps(StepOptions{Highest: -1}); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("three mistakes: %v", err)
	}
}

// FuzzSearch gives any outcomes, at the loads that are asked for and at others.
func FuzzSearch(f *testing.F) {
	f.Add(50.0, 0.0, []byte("pppfgpfpfpfpgf"), false)
	f.Add(1.0, 9.0, []byte("ppffpfpfpfpfpfppppffff"), true)
	f.Fuzz(func(t *testing.T, lowest, highest float64, outcomes []byte, whole bool) {
		o := Options{Lowest: lowest, Highest: highest, Whole: whole}
		s, err := New(o)
		if err != nil {
			return
		}
		for i := 0; i < 150 && len(outcomes) > 0; i++ {
			load, _, ok := s.Next()
			if !ok {
				break
			}
			if !(load > 0) || math.IsInf(load, 1) || highest > 0 && load > max(1, highest)*(1+1e-9) {
				t.Fatalf("trial %d at %v of %+v", i, load, o)
			}
			b := outcomes[i%len(outcomes)]
			if b&8 != 0 && b&16 != 0 && load > 1e-300 && load < 1e300 {
				load *= 1.01
			}
			if err := s.Record(load, []Outcome{Passed, Failed, Passed, Failed, Generator}[b%5], 0); err != nil {
				t.Fatal(err)
			}
		}
		r := s.Result()
		if math.IsNaN(r.Capacity) || r.Upper != 0 && r.Lower > r.Upper || r.Reason == "" {
			t.Fatalf("%+v", r)
		}
	})
}

func Example() {
	s, err := New(Options{Lowest: 50})
	if err != nil {
		panic(err)
	}
	for load, _, ok := s.Next(); ok; load, _, ok = s.Next() {
		outcome := Passed
		if load > 420 { // what the target carries
			outcome = Failed
		}
		if err := s.Record(load, outcome, 30*time.Second); err != nil {
			panic(err)
		}
	}
	r := s.Result()
	fmt.Printf("%s: %s\n", r.Stop, r.Reason)
	// Output: found: it carries 408 and not 432.9, each by a majority of 5 trials
}
