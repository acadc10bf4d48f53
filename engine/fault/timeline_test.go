package fault_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"tidegauge/engine/fault"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("FAULT_TEST_CHILD"); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// scripted is a fault that does what a test wants.
type scripted struct {
	mu       sync.Mutex
	begun    time.Time
	log      []string
	startErr error
	undoErrs int // how many attempts to undo fail
	panics   string
	remedy   []fault.Action
}

func (s *scripted) say(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf("%v %s", time.Since(s.begun), what))
}

func (s *scripted) Start(context.Context) (func(context.Context) error, error) {
	s.say("start")
	if s.panics == "start" {
		panic("a slip")
	}
	return func(context.Context) error {
		s.say("undo")
		if s.undoErrs > 0 {
			s.undoErrs--
			if s.panics == "undo" {
				panic("another slip")
			}
			return errors.New("not yet")
		}
		return nil
	}, s.startErr
}

func (s *scripted) Remedy() []fault.Action { return s.remedy }

func (s *scripted) said(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.log); diff != "" {
		t.Errorf("the fault saw (-want +got): %s", diff)
	}
}

// play runs one fault from 1 s to 3 s, and ends the context after a time unless that is 0.
func play(t *testing.T, s *scripted, cancelAfter time.Duration) (fault.Record, []fault.Record, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun := time.Now()
	s.begun = begun
	if cancelAfter > 0 {
		defer time.AfterFunc(cancelAfter, cancel).Stop()
	}
	var told []fault.Record
	line := fault.NewTimeline([]fault.Planned{{Name: "cut", Target: "database", At: time.Second, For: 2 * time.Second, Fault: s}}, fault.Options{
		Notify: func(r fault.Record) { told = append(told, r) },
	})
	err := line.Run(ctx, begun)
	return line.Records()[0], told, err
}

func TestTimeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{}
		r, told, err := play(t, s, 0)
		s.said(t, "1s start", "3s undo")
		if err != nil || r.Err != nil || !r.Undone || r.Start.Sub(s.begun) != time.Second || r.End.Sub(s.begun) != 3*time.Second {
			t.Errorf("record %+v, error %v", r, err)
		}
		if len(told) != 2 || told[0].Undone || !told[0].Started() || !told[1].Undone {
			t.Errorf("told of %+v", told)
		}
	})
}

func TestCancelUndoesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{}
		r, _, err := play(t, s, 1500*time.Millisecond)
		s.said(t, "1s start", "1.5s undo")
		if err != nil || !r.Undone {
			t.Errorf("record %+v, error %v", r, err)
		}
	})
}

func TestCancelBeforeNothingIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{}
		r, told, err := play(t, s, 500*time.Millisecond)
		s.said(t)
		if err != nil || r.Started() || r.Undone || len(told) != 0 {
			t.Errorf("record %+v, told %v, error %v", r, told, err)
		}
	})
}

func TestUndoIsRetried(t *testing.T) {
	for _, panics := range []string{"", "undo"} {
		synctest.Test(t, func(t *testing.T) {
			s := &scripted{undoErrs: 2, panics: panics}
			r, _, err := play(t, s, 0)
			s.said(t, "1s start", "3s undo", "3.1s undo", "3.3s undo")
			if err != nil || !r.Undone || r.End.Sub(s.begun) != 3300*time.Millisecond {
				t.Errorf("record %+v, error %v", r, err)
			}
		})
	}
}

func TestUndoIsGivenUpLoudly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{undoErrs: 1 << 20}
		r, told, err := play(t, s, 0)
		if err == nil || !strings.Contains(err.Error(), "THE FAULT cut of database IS STILL IN FORCE, undoing it failed: not yet") {
			t.Errorf("error %v", err)
		}
		if r.Undone || !r.End.IsZero() || time.Since(s.begun) != 3*time.Second+fault.DefaultUndoWithin || len(told) != 2 {
			t.Errorf("record %+v after %v, told %d times", r, time.Since(s.begun), len(told))
		}
	})
}

// What could not be started is undone all the same: it may have got half way.
func TestStartFails(t *testing.T) {
	for _, s := range []*scripted{{startErr: errors.New("no such container")}, {panics: "start"}} {
		synctest.Test(t, func(t *testing.T) {
			r, told, err := play(t, s, 0)
			if err == nil || !strings.Contains(err.Error(), "starting the fault cut of database: ") || r.Started() || r.Undone || len(told) != 1 {
				t.Errorf("record %+v, told %d times, error %v", r, len(told), err)
			}
			if s.panics == "" {
				s.said(t, "1s start", "1s undo")
			}
			if time.Since(s.begun) != time.Second {
				t.Errorf("it took %v", time.Since(s.begun))
			}
		})
	}
}

// One fault's trouble is no other's: here the first panics, and the second runs its course.
func TestFaultsAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		first, second := &scripted{begun: begun, panics: "start"}, &scripted{begun: begun}
		line := fault.NewTimeline([]fault.Planned{
			{Name: "a", At: time.Second, For: 3 * time.Second, Fault: first},
			{Name: "b", At: 2 * time.Second, For: time.Second, Fault: second},
		}, fault.Options{})
		if err := line.Run(t.Context(), begun); err == nil {
			t.Error("no error")
		}
		second.said(t, "2s start", "3s undo")
		if r := line.Records(); r[0].Started() || !r[1].Undone {
			t.Errorf("records %+v", r)
		}
	})
}

// What another process would have to undo is in the journal before it begins, and only while it lasts; without a journal it
// does not begin.
func TestJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "faults")
	files := func() []string {
		all, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	for _, test := range []struct {
		name   string
		dir    string
		remedy []fault.Action
		starts bool
	}{
		{"journal", dir, []fault.Action{{Command: []string{"docker", "start", "redis"}}}, true},
		{"journal, inside the process", dir, nil, true},
		{"no journal, inside the process", "", nil, true},
		{"no journal", "", []fault.Action{{Command: []string{"docker", "start", "redis"}}}, false},
		{"a journal that cannot be written", "/dev/null/x", nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &scripted{remedy: test.remedy, begun: time.Now()}
			var during []string
			line := fault.NewTimeline([]fault.Planned{{Name: "cut", Fault: s}}, fault.Options{
				Dir: test.dir, Run: "run-1", Notify: func(r fault.Record) {
					if r.Started() && !r.Undone {
						during = files()
					}
				},
			})
			err := line.Run(t.Context(), time.Now())
			if (err == nil) != test.starts || (len(s.log) > 0) != test.starts {
				t.Errorf("error %v, log %v; want it started: %t", err, s.log, test.starts)
			}
			if len(files()) != 0 || (len(during) == 1) != (test.dir == dir) {
				t.Errorf("the journal had %v, and then %v", during, files())
			}
		})
	}
}
