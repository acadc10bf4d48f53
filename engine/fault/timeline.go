package fault

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"
)

// The limits of a Timeline where its options do not say.
const (
	DefaultStartWithin = 10 * time.Second
	DefaultUndoWithin  = 30 * time.Second

	firstPause, longestPause = 100 * time.Millisecond, 2 * time.Second // between attempts to undo
)

// Options are the circumstances of a timeline.
type Options struct {
	Dir         string        // of the journal, made when needed; empty: no journal, for faults that end with the process
	Run         string        // that the faults belong to, for the journal
	StartWithin time.Duration // of one fault; default DefaultStartWithin
	UndoWithin  time.Duration // of one fault, all attempts together; default DefaultUndoWithin
	// Notify is told of every fault that has started, ended or failed to, as the record then is. Calls may come from several
	// goroutines, one at a time. nil: nobody is told.
	Notify func(Record)
}

// Timeline breaks things at their time and puts them right. It is used once.
type Timeline struct {
	options Options
	faults  []Planned

	mu      sync.Mutex
	records []Record
	telling sync.Mutex
}

// NewTimeline returns a timeline of faults; it starts nothing.
func NewTimeline(faults []Planned, o Options) *Timeline {
	if o.StartWithin <= 0 {
		o.StartWithin = DefaultStartWithin
	}
	if o.UndoWithin <= 0 {
		o.UndoWithin = DefaultUndoWithin
	}
	t := &Timeline{options: o, faults: faults, records: make([]Record, len(faults))}
	for i := range faults {
		t.records[i] = Record{Name: faults[i].Name, Target: faults[i].Target, At: faults[i].At, For: faults[i].For}
	}
	return t
}

// Run plays the timeline against a run that began at start, and returns when all faults are over and undone. When ctx ends,
// nothing more starts and what is broken is undone at once, which ctx does not cut short; UndoWithin does. The error joins what
// went wrong with any fault; Records has it in detail.
func (t *Timeline) Run(ctx context.Context, start time.Time) error {
	var playing sync.WaitGroup
	for i := range t.faults {
		playing.Go(func() { t.play(ctx, i, start) })
	}
	playing.Wait()
	var errs []error
	for _, r := range t.Records() {
		errs = append(errs, r.Err)
	}
	return errors.Join(errs...)
}

// Records returns what became of the faults so far, in their order.
func (t *Timeline) Records() []Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Record(nil), t.records...)
}

// note changes a record and tells of it.
func (t *Timeline) note(i int, change func(*Record)) {
	t.telling.Lock()
	defer t.telling.Unlock()
	t.mu.Lock()
	change(&t.records[i])
	r := t.records[i]
	t.mu.Unlock()
	if t.options.Notify != nil {
		t.options.Notify(r)
	}
}

func (t *Timeline) play(ctx context.Context, i int, start time.Time) {
	p := &t.faults[i]
	if !sleep(ctx, time.Until(start.Add(p.At))) {
		return
	}
	entry, err := t.enter(p)
	if err != nil {
		t.note(i, func(r *Record) { r.Err = err })
		return
	}
	asked := time.Now()
	undo, err := t.start(ctx, p)
	if err != nil {
		err = fmt.Errorf("starting the fault %s: %w", p, err)
	}
	t.note(i, func(r *Record) {
		r.Asked, r.Err = asked, err
		if err == nil {
			r.Start = time.Now()
		}
	})
	if err == nil {
		sleep(ctx, time.Until(start.Add(p.At+p.For)))
	}
	undoing := time.Now()
	undoErr := t.undo(context.WithoutCancel(ctx), p, undo)
	if undoErr == nil {
		undoErr = entry.remove()
	} else {
		undoErr = fmt.Errorf("THE FAULT %s IS STILL IN FORCE, undoing it failed: %w; put it right by hand%s", p, undoErr, entry.hint())
	}
	if err != nil && undoErr == nil {
		return // it never was in force, and nothing of it is left
	}
	t.note(i, func(r *Record) {
		r.Undoing, r.Err = undoing, errors.Join(err, undoErr)
		if undoErr == nil {
			r.End, r.Undone = time.Now(), true
		}
	})
}

// sleep returns after d, or earlier with false when ctx ends.
func sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// enter writes the fault to the journal before anything is broken.
func (t *Timeline) enter(p *Planned) (*entry, error) {
	remedy := p.Fault.Remedy()
	if t.options.Dir == "" {
		if len(remedy) == 0 {
			return &entry{}, nil
		}
		return nil, fmt.Errorf("starting the fault %s: there is no folder for the journal, without which it would stay in force if this process were killed", p)
	}
	e := newEntry(t.options.Run, p, remedy)
	e.file = filepath.Join(t.options.Dir, e.fileName())
	if err := e.write(); err != nil {
		return nil, fmt.Errorf("starting the fault %s: writing what undoes it to the journal: %w; it was not started", p, err)
	}
	return e, nil
}

func (t *Timeline) start(ctx context.Context, p *Planned) (undo func(context.Context) error, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.options.StartWithin)
	defer cancel()
	defer panicked("starting it", &err)
	return p.Fault.Start(ctx)
}

// undo puts a fault right, however often that has to be tried.
func (t *Timeline) undo(ctx context.Context, p *Planned, undo func(context.Context) error) error {
	if undo == nil { // its start failed or panicked: what it did nobody knows
		remedy := p.Fault.Remedy()
		undo = func(ctx context.Context) error { return doAll(ctx, remedy) }
	}
	ctx, cancel := context.WithTimeout(ctx, t.options.UndoWithin)
	defer cancel()
	return retry(ctx, undo)
}

// retry calls undo until it succeeds or ctx ends, and returns the last error.
func retry(ctx context.Context, undo func(context.Context) error) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := attempt(ctx, undo)
		if err == nil || !sleep(ctx, pause) {
			return err
		}
	}
}

func attempt(ctx context.Context, undo func(context.Context) error) (err error) {
	defer panicked("undoing it", &err)
	return undo(ctx)
}
