package experiment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
	"tidegauge/engine/protocol/web"
	"tidegauge/engine/run"
	"tidegauge/engine/user"
)

// keep is a measure.Sink that keeps what the final snapshot held.
type keep struct {
	names *measure.Names
	total *measure.Totals
}

func (k *keep) Consume(_ context.Context, s *measure.Snapshot) error {
	if s.Final {
		k.names, k.total = s.Names, s.Total.Clone()
	}
	return nil
}

func (k *keep) sum() measure.Sum {
	return k.total.Sum(k.names, nil)
}

func parse(t *testing.T, text string) (*plan.Plan, *plan.Test) {
	t.Helper()
	p, err := plan.Parse("plan.yaml", []byte(text), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	test, err := p.Test("")
	if err != nil {
		t.Fatal(err)
	}
	return p, test
}

// load runs the only test of a plan without a store and returns what was measured.
func load(t *testing.T, text string, dial func() (protocol.Client, error)) *keep {
	t.Helper()
	p, test := parse(t, text)
	mix, err := user.NewMix(p, test, user.Options{Seed: 1, Dial: dial})
	if err != nil {
		t.Fatal(err)
	}
	k := &keep{}
	_, err = run.Do(t.Context(), run.Options{
		Shape:       test.Shape,
		Mix:         mix,
		Recorder:    measure.New(mix.Names(), measure.Options{}),
		Sinks:       []measure.Sink{k},
		Seed:        1,
		StopTimeout: test.StopTimeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	for what, books := range map[string]measure.Books{"iterations": k.total.IterationBooks(), "requests": k.total.RequestBooks()} {
		if !books.Balanced() {
			t.Errorf("books of %s do not balance: %+v", what, books)
		}
	}
	return k
}

// TestStallCountsFromTheIntendedStart: a server stalls once, for 1 s, under 100 requests/s over one connection. Each of the
// hundred requests due meanwhile waits for what is left of the stall. Of 160 requests the slowest 5%, 8 requests, waited
// more than 1 s - 8 × 10 ms = 0.92 s: that is the 95th percentile a user felt. Measured from the send, one request was slow,
// and the 95th percentile would be a millisecond.
//
// On a clock of its own it is exact to 1%; against a real server and the real clock a busy machine may add to it.
func TestStallCountsFromTheIntendedStart(t *testing.T) {
	const stall = time.Second
	stalling := func() http.Handler {
		var first sync.Once
		begin := time.Now()
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			if time.Since(begin) > 200*time.Millisecond {
				first.Do(func() { <-time.After(stall) })
			}
		})
	}
	const stallPlan = `
name: stall
target: {base_url: %q}
classes: {Caller: {tasks: [{get: /}]}}
tests: {load: {arrivals: 100/s, duration: 1.6s, max_users: 1}}
`
	check := func(t *testing.T, k *keep, low, high float64) {
		t.Helper()
		sum := k.sum()
		if sum.Finished != 160 || sum.Failed != 0 {
			t.Fatalf("%d requests finished, %d failed; want 160 and 0", sum.Finished, sum.Failed)
		}
		if p95 := sum.ResponseTime.Quantile(0.95); p95 < low || p95 > high {
			t.Errorf("p95 of response time %.4f s, want %.4f to %.4f s", p95, low, high)
		}
		if p95 := sum.ServiceTime.Quantile(0.95); p95 > 0.1 {
			t.Errorf("p95 of service time %.4f s, want it small: only one request was slow on the wire", p95)
		}
		if slowest := sum.ServiceTime.Max(); slowest < 0.99 {
			t.Errorf("greatest service time %.4f s, want the stall of 1 s", slowest)
		}
		if books := k.total.IterationBooks(); books.Intended != 160 || books.Dropped != 0 || books.Cut != 0 {
			t.Errorf("books %+v, want 160 intended, none dropped or cut", books)
		}
	}
	t.Run("exact clock", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			dial := serveInMemory(t, stalling())
			check(t, load(t, fmt.Sprintf(stallPlan, "http://127.0.0.1"), dial), 0.92*0.99, 0.92*1.01)
		})
	})
	t.Run("real server", func(t *testing.T) {
		s := httptest.NewServer(stalling())
		defer s.Close()
		check(t, load(t, fmt.Sprintf(stallPlan, s.URL), nil), 0.91, 1.5)
	})
}

// serveInMemory starts net/http's server on connections in memory and returns what makes HTTP clients of virtual users for it,
// so that both run on the clock of a synctest bubble.
func serveInMemory(t *testing.T, h http.Handler) func() (protocol.Client, error) {
	t.Helper()
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	s := &http.Server{Handler: h}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return func() (protocol.Client, error) {
		return web.New(web.Options{MaxResponseBytes: 1 << 20, Dial: l.dial}), nil
	}
}

// pipes is a net.Listener whose connections are made by dial, in memory.
type pipes struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// latencies is a server whose answers take what a distribution says, and which keeps what it took: the truth to compare with.
type latencies struct {
	mu   sync.Mutex
	next func() float64 // seconds
	took []float64
}

func (l *latencies) ServeHTTP(http.ResponseWriter, *http.Request) {
	l.mu.Lock()
	d := time.Duration(l.next() * float64(time.Second))
	l.took = append(l.took, d.Seconds())
	l.mu.Unlock()
	time.Sleep(d)
}

// TestQuantilesOfKnownDistributions: against servers whose latencies are known, every quantile up to p99.9 is within 1% of
// the latencies that were served; the tail of the histogram cannot be off by more than its bucket, 0.27%.
func TestQuantilesOfKnownDistributions(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, next := range map[string]func() float64{
		"constant": func() float64 { return 0.080 },
		"bimodal": func() float64 {
			if r.Float64() < 0.9 {
				return 0.010 + 0.002*r.Float64()
			}
			return 0.200 + 0.050*r.Float64()
		},
		"log-normal": func() float64 { return 0.020 * math.Exp(0.5*r.NormFloat64()) },
		"heavy tail": func() float64 { return min(30, 0.005*math.Pow(1-r.Float64(), -1/1.3)) }, // Pareto, infinite variance
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &latencies{next: next}
				k := load(t, `
name: known
target: {base_url: "http://127.0.0.1", timeout: 60s}
classes: {Caller: {tasks: [{get: /}]}}
tests: {load: {arrivals: 500/s, duration: 20s, max_users: 10000, stop_timeout: 60s}}
`, serveInMemory(t, server))
				sum := k.sum()
				if got, want := sum.Finished, uint64(10_000); got != want || len(server.took) != int(want) {
					t.Fatalf("%d requests measured, %d served, want %d", got, len(server.took), want)
				}
				slices.Sort(server.took)
				for _, q := range []float64{0.01, 0.1, 0.25, 0.5, 0.66, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999} {
					truth := server.took[int(math.Ceil(q*float64(len(server.took))))-1]
					for what, got := range map[string]float64{"response": sum.ResponseTime.Quantile(q), "service": sum.ServiceTime.Quantile(q)} {
						if math.Abs(got-truth) > 0.01*truth {
							t.Errorf("p%g of %s time %.6f s, served were %.6f s: off by %.2f%%", 100*q, what, got, truth, 100*(got/truth-1))
						}
					}
				}
			})
		})
	}
}

// TestTwoSecondsOfLoadMakeExactlyTheIntendedRequests checks counts and times under a clock that is exact.
func TestTwoSecondsOfLoadMakeExactlyTheIntendedRequests(t *testing.T) {
	for _, test := range []struct {
		name, shape string
		want        uint64
	}{
		{"open, constant", "arrivals: 100/s, duration: 2s", 200},
		{"open, ramp", "arrivals: {from: 0/s, to: 100/s}, duration: 2s", 100},
		{"open, stages", "arrivals: [{to: 50/s, over: 1s}, {hold: 500ms}, {to: 0/s, over: 500ms}]", 63}, // 25 + 25 + 12.5
		{"closed, one each 100 ms by ten users", "users: 10, spawn_rate: 1000, duration: 2s", 10 * 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := serveInMemory(t, &latencies{next: func() float64 { return 0.001 }})
				k := load(t, `
name: exact
target: {base_url: "http://127.0.0.1"}
classes: {Caller: {wait: {pacing: 100ms}, tasks: [{get: /}]}}
tests: {load: {`+test.shape+`}}
`, server)
				if got := k.sum().Finished; got != test.want {
					t.Errorf("%d requests, want %d", got, test.want)
				}
				if got := k.total.IterationBooks().Intended; got != test.want {
					t.Errorf("%d iterations intended, want %d", got, test.want)
				}
			})
		})
	}
}
