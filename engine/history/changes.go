package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/compare"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
)

const (
	changesFolder = "changes" // in the data directory; a file for each key
	changesSchema = "tidegauge.changes/v1"
	// recentRuns is for how many runs an improvement is news.
	recentRuns = RollingRuns
	// late is how many runs after the one that was accepted what changed with it may seem to have begun.
	late = 4
)

// Course is what the history of a test came to: the runs that can be compared with one another and the changes between them.
type Course struct {
	Schema   string           `json:"schema"`
	Plan     string           `json:"plan"`
	Test     string           `json:"test"`
	Key      string           `json:"key"`
	Run      string           `json:"run"`             // after which it was written
	Runs     int              `json:"runs"`            // that were looked at
	Recent   time.Time        `json:"recent,omitzero"` // from when on an improvement is news
	LastGood time.Time        `json:"-"`               // when the newest run before it ended that passed and was no regression
	Changes  []compare.Change `json:"changes"`
}

// Open returns the changes that are to be told: for the worse as long as they last, for the better while they are news. One that
// was accepted is not.
func (c *Course) Open() []compare.Change {
	return slices.DeleteFunc(slices.Clone(c.Changes), func(x compare.Change) bool {
		return !x.Lasts() || !x.Worse && x.Start.Before(c.Recent)
	})
}

// Follow looks for changes in the history that a run is the newest of, and keeps what it finds. The run may still be going on:
// what it is compared by is given, and nothing of the run itself is read.
func (h *History) Follow(of Record, values *compare.Values) (*Course, error) {
	failed := func(err error) error { return fmt.Errorf("look for changes in the history of %s: %w", of.Test, err) }
	marks, err := h.Marks()
	if err != nil {
		return nil, err
	}
	c := &Course{Schema: changesSchema, Plan: of.Plan, Test: of.Test, Key: of.Key, Run: of.ID}
	var runs []compare.Run
	err = h.comparable(of, func(r *Record) bool {
		if c.LastGood.IsZero() && r.Outcome == verdict.Pass && r.Comparison != stat.Regression {
			c.LastGood = r.AsOf
		}
		if v, err := h.Values(r.ID); err == nil && v.Problem == "" && r.State == Finished && r.Imported == "" && !marks.Runs[r.ID].Excluded {
			runs = append(runs, runOf(r, v))
		}
		return len(runs) < compare.MaxChangeRuns-1
	})
	if err != nil {
		return nil, failed(err)
	}
	slices.Reverse(runs)
	if values != nil && values.Problem == "" {
		runs = append(runs, runOf(&of, *values))
	}
	before, err := h.course(of.Key)
	if err != nil {
		return nil, failed(err)
	}
	c.Runs = len(runs)
	if len(runs) > 0 {
		c.Recent = runs[max(0, len(runs)-recentRuns)].Start
	}
	c.Changes = compare.Changes(runs, before.Changes)
	h.mark(c, &marks, runs)
	if err := h.keep(c); err != nil {
		return nil, failed(err)
	}
	return c, nil
}

func runOf(r *Record, v compare.Values) compare.Run {
	return compare.Run{ID: r.ID, Values: v, Start: r.Start, Version: r.TargetVersion, Commit: r.Commit}
}

// comparable gives the records of the runs before one that can be compared with it, newest first, until use returns false.
func (h *History) comparable(of Record, use func(*Record) bool) error {
	ids, err := h.ids()
	if err != nil {
		return err
	}
	suffix := "-" + slug(of.Test) + "-"
	for _, id := range ids {
		if id[:timeLength] > of.ID[:timeLength] || id == of.ID || !strings.HasPrefix(id[timeLength:], suffix) {
			continue
		}
		r, ok := h.read(id)
		if ok && r.Key == of.Key && r.Start.Before(of.Start) && !use(&r) {
			break
		}
	}
	return nil
}

// mark notes what people said of the changes. What began with an accepted run or before it is accepted, and what seems to have
// begun in one of the few runs after it that were there already when somebody accepted it.
func (h *History) mark(c *Course, m *Marks, runs []compare.Run) {
	for id, mark := range m.Runs {
		r, ok := h.read(id)
		if !ok || r.Key != c.Key {
			continue
		}
		until := r.Start
		if i := slices.IndexFunc(runs, func(x compare.Run) bool { return x.Start.After(r.Start) }); i >= 0 {
			for _, x := range runs[i:min(i+late, len(runs))] {
				if x.Start.Before(mark.At) {
					until = x.Start
				}
			}
		}
		for i := range c.Changes {
			x := &c.Changes[i]
			x.Accepted = x.Accepted || mark.Accepted && !x.Start.After(until)
			x.Rejected = x.Rejected || mark.Rejected && x.Run == id
		}
	}
}

// course reads what the last run of a history left; nothing is no error.
func (h *History) course(key string) (Course, error) {
	var c Course
	b, err := os.ReadFile(h.coursePath(key))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err == nil && c.Schema != changesSchema {
		err = fmt.Errorf("its schema is %q, this version reads %q", c.Schema, changesSchema)
	}
	if err != nil {
		return Course{}, fmt.Errorf("read %s: %w; without the file changes are found anew", h.coursePath(key), err)
	}
	return c, nil
}

func (h *History) coursePath(key string) string {
	return filepath.Join(h.root(), changesFolder, key+".json")
}

func (h *History) keep(c *Course) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(c); err != nil {
		return err
	}
	path := h.coursePath(c.Key)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return writeFile(path, b.Bytes())
}

// Courses returns what is known of each history, the one with the newest run first, with what people have said meanwhile. One
// that cannot be read is left out and part of the error.
func (h *History) Courses() ([]Course, error) {
	marks, err := h.Marks()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(h.root(), changesFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the changes: %w", err)
	}
	var all []Course
	var wrong []error
	for _, e := range entries {
		key, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok {
			continue
		}
		c, err := h.course(key)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		h.mark(&c, &marks, nil)
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Course) int { return strings.Compare(b.Run, a.Run) })
	return all, errors.Join(wrong...)
}

// stretch is when a history was not as it should be: from a rejected run on.
type stretch struct{ from, to time.Time } // to is zero: until now

// rejected returns the stretches of a history from each rejected run until every metric that had changed for the worse is back.
// Those that began before a time are over: what was there then has been accepted.
func (h *History) rejected(key string, m *Marks, settled time.Time) ([]stretch, error) {
	var all []stretch
	for id, mark := range m.Runs {
		if !mark.Rejected {
			continue
		}
		r, ok := h.read(id)
		if !ok || r.Key != key || r.Start.Before(settled) {
			continue
		}
		c, err := h.course(key)
		if err != nil {
			return nil, err
		}
		all = append(all, stretch{from: r.Start, to: c.backFrom(r.Start)})
	}
	return all, nil
}

// backFrom returns when all that was worse at a time was back; zero: it is not, or nothing is known to have been worse. A change
// may seem to have begun a little later than it was seen: without one before, the first after it is meant.
func (c *Course) backFrom(t time.Time) (to time.Time) {
	var meant []*compare.Change
	for i := range c.Changes {
		x := &c.Changes[i]
		if !x.Worse || x.Back != "" && !x.BackAt.After(t) || x.Start.After(t) && len(meant) > 0 {
			continue
		}
		meant = append(meant, x)
	}
	for _, x := range meant {
		if x.Back == "" {
			return time.Time{}
		}
		if x.BackAt.After(to) {
			to = x.BackAt
		}
	}
	return to
}

func within(t time.Time, all []stretch) bool {
	return slices.ContainsFunc(all, func(s stretch) bool { return !t.Before(s.from) && (s.to.IsZero() || t.Before(s.to)) })
}
