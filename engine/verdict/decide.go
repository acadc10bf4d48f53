package verdict

import (
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/stat"
)

const (
	// mostClumps bounds the blocks that are kept: where there are more, two become one.
	mostClumps = 64
	// fewestClumps are needed to tell how observations come together.
	fewestClumps = 10
	// unseenClump is how many observations are worth one where it has not been seen how they come together; that counts as
	// much as unseenHits blocks in which it was.
	unseenClump = 10
	unseenHits  = 5
)

// share is how many of some observations were beyond a limit, or failed.
type share struct{ beyond, n uint64 }

// clumps are what was seen of an objective, in blocks of time of one length. A stall hits neighbours together: by how much
// more the blocks differ than those of independent observations would, so much less each observation is worth.
type clumps struct {
	per      int // intervals in a block
	last     int // in the last
	blocks   []share
	decision stat.Decision
	at       time.Time // of the decision
}

func (c *clumps) add(s share) {
	if len(c.blocks) == 0 || c.last == c.per {
		if len(c.blocks) == mostClumps {
			for i := range mostClumps / 2 {
				a, b := c.blocks[2*i], c.blocks[2*i+1]
				c.blocks[i] = share{a.beyond + b.beyond, a.n + b.n}
			}
			c.blocks, c.per = c.blocks[:mostClumps/2], 2*c.per
		}
		c.blocks, c.last = append(c.blocks, share{}), 0
	}
	b := &c.blocks[len(c.blocks)-1]
	b.beyond, b.n = b.beyond+s.beyond, b.n+s.n
	c.last++
}

// worth returns all of it, and how many observations are worth one independent one: the variance of the blocks over that of
// a binomial (the overdispersion of McCullagh and Nelder, Generalized Linear Models, 2nd ed., 1989, section 4.5, pooled),
// at least 1. What nobody has seen yet may come in clumps all the same: unseenClump observations are worth one until some
// blocks have been hit.
func (c *clumps) worth() (all share, worth float64) {
	hit := 0.0
	for _, b := range c.blocks {
		all.beyond, all.n = all.beyond+b.beyond, all.n+b.n
		if b.beyond > 0 && b.beyond < b.n {
			hit++
		}
	}
	worth = 1
	if all.beyond > 0 && all.beyond < all.n {
		p, sum := float64(all.beyond)/float64(all.n), 0.0
		for _, b := range c.blocks {
			d := float64(b.beyond) - float64(b.n)*p
			sum += d * d
		}
		blocks := float64(len(c.blocks))
		worth = max(1, sum/(p*(1-p)*float64(all.n)*(1-1/blocks)))
	}
	return all, (worth*hit + unseenClump*unseenHits) / (hit + unseenHits)
}

// decide looks whether what was seen decides the objective. What is decided remains so.
func (c *clumps) decide(o *plan.Objective, now time.Time) {
	if c.decision != stat.Undecided || len(c.blocks) < fewestClumps {
		return
	}
	allowed, _ := o.Share()
	all, worth := c.worth()
	c.decision = stat.DecideEarly(stat.EarlyOptions{Worth: worth}, all.beyond, all.n, allowed).Decision
	if o.Op == ">" || o.Op == ">=" {
		// The share is to be greater; for a quantile the share beyond its limit.
		c.decision = map[stat.Decision]stat.Decision{stat.Met: stat.Missed, stat.Missed: stat.Met}[c.decision]
		if c.decision == "" {
			c.decision = stat.Undecided
		}
	}
	if c.decision != stat.Undecided {
		c.at = now
	}
}

// shareOf returns what an objective counts of some sums; times to the width of a bucket.
func shareOf(o *plan.Objective, s *sums) share {
	switch o.Metric {
	case plan.ErrorRate:
		return share{s.failed, s.finished}
	case plan.CheckRate:
		return share{s.passed, s.checked}
	default:
		return share{s.times.Count() - s.times.CountAtMost(o.Threshold), s.times.Count()}
	}
}

// ponder adds an interval of the part to what is known of the objectives, if the test lasts until they are decided. What is the
// warm-up at least does not count.
func (j *Judge) ponder(s *measure.Snapshot) {
	t := j.o.Test
	if !t.Decide.On() || s.Since.Sub(s.Start) < j.part.begin+j.leastWarmUp() {
		return
	}
	for _, o := range j.objectives {
		if _, ok := o.Share(); !ok {
			continue
		}
		if o.clumps == nil {
			o.clumps = &clumps{per: 1, decision: stat.Undecided}
		}
		var now sums
		now.collect(o.Objective, o.sel, s.Delta)
		o.clumps.add(shareOf(o.Objective, &now))
		o.clumps.decide(o.Objective, s.Time)
	}
}

// leastWarmUp is left out at least where the warm-up is looked for when the run is over.
func (j *Judge) leastWarmUp() time.Duration {
	if j.o.Test.WarmUp != nil {
		return 0
	}
	return answer.Floor(j.o.Test.Shape.Duration() - j.part.begin)
}

// Undecided returns which objectives are undecided of those that can be decided while a test lasts; known is false while there
// is too little to tell: before the part that is judged, or before a warm-up could be looked for. It is for the goroutine of
// Consume, or for after the run.
func (j *Judge) Undecided() (texts []string, known bool) {
	if j.begin == nil || j.o.Test.WarmUp == nil && j.latest.Sub(j.begin.at) < answer.ShortestLooked {
		return nil, false
	}
	for _, o := range j.objectives {
		if _, ok := o.Share(); !ok {
			continue
		}
		if o.clumps == nil {
			return nil, false
		}
		if o.clumps.decision == stat.Undecided {
			texts = append(texts, o.Text)
		}
	}
	return texts, true
}

// Until tells the judge, from the goroutine of Consume, that the load ends at an offset of the run, before its shape does: all
// that it is for is decided.
func (j *Judge) Until(end time.Duration) {
	j.part.end, j.decidedAt = min(j.part.end, end), end
}

// doubtDecided makes an objective inconclusive that the test was to decide and did not, unless its interval says the same all
// over.
func (j *Judge) doubtDecided(f *Finding, o *objective, e *evaluation) {
	if !j.o.Test.Decide.On() || f.Outcome == Inconclusive || o.clumps != nil && o.clumps.decision != stat.Undecided {
		return
	}
	if _, ok := o.Share(); !ok || e.straddles(o.Objective) == "" {
		return
	}
	f.Outcome, f.Code = Inconclusive, CodeUndecided
	f.Message = o.Text + ": " + Format(e.value, e.unit) + ", and the test was over before it was decided"
}
