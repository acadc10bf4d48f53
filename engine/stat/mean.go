package stat

import (
	"fmt"
	"math"
)

// MinMean is how many observations the interval of a mean needs at least.
const MinMean = 30

// MeanInterval returns the interval of a mean from the sample's mean, its variance and its size, by the central limit
// theorem.
//
// It assumes independent observations with a finite variance, enough of them for the mean to be normal. A heavy tail makes
// that slow: the interval of the median or of another quantile assumes less.
func MeanInterval(mean, variance float64, n uint64) Interval {
	if n == 0 {
		return nothing()
	}
	half := z975 * math.Sqrt(max(0, variance)/float64(n))
	i := Interval{Low: mean - half, High: mean + half}
	if n < MinMean {
		i.Warnings = append(i.Warnings, fmt.Sprintf("a mean needs %d observations, has %d", MinMean, n))
	}
	return i
}
