// Package event is what happens to a run as a whole: its start, its phases, faults, its end, its verdict.
package event

import "time"

// Kind is what happened.
type Kind string

// The kinds.
const (
	Start   Kind = "start"   // the load began
	Phase   Kind = "phase"   // a stage of the load shape began
	Fault   Kind = "fault"   // something was broken on purpose, or put right
	Change  Kind = "change"  // somebody changed the load
	Abort   Kind = "abort"   // an objective ended the run
	Stop    Kind = "stop"    // a person ended the run
	Verdict Kind = "verdict" // the run was judged; its last event
)

// Severity is how much an event wants to be seen.
type Severity int

// The severities.
const (
	Info Severity = iota
	Warning
	Error
)

// Event is one event of a run. It is not changed once made.
type Event struct {
	Time     time.Time
	Since    time.Time // of an event that concludes something: when that began, as a verdict has the start of the run; else zero
	Kind     Kind
	Severity Severity
	Text     string // for people, a line or two
	Run      *Run
}

// Run is the run that an event or a span belongs to. It is not changed once made.
type Run struct {
	ID, Plan, Test string
	Labels         map[string]string // the plan's
}
