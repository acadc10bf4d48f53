package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFaultsUndoneWithoutATerminal: a terminal that is closed ends a run as Ctrl-C does, and an output that nobody reads any
// more does not; either way what a fault broke is put right and the run is kept.
func TestFaultsUndoneWithoutATerminal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "well") }))
	defer server.Close()
	for _, c := range []struct {
		name, lasts string
		code        int
		end         func(*exec.Cmd, func() error) error
	}{
		{"closed terminal", "10m", int(exitInterrupted), func(c *exec.Cmd, _ func() error) error { return c.Process.Signal(syscall.SIGHUP) }},
		{"nobody reads", "3s", int(exitInconclusive), func(_ *exec.Cmd, closeOutput func() error) error { return closeOutput() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			broken := filepath.Join(dir, "broken")
			plan := filepath.Join(dir, "plan.yaml")
			fault := fmt.Sprintf("{at: 1s, for: %s, command: [touch, %q], undo: [rm, %q]}", c.lasts, broken, broken)
			text := fmt.Sprintf("target: {base_url: %q}\nclasses: {A: {tasks: [{get: /}]}}\ntests: {broken: {type: recovery, arrivals: 20/s, duration: 11m, faults: [%s]}}\n", server.URL, fault)
			if c.lasts == "3s" {
				text = strings.Replace(text, "11m", "7s", 1)
			}
			if err := os.WriteFile(plan, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			run := exec.CommandContext(t.Context(), "tidegauge", "run", plan, "--data-dir", filepath.Join(dir, "data"), "--headless", "--allow-hook", "touch *", "--allow-hook", "rm *")
			var said bytes.Buffer
			run.Stderr = &said
			out, err := run.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := run.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				t.Fatalf("the run says nothing: %v\n%s", err, &said)
			}
			for deadline := time.Now().Add(time.Minute); ; {
				if _, err := os.Stat(broken); err == nil {
					break
				} else if time.Now().After(deadline) {
					t.Fatalf("after a minute the fault has not begun\n%s", &said)
				}
			}
			if err := c.end(run, out.Close); err != nil {
				t.Fatal(err)
			}
			_ = run.Wait() // its error is the exit code
			if got := run.ProcessState.ExitCode(); got != c.code {
				t.Fatalf("the run ended with %v, want code %d\n%s", run.ProcessState, c.code, &said)
			}
			if _, err := os.Stat(broken); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("what the fault broke is there still: %v", err)
			}
			runs, err := exec.CommandContext(t.Context(), "tidegauge", "runs", "--data-dir", filepath.Join(dir, "data")).Output()
			if err != nil || !strings.Contains(string(runs), "inconclusive") {
				t.Errorf("the runs, %v: want one that is inconclusive\n%s", err, runs)
			}
		})
	}
}
