package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// story is a made-up history of run values: levels that step, noise that is alike from run to run, and runs gone wrong.
type story struct {
	sd, rho, outliers float64
	steps             map[int]float64 // relative change at an index
}

func (s story) make(r *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	level, noise := math.Log(100), 0.0
	for i := range x {
		if by, ok := s.steps[i]; ok {
			level += math.Log1p(by)
		}
		noise = s.rho*noise + math.Sqrt(1-s.rho*s.rho)*s.sd*r.NormFloat64()
		x[i] = math.Exp(level + noise)
		if r.Float64() < s.outliers {
			x[i] *= 1.1 + 0.5*r.Float64()
		}
	}
	return x
}

var rough = story{sd: 0.03, rho: 0.3, outliers: 0.03}

func ats(points []ChangePoint) []int {
	var at []int
	for _, p := range points {
		at = append(at, p.At)
	}
	return at
}

// matched counts how many of want have a point within tolerance, each point for one of them.
func matched(got, want []int, tolerance int) int {
	used := make([]bool, len(got))
	n := 0
	for _, w := range want {
		for i, g := range got {
			if !used[i] && max(g-w, w-g) <= tolerance {
				used[i] = true
				n++
				break
			}
		}
	}
	return n
}

func TestChangePointsOfPlainSteps(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	s := story{sd: 0.01, steps: map[int]float64{20: 0.2, 45: -0.3}}
	c := ChangePoints(ChangeOptions{}, s.make(r, 60))
	if got := ats(c.Points); !slices.Equal(got, []int{20, 45}) {
		t.Fatalf("changes at %v, want 20 and 45", got)
	}
	if p := c.Points[0]; math.Abs(p.Change-0.2) > 0.02 || math.Abs(p.Before-100) > 1 || math.Abs(p.After-120) > 1.5 || p.P > 1e-9 {
		t.Errorf("the first is %+v, want 20%% from 100", p)
	}
	if i := c.Points[0].Interval; !i.Contains(0.2) || i.High-i.Low > 0.04 || i.High-i.Low < 0.005 {
		t.Errorf("its interval is %+v, want a narrow one around 20%%", i)
	}
}

// The interval of a change holds the true one about as often as it says, where the noise is alike from run to run too.
func TestIntervalOfAChange(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	s := story{sd: 0.03, rho: 0.3, steps: map[int]float64{30: 0.2}}
	held, n := 0, 0
	for range 400 {
		for _, p := range ChangePoints(ChangeOptions{}, s.make(r, 45)).Points {
			if p.At < 27 || p.At > 33 {
				continue
			}
			n++
			if p.Interval.Contains(0.2) {
				held++
			}
		}
	}
	share := float64(held) / float64(n)
	t.Logf("%d of %d intervals hold the true change", held, n)
	if n < 380 || share < 0.88 {
		t.Errorf("%d of %d intervals hold it, want 95%% of 400 or nearly so", held, n)
	}
}

func TestAValueThatStandsAloneIsNoChange(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	x := story{sd: 0.02}.make(r, 40)
	x[20] *= 3
	c := ChangePoints(ChangeOptions{}, x)
	if len(c.Points) != 0 || !slices.Equal(c.Outliers, []int{20}) {
		t.Errorf("changes %v, outliers %v, want only the outlier 20", ats(c.Points), c.Outliers)
	}
	x = x[:21] // of the newest nobody knows
	if c := ChangePoints(ChangeOptions{}, x); len(c.Points) != 0 || len(c.Outliers) != 0 {
		t.Errorf("with the newest far off: changes %v, outliers %v", ats(c.Points), c.Outliers)
	}
}

func TestChangePointsOfWhatCarriesNone(t *testing.T) {
	for name, x := range map[string][]float64{
		"nothing": nil, "one": {1}, "few": {1, 2, 3, 4, 5}, "no numbers": {math.NaN(), math.Inf(1), math.NaN(), 1, 2, 3, 4},
		"constant": slices.Repeat([]float64{7}, 50), "zeros": make([]float64, 50), "negative": slices.Repeat([]float64{-1, -2}, 20),
	} {
		if c := ChangePoints(ChangeOptions{}, x); len(c.Points) != 0 {
			t.Errorf("%s: changes at %v", name, ats(c.Points))
		}
	}
	if c := ChangePoints(ChangeOptions{}, []float64{1, 1}); len(c.Warnings) == 0 {
		t.Error("two values and no warning")
	}
	step := append(slices.Repeat([]float64{5}, 10), slices.Repeat([]float64{6}, 10)...) // without any noise
	if c := ChangePoints(ChangeOptions{}, step); !slices.Equal(ats(c.Points), []int{10}) {
		t.Errorf("a step without noise: %v", ats(c.Points))
	} else if i := c.Points[0].Interval; math.Abs(i.Low-0.2) > 1e-9 || math.Abs(i.High-0.2) > 1e-9 {
		t.Errorf("the interval of a step without noise is %+v", i)
	}
}

// Analysed once: histories of 200 runs with three steps of 5, 10 or 20% either way.
func TestChangePointsFindStepsAndLittleElse(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	var found, wanted, hit int
	const histories = 150
	for range histories {
		s := rough
		s.steps = map[int]float64{}
		var want []int
		for k := range 3 {
			at := 25 + 55*k + r.IntN(40)
			by := []float64{0.05, 0.1, 0.2}[r.IntN(3)]
			if r.IntN(2) == 0 {
				by = 1/(1+by) - 1
			}
			s.steps[at], want = by, append(want, at)
		}
		x := s.make(r, 200)
		got := ats(ChangePoints(ChangeOptions{Last: 200, Magnitude: 0.03}, x).Points)
		found, wanted, hit = found+len(got), wanted+len(want), hit+matched(got, want, 3)
	}
	precision, recall := float64(hit)/float64(found), float64(hit)/float64(wanted)
	f1 := 2 * precision * recall / (precision + recall)
	t.Logf("precision %.3f, recall %.3f, F1 %.3f", precision, recall, f1)
	if f1 < 0.75 {
		t.Errorf("F1 = %.3f, want at least 0.75 (0.85 is best in class)", f1)
	}
}

// online analyses a history after each run and returns when a point was first alerted, by where it lies.
func online(x []float64, from int) (alerts map[int]int) {
	alerts = map[int]int{}
	var before []ChangePoint
	for n := from; n <= len(x); n++ {
		now := ChangePoints(ChangeOptions{}, x[:n]).Points
		for _, p := range Persist(before, now) {
			known := false
			for at := range alerts {
				known = known || max(at-p.At, p.At-at) <= 2*changePersists
			}
			if !known {
				alerts[p.At] = n - 1
			}
		}
		before = now
	}
	return alerts
}

func TestOnlineAlerts(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	const histories, runs = 60, 150
	falseAlerts := 0
	for range histories {
		falseAlerts += len(online(rough.make(r, runs), 10))
	}
	rate := float64(falseAlerts) / (histories * runs / 100)
	t.Logf("%.3f false alerts per 100 runs", rate)
	if rate > 0.5 {
		t.Errorf("%.3f false alerts per 100 runs and metric, want at most 0.5 (0.25 is best in class)", rate)
	}

	var delays []int
	const steps = 150
	late := 0
	for range steps {
		s := rough
		at := 30 + r.IntN(20)
		s.steps = map[int]float64{at: 0.1}
		x := s.make(r, at+14)
		delay := 99
		for place, when := range online(x, at-5) {
			if max(place-at, at-place) <= 5 && when >= at {
				delay = min(delay, when-at+1)
			}
		}
		delays = append(delays, delay)
		if delay > 10 {
			late++
		}
	}
	slices.Sort(delays)
	within := 1 - float64(late)/steps
	t.Logf("+10%%: median delay %d runs, %.1f%% within 10", delays[steps/2], 100*within)
	if within < 0.9 {
		t.Errorf("+10%% alerted within 10 runs in %.1f%%, want 90%% (97%% is best in class)", 100*within)
	}
}

func FuzzChangePoints(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 200, 200, 200, 200}, 50)
	f.Fuzz(func(t *testing.T, data []byte, window int) {
		x := make([]float64, len(data))
		for i, b := range data {
			x[i] = float64(b) - 20
			switch b {
			case 255:
				x[i] = math.NaN()
			case 254:
				x[i] = math.Inf(1)
			case 253:
				x[i] = 1e308
			}
		}
		last := -1
		for _, p := range ChangePoints(ChangeOptions{Window: window % 200, Segment: window % 7}, x).Points {
			if p.At <= last || p.At >= len(x) || math.IsNaN(p.Change) || p.P < 0 || p.P > 0.001 {
				t.Fatalf("point %+v after %d in %v", p, last, x)
			}
			last = p.At
		}
	})
}

func ExampleChangePoints() {
	p95 := []float64{101, 99, 100, 102, 98, 100, 101, 99, 121, 119, 120, 122, 118, 120}
	for _, p := range ChangePoints(ChangeOptions{}, p95).Points {
		fmt.Printf("from run %d on: %.0f ms -> %.0f ms (%+.0f%%)\n", p.At, p.Before, p.After, 100*p.Change)
	}
	// Output: from run 8 on: 100 ms -> 120 ms (+20%)
}
