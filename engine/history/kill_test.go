package history

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"tidegauge/engine/report"
)

const childDir = "TIDEGAUGE_HISTORY_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// child begins a run and writes checkpoints, a byte to w after each, until somebody kills it.
func child(dir string, w io.Writer) error {
	h, err := Open(dir)
	if err != nil {
		return err
	}
	r, err := h.Begin(report.Meta{Plan: "payments", Test: "load"}, []byte("name: payments\n"))
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		if _, err := w.Write([]byte{'.'}); err != nil {
			return err
		}
		rep, totals, err := makeSample(n, false)
		if err != nil {
			return err
		}
		if err := r.Checkpoint(rep, totals); err != nil {
			return err
		}
	}
}

// TestKill kills a process that is writing checkpoints, at random moments, and reads what it leaves.
func TestKill(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	for range 15 {
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// So many checkpoints have begun, and it goes on with the next one while it is killed.
		begun := 1 + random.IntN(12)
		if _, err := io.ReadFull(out, make([]byte, begun)); err != nil {
			t.Errorf("the child ended by itself: %v", err)
		}
		h, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if s := load(t, h, "latest"); s.Record.State != Running || s.Record.PID != cmd.Process.Pid {
			t.Errorf("while it lives: %+v", s.Record)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Error("the child was not killed")
		}

		s := load(t, h, "latest")
		if s.Record.State != Interrupted || len(s.Problems) > 0 || string(s.PlanSource) != "name: payments\n" {
			t.Errorf("after %d checkpoints: %+v, problems %q", begun, s.Record, s.Problems)
		}
		if s.Report == nil {
			if begun > 1 {
				t.Errorf("after %d checkpoints: no report", begun-1)
			}
			continue
		}
		// The report is that of the last whole checkpoint or of the one under way; so is the record, written later.
		n := s.Report.Total.Count
		if n < uint64(begun)-1 || s.Record.Requests > n || s.Record.Requests+1 < n {
			t.Errorf("%d checkpoints had begun; the report has %d, the record %d", begun, n, s.Record.Requests)
		}
		if _, err := os.Stat(filepath.Join(s.Dir, histogramsFile)); err != nil {
			if n > 1 {
				t.Errorf("after %d checkpoints: %v", n, err)
			}
			continue
		}
		totals, err := s.Totals()
		if err != nil {
			t.Fatal(err)
		}
		if m := totals.RequestBooks().Finished; m > n || m+1 < n {
			t.Errorf("the histograms have %d requests, the report %d", m, n)
		}
	}
}
