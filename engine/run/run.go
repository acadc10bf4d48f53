// Package run makes the load of one test on this machine.
package run

import (
	"context"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/user"
)

// Options say what to run.
type Options struct {
	Shape       plan.Shape
	Mix         *user.Mix
	Recorder    *measure.Recorder
	Sinks       []measure.Sink
	Seed        uint64
	StopTimeout time.Duration // how long iterations under way may take to finish after the shape or after Stop
	// Stop, when closed, ends the run gracefully: nothing new starts, what is under way may finish within StopTimeout.
	Stop <-chan struct{}
}

// Result says how the run went, apart from what was measured.
type Result struct {
	Start, End time.Time
	Stopped    bool  // by Stop, before the shape was over
	Cancelled  bool  // by the context
	SinkErrors error // what the sinks returned; the run went on
}

// Do makes the load and returns when everything it started has ended. When ctx ends, requests under way are cut, and what was
// measured is still handed to the sinks. The error is ours (a user could not be made), never the target's.
func Do(ctx context.Context, o Options) (Result, error) { panic("stub") }
