package stat

import "math"

// RatioInterval returns Wilson's score interval of a ratio of which k of n observations were seen (Wilson, JASA 22, 1927;
// recommended by Brown, Cai and DasGupta, Statistical Science 16, 2001). It is sound for few observations and for ratios
// near 0 and 1.
//
// It assumes that each observation falls one way or the other independently of the rest. Failures that come in bursts
// make the true interval wider.
func RatioInterval(k, n uint64) Interval {
	if n == 0 {
		return Interval{Low: 0, High: 1, Warnings: []string{"there are no observations"}}
	}
	nf := float64(n)
	p := float64(k) / nf
	z2 := z975 * z975
	centre := (p + z2/(2*nf)) / (1 + z2/nf)
	half := z975 / (1 + z2/nf) * math.Sqrt(p*(1-p)/nf+z2/(4*nf*nf))
	i := Interval{Low: max(0, centre-half), High: min(1, centre+half)}
	// At the ends the formula gives 0 and 1 but for rounding.
	if k == 0 {
		i.Low = 0
	}
	if k == n {
		i.High = 1
	}
	return i
}
