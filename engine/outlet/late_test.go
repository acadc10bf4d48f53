package outlet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

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

// TestLateSamplesOfAProcessThatEnded: what turned up late while nobody took it, the next process finds and sends.
func TestLateSamplesOfAProcessThatEnded(t *testing.T) {
	for _, before := range []bool{false, true} {
		t.Run(fmt.Sprintf("with the state before %v", before), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { lateInTwoProcesses(t, before) })
		})
	}
}

func lateInTwoProcesses(t *testing.T, before bool) {
	t.Helper()
	dir := t.TempDir()
	var away atomic.Bool
	r := receiver{answer: func(int, []Sample) error {
		if away.Load() {
			return errors.New("connection refused")
		}
		return nil
	}}
	s, o := openTail(t, dir, Options{Writer: &r, Before: before})
	during(t, o, func() {
		slow(t, s, 22)
		away.Store(true)
		synctest.Wait()
		slow(t, s, 7) // one late, behind the cursor
		if b := o.Books(); !b.Balanced || b.Waiting == 0 || b.Lost != 0 {
			t.Errorf("books while it is away: %+v", b)
		}
		write(t, s, "slow", time.Now().Add(-20*time.Second)) // when nobody looks any more
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var kept state
	text, err := os.ReadFile(o.o.File)
	if err != nil || json.Unmarshal(text, &kept) != nil || len(kept.Behind[`{__name__="slow"}`]) == 0 {
		t.Fatalf("the file does not say that late samples wait: %s, %v", text, err)
	}
	s, o = openTail(t, dir, Options{Writer: &r, Before: before})
	during(t, o, func() { time.Sleep(10 * time.Second) }) // still away
	again, err := loadState(o.o.File, "test")
	if err != nil || !cmp.Equal(again.Behind, kept.Behind) {
		t.Errorf("a process that could send nothing leaves %v behind, want %v: %v", again.Behind, kept.Behind, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	away.Store(false)
	_, o = openTail(t, dir, Options{Writer: &r, Before: before})
	during(t, o, func() {
		o.Flush(t.Context(), time.Now())
		wantBooks(t, o.Books(), Books{Produced: 35, Sent: 35})
	})
	if n := len(r.got[`{__name__="slow"}`]); n != 6 || r.count() != 35 {
		t.Errorf("%d late samples and %d in all have arrived, want 6 and 35: %v", n, r.count(), r.got)
	}
	if last, err := loadState(o.o.File, "test"); err != nil || len(last.Behind) != 0 {
		t.Errorf("the file still has %v: %v", last.Behind, err)
	}
}
