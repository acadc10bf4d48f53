package stat

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// SenSlope returns the median of the slopes between all pairs of values, per step, and its interval (Sen, JASA 63, 1968;
// Gilbert, Statistical Methods for Environmental Pollution Monitoring, 1987, section 16.5) with the variance of S that
// MannKendall gave for the same series, autocorrelation included.
//
// It assumes a trend near a straight line. With fewer than ten values the ranks of the interval may not exist: its ends are
// infinite then.
func SenSlope(x []float64, variance float64) (slope float64, i Interval) {
	n := len(x)
	slopes := make([]float64, 0, n*(n-1)/2)
	for a := range x {
		for b := a + 1; b < n; b++ {
			slopes = append(slopes, (x[b]-x[a])/float64(b-a))
		}
	}
	if len(slopes) == 0 {
		i = nothing()
		i.Warnings = []string{"a slope needs at least 2 values"}
		return math.NaN(), i
	}
	slices.Sort(slopes)
	i = Interval{Low: math.Inf(-1), High: math.Inf(1)}
	if constant(x) {
		// The variance of S is 0 as well.
		return 0, Interval{}
	}
	count, c := float64(len(slopes)), z975*math.Sqrt(max(0, variance))
	if !(c < count) {
		return quantileOf(slopes, 0.5), i
	}
	// Ranks from 1: the (count-c)/2-th and the ((count+c)/2+1)-th.
	if low := int(math.Floor((count-c)/2)) - 1; low >= 0 {
		i.Low = slopes[low]
	}
	if high := int(math.Ceil((count + c) / 2)); high < len(slopes) {
		i.High = slopes[high]
	}
	return quantileOf(slopes, 0.5), i
}

// mostDrift bounds the values of a drift: more are taken together, since the pairs of them grow with their square.
const mostDrift = 60

// DriftOf returns how much a series changed from its beginning to its end by Sen's slope, relative to where its line
// begins, with the interval of the slope. Its variance allows for first-order autocorrelation, freed of the bias that
// taking away a line leaves, -(2+4ρ)/n (of the kind of Marriott and Pope, Biometrika 41, 1954), and its quantile is Student's
// with the effective number of values, since that autocorrelation is estimated from as few. It reports false where there are
// fewer than 10 values or the line does not begin above 0.
func DriftOf(x []float64) (change float64, i Interval, ok bool) {
	values, _, warnings := finite(x)
	if len(values) < 10 {
		return 0, Interval{}, false
	}
	b := blocks(values, min(len(values), mostDrift), meanOf)
	n := float64(len(b))
	rho := 0.0
	if !constant(b) {
		slope, _ := SenSlope(b, 0)
		rho = max(0, (n*lag1(residuals(b, slope))+2)/(n-4))
	}
	effective := n / inflation(len(b), rho)
	widen := distuv.StudentsT{Sigma: 1, Nu: max(2, effective-2)}.Quantile(0.975) / z975
	slope, i := SenSlope(b, widen*widen*MannKendall(b, rho).Variance)
	start := levelOf(b, slope)
	if !(start > 0) {
		return 0, Interval{}, false
	}
	return slope * n / start, Interval{Low: i.Low * n / start, High: i.High * n / start, Warnings: append(warnings, i.Warnings...)}, true
}
