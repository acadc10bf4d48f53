//go:build unix

package fault_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/fault"
)

// child breaks something for an hour, in a process that is killed meanwhile: a file is made, and something in the process.
func child(dir string) {
	file := filepath.Join(dir, "broken")
	line := fault.NewTimeline([]fault.Planned{
		{Name: "hook", Target: "file", For: time.Hour, Fault: &fault.Hook{
			Begin: fault.Action{Command: []string{"touch", file}}, End: fault.Action{Command: []string{"rm", file}}}},
		{Name: "cut", Target: "database", For: time.Hour, Fault: &scripted{}},
	}, fault.Options{Dir: filepath.Join(dir, "faults"), Run: "run-1", Notify: func(fault.Record) { fmt.Println("broken") }})
	_ = line.Run(context.Background(), time.Now())
}

// After kill -9 the next start restores what was broken outside, and says of the rest that it is over.
func TestRestoreAfterKill(t *testing.T) {
	dir := t.TempDir()
	journal := filepath.Join(dir, "faults")
	allowed := fault.Allowed{"rm *"}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "FAULT_TEST_CHILD="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for range 2 {
		if !lines.Scan() {
			t.Fatal("the child ended by itself")
		}
	}
	// While its process is there, a fault is nobody else's.
	if restored, err := fault.Restore(t.Context(), journal, allowed); err != nil || len(restored) != 0 {
		t.Errorf("restored %v of a process that is there, %v", restored, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Fatalf("the child ended with %v", err)
	}

	if _, err := fault.Restore(t.Context(), journal, nil); err == nil || !strings.Contains(err.Error(), "rm "+dir) || !strings.Contains(err.Error(), "not allowed") {
		t.Errorf("restoring by a command that is not allowed: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "broken")); err != nil {
		t.Errorf("it was not restored, and yet: %v", err)
	}
	restored, err := fault.Restore(t.Context(), journal, allowed)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, r := range restored {
		said = append(said, r.String())
	}
	// The first attempt has dealt with what was in the process.
	if want := "the fault hook of file of run run-1, whose process is gone, was undone"; strings.Join(said, "\n") != want {
		t.Errorf("restored %q, want %q", said, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "broken")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was broken: %v", err)
	}
	if again, err := fault.Restore(t.Context(), journal, allowed); err != nil || len(again) != 0 {
		t.Errorf("a second time: %v, %v", again, err)
	}
}

func TestRestoreErrors(t *testing.T) {
	dir := t.TempDir()
	if r, err := fault.Restore(t.Context(), filepath.Join(dir, "none"), nil); err != nil || len(r) != 0 {
		t.Errorf("a folder that is not there: %v, %v", r, err)
	}
	for name, text := range map[string]string{
		"1.fault.json": `{"run": "run-1", "fault": `,
		"2.fault.json": `{"run": "run-2", "fault": "cut", "target": "database", "owner": {"pid": 1, "boot": "another"}, "remedy": []}`,
		"3.fault.json": `{"run": "run-3", "fault": "x", "owner": {"pid": 1, "boot": "another"}, "remedy": [{"own": true, "command": ["touch", "` + dir + `/x"]}]}`,
		"other.json":   `not ours`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	restored, err := fault.Restore(t.Context(), dir, nil)
	if err == nil || !strings.Contains(err.Error(), "1.fault.json: it cannot be read") || !strings.Contains(err.Error(), "touch") || strings.Contains(err.Error(), "other") {
		t.Errorf("error %v", err)
	}
	if len(restored) != 1 || restored[0].String() != "the fault cut of database of run run-2 ended with the process that made it" {
		t.Errorf("restored %v", restored)
	}
}
