package stat

import (
	"fmt"
	"math"
	"strconv"

	"gonum.org/v1/gonum/stat/distuv"
)

// MinBeyond is how many observations must lie beyond a quantile for it to be more than the luck of a few of them.
const MinBeyond = 30

// Ordered is a sample that can be asked for its order statistics.
type Ordered interface {
	// Count returns the number of observations.
	Count() uint64
	// Quantile returns the q-quantile, 0 <= q <= 1; at q = (r-0.5)/n that is the r-th smallest observation.
	Quantile(q float64) float64
}

// QuantileInterval returns a distribution-free interval of the q-quantile, 0 < q < 1, of what s was drawn from.
//
// The number of observations at or below the true quantile is binomial (n, q), so it lies between the l-th and the u-th
// smallest observation with the probability that l <= B < u; l and u leave at most 2.5% on each side (Conover, Practical
// Nonparametric Statistics, 3rd ed., section 3.2; Hahn and Meeker, Statistical Intervals, section 5.2).
//
// An end for which there is no such observation is infinite.
//
// It assumes independent observations. Where they follow one another closely, as the answers of one server do, the true
// interval is wider.
func QuantileInterval(s Ordered, q float64) Interval {
	n := s.Count()
	if n == 0 {
		return nothing()
	}
	var i Interval
	if w := QuantileWarning(n, q); w != "" {
		i.Warnings = append(i.Warnings, w)
	}
	i.Low, i.High = math.Inf(-1), math.Inf(1)
	l, u := quantileRanks(n, q)
	if l >= 1 {
		i.Low = s.Quantile(atRank(l, n))
	}
	if u <= n {
		i.High = s.Quantile(atRank(u, n))
	}
	return i
}

// QuantileWarning says what is missing when n observations are too few for the q-quantile, or returns "": at least
// MinBeyond of them have to lie beyond it, n·min(q, 1-q) >= MinBeyond.
func QuantileWarning(n uint64, q float64) string {
	beyond := float64(n) * min(q, 1-q)
	if beyond >= MinBeyond-1e-9 {
		return ""
	}
	return fmt.Sprintf("p%s needs %d observations beyond it, has %d", percent(q), MinBeyond, uint64(beyond+1e-9))
}

// percent returns q·100 without the digits that binary fractions add.
func percent(q float64) string {
	return strconv.FormatFloat(math.Round(q*1e8)/1e6, 'f', -1, 64)
}

func atRank(r, n uint64) float64 { return (float64(r) - 0.5) / float64(n) }

// quantileRanks returns the ranks l and u, counted from 1; l = 0 and u = n+1 mean that there is no such observation.
func quantileRanks(n uint64, q float64) (l, u uint64) {
	b := distuv.Binomial{N: float64(n), P: q}
	// l is the greatest rank with P(B <= l-1) <= tail, u the least with P(B <= u-1) >= 1-tail.
	l = firstRank(n, func(k uint64) bool { return b.CDF(float64(k)) > tail })
	u = firstRank(n, func(k uint64) bool { return b.CDF(float64(k)) >= 1-tail }) + 1
	return l, u
}

// firstRank returns the least k in 0..n for which holds is true; holds is monotone and true for n.
func firstRank(n uint64, holds func(uint64) bool) uint64 {
	lo, hi := uint64(0), n
	for lo < hi {
		mid := lo + (hi-lo)/2
		if holds(mid) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}
