package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/gofrs/flock"
)

// dirLock keeps other processes out of a directory. The system gives it up when its process ends, however that happens;
// the number in the file only tells people whom to ask.
type dirLock struct {
	file *flock.Flock
	// left is whether a process that had the directory did not give it up by itself, and what it left open is still to be ended.
	left atomic.Bool
}

func lockDir(dir string) (*dirLock, error) {
	name := filepath.Join(dir, "tidegauge.lock")
	file := flock.New(name)
	ok, err := file.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking the data directory %s: %w: choose a directory that can be written to", dir, err)
	}
	if !ok {
		who := "another process"
		if text, err := os.ReadFile(name); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				who = fmt.Sprintf("the process %d", pid)
			}
		}
		return nil, fmt.Errorf("locking the data directory %s: %s has it open: stop that process, or choose another directory with --data-dir (beside a daemon, --out sends a run to the same stores)", dir, who)
	}
	before, err := os.ReadFile(name)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading %s: %w: choose a directory that can be read", name, err), file.Unlock())
	}
	if err := os.WriteFile(name, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return nil, errors.Join(fmt.Errorf("writing to the data directory %s: %w: make room, or choose another directory", dir, err), file.Unlock())
	}
	l := &dirLock{file: file}
	l.left.Store(len(before) > 0)
	return l, nil
}

// release leaves the file where it is: to remove it would let two processes lock two files of one name.
func (l *dirLock) release() error {
	if l.left.Load() { // for the next process
		return l.file.Unlock()
	}
	return errors.Join(os.Truncate(l.file.Path(), 0), l.file.Unlock())
}
