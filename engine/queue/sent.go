package queue

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"tidegauge/engine/document"
	"tidegauge/engine/plan"
)

// Sent is a plan that comes with a request instead of from the folder, and the files that it names.
type Sent struct {
	Name   string            // of the file, as payments.yaml
	Source []byte            // its text
	Files  map[string][]byte // by their names as the plan has them, relative to it and with slashes
}

// ParseSent reads a plan that was sent, which stands in a folder of its own. It has to refuse what would read other files of
// this machine, see SentFile, or its environment.
type ParseSent func(file string, text []byte, getenv Getenv) (*plan.Plan, error)

// SentFile says why a file of a plan that was sent may not be read: it has to be one that can be sent with it.
func SentFile(name string) error {
	if !filepath.IsLocal(name) || strings.ContainsAny(name, "\\:\x00") {
		return fmt.Errorf("%s is not in the plan's folder, expected a file there: a plan that is sent to a daemon reads no other", document.Quoted(name))
	}
	return nil
}

// maxSentFiles bounds how many files come with a plan.
const maxSentFiles = 100

// check says what is wrong with names before anything is written.
func (s *Sent) check() error {
	if err := SentFile(s.Name); err != nil || path.Base(s.Name) != s.Name || strings.HasPrefix(s.Name, ".") {
		return fmt.Errorf("%w: the plan is called %s, expected the name of a file, as payments.yaml", ErrRequest, document.Quoted(s.Name))
	}
	if len(s.Files) > maxSentFiles {
		return fmt.Errorf("%w: %d files come with the plan, expected at most %d", ErrRequest, len(s.Files), maxSentFiles)
	}
	for name := range s.Files {
		if err := SentFile(name); err != nil {
			return fmt.Errorf("%w: %w", ErrRequest, err)
		}
		if path.Clean(name) == s.Name {
			return fmt.Errorf("%w: the file %s would be in the place of the plan itself", ErrRequest, document.Quoted(name))
		}
	}
	return nil
}

// keep writes the plan and its files to a new folder below dir, and returns the folder.
func (s *Sent) keep(dir string) (_ string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	folder, err := os.MkdirTemp(dir, "plan-")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(folder))
		}
	}()
	root, err := os.OpenRoot(folder) // a second fence around what SentFile lets through
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for name, text := range s.Files {
		name = filepath.FromSlash(name)
		if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return "", err
		}
		if err := root.WriteFile(name, text, 0o600); err != nil {
			return "", err
		}
	}
	return folder, root.WriteFile(s.Name, s.Source, 0o600)
}

// openSent keeps a plan that was sent and reads it. The folder is the job's to remove.
func (q *Queue) openSent(r *Request) (p *plan.Plan, folder string, err error) {
	if q.o.SentDir == "" {
		return nil, "", fmt.Errorf("%w: plans cannot be sent here", ErrRequest)
	}
	if err := r.Sent.check(); err != nil {
		return nil, "", err
	}
	if folder, err = r.Sent.keep(q.o.SentDir); err != nil {
		return nil, "", fmt.Errorf("keeping the plan that was sent: %w", err)
	}
	p, err = q.o.ParseSent(filepath.Join(folder, r.Sent.Name), r.Sent.Source, func(name string) (string, bool) {
		v, ok := r.Parameters[name]
		return v, ok
	})
	if err == nil {
		p.File = r.Sent.Name // the folder is nothing to whoever sent the plan
		return p, folder, nil
	}
	if all, ok := errors.AsType[document.Errors](err); ok {
		for _, one := range all {
			one.File = r.Sent.Name
			one.Message = strings.ReplaceAll(one.Message, folder+string(filepath.Separator), "")
		}
	}
	return nil, "", errors.Join(fmt.Errorf("%w: %w", ErrSent, err), os.RemoveAll(folder))
}

// drop removes what was sent with a job that is over.
func (q *Queue) drop(j *job) {
	if j.folder == "" {
		return
	}
	if err := os.RemoveAll(j.folder); err != nil {
		q.o.Logger.Error("removing a plan that was sent", "error", err)
	}
}

// clearSent removes what a process that was killed has left.
func (q *Queue) clearSent() {
	if q.o.SentDir == "" {
		return
	}
	if err := os.RemoveAll(q.o.SentDir); err != nil {
		q.o.Logger.Error("removing the plans that were sent to an earlier process", "error", err)
	}
}

// Tried is what Try says of one test of a plan.
type Tried struct {
	Name string
	Err  error // why it may not be run (ErrLimit); nil: it may
}

// Try reads a plan as a request with it would, and says of each of its tests whether it may be run. Nothing is kept of it.
func (q *Queue) Try(s *Sent, parameters map[string]string) (p *plan.Plan, tests []Tried, err error) {
	p, folder, err := q.openSent(&Request{Sent: s, Parameters: parameters})
	if err != nil {
		return nil, nil, err
	}
	if err := os.RemoveAll(folder); err != nil {
		q.o.Logger.Error("removing a plan that was sent", "error", err)
	}
	q.mu.Lock()
	limits := q.settings.Limits
	q.mu.Unlock()
	for i := range p.Tests {
		tests = append(tests, Tried{p.Tests[i].Name, limits.Check(p, &p.Tests[i])})
	}
	return p, tests, nil
}
