package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"tidegauge/engine/compare"
	"tidegauge/engine/interval"
	"tidegauge/engine/measure"
	"tidegauge/engine/report"
)

// Run is the folder of a run that is going on. It is safe for concurrent use.
type Run struct {
	dir   string
	write func(path string, content []byte) error // atomically

	mu     sync.Mutex
	record Record
	lock   *flock.Flock // nil: the run is over for us
}

// Begin makes the folder of a new run, with a new id: meta's own is ignored.
func (h *History) Begin(meta report.Meta, planSource []byte) (*Run, error) {
	failed := func(err error) (*Run, error) {
		return nil, fmt.Errorf("begin run in %s: %w; make room, or name a data directory that can be written", h.dir, err)
	}
	r := &Run{write: writeFile}
	for {
		now := time.Now()
		meta.ID = newID(now, meta.Test)
		r.dir = filepath.Join(h.dir, meta.ID)
		err := os.Mkdir(r.dir, 0o755)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return failed(err)
		}
		r.record = newRecord(&meta, os.Getpid(), now.UTC())
		break
	}
	r.lock = flock.New(filepath.Join(r.dir, lockFile))
	if err := r.begin(planSource); err != nil {
		return failed(errors.Join(err, r.release(), os.RemoveAll(r.dir)))
	}
	return r, nil
}

// begin fills the new folder, the record last: a folder without it is one in which no run began.
func (r *Run) begin(planSource []byte) error {
	ok, err := r.lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock %s: %w", r.lock.Path(), err)
	}
	if !ok {
		return fmt.Errorf("lock %s: another process has it", r.lock.Path())
	}
	if err := r.write(filepath.Join(r.dir, planFile), planSource); err != nil {
		return err
	}
	return r.writeRecord()
}

// ID returns the run's id.
func (r *Run) ID() string { return r.record.ID }

// Dir returns the run's folder.
func (r *Run) Dir() string { return r.dir }

// Checkpoint writes how the run stands so far: what will be left of it if the process dies. After an error the run can go on;
// the checkpoint before stays.
func (r *Run) Checkpoint(rep *report.Report, totals *measure.Totals) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lock == nil {
		return fmt.Errorf("checkpoint run %s: it is over", r.record.ID)
	}
	if err := r.writeReport(rep); err != nil {
		return fmt.Errorf("checkpoint run %s: %w", r.record.ID, err)
	}
	if err := r.writeTotals(totals); err != nil {
		return fmt.Errorf("checkpoint run %s: %w", r.record.ID, err)
	}
	r.record.take(rep)
	if err := r.writeRecord(); err != nil {
		return fmt.Errorf("checkpoint run %s: %w", r.record.ID, err)
	}
	return nil
}

// Record returns the record as it stands.
func (r *Run) Record() Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.record
}

// Values writes what the run is compared by; before Finish.
func (r *Run) Values(v *compare.Values) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, err := json.Marshal(v)
	if err == nil {
		err = r.write(filepath.Join(r.dir, valuesFile), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write what run %s is compared by: %w", r.record.ID, err)
	}
	return nil
}

// Intervals writes what was measured interval by interval so far; before Finish.
func (r *Run) Intervals(from *interval.Recorder) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, err := from.AppendBinary(nil)
	if err == nil {
		err = r.write(filepath.Join(r.dir, intervalsFile), b)
	}
	if err != nil {
		return fmt.Errorf("write the intervals of run %s: %w", r.record.ID, err)
	}
	return nil
}

// RerunOf notes that the run is made to confirm another; with the next checkpoint or at the end.
func (r *Run) RerunOf(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.record.RerunOf = id
}

// Subject notes what the system under test turned out to be; with the next checkpoint or at the end.
func (r *Run) Subject(version, commit, branch string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.record.TargetVersion, r.record.Commit, r.record.Branch = version, commit, branch
}

// Finish writes the finished run and gives its folder up. Where a file cannot be written the others still are, and the error
// says what is lost; of a file written at a checkpoint that version stays.
func (r *Run) Finish(rep *report.Report, totals *measure.Totals, summary string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lock == nil {
		return fmt.Errorf("finish run %s: it is over", r.record.ID)
	}
	before := r.record
	r.record.take(rep)
	var errs []error
	for _, f := range []struct {
		name  string
		write func() error
	}{
		{histogramsFile, func() error { return r.writeTotals(totals) }},
		{reportFile, func() error { return r.writeReport(rep) }},
		{summaryFile, func() error { return r.write(filepath.Join(r.dir, summaryFile), []byte(summary)) }},
	} {
		if err := f.write(); err != nil {
			r.record.Lost = append(r.record.Lost, f.name)
			errs = append(errs, fmt.Errorf("%s is lost%s: %w", f.name, stays(&before, f.name), err))
		}
	}
	r.record.State = Finished
	if err := r.writeRecord(); err != nil {
		errs = append(errs, fmt.Errorf("%s is lost, so that the run will be listed as interrupted: %w", recordFile, err))
	}
	if err := r.release(); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return fmt.Errorf("finish run %s in %s: %w", r.record.ID, r.dir, errors.Join(errs...))
	}
	return nil
}

// stays says which version of a file is left.
func stays(r *Record, name string) string {
	if r.AsOf.IsZero() || name == summaryFile {
		return ""
	}
	return " but for its checkpoint of " + r.AsOf.Local().Format(time.TimeOnly)
}

// Close gives up a run that was not finished; it will read as interrupted, with its last checkpoint. After Finish it does
// nothing.
func (r *Run) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.release()
}

func (r *Run) release() error {
	if r.lock == nil {
		return nil
	}
	path := r.lock.Path()
	err := r.lock.Close()
	r.lock = nil
	if removeErr := os.Remove(path); removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) {
		err = errors.Join(err, removeErr)
	}
	if err != nil {
		return fmt.Errorf("release the lock of run %s: %w", r.record.ID, err)
	}
	return nil
}

func (r *Run) writeReport(rep *report.Report) error {
	var b bytes.Buffer
	if err := rep.WriteJSON(&b); err != nil {
		return err
	}
	return r.write(filepath.Join(r.dir, reportFile), b.Bytes())
}

func (r *Run) writeTotals(t *measure.Totals) error {
	if t == nil {
		t = &measure.Totals{} // nothing was measured
	}
	b, err := t.AppendBinary(nil)
	if err != nil {
		return err
	}
	return r.write(filepath.Join(r.dir, histogramsFile), b)
}

func (r *Run) writeRecord() error {
	b, err := r.record.encode()
	if err != nil {
		return err
	}
	if err := r.write(filepath.Join(r.dir, recordFile), b); err != nil {
		return err
	}
	return syncDir(r.dir)
}

// writeFile replaces a file, so that it is there in full or as it was before, whatever happens.
func writeFile(path string, content []byte) error {
	return renameio.WriteFile(path, content, 0o644, renameio.WithTempDir(filepath.Dir(path)))
}

// syncDir makes renames in a folder last through a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
