package verdict

import (
	"fmt"
	"math"
	"slices"
	"time"

	"tidegauge/engine/plan"
)

// stepsPerWindow bounds how many pieces a window is kept in: it slides by a sixtieth of its length, or by an interval of
// the recorder if that is longer.
const stepsPerWindow = 60

// windows slides over the intervals of the part. A window is the shortest sequence of the last pieces that is as long as
// `for`, to within half a step. It keeps at most stepsPerWindow+1 pieces.
type windows struct {
	length time.Duration
	step   time.Duration
	pieces []piece // oldest first
	cur    sums    // what is being collected for the next piece
	from   time.Time

	tally        // of all windows
	fresh *tally // of the one that the last advance filled; nil: it filled none
}

// tally counts what became of windows.
type tally struct {
	judged, missed, skipped int
	worst                   *Window
	worstMissed             bool
}

// merge adds the windows of another tally.
func (t *tally) merge(o *plan.Objective, other *tally) {
	t.judged += other.judged
	t.missed += other.missed
	t.skipped += other.skipped
	if w := other.worst; w != nil && (t.worst == nil || other.worstMissed && !t.worstMissed ||
		other.worstMissed == t.worstMissed && worse(o, w.Value, t.worst.Value)) {
		t.worst, t.worstMissed = w, other.worstMissed
	}
}

// piece is one step of a window.
type piece struct {
	from, to time.Time
	sums     sums
}

func newWindows(length time.Duration) *windows {
	return &windows{length: length, step: length / stepsPerWindow}
}

// advance closes the interval [since, to], whose sums are in cur. It returns the window that ends there if it is full
// and misses the objective.
func (w *windows) advance(o *plan.Objective, since, to time.Time) *Window {
	if w.fresh = nil; w.from.IsZero() {
		w.from = since
	}
	if to.Sub(w.from) < w.step || !to.After(w.from) {
		return nil
	}
	w.pieces = append(w.pieces, piece{from: w.from, to: to, sums: w.cur})
	w.cur, w.from = sums{}, to
	length := w.length - w.step/2
	for len(w.pieces) > 1 && to.Sub(w.pieces[1].from) >= length {
		w.pieces = slices.Delete(w.pieces, 0, 1)
	}
	if to.Sub(w.pieces[0].from) < length {
		return nil
	}
	return w.judge(o)
}

// judge evaluates the window that is full now.
func (w *windows) judge(o *plan.Objective) *Window {
	var all sums
	for i := range w.pieces {
		all.add(&w.pieces[i].sums)
	}
	from, to := w.pieces[0].from, w.pieces[len(w.pieces)-1].to
	r := evaluate(o, &all, to.Sub(from))
	w.fresh = &tally{}
	defer func() { w.merge(o, w.fresh) }()
	if r.outcome == Inconclusive {
		w.fresh.skipped = 1
		return nil
	}
	this := &Window{From: from, To: to, Value: r.value}
	w.fresh.judged, w.fresh.worst = 1, this
	if r.outcome != Fail {
		return nil
	}
	w.fresh.missed, w.fresh.worstMissed = 1, true
	return this
}

// worse reports whether a is further from meeting the objective than b.
func worse(o *plan.Objective, a, b float64) bool {
	switch o.Op {
	case "<", "<=":
		return a > b
	case ">", ">=":
		return a < b
	}
	return math.Abs(a-o.Threshold) > math.Abs(b-o.Threshold)
}

func windowText(o *plan.Objective, w *Window, start time.Time) string {
	return fmt.Sprintf("%s between %s and %s", Format(w.Value, unitOf(o)), offset(w.From, start), offset(w.To, start))
}

// offset writes a moment as the time since the start, m:ss.
func offset(t, start time.Time) string {
	d := t.Sub(start).Round(time.Second)
	if d >= time.Hour {
		return fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}
