package outlet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

// recall takes up what the process before has left in the file. It stays there until something is done with it.
func (q *Queue[T]) recall() error {
	if q.o.File == "" {
		return nil
	}
	text, err := os.ReadFile(q.o.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, &q.ring)
	}
	if err != nil {
		return fmt.Errorf("reading the %s that wait for outlet %s, in %s: %w; remove the file to give them up", q.o.Signal, q.o.Name, q.o.File, err)
	}
	q.kept, q.waiting, q.since = true, len(q.ring), time.Now()
	q.books.Produced = uint64(q.waiting)
	return nil
}

// leave keeps what is waiting for the next process, or where that cannot be gives it up.
func (q *Queue[T]) leave(reason string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.waiting + len(q.sending)
	if n == 0 {
		q.forget()
		return
	}
	if q.o.File == "" {
		q.discard(reason)
		return
	}
	items := append(make([]T, 0, n), q.sending...)
	for i := range q.waiting {
		items = append(items, q.ring[(q.first+i)%len(q.ring)])
	}
	text, err := json.Marshal(items)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(q.o.File), 0o755)
	}
	if err == nil {
		err = renameio.WriteFile(q.o.File, append(text, '\n'), 0o644, renameio.WithTempDir(filepath.Dir(q.o.File)))
	}
	if err != nil {
		q.discard(fmt.Sprintf("%s, and they could not be kept: %v", reason, err))
		return
	}
	q.kept = true
}

// forget removes the file where nothing is waiting any more. The caller holds mu.
func (q *Queue[T]) forget() {
	if q.kept && q.waiting+len(q.sending) == 0 && os.Remove(q.o.File) == nil {
		q.kept = false
	}
}
