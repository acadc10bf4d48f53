package stat

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// sorted is a sample that keeps every observation.
type sorted []float64

func (s sorted) Count() uint64 { return uint64(len(s)) }

func (s sorted) Quantile(q float64) float64 {
	return s[min(len(s)-1, max(0, int(math.Ceil(q*float64(len(s))))-1))]
}

// coverage returns the share of trials in which the interval contained the truth.
func coverage(trials int, truth float64, draw func() Interval) float64 {
	var in int
	for range trials {
		if draw().Contains(truth) {
			in++
		}
	}
	return float64(in) / float64(trials)
}

func TestQuantileIntervalCovers(t *testing.T) {
	// Log-normal observations; the q-quantile is exp(sd·z).
	for _, c := range []struct {
		q, z float64
		n    int
	}{
		{0.5, 0, 100},
		{0.95, 1.6448536269514722, 1000},
		{0.99, 2.3263478740408408, 3000},
		{0.05, -1.6448536269514722, 1000},
	} {
		r := rand.New(rand.NewPCG(1, uint64(c.n)))
		got := coverage(600, math.Exp(0.5*c.z), func() Interval {
			s := make(sorted, c.n)
			for i := range s {
				s[i] = math.Exp(0.5 * r.NormFloat64())
			}
			slices.Sort(s)
			return QuantileInterval(s, c.q)
		})
		// The interval is conservative; 600 trials leave ±1.8% of chance.
		if got < 0.93 || got > 0.99 {
			t.Errorf("q=%v n=%d: coverage %.3f, want 0.95", c.q, c.n, got)
		}
	}
}

func TestQuantileRanks(t *testing.T) {
	// By hand from the binomial distribution: for n = 10, q = 0.5 the 2nd and the 9th observation (97.9%), as in the
	// tables of Hahn and Meeker.
	for _, c := range []struct {
		n    uint64
		q    float64
		l, u uint64
	}{
		{10, 0.5, 2, 9},
		{100, 0.5, 40, 61},
		{100, 0.99, 97, 101}, // the upper end does not exist
		{5, 0.5, 0, 6},
	} {
		if l, u := quantileRanks(c.n, c.q); l != c.l || u != c.u {
			t.Errorf("n=%d q=%v: ranks %d, %d, want %d, %d", c.n, c.q, l, u, c.l, c.u)
		}
	}
}

func TestQuantileWarnings(t *testing.T) {
	for _, c := range []struct {
		n    uint64
		q    float64
		want string
	}{
		{4000, 0.999, "p99.9 needs 30 observations beyond it, has 4"},
		{29999, 0.999, "p99.9 needs 30 observations beyond it, has 29"},
		{30000, 0.999, ""},
		{600, 0.95, ""},
		{59, 0.5, "p50 needs 30 observations beyond it, has 29"},
		{100, 0.05, "p5 needs 30 observations beyond it, has 5"},
	} {
		if got := QuantileWarning(c.n, c.q); got != c.want {
			t.Errorf("QuantileWarning(%d, %v) = %q, want %q", c.n, c.q, got, c.want)
		}
	}
	i := QuantileInterval(sorted{1, 2, 3}, 0.99)
	if !math.IsInf(i.Low, -1) && i.Low > 3 || !math.IsInf(i.High, 1) || len(i.Warnings) != 1 {
		t.Errorf("three observations: %+v", i)
	}
	if i := QuantileInterval(sorted{}, 0.5); len(i.Warnings) != 1 || !math.IsInf(i.Low, -1) || !math.IsInf(i.High, 1) {
		t.Errorf("no observation: %+v", i)
	}
}

func TestQuantileRanksOfManyObservations(t *testing.T) {
	// For large n the ranks follow the normal approximation n·q ± 1.96·sqrt(n·q·(1-q)).
	const n, q = 50_000_000, 0.999
	l, u := quantileRanks(n, q)
	half := z975 * math.Sqrt(n*q*(1-q))
	if math.Abs(float64(l)-(n*q-half)) > 2 || math.Abs(float64(u)-(n*q+half)) > 2 {
		t.Errorf("ranks %d, %d, want %.0f ± %.0f", l, u, float64(n*q), half)
	}
}

func TestRatioInterval(t *testing.T) {
	for _, c := range []struct {
		k, n      uint64
		low, high float64
	}{
		// Newcombe, Statistics in Medicine 17 (1998), table I, method 3 (score).
		{81, 263, 0.2553, 0.3662},
		{15, 148, 0.0624, 0.1605},
		{0, 20, 0, 0.1611},
		{1, 29, 0.0061, 0.1718},
		{20, 20, 1 - 0.1611, 1},
		{0, 0, 0, 1},
	} {
		i := RatioInterval(c.k, c.n)
		if math.Abs(i.Low-c.low) > 5e-5 || math.Abs(i.High-c.high) > 5e-5 {
			t.Errorf("%d of %d: [%.4f, %.4f], want [%.4f, %.4f]", c.k, c.n, i.Low, i.High, c.low, c.high)
		}
		if (c.n == 0) != (len(i.Warnings) > 0) {
			t.Errorf("%d of %d: warnings %q", c.k, c.n, i.Warnings)
		}
	}
}

func TestRatioIntervalCovers(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, p := range []float64{0.001, 0.02, 0.3} {
		got := coverage(600, p, func() Interval {
			var k uint64
			for range 1500 {
				if r.Float64() < p {
					k++
				}
			}
			return RatioInterval(k, 1500)
		})
		if got < 0.925 || got > 0.985 {
			t.Errorf("p=%v: coverage %.3f, want 0.95", p, got)
		}
	}
}

func TestMeanIntervalCovers(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	got := coverage(600, math.Exp(0.125), func() Interval {
		const n = 400
		var sum, squares float64
		for range n {
			x := math.Exp(0.5 * r.NormFloat64())
			sum += x
			squares += x * x
		}
		mean := sum / n
		return MeanInterval(mean, squares/n-mean*mean, n)
	})
	if got < 0.925 || got > 0.97 {
		t.Errorf("coverage %.3f, want 0.95", got)
	}
	if i := MeanInterval(1, 0, 29); len(i.Warnings) != 1 {
		t.Errorf("29 observations: %+v, want a warning", i)
	}
	if i := MeanInterval(0, 0, 0); len(i.Warnings) != 1 {
		t.Errorf("no observation: %+v, want a warning", i)
	}
	if i := MeanInterval(3, -1e-18, 100); i.Low != 3 || i.High != 3 {
		t.Errorf("variance below 0 by rounding: %+v, want [3, 3]", i)
	}
}
