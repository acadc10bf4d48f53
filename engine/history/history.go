// Package history keeps one folder per run.
//
// A run's folder is DIR/runs/ID, and holds
//
//	record.json     what the run is and how it stands: small, so that runs are listed fast
//	plan.yaml       the plan as run; environment variables are in it by name, not by value
//	report.json     the report in full (engine/report/README.md), of the last checkpoint until the run is finished
//	histograms.bin  the totals of the run at full resolution (measure.Totals), see Stored.Totals
//	intervals.bin   what it measured interval by interval (engine/interval), see Stored.Intervals; at checkpoints less often than the others
//	values.json     what the run is compared by (compare.Values)
//	summary.txt     the summary as the terminal showed it, of a finished run
//	lock            held by the process of a run that is going on
//
// Beside runs, DIR/baselines.json has what people said of runs (Marks), and DIR/changes/KEY.json what changed in the course of the
// runs that can be compared with one another (Course). DIR/removed has runs that are about to be deleted (Prune).
//
// Each file is replaced whole or not at all, record.json last, so that whenever a process dies what it leaves can be read:
// a run whose record says "running" and whose lock nobody holds was interrupted, and has its last checkpoint.
package history

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/gofrs/flock"
)

// The files of a run's folder.
const (
	recordFile     = "record.json"
	planFile       = "plan.yaml"
	reportFile     = "report.json"
	histogramsFile = "histograms.bin"
	intervalsFile  = "intervals.bin"
	valuesFile     = "values.json"
	summaryFile    = "summary.txt"
	lockFile       = "lock"
)

// History is the runs in a data directory. It is safe for concurrent use, also by several processes.
type History struct {
	dir   string
	known known
}

// Open opens the history in a data directory, which is created if it is not there. The runs are in its folder "runs".
func Open(dir string) (*History, error) {
	runs := filepath.Join(dir, "runs")
	if err := os.MkdirAll(runs, 0o755); err != nil {
		return nil, fmt.Errorf("open history in %s: %w; name a data directory that can be written", dir, err)
	}
	return &History{dir: runs, known: known{records: map[string]knownRecord{}}}, nil
}

// Dir returns the folder that has a folder for each run.
func (h *History) Dir() string { return h.dir }

// List returns the records of all runs, newest first. A folder whose record cannot be read is listed with the state Damaged
// and hides nothing else. It reads nothing but the records.
func (h *History) List() ([]Record, error) {
	records, _, err := h.Newest(0)
	return records, err
}

// ids returns the ids of all runs, newest first by their seconds. The time is in the id, so nothing is read but the folder.
func (h *History) ids() ([]string, error) {
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	ids := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.IsDir() && isID(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return strings.Compare(b, a) })
	return ids, nil
}

// Newest returns the records of the newest runs, at most n of them, or all if n is 0, and how many runs there are. It reads no
// more records than it has to.
func (h *History) Newest(n int) (records []Record, all int, err error) {
	ids, err := h.ids()
	if err != nil {
		return nil, 0, err
	}
	all = len(ids)
	for len(ids) > 0 {
		// Of several runs of one second only their records say which is newer.
		if n > 0 && len(records) >= n && ids[0][:timeLength] != records[len(records)-1].ID[:timeLength] {
			break
		}
		some := len(ids)
		if n > 0 {
			some = min(some, max(n-len(records), 1))
		}
		found := h.readAll(ids[:some])
		all -= some - len(found)
		records, ids = append(records, found...), ids[some:]
	}
	slices.SortFunc(records, func(a, b Record) int {
		return cmp.Or(strings.Compare(b.ID[:timeLength], a.ID[:timeLength]), b.Start.Compare(a.Start), strings.Compare(b.ID, a.ID))
	})
	if n > 0 && len(records) > n {
		records = records[:n]
	}
	return records, all, nil
}

// fewRuns is how many records are read by one processor alone.
const fewRuns = 200

// readAll returns the records of runs that began, in the order of their ids, read by all processors.
func (h *History) readAll(ids []string) []Record {
	parts := make([][]Record, max(1, min(runtime.GOMAXPROCS(0), len(ids)/fewRuns)))
	var reading sync.WaitGroup
	for i := range parts {
		reading.Go(func() {
			for _, id := range ids[i*len(ids)/len(parts) : (i+1)*len(ids)/len(parts)] {
				if r, ok := h.read(id); ok {
					parts[i] = append(parts[i], r)
				}
			}
		})
	}
	reading.Wait()
	return slices.Concat(parts...)
}

// read returns the record in a folder; ok is false where no run ever began, since its process died first.
func (h *History) read(id string) (r Record, ok bool) {
	dir := filepath.Join(h.dir, id)
	if r, ok := h.known.get(dir, id); ok {
		return r, true
	}
	changed := h.known.changed(dir)
	defer func() { h.known.put(&r, changed) }()
	r, err := readRecord(dir)
	if err == nil && r.State == Running && !held(filepath.Join(dir, lockFile)) {
		// Unless it finished between the two looks.
		if r, err = readRecord(dir); r.State == Running {
			r.State = Interrupted
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, statErr := os.Stat(filepath.Join(dir, reportFile)); errors.Is(statErr, fs.ErrNotExist) {
			return Record{}, false
		}
	}
	if err == nil && r.ID != id {
		err = fmt.Errorf("the record in folder %s is that of run %q", id, r.ID)
	}
	if err != nil {
		return Record{ID: id, State: Damaged, Problem: err.Error()}, true
	}
	return r, true
}

func readRecord(dir string) (Record, error) {
	b, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err != nil {
		return Record{}, err
	}
	return decodeRecord(b)
}

// held reports whether a process has the lock.
func held(path string) bool {
	l := flock.New(path, flock.SetFlag(os.O_RDONLY))
	free, err := l.TryRLock()
	if err != nil {
		return false // the lock file is not there any more
	}
	if free {
		// Closing it can fail only where it was not open.
		_ = l.Close()
	}
	return !free
}

// latest is the name of the newest run.
const latest = "latest"

// Find returns the record of the run with this name: its whole id, the beginning of it or its last letters (k3f9) where only
// one run has them, or "latest". The error lists the runs that were meant when there are several.
func (h *History) Find(name string) (Record, error) {
	newest, _, err := h.Newest(1)
	if err != nil {
		return Record{}, err
	}
	if len(newest) == 0 {
		return Record{}, fmt.Errorf("find run %q: there are no runs in %s", name, h.dir)
	}
	if name == latest {
		return newest[0], nil
	}
	ids, err := h.ids()
	if err != nil {
		return Record{}, err
	}
	var found []Record
	for _, id := range ids {
		if id != name && (name == "" || !strings.HasPrefix(id, name) && !strings.HasSuffix(id, "-"+name)) {
			continue
		}
		r, ok := h.read(id)
		if ok && id == name {
			return r, nil
		}
		if ok {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return Record{}, fmt.Errorf("find run %q: there is none in %s; the newest is %s", name, h.dir, newest[0].ID)
	case 1:
		return found[0], nil
	}
	const most = 5
	var shown []string
	for _, r := range found[:min(most, len(found))] {
		shown = append(shown, r.ID)
	}
	if len(found) > most {
		shown = append(shown, fmt.Sprintf("and %d more", len(found)-most))
	}
	return Record{}, fmt.Errorf("find run %q: %d runs have that name: %s", name, len(found), strings.Join(shown, ", "))
}
