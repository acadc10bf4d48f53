package outlet

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sink is an Exporter that answers as it is told.
type sink struct {
	mu     sync.Mutex
	got    []int
	tries  int
	answer func(n int) error // of the n-th try, from 1
}

func (s *sink) Export(ctx context.Context, items []int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	if s.answer != nil {
		if err := s.answer(s.tries); err != nil {
			if errors.Is(err, errHang) {
				s.mu.Unlock()
				<-ctx.Done()
				s.mu.Lock()
				return ctx.Err()
			}
			return err
		}
	}
	s.got = append(s.got, items...)
	return nil
}

// queue runs a queue while do runs, in a bubble.
func queue(t *testing.T, o QueueOptions[int], do func(q *Queue[int])) {
	t.Helper()
	o.Name, o.Signal = "test", Spans
	q, err := NewQueue(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := q.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	do(q)
	cancel()
	running.Wait()
	if b := q.Books(); b.Waiting != 0 && o.File == "" || !b.Balanced {
		t.Errorf("books at the end: %+v", b)
	}
}

func TestQueueSendsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		queue(t, QueueOptions[int]{Exporter: s}, func(q *Queue[int]) {
			for i := range 2000 {
				if !q.Offer(i) {
					t.Fatal("no room")
				}
				time.Sleep(time.Millisecond)
			}
			q.Flush(t.Context(), time.Now())
			wantBooks(t, q.Books(), Books{Produced: 2000, Sent: 2000})
		})
		if !slices.IsSorted(s.got) || len(s.got) != 2000 {
			t.Errorf("%d items, sorted %v", len(s.got), slices.IsSorted(s.got))
		}
		if s.tries > 6 {
			t.Errorf("%d exports for 2 seconds", s.tries)
		}
	})
}

// A destination that hangs costs nobody time: what does not fit is lost, and counted.
func TestQueueDropsWhatDoesNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n notes
		s := &sink{answer: func(int) error { return errHang }}
		queue(t, QueueOptions[int]{Exporter: s, Capacity: 100, Notify: n.note}, func(q *Queue[int]) {
			begin := time.Now()
			for i := range 1000 {
				q.Offer(i)
				if i == 99 {
					synctest.Wait() // the first hundred are being sent
				}
			}
			if took := time.Since(begin); took != 0 {
				t.Errorf("it took %v of the load's time", took)
			}
			wantBooks(t, q.Books(), Books{Produced: 1000, Waiting: 200, Lost: 800})
			if got := q.Books().LostBecause[noRoom]; got != 800 {
				t.Errorf("lost because %v", q.Books().LostBecause)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			begin = time.Now()
			q.Flush(ctx, begin)
			if took := time.Since(begin); took != 3*time.Second {
				t.Errorf("the flush took %v", took)
			}
			wantBooks(t, q.Books(), Books{Produced: 1000, Lost: 1000})
			if q.Offer(1); q.Books().Waiting != 1 {
				t.Error("nothing is taken after a flush that gave up")
			}
		})
	})
}

func TestQueueAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(n int) error
		want   Books
		tries  int
		note   string
	}{
		{"an outage", func(n int) error {
			if n < 4 {
				return errors.New("connection refused")
			}
			return nil
		}, Books{Produced: 10, Sent: 10}, 4, "spans wait in memory"},
		{"asked to wait", func(n int) error {
			if n == 1 {
				return &Error{After: 7 * time.Second, Err: errors.New("too many requests")}
			}
			return nil
		}, Books{Produced: 10, Sent: 10}, 2, "too many requests"},
		{"rejected", func(int) error { return &Error{Reaction: Rejected, Err: errors.New("bad span")} }, Books{Produced: 10, Lost: 10}, 1, "spans are lost: bad span"},
		{"partial", func(int) error { return &Error{Reaction: Partial, Lost: 3, Err: errors.New("three are bad")} }, Books{Produced: 10, Sent: 7, Lost: 3}, 1, "three are bad"},
		{"refused", func(int) error { return &Error{Reaction: Refused, Err: errors.New("wrong token")} }, Books{Produced: 10, Lost: 10}, 1, "wrong token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n notes
				s := &sink{answer: tt.answer}
				queue(t, QueueOptions[int]{Exporter: s, Notify: n.note}, func(q *Queue[int]) {
					for i := range 10 {
						q.Offer(i)
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					q.Flush(ctx, time.Now())
					wantBooks(t, q.Books(), tt.want)
				})
				if s.tries < tt.tries {
					t.Errorf("%d tries, want %d", s.tries, tt.tries)
				}
				if len(n.text) == 0 || !strings.Contains(strings.Join(n.text, "\n"), tt.note) {
					t.Errorf("messages %q", n.text)
				}
			})
		})
	}
}

func TestQueueEndsWithItsProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q *Queue[int]
		queue(t, QueueOptions[int]{Exporter: &sink{}}, func(one *Queue[int]) {
			q = one
			q.Offer(1)
		})
		wantBooks(t, q.Books(), Books{Produced: 1, Lost: 1})
	})
}
