package webfault

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// rule is an effect in force, or about to be.
type rule struct {
	effect Effect
	parts  []string // of the path, between its stars; nil: any path

	mu     sync.Mutex
	random *rand.Rand
	over   chan struct{} // closed when the fault ends
	ended  sync.Once
}

func newRule(id string, e Effect, seed uint64) *rule {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // never fails
	r := &rule{effect: e, random: rand.New(rand.NewPCG(seed, h.Sum64())), over: make(chan struct{})}
	if e.Path != "" {
		r.parts = strings.Split(e.Path, "*")
	}
	return r
}

// takes reports whether the effect is for a request. The k-th request of its route is taken or not by the seed alone.
func (r *rule) takes(q *http.Request) bool {
	e := &r.effect
	if e.Method != "" && e.Method != q.Method || r.parts != nil && !matches(r.parts, q.URL.Path) {
		return false
	}
	if e.Share >= 1 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.random.Float64() < e.Share
}

// matches reports whether a path is the parts with any texts between them.
func matches(parts []string, path string) bool {
	path, ok := strings.CutPrefix(path, parts[0])
	if !ok || len(parts) == 1 {
		return ok && path == ""
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		at := strings.Index(path, part)
		if at < 0 {
			return false
		}
		path = path[at+len(part):]
	}
	return strings.HasSuffix(path, parts[last])
}

// hold keeps a request waiting for the delay, or until the fault ends; false when the client goes away first.
func (r *rule) hold(ctx context.Context) bool {
	timer := time.NewTimer(r.effect.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.over:
	case <-ctx.Done():
		return false
	}
	return true
}

func (r *rule) end() { r.ended.Do(func() { close(r.over) }) }

func (e *Effect) check() error {
	count := 0
	for _, given := range []bool{e.Status != 0, e.Abort, e.Malformed} {
		if given {
			count++
		}
	}
	switch {
	case count > 1:
		return errors.New("a fault with more than one of a status, an abort and a malformed body, expected at most one")
	case count == 0 && e.Delay <= 0:
		return errors.New("a fault that does nothing, expected a delay, a status, an abort or a malformed body")
	case e.Status != 0 && (e.Status < 200 || e.Status > 599):
		return fmt.Errorf("a status of %d, expected 200 to 599", e.Status)
	case e.RetryAfter != 0 && (e.Status == 0 || e.RetryAfter < time.Second):
		return fmt.Errorf("a Retry-After of %v with status %d, expected whole seconds beside a status", e.RetryAfter, e.Status)
	case !(e.Share > 0 && e.Share <= 1):
		return fmt.Errorf("a share of %v, expected more than 0 and at most 1", e.Share)
	}
	return nil
}
