// Package stat compares samples; it knows nothing of load tests.
//
// Each file holds one method with its one assumption. Where a sample does not carry a method's assumption, the result
// says so in its Warnings instead of giving a number that looks like any other.
package stat

import "math"

// Confidence is the coverage of every interval of this package.
const Confidence = 0.95

const (
	tail = (1 - Confidence) / 2
	z975 = 1.959963984540054 // the 97.5% point of the standard normal distribution
)

// Interval is a two-sided 95% confidence interval. An end of which the sample says nothing is infinite.
type Interval struct {
	Low, High float64
	Warnings  []string // assumptions that do not hold, each for a person to read
}

// Contains reports whether v lies in the interval, its ends included.
func (i Interval) Contains(v float64) bool { return i.Low <= v && v <= i.High }

// nothing is the interval that no observation gives.
func nothing() Interval {
	return Interval{Low: math.Inf(-1), High: math.Inf(1), Warnings: []string{"there are no observations"}}
}
