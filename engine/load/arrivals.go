package load

import (
	"math"
	"math/rand/v2"
	"time"

	"tidegauge/engine/plan"
)

// piece is a stage of an open shape that has a length.
type piece struct {
	start, over   time.Duration
	from, to      float64 // rates, per second
	before, after float64 // Λ at its beginning and at its end
}

// piecesOf integrates the shape. Λ at a boundary is set to the nearest whole number where the two cannot be told apart,
// given that stages last whole nanoseconds and rates are floats: 20 a minute for 3 minutes is 60 arrivals, not 60.00000001.
func piecesOf(s *plan.Shape) []piece {
	var (
		pieces []piece
		start  time.Duration
		sum    float64 // Λ, before it is set to a whole number
		unsure float64 // what half a nanosecond more or less in each stage so far is worth
		last   float64
	)
	for _, st := range s.Stages {
		if st.Over <= 0 {
			continue
		}
		p := piece{start: start, over: st.Over, from: max(st.From, 0), to: max(st.To, 0), before: last}
		mean := p.from + (p.to-p.from)/2
		sum += mean * st.Over.Seconds()
		unsure += mean * 0.5e-9
		p.after = max(last, sum)
		if whole := math.Round(sum); math.Abs(sum-whole) <= unsure+1e-9+1e-13*sum {
			p.after = max(last, whole)
		}
		last = p.after
		start += st.Over
		pieces = append(pieces, p)
	}
	return pieces
}

// due returns the offset at which Λ rises above x, for x in [before, after).
//
// On a slope Λ is quadratic. Its root is taken in the form 2c/(b+√(b²+2ac)), whose terms are all positive when it is
// counted from the end with the lower rate: nothing cancels (Press et al., Numerical Recipes, 3rd ed., §5.6).
func (p *piece) due(x float64) time.Duration {
	var t float64 // seconds from the beginning of the piece
	switch over := p.over.Seconds(); {
	case p.from == p.to:
		t = (x - p.before) / p.from
	case p.from < p.to:
		t = reach(x-p.before, p.from, (p.to-p.from)/over)
	default:
		t = over - reach(p.after-x, p.to, (p.from-p.to)/over)
	}
	return p.start + min(max(time.Duration(t*1e9+0.5), 0), p.over-1)
}

// reach returns how long a rate that starts at b and grows by a per second takes to add up to c.
func reach(c, b, a float64) float64 {
	if c <= 0 {
		return 0
	}
	return 2 * c / (b + math.Sqrt(b*b+2*a*c))
}

// Arrivals answers when the n-th iteration of an open model is due, each in closed form.
type Arrivals struct {
	pieces []piece
	seed   uint64
	first  uint64 // this share has the arrivals first, first+stride, …
	stride uint64

	next   uint64     // the arrival that Next answers next
	piece  int        // the piece it is in, or one before
	random *rand.Rand // nil: evenly spaced
	drawn  uint64     // Poisson: how many arrivals were drawn
	sum    float64    // Poisson: Λ at the last one drawn
	last   float64    // Λ at the arrival that Next was asked for last
	ended  bool       // there was none
}

// NewArrivals returns the schedule of an open shape. The seed is for Poisson arrivals.
func NewArrivals(s *plan.Shape, seed uint64) *Arrivals {
	a := &Arrivals{pieces: piecesOf(s), seed: seed, stride: 1}
	if s.Poisson {
		a.random = newRandom(seed)
	}
	return a
}

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x61727269_76616c73)) }

// Share returns the k-th (from 0) of n parts of the schedule: its arrivals k, k+n, k+2n, …, so that the union of the parts is
// the whole. It starts at the beginning, wherever a is, and shares nothing with a that changes. It panics unless 0 <= k < n.
func (a *Arrivals) Share(k, n int) *Arrivals {
	checkShare(k, n)
	s := &Arrivals{pieces: a.pieces, seed: a.seed, first: a.first + uint64(k)*a.stride, stride: a.stride * uint64(n)}
	s.next = s.first
	if a.random != nil {
		s.random = newRandom(a.seed)
	}
	return s
}

// Next returns the offset from the start at which the next arrival is due, and false when there are no more.
// Offsets never decrease. Not for concurrent use.
func (a *Arrivals) Next() (time.Duration, bool) {
	if a.ended {
		return 0, false
	}
	x := float64(a.next)
	if a.random != nil {
		for ; a.drawn <= a.next; a.drawn++ {
			a.sum += a.random.ExpFloat64()
		}
		x = a.sum
	}
	a.last = x
	a.next += a.stride
	return a.find()
}

// find returns when the last arrival is due.
func (a *Arrivals) find() (time.Duration, bool) {
	for a.piece < len(a.pieces) && a.last >= a.pieces[a.piece].after {
		a.piece++
	}
	if a.ended = a.piece == len(a.pieces); a.ended {
		return 0, false
	}
	return a.pieces[a.piece].due(a.last), true
}

// Follow replaces the shape by one that is the same until the present moment, and returns what Next would now have returned
// last: when that arrival is due in the new shape, and false when it is not. Arrivals keep their numbers, and what the old
// shape left of an arrival is carried into the new one. Next must have been called before.
func (a *Arrivals) Follow(s *plan.Shape) (time.Duration, bool) {
	a.pieces, a.piece = piecesOf(s), 0
	return a.find()
}

// RateAt returns the rate of the schedule, in arrivals per second, at an offset from the start: 0 before and after the
// shape, and at a jump what it jumps to.
func (a *Arrivals) RateAt(t time.Duration) float64 {
	for i := range a.pieces {
		p := &a.pieces[i]
		if t >= p.start && t < p.start+p.over {
			part := float64(t-p.start) / float64(p.over)
			return (p.from + (p.to-p.from)*part) / float64(a.stride)
		}
	}
	return 0
}
