package run

import (
	"errors"
	"fmt"
	"math"
	"time"

	"tidegauge/engine/document"
	"tidegauge/engine/plan"
)

// MaxPause is how long a pause lasts at most; then the load goes on by itself. A run that is forgotten in a pause ends.
const MaxPause = time.Hour

// The phases of a load that somebody changed.
const (
	phasePause   = "pause"
	phaseChanged = "changed"
)

// maxLevel is how many users somebody may ask for: as many as a plan may.
const maxLevel = 1_000_000

// The errors of changes that do not fit a run.
var (
	ErrPaused    = errors.New("the run is paused: resume it first")
	ErrNotPaused = errors.New("the run is not paused")
	ErrMost      = errors.New("the load would be more than is allowed")
	ErrModel     = errors.New("the load of the run is of the other kind: arrivals have a rate, users a number")
)

// SetRate makes the rest of an open run one of a constant rate, in arrivals per second. It returns at what offset that begins.
func (c *Control) SetRate(rate float64) (time.Duration, error) {
	if !(rate >= 0 && rate <= document.MaxRate) {
		return 0, fmt.Errorf("a rate of %g/s, expected one from 0 to %g/s", rate, document.MaxRate)
	}
	at, _, err := c.level(plan.Open, func(float64) (float64, error) { return rate, nil })
	return at, err
}

// SetUsers makes the rest of a closed run one of so many users. It returns at what offset that begins.
func (c *Control) SetUsers(users int) (time.Duration, error) {
	if users < 0 || users > maxLevel {
		return 0, fmt.Errorf("%d users, expected from 0 to %d", users, maxLevel)
	}
	at, _, err := c.level(plan.Closed, func(float64) (float64, error) { return float64(users), nil })
	return at, err
}

// Add changes the load that there is now, users or arrivals per second, by an amount, and keeps it there for the rest of
// the run. It returns at what offset that begins, and what the load is then: at least 0, and of users a whole number. More than
// most, unless that is 0, is ErrMost.
func (c *Control) Add(amount, most float64) (at time.Duration, level float64, err error) {
	return c.level("", func(now float64) (float64, error) {
		if to := now + amount; most > 0 && amount > 0 && to > most {
			return 0, fmt.Errorf("%w: %.6g, at most %.6g", ErrMost, to, most)
		}
		return now + amount, nil
	})
}

// level makes the rest of a run one of a constant load; of any model if none is named.
func (c *Control) level(model plan.Model, to func(now float64) (float64, error)) (at time.Duration, level float64, err error) {
	at, err = c.change(func(c *course, at time.Duration) ([]plan.Stage, time.Duration, error) {
		switch {
		case model != "" && c.shape.Model != model:
			return nil, 0, ErrModel
		case c.inPause(at):
			return nil, 0, ErrPaused
		}
		asked, err := to(valueAt(c.shape.Stages, at))
		if err != nil {
			return nil, 0, err
		}
		level = math.Min(math.Max(asked, 0), maxLevel)
		if c.shape.Model == plan.Closed {
			level = math.Round(level)
		}
		return []plan.Stage{{From: level, To: level, Over: c.duration() - at, Phase: phaseChanged}}, 0, nil
	})
	return at, level, err
}

// Pause keeps anything new from starting until Resume, at most for MaxPause; what is under way finishes. The rest of the shape
// comes later by the length of the pause. In the closed model the users stay, with their connections; an iteration that
// would have been due in the pause is due when it ends. It returns at what offset the pause begins.
func (c *Control) Pause() (time.Duration, error) {
	return c.change(func(c *course, at time.Duration) ([]plan.Stage, time.Duration, error) {
		if c.inPause(at) {
			return nil, 0, ErrPaused
		}
		level := 0.0
		if c.shape.Model == plan.Closed {
			level = valueAt(c.shape.Stages, at)
		}
		hold := plan.Stage{From: level, To: level, Over: MaxPause, Phase: phasePause}
		return append([]plan.Stage{hold}, rest(c.shape.Stages, at)...), at + MaxPause, nil
	})
}

// Resume ends a pause. It returns at what offset.
func (c *Control) Resume() (time.Duration, error) {
	return c.change(func(c *course, at time.Duration) ([]plan.Stage, time.Duration, error) {
		if !c.inPause(at) {
			return nil, 0, ErrNotPaused
		}
		return rest(c.shape.Stages, c.pauseEnd()), 0, nil
	})
}

// Paused reports whether the run is in a pause.
func (c *Control) Paused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.course != nil && c.course.inPause(time.Since(c.course.start))
}

func (c *course) inPause(at time.Duration) bool { return at < c.pauseEnd() }

// pauseEnd returns the offset at which a pause ends by itself; 0 if there is none.
func (c *course) pauseEnd() time.Duration { return time.Duration(c.paused.Load()) }

// valueAt returns the load at an offset.
func valueAt(stages []plan.Stage, at time.Duration) float64 {
	value := 0.0
	var start time.Duration
	for _, s := range stages {
		if start > at {
			break
		}
		value = s.To
		if end := start + s.Over; s.Over > 0 && at < end {
			return s.From + (s.To-s.From)*(float64(at-start)/float64(s.Over))
		}
		start += s.Over
	}
	return value
}

// rest returns what is left of stages at an offset.
func rest(stages []plan.Stage, at time.Duration) []plan.Stage {
	var left []plan.Stage
	for _, s := range stages {
		length := max(s.Over, 0)
		switch {
		case at <= 0:
			left = append(left, s)
		case length > at:
			s.From += (s.To - s.From) * (float64(at) / float64(length))
			s.Over -= at
			left = append(left, s)
		}
		at -= length
	}
	return left
}
