package exporters

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"syscall"
	"testing"
	"time"

	"tidegauge/engine/experiment"
	"tidegauge/engine/plan"
)

const latenessPlan = `
name: lateness
target: {base_url: %q}
classes: {User: {tasks: [{get: /}]}}
objectives: [p99 < 10s]
tests: {load: {arrivals: 2000/s, duration: 3s, max_users: 200}}
`

// BenchmarkDeadStore makes the same run, 2,000 requests a second on loopback, without an outlet and with one whose store is dead in
// one way or another, in turns. What the outlets cost is the ratio of lateness and processor time to that of the run
// without: 1 is nothing.
func BenchmarkDeadStore(b *testing.B) {
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer target.Close()
	p, err := plan.Parse("lateness.yaml", fmt.Appendf(nil, latenessPlan, target.URL), plan.Options{})
	if err != nil {
		b.Fatal(err)
	}
	stores := []struct{ name, address string }{
		{"none", ""},
		{"closed", closedPort(b)},
		{"hanging", deadStore(b, time.Hour, http.StatusOK)},
		{"late", deadStore(b, time.Second, http.StatusNoContent)},
		{"failing", deadStore(b, 0, http.StatusInternalServerError)},
	}
	late, busy := map[string][]float64{}, map[string][]float64{}
	round := func(keep bool) {
		for _, s := range stores {
			var specs []string
			if s.address != "" {
				specs = []string{"prometheus=http://" + s.address + "/api/v1/write"}
			}
			p99, cpu := latenessOf(b, p, specs)
			if keep {
				late[s.name], busy[s.name] = append(late[s.name], p99), append(busy[s.name], cpu)
			}
		}
	}
	round(false) // warms up
	for b.Loop() {
		round(true)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(1e6*median(late["none"]), "none-lateness-p99-µs")
	for _, s := range stores[1:] {
		b.ReportMetric(median(late[s.name])/median(late["none"]), s.name+"-lateness-ratio")
		b.ReportMetric(median(busy[s.name])/median(busy["none"]), s.name+"-cpu-ratio")
	}
}

// latenessOf makes a run and returns the p99 of its lateness, and the processor time it took, both in seconds.
func latenessOf(b *testing.B, p *plan.Plan, specs []string) (p99, cpu float64) {
	b.Helper()
	l := openLab(b, b.TempDir(), time.Millisecond, specs...)
	defer l.end()
	e := &experiment.Lab{Store: l.store, History: l.h, Version: "test", Outlets: l.set.Set}
	before := processorTime(b)
	r, err := e.Run(b.Context(), experiment.Options{Plan: p, Test: &p.Tests[0]})
	if err != nil {
		b.Fatal(err)
	}
	if r.Total.Count != 6000 || r.Total.Failures > 0 {
		b.Fatalf("%d requests, %d failed, want 6000 good ones", r.Total.Count, r.Total.Failures)
	}
	return r.Lateness.P99, processorTime(b) - before
}

// closedPort returns an address where nobody listens.
func closedPort(b *testing.B) string {
	b.Helper()
	l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// deadStore answers each request so much later with a status, and at once when the benchmark is over.
func deadStore(b *testing.B, after time.Duration, status int) string {
	b.Helper()
	over := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the end of the connection is not noticed
		select {
		case <-time.After(after):
		case <-r.Context().Done():
		case <-over:
		}
		w.WriteHeader(status)
	}))
	b.Cleanup(func() {
		close(over)
		s.CloseClientConnections()
		s.Close()
	})
	return s.Listener.Addr().String()
}

func median(list []float64) float64 {
	slices.Sort(list)
	return (list[(len(list)-1)/2] + list[len(list)/2]) / 2
}

func processorTime(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
