package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/history"
	"tidegauge/engine/queue"
)

// serving is a daemon in a process of its own.
type serving struct {
	t    testing.TB
	cmd  *exec.Cmd
	api  string
	said *bytes.Buffer
}

func startDaemon(t testing.TB, dir string, args ...string) *serving {
	t.Helper()
	s := &serving{t: t, said: new(bytes.Buffer)}
	s.cmd = exec.CommandContext(t.Context(), "tidegauge", append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	s.cmd.Dir, s.cmd.Stderr = dir, s.said
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(stdout); s.api == "" && lines.Scan(); {
		if _, rest, ok := strings.Cut(lines.Text(), "queries: "); ok {
			s.api, _, _ = strings.Cut(rest, "/api/v1")
		}
	}
	if s.api == "" {
		_ = s.cmd.Wait() // it has ended, and says why
		t.Fatalf("the daemon does not say where it answers: %s", s.said)
	}
	return s
}

// kill ends the daemon as a crash would.
func (s *serving) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Wait(); err == nil {
		s.t.Fatal("the daemon ended by itself")
	}
}

func (s *serving) ask(path string, into any) {
	s.t.Helper()
	text := get(s.t, s.api+"/tidegauge/v1"+path)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		s.t.Fatalf("%s: %v in %s", path, err, text)
	}
}

// start asks for a run.
func (s *serving) start() queue.Status {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.api+"/tidegauge/v1/jobs", strings.NewReader(`{"plan":"short"}`))
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	var job queue.Status
	err = json.NewDecoder(answer.Body).Decode(&job)
	if closeErr := answer.Body.Close(); err != nil || closeErr != nil || answer.StatusCode != http.StatusAccepted {
		s.t.Fatalf("starting a run: %s: %v, %v", answer.Status, err, closeErr)
	}
	return job
}

// finished returns the runs that the daemon says are over.
func (s *serving) finished() []string {
	s.t.Helper()
	var jobs []queue.Status
	s.ask("/jobs", &jobs)
	var runs []string
	for i := range jobs {
		if jobs[i].State == queue.Finished {
			runs = append(runs, jobs[i].Run)
		}
	}
	return runs
}

// await waits until ok.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(2 * time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not within two minutes", what)
		}
	}
}

// TestKilledDaemon kills a daemon with SIGKILL at random moments of short runs with a fault that outlives a process, and starts it
// anew: no run that was over is lost, one that was going on is marked, every run can be read, no fault is left on, and the
// schedule goes on. With TIDEGAUGE_LONG it does so 50 times.
func TestKilledDaemon(t *testing.T) {
	kills := 4
	if os.Getenv("TIDEGAUGE_LONG") != "" {
		kills = 50
	}
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer target.Close()
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken")
	plans := filepath.Join(dir, "plans")
	if err := os.Mkdir(plans, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"plans/short.yaml": fmt.Sprintf(`target: {base_url: %q}
classes: {A: {tasks: [{get: /}]}}
tests: {short: {type: recovery, arrivals: 50/s, duration: 1200ms, max_users: 10, faults: [{at: 100ms, for: 900ms, command: [touch, %q], undo: [rm, -f, %q]}]}}
`, target.URL, broken, broken),
		"tidegauge.yaml": "schedules: {often: {plan: short, cron: \"* * * * *\"}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--config", "tidegauge.yaml", "--plans", "plans", "--data-dir", "data", "--allow-hook", "touch *", "--allow-hook", "rm -f *"}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	var over []string // runs that a daemon said were over
	interrupted, faulty := 0, 0
	for range kills {
		d := startDaemon(t, dir, args...)
		over = append(over, checkHistory(t, d, over)...)
		if _, err := os.Stat(broken); err == nil {
			t.Errorf("a fault is left on after the start: %s", d.said)
		}
		for range 3 {
			d.start()
		}
		await(t, "the first run begins", func() bool {
			var records []history.Record
			d.ask("/runs", &records)
			return slices.ContainsFunc(records, func(r history.Record) bool { return r.State == history.Running })
		})
		<-time.After(time.Duration(random.Int64N(int64(2 * time.Second))))
		over = append(over, d.finished()...)
		d.kill()
		if _, err := os.Stat(broken); err == nil {
			faulty++
		}
	}
	d := startDaemon(t, dir, args...)
	checkHistory(t, d, over)
	var records []history.Record
	d.ask("/runs?limit=10000", &records)
	for i := range records {
		if records[i].State == history.Interrupted {
			interrupted++
		}
	}
	t.Logf("%d kills, %d of them with the fault on; %d runs, %d over before a kill, %d interrupted", kills, faulty, len(records), len(over), interrupted)
	if interrupted == 0 {
		t.Error("no run is marked as interrupted")
	}
	var schedules []queue.ScheduleState
	d.ask("/schedules", &schedules)
	if len(schedules) != 1 || !schedules[0].Next.After(time.Now().Add(-time.Minute)) || schedules[0].Next.After(time.Now().Add(2*time.Minute)) {
		t.Errorf("schedules: %+v", schedules)
	}
	d.start()
	await(t, "a run after the last kill", func() bool { return len(d.finished()) > 0 })
	d.kill()
}

// checkHistory sees that every run can be read, that none goes on, and that those that were over still are.
func checkHistory(t *testing.T, d *serving, over []string) (finished []string) {
	t.Helper()
	var records []history.Record
	d.ask("/runs?limit=10000", &records)
	states := map[string]history.State{}
	for i := range records {
		r := &records[i]
		states[r.ID] = r.State
		began := r.State == history.Running && r.PID == d.cmd.Process.Pid // by the schedule, just now
		if r.State != history.Finished && r.State != history.Interrupted && !began {
			t.Errorf("run %s is %s: %s", r.ID, r.State, r.Problem)
		}
		var one history.Record
		if d.ask("/runs/"+r.ID, &one); one.ID != r.ID {
			t.Errorf("run %s reads as %q", r.ID, one.ID)
		}
		if r.State == history.Finished {
			var report map[string]any
			d.ask("/runs/"+r.ID+"/report", &report)
			if report["verdict"] == nil {
				t.Errorf("run %s has no verdict", r.ID)
			}
			if !slices.Contains(over, r.ID) {
				finished = append(finished, r.ID)
			}
		}
	}
	for _, id := range over {
		if states[id] != history.Finished {
			t.Errorf("run %s was over before a kill and is %q now", id, states[id])
		}
	}
	return finished
}
