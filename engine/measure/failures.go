package measure

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"tidegauge/engine/protocol"
)

// Other is the Detail of a Failure and the Message of an Exception that stands for all those there was no row for.
const Other = "(other)"

// maxDetail is how much of a text is kept, in bytes.
const maxDetail = 300

type failureKey struct {
	request int
	outcome protocol.Outcome
	detail  string
}

type exceptionKey struct{ task, message string }

// tables are the bounded tables of failures and exceptions.
type tables struct {
	mu         sync.Mutex
	limit      int // rows of each, without those that say Other
	failures   map[failureKey]*Failure
	exceptions map[exceptionKey]*Exception
}

// fail counts a failure.
func (t *tables) fail(request int, o protocol.Outcome, detail string, at time.Time) {
	key := failureKey{request, o, shorten(detail)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failures == nil {
		t.failures = map[failureKey]*Failure{}
	}
	f := t.failures[key]
	if f == nil && len(t.failures) >= t.limit {
		key.detail = Other
		f = t.failures[key]
	}
	if f == nil {
		key.detail = strings.Clone(key.detail) // not the whole answer that it may be a part of
		f = &Failure{Request: request, Outcome: o, Detail: key.detail, First: at, Last: at}
		t.failures[key] = f
	}
	f.Count++
	f.First, f.Last = span(f.First, f.Last, at)
}

// except counts an exception.
func (t *tables) except(task, message string, at time.Time) {
	key := exceptionKey{task, shorten(message)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.exceptions == nil {
		t.exceptions = map[exceptionKey]*Exception{}
	}
	e := t.exceptions[key]
	if e == nil && len(t.exceptions) >= t.limit {
		key.message = Other
		e = t.exceptions[key]
	}
	if e == nil {
		key.message = strings.Clone(key.message)
		e = &Exception{Task: task, Message: key.message, First: at, Last: at}
		t.exceptions[key] = e
	}
	e.Count++
	e.First, e.Last = span(e.First, e.Last, at)
}

// span widens first…last to hold at: users report in no certain order.
func span(first, last, at time.Time) (time.Time, time.Time) {
	if at.Before(first) {
		first = at
	}
	if at.After(last) {
		last = at
	}
	return first, last
}

// shorten cuts a text that is too long, between two characters.
func shorten(s string) string {
	if len(s) <= maxDetail {
		return s
	}
	end := maxDetail
	for end > maxDetail-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// rows returns copies of both tables in a fixed order: by request, outcome and detail, by task and message; Other last.
func (t *tables) rows() ([]Failure, []Exception) {
	t.mu.Lock()
	failures := make([]Failure, 0, len(t.failures))
	for _, f := range t.failures {
		failures = append(failures, *f)
	}
	exceptions := make([]Exception, 0, len(t.exceptions))
	for _, e := range t.exceptions {
		exceptions = append(exceptions, *e)
	}
	t.mu.Unlock()

	slices.SortFunc(failures, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(a.Request, b.Request), cmp.Compare(a.Outcome, b.Outcome), otherLast(a.Detail, b.Detail))
	})
	slices.SortFunc(exceptions, func(a, b Exception) int {
		return cmp.Or(cmp.Compare(a.Task, b.Task), otherLast(a.Message, b.Message))
	})
	return failures, exceptions
}

func otherLast(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == Other:
		return 1
	case b == Other:
		return -1
	}
	return cmp.Compare(a, b)
}
