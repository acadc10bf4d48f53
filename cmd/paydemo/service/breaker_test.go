package service

import (
	"bytes"
	"io"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"

	"tidegauge/engine/stat"
)

// inMemory is a notification service without a network. It hangs, or refuses, in spans of time from its beginning.
type inMemory struct {
	begin  time.Time
	hangs  [][2]time.Duration
	refuse bool // at once, instead of hanging
}

func (d *inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	at := time.Since(d.begin)
	for _, h := range d.hangs {
		if at < h[0] || at >= h[1] {
			continue
		}
		if d.refuse {
			return &http.Response{StatusCode: http.StatusInternalServerError, Status: "500", Body: io.NopCloser(&bytes.Buffer{})}, nil
		}
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	time.Sleep(time.Millisecond)
	return &http.Response{StatusCode: http.StatusNoContent, Body: io.NopCloser(&bytes.Buffer{})}, nil
}

// The service's own circuit breaker, as it comes, under 100 payments a second: what is inferred from outside is what it counts
// itself, and it is closed again when its state says so.
func TestTheBreakerSeenFromOutside(t *testing.T) {
	const second = time.Second
	for name, c := range map[string]struct {
		downstream inMemory
		failures   int // that open it; 0: as it comes
		trips      int // seen from outside
		openings   int // by its own count
		closed     time.Duration
	}{
		"never":                   {inMemory{}, 0, 0, 0, 0},
		"hangs for 8 s":           {inMemory{hangs: [][2]time.Duration{{20 * second, 28 * second}}}, 0, 1, 2, 31 * second},
		"hangs for 3 s":           {inMemory{hangs: [][2]time.Duration{{20 * second, 23 * second}}}, 0, 1, 1, 25500 * time.Millisecond},
		"hangs twice":             {inMemory{hangs: [][2]time.Duration{{15 * second, 18 * second}, {30 * second, 38 * second}}}, 0, 2, 3, 41 * second},
		"too few to open it":      {inMemory{hangs: [][2]time.Duration{{20 * second, 20*second + 35*time.Millisecond}}}, 0, 0, 0, 0},
		"no breaker":              {inMemory{hangs: [][2]time.Duration{{20 * second, 28 * second}}}, math.MaxInt32, 0, 0, 0},
		"refused at once: unseen": {inMemory{hangs: [][2]time.Duration{{20 * second, 28 * second}}, refuse: true}, 0, 0, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, _, err := ParseFlags(nil, t.Output())
				if err != nil {
					t.Fatal(err)
				}
				o.Notify, o.Log = "http://notifications", slog.New(slog.DiscardHandler)
				if c.failures > 0 {
					o.BreakerFailures = c.failures
				}
				m := newMetrics(o)
				n := newNotifier(o, m)
				c.downstream.begin = time.Now()
				n.client.Transport = &c.downstream
				got := stat.InferBreaker(250*time.Millisecond, pay(t, n, 50*second))
				var own dto.Metric
				if err := m.breakerTrips.Write(&own); err != nil {
					t.Fatal(err)
				}
				if opened := int(own.GetCounter().GetValue()); opened != c.openings {
					t.Errorf("it opened %d times, want %d", opened, c.openings)
				}
				if len(got.Trips) != c.trips || c.trips > 0 && got.Openings() != c.openings {
					t.Fatalf("from outside: %d trips, %d openings, want %d, %d: %+v", len(got.Trips), got.Openings(), c.trips, c.openings, got.Trips)
				}
				if c.trips == 0 {
					return
				}
				if last := got.Trips[c.trips-1]; !last.Closed || (last.Reset-c.closed).Abs() > 250*time.Millisecond {
					t.Errorf("closed %v at %v, want %v", last.Closed, last.Reset, c.closed)
				}
			})
		})
	}
}

// pay makes a payment every 10 ms and returns what became of their notifications, by intended start in buckets of 250 ms.
func pay(t *testing.T, n *notifier, length time.Duration) []stat.Bucket {
	t.Helper()
	const width = 250 * time.Millisecond
	buckets := make([]stat.Bucket, length/width)
	var mu sync.Mutex
	var all sync.WaitGroup
	for at := time.Duration(0); at < length; at += 10 * time.Millisecond {
		all.Go(func() {
			begun := time.Now()
			failed := n.created(t.Context(), &payment{ID: "pay_1"}) != notificationSent
			fast := time.Since(begun) < 100*time.Millisecond
			mu.Lock()
			defer mu.Unlock()
			b := &buckets[at/width]
			b.Intended++
			if failed {
				b.Failed++
			}
			if failed && fast {
				b.FastFailed++
			}
		})
		time.Sleep(10 * time.Millisecond)
	}
	all.Wait()
	return buckets
}
