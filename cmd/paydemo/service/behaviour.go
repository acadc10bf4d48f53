package service

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// longestQueue is how long a request may have to wait for a worker; one that would wait longer is answered 503 at once.
const longestQueue = 5 * time.Second

// behaviour is what is wrong with the service on purpose, in amounts that are known.
type behaviour struct {
	slowdown      float64
	warmup        time.Duration // time constant; 0: no warm-up
	warmupFactor  float64
	work          time.Duration
	leakPerSecond int

	mu    sync.Mutex
	first time.Time   // when the first request came
	free  []time.Time // when each worker is free; empty: no limit
}

func newBehaviour(o Options) *behaviour {
	return &behaviour{
		slowdown: o.Slowdown, warmup: o.Warmup, warmupFactor: o.WarmupFactor, work: o.Work,
		leakPerSecond: o.LeakPerSecond, free: make([]time.Time, o.Workers),
	}
}

// factor is what times of work are multiplied by now: slowdown × (1 + (warm-up factor - 1) × e^(-t/time constant)), t since
// the first request.
func (b *behaviour) factor() float64 {
	if b.warmup == 0 {
		return b.slowdown
	}
	now := time.Now()
	b.mu.Lock()
	if b.first.IsZero() {
		b.first = now
	}
	t := now.Sub(b.first)
	b.mu.Unlock()
	return b.slowdown * (1 + (b.warmupFactor-1)*math.Exp(-t.Seconds()/b.warmup.Seconds()))
}

// reserve takes the worker that is free first and returns when it will have done the request; ok is false when that is too
// far away. Workers begin the next request at the moment they are due to have done the last one, not when a sleeping
// goroutine came to notice: so many workers do exactly workers / work requests a second, whatever timers are late by.
func (b *behaviour) reserve() (done time.Time, ok bool) {
	work := time.Duration(float64(b.work) * b.factor())
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	i := 0
	for k := range b.free {
		if b.free[k].Before(b.free[i]) {
			i = k
		}
	}
	begin := b.free[i]
	if begin.Before(now) {
		begin = now
	}
	if begin.Sub(now) > longestQueue {
		return time.Time{}, false
	}
	b.free[i] = begin.Add(work)
	return b.free[i], true
}

// limit lets requests through as workers have time for them.
func (b *behaviour) limit(next http.Handler, refuse http.HandlerFunc) http.Handler {
	if len(b.free) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains([]string{"/metrics", "/healthz"}, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		done, ok := b.reserve()
		if !ok {
			refuse(w, r)
			return
		}
		timer := time.NewTimer(time.Until(done))
		defer timer.Stop()
		select {
		case <-timer.C:
			next.ServeHTTP(w, r)
		case <-r.Context().Done(): // the worker is busy with it all the same
		}
	})
}

// reserved is how much memory the steady leak takes from the system at once; what is not written to is not resident.
const reserved = 64 << 20

// leakingGCPercent is what garbage may add to the Go heap while memory leaks steadily.
const leakingGCPercent = 10

// leakSteadily leaks until ctx ends, ten times a second, and gives all of it back then. It reports how much it was, and why
// there was no more of it.
//
// The garbage collector of the whole process works more often meanwhile: else the Go heap, which goes on filling the room it
// is given for a minute, adds one or two percent to the growth of resident memory.
func (b *behaviour) leakSteadily(ctx context.Context) (leaked int, err error) {
	defer debug.SetGCPercent(debug.SetGCPercent(leakingGCPercent))
	const interval = 100 * time.Millisecond
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	begun := time.Now()
	var blocks [][]byte
	defer func() {
		for _, block := range blocks {
			err = errors.Join(err, release(block))
		}
	}()
	for {
		select {
		case <-ticker.C:
			for due := int(time.Since(begun).Seconds() * float64(b.leakPerSecond)); leaked < due; {
				if leaked == len(blocks)*reserved {
					block, err := reserve(reserved)
					if err != nil {
						return leaked, fmt.Errorf("leaking: %w", err)
					}
					blocks = append(blocks, block)
				}
				end := min(due, len(blocks)*reserved)
				for i := leaked; i < end; i++ {
					blocks[len(blocks)-1][i%reserved] = 1
				}
				leaked = end
			}
		case <-ctx.Done():
			return leaked, nil
		}
	}
}
