package scrape

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	repeatEvery = time.Hour // a message of Prometheus's scraper about one target
	mostLines   = 1000      // that are remembered
)

// quiet hands on log lines, but one that says the same of the same target, whatever else it says, only every repeatEvery: what
// Prometheus says of a bad target it says with each scrape.
type quiet struct {
	slog.Handler
	about string
	said  *said
}

type said struct {
	mu sync.Mutex
	at map[string]time.Time
}

func newQuiet(to *slog.Logger) *slog.Logger {
	return slog.New(&quiet{Handler: to.Handler(), said: &said{at: map[string]time.Time{}}})
}

func (q *quiet) Handle(ctx context.Context, r slog.Record) error {
	if !q.said.again(q.about+r.Message, r.Time) {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

// again reports whether a line is to be said now.
func (s *said) again(line string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.at[line]; ok && now.Sub(at) < repeatEvery {
		return false
	}
	if len(s.at) >= mostLines {
		clear(s.at)
	}
	s.at[line] = now
	return true
}

func (q *quiet) WithAttrs(list []slog.Attr) slog.Handler {
	return &quiet{q.Handler.WithAttrs(list), q.about + fmt.Sprint(list), q.said}
}

func (q *quiet) WithGroup(name string) slog.Handler {
	return &quiet{q.Handler.WithGroup(name), q.about + name, q.said}
}
