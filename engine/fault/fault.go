// Package fault breaks things on a timeline and puts them right.
//
// A Fault is one thing that can be broken; a Timeline starts faults at their offsets from the start of a run, ends each
// after its length and undoes whatever is broken when it ends, for whatever reason. Before a fault starts, what puts it right
// is written to a journal, so that after a process that was killed the next one can (see Restore).
//
// Faults inside this process (the proxies of fault/tcp and fault/webfault) end with it; what was broken elsewhere does not.
package fault

import (
	"context"
	"fmt"
	"time"
)

// Fault is something that can be broken.
type Fault interface {
	// Start breaks it and returns the function that puts it right. When it fails it may have broken something all the same:
	// then the undo it returns is not nil, or Remedy says how. ctx limits the start alone. Not called concurrently.
	//
	// The undo may be called again after an error and after it has succeeded, not concurrently; ctx limits the attempt.
	Start(ctx context.Context) (undo func(context.Context) error, err error)
	// Remedy returns what puts it right from another process, in this order; nothing for a fault that ends with this one.
	Remedy() []Action
}

// Planned is a fault and its place on the timeline.
type Planned struct {
	Name   string // what is done, for people: "cut"
	Target string // to what: "database"
	At     time.Duration
	For    time.Duration
	Fault  Fault
}

func (p *Planned) String() string {
	if p.Target == "" {
		return p.Name
	}
	return p.Name + " of " + p.Target
}

// Record says what became of a planned fault.
type Record struct {
	Name, Target string
	At, For      time.Duration // as planned, from the start of the run
	// Start and End are when the fault was known to be in force and when it was known to be undone; zero for what did not
	// happen. Between the begin of starting, Asked, and Start it may have been in force already; so it may between Undoing and End.
	Asked, Start, Undoing, End time.Time
	Undone                     bool  // false for a started fault: it is still broken
	Err                        error // of starting or of undoing
}

// Started reports whether the fault was in force.
func (r *Record) Started() bool { return !r.Start.IsZero() }

// panicked turns a panic of a fault into an error: one fault's mistake must not keep the others from being undone.
func panicked(doing string, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s: it panicked: %v; please report this as a bug", doing, p)
	}
}
