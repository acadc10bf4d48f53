package verdict

import (
	"slices"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
)

const (
	leastPiece = time.Second
	maxPieces  = 512 // when there are more, they are merged in pairs
)

// undisturbed keeps what objectives are judged by in pieces, of a test in which a target is disturbed on purpose: which of
// them are to be left out is known only when the run is over.
type undisturbed struct {
	quiet  time.Duration // from the start to the first disturbance
	all    selection     // every request
	width  time.Duration
	pieces []stretchOfRun
	out    []answer.Stretch
}

// stretchOfRun is one piece.
type stretchOfRun struct {
	from, to time.Duration
	sums     []sums // by objective, and of all requests
	books    measure.Books
}

// failing asks for failed requests among all.
var failing = plan.Objective{Metric: plan.ErrorRate}

// undisturbedOf returns nil for tests whose objectives are judged over one part as a whole.
func undisturbedOf(t *plan.Test) *undisturbed {
	u := &undisturbed{width: leastPiece, quiet: t.Shape.Duration()}
	switch t.Type {
	case plan.Recovery:
		for i := range t.Faults {
			u.quiet = min(u.quiet, t.Faults[i].At)
		}
	case plan.Spike:
		for _, e := range answer.Surges(&t.Shape) {
			u.quiet = min(u.quiet, e.From)
		}
	default:
		return nil
	}
	return u
}

// add adds the interval that ends with s.
func (u *undisturbed) add(s *measure.Snapshot, objectives []*objective) {
	if !s.Time.After(s.Since) {
		return
	}
	if u.all.requests == nil {
		u.all = selectNames(&failing, s.Names)
	}
	p := stretchOfRun{from: s.Since.Sub(s.Start), to: s.Time.Sub(s.Start), sums: make([]sums, len(objectives)+1), books: s.Delta.IterationBooks()}
	for i, o := range objectives {
		p.sums[i].collect(o.Objective, o.sel, s.Delta)
	}
	p.sums[len(objectives)].collect(&failing, u.all, s.Delta)
	if n := len(u.pieces); n > 0 && u.pieces[n-1].to-u.pieces[n-1].from < u.width*9/10 {
		u.pieces[n-1].merge(&p)
		return
	}
	if len(u.pieces) == maxPieces {
		for i := range maxPieces / 2 {
			u.pieces[i] = u.pieces[2*i]
			u.pieces[i].merge(&u.pieces[2*i+1])
		}
		clear(u.pieces[maxPieces/2:])
		u.pieces = u.pieces[:maxPieces/2]
		u.width *= 2
	}
	u.pieces = append(u.pieces, p)
}

func (p *stretchOfRun) merge(o *stretchOfRun) {
	p.to = max(p.to, o.to)
	for i := range p.sums {
		p.sums[i].add(&o.sums[i])
	}
	p.books.Intended += o.books.Intended
	p.books.Dropped += o.books.Dropped
}

// left returns what is left of the run without its disturbances, and how long that is. A piece that a disturbance touches is
// left out as a whole.
func (u *undisturbed) left(objectives int) (stretchOfRun, time.Duration) {
	sum := stretchOfRun{sums: make([]sums, objectives+1)}
	var length time.Duration
	for i := range u.pieces {
		p := &u.pieces[i]
		touched := false
		for _, s := range u.out {
			touched = touched || p.from < s.To && s.From < p.to
		}
		if !touched {
			sum.merge(p)
			length += p.to - p.from
		}
	}
	return sum, length
}

// longest returns the longest stretch of a run of that length without a disturbance, the last of several equally long.
func (u *undisturbed) longest(length time.Duration) answer.Stretch {
	var best answer.Stretch
	var at time.Duration
	for _, s := range slices.Concat(u.out, []answer.Stretch{{From: length, To: length}}) {
		if s.From-at >= best.To-best.From {
			best = answer.Stretch{From: at, To: s.From}
		}
		at = max(at, s.To)
	}
	return best
}

// leaveOutDisturbed judges the objectives, those over windows apart, by what is left of the run.
func (j *Judge) leaveOutDisturbed() {
	u := j.undisturbed
	if u == nil || j.begin == nil {
		return
	}
	sum, length := u.left(len(j.objectives))
	for i, o := range j.objectives {
		o.end = sum.sums[i]
	}
	j.left, j.leftLength = &sum, length
}

// Disturbed tells the judge of the parts of a recovery or spike test that its objectives are not judged over.
func (j *Judge) Disturbed(out []answer.Stretch) {
	if j.undisturbed != nil {
		j.undisturbed.out = out
	}
}

// judgedLength returns how long the load was that the objectives are judged over.
func (j *Judge) judgedLength() time.Duration {
	if j.left != nil {
		return j.leftLength
	}
	return j.loadEnd.at.Sub(j.begin.at)
}
