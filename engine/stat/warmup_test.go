package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// aRun makes runs of 60 intervals of 5 s with noise of 4%.
const aRun = 60

func decaying(amount, tau float64) func(int) float64 {
	return func(i int) float64 { return 1 + amount*math.Exp(-(float64(i)+0.5)*5/tau) }
}

func stepping(at int, to float64) func(int) float64 {
	return func(i int) float64 {
		if i >= at {
			return to
		}
		return 1
	}
}

func level(int) float64 { return 1 }

// unsteady returns the share of runs, in percent, that are called unsteady, and how far the mean of what is kept is from
// 1 on average, in percent.
func unsteady(seed uint64, rho float64, f func(int) float64) (called, bias float64) {
	const runs = 400
	r := rand.New(rand.NewPCG(seed, math.Float64bits(rho)))
	called = percentOf(runs, func(int) bool {
		x := noisy(r, aRun, rho, 0.04, f)
		cut := WarmUp(WarmUpOptions{}, x)
		var kept float64
		for i := cut.Drop; i < aRun; i++ {
			kept += f(i) - 1
		}
		bias += 100 * kept / float64(aRun-cut.Drop) / runs
		s := IsSteady(WarmUpOptions{}, cut, x)
		return s.State != Steady
	})
	return called, bias
}

func TestWarmUpAndSteadinessFigures(t *testing.T) {
	for _, c := range []struct {
		name      string
		f         func(int) float64
		low, high float64 // of runs called unsteady, in percent
		bias      float64 // at most
	}{
		{name: "steady from the start", f: level, high: 3, bias: 0},
		{name: "+100% with a time constant of 20 s", f: decaying(1, 20), high: 3, bias: 0.2},
		{name: "+30%, 40 s", f: decaying(0.3, 40), high: 8, bias: 0.7},
		{name: "+100%, 150 s: never steady", f: decaying(1, 150), low: 93, high: 100, bias: 100},
		{name: "+20% from two thirds on", f: stepping(40, 1.2), low: 96.5, high: 100, bias: 100},
		{name: "+20% from the middle on", f: stepping(30, 1.2), low: 96.5, high: 100, bias: 100},
		{name: "+100% with 20 s, and +20% from two thirds on", f: func(i int) float64 { return decaying(1, 20)(i) * stepping(40, 1.2)(i) }, low: 95, high: 100, bias: 100},
		{name: "-20% from two thirds on", f: stepping(40, 0.8), low: 98, high: 100, bias: 100},
		{name: "a hump of +30% for 50 s", f: func(i int) float64 { return stepping(30, 1.3)(i) / stepping(40, 1.3)(i) }, low: 99, high: 100, bias: 100},
	} {
		for _, rho := range []float64{0.3, 0.6} {
			got, bias := unsteady(1, rho, c.f)
			t.Logf("%s, autocorrelation %.1f: called unsteady %.1f%%, bias %.2f%%", c.name, rho, got, bias)
			if got < c.low || got > c.high {
				t.Errorf("%s, autocorrelation %.1f: %.1f%% called unsteady, want %.1f to %.1f%%", c.name, rho, got, c.low, c.high)
			}
			if math.Abs(bias) > c.bias {
				t.Errorf("%s, autocorrelation %.1f: bias %.2f%%, want at most %.2f%%", c.name, rho, bias, c.bias)
			}
		}
	}
}

func TestWarmUpCut(t *testing.T) {
	// Without noise: 12 of 60 values are slow.
	x := make([]float64, 60)
	for i := range x {
		x[i] = 1 + 0.01*float64(i%2)
		if i < 12 {
			x[i] = 2
		}
	}
	for _, c := range []struct {
		name    string
		o       WarmUpOptions
		x       []float64
		drop    int
		length  time.Duration
		warning string
	}{
		{"found", WarmUpOptions{}, x, 15, 75 * time.Second, ""},
		{"nothing found: the floor", WarmUpOptions{}, x[12:], 6, 30 * time.Second, ""},
		{"a floor of 20 values", WarmUpOptions{Interval: time.Second, Floor: 20 * time.Second}, x, 20, 20 * time.Second, ""},
		{"a floor between two values", WarmUpOptions{Floor: 31 * time.Second}, x[12:], 7, 35 * time.Second, ""},
		{"no floor", WarmUpOptions{Floor: -1}, x[12:], 0, 0, ""},
		{"a floor longer than half", WarmUpOptions{}, x[20:30], 5, 25 * time.Second, "too short for a warm-up of 30s"},
		{"too few", WarmUpOptions{Floor: -1}, x[:9], 0, 0, "needs 10 values, has 9"},
		{"nothing", WarmUpOptions{}, nil, 0, 0, "needs 10 values, has 0"},
	} {
		got := WarmUp(c.o, c.x)
		if got.Drop != c.drop || got.Length != c.length {
			t.Errorf("%s: drop %d, %v, want %d, %v", c.name, got.Drop, got.Length, c.drop, c.length)
		}
		if all := strings.Join(got.Warnings, "; "); (c.warning == "") != (all == "") || !strings.Contains(all, c.warning) {
			t.Errorf("%s: warnings %q, want %q", c.name, all, c.warning)
		}
	}
}

func TestWarmUpTakesTheLatestCut(t *testing.T) {
	early, late := make([]float64, 60), make([]float64, 60)
	for i := range early {
		early[i], late[i] = stepping(8, 0.5)(i), stepping(19, 3)(i)
	}
	if got := WarmUp(WarmUpOptions{}, early, late); got.Drop != 20 {
		t.Errorf("drop %d, want 20", got.Drop)
	}
}

func TestIsSteadyFindsWhereAndHowMuch(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	x := noisy(r, 60, 0.3, 0.02, stepping(40, 1.3))
	s := IsSteady(WarmUpOptions{}, WarmUp(WarmUpOptions{}, x), x)
	if s.State != Shifted || len(s.Shifts) != 1 {
		t.Fatalf("%+v, want one shift", s)
	}
	got := s.Shifts[0]
	if got.From != 40 || got.To != 60 || got.Start != 200*time.Second || math.Abs(got.Change-0.3) > 0.03 || got.EndsBeforeSeries {
		t.Errorf("%+v, want +30%% from value 40 on", got)
	}
	if len(s.Reasons) != 1 || !strings.Contains(s.Reasons[0], "at 3m20s") {
		t.Errorf("reasons %q", s.Reasons)
	}

	// Of a long series neighbours are taken together.
	x = noisy(r, 900, 0.6, 0.03, func(i int) float64 { return 1 + 0.3*float64(i)/900 })
	if s := IsSteady(WarmUpOptions{Interval: time.Second}, Cut{Drop: 30}, x); s.State != Trended || math.Abs(s.Growth-0.29) > 0.06 {
		t.Errorf("a line of +29%%: %+v", s)
	}

	// Single stalls are no levels.
	x = noisy(r, 60, 0.3, 0.02, func(i int) float64 {
		if i == 30 || i == 31 || i == 50 {
			return 20
		}
		return 1
	})
	if s := IsSteady(WarmUpOptions{}, Cut{Drop: 6}, x); s.State != Steady {
		t.Errorf("three stalls: %+v, want steady", s)
	}
}

func TestIsSteadyOfOddSeries(t *testing.T) {
	for name, x := range oddSeries() {
		s := IsSteady(WarmUpOptions{}, WarmUp(WarmUpOptions{}, x), x)
		want := map[string]State{"ones": Steady, "zeros": Steady, "step": Shifted, "huge steps": Steady, "gaps": Trended}[name]
		if name == "alternating" {
			want = s.State // it has a zero every other time: both answers will do
		} else if want == "" {
			want = Unknown
		}
		if s.State != want {
			t.Errorf("%s: %+v, want %s", name, s, want)
		}
		if s.State == Unknown && len(s.Warnings) == 0 {
			t.Errorf("%s: unknown without a warning", name)
		}
		if math.IsNaN(s.Growth) || math.IsInf(s.Growth, 0) {
			t.Errorf("%s: growth %v", name, s.Growth)
		}
	}
}

func FuzzWarmUp(f *testing.F) {
	f.Add([]byte("a warm-up of any kind, thirty and more values long"))
	f.Fuzz(func(t *testing.T, b []byte) {
		x := floats(b)
		c := WarmUp(WarmUpOptions{}, x)
		if c.Drop < 0 || c.Drop > len(x)/2 {
			t.Fatalf("drop %d of %d", c.Drop, len(x))
		}
		s := IsSteady(WarmUpOptions{}, c, x)
		if s.State == Unknown && len(s.Warnings) == 0 {
			t.Fatalf("unknown without a warning: %v", x)
		}
		for _, sh := range s.Shifts {
			if sh.From < 0 || sh.To > len(x) || sh.From >= sh.To || math.IsNaN(sh.Change) {
				t.Fatalf("%+v of %d values", sh, len(x))
			}
		}
	})
}

func ExampleIsSteady() {
	// p95 of five minutes, one value for each 5 s: slow for the first 40 s, and slower again from 3:20 on.
	p95 := make([]float64, 60)
	for i := range p95 {
		p95[i] = 0.1 + 0.001*float64(i*7%5)
		if i < 8 {
			p95[i] *= 3
		}
		if i >= 40 {
			p95[i] *= 1.3
		}
	}
	o := WarmUpOptions{}
	cut := WarmUp(o, p95)
	s := IsSteady(o, cut, p95)
	fmt.Println(cut.Length, s.State, s.Reasons)
	// Output: 50s shift [it rose by 30% at 3m20s]
}

// Short runs with noise of all kinds that have no warm-up: what is left out beyond the floor is false.
func TestFalseWarmUpFigures(t *testing.T) {
	const runs = 150
	for _, noise := range []struct {
		name string
		most float64 // percent
		of   func(r *rand.Rand, n int, rho float64) []float64
	}{
		{"log-normal noise", 5, func(r *rand.Rand, n int, rho float64) []float64 { return noisy(r, n, rho, 0.2, level) }},
		{"noise of 15% with a heavy tail", 7, func(r *rand.Rand, n int, rho float64) []float64 {
			return noisy(r, n, rho, 0.15, func(int) float64 {
				if r.Float64() < 0.05 {
					return math.Exp(0.5 * r.ExpFloat64())
				}
				return 1
			})
		}},
	} {
		for _, n := range []int{30, 45, 60} {
			for _, rho := range []float64{0.3, 0.6} {
				r := rand.New(rand.NewPCG(uint64(n), math.Float64bits(rho)))
				floor := time.Duration(n/10) * time.Second
				got := percentOf(runs, func(int) bool {
					c := WarmUp(WarmUpOptions{Interval: time.Second, Floor: floor}, noise.of(r, n, rho), noise.of(r, n, rho), noise.of(r, n, rho))
					return c.Length > floor
				})
				t.Logf("%s, %d values, autocorrelation %.1f: %.1f%% have a warm-up beyond the floor", noise.name, n, rho, got)
				if got > noise.most {
					t.Errorf("%s, %d values, autocorrelation %.1f: %.1f%% have a warm-up beyond the floor, want at most %.0f%%", noise.name, n, rho, got, noise.most)
				}
			}
		}
	}
}

// A warm-up of a time constant of 20 s in a run of one minute, which it is not over in: half of it goes, and it is said.
// One of 3 s goes as a whole, also where the noise is large.
func TestWarmUpOfShortRuns(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	second := func(amount, tau float64) func(int) float64 {
		return func(i int) float64 { return 1 + amount*math.Exp(-(float64(i)+0.5)/tau) }
	}
	for _, c := range []struct {
		name  string
		f     func(int) float64
		noise float64
		bound bool
		bias  float64 // at most
	}{
		{"20 s, noise of 4%", second(2, 20), 0.04, true, 30},
		{"20 s, noise of 20%", second(2, 20), 0.2, true, 35},
		{"3 s, noise of 4%", second(2, 3), 0.04, false, 0.3},
		{"3 s, noise of 15%", second(2, 3), 0.15, false, 1},
	} {
		const runs = 100
		var bias float64
		bound := percentOf(runs, func(int) bool {
			cut := WarmUp(WarmUpOptions{Interval: time.Second, Floor: 5 * time.Second}, noisy(r, 54, 0.3, c.noise, c.f))
			var kept float64
			for i := cut.Drop; i < 54; i++ {
				kept += c.f(i) - 1
			}
			bias += 100 * kept / float64(54-cut.Drop) / runs
			return cut.Bound
		})
		t.Logf("%s: bias %.2f%%, may last longer in %.0f%%", c.name, bias, bound)
		if bias > c.bias || c.bound && bound < 85 || !c.bound && bound > 20 {
			t.Errorf("%s: bias %.2f%%, want at most %.2f%%; may last longer in %.0f%% of the runs, want %v", c.name, bias, c.bias, bound, c.bound)
		}
	}
}
