package experiment

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/store"
	"tidegauge/engine/verdict"
)

const hostPlan = `
name: hosted
labels: {env: test}
target: {base_url: %q}
host:
  interval: 100ms
  processes: [{pid: %d, job: own}, {pid_file: %q, job: sleeper}, {name: no-such-program}]
classes: {Reader: {tasks: [{get: /ok}]}}
objectives:
  - preset: file-descriptors
  - promql: count(node_memory_MemAvailable_bytes{job="node",env="test"} > 0) == 1
  - promql: count(process_resident_memory_bytes{job="own",env="test"} > 1e6) == 1
tests: {load: {arrivals: 20/s, duration: 3s, max_users: 50}}
`

// sleeper starts a process that does nothing, writes its pid to a file, and returns what ends it.
func sleeper(t *testing.T, file string) (pid int, end func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Skipf("sleep cannot be started: %v", err)
	}
	if err := os.WriteFile(file, fmt.Appendln(nil, cmd.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(end)
	return cmd.Process.Pid, end
}

// during is a sink that does something once, when so much of a run is over.
type duringRun struct {
	after time.Duration
	do    func()
}

func (d *duringRun) Consume(_ context.Context, s *measure.Snapshot) error {
	if d.do != nil && s.Time.Sub(s.Start) >= d.after {
		d.do()
		d.do = nil
	}
	return nil
}

// This machine and processes on it are read like servers: with the plan's labels, judged by presets, in the report. A process
// that restarts in the middle leaves no series behind, and is told of.
func TestRunReadsThisMachine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems show less")
	}
	l := newLab(t)
	s := httptest.NewServer(everyFifthFails())
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "sleeper.pid")
	first, end := sleeper(t, file)
	second := 0
	p, err := plan.Parse("hosted.yaml", fmt.Appendf(nil, hostPlan, s.URL, os.Getpid(), file), plan.Options{CheckPromQL: store.CheckComparison})
	if err != nil {
		t.Fatal(err)
	}
	restart := &duringRun{after: time.Second, do: func() { end(); second, _ = sleeper(t, file) }}
	r, err := l.Run(t.Context(), Options{Plan: p, Test: &p.Tests[0], Sinks: []measure.Sink{restart}})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]verdict.Outcome{
		"file-descriptors (process) below limit": verdict.Pass, "file-descriptors (machine) below limit": verdict.Pass,
		`count(node_memory_MemAvailable_bytes{job="node",env="test"} > 0) == 1`: verdict.Pass,
		`count(process_resident_memory_bytes{job="own",env="test"} > 1e6) == 1`: verdict.Pass,
	} {
		if got := outcomes(r)[text]; got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	var servers []string
	for _, server := range r.Servers {
		if server.Scrapes < 5 || server.URL != "" {
			t.Errorf("server %+v", server)
		}
		servers = append(servers, fmt.Sprintf("%s %t", server.Job, server.Up > 0))
	}
	if want := []string{"no-such-program false", "node true", "own true", "sleeper true"}; !slices.Equal(servers, want) {
		t.Errorf("servers %q, want %q", servers, want)
	}
	warned := func(text string) bool {
		return slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.Contains(w, text) })
	}
	if !warned("all "+strconv.Itoa(r.Servers[0].Scrapes)+" scrapes failed: there is no process named no-such-program") ||
		!warned(fmt.Sprintf("processes of sleeper came and went during the run (ended: pid %d; begun: pid %d)", first, second)) {
		t.Errorf("warnings %q", r.Warnings)
	}
	// While the second ran, the first was gone: an instant query then has one process.
	samples, err := l.Store.Query(t.Context(), `process_resident_memory_bytes{job="sleeper"}`, r.End)
	if err != nil || len(samples) != 1 || samples[0].Labels["pid"] != strconv.Itoa(second) {
		t.Errorf("at the end: %v, %v, want pid %d", samples, err, second)
	}
	if left, err := l.Store.Query(t.Context(), `{instance=~".+",job=~"node|own|sleeper|no-such-program"}`, time.Now()); err != nil || len(left) != 0 {
		t.Errorf("after the run there are still %d series, %v", len(left), err)
	}
}
