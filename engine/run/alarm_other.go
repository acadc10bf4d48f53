//go:build !linux

package run

import "time"

// alarm wakes one of the goroutines that wait for C.
type alarm struct{ *time.Timer }

func newAlarm() *alarm { return &alarm{time.NewTimer(time.Hour)} }

// set makes the alarm go off in d, instead of when it was to go off before.
func (a *alarm) set(d time.Duration) { a.Reset(d) }

// close stops the alarm; it must not be set any more.
func (a *alarm) close() { a.Stop() }
