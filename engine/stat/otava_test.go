package stat

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"slices"
	"testing"
)

// outside are series with known change points from other projects. They are no part of this one.
const outside = "../../../shared/data/changepoints.json"

type outsideCase struct {
	Name      string
	Kind      string
	Window    int
	P         float64
	Magnitude float64 `json:"min_magnitude"`
	Expected  []int
	Series    string
}

func TestOutsideSeries(t *testing.T) {
	text, err := os.ReadFile(outside)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("the series with known change points are not here: %s", outside)
	}
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases  []outsideCase
		Series map[string][]float64
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			x := file.Series[c.Series]
			if c.Window > 0 { // exact, by Otava's rules
				if got := (otava{c.Window, c.P, c.Magnitude}).changes(x); !slices.Equal(got, c.Expected) {
					t.Errorf("changes at %v, want %v", got, c.Expected)
				}
				return
			}
			got := ats(ChangePoints(ChangeOptions{Last: len(x)}, x).Points)
			// One of the series also creeps, which levels can only follow in steps: two more.
			if matched(got, c.Expected, 3) != len(c.Expected) || len(got) > len(c.Expected)+2 {
				t.Errorf("changes at %v, want %v to within 3 with at most two more", got, c.Expected)
			}
		})
	}
}

// otava finds change points exactly as Apache Otava does, its defects included: the population's deviation in Student's
// test, only the right neighbour tested anew when a point goes, and no more splits in a window once the best one fails. It
// proves that the arithmetic is the same.
type otava struct {
	window       int
	p, magnitude float64
}

type otavaPoint struct {
	at   int
	p    float64
	size float64
}

func (o otava) changes(x []float64) []int {
	points := o.merge(x, o.split(x))
	var at []int
	for _, p := range points {
		at = append(at, p.at)
	}
	return at
}

func (o otava) split(x []float64) []int {
	p := o.p
	switch {
	case p < 0.05:
		p *= 10
	case p < 0.5:
		p *= 2
	}
	var all []int
	for start := 0; start < len(x); {
		end := min(start+o.window, len(x))
		found := o.divideWindow(x[start:end], p)
		for i := range found {
			found[i] += start
		}
		slices.Sort(found)
		last := 0
		if len(found) > 0 {
			last = found[len(found)-1]
		}
		for _, f := range found {
			if !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
		start = max(last, start+o.window/2)
	}
	slices.Sort(all)
	return all
}

// divideWindow splits one window: the best candidate over all of its intervals, until one fails.
func (o otava) divideWindow(x []float64, p float64) []int {
	var cuts []int
	for {
		edges := append(append([]int{0}, cuts...), len(x))
		slices.Sort(edges)
		best, greatest, left, right := -1, math.Inf(-1), 0, 0
		for i := 0; i+1 < len(edges); i++ {
			cut, q := energy(x[edges[i]:edges[i+1]])
			if cut >= 0 && q > greatest {
				best, greatest, left, right = edges[i]+cut, q, edges[i], edges[i+1]
			}
		}
		if best < 0 {
			return cuts
		}
		if got := populationTest(x[left:best], x[best:right]); !(got <= p) {
			return cuts
		}
		cuts = append(cuts, best)
	}
}

// energy returns the best cut of a window and its distance, by the definition.
func energy(x []float64) (cut int, greatest float64) {
	cut, greatest = -1, math.Inf(-1)
	for tau := 1; tau < len(x); tau++ {
		for kappa := tau + 1; kappa <= len(x); kappa++ {
			a, b := x[:tau], x[tau:kappa]
			var across, left, right float64
			for i, v := range a {
				for _, w := range b {
					across += math.Abs(v - w)
				}
				for _, w := range a[:i] {
					left += math.Abs(v - w)
				}
			}
			for i, v := range b {
				for _, w := range b[:i] {
					right += math.Abs(v - w)
				}
			}
			m, n := float64(len(a)), float64(len(b))
			q := 2 / (m + n) * across
			if m > 1 {
				q -= 2 * n / ((m + n) * (m - 1)) * left
			}
			if n > 1 {
				q -= 2 * m / ((m + n) * (n - 1)) * right
			}
			if q > greatest {
				cut, greatest = tau, q
			}
		}
	}
	return cut, greatest
}

func populationTest(a, b []float64) float64 {
	na, nb := float64(len(a)), float64(len(b))
	meanA, varA := moments(a)
	meanB, varB := moments(b)
	if na+nb <= 2 {
		return 1
	}
	// Its deviations divide by n, and are given to a test that takes them for those of n-1.
	varA, varB = varA*(na-1)/na, varB*(nb-1)/nb
	df := na + nb - 2
	se := math.Sqrt(((na-1)*varA + (nb-1)*varB) / df * (1/na + 1/nb))
	if se == 0 {
		if meanA == meanB {
			return 1
		}
		return 0
	}
	return 2 * tTail(math.Abs(meanA-meanB)/se, df)
}

func (o otava) merge(x []float64, cuts []int) []otavaPoint {
	points := make([]otavaPoint, len(cuts))
	measure := func(i int) {
		left, right := 0, len(x)
		if i > 0 {
			left = points[i-1].at
		}
		if i+1 < len(points) {
			right = points[i+1].at
		}
		a, b := x[left:points[i].at], x[points[i].at:right]
		points[i].p = populationTest(a, b)
		m1, m2 := meanOf(a), meanOf(b)
		points[i].size = math.Max(math.Abs(m2/m1-1), math.Abs(m1/m2-1))
	}
	for i, c := range cuts {
		points[i].at = c
	}
	for i := range points {
		measure(i)
	}
	remove := func(i int) {
		points = slices.Delete(points, i, i+1)
		for k := i; k <= i+1 && k < len(points); k++ {
			measure(k)
		}
	}
	for len(points) > 0 {
		worst := 0
		for i := range points {
			if points[i].p > points[worst].p {
				worst = i
			}
		}
		if points[worst].p < o.p {
			break
		}
		remove(worst)
	}
	for len(points) > 0 && o.magnitude > 0 {
		least := 0
		for i := range points {
			if points[i].size < points[least].size {
				least = i
			}
		}
		if points[least].size > o.magnitude {
			break
		}
		remove(least)
	}
	return points
}
