package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

// autoregression returns n values of a stationary first-order autoregression with standard deviation sd.
func autoregression(r *rand.Rand, n int, rho, sd float64) []float64 {
	x := make([]float64, n)
	x[0] = sd * r.NormFloat64()
	for i := 1; i < n; i++ {
		x[i] = rho*x[i-1] + sd*math.Sqrt(1-rho*rho)*r.NormFloat64()
	}
	return x
}

// noisy returns n values of f with multiplicative autocorrelated noise.
func noisy(r *rand.Rand, n int, rho, sd float64, f func(i int) float64) []float64 {
	x := autoregression(r, n, rho, sd)
	for i := range x {
		x[i] = f(i) * math.Exp(x[i])
	}
	return x
}

// percentOf returns in how many of n repetitions, in percent, what happened.
func percentOf(n int, what func(i int) bool) float64 {
	var k int
	for i := range n {
		if what(i) {
			k++
		}
	}
	return 100 * float64(k) / float64(n)
}

// floats reads a fuzzer's bytes as float64s, so that every bit pattern comes up.
func floats(b []byte) []float64 {
	var x []float64
	for ; len(b) >= 8 && len(x) < 300; b = b[8:] {
		var u uint64
		for i := range 8 {
			u = u<<8 | uint64(b[i])
		}
		x = append(x, math.Float64frombits(u))
	}
	// What is left over makes a series of small numbers, which bit patterns hardly ever do.
	for _, v := range b {
		x = append(x, float64(v))
	}
	return x
}

// oddSeries are series that no method may fail on.
func oddSeries() map[string][]float64 {
	nan, inf := math.NaN(), math.Inf(1)
	s := map[string][]float64{
		"nothing": nil, "one": {1}, "two": {1, 2}, "not a number": {nan}, "infinite": {inf, -inf},
		"huge": {math.MaxFloat64, -math.MaxFloat64, 1}, "tiny": {math.SmallestNonzeroFloat64, 0},
	}
	for _, name := range []string{"zeros", "ones", "negative", "alternating", "gaps", "holes", "step", "huge steps"} {
		for i := range 100 {
			v := map[string]float64{"zeros": 0, "ones": 1, "negative": -float64(i), "alternating": float64(i % 2), "gaps": float64(i), "holes": nan, "step": 1 + float64(i/50), "huge steps": 1e300 * float64(i/50)}[name]
			if name == "gaps" && i%3 == 0 {
				v = nan
			}
			s[name] = append(s[name], v)
		}
	}
	return s
}

func TestMannKendallByHand(t *testing.T) {
	// Gilbert (1987), section 16.4: the variance without ties is n(n-1)(2n+5)/18.
	k := MannKendall([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0)
	if k.S != 45 || k.Variance != 125 {
		t.Errorf("rising: S %v variance %v, want 45 and 125", k.S, k.Variance)
	}
	if want := normalTail(44 / math.Sqrt(125)); k.Rising != want || k.Falling < 0.999 {
		t.Errorf("rising: p %v and %v, want %v and nearly 1", k.Rising, k.Falling, want)
	}
	// Two groups of two ties take 2·(2·1·9)/18 = 2 off 28.33.
	k = MannKendall([]float64{1, 1, 2, 3, 3, 0}, 0)
	if want := 6*5*17/18.0 - 2; math.Abs(k.Variance-want) > 1e-12 || k.S != 3 {
		t.Errorf("ties: S %v variance %v, want 3 and %v", k.S, k.Variance, want)
	}
	if plain, inflated := MannKendall([]float64{1, 2, 3, 4}, 0), MannKendall([]float64{1, 2, 3, 4}, 0.5); inflated.Variance != plain.Variance*(1+2*(0.75*0.5+0.5*0.25+0.25*0.125)) {
		t.Errorf("autocorrelated: variance %v of %v", inflated.Variance, plain.Variance)
	}
	if k := MannKendall([]float64{2, 2, 2, 2}, 0); k.Rising != 1 || k.Falling != 1 {
		t.Errorf("constant: %+v, want p-values of 1", k)
	}
}

func TestSenSlopeByHand(t *testing.T) {
	// A line with one outlier keeps its slope.
	x := []float64{0, 2, 4, 6, 8, 10, 12, 140, 16, 18, 20, 22}
	k := MannKendall(x, 0)
	slope, i := SenSlope(x, k.Variance)
	if slope != 2 || i.Low > 2 || i.High < 2 || math.IsInf(i.Low, 0) || math.IsInf(i.High, 0) {
		t.Errorf("slope %v in %+v, want 2 and a finite interval", slope, i)
	}
	// By hand: the slopes of 10, 15, 14, 20: 5, 2, 10/3, -1, 2.5, 6 in order
	// -1, 2, 2.5, 3.33, 5, 6.
	if slope, _ := SenSlope([]float64{10, 15, 14, 20}, 0); math.Abs(slope-(2.5+10.0/3)/2) > 1e-12 {
		t.Errorf("slope %v, want %v", slope, (2.5+10.0/3)/2)
	}
	if slope, i := SenSlope([]float64{7}, 1); !math.IsNaN(slope) || len(i.Warnings) == 0 {
		t.Errorf("one value: %v %+v, want nothing and a warning", slope, i)
	}
}

func FuzzSenSlope(f *testing.F) {
	f.Add([]byte("a slope of any kind"), 3.0, 0.5)
	f.Add([]byte("more"), math.NaN(), math.NaN())
	f.Add([]byte("and more"), math.Inf(1), 2.0)
	f.Fuzz(func(t *testing.T, b []byte, variance, rho float64) {
		x := floats(b)
		MannKendall(x, rho)
		if _, i := SenSlope(x, variance); i.Low > i.High {
			t.Fatalf("%+v of %v", i, x)
		}
		Crowding(variance, rho, 1)
		BucketWidth(rho)
	})
}
