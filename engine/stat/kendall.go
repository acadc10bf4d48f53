package stat

import (
	"math"
	"slices"
)

// Kendall is the Mann-Kendall test for a trend.
type Kendall struct {
	S        float64 // pairs that rise minus pairs that fall
	Variance float64 // of S without a trend
	Rising   float64 // the p-value of "no trend" against a rise
	Falling  float64 // the p-value of "no trend" against a fall
}

// MannKendall tests a series for a monotone trend (Mann, Econometrica 13, 1945; Kendall, Rank Correlation Methods, 4th ed.,
// with its correction for ties). rho is the first autocorrelation of the series without its trend: the variance of S is
// multiplied by 1 + 2·Σ(1-i/n)·rhoⁱ (Yue and Wang, Water Resources Management 18, 2004), and by no less than 1.
//
// It assumes that the series without its trend is stationary, and with rho = 0 that its values are independent. The normal
// approximation needs ten values. A series with fewer than three values gives p-values of 1.
func MannKendall(x []float64, rho float64) Kendall {
	n := len(x)
	k := Kendall{Rising: 1, Falling: 1}
	for i, a := range x {
		for _, b := range x[i+1:] {
			switch {
			case b > a:
				k.S++
			case b < a:
				k.S--
			}
		}
	}
	nf := float64(n)
	k.Variance = nf * (nf - 1) * (2*nf + 5) / 18
	for _, t := range ties(x) {
		k.Variance -= t * (t - 1) * (2*t + 5) / 18
	}
	k.Variance *= inflation(n, rho)
	if n < 3 || !(k.Variance > 0) {
		return k
	}
	sd := math.Sqrt(k.Variance)
	k.Rising = normalTail((k.S - 1) / sd)
	k.Falling = normalTail((-k.S - 1) / sd)
	return k
}

// inflation is how many times greater the variance of a sum over n values with first autocorrelation rho is.
func inflation(n int, rho float64) float64 {
	c, power := 1.0, 1.0
	rho = min(rho, 0.99)
	for i := 1; i < n && rho > 0; i++ {
		power *= rho
		c += 2 * (1 - float64(i)/float64(n)) * power
	}
	return c
}

// ties returns how often each value occurs that occurs more than once.
func ties(x []float64) []float64 {
	s := slices.Sorted(slices.Values(x))
	var groups []float64
	for i := 0; i < len(s); {
		j := i
		for j < len(s) && s[j] == s[i] {
			j++
		}
		if j-i > 1 {
			groups = append(groups, float64(j-i))
		}
		i = max(j, i+1)
	}
	return groups
}
