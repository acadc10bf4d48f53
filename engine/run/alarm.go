package run

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// alarm is a Timer that goes off in time. It wakes one of those that wait for C.
type alarm struct {
	*time.Timer
	hint hint
}

func newAlarm() *alarm { return &alarm{Timer: time.NewTimer(time.Hour), hint: newHint()} }

// set makes the alarm go off in d, instead of when it was to go off before.
func (a *alarm) set(d time.Duration) {
	a.Reset(d)
	a.hint.set(d)
}

// close stops the alarm. It must not be set any more.
func (a *alarm) close() {
	a.Stop()
	a.hint.close()
}

// agenda gets the timers of many to go off in time, with one hint: it is set to the first of the moments to come.
type agenda struct {
	start time.Time

	mu      sync.Mutex
	hint    hint
	moments []time.Duration // since start, the earliest last
}

func newAgenda(start time.Time) *agenda { return &agenda{start: start, hint: newHint()} }

// add notes a moment that somebody waits for.
func (g *agenda) add(t time.Time) {
	at := t.Sub(g.start)
	g.mu.Lock()
	defer g.mu.Unlock()
	i, _ := slices.BinarySearchFunc(g.moments, at, func(m, at time.Duration) int { return cmp.Compare(at, m) })
	g.moments = slices.Insert(g.moments, i, at)
	if i == len(g.moments)-1 {
		g.hint.set(at - time.Since(g.start))
	}
}

// next forgets the moments that have passed. Everybody calls it after waiting.
func (g *agenda) next() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Since(g.start)
	last := len(g.moments) - 1
	for last >= 0 && g.moments[last] <= now {
		last--
	}
	if len(g.moments) == last+1 {
		return // somebody else has done it
	}
	g.moments = g.moments[:last+1]
	if last >= 0 {
		g.hint.set(g.moments[last] - now)
	}
}

// close ends the hints. Nothing must be added any more.
func (g *agenda) close() { g.hint.close() }
