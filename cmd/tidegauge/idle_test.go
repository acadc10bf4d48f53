package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"

	"tidegauge/engine/history"
)

const (
	idleRuns = 1000
	idleDays = 14
)

// BenchmarkIdleDaemon starts a daemon that has 1,000 runs of history, with the series of each in the blocks of two weeks, and measures
// how long it takes until it is ready and until it has listed them all, and what memory it then has (of its own, and with the
// pages of its files that the kernel may take back). Run it with -benchtime 3x.
func BenchmarkIdleDaemon(b *testing.B) {
	target := httptest.NewServer(nil)
	defer target.Close()
	dir := b.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "plans"), 0o700); err != nil {
		b.Fatal(err)
	}
	text := fmt.Sprintf("target: {base_url: %q}\nclasses: {A: {tasks: [{get: /}]}}\ntests: {short: {arrivals: 50/s, duration: 2s, max_users: 10}}\n", target.URL)
	if err := os.WriteFile(filepath.Join(dir, "plans", "short.yaml"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	args := []string{"--plans", "plans", "--data-dir", "data"}
	d := startDaemon(b, dir, args...)
	d.start()
	await(b, "the run is over", func() bool { return len(d.finished()) > 0 })
	id := d.finished()[0]
	d.end()
	multiply(b, filepath.Join(dir, "data", "runs"), id)
	blocks(b, filepath.Join(dir, "data", "store"))

	var ready, listed time.Duration
	own, whole := 0, 0
	for b.Loop() {
		began := time.Now()
		d := startDaemon(b, dir, args...)
		get(b, d.api+"/-/ready")
		ready += time.Since(began)
		began = time.Now()
		var records []history.Record
		d.ask("/runs?limit=10000", &records)
		listed += time.Since(began)
		if len(records) != idleRuns {
			b.Fatalf("%d runs, want %d", len(records), idleRuns)
		}
		own, whole = own+memory(b, d, "RssAnon"), whole+memory(b, d, "VmRSS")
		d.end()
	}
	n := float64(b.N)
	b.ReportMetric(ready.Seconds()/n, "s/ready")
	b.ReportMetric(listed.Seconds()/n, "s/list")
	b.ReportMetric(float64(own)/1024/n, "MiB/own")
	b.ReportMetric(float64(whole)/1024/n, "MiB/resident")
}

// end ends a daemon gracefully.
func (s *serving) end() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Fatalf("%v: %s", err, s.said)
	}
}

// memory reads a figure of a process from Linux, in KiB.
func memory(b *testing.B, d *serving, name string) int {
	b.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(d.cmd.Process.Pid) + "/status")
	if err != nil {
		b.Skipf("NOT MEASURED: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		if key, rest, _ := strings.Cut(line, ":"); key == name {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatalf("/proc has no %s", name)
	return 0
}

// multiply makes a thousand runs of one, spread over two weeks.
func multiply(b *testing.B, runs, id string) {
	b.Helper()
	files, err := os.ReadDir(filepath.Join(runs, id))
	if err != nil {
		b.Fatal(err)
	}
	for i := range idleRuns - 1 {
		at := time.Now().UTC().Add(-time.Duration(i+1) * idleDays * 24 * time.Hour / idleRuns)
		other := at.Format("20060102-150405") + "-short-aaaa"
		if err := os.Mkdir(filepath.Join(runs, other), 0o700); err != nil {
			b.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(filepath.Join(runs, id, f.Name()))
			if err == nil && f.Name() == "record.json" {
				var record map[string]any
				if err = json.Unmarshal(text, &record); err == nil {
					record["id"], record["start"] = other, at
					text, err = json.Marshal(record)
				}
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(runs, other, f.Name()), text, 0o600)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// blocks writes two weeks of series as so many runs leave them: 150 of each, one sample a second for half a minute.
func blocks(b *testing.B, dir string) {
	b.Helper()
	const perRun, samples = 150, 30
	log := slog.New(slog.DiscardHandler)
	for day := range idleDays {
		w, err := tsdb.NewBlockWriter(log, dir, (24 * time.Hour).Milliseconds())
		if err != nil {
			b.Fatal(err)
		}
		add := w.Appender(b.Context())
		begin := time.Now().Add(-time.Duration(day+1) * 24 * time.Hour)
		for run := range idleRuns / idleDays {
			at := begin.Add(time.Duration(run) * 20 * time.Minute)
			for k := range perRun {
				l := labels.FromStrings("__name__", "tidegauge_requests_total", "run", fmt.Sprint(day, "-", run), "request", strconv.Itoa(k), "plan", "short")
				for i := range samples {
					if _, err := add.Append(0, l, at.Add(time.Duration(i)*time.Second).UnixMilli(), rand.Float64()); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
		if err := add.Commit(); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
