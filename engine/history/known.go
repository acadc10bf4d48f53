package history

import (
	"os"
	"sync"
	"time"
)

const (
	maxKnown = 20_000 // records
	// settledAfter is how long ago a folder has to have changed for its next change to be seen: file systems count time in steps.
	settledAfter = 2 * time.Second
)

// known are the records of finished runs that were read before: a folder that has not changed since, since files in it are replaced and
// never written to, need not be read again. Safe for concurrent use.
type known struct {
	mu      sync.Mutex
	records map[string]knownRecord // by id
}

type knownRecord struct {
	changed time.Time // the folder
	record  Record
}

// get returns the record of a folder that has not changed.
func (k *known) get(dir, id string) (Record, bool) {
	k.mu.Lock()
	one, ok := k.records[id]
	k.mu.Unlock()
	if !ok {
		return Record{}, false
	}
	info, err := os.Lstat(dir)
	if err != nil || !info.ModTime().Equal(one.changed) {
		return Record{}, false
	}
	return one.record, true
}

// changed returns when a folder changed; zero: that cannot be said, or it is too short ago.
func (k *known) changed(dir string) time.Time {
	info, err := os.Lstat(dir)
	if err != nil || time.Since(info.ModTime()) < settledAfter {
		return time.Time{}
	}
	return info.ModTime()
}

// put keeps a record that was read from a folder, which had changed then.
func (k *known) put(r *Record, changed time.Time) {
	if r.State != Finished || changed.IsZero() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.records) >= maxKnown {
		clear(k.records)
	}
	k.records[r.ID] = knownRecord{changed, *r}
}
