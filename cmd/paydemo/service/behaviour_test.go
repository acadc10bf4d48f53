package service

import (
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFlags(t *testing.T) {
	args := "-listen :9 -redis r:1 -redis-listen :2 -pool 2 -pool-timeout 3s -database-timeout 4s -keep 5 -notify http://n -notify-listen :3 " +
		"-notify-timeout 6s -breaker-failures 7 -breaker-reset 8s -latency 0 -notify-latency 9s -notify-failures 0.5 -leak 11 " +
		"-leak-per-second 12 -workers 13 -work 14s -warmup 15s -warmup-factor 16 -slowdown 17 -build v18 -verbose"
	got, verbose, err := ParseFlags(strings.Fields(args), io.Discard)
	if err != nil || !verbose {
		t.Fatalf("verbose %t, error %v", verbose, err)
	}
	want := Options{
		Listen: ":9", Redis: "r:1", RedisListen: ":2", PoolSize: 2, PoolTimeout: 3 * time.Second, DatabaseTimeout: 4 * time.Second, Keep: 5,
		Notify: "http://n", NotifyListen: ":3", NotifyTimeout: 6 * time.Second, BreakerFailures: 7, BreakerReset: 8 * time.Second,
		Latency: -1, NotifyLatency: 9 * time.Second, NotifyFailures: 0.5, Leak: 11, LeakPerSecond: 12, Workers: 13, Work: 14 * time.Second,
		Warmup: 15 * time.Second, WarmupFactor: 16, Slowdown: 17, Version: "v18",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flags (-want +got): %s", diff)
	}
}

// behaving returns a handler of a behaviour that answers 200, or 503 where it refuses.
func behaving(o Options) (*behaviour, http.Handler) {
	b := newBehaviour(o.withDefaults())
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	return b, b.limit(status(http.StatusOK), status(http.StatusServiceUnavailable))
}

// The capacity is workers / work: above it requests are answered at exactly that rate.
func TestCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := behaving(Options{Workers: 4, Work: 20 * time.Millisecond})
		begun := time.Now()
		var mu sync.Mutex
		statuses := map[int]int{}
		var last time.Duration
		var group sync.WaitGroup
		for range 2000 { // 400/s for 5 s
			group.Go(func() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", "/payments", nil))
				mu.Lock()
				defer mu.Unlock()
				statuses[w.Code]++
				last = max(last, time.Since(begun))
			})
			time.Sleep(2500 * time.Microsecond)
		}
		group.Wait()
		// The last worker begins with the fourth arrival, and is busy from then on with a quarter of them.
		const want = 3*2500*time.Microsecond + 500*20*time.Millisecond
		if diff := cmp.Diff(map[int]int{200: 2000}, statuses); diff != "" || last != want {
			t.Errorf("2000 requests at a capacity of 200/s took %v: %s", last, diff)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, h := behaving(Options{Workers: 1, Work: time.Second})
		for range 6 {
			if _, ok := b.reserve(); !ok {
				t.Fatal("no room in an empty queue")
			}
		}
		for path, want := range map[string]int{"/payments": 503, "/metrics": 200, "/healthz": 200} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
			if w.Code != want {
				t.Errorf("%s with a full queue: %d, want %d", path, w.Code, want)
			}
		}
	})
}

func TestWarmupAndSlowdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := behaving(Options{Warmup: 10 * time.Second, WarmupFactor: 5, Slowdown: 1.5})
		time.Sleep(time.Hour) // it counts from the first request
		for _, want := range []float64{1.5 * 5, 1.5 * (1 + 4/math.E), 1.5 * (1 + 4/math.E/math.E)} {
			if got := b.factor(); math.Abs(got-want) > 1e-9 {
				t.Errorf("the factor is %v, want %v", got, want)
			}
			time.Sleep(10 * time.Second)
		}
		plain, _ := behaving(Options{})
		if got := plain.factor(); got != 1 {
			t.Errorf("without any behaviour the factor is %v", got)
		}
	})
}

func TestLeakPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := behaving(Options{LeakPerSecond: 12345})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
		defer cancel()
		total, err := b.leakSteadily(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if total != 123450 {
			t.Errorf("%d bytes leaked in 10 s, want 123450", total)
		}
	})
}

// With both an address to connect to and one to listen on, the service reaches its own database and notification service
// through whatever stands between: here a way that is just the same address.
func TestOwnDatabaseByAnotherWay(t *testing.T) {
	var addresses [2]string
	for i := range addresses {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addresses[i] = l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c := start(t, Options{
		Redis: addresses[0], RedisListen: addresses[0], Notify: "http://" + addresses[1] + "/notifications", NotifyListen: addresses[1],
		Workers: 2, Work: time.Millisecond, LeakPerSecond: 1000,
	})
	if made := c.pay(); made.Notification != "sent" {
		t.Errorf("a payment: %s", made.text)
	}
}
