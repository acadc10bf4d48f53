package outlet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/store"
)

func TestFaults(t *testing.T) {
	retry := func(text string, after time.Duration) error {
		return &Error{Reaction: Retry, After: after, Err: errors.New(text)}
	}
	upTo := func(most int, err error) func(int, []Sample) error {
		return func(n int, _ []Sample) error {
			if n <= most {
				return err
			}
			return nil
		}
	}
	has := func(samples []Sample, name string, at int64) bool {
		return slices.ContainsFunc(samples, func(s Sample) bool { return s.Series.Key == name && (at == 0 || s.Time == at) })
	}
	// 20 s, two series: 40 samples.
	tests := []struct {
		name     string
		r        receiver
		want     Books
		got      int
		retries  uint64
		errors   uint64
		because  map[string]uint64
		messages []string // beginnings, after the outlet's name
	}{
		{name: "all is well", want: Books{Produced: 40, Sent: 40}, got: 40},
		{
			name: "an answer of 500 three times", r: receiver{answer: upTo(3, retry("500", 0))},
			want: Books{Produced: 40, Sent: 40}, got: 40, retries: 3, errors: 3,
			messages: []string{"500; nothing is lost", "answers again after "},
		},
		{
			name: "the connection closes when the samples are in",
			r: receiver{after: func(n int) error {
				if n%3 == 1 {
					return errors.New("EOF")
				}
				return nil
			}},
			want: Books{Produced: 40, Sent: 40}, got: 40, retries: 10, errors: 10,
		},
		{
			name: "hanging", r: receiver{answer: upTo(1, errHang)},
			want: Books{Produced: 40, Sent: 40}, got: 40, retries: 1, errors: 1,
			messages: []string{"no answer within 2s", "answers again after "},
		},
		{
			name: "one sample is refused",
			r: receiver{answer: func(_ int, samples []Sample) error {
				if i := slices.IndexFunc(samples, func(s Sample) bool { return s.Series.Key == "b" && time.UnixMilli(s.Time).Second()%7 == 3 }); i >= 0 {
					return &Error{Reaction: Rejected, Err: errors.New("400 bad label")}
				}
				return nil
			}},
			want: Books{Produced: 40, Sent: 37, Lost: 3}, got: 37, errors: 3, because: map[string]uint64{"400 bad label": 3},
			messages: []string{"samples are lost: 400 bad label"},
		},
		{
			name: "half of a batch is dropped",
			r: receiver{answer: func(n int, samples []Sample) error {
				if n == 1 && has(samples, "a", 0) {
					return &Error{Reaction: Partial, Lost: 1, Err: errors.New("partial write")}
				}
				return nil
			}},
			want: Books{Produced: 40, Sent: 39, Lost: 1}, got: 38, errors: 1, because: map[string]uint64{"partial write": 1},
			messages: []string{"samples are lost: partial write"},
		},
		{
			name: "everything is refused", r: receiver{answer: upTo(1000, &Error{Reaction: Rejected, Err: errors.New("400 no")})},
			want: Books{Produced: 40, Lost: 40}, errors: 40, because: map[string]uint64{"400 no": 40},
			messages: []string{"samples are lost: 400 no"},
		},
		{
			name: "the token is wrong", r: receiver{answer: upTo(1000, &Error{Reaction: Refused, Err: errors.New("401 who are you")})},
			want: Books{Produced: 40, Waiting: 40}, messages: []string{"401 who are you; nothing is lost"},
		},
		{
			name: "away to the end", r: receiver{answer: upTo(1000, errors.New("connection refused"))},
			want: Books{Produced: 40, Waiting: 40}, messages: []string{"connection refused; nothing is lost"},
		},
	}
	for i := range tests {
		tt := &tests[i]
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m memory
				var n notes
				o := open(t, Options{Source: &m, Writer: &tt.r, Timeout: 2 * time.Second, Notify: n.note})
				var b Books
				during(t, o, func() {
					feed(&m, 20)
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					o.Flush(ctx, time.Now())
					b = o.Books()
				})
				wantBooks(t, b, tt.want)
				if got := tt.r.count(); got != tt.got {
					t.Errorf("the receiver has %d samples, want %d", got, tt.got)
				}
				if tt.want.Waiting == 0 && (b.Retries != tt.retries || b.Errors != tt.errors) {
					t.Errorf("%d retries, %d errors, want %d and %d", b.Retries, b.Errors, tt.retries, tt.errors)
				}
				if !maps.Equal(b.LostBecause, tt.because) {
					t.Errorf("lost because %v, want %v", b.LostBecause, tt.because)
				}
				if len(n.text) != len(tt.messages) && tt.messages != nil {
					t.Errorf("messages %q, want %d", n.text, len(tt.messages))
				}
				for i, want := range tt.messages {
					if i < len(n.text) && !strings.HasPrefix(n.text[i], "outlet test: "+want) {
						t.Errorf("message %q, want it to begin with %q", n.text[i], want)
					}
				}
			})
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory
		var at []time.Time
		r := &receiver{answer: func(n int, _ []Sample) error {
			at = append(at, time.Now())
			if n == 1 {
				return &Error{Reaction: Retry, After: 7 * time.Second, Err: errors.New("429")}
			}
			return nil
		}}
		o := open(t, Options{Source: &m, Writer: r})
		during(t, o, func() {
			feed(&m, 1)
			o.Flush(t.Context(), time.Now())
		})
		if len(at) != 2 || at[1].Sub(at[0]) < 7*time.Second || at[1].Sub(at[0]) > 8*time.Second {
			t.Errorf("attempts at %v, want two, 7 s apart", at)
		}
	})
}

// TestBackoffGrows: a destination that is away for ten minutes is not asked a thousand times, and asked soon after.
func TestBackoffGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory
		begin := time.Now()
		r := &receiver{answer: func(int, []Sample) error {
			if time.Since(begin) < 10*time.Minute {
				return errors.New("away")
			}
			return nil
		}}
		o := open(t, Options{Source: &m, Writer: r})
		during(t, o, func() {
			feed(&m, 600)
			b := o.Books()
			if b.Errors < 10 || b.Errors > 60 {
				t.Errorf("%d attempts in ten minutes, want some twenty to forty", b.Errors)
			}
			if b.Waiting < 1180 || b.OldestSeconds < 590 || b.OldestSeconds > 601 {
				t.Errorf("%d waiting, the oldest for %v s: want all but the last seconds of 1200, and 600 s", b.Waiting, b.OldestSeconds)
			}
			feed(&m, 40)
			o.Flush(t.Context(), time.Now())
			wantBooks(t, o.Books(), Books{Produced: 1280, Sent: 1280})
		})
		if r.count() != 1280 {
			t.Errorf("%d arrived, want 1280", r.count())
		}
	})
}

// TestRestart: an outlet that ends anywhere goes on where it was; nothing is sent twice or left out, and the books go on.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory
		file := filepath.Join(t.TempDir(), "cursor.json")
		twice := map[string]int{}
		var mu sync.Mutex
		r := &receiver{answer: func(n int, samples []Sample) error {
			if n%4 == 2 {
				return errors.New("away")
			}
			mu.Lock()
			defer mu.Unlock()
			for _, s := range samples {
				twice[fmt.Sprint(s.Series.Key, s.Time)]++
			}
			return nil
		}}
		var last Books
		for range 6 {
			o := open(t, Options{Source: &m, Writer: r, File: file})
			if b := o.Books(); b.Produced < last.Sent {
				t.Errorf("books after a restart: %+v, before: %+v", b, last)
			}
			during(t, o, func() { feed(&m, 9) })
			last = o.Books()
		}
		o := open(t, Options{Source: &m, Writer: r, File: file})
		during(t, o, func() { o.Flush(t.Context(), time.Now()) })
		wantBooks(t, o.Books(), Books{Produced: 108, Sent: 108})
		if r.count() != 108 {
			t.Errorf("%d arrived, want 108", r.count())
		}
		for key, n := range twice {
			if n != 1 {
				t.Errorf("%s was sent %d times", key, n)
			}
		}
	})
}

// TestKilled: a process that dies between an answer and the file sends one batch again, which harms nobody.
func TestKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory
		file := filepath.Join(t.TempDir(), "cursor.json")
		var old []byte
		arrived := map[string][]int64{}
		r := &receiver{}
		r.after = func(n int) error {
			if n == 3 {
				var err error
				if old, err = os.ReadFile(file); err != nil {
					t.Error(err)
				}
				for key, list := range r.got {
					arrived[key] = slices.Clone(list)
				}
			}
			return nil
		}
		o := open(t, Options{Source: &m, Writer: r, File: file})
		during(t, o, func() { feed(&m, 10) })
		// The file as it was when the third answer came, and what was sent later is taken back from the receiver.
		if err := os.WriteFile(file, old, 0o600); err != nil {
			t.Fatal(err)
		}
		r.got = arrived
		o = open(t, Options{Source: &m, Writer: r, File: file})
		during(t, o, func() { o.Flush(t.Context(), time.Now()) })
		wantBooks(t, o.Books(), Books{Produced: 20, Sent: 20})
		if r.count() != 20 {
			t.Errorf("%d arrived, want 20", r.count())
		}
	})
}

// TestBooksAgreeWithTheStore: what retention removed is lost, what came late is counted.
func TestBooksAgreeWithTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory
		begin := time.Now()
		var n notes
		r := &receiver{answer: func(int, []Sample) error {
			if time.Since(begin) < time.Minute {
				return errors.New("away")
			}
			return nil
		}}
		file := filepath.Join(t.TempDir(), "cursor.json")
		o := open(t, Options{Source: &m, Writer: r, Notify: n.note, File: file})
		during(t, o, func() { feed(&m, 20) })
		if b := o.Books(); b.Waiting < 26 || b.Waiting > 30 { // the last 5 s have not settled
			t.Errorf("%d are waiting, want about 30", b.Waiting)
		}
		for s := range m.points {
			m.points[s] = m.points[s][10:]
		}
		m.put("late", begin.Add(12*time.Second), 1)
		time.Sleep(time.Minute)
		o = open(t, Options{Source: &m, Writer: r, Notify: n.note, File: file})
		during(t, o, func() { o.Flush(t.Context(), time.Now()) })
		b := o.Books()
		wantBooks(t, b, Books{Produced: 40, Sent: 21, Lost: 19}) // 20 removed, and the late one is among those counted
		if len(b.LostBecause) != 1 || r.count() != 21 {
			t.Errorf("%d arrived, lost because %v", r.count(), b.LostBecause)
		}
	})
}

// TestOneOfEachSeries: no request has two samples of a series, samples go in the order of time, batches are bounded.
func TestOneOfEachSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory
		var last int64
		r := &receiver{answer: func(_ int, samples []Sample) error {
			seen := map[string]bool{}
			for _, s := range samples {
				if seen[s.Series.Key] || s.Time < last || len(samples) > 7 {
					t.Errorf("%d samples, %s at %d after %d", len(samples), s.Series.Key, s.Time, last)
				}
				seen[s.Series.Key], last = true, s.Time
			}
			return nil
		}}
		o := open(t, Options{Source: &m, Writer: r, MaxBatch: 7})
		during(t, o, func() {
			for range 30 {
				time.Sleep(time.Second)
				for i := range 10 {
					m.put(fmt.Sprint("series ", i), time.Now().Add(-time.Duration(i%3)*time.Millisecond), 1)
				}
			}
			o.Flush(t.Context(), time.Now())
		})
		wantBooks(t, o.Books(), Books{Produced: 300, Sent: 300})
	})
}

// TestManySamples: more than may be held at once are read in pieces.
func TestManySamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory
		r := &receiver{}
		o := open(t, Options{Source: &m, Writer: r})
		begin := time.Now()
		for i := range 3 * maxHeld {
			m.put(fmt.Sprint("series ", i%300), begin.Add(time.Duration(1+i/300)*10*time.Millisecond), 1)
		}
		time.Sleep(time.Minute)
		during(t, o, func() { o.Flush(t.Context(), time.Now()) })
		wantBooks(t, o.Books(), Books{Produced: 3 * maxHeld, Sent: 3 * maxHeld})
		if r.count() != 3*maxHeld {
			t.Errorf("%d arrived, want %d", r.count(), 3*maxHeld)
		}
	})
}

// TestHistogramsComeWithTheOneBefore, also the first one after a restart.
func TestHistogramsComeWithTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory
		file := filepath.Join(t.TempDir(), "cursor.json")
		var steps []float64
		r := &receiver{answer: func(_ int, samples []Sample) error {
			for _, s := range samples {
				steps = append(steps, s.Histogram.Since(s.Before).Count)
			}
			return nil
		}}
		total := 0.0
		for range 3 {
			o := open(t, Options{Source: &m, Writer: r, File: file, Before: true})
			during(t, o, func() {
				for range 8 {
					time.Sleep(time.Second)
					total += 5
					m.add("h", time.Now(), 0, &store.Histogram{Schema: 6, Count: total, Positive: []store.Bucket{{Index: 3, Count: total}}})
				}
			})
		}
		o := open(t, Options{Source: &m, Writer: r, File: file, Before: true})
		during(t, o, func() { o.Flush(t.Context(), time.Now()) })
		if len(steps) != 24 || slices.ContainsFunc(steps, func(n float64) bool { return n != 5 }) {
			t.Errorf("intervals of %v observations, want 24 of 5", steps)
		}
	})
}

func TestMarkersAreSentOrInNoBook(t *testing.T) {
	for _, markers := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var m memory
			r := &receiver{}
			o := open(t, Options{Source: &m, Writer: r, Markers: markers})
			during(t, o, func() {
				feed(&m, 2)
				time.Sleep(time.Second)
				m.put("a", time.Now(), store.StaleMarker())
				o.Flush(t.Context(), time.Now())
			})
			want := uint64(4)
			if markers {
				want = 5
			}
			wantBooks(t, o.Books(), Books{Produced: want, Sent: want})
		})
	}
}

func TestNewRefusesAFileItCannotRead(t *testing.T) {
	for _, text := range []string{"", "{", `{"cursor_ms": 5, "counted_ms": 3}`, `{"cursor_ms": -1}`} {
		file := filepath.Join(t.TempDir(), "cursor.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Options{Name: "n", File: file}); err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "remove the file") {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

func TestBrokenStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory
		r := &receiver{}
		o := open(t, Options{Source: &m, Writer: r})
		m.broken = errors.New("disk")
		during(t, o, func() {
			time.Sleep(20 * time.Second)
			m.mu.Lock()
			m.broken = nil
			m.mu.Unlock()
			feed(&m, 5)
			time.Sleep(time.Minute)
		})
		b := o.Books()
		wantBooks(t, b, Books{Produced: 10, Sent: 10})
		if b.Errors == 0 || b.LastError != "disk" {
			t.Errorf("%d errors, the last %q", b.Errors, b.LastError)
		}
		m.broken = store.ErrClosed
		if err := o.Run(t.Context()); !errors.Is(err, store.ErrClosed) {
			t.Errorf("Run of a closed store: %v", err)
		}
	})
}

// TestHanging: what turns up while a destination does not answer is in the books.
func TestHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory
		var n notes
		o := open(t, Options{Source: &m, Writer: &receiver{answer: func(int, []Sample) error { return errHang }}, Timeout: time.Hour, Notify: n.note})
		during(t, o, func() {
			feed(&m, 20)
			time.Sleep(poll / 2)                                      // not in the moment of a count
			wantBooks(t, o.Books(), Books{Produced: 30, Waiting: 30}) // without the last 5 s
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			o.Flush(ctx, time.Now())
			b := o.Books()
			wantBooks(t, b, Books{Produced: 40, Waiting: 40})
			if len(n.text) != 1 || !strings.HasPrefix(n.text[0], "outlet test: no answer for 10s; nothing is lost") {
				t.Errorf("messages %q, want one, that there is no answer", n.text)
			}
			if b.OldestSeconds < 20 {
				t.Errorf("the oldest waits for %v s, want 21", b.OldestSeconds)
			}
		})
	})
}

// TestReasons: answers that differ in figures only are one reason, and a run has its own.
func TestReasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory
		var n notes
		r := receiver{answer: func(n int, _ []Sample) error {
			return &Error{Reaction: Rejected, Err: fmt.Errorf("400 bad sample, request %d", n)}
		}}
		o := open(t, Options{Source: &m, Writer: &r, Notify: n.note})
		during(t, o, func() {
			feed(&m, 20)
			o.Flush(t.Context(), time.Now())
			before := o.Books()
			feed(&m, 5)
			o.Flush(t.Context(), time.Now())
			b := o.Books().since(&before)
			if len(n.text) != 1 || len(before.LostBecause) != 1 || b.Lost != 10 || len(b.LostBecause) != 1 {
				t.Errorf("messages %q, lost because %v, then %d because %v", n.text, before.LostBecause, b.Lost, b.LostBecause)
			}
			for reason, n := range b.LostBecause {
				if n != 10 {
					t.Errorf("%d are lost because of %q, want 10", n, reason)
				}
			}
		})
	})
}
