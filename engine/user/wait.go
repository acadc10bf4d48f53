package user

import (
	"context"
	"math"
	"time"

	"tidegauge/engine/plan"
)

// Next returns when the user's next iteration is due, by the class's wait: intended and finished are those of the last
// one. Pacing and throughput count from intended, without catching up: an iteration that took longer than its turn is
// followed by the next at once.
func (s *Session) Next(intended, finished time.Time) time.Time {
	w := &s.class.wait
	every := w.Min
	switch w.Kind {
	case plan.Throughput:
		every = perSecond(w.Rate)
	case plan.Pacing:
	default:
		return finished.Add(s.draw(w))
	}
	if due := intended.Add(every); due.After(finished) {
		return due
	}
	return finished
}

// draw returns the length of a pause.
func (s *Session) draw(w *plan.Wait) time.Duration {
	switch w.Kind {
	case plan.Constant:
		return w.Min
	case plan.Between:
		if w.Max <= w.Min {
			return w.Min
		}
		return w.Min + time.Duration(s.rand.Int64N(int64(w.Max-w.Min)+1))
	case plan.Exponential:
		return bounded(float64(w.Min) * s.rand.ExpFloat64())
	}
	return 0
}

// perSecond returns the time between two of so many a second.
func perSecond(rate float64) time.Duration {
	if rate <= 0 {
		return 0
	}
	return bounded(float64(time.Second) / rate)
}

// bounded keeps a duration in nanoseconds from overflowing.
func bounded(ns float64) time.Duration {
	return time.Duration(min(ns, math.MaxInt64/4))
}

// sleep pauses for d and reports whether it came to its end before ctx did.
func (s *Session) sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	if s.timer == nil {
		s.timer = time.NewTimer(d)
	} else {
		s.timer.Reset(d)
	}
	select {
	case <-s.timer.C:
		return true
	case <-ctx.Done():
		s.timer.Stop()
		return false
	}
}
