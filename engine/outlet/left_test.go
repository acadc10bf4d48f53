package outlet

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
)

// TestFileWhileAway: while nothing gets through the file says that something waits, in case that the process is killed.
func TestFileWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory
		o := open(t, Options{Source: &m, Writer: &receiver{answer: func(int, []Sample) error { return errors.New("connection refused") }}})
		during(t, o, func() {
			for _, want := range []uint64{1, 40} { // samples, two a second, counted when they are 5 s old
				feed(&m, 60)
				synctest.Wait()
				left, err := FindLeft(filepath.Dir(o.o.File))
				if err != nil || len(left) != 1 || left[0].Waiting < want {
					t.Errorf("%+v, %v; want %d at least", left, err, want)
				}
			}
		})
	})
}
