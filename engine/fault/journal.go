package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// entry is a fault in the journal, a file of its own. It is there from before the fault starts until it is undone.
type entry struct {
	file   string
	Run    string    `json:"run"`
	Name   string    `json:"fault"`
	Target string    `json:"target"`
	Until  time.Time `json:"until"` // when it is to be undone at the latest, if all goes well
	Owner  owner     `json:"owner"`
	Remedy []Action  `json:"remedy"` // empty: the fault ended with its process
}

// owner is a process, not to be mistaken for a later one of the same number.
type owner struct {
	PID   int    `json:"pid"`
	Boot  string `json:"boot,omitempty"`  // of the system; empty where it does not tell
	Start string `json:"start,omitempty"` // of the process, in the system's own units
}

func newEntry(run string, p *Planned, remedy []Action) *entry {
	if remedy == nil {
		remedy = []Action{}
	}
	return &entry{Run: run, Name: p.Name, Target: p.Target, Until: time.Now().Add(p.For), Owner: self(), Remedy: remedy}
}

func self() owner {
	pid := os.Getpid()
	return owner{PID: pid, Boot: bootID(), Start: startOf(pid)}
}

// alive reports whether the process is still there.
func (o owner) alive() bool {
	return o.Boot == bootID() && exists(o.PID) && o.Start == startOf(o.PID)
}

func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// startOf returns when a process started, field 22 of proc_pid_stat(5), or "".
func startOf(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// The name of the program, field 2 in parentheses, may have anything in it.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	const start = 22 - 3 // the fields after the parenthesis begin with the third
	if len(fields) <= start {
		return ""
	}
	return fields[start]
}

const entrySuffix = ".fault.json"

func (e *entry) fileName() string {
	return fmt.Sprintf("%s-%d-%08x%s", time.Now().UTC().Format("20060102T150405"), e.Owner.PID, rand.Uint32(), entrySuffix)
}

// write makes the file, on the disk and whole before it returns.
func (e *entry) write() error {
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(e.file), 0o755); err != nil {
		return err
	}
	if err := renameio.WriteFile(e.file, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return syncDir(filepath.Dir(e.file))
}

// syncDir makes sure that the names in a folder survive a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (e *entry) remove() error {
	if e.file == "" {
		return nil
	}
	if err := os.Remove(e.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the fault %s from the journal: %w; remove the file", e.Name, err)
	}
	return nil
}

// hint says where a person finds what is to be done.
func (e *entry) hint() string {
	if e.file == "" {
		return ""
	}
	return " or start tidegauge again, which will try to (" + e.file + ")"
}

// Restored is a fault of a process that is gone.
type Restored struct {
	Run, Name, Target string
	InProcess         bool // it was inside that process and ended with it: nothing had to be done
}

// String says it in words.
func (r Restored) String() string {
	what := r.Name
	if r.Target != "" {
		what += " of " + r.Target
	}
	if r.InProcess {
		return fmt.Sprintf("the fault %s of run %s ended with the process that made it", what, r.Run)
	}
	return fmt.Sprintf("the fault %s of run %s, whose process is gone, was undone", what, r.Run)
}

// Restore puts right what the journal in dir has of processes that are gone, and leaves alone what belongs to one that is
// still there. Of the actions in it only those are done that are allowed, or that are calls of our own. What could not be put right stays in the journal and is in the error. A dir that does not exist has nothing to restore.
func Restore(ctx context.Context, dir string, allowed Allowed) ([]Restored, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"+entrySuffix))
	if err != nil {
		return nil, fmt.Errorf("reading the journal of faults: %w", err)
	}
	var restored []Restored
	var errs []error
	for _, file := range files {
		r, err := restore(ctx, file, allowed)
		if err != nil {
			errs = append(errs, fmt.Errorf("restoring what a fault broke, %s: %w", file, err))
		} else if r != nil {
			restored = append(restored, *r)
		}
	}
	return restored, errors.Join(errs...)
}

// restore returns nil for a fault of a process that is still there, or that another one has restored meanwhile.
func restore(ctx context.Context, file string, allowed Allowed) (*Restored, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	e := entry{}
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, fmt.Errorf("it cannot be read: %w; see what it speaks of, put that right and remove the file", err)
	}
	e.file = file
	if e.Owner.alive() {
		return nil, nil
	}
	for _, a := range e.Remedy {
		if err := allowed.Check(a); err != nil && !(a.Own && a.Call != nil) {
			return nil, fmt.Errorf("%s is still in force: %w", e.what(), err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, DefaultUndoWithin)
	defer cancel()
	if err := retry(ctx, func(ctx context.Context) error { return doAll(ctx, e.Remedy) }); err != nil {
		return nil, fmt.Errorf("%s is still in force: %w; put it right by hand and remove the file, or start again", e.what(), err)
	}
	return &Restored{Run: e.Run, Name: e.Name, Target: e.Target, InProcess: len(e.Remedy) == 0}, e.remove()
}

// what names the fault that an entry is of.
func (e *entry) what() string {
	text := "the fault " + e.Name
	if e.Target != "" {
		text += " of " + e.Target
	}
	if e.Run != "" {
		text += " of run " + e.Run
	}
	return text
}
