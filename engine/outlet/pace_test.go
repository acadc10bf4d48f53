package outlet

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/store"
)

// paced is a Source that takes a while to answer, and counts how often it is asked.
type paced struct {
	Source
	takes time.Duration
	calls atomic.Int64
}

func (p *paced) Read(ctx context.Context, from, to int64, use func(store.Point) error) error {
	p.calls.Add(1)
	time.Sleep(p.takes) // in a bubble
	return p.Source.Read(ctx, from, to, use)
}

func (p *paced) Count(ctx context.Context, from, to int64) (samples, markers uint64, err error) {
	p.calls.Add(1)
	time.Sleep(p.takes)
	return p.Source.Count(ctx, from, to)
}

// TestPace: however long a look at the store takes, a healthy outlet looks once a second: it counts and it reads.
func TestPace(t *testing.T) {
	for _, takes := range []time.Duration{0, 5 * time.Millisecond, 300 * time.Millisecond} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &memory{}
				source := &paced{Source: m, takes: takes}
				o := open(t, Options{Source: source, Writer: &receiver{}})
				during(t, o, func() {
					feed(m, 60)
					time.Sleep(time.Second)
				})
				if n := source.calls.Load(); n < 60 || n > 2*62+1 {
					t.Errorf("the store was asked %d times in 61 s, want at most twice a second", n)
				}
				if b := o.Books(); b.Sent < 100 {
					t.Errorf("books %+v: not much was sent", b)
				}
			})
		})
	}
}

// TestFlushDoesNotWaitForThePace: a flush is served at once, whatever the outlet is at.
func TestFlushDoesNotWaitForThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		o := open(t, Options{Source: &paced{Source: m, takes: 5 * time.Millisecond}, Writer: &receiver{}})
		during(t, o, func() {
			feed(m, 20)
			for range 20 {
				time.Sleep(37 * time.Millisecond) // from one place of a pass to another
				m.put("a", time.Now(), 1)
				begun := time.Now()
				o.Flush(t.Context(), begun)
				if took := time.Since(begun); took > 50*time.Millisecond {
					t.Errorf("the flush took %v", took)
				}
			}
		})
		wantBooks(t, o.Books(), Books{Produced: 60, Sent: 60})
	})
}

// BenchmarkPass is what an outlet does with the store once a second, for 1,000 series with a sample a second, without sending:
// ns/op in a second is its share of a processor.
func BenchmarkPass(b *testing.B) {
	s, err := store.Open(store.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}()
	const series, seconds = 1000, 600
	from := time.Now().Add(-seconds * time.Second).Truncate(time.Second)
	for second := range seconds {
		var points []store.Point
		for i := range series {
			labels := []store.Label{{Name: "__name__", Value: "m"}, {Name: "i", Value: strconv.Itoa(i)}}
			at := from.Add(time.Duration(second) * time.Second).UnixMilli()
			points = append(points, store.Point{Series: &store.Series{Labels: labels}, Time: at, Value: float64(second * i)})
		}
		if err := s.Append(b.Context(), points); err != nil {
			b.Fatal(err)
		}
	}
	tail, last := s.Tail(), from.Add((seconds-1)*time.Second).UnixMilli()
	for b.Loop() {
		counted, _, err := tail.Count(b.Context(), last-1000, last)
		read := uint64(0)
		if err == nil {
			err = tail.Read(b.Context(), last-1000, last, func(store.Point) error { read++; return nil })
		}
		if err != nil || counted != series || read != series {
			b.Fatalf("%d counted, %d read, %v", counted, read, err)
		}
	}
}
