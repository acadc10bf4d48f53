//go:build !linux

package run

import "time"

// hint gets the Go runtime to look at its timers in time, where it needs that.
type hint struct{}

func newHint() hint { return hint{} }

func (*hint) set(time.Duration) {}

func (*hint) close() {}
