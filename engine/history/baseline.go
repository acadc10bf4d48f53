package history

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"tidegauge/engine/compare"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
)

const (
	marksFile   = "baselines.json" // in the data directory
	marksSchema = "tidegauge.baselines/v1"
	// RollingRuns is how many runs a rolling baseline has.
	RollingRuns = stat.DefaultBaseline
	lockWait    = 5 * time.Second
)

// Marks are what people say of runs: which are pinned, excluded or accepted, and why.
type Marks struct {
	Schema string          `json:"schema"`
	Pins   []Pin           `json:"pins"`
	Runs   map[string]Mark `json:"runs"` // by id
}

// Pin is a run with a name that others can be compared with as long as the pin lasts.
type Pin struct {
	Name string    `json:"name"`
	Run  string    `json:"run"`
	At   time.Time `json:"at"`
}

// Mark is what was said of a run.
type Mark struct {
	Excluded bool `json:"excluded,omitempty"` // part of no baseline
	Accepted bool `json:"accepted,omitempty"` // what changed with it is as it should be: baselines begin with it
	// Rejected: what changed with it is not as it should be: it and the runs after it are part of no baseline until that is back.
	Rejected bool      `json:"rejected,omitempty"`
	Note     string    `json:"note,omitempty"`
	At       time.Time `json:"at,omitzero"` // when that was said
}

// Marks reads the marks; none is no error.
func (h *History) Marks() (Marks, error) {
	m := Marks{Schema: marksSchema, Runs: map[string]Mark{}}
	b, err := os.ReadFile(h.marksPath())
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err == nil && m.Schema != marksSchema {
		err = fmt.Errorf("its schema is %q, this version reads %q", m.Schema, marksSchema)
	}
	if err != nil {
		return Marks{}, fmt.Errorf("read the baselines in %s: %w", h.marksPath(), err)
	}
	if m.Runs == nil {
		m.Runs = map[string]Mark{}
	}
	return m, nil
}

func (h *History) marksPath() string { return filepath.Join(h.root(), marksFile) }

// root returns the data directory.
func (h *History) root() string { return filepath.Dir(h.dir) }

// ChangeMarks changes the marks; nobody else does meanwhile.
func (h *History) ChangeMarks(ctx context.Context, change func(*Marks) error) error {
	lock := flock.New(h.marksPath() + ".lock")
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if _, err := lock.TryLockContext(ctx, 10*time.Millisecond); err != nil {
		return fmt.Errorf("change the baselines: lock %s: %w", lock.Path(), err)
	}
	defer func() { _ = lock.Close() }() // it is only read
	m, err := h.Marks()
	if err != nil {
		return err
	}
	if err := change(&m); err != nil {
		return err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		return fmt.Errorf("change the baselines: %w", err)
	}
	if err := writeFile(h.marksPath(), b.Bytes()); err != nil {
		return fmt.Errorf("change the baselines: %w", err)
	}
	return nil
}

// Pin gives a run a name; a name that is there already is an error.
func (m *Marks) Pin(name, run string, at time.Time) error {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' }) {
		return fmt.Errorf("pin run %s: %q is no name: give one without spaces", run, name)
	}
	for _, p := range m.Pins {
		if p.Name == name {
			return fmt.Errorf("pin run %s as %s: run %s has that name: unpin it, or choose another", run, name, p.Run)
		}
	}
	m.Pins = append(m.Pins, Pin{Name: name, Run: run, At: at.UTC().Truncate(time.Second)})
	return nil
}

// Unpin takes a name away.
func (m *Marks) Unpin(name string) error {
	i := slices.IndexFunc(m.Pins, func(p Pin) bool { return p.Name == name })
	if i < 0 {
		return fmt.Errorf("unpin %q: there is no such baseline; tidegauge baseline list shows those there are", name)
	}
	m.Pins = slices.Delete(m.Pins, i, i+1)
	return nil
}

// Set replaces what was said of a run; the zero Mark takes it back.
func (m *Marks) Set(run string, mark Mark, at time.Time) {
	mark.At = time.Time{}
	if mark == (Mark{}) {
		delete(m.Runs, run)
		return
	}
	mark.At = at.UTC().Truncate(time.Second)
	m.Runs[run] = mark
}

// Pinned returns the run with the name of a pin.
func (m *Marks) Pinned(name string) (run string, ok bool) {
	for _, p := range m.Pins {
		if p.Name == name {
			return p.Run, true
		}
	}
	return "", false
}

// Values reads what a run is compared by.
func (h *History) Values(id string) (compare.Values, error) {
	var v compare.Values
	b, err := os.ReadFile(filepath.Join(h.dir, id, valuesFile))
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return v, fmt.Errorf("run %s has nothing to compare it by: it was not finished, has no stretch of constant load, or is of an earlier version", id)
	}
	if err != nil {
		return v, fmt.Errorf("read what run %s is compared by: %w", id, err)
	}
	return v, nil
}

// Rolling returns the runs that one is compared with, oldest first: the last good ones before it that are like it, from the
// last accepted one on. Good are runs that have an answer, pass or fail, were not worse than their own baseline, and
// are neither excluded nor rejected. What was worse before somebody accepted that it is so counts as good from the accepted run
// on. Runs of another tool are among them while there are fewer of our own than a verdict needs. A run that was made to confirm another counts like any other.
func (h *History) Rolling(of Record) ([]compare.Run, error) {
	m, err := h.Marks()
	if err != nil {
		return nil, err
	}
	first, begin, said := h.accepted(of, &m)
	bad, err := h.rejected(of.Key, &m, begin)
	if err != nil {
		return nil, err
	}
	var runs, imported []compare.Run
	err = h.comparable(of, func(r *Record) bool {
		if of.RerunOf != "" && (r.ID == of.RerunOf || r.RerunOf == of.RerunOf) {
			return true
		}
		mark := m.Runs[r.ID]
		if r.Start.Before(said) {
			r.Comparison = "" // it was made with what is not the baseline any more
		}
		if good(r, mark) && !within(r.Start, bad) {
			if v, err := h.Values(r.ID); err == nil && v.Problem == "" {
				if r.Imported != "" {
					imported = append(imported, runOf(r, v))
				} else {
					runs = append(runs, runOf(r, v))
				}
			}
		}
		return len(runs) < RollingRuns && r.ID != first
	})
	if err != nil {
		return nil, err
	}
	if len(runs) < stat.MinBaseline {
		runs = append(runs, imported[:min(len(imported), RollingRuns-len(runs))]...)
		slices.SortStableFunc(runs, func(a, b compare.Run) int { return b.Start.Compare(a.Start) })
	}
	slices.Reverse(runs)
	return runs, nil
}

// accepted returns the last accepted run before one that can be compared with it, when it began, and when it was accepted.
func (h *History) accepted(of Record, m *Marks) (id string, begin, said time.Time) {
	for run, mark := range m.Runs {
		if !mark.Accepted {
			continue
		}
		if r, ok := h.read(run); ok && r.Key == of.Key && r.Start.Before(of.Start) && r.Start.After(begin) {
			id, begin, said = run, r.Start, mark.At
		}
	}
	return id, begin, said
}

// RollingText says in words what Rolling returned.
func RollingText(runs []compare.Run) string {
	switch len(runs) {
	case 0:
		return "no run"
	case 1:
		return "the good run before it, " + runs[0].ID + versionsOf(runs)
	}
	return fmt.Sprintf("the %d good runs before it, from %s on%s", len(runs), runs[0].ID, versionsOf(runs))
}

// versionsOf says which versions of the target runs were of: the first and the last.
func versionsOf(runs []compare.Run) string {
	first, last := &runs[0], &runs[len(runs)-1]
	from, to := compare.VersionText(first.Version, first.Commit), compare.VersionText(last.Version, last.Commit)
	switch {
	case from == "" && to == "":
		return ""
	case from == to:
		return " (" + to + ")"
	}
	return " (" + orNone(from) + " to " + orNone(to) + ")"
}

// Compare compares a run with its rolling baseline. Reruns were made to confirm what it showed.
func (h *History) Compare(id string, reruns []string) (*compare.Comparison, error) {
	record, err := h.Find(id)
	if err != nil {
		return nil, err
	}
	runs, err := h.Rolling(record)
	if err != nil {
		return nil, err
	}
	return h.against(RollingText(runs), record, runs, reruns)
}

// Recall returns the comparison of a run with its rolling baseline: made anew from the runs there are, but as it was confirmed
// where further runs were made for it, and as it was of a run that loaded two targets in turns.
func (h *History) Recall(id string) (*compare.Comparison, error) {
	s, err := h.Load(id)
	if err != nil {
		return nil, err
	}
	if s.Report != nil && s.Report.Comparison != nil && (len(s.Report.Comparison.Reruns) > 0 || s.Report.Comparison.Paired > 0) {
		return s.Report.Comparison, nil
	}
	return h.Compare(s.Record.ID, nil)
}

func (h *History) against(text string, record Record, runs []compare.Run, reruns []string) (*compare.Comparison, error) {
	v, err := h.Values(record.ID)
	if err != nil {
		return nil, err
	}
	var again []compare.Run
	for _, id := range reruns {
		w, err := h.Values(id)
		if err != nil {
			return nil, err
		}
		again = append(again, compare.Run{ID: id, Values: w})
	}
	return compare.Against(text, runOf(&record, v), runs, again), nil
}

// CompareWith compares a run with another one, or with a pinned baseline and what came right before that: runs of the same key,
// the last of which is pinned. What makes the two incomparable is a warning, since whoever names both wants to see it.
func (h *History) CompareWith(id, with string) (*compare.Comparison, error) {
	record, err := h.Find(id)
	if err != nil {
		return nil, err
	}
	marks, err := h.Marks()
	if err != nil {
		return nil, err
	}
	pinned, isPin := marks.Pinned(with)
	if isPin {
		with = pinned
	}
	other, err := h.Load(with)
	if err != nil {
		return nil, err
	}
	if other.Record.ID == record.ID {
		return nil, fmt.Errorf("compare run %s: it would be compared with itself", record.ID)
	}
	v, err := h.Values(other.Record.ID)
	if err != nil {
		return nil, err
	}
	runs := []compare.Run{runOf(&other.Record, v)}
	text := "run " + other.Record.ID + versionsOf(runs)
	if isPin {
		before, err := h.Rolling(other.Record)
		if err != nil {
			return nil, err
		}
		runs = append(before[max(0, len(before)-RollingRuns+1):], runs...)
		text = fmt.Sprintf("baseline %s: run %s and %d good ones before it", marks.nameOf(pinned), pinned, len(before))
	}
	c, err := h.against(text, record, runs, nil)
	if err != nil {
		return nil, err
	}
	this, err := h.Load(record.ID)
	if err == nil && this.Report != nil && other.Report != nil {
		for _, why := range Differences(&other.Report.Run, &this.Report.Run) {
			c.Warnings = append(c.Warnings, "the runs are not really comparable: "+why)
		}
	}
	return c, err
}

func (m *Marks) nameOf(run string) string {
	for _, p := range m.Pins {
		if p.Run == run {
			return p.Name
		}
	}
	return run
}

// SetComparison replaces the comparison of a finished run.
func (h *History) SetComparison(id string, c *compare.Comparison) error {
	s, err := h.Load(id)
	if err != nil {
		return err
	}
	if s.Report == nil || s.Record.State != Finished {
		return fmt.Errorf("compare run %s: it is %s and has no report", s.Record.ID, s.Record.State)
	}
	s.Report.Comparison = c
	r := &Run{dir: s.Dir, write: writeFile, record: s.Record}
	r.record.take(s.Report)
	if err := r.writeReport(s.Report); err != nil {
		return fmt.Errorf("compare run %s: %w", s.Record.ID, err)
	}
	return r.writeRecord()
}

func good(r *Record, m Mark) bool {
	switch {
	case r.State != Finished || m.Excluded:
		return false
	case m.Accepted, r.Imported != "":
		return true
	}
	return r.Comparison != stat.Regression && (r.Outcome == verdict.Pass || r.Outcome == verdict.Fail && r.Code != verdict.CodeUnreachable)
}

// Sound reports whether what a run measured says something about the target; if not, why.
func Sound(v *verdict.Verdict) (why string, ok bool) {
	if v == nil {
		return "the run was not finished", false
	}
	for i := range v.Findings {
		f := &v.Findings[i]
		if f.Outcome == verdict.Inconclusive && slices.Contains([]string{
			verdict.CodeBooks, verdict.CodeGenerator, verdict.CodeLateness, verdict.CodeCPU, verdict.CodeStartRate, verdict.CodeDropped,
			verdict.CodeStopped, verdict.CodeUnreachable, verdict.CodeFault, verdict.CodeChanged,
		}, f.Code) {
			return f.Message, false
		}
	}
	if c := v.Code(); c == verdict.CodeStopped || c == verdict.CodeAborted || c == verdict.CodeUnreachable {
		return v.Summary, false
	}
	return "", true
}
