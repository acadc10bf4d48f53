package exporters

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFullDisk: a data directory that is full for a while costs neither the run nor what could still be stored. The message
// is one for each file that cannot be written, and what is in the store arrives.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("NOT TESTED: mounting a small file system needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	f := &fake{t: t, taken: map[string]bool{}, fail: answers(503, "later")(nil)}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	l := openLab(t, dir, 2*time.Second, spec(write1, s.URL, ""))
	fill := filepath.Join(dir, "fill")
	_, err := l.try(4*time.Second, map[int]func(){
		2: func() { _ = os.WriteFile(fill, make([]byte, 4<<20), 0o600) }, // as much of it as there is room for
	})
	if err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("the run's error is %v", err)
	}
	b := l.set.Books()[0]
	if b.Waiting == 0 || b.Lost != 0 || !b.Balanced {
		t.Errorf("books %+v", b)
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.right = true
	f.mu.Unlock()
	for end := time.Now().Add(time.Minute); l.set.Books()[0].Waiting > 0 && time.Now().Before(end); {
		<-time.After(50 * time.Millisecond)
	}
	values := 0
	for _, points := range l.points() {
		values += len(points)
	}
	b = l.set.Books()[0]
	if b.Waiting != 0 || b.Lost != 0 || !b.Balanced || values == 0 || uint64(values) > b.Sent {
		t.Errorf("with room again: %d values in the store, books %+v", values, b)
	}
	l.end()
	l.mu.Lock()
	defer l.mu.Unlock()
	for text, most := range map[string]int{"no space left on device": 2, "the server answers 503": 1, "are waiting in the data directory": 1} {
		n := 0
		for _, note := range l.notes {
			if strings.Contains(note, text) {
				n++
			}
		}
		if n == 0 || n > most {
			t.Errorf("%d messages with %q, want 1 to %d: %q", n, text, most, l.notes)
		}
	}
}
