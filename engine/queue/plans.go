package queue

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
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"tidegauge/engine/document"
	"tidegauge/engine/plan"
)

// settle is how long a folder has to be quiet before it is read again: editors and deployments write in several steps.
const settle = 200 * time.Millisecond

// maxPlanSize bounds the file of a plan.
const maxPlanSize = 4 << 20

// Getenv tells the value of an environment variable, as os.LookupEnv.
type Getenv = func(string) (string, bool)

// Parse reads a plan from its text. Environment variables are those of getenv.
type Parse func(file string, text []byte, getenv Getenv) (*plan.Plan, error)

// PlanState is a plan of the folder as it stands. It is not changed once made.
type PlanState struct {
	Name     string     // of the file, without .yaml
	File     string     // whole path
	Plan     *plan.Plan // the last one that could be read; nil: there has been none
	Source   []byte     // of that
	Read     time.Time  // when that was
	Err      error      // why the file as it is now cannot be used; nil: it can
	Modified time.Time  // of the file
}

// Plans are the plans in a folder, the files *.yaml and *.yml in it, by the name of the file. A file that is broken by a
// change goes on as it was, and says so. Safe for concurrent use.
type Plans struct {
	dir    string
	parse  Parse
	getenv Getenv

	mu     sync.Mutex
	states map[string]*PlanState
	notify func(*PlanState)
}

// OpenPlans reads the plans in a folder, which has to be there. notify is told of each plan that has come, has changed or
// has gone (Plan and Err nil), one at a time; nil: nobody is.
func OpenPlans(dir string, parse Parse, getenv Getenv, notify func(*PlanState)) (*Plans, error) {
	if notify == nil {
		notify = func(*PlanState) {}
	}
	p := &Plans{dir: dir, parse: parse, getenv: getenv, states: map[string]*PlanState{}, notify: notify}
	return p, p.Reload()
}

// NoPlans are the plans of a daemon that has no folder for them.
func NoPlans() *Plans { return &Plans{states: map[string]*PlanState{}} }

// Run watches the folder and reads what has changed, until ctx ends.
func (p *Plans) Run(ctx context.Context) error {
	if p.dir == "" {
		return nil
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching the plans in %s: %w", p.dir, err)
	}
	defer func() { _ = w.Close() }() // nothing is lost with it
	if err := w.Add(p.dir); err != nil {
		return fmt.Errorf("watching the plans in %s: %w", p.dir, err)
	}
	if err := p.Reload(); err != nil { // what changed before it was watched
		return err
	}
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-w.Events:
			if !ok {
				return nil
			}
			quiet.Reset(settle)
		case err := <-w.Errors: // events may be missing
			if err != nil {
				quiet.Reset(settle)
			}
		case <-quiet.C:
			if err := p.Reload(); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
}

// Reload reads what has changed in the folder.
func (p *Plans) Reload() error {
	if p.dir == "" {
		return nil
	}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return fmt.Errorf("reading the folder of plans: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	there := map[string]bool{}
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), ext)
		if ext != ".yaml" && ext != ".yml" || strings.HasPrefix(name, ".") || name == "" || there[name] {
			continue
		}
		info, err := os.Stat(filepath.Join(p.dir, e.Name())) // of what a link leads to, as in a Kubernetes ConfigMap
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		there[name] = true
		p.look(name, filepath.Join(p.dir, e.Name()), info)
	}
	for name, s := range p.states {
		if !there[name] {
			delete(p.states, name)
			p.notify(&PlanState{Name: name, File: s.File})
		}
	}
	return nil
}

// look reads a plan if its text has changed since, or if it is broken: a file it names may be there now.
func (p *Plans) look(name, file string, info os.FileInfo) {
	before := p.states[name]
	s := &PlanState{Name: name, File: file, Modified: info.ModTime(), Read: time.Now()}
	if info.Size() > maxPlanSize {
		s.Err = fmt.Errorf("reading the plan: %s has %d bytes, at most %d are read", file, info.Size(), maxPlanSize)
	} else if s.Source, s.Err = os.ReadFile(file); s.Err != nil {
		s.Err = fmt.Errorf("reading the plan: %w", s.Err)
	}
	if before != nil && before.Err == nil && s.Err == nil && string(before.Source) == string(s.Source) {
		return
	}
	if s.Err == nil {
		s.Plan, s.Err = p.parse(file, s.Source, p.getenv)
	}
	if before != nil && s.Err != nil {
		s.Plan, s.Source, s.Read = before.Plan, before.Source, before.Read
		if before.Err != nil && before.Err.Error() == s.Err.Error() {
			return
		}
	}
	p.states[name] = s
	p.notify(s)
}

// List returns the plans by name.
func (p *Plans) List() []*PlanState {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*PlanState
	for _, name := range slices.Sorted(maps.Keys(p.states)) {
		all = append(all, p.states[name])
	}
	return all
}

// Find returns the plan of that name, or nil.
func (p *Plans) Find(name string) *PlanState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.states[name]
}

// Open reads the last good version of a plan anew, for one run. Parameters come before environment variables.
func (p *Plans) Open(name string, parameters map[string]string) (*plan.Plan, error) {
	s := p.Find(name)
	switch {
	case s == nil:
		return nil, fmt.Errorf("%w %s", ErrNoPlan, document.Quoted(name))
	case s.Plan == nil:
		return nil, fmt.Errorf("%w: %w", ErrBroken, s.Err)
	}
	one, err := p.parse(s.File, s.Source, func(variable string) (string, bool) {
		if v, ok := parameters[variable]; ok {
			return v, true
		}
		if p.getenv == nil {
			return "", false
		}
		return p.getenv(variable)
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return one, nil
}
