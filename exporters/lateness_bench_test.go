//go:build unix

package exporters

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tidegauge/engine/experiment"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/store"
)

const latenessPlan = `
name: lateness
target: {base_url: %q}
classes: {User: {tasks: [{get: /}]}}
objectives: [p99 < 10s]
tests: {load: {arrivals: %d/s, duration: 5s, max_users: 200}}
`

// soon is how old samples are when they are sent here: outlets are at work while the load lasts.
const soon = 300 * time.Millisecond

// BenchmarkStores makes the same run, 2,000 requests a second on loopback and 5,000 series of servers, without an outlet, with one whose store is well,
// and with one whose store is dead in one way or another, in turns. What the outlets cost is the ratio of lateness and
// processor time to that of the run without: 1 is nothing. The lowest and highest ratio of a round show the noise.
func BenchmarkStores(b *testing.B) {
	p := latenessOfPlan(b, 2000)
	stores := []*endpointOf{
		{name: "none"},
		healthyStore(b),
		{name: "closed", address: closedPort(b)},
		answering(b, "hanging", time.Hour, http.StatusOK),
		answering(b, "late", time.Second, http.StatusNoContent),
		answering(b, "failing", 0, http.StatusInternalServerError),
	}
	late, busy := map[string][]float64{}, map[string][]float64{}
	round := func(keep bool) {
		for _, s := range stores {
			c := costOf(b, p, s)
			if c.requests != 10_000 || c.failures > 0 {
				b.Fatalf("%s: %d requests, %d failed, want 10,000 good ones", s.name, c.requests, c.failures)
			}
			if keep {
				late[s.name], busy[s.name] = append(late[s.name], c.lateness), append(busy[s.name], c.processor)
			}
		}
	}
	round(false) // warms up
	for b.Loop() {
		round(true)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(1e6*median(late["none"]), "none-lateness-p99-µs")
	b.ReportMetric(median(busy["none"]), "none-cpu-s")
	for _, s := range stores[1:] {
		for what, of := range map[string]map[string][]float64{"lateness": late, "cpu": busy} {
			ratios := make([]float64, len(of[s.name]))
			for i := range ratios {
				ratios[i] = of[s.name][i] / of["none"][i]
			}
			b.ReportMetric(median(ratios), s.name+"-"+what+"-ratio")
			b.ReportMetric(slices.Min(ratios), s.name+"-"+what+"-lowest")
			b.ReportMetric(slices.Max(ratios), s.name+"-"+what+"-highest")
		}
	}
}

func latenessOfPlan(t testing.TB, rate int) *plan.Plan {
	t.Helper()
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(target.Close)
	p, err := plan.Parse("lateness.yaml", fmt.Appendf(nil, latenessPlan, target.URL, rate), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// cost is what a run took, times in seconds.
type cost struct {
	lateness, processor float64 // lateness: p99
	requests, failures  uint64
}

// costOf makes a run with an outlet to a store, which must have been spoken to before the load is over.
func costOf(t testing.TB, p *plan.Plan, s *endpointOf) cost {
	t.Helper()
	var specs []string
	if s.address != "" {
		specs = []string{"prometheus=http://" + s.address + "/api/v1/write"}
	}
	dir := t.TempDir()
	fill(t, dir)
	l := openLabSettling(t, dir, time.Millisecond, soon, nil, specs...)
	defer l.end()
	asked, spoken := s.asked.Load(), s.address == ""
	d := &during{do: map[int]func(){4: func() {
		spoken = spoken || s.asked.Load() > asked || l.set.Books()[0].Errors > 0
	}}}
	e := &experiment.Lab{Store: l.store, History: l.h, Version: "test", Outlets: l.set.Set}
	before := processorTime(t)
	r, err := e.Run(t.Context(), experiment.Options{Plan: p, Test: &p.Tests[0], Sinks: []measure.Sink{d, servers{l.store}}})
	took := processorTime(t) - before
	d.doing.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if !spoken {
		t.Errorf("%s: nothing was sent to the store in four seconds of load: this measures nothing", s.name)
	}
	return cost{r.Lateness.P99, took, r.Total.Count, r.Total.Failures}
}

// servers puts 5,000 series beside those of the run, as servers do that are scraped every second.
type servers struct{ store *store.Store }

func (s servers) Consume(ctx context.Context, _ *measure.Snapshot) error {
	return s.put(ctx, time.Now())
}

func (s servers) put(ctx context.Context, at time.Time) error {
	points := make([]store.Point, 5000)
	for i := range points {
		labels := []store.Label{{Name: "__name__", Value: "of_a_server"}, {Name: "i", Value: strconv.Itoa(i)}}
		points[i] = store.Point{Series: &store.Series{Labels: labels}, Time: at.UnixMilli(), Value: float64(i)}
	}
	return s.store.Append(ctx, points)
}

// fill puts 20 seconds of servers into a lab that is not open yet, so that a look at the store takes what it usually does.
func fill(t testing.TB, dir string) {
	t.Helper()
	s, err := store.Open(store.Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		t.Fatal(err)
	}
	for ago := 20 * time.Second; ago > 0; ago -= time.Second {
		if err := (servers{s}).put(t.Context(), time.Now().Add(-ago)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// endpointOf is a store as an outlet sees it.
type endpointOf struct {
	name, address string // no address: no outlet
	asked         atomic.Int64
}

func healthyStore(t testing.TB) *endpointOf {
	return answering(t, "healthy", 0, http.StatusNoContent)
}

// closedPort returns an address where nobody listens.
func closedPort(b testing.TB) string {
	b.Helper()
	l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// answering returns a store that answers each request so much later with a status, and at once when the test is over.
func answering(t testing.TB, name string, after time.Duration, status int) *endpointOf {
	t.Helper()
	e := &endpointOf{name: name}
	over := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.asked.Add(1)
		_, _ = io.Copy(io.Discard, r.Body) // else the end of the connection is not noticed
		if after > 0 {
			select {
			case <-time.After(after):
			case <-r.Context().Done():
			case <-over:
			}
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(func() {
		close(over)
		s.CloseClientConnections()
		s.Close()
	})
	e.address = s.Listener.Addr().String()
	return e
}

func median(list []float64) float64 {
	slices.Sort(list)
	return (list[(len(list)-1)/2] + list[len(list)/2]) / 2
}

func processorTime(t testing.TB) float64 {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
