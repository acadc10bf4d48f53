package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestDriftOf(t *testing.T) {
	ramp := func(n int, from, to float64) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = from + (to-from)*(float64(i)+0.5)/float64(n)
		}
		return x
	}
	withGap := ramp(100, 1, 2)
	for i := 40; i < 45; i++ {
		withGap[i] = math.NaN()
	}
	for _, c := range []struct {
		name   string
		x      []float64
		change float64
		within float64
		ok     bool
	}{
		{"doubles", ramp(40, 1, 2), 1, 1e-9, true},
		{"doubles, in more values than there are blocks", ramp(600, 1, 2), 1, 1e-9, true},
		{"halves", ramp(50, 2, 1), -0.5, 1e-9, true},
		{"doubles, with a gap", withGap, 1, 0.08, true},
		{"never changes", ramp(20, 3, 3), 0, 0, true},
		{"too few", ramp(9, 1, 2), 0, 0, false},
		{"from nothing", ramp(20, 0, 0), 0, 0, false},
		{"below nothing", ramp(20, -1, 1), 0, 0, false},
	} {
		change, i, ok := DriftOf(c.x)
		if ok != c.ok || math.Abs(change-c.change) > c.within {
			t.Errorf("%s: %v, %v, want %v, %v", c.name, change, ok, c.change, c.ok)
		}
		if ok && !i.Contains(change) {
			t.Errorf("%s: %v is not in its interval [%v, %v]", c.name, change, i.Low, i.High)
		}
	}
}

// The interval of a drift has the truth in it about as often as it says, and what does not drift is seldom said to.
func TestDriftOfFigures(t *testing.T) {
	const runs = 1000
	for _, rho := range []float64{0, 0.3, 0.6} {
		r := rand.New(rand.NewPCG(5, math.Float64bits(rho)))
		for _, truth := range []float64{0, 0.2} {
			covered := percentOf(runs, func(int) bool {
				_, i, ok := DriftOf(noisy(r, 60, rho, 0.05, func(i int) float64 { return 1 + truth*(float64(i)+0.5)/60 }))
				return ok && i.Contains(truth)
			})
			t.Logf("autocorrelation %.1f, a drift of %.0f%%: covered in %.1f%%", rho, 100*truth, covered)
			if covered < 92.5 {
				t.Errorf("autocorrelation %.1f, a drift of %.0f%%: covered in %.1f%% only", rho, 100*truth, covered)
			}
		}
	}
}
