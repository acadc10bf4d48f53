package outlet

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/store"
)

// openTail opens an outlet over a real store, in a bubble whose clock the store's times follow.
func openTail(t *testing.T, dir string, o Options) (*store.Store, *Outlet) {
	t.Helper()
	s, err := store.Open(store.Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		t.Fatal(err)
	}
	tail := s.Tail()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	o.Source, o.Late, o.File = tail, tail, filepath.Join(dir, "cursor.json")
	return s, open(t, o)
}

func write(t *testing.T, s *store.Store, name string, at time.Time) {
	t.Helper()
	series := &store.Series{Labels: []store.Label{{Name: "__name__", Value: name}}}
	if err := s.Append(t.Context(), []store.Point{{Series: series, Time: at.UnixMilli(), Value: 1}}); err != nil {
		t.Error(err)
	}
}

// slow writes one sample a second, and every fifth second one of another series that is 20 s old.
func slow(t *testing.T, s *store.Store, seconds int) {
	t.Helper()
	for i := range seconds {
		time.Sleep(time.Second) // in a bubble
		write(t, s, "quick", time.Now())
		if i%5 == 4 {
			write(t, s, "slow", time.Now().Add(-20*time.Second))
		}
	}
}

// TestLateSamplesAreSent: what reaches the store when the cursor has passed its time arrives all the same, once.
func TestLateSamplesAreSent(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    *receiver
	}{
		{name: "all is well", r: &receiver{}},
		{name: "away for a while", r: &receiver{answer: func(n int, _ []Sample) error {
			if n >= 10 && n < 20 {
				return errors.New("connection refused")
			}
			return nil
		}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, o := openTail(t, t.TempDir(), Options{Writer: tt.r})
				during(t, o, func() {
					slow(t, s, 60)
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					o.Flush(ctx, time.Now())
					wantBooks(t, o.Books(), Books{Produced: 72, Sent: 72})
				})
				if n := len(tt.r.got[`{__name__="slow"}`]); n != 12 || tt.r.count() != 72 {
					t.Errorf("%d late samples and %d in all have arrived, want 12 and 72: %v", n, tt.r.count(), tt.r.got)
				}
			})
		})
	}
}

// TestLateSamplesOfAProcessThatEnded: what nobody can find again is lost, with its reason; the rest is sent by the next.
func TestLateSamplesOfAProcessThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var away atomic.Bool
		r := receiver{answer: func(int, []Sample) error {
			if away.Load() {
				return errors.New("connection refused")
			}
			return nil
		}}
		s, o := openTail(t, dir, Options{Writer: &r})
		during(t, o, func() {
			slow(t, s, 22)
			away.Store(true)
			synctest.Wait()
			slow(t, s, 7) // one late, behind the cursor
			if b := o.Books(); !b.Balanced || b.Waiting == 0 || b.Lost != 0 {
				t.Errorf("books while it is away: %+v", b)
			}
		})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		var kept state
		if text, err := os.ReadFile(o.o.File); err != nil || json.Unmarshal(text, &kept) != nil || kept.Late == 0 {
			t.Fatalf("the file does not say that late samples wait: %s, %v", text, err)
		}
		away.Store(false)
		_, o = openTail(t, dir, Options{Writer: &r})
		during(t, o, func() {
			o.Flush(t.Context(), time.Now())
			b := o.Books()
			if !b.Balanced || b.Lost != kept.Late || b.Waiting != 0 || b.Sent+b.Lost != 34 || len(b.LostBecause) != 1 || b.LostBecause[lateAndForgotten] != kept.Late {
				t.Errorf("books %+v, want 34 produced, %d of them lost as late", b, kept.Late)
			}
		})
		if n := r.count(); uint64(n) != 34-kept.Late {
			t.Errorf("%d have arrived, want %d", n, 34-kept.Late)
		}
	})
}
