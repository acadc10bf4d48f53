package user

import (
	"errors"
	"fmt"
	"math"

	"tidegauge/engine/plan"
)

// maxCycle bounds the length of a cycle of classes: the weights of a plan are rounded to parts of it if their sum,
// after division by their common divisor, is greater.
const maxCycle = 1 << 16

// ClassOf returns the class of the i-th user (from 0) of the closed model: fixed counts first, in proportion to each
// other, then by weight, as evenly as whole numbers allow, and such that n users are always the first n of n+1. This is
// Locust's distribution (smooth weighted round robin) with the weights as they are, where Locust rounds them to small ones.
func (m *Mix) ClassOf(i int) int {
	if i < len(m.fixed) {
		return int(m.fixed[i])
	}
	if len(m.weighted) == 0 {
		return int(m.fixed[i%len(m.fixed)])
	}
	return int(m.weighted[(i-len(m.fixed))%len(m.weighted)])
}

// ClassFor returns the class of the n-th arrival (from 0) of the open model, by weight and as evenly. Fixed counts, which
// count users, say nothing there, unless no class has a weight.
func (m *Mix) ClassFor(n uint64) int { return int(m.arrivals[n%uint64(len(m.arrivals))]) }

// spread computes who is of which class.
func (m *Mix) spread(s *plan.Shape) error {
	var fixed, weighted, all []int
	count := 0
	for i := range m.classes {
		c := &m.classes[i]
		count += c.fixed
		fixed = append(fixed, c.fixed)
		all = append(all, c.weight)
		if c.fixed > 0 {
			weighted = append(weighted, 0)
		} else {
			weighted = append(weighted, c.weight)
		}
	}
	m.fixed, m.weighted, m.arrivals = smooth(fixed, count), smooth(weighted, 0), smooth(all, 0)
	if len(m.arrivals) == 0 {
		m.arrivals = m.fixed
	}
	if len(m.arrivals) == 0 {
		return errors.New("all user classes have the weight 0, expected at least one of 1 or more")
	}
	if s.Model == plan.Open || len(m.weighted) > 0 {
		return nil
	}
	for _, stage := range s.Stages {
		if users := int(math.Ceil(max(stage.From, stage.To))); users > count {
			return fmt.Errorf("it asks for %d users, but its classes have fixed counts, %d in all: ask for %d users at most, or leave fixed out of a class",
				users, count, count)
		}
	}
	return nil
}

// smooth returns one cycle of smooth weighted round robin over the weights, as nginx does it: at each turn everyone gains
// its weight, the one with most is chosen (of several the first) and gives back the sum. After n turns each was chosen
// n·weight/sum times, give or take one. length is that of the cycle, 0 for the shortest that is exact.
func smooth(weights []int, length int) []uint16 {
	weights, sum := reduce(weights, length > 0)
	if sum == 0 {
		return nil
	}
	cycle := make([]uint16, max(sum, length))
	gained := make([]int, len(weights))
	for turn := range cycle {
		best := -1
		for i, w := range weights {
			if gained[i] += w; w > 0 && (best < 0 || gained[i] > gained[best]) {
				best = i
			}
		}
		gained[best] -= sum
		cycle[turn] = uint16(best)
	}
	return cycle
}

// reduce divides weights by their greatest common divisor, and, unless they must stay exact, rounds them so that their
// sum is about maxCycle at most. None but 0 becomes 0.
func reduce(weights []int, exact bool) (reduced []int, sum int) {
	divisor := 0
	total := 0.0
	for _, w := range weights {
		w = max(w, 0)
		total += float64(w)
		for a, b := divisor, w; ; a, b = b, a%b {
			if b == 0 {
				divisor = a
				break
			}
		}
	}
	if divisor == 0 {
		return nil, 0
	}
	round := !exact && total/float64(divisor) > maxCycle
	for _, w := range weights {
		w = max(w, 0)
		switch {
		case w > 0 && round:
			w = max(1, int(math.Round(float64(w)/total*maxCycle)))
		default:
			w /= divisor
		}
		reduced = append(reduced, w)
		sum += w
	}
	return reduced, sum
}
