package stat

import (
	"fmt"
	"math"
	"slices"
)

// ChangeOptions configure ChangePoints. The zero value of each field is its default.
type ChangeOptions struct {
	Last      int     // values looked at, the newest ones; default 100
	Window    int     // values compared at once; default 50
	P         float64 // a change that chance makes more often is none; default 0.001
	Magnitude float64 // the least relative change; default 0.05
	Segment   int     // the fewest values between two changes, and after the last one; default 3
}

// ChangePoint is where the level of a series changed.
type ChangePoint struct {
	At            int      // index of the first value of the new level
	Before, After float64  // the levels: geometric means where all values are positive, else medians
	Change        float64  // relative: 0.1 is 10% more
	Interval      Interval // of Change, as if it were known that the level changed there and nowhere else
	P             float64  // how often chance makes as great a difference between these two segments
}

// Changes are the change points of a series, in its order.
type Changes struct {
	Points   []ChangePoint
	Outliers []int // values that stand alone, which were left out
	Warnings []string
}

const (
	outlierReach   = 5   // neighbours on each side
	outlierMADs    = 5.0 // beyond which a value stands out
	mostRho        = 0.8
	changePersists = 4 // how far a change may move between two analyses and still be the same
)

// ChangePoints finds where a series of run values changed its level.
//
// Candidates are the splits with the greatest energy distance (E-divisive means: Matteson and James, J. Am. Stat. Assoc.
// 109, 2014) in overlapping windows, tested by Student's t, split again, and then weeded out from the weakest on until each
// stands between its neighbours (Fleming et al., Hunter, ICPE 2023). Different from there: every interval is tested, a
// point's both neighbours are tested anew when it goes, segments have a least length, one or two values
// that stand alone are left out (never the newest), and the t-test allows for autocorrelation between runs.
//
// It assumes that levels stay for a while and that the noise around them is the same, on a relative scale. Analysed again
// after each new value it finds about ten times as many false changes as once: alert on those that Persist.
func ChangePoints(o ChangeOptions, x []float64) Changes {
	o = o.withDefaults()
	var c Changes
	values, at, warnings := finite(x)
	c.Warnings = warnings
	if skip := len(values) - o.Last; skip > 0 {
		values, at = values[skip:], at[skip:]
	}
	if len(values) < 2*o.Segment {
		c.Warnings = append(c.Warnings, fmt.Sprintf("finding a change needs %d values, has %d", 2*o.Segment, len(values)))
		return c
	}
	y, ok := relative(values)
	if !ok {
		c.Warnings = append(c.Warnings, "the values have no positive median, so there are no relative changes")
		return c
	}
	keep := withoutOutliers(y, o.Segment)
	for i := range y {
		if !keep[i] {
			c.Outliers = append(c.Outliers, at[i])
		}
	}
	d := divider{o: o, y: choose(y, keep)}
	values, at = choose(values, keep), choose(at, keep)
	cuts := d.weed(d.candidates())
	for i, cut := range cuts {
		left, right := bounds(cuts, i, len(d.y))
		p, change := d.compare(left, cut, right)
		c.Points = append(c.Points, ChangePoint{
			At: at[cut], Before: typicalOf(values[left:cut]), After: typicalOf(values[cut:right]), Change: change, P: p,
			Interval: d.interval(left, cut, right),
		})
	}
	return c
}

func (o ChangeOptions) withDefaults() ChangeOptions {
	if o.Last <= 0 {
		o.Last = 100
	}
	if o.Window <= 0 {
		o.Window = 50
	}
	if o.P <= 0 {
		o.P = 0.001
	}
	if o.Magnitude <= 0 {
		o.Magnitude = 0.05
	}
	if o.Segment <= 0 {
		o.Segment = 3
	}
	o.Window = max(o.Window, 2*o.Segment)
	return o
}

// Persist returns those points of an analysis that the analysis before, of the series without its newest value, had too: in
// the same direction and at most four values away. Only they are worth an alert (FBDetect, SOSP 2024, drops what does not
// persist likewise).
func Persist(before, now []ChangePoint) []ChangePoint {
	var kept []ChangePoint
	for _, p := range now {
		if slices.ContainsFunc(before, func(q ChangePoint) bool {
			return max(p.At-q.At, q.At-p.At) <= changePersists && (p.Change > 0) == (q.Change > 0)
		}) {
			kept = append(kept, p)
		}
	}
	return kept
}

// withoutOutliers tells which values are no outliers: those are far from the median of their neighbours (Hampel's
// identifier), and fewer in a row than make a level. Of the newest values nobody knows what they are.
func withoutOutliers(y []float64, level int) []bool {
	n := len(y)
	far, keep := make([]bool, n), make([]bool, n)
	for i := range y {
		low, high := max(0, i-outlierReach), min(n, i+outlierReach+1)
		around := slices.Concat(y[low:i], y[i+1:high])
		centre := median(around)
		spread := madn(around, centre)
		far[i] = len(around) >= outlierReach && math.Abs(y[i]-centre) > outlierMADs*spread && spread > 0
	}
	for i := 0; i < n; {
		end := i
		for end < n && far[end] == far[i] {
			end++
		}
		for k := i; k < end; k++ {
			keep[k] = !far[i] || end-i >= level || end == n
		}
		i = end
	}
	return keep
}

func choose[T any](x []T, keep []bool) []T {
	var kept []T
	for i, v := range x {
		if keep[i] {
			kept = append(kept, v)
		}
	}
	return kept
}

// typicalOf is the level of values as a person would give it.
func typicalOf(x []float64) float64 {
	if slices.Min(x) <= 0 {
		return median(x)
	}
	sum := 0.0
	for _, v := range x {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(x)))
}

// divider finds changes in y, which is on a relative scale.
type divider struct {
	o   ChangeOptions
	y   []float64
	rho float64 // of y without its levels, once it was weeded
}

// candidates returns where windows over the series may be cut, with a p-value that chance passes more often than the final one.
func (d *divider) candidates() []int {
	var cuts []int
	first := d.o.P
	switch {
	case first < 0.05:
		first *= 10
	case first < 0.5:
		first *= 2
	}
	for start := 0; ; {
		end := min(start+d.o.Window, len(d.y))
		found := d.divide(start, end, first, nil)
		slices.Sort(found)
		cuts = append(cuts, found...)
		if end == len(d.y) {
			break
		}
		start += d.o.Window / 2
		if len(found) > 0 {
			start = max(start, found[len(found)-1])
		}
	}
	slices.Sort(cuts)
	return slices.Compact(cuts)
}

// divide cuts [from, to) where the energy distance is greatest, and then both parts.
func (d *divider) divide(from, to int, p float64, cuts []int) []int {
	for _, cut := range d.best(from, to) {
		if got, _ := test(d.y[from:cut], d.y[cut:to], 0); got <= p {
			return d.divide(cut, to, p, d.divide(from, cut, p, append(cuts, cut)))
		}
	}
	return cuts
}

// best returns the cuts of [from, to) with the greatest energy distance between what is left of it and any piece that
// follows it, and between what is left and all that follows: a hump hides a step from the one, and the other way round.
// There are none where it is too short.
func (d *divider) best(from, to int) []int {
	y := d.y[from:to]
	n, least := len(y), d.o.Segment
	sums := distances(y)
	var piece, rest int
	greatestPiece, greatestRest := math.Inf(-1), math.Inf(-1)
	var left float64 // Σ|yi-yj| over the pairs of y[:cut]
	for cut := range n {
		if cut > 0 {
			left += sums[cut-1][cut-1]
		}
		if cut < least {
			continue
		}
		var between, right float64 // over the pairs across the cut, and of y[cut:end+1]
		for end := cut; end < n; end++ {
			between += sums[end][cut]
			right += sums[end][end] - sums[end][cut]
			if end+1-cut < least {
				continue
			}
			a, b := float64(cut), float64(end+1-cut)
			q := 2/(a+b)*between - 2*b/((a+b)*(a-1))*left - 2*a/((a+b)*(b-1))*right
			if q > greatestPiece {
				piece, greatestPiece = from+cut, q
			}
			if end == n-1 && q > greatestRest {
				rest, greatestRest = from+cut, q
			}
		}
	}
	if n < 2*least {
		return nil
	}
	return []int{piece, rest}
}

// distances returns for each j the sums Σ|yi-yj| over i < k, for every k up to j.
func distances(y []float64) [][]float64 {
	sums := make([][]float64, len(y))
	for j := range y {
		row := make([]float64, j+1)
		for i := range j {
			row[i+1] = row[i] + math.Abs(y[i]-y[j])
		}
		sums[j] = row
	}
	return sums
}

// weed takes away the weakest cut, again and again, until all that are left are beyond chance and great enough.
func (d *divider) weed(cuts []int) []int {
	for len(cuts) > 0 {
		d.rho = d.autocorrelation(cuts)
		weakest, least := -1, -1
		var p, size float64 // of these
		for i, cut := range cuts {
			left, right := bounds(cuts, i, len(d.y))
			pi, change := d.compare(left, cut, right)
			if min(cut-left, right-cut) < d.o.Segment {
				pi = 1
			}
			if si := math.Max(math.Abs(change), math.Abs(1/(1+change)-1)); least < 0 || si < size {
				least, size = i, si
			}
			if weakest < 0 || pi > p {
				weakest, p = i, pi
			}
		}
		switch {
		case p >= d.o.P:
			cuts = slices.Delete(cuts, weakest, weakest+1)
		case size < d.o.Magnitude:
			cuts = slices.Delete(cuts, least, least+1)
		default:
			return cuts
		}
	}
	return nil
}

// bounds returns where the segments on both sides of a cut end.
func bounds(cuts []int, i, n int) (left, right int) {
	right = n
	if i > 0 {
		left = cuts[i-1]
	}
	if i+1 < len(cuts) {
		right = cuts[i+1]
	}
	return left, right
}

// compare tests the segments on both sides of a cut, and returns the relative change.
func (d *divider) compare(left, cut, right int) (p, change float64) {
	p, difference := test(d.y[left:cut], d.y[cut:right], d.rho)
	return p, ratio(difference)
}

// interval returns that of the relative change at a cut.
func (d *divider) interval(left, cut, right int) Interval {
	difference, se, df := meansOf(d.y[left:cut], d.y[cut:right], d.rho)
	if df <= 0 {
		return Interval{Low: -1, High: math.Inf(1)}
	}
	half := 0.0
	if se > 0 {
		half = critical(tail, df) * se
	}
	return Interval{Low: ratio(difference - half), High: ratio(difference + half)}
}

// autocorrelation returns the first autocorrelation of what is left of the series without its levels, corrected for the
// bias of short series (Kendall, Biometrika 41, 1954).
func (d *divider) autocorrelation(cuts []int) float64 {
	var up, down float64
	from := 0
	for i := range len(cuts) + 1 {
		to := len(d.y)
		if i < len(cuts) {
			to = cuts[i]
		}
		mean := meanOf(d.y[from:to])
		for k := from; k < to; k++ {
			down += (d.y[k] - mean) * (d.y[k] - mean)
			if k > from {
				up += (d.y[k] - mean) * (d.y[k-1] - mean)
			}
		}
		from = to
	}
	if !(down > 0) {
		return 0
	}
	rho := up / down
	n := float64(len(d.y)) / float64(len(cuts)+1)
	return min(mostRho, max(0, rho+1/n))
}

// test is Student's two-sided test of two means with a common variance, see meansOf.
func test(a, b []float64, rho float64) (p, difference float64) {
	difference, se, df := meansOf(a, b, rho)
	switch {
	case df <= 0, se == 0 && difference == 0:
		return 1, difference
	case se == 0:
		return 0, difference // no noise at all
	}
	return 2 * tTail(math.Abs(difference)/se, df), difference
}

// meansOf returns the difference of two means, its standard error if both have the same variance, and the degrees of freedom
// of that. With autocorrelation rho the standard error is multiplied by √((1+rho)/(1-rho)) and the degrees of freedom divided
// by its square (Bayley and Hammersley, J. R. Stat. Soc. Suppl. 8, 1946).
func meansOf(a, b []float64, rho float64) (difference, se, df float64) {
	meanA, varA := moments(a)
	meanB, varB := moments(b)
	na, nb := float64(len(a)), float64(len(b))
	difference = meanB - meanA
	df = na + nb - 2
	if df <= 0 {
		return difference, 0, 0
	}
	inflation := (1 + rho) / (1 - rho)
	se = math.Sqrt((varA*(na-1) + varB*(nb-1)) / df * (1/na + 1/nb) * inflation)
	if !(se > 1e-12*math.Max(math.Abs(meanA), math.Abs(meanB))) {
		se = 0
	}
	return difference, se, max(1, df/inflation)
}
