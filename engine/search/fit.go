package search

import (
	"maps"
	"math"
	"slices"
)

const (
	lapseFail = 0.05 // share of trials that fail whatever the load: a stall, a burst of errors
	lapsePass = 0.01 // share of trials that pass whatever the load
	gridSteps = 800  // over the logarithm of the load
	noisy     = 0.04 // spread from which on the interval of the fit covers less than its name
	reach     = 6    // how far beyond the load that failed in the growth phase the capacity may lie after all
)

// spreads are the standard deviations of ln capacity from trial to trial that are thought possible.
var spreads = [...]float64{0.01, 0.02, 0.04, 0.08}

// grid is the posterior of (ln capacity, spread).
type grid struct {
	low, step float64
	p         [][gridSteps]float64 // by spread
}

// newGrid returns a uniform prior from one load to another.
func newGrid(low, high float64) grid {
	g := grid{low: math.Log(low), step: math.Log(high/low) / (gridSteps - 1), p: make([][gridSteps]float64, len(spreads))}
	for i := range g.p {
		for j := range g.p[i] {
			g.p[i][j] = 1.0 / (gridSteps * float64(len(spreads)))
		}
	}
	return g
}

func (g *grid) at(j int) float64 { return math.Exp(g.low + float64(j)*g.step) }

// learn multiplies by the likelihood: a trial passes if its own capacity, log-normal about the target's, is above the load.
func (g *grid) learn(load float64, passed bool) {
	x, total := math.Log(load), 0.0
	for i := range g.p {
		for j := range g.p[i] {
			z := (g.low + float64(j)*g.step - x) / spreads[i]
			pass := lapsePass + (1-lapsePass-lapseFail)*math.Erfc(-z/math.Sqrt2)/2
			if !passed {
				pass = 1 - pass
			}
			g.p[i][j] *= pass
			total += g.p[i][j]
		}
	}
	for i := range g.p {
		for j := range g.p[i] {
			g.p[i][j] /= total
		}
	}
}

// summary is what the posterior says.
type summary struct{ median, low, high, spread float64 }

func (g *grid) summary() summary {
	var marginal [gridSteps]float64
	var s summary
	for i := range g.p {
		for j, v := range g.p[i] {
			marginal[j] += v
			s.spread += v * spreads[i]
		}
	}
	quantile := func(q float64) float64 {
		sum := 0.0
		for j, v := range marginal {
			if sum+v >= q && v > 0 {
				return math.Exp(g.low + (float64(j)-0.5+(q-sum)/v)*g.step)
			}
			sum += v
		}
		return g.at(gridSteps - 1)
	}
	s.median, s.low, s.high = quantile(0.5), quantile(0.05), quantile(0.95)
	return s
}

// grow doubles the load until two of three trials fail, three of five at the lowest load.
func (s *Search) grow() {
	passed, failed := s.count(s.next)
	need := 2 // of three
	if s.next <= s.round(s.o.Lowest) {
		need = majority // of five: to call a target doomed takes more
	}
	switch {
	case s.next >= s.ceil:
		s.limited()
	case failed >= need:
		s.bracket()
	case failed > 0 && passed < need:
		return // until one of them has the majority
	case s.next >= s.round(s.o.Highest):
		s.end(Unlimited, "it passes at the highest load, %.4g: the capacity is above", s.next)
	default:
		next := s.round(min(2*s.next, s.o.Highest))
		if next >= s.ceil {
			next = s.round(math.Sqrt(s.next * s.ceil))
		}
		if next <= s.next*(1+s.o.Width) || next >= s.ceil*(1-s.o.Width/2) {
			s.end(GeneratorLimited, "it passes at %.4g, and the generator cannot make %.4g: the capacity is above what could be tried", s.next, s.ceil)
			return
		}
		s.next = next
	}
}

// limited goes below the generator's limit, if there is something between it and what passes.
func (s *Search) limited() {
	low := s.o.Lowest
	best := 0.0
	for _, t := range s.trials {
		if p, f := s.count(t.Load); t.Load < s.ceil && p > f {
			best = max(best, t.Load)
		}
	}
	if best == 0 {
		if s.ceil <= low {
			s.end(GeneratorLimited, "the generator cannot make the lowest load, %.4g", low)
			return
		}
		best = low
	}
	next := s.round(math.Sqrt(best * s.ceil))
	if next <= best*(1+s.o.Width) || next >= s.ceil*(1-s.o.Width/2) {
		s.end(GeneratorLimited, "it passes at %.4g, and the generator cannot make %.4g: the capacity is above what could be tried", best, s.ceil)
		return
	}
	s.next = next
}

// bracket starts the fit between the last load that passed and the one that failed.
func (s *Search) bracket() {
	high := s.next
	if high <= s.round(s.o.Lowest) {
		s.end(Doomed, "it fails at the lowest load, %.4g", high)
		return
	}
	// The bracket is wider than what was seen, since a majority of three can be wrong.
	low := s.o.Lowest
	for _, t := range s.trials {
		if t.Outcome == Passed && t.Load < high {
			low = max(low, t.Load/2)
		}
	}
	s.grid = newGrid(max(low, s.o.Lowest/2), high*reach)
	for _, t := range s.trials {
		if t.Outcome != Generator {
			s.grid.learn(t.Load, t.Outcome == Passed)
		}
	}
	s.phase = Fit
	s.fit()
}

// fit asks at the posterior's median until its interval is narrow.
func (s *Search) fit() {
	g := s.grid.summary()
	width := s.o.Width
	half := math.Log(g.high/g.low) / 2
	if s.o.Whole {
		width = max(width, 0.5/g.median) // users do not come in parts
	}
	if half <= width || len(s.trials) >= s.o.Trials {
		s.phase = Confirming
		s.bounds = [2]float64{s.round(g.median / (1 + s.o.Width)), s.round(g.median * (1 + s.o.Width))}
		if s.o.Whole && s.bounds[0] == s.bounds[1] {
			s.bounds[1] = s.round(s.bounds[0] + 1)
		}
		s.confirm()
		return
	}
	s.ask(g.median)
}

// ask makes a load the next one, below what the generator can make.
func (s *Search) ask(load float64) {
	load = s.round(load)
	if load >= s.ceil {
		load = s.ceil * (1 - s.o.Width)
		if s.o.Whole {
			load = min(math.Floor(load), math.Ceil(s.ceil)-1)
		}
		if load < s.o.Lowest {
			s.end(GeneratorLimited, "the generator cannot make %.4g: there is nothing between it and the lowest load", s.ceil)
			return
		}
		load = s.round(load)
		if p, f := s.count(load); p+f >= majority && p > f {
			s.end(GeneratorLimited, "it passes at %.4g, and the generator cannot make %.4g: the capacity is above what could be tried", load, s.ceil)
			return
		}
	}
	s.next = load
}

const (
	confirmations = 5
	majority      = confirmations/2 + 1
)

// confirm tries the load below and the one above until each has a majority of five, and moves them where they turn out to
// be the other way.
func (s *Search) confirm() {
	below, above := s.bounds[0], s.bounds[1]
	switch pass, fail := s.count(below); {
	case pass < majority && fail < majority:
		s.ask(below)
		return
	case fail >= majority:
		if below <= s.round(s.o.Lowest) {
			s.end(Doomed, "it fails at the lowest load, %.4g", below)
			return
		}
		s.move(below/(1+2*s.o.Width), below)
		return
	}
	if above >= s.ceil {
		s.end(GeneratorLimited, "it passes at %.4g, and the generator cannot make %.4g: there is no upper bound", below, s.ceil)
		return
	}
	switch pass, fail := s.count(above); {
	case pass < majority && fail < majority:
		s.ask(above)
	case pass >= majority:
		if above >= s.round(s.o.Highest) {
			s.end(Unlimited, "it passes at the highest load, %.4g: the capacity is above", above)
			return
		}
		s.move(above, above*(1+2*s.o.Width))
	default:
		s.end(Found, "it carries %.4g and not %.4g, each by a majority of %d trials", below, above, confirmations)
	}
}

// maxConfirming is how many trials the confirming phase may take.
const maxConfirming = 30

func (s *Search) move(below, above float64) {
	below, above = s.round(below), s.round(above)
	if s.o.Whole && below == above {
		below, above = s.round(below-1), s.round(above+1)
	}
	if n := s.confirmed(); n >= maxConfirming || [2]float64{below, above} == s.bounds {
		s.end(Unconfirmed, "%d confirming trials did not settle on a load that is carried and one that is not", n)
		return
	}
	s.bounds = [2]float64{below, above}
	s.confirm()
}

// confirmed returns how many confirming trials there were.
func (s *Search) confirmed() (n int) {
	for _, t := range s.trials {
		if t.Phase == Confirming {
			n++
		}
	}
	return n
}

// count returns the outcomes at one load; of the confirming phase only its own, since earlier ones led there.
func (s *Search) count(load float64) (passed, failed int) {
	for _, t := range s.trials {
		if t.Load != load || (s.phase == Confirming) != (t.Phase == Confirming) {
			continue
		}
		switch t.Outcome {
		case Passed:
			passed++
		case Failed:
			failed++
		}
	}
	return passed, failed
}

// relevant returns the relevant bounds: the least load that fails by majority, and the greatest one below it that passes.
func (s *Search) relevant() (lower, upper float64) {
	if s.stop == Found {
		return s.bounds[0], s.bounds[1]
	}
	votes := map[float64]int{}
	for _, t := range s.trials {
		switch t.Outcome {
		case Passed:
			votes[t.Load]++
		case Failed:
			votes[t.Load]--
		}
	}
	need := 1
	if s.grid.p != nil && s.stop != Unlimited && s.stop != Doomed {
		need = 2 // once they scatter, one trial by itself is no bound
	}
	loads := slices.Sorted(maps.Keys(votes))
	for i, l := range loads {
		fails := need
		switch {
		case s.stop == Doomed:
		case l <= s.round(s.o.Lowest):
			fails = majority // as many as call a target doomed
		case s.stop == GeneratorLimited:
			fails = 2 // as many as end the growth: the generator was no good at this load, so one trial may be its doing
		}
		if votes[l] <= -fails {
			upper, loads = l, loads[:i]
			break
		}
	}
	// Who carries more carries this too, so what passed above counts as well.
	for support := 0; len(loads) > 0; loads = loads[:len(loads)-1] {
		l := loads[len(loads)-1]
		if support += max(votes[l], 0); votes[l] > 0 && support >= need {
			return l, upper
		}
	}
	return 0, upper
}
