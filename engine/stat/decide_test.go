package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestMissedPAsInMLPerf(t *testing.T) {
	for _, c := range []struct {
		beyond, n uint64
		shown     bool
	}{{0, 458, false}, {0, 459, true}, {1, 661, false}, {1, 662, true}} {
		if got := MissedP(c.beyond, c.n, 0.99); (got <= 0.01) != c.shown {
			t.Errorf("%d of %d beyond p99: %v, shown %v", c.beyond, c.n, got, c.shown)
		}
	}
	for _, c := range []float64{MissedP(0, 0, 0.9), MissedP(2, 1, 0.9), MissedP(0, 9, 1), MissedP(0, 9, math.NaN())} {
		if c != 1 {
			t.Errorf("nothing can be said: %v, want 1", c)
		}
	}
}

// early looks after every request, up to most.
func early(r *rand.Rand, share, allowed float64, most uint64) (Decision, uint64) {
	var beyond uint64
	for n := uint64(1); n <= most; n++ {
		if r.Float64() < share {
			beyond++
		}
		// Looking at every tenth is looking all the time, and quicker.
		if n%10 != 0 {
			continue
		}
		if e := DecideEarly(EarlyOptions{}, beyond, n, allowed); e.Decision != Undecided {
			return e.Decision, n
		}
	}
	return Undecided, most
}

func TestDecideEarlyFigures(t *testing.T) {
	const runs, allowed = 400, 0.05
	for _, c := range []struct {
		share       float64
		most        uint64
		met, missed [2]float64 // percent, from and to
		mean        float64    // observations at most
	}{
		{allowed, 10000, [2]float64{0, 5}, [2]float64{0, 5}, 10000}, // on the edge both are wrong
		{0.03, 10000, [2]float64{97, 100}, [2]float64{0, 1}, 1500},
		{0.01, 10000, [2]float64{99.5, 100}, [2]float64{0, 0.5}, 200},
		{0.10, 10000, [2]float64{0, 1}, [2]float64{99, 100}, 400},
	} {
		r := rand.New(rand.NewPCG(31, 32))
		var met, missed, mean float64
		for range runs {
			d, n := early(r, c.share, allowed, c.most)
			mean += float64(n) / runs
			switch d {
			case Met:
				met += 100.0 / runs
			case Missed:
				missed += 100.0 / runs
			}
		}
		t.Logf("%.0f%% beyond, %.0f%% allowed: met %.1f%%, missed %.1f%%, after %.0f observations on average", 100*c.share, 100*allowed, met, missed, mean)
		if met < c.met[0] || met > c.met[1] || missed < c.missed[0] || missed > c.missed[1] || mean > c.mean {
			t.Errorf("%v beyond: met %.1f%%, missed %.1f%%, %.0f observations, want %v, %v, %v", c.share, met, missed, mean, c.met, c.missed, c.mean)
		}
	}
}

func FuzzDecideEarly(f *testing.F) {
	f.Add(uint64(3), uint64(400), 0.05, 0.0, 0.0)
	f.Add(uint64(1<<60), uint64(1<<61), 0.5, 0.01, 3.0)
	f.Fuzz(func(t *testing.T, beyond, n uint64, allowed, wrong, worth float64) {
		e := DecideEarly(EarlyOptions{Error: wrong, Worth: worth}, beyond, n, allowed)
		if e.Decision == Met && float64(beyond)/float64(n) > allowed || e.Decision == Missed && float64(beyond)/float64(n) < allowed {
			t.Fatalf("%s with %d of %d and %v allowed", e.Decision, beyond, n, allowed)
		}
		if math.IsNaN(MissedP(beyond, n, allowed)) {
			t.Fatal("a probability that is no number")
		}
	})
}

func ExampleDecideEarly() {
	// p95 < 500 ms: 5% of the requests may take longer; 12 of 1,000 did.
	e := DecideEarly(EarlyOptions{}, 12, 1000, 0.05)
	fmt.Println(e.Decision)
	// Output: met
}
