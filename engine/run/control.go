package run

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"tidegauge/engine/plan"
)

// Control changes the load of a run while it lasts: a search tries one load after the other, a person turns it up. It
// belongs to one run. Safe for concurrent use.
type Control struct {
	mu     sync.Mutex
	course *course // nil: the run has not begun, or its load is over
}

// ErrNoLoad is the error of a change to a run that makes no load: it has not begun, or is over.
var ErrNoLoad = errors.New("the run makes no load now, so there is none to change")

// Follow makes the load follow stages from now on, in place of whatever the run was to do next. It returns at what offset
// from the start of the run they begin. In the open model what was left of an arrival is carried over; what is waiting for a
// free user stays. In the closed model the load goes from the users there are to the first stage's From at once.
//
// The run ends when the stages do. Stages without length are jumps, as in a plan.
func (c *Control) Follow(stages []plan.Stage) (time.Duration, error) {
	return c.change(func(*course, time.Duration) ([]plan.Stage, time.Duration, error) { return stages, 0, nil })
}

// attach gives the control a run, or takes it away. c may be nil.
func (c *Control) attach(course *course) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.course = course
}

// change has the load follow what next says from an offset on, see course.follow.
func (c *Control) change(next nextStages) (time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.course == nil {
		return 0, ErrNoLoad
	}
	return c.course.follow(next)
}

// course is what the load follows: a shape that can be replaced from now on.
type course struct {
	start time.Time
	model model

	changing sync.Mutex   // one change at a time
	length   atomic.Int64 // of the shape, nanoseconds; written with mu held
	paused   atomic.Int64 // until this offset at most; 0: it is not. Written with mu held
	mu       sync.Mutex
	shape    *plan.Shape   // never written to: replaced
	changed  chan struct{} // closed when the shape is replaced
	over     bool
}

func newCourse(s *plan.Shape) *course {
	c := &course{shape: s, changed: make(chan struct{})}
	c.length.Store(int64(s.Duration()))
	return c
}

// duration returns how long the shape is at present.
func (c *course) duration() time.Duration { return time.Duration(c.length.Load()) }

// now returns the shape, and a channel that is closed when it is replaced.
func (c *course) now() (*plan.Shape, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shape, c.changed
}

// end ends the load at the time the shape is over, or before: no change comes after it. It reports false when the shape has
// been prolonged meanwhile and the load is not early to end.
func (c *course) end(early bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !early && time.Since(c.start) < c.duration() {
		return false
	}
	c.over = true
	return true
}

// nextStages says what the load is to do from an offset on, and until which offset it is then paused; 0: it is not.
type nextStages func(c *course, at time.Duration) (stages []plan.Stage, pause time.Duration, err error)

func (c *course) follow(next nextStages) (time.Duration, error) {
	c.changing.Lock()
	defer c.changing.Unlock()
	var at time.Duration
	err := ErrNoLoad
	c.model.change(func(now time.Duration) (*plan.Shape, []plan.Stage) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.over || now >= c.duration() {
			return nil, nil
		}
		// An arrival that was due until now must remain so whatever is rounded: it may be under way.
		at = now + 1
		var stages []plan.Stage
		var pause time.Duration
		if stages, pause, err = next(c, at); err != nil {
			return nil, nil
		}
		s := *c.shape
		s.Stages = splice(s.Stages, at, stages)
		c.shape = &s
		c.length.Store(int64(s.Duration()))
		c.paused.Store(int64(pause))
		close(c.changed)
		c.changed = make(chan struct{})
		return &s, stages
	})
	return at, err
}

// splice returns stages that are the same until at, and then others.
func splice(stages []plan.Stage, at time.Duration, others []plan.Stage) []plan.Stage {
	var spliced []plan.Stage
	for left := at; left > 0 && len(stages) > 0; stages = stages[1:] {
		s := stages[0]
		if s.Over > left {
			s.To = s.From + (s.To-s.From)*(float64(left)/float64(s.Over))
			s.Over = left
		}
		left -= max(s.Over, 0)
		spliced = append(spliced, s)
	}
	return append(spliced, others...)
}
