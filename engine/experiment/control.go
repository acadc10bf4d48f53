package experiment

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"tidegauge/engine/event"
	"tidegauge/engine/plan"
	"tidegauge/engine/run"
)

// Control changes a run while it lasts. Every change is an event of the run, says who made it, and ends the part of the run
// that is judged (see verdict.Judge.Changed). The zero Control belongs to the first run it is given to. Safe for
// concurrent use.
type Control struct {
	changes run.Control
	mu      sync.Mutex
	e       *experiment // nil: nothing runs
	stop    string      // why the run is to end, once it begins; empty: it is not
}

// ErrFixed is the error of a change to a run whose load nobody may change.
var ErrFixed = errors.New("the load of this run cannot be changed")

func (c *Control) attach(e *experiment) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.e = e; e != nil && c.stop != "" {
		c.endRun(c.stop)
	}
}

func (c *Control) load() *run.Control {
	if c == nil {
		return nil
	}
	return &c.changes
}

// SetRate makes the rest of an open run one of a constant rate, in arrivals per second.
func (c *Control) SetRate(by string, rate float64) error {
	return c.change(by, func() (string, error) {
		_, err := c.changes.SetRate(rate)
		return strconv.FormatFloat(rate, 'g', 6, 64) + " arrivals/s from now on", err
	})
}

// SetUsers makes the rest of a closed run one of so many users.
func (c *Control) SetUsers(by string, users int) error {
	return c.change(by, func() (string, error) {
		_, err := c.changes.SetUsers(users)
		return strconv.Itoa(users) + " users from now on", err
	})
}

// Add changes the load that there is now, users or arrivals per second, by an amount, for the rest of the run; more than most,
// unless that is 0, is run.ErrMost.
func (c *Control) Add(by string, amount, most float64) error {
	return c.change(by, func() (string, error) {
		_, level, err := c.changes.Add(amount, most)
		unit := " users"
		if c.e.o.Test.Shape.Model == plan.Open {
			unit = " arrivals/s"
		}
		return strconv.FormatFloat(level, 'g', 6, 64) + unit + " from now on", err
	})
}

// Pause keeps anything new from starting until Resume, at most for run.MaxPause; see run.Control.Pause. A test with faults cannot
// be paused: its faults would not be.
func (c *Control) Pause(by string) error {
	return c.change(by, func() (string, error) {
		if len(c.e.o.Test.Faults) > 0 {
			return "", fmt.Errorf("%w: a test with faults cannot be paused, since they would go on", ErrFixed)
		}
		_, err := c.changes.Pause()
		return "paused", err
	})
}

// Resume ends a pause.
func (c *Control) Resume(by string) error {
	return c.change(by, func() (string, error) {
		_, err := c.changes.Resume()
		return "resumed", err
	})
}

// Paused reports whether the run is in a pause.
func (c *Control) Paused() bool { return c.changes.Paused() }

// Stop ends the run gracefully, before its shape is over; a run that has not begun ends when it does.
func (c *Control) Stop(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.e == nil {
		c.stop = reason
		return
	}
	c.endRun(reason)
}

func (c *Control) endRun(reason string) {
	c.e.reason.CompareAndSwap(nil, reason)
	c.e.end()
}

// Halt ends the run gracefully to spare the target, which fails it. Without a run it does nothing.
func (c *Control) Halt(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.e == nil {
		return
	}
	c.e.judge.Halted(reason)
	c.e.happened(event.Event{Time: time.Now(), Kind: event.Abort, Severity: event.Error, Text: "ended to spare the target: " + reason})
	c.e.aborted.Store(true)
	c.e.end()
}

// change makes one change and tells of it.
func (c *Control) change(by string, do func() (string, error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.e == nil:
		return run.ErrNoLoad
	case c.e.o.Test.Type == plan.Stress:
		return fmt.Errorf("%w: a stress test chooses its load by itself", ErrFixed)
	}
	now := time.Now()
	c.e.judge.Changed(now) // first: the load changes with a snapshot, at which the part has to end
	what, err := do()
	if err != nil {
		c.e.judge.Unchanged(now)
		return err
	}
	c.e.happened(event.Event{Time: now, Kind: event.Change, Severity: event.Warning, Text: what + ", by " + by})
	return nil
}
