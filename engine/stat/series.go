package stat

import (
	"fmt"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// finite returns the numbers among x with the position of each, and a warning if something else was among them.
func finite(x []float64) (values []float64, at []int, warnings []string) {
	values, at = make([]float64, 0, len(x)), make([]int, 0, len(x))
	for i, v := range x {
		// What cannot be squared cannot be averaged either.
		if !math.IsNaN(v) && math.Abs(v) < 1e150 {
			values, at = append(values, v), append(at, i)
		}
	}
	if missing := len(x) - len(values); missing > 0 {
		warnings = append(warnings, fmt.Sprintf("%d of %d values are no numbers and were left out", missing, len(x)))
	}
	return values, at, warnings
}

// relative returns x on a scale on which differences are relative changes: logarithms where every value is positive, else
// shares of the median. It reports false where neither is possible.
func relative(x []float64) ([]float64, bool) {
	y := make([]float64, len(x))
	if len(x) > 0 && slices.Min(x) > 0 {
		for i, v := range x {
			y[i] = math.Log(v)
		}
		return y, true
	}
	m := median(x)
	if !(m > 0) {
		return nil, false
	}
	for i, v := range x {
		y[i] = v/m - 1
		if math.IsInf(y[i], 0) {
			return nil, false
		}
	}
	return y, true
}

// ratio turns a difference of logarithms into a relative change: ratio(ln 1.2) = 0.2.
func ratio(d float64) float64 { return math.Expm1(d) }

// constant reports whether all values are the same.
func constant(x []float64) bool {
	for _, v := range x {
		if v != x[0] {
			return false
		}
	}
	return true
}

// median returns the median, NaN of nothing.
func median(x []float64) float64 { return quantileOf(slices.Sorted(slices.Values(x)), 0.5) }

// quantileOf returns the q-quantile of a sorted slice by linear interpolation (type 7 of Hyndman and Fan), NaN of nothing.
func quantileOf(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	i := min(max(0, int(at)), len(sorted)-1)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	f := at - float64(i)
	return sorted[i]*(1-f) + sorted[i+1]*f
}

// madn returns the median absolute deviation from centre, scaled to the standard deviation of a normal distribution.
func madn(x []float64, centre float64) float64 {
	d := make([]float64, len(x))
	for i, v := range x {
		d[i] = math.Abs(v - centre)
	}
	return 1.4826 * median(d)
}

// moments returns the mean and the variance (n-1).
func moments(x []float64) (mean, variance float64) {
	if len(x) == 0 {
		return math.NaN(), math.NaN()
	}
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	if len(x) < 2 {
		return mean, 0
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean)
	}
	return mean, variance / float64(len(x)-1)
}

// lag1 returns the first autocorrelation, 0 where it is not defined.
func lag1(x []float64) float64 {
	mean, _ := moments(x)
	var up, down float64
	for i, v := range x {
		down += (v - mean) * (v - mean)
		if i > 0 {
			up += (v - mean) * (x[i-1] - mean)
		}
	}
	if !(down > 0) {
		return 0
	}
	return up / down
}

// blocks cuts x into k runs of nearly the same length and returns what of makes of each. len(x) must be at least k.
func blocks(x []float64, k int, of func([]float64) float64) []float64 {
	b := make([]float64, k)
	for i := range b {
		b[i] = of(x[i*len(x)/k : (i+1)*len(x)/k])
	}
	return b
}

func meanOf(x []float64) float64 { m, _ := moments(x); return m }

// normalTail returns P(Z > z) of the standard normal distribution.
func normalTail(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

// tTail returns P(T > t) of Student's distribution.
func tTail(t, df float64) float64 {
	if !(df > 0) {
		return 1
	}
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Survival(t)
}

// duration returns n intervals of d.
func duration(n int, d time.Duration) time.Duration { return time.Duration(n) * d }
