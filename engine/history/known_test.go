package history

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A record that was read is not read again until its folder changes, and what changed just now is not trusted.
func TestKnownRecords(t *testing.T) {
	h := open(t)
	id := past(t, h, 1, 0.1, nil)
	dir := filepath.Join(h.dir, id)
	target := func() string {
		t.Helper()
		r, err := h.Find(id)
		if err != nil {
			t.Fatal(err)
		}
		return r.Target
	}
	change := func(to string) {
		t.Helper()
		r, err := readRecord(dir)
		if err != nil {
			t.Fatal(err)
		}
		r.Target = to
		b, err := r.encode()
		if err == nil {
			err = writeFile(filepath.Join(dir, recordFile), b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	age := func(at time.Time) {
		t.Helper()
		if err := os.Chtimes(dir, at, at); err != nil {
			t.Fatal(err)
		}
	}
	target()
	change("second")
	if got := target(); got != "second" {
		t.Errorf("a record that changed at once: %q", got)
	}
	long := time.Now().Add(-time.Hour)
	age(long)
	target()
	change("third")
	age(long) // nobody but a test does that
	if got := target(); got != "second" {
		t.Errorf("a folder that did not change was read again: %q", got)
	}
	age(long.Add(time.Second))
	if got := target(); got != "third" {
		t.Errorf("a folder that changed: %q", got)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Find(id); err == nil {
		t.Error("a run that is gone was found")
	}
}
