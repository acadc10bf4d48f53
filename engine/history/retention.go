package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"tidegauge/engine/compare"
)

const (
	removedFolder = "removed" // in the data directory: runs that are to be deleted
	pruneLock     = "removed.lock"
	// readWithin is how long a removed run can still be read to its end by who has begun to.
	readWithin = time.Minute
	// keysInUse is of how many kinds of run of a test the baselines are kept: a run with another load is no end of the usual ones.
	keysInUse = 3
)

// Retention says how many runs are kept; 0 is no bound.
type Retention struct {
	Count int           // of all tests together
	Age   time.Duration // since they began
	Size  int64         // of their folders together, in bytes
}

// DefaultRetention is for those who say nothing: years of runs, on a disk that a laptop has to spare.
func DefaultRetention() Retention { return Retention{Count: 10_000, Size: 10 << 30} }

// Pruned is what Prune removed, or would.
type Pruned struct {
	Runs  []string // oldest first
	Bytes int64
	From  time.Time // when the first and the last of them began
	To    time.Time
	Why   []string // which bounds were exceeded, in words
	Spare int      // runs beyond a bound that were kept, since they are still needed
}

// String says it in a line.
func (p *Pruned) String() string {
	const mega = 1e6
	what := fmt.Sprintf("%d runs, from %s to %s", len(p.Runs), p.From.Local().Format(time.DateOnly), p.To.Local().Format(time.DateOnly))
	if len(p.Runs) == 1 {
		what = fmt.Sprintf("run %s", p.Runs[0])
	}
	text := fmt.Sprintf("%s, %.3g MB: %s", what, float64(p.Bytes)/mega, strings.Join(p.Why, "; "))
	if p.Spare > 0 {
		text += fmt.Sprintf("; %d more are kept, since they are pinned, marked, part of a baseline or the first of a change", p.Spare)
	}
	return text
}

// candidate is a run that may go.
type candidate struct {
	id    string
	start time.Time
	bytes int64
	key   string
	safe  bool // it stays
}

// Prune removes the oldest runs beyond what is to be kept. Those stay that are going on, pinned or part of the baseline that a pin stands
// for, accepted, rejected or annotated, the first of a change, or what the next run of a test would be compared with. A run can be
// read by its path until Prune is called again a minute later or more. Where another process prunes, nothing is done. With try, nothing is removed.
func (h *History) Prune(ctx context.Context, keep Retention, try bool) (*Pruned, error) {
	failed := func(err error) (*Pruned, error) { return nil, fmt.Errorf("remove old runs from %s: %w", h.dir, err) }
	lock := flock.New(filepath.Join(h.root(), pruneLock))
	if ok, err := lock.TryLock(); err != nil {
		return failed(err)
	} else if !ok {
		return &Pruned{}, nil
	}
	defer func() { _ = lock.Close() }()
	if !try {
		if err := h.deleteRemoved(readWithin); err != nil {
			return failed(err)
		}
	}
	if keep == (Retention{}) {
		return &Pruned{}, nil
	}
	all, err := h.candidates(ctx, keep.Size > 0)
	if err != nil {
		return failed(err)
	}
	p, gone := choose(all, keep, time.Now())
	if keep.Size == 0 {
		for _, c := range gone {
			p.Bytes += folderSize(filepath.Join(h.dir, c.id))
		}
	}
	if try || len(gone) == 0 {
		return p, nil
	}
	for _, c := range gone {
		if err := h.remove(c.id); err != nil {
			return failed(err)
		}
	}
	return p, errors.Join(h.forget(ctx, gone), h.forgetCourses(all, gone))
}

// choose picks what goes, oldest first; all are sorted so.
func choose(all []candidate, keep Retention, now time.Time) (*Pruned, []candidate) {
	p := &Pruned{}
	left, bytes := len(all), int64(0)
	for i := range all {
		bytes += all[i].bytes
	}
	var gone []candidate
	reasons := map[string]bool{}
	for i := range all {
		c := &all[i]
		why := ""
		switch {
		case keep.Age > 0 && now.Sub(c.start) > keep.Age:
			why = "older than " + days(keep.Age)
		case keep.Count > 0 && left > keep.Count:
			why = fmt.Sprintf("more than %d runs", keep.Count)
		case keep.Size > 0 && bytes > keep.Size:
			why = fmt.Sprintf("more than %.3g MB", float64(keep.Size)/1e6)
		default:
			continue
		}
		if c.safe {
			p.Spare++
			continue
		}
		if !reasons[why] {
			reasons[why] = true
			p.Why = append(p.Why, why)
		}
		gone = append(gone, *c)
		left, bytes = left-1, bytes-c.bytes
		p.Runs, p.Bytes, p.To = append(p.Runs, c.id), p.Bytes+c.bytes, c.start
		if p.From.IsZero() {
			p.From = c.start
		}
	}
	return p, gone
}

func days(d time.Duration) string {
	const day = 24 * time.Hour
	if d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

// candidates returns all runs, oldest first.
func (h *History) candidates(ctx context.Context, sizes bool) ([]candidate, error) {
	records, err := h.List()
	if err != nil {
		return nil, err
	}
	needed, err := h.needed(records)
	if err != nil {
		return nil, err
	}
	all := make([]candidate, 0, len(records))
	for i := range slices.Backward(records) {
		r := &records[i]
		c := candidate{id: r.ID, start: r.Start, key: r.Key, safe: r.State == Running || needed[r.ID]}
		if c.start.IsZero() {
			c.start, _ = StartOf(r.ID)
		}
		if sizes {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			c.bytes = folderSize(filepath.Join(h.dir, r.ID))
		}
		all = append(all, c)
	}
	return all, nil
}

func folderSize(dir string) (bytes int64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0 // it is gone
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}

// needed returns which of all runs, newest first, have to stay.
func (h *History) needed(records []Record) (map[string]bool, error) {
	marks, err := h.Marks()
	if err != nil {
		return nil, err
	}
	needed := map[string]bool{}
	keepRuns := func(runs []compare.Run) {
		for i := range runs {
			needed[runs[i].ID] = true
		}
	}
	for id, m := range marks.Runs {
		needed[id] = needed[id] || m.Accepted || m.Rejected || m.Note != ""
	}
	type testOf struct{ plan, test string }
	current := map[string]*Record{} // the newest run of each key that is in use
	keys := map[testOf]int{}
	byID := map[string]*Record{}
	for i := range records {
		r := &records[i]
		byID[r.ID] = r
		if r.State == Running && r.RerunOf != "" {
			needed[r.RerunOf] = true
		}
		if t := (testOf{r.Plan, r.Test}); current[r.Key] == nil && r.Key != "" && keys[t] < keysInUse {
			current[r.Key] = r
			keys[t]++
		}
	}
	for _, p := range marks.Pins {
		needed[p.Run] = true
		if r := byID[p.Run]; r != nil {
			runs, err := h.Rolling(*r)
			if err != nil {
				return nil, err
			}
			keepRuns(runs)
		}
	}
	for _, r := range current {
		now := time.Now()
		runs, err := h.Rolling(Record{ID: newID(now, r.Test), Test: r.Test, Key: r.Key, Start: now})
		if err != nil {
			return nil, err
		}
		keepRuns(runs)
	}
	courses, _ := h.Courses() // one that cannot be read says nothing
	for i := range courses {
		for j := range courses[i].Changes {
			if c := &courses[i].Changes[j]; current[courses[i].Key] != nil {
				needed[c.Run] = true
			}
		}
	}
	return needed, nil
}

// Remove removes runs for good, by names as by Find: none of them if one must not go. A pin, and a run that is going on, keep a run.
func (h *History) Remove(ctx context.Context, names []string) (*Pruned, error) {
	marks, err := h.Marks()
	if err != nil {
		return nil, err
	}
	p := &Pruned{Why: []string{"removed by hand"}}
	var gone []candidate
	for _, name := range names {
		r, err := h.Find(name)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(marks.Pins, func(p Pin) bool { return p.Run == r.ID }); i >= 0 {
			return nil, fmt.Errorf("remove run %s: it is pinned as %s: unpin it first", r.ID, marks.Pins[i].Name)
		}
		if r.State == Running {
			return nil, fmt.Errorf("remove run %s: it is going on", r.ID)
		}
		if slices.Contains(p.Runs, r.ID) {
			continue
		}
		bytes := folderSize(filepath.Join(h.dir, r.ID))
		gone = append(gone, candidate{id: r.ID, key: r.Key, bytes: bytes})
		p.Runs, p.Bytes = append(p.Runs, r.ID), p.Bytes+bytes
		if p.From.IsZero() || r.Start.Before(p.From) {
			p.From = r.Start
		}
		if r.Start.After(p.To) {
			p.To = r.Start
		}
	}
	for _, c := range gone {
		if err := h.remove(c.id); err != nil {
			return nil, fmt.Errorf("remove run %s: %w", c.id, err)
		}
	}
	return p, errors.Join(h.forget(ctx, gone), h.deleteRemoved(0))
}

// remove takes a run from the list at once; its files go later.
func (h *History) remove(id string) error {
	to := filepath.Join(h.root(), removedFolder)
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	from := filepath.Join(h.dir, id)
	if held(filepath.Join(from, lockFile)) {
		return nil // somebody has begun to write
	}
	now := time.Now()
	if err := os.Chtimes(from, now, now); err != nil {
		return err
	}
	return os.Rename(from, filepath.Join(to, id))
}

// deleteRemoved deletes the runs that were removed long enough ago.
func (h *History) deleteRemoved(ago time.Duration) error {
	dir := filepath.Join(h.root(), removedFolder)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < ago {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// forget takes back what was said of runs that are gone.
func (h *History) forget(ctx context.Context, gone []candidate) error {
	marks, err := h.Marks()
	if err != nil {
		return err
	}
	said := func(c candidate) bool { _, ok := marks.Runs[c.id]; return ok }
	if !slices.ContainsFunc(gone, said) {
		return nil
	}
	return h.ChangeMarks(ctx, func(m *Marks) error {
		maps.DeleteFunc(m.Runs, func(id string, _ Mark) bool {
			return slices.ContainsFunc(gone, func(c candidate) bool { return c.id == id })
		})
		return nil
	})
}

// forgetCourses deletes what is known of histories of which no run is left.
func (h *History) forgetCourses(all, gone []candidate) error {
	left := map[string]int{}
	for i := range all {
		left[all[i].key]++
	}
	for i := range gone {
		key := gone[i].key
		if left[key]--; left[key] > 0 || key == "" {
			continue
		}
		if err := os.Remove(h.coursePath(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// located returns where the files of a run are: also of one that was removed while it was being read.
func (s *Stored) located(name string) string {
	path := filepath.Join(s.Dir, name)
	if _, err := os.Stat(s.Dir); errors.Is(err, fs.ErrNotExist) {
		return filepath.Join(filepath.Dir(filepath.Dir(s.Dir)), removedFolder, s.Record.ID, name)
	}
	return path
}
