package telemetry

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"

	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

// wide is a run of many requests in three classes, whose totals are written by hand as measure.Recorder would.
type wide struct {
	names        measure.Names
	total, delta measure.Totals
	begin        time.Time
	intervals    int
	every        int // in an interval every so-manieth request is sent; 0: each
}

func newWide(requests int) *wide {
	w := &wide{begin: start}
	for c := range 3 {
		class := fmt.Sprintf("Class%d", c)
		w.names.Classes = append(w.names.Classes, class)
		for i := range requests {
			w.names.Requests = append(w.names.Requests, measure.Request{Class: class, Name: fmt.Sprintf("GET /resource/%d", i), Method: "GET"})
		}
	}
	for _, t := range []*measure.Totals{&w.total, &w.delta} {
		t.Classes, t.Requests = make([]measure.ClassTotals, len(w.names.Classes)), make([]measure.RequestTotals, len(w.names.Requests))
	}
	return w
}

// interval returns the snapshot of the next interval, with observations of each request for each of the outcomes. Their times
// always have the same least and greatest.
func (w *wide) interval(outcomes ...protocol.Outcome) *measure.Snapshot {
	i := w.intervals
	w.intervals++
	clear(w.delta.Checks)
	for r := range w.delta.Requests {
		t := &w.delta.Requests[r]
		t.Books, t.BytesSent = measure.Books{}, 0
		for o := range t.Outcomes {
			t.Outcomes[o].ResponseTime.Reset()
			t.Outcomes[o].ServiceTime.Reset()
		}
		if w.every > 0 && r%w.every != i%w.every {
			continue
		}
		for _, o := range outcomes {
			for _, v := range []float64{0.02, 0.02 * float64(1+(i*7+r*13)%50), 1} {
				t.Outcomes[o].ResponseTime.Record(v)
				t.Outcomes[o].ServiceTime.Record(v * 0.9)
				t.Books.Finished++
			}
		}
		t.BytesSent += 300
	}
	w.total.Merge(&w.delta)
	return &measure.Snapshot{
		Start: w.begin, Since: w.begin.Add(time.Duration(max(0, i-1)) * time.Second), Time: w.begin.Add(time.Duration(i) * time.Second),
		Names: &w.names, Total: &w.total, Delta: &w.delta, Users: []int{1, 1, 1}, Phase: "steady",
	}
}

// BenchmarkInterval is what one interval of a run costs in time, memory and disk when every request of it was sent: with
// the usual outcomes of a run (ok and two kinds of failure) and with all of them, written into the embedded store.
func BenchmarkInterval(b *testing.B) {
	usual := []protocol.Outcome{protocol.OK, protocol.Status, protocol.Timeout}
	var all []protocol.Outcome
	for o := range protocol.Outcome(protocol.Outcomes) {
		all = append(all, o)
	}
	for _, c := range []struct {
		requests, maxSeries int // of each of three classes
		outcomes            []protocol.Outcome
	}{
		{10, 0, usual}, {100, 0, usual}, {1000, 0, usual}, {1000, 0, all}, {1000, 1 << 20, usual},
	} {
		b.Run(fmt.Sprintf("requests=%d/max_series=%d/outcomes=%d", 3*c.requests, c.maxSeries, len(c.outcomes)), func(b *testing.B) {
			s, exporter, dir := openStoreIn(b)
			p := newProvider(b, Options{Exporters: []metric.Exporter{exporter}, MaxSeries: c.maxSeries})
			w := newWide(c.requests)
			w.begin = time.Now().Truncate(time.Second)
			var spent time.Duration
			before := cpu(b)
			var own time.Duration
			for b.Loop() {
				madeAt := cpu(b)
				shot := w.interval(c.outcomes...)
				own += cpu(b) - madeAt
				began := time.Now()
				if err := p.Consume(b.Context(), shot); err != nil {
					b.Fatal(err)
				}
				spent += time.Since(began)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(1e3*spent.Seconds()/float64(b.N), "ms/interval")
			b.ReportMetric(1e3*(cpu(b)-before-own).Seconds()/float64(b.N), "cpu-ms/interval")
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "heap-MiB")
			b.ReportMetric(float64(size(b, dir))/(1<<20), "disk-MiB")
			runtime.KeepAlive([]any{s, p, w})
		})
	}
}

// cpu returns the processor time this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// size returns how many bytes the files in a folder have.
func size(b *testing.B, dir string) (n int64) {
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}
