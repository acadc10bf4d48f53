package experiment

import (
	"fmt"
	"math/rand/v2"
	"time"

	"tidegauge/engine/compare"
	"tidegauge/engine/history"
	"tidegauge/engine/plan"
	"tidegauge/engine/run"
	"tidegauge/engine/verdict"
)

const (
	leastBlock = 3 * time.Second
	mostBlock  = time.Minute
	wantPairs  = 12 // of blocks, where the stretch is long enough for them
	leastPairs = 6  // the first of which is left out
	washShare  = 4  // of a block; at its head what is left of the other target's is not counted
)

// turns is which of two targets has the load when: in blocks of equal length, two and two of them one of each target in random
// order, as often the one first as the other. Where a target drifts, or the machine does, both have their share of it; what a
// block is like is compared with the other of its pair alone (a randomised block design: Fisher, The Design of Experiments, 1935).
type turns struct {
	from   time.Duration // from the start of the run: when the first block begins
	length time.Duration // of a block
	wash   time.Duration
	second []bool // of each block: it is the second target's
}

// newTurns lays the blocks over the longest stretch of constant load.
func newTurns(t *plan.Test, seed uint64) (*turns, error) {
	var from, length, at time.Duration
	for _, s := range t.Shape.Stages {
		if s.From == s.To && s.From > 0 && s.Over > length {
			from, length = at, s.Over
		}
		at += s.Over
	}
	if t.Type != plan.Load || t.Search != nil || length < 2*leastPairs*leastBlock {
		return nil, fmt.Errorf("%w: test %s cannot load two targets in turns: that needs a test of type load with %v of constant load at least, it is of type %s and has %v",
			ErrPlan, t.Name, 2*leastPairs*leastBlock, t.Type, length)
	}
	b := &turns{from: from, length: min(max((length/(2*wantPairs)).Truncate(time.Second), leastBlock), mostBlock)}
	b.wash = max((b.length / washShare).Truncate(time.Second), time.Second)
	pairs := int(length / (2 * b.length))
	order := make([]bool, pairs)
	for i := range order {
		order[i] = i%2 == 1
	}
	r := rand.New(rand.NewPCG(seed, 0xab))
	r.Shuffle(pairs, func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, second := range order {
		b.second = append(b.second, second, !second)
	}
	return b, nil
}

// at reports whether the second target has the load at a time from the start of the run. Before the blocks begin, and after their
// end, the targets take turns as well.
func (b *turns) at(t time.Duration) bool {
	n := int((t - b.from) / b.length)
	if t < b.from {
		n--
	}
	if n >= 0 && n < len(b.second) {
		return b.second[n]
	}
	return n&1 != 0
}

// pairs returns what the blocks came to, those of each target in the order of their pairs. The first pair, in which connections are made
// and caches filled, is left out, and what has not come to its end.
func (b *turns) pairs(of func(from, to time.Duration) compare.Values, end time.Duration) (first, second []compare.Values) {
	for i := 2; i+1 < len(b.second); i += 2 {
		begin := b.from + time.Duration(i)*b.length
		if begin+2*b.length > end {
			break
		}
		one := of(begin+b.wash, begin+b.length)
		other := of(begin+b.length+b.wash, begin+2*b.length)
		if b.second[i] {
			one, other = other, one
		}
		first, second = append(first, one), append(second, other)
	}
	return first, second
}

// paired compares the two targets.
func (e *experiment) paired(result run.Result, v *verdict.Verdict) *compare.Comparison {
	b := e.turns
	first, second := b.pairs(func(from, to time.Duration) compare.Values { return compare.MeasureBlock(e.seconds, from, to) }, result.End.Sub(result.Start))
	a, c := e.o.Plan.Target.BaseURL, e.o.Test.Against
	found := compare.Paired(e.record.ID(), a, c, first, second)
	if why, ok := history.Sound(v); !ok {
		found = compare.Paired(e.record.ID(), a, c, nil, nil)
		found.Summary = "the targets cannot be compared: " + why
	}
	if a == c {
		found.Warnings = append(found.Warnings, "both targets are the same address: what differs is chance")
	}
	return found
}
