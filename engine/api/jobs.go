package api

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"tidegauge/engine/document"
	"tidegauge/engine/experiment"
	"tidegauge/engine/plan"
	"tidegauge/engine/queue"
)

// Start is what a run is asked for with: the body of POST /tidegauge/v1/jobs.
type Start struct {
	Plan          string            `json:"plan,omitempty"` // name of a plan of the folder; empty: Source is the plan
	File          string            `json:"file,omitempty"` // name of the file that Source is from
	Source        string            `json:"source,omitempty"`
	Files         map[string][]byte `json:"files,omitempty"` // that Source names
	Test          string            `json:"test,omitempty"`
	Parameters    map[string]string `json:"parameters,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	TargetVersion string            `json:"target_version,omitempty"`
	Commit        string            `json:"commit,omitempty"`
	Branch        string            `json:"branch,omitempty"`
	Seed          uint64            `json:"seed,omitempty"`
	Host          string            `json:"host,omitempty"`
	Users         int               `json:"users,omitempty"`
	SpawnRate     float64           `json:"spawn_rate,omitempty"`
	RunTime       float64           `json:"run_time,omitempty"`     // seconds
	StopTimeout   *float64          `json:"stop_timeout,omitempty"` // seconds; nil: the plan's
	Tags          []string          `json:"tags,omitempty"`
	ExcludeTags   []string          `json:"exclude_tags,omitempty"`
	RerunOf       string            `json:"rerun_of,omitempty"` // the run that this one is to confirm
}

// request turns a body into what the queue takes.
func (b *Start) request(by string) (queue.Request, error) {
	r := queue.Request{
		Plan: b.Plan, Test: b.Test, Parameters: b.Parameters, Labels: b.Labels, Seed: b.Seed, By: by, RerunOf: b.RerunOf,
		Subject: experiment.Subject{Version: b.TargetVersion, Commit: b.Commit, Branch: b.Branch},
		Overrides: plan.Overrides{
			Host: b.Host, Users: b.Users, SpawnRate: b.SpawnRate, RunTime: time.Duration(b.RunTime * float64(time.Second)), Tags: b.Tags, ExcludeTags: b.ExcludeTags,
		},
	}
	for name, seconds := range map[string]*float64{"run_time": &b.RunTime, "stop_timeout": b.StopTimeout} {
		if seconds != nil && !(*seconds >= 0 && *seconds <= document.MaxDuration.Seconds()) {
			return r, fmt.Errorf("%w: %s is %g s, expected from 0 to a year", queue.ErrRequest, name, *seconds)
		}
	}
	if b.StopTimeout != nil {
		within := time.Duration(*b.StopTimeout * float64(time.Second))
		r.Overrides.StopTimeout = &within
	}
	switch sent := b.Source != "" || b.File != "" || b.Files != nil; {
	case sent && b.Plan != "":
		return r, fmt.Errorf("%w: expected plan, the name of one of the folder, or file and source, not both", queue.ErrRequest)
	case sent:
		r.Sent = &queue.Sent{Name: b.File, Source: []byte(b.Source), Files: b.Files}
	}
	return r, nil
}

func (a *api) start(w http.ResponseWriter, r *http.Request) error {
	var b Start
	if err := read(r, &b); err != nil {
		return err
	}
	asked, err := b.request(whoIs(r))
	if err != nil {
		return err
	}
	if b.RerunOf != "" {
		of, err := a.History.Find(b.RerunOf)
		if err != nil {
			return fmt.Errorf("%w: rerun_of: %w", queue.ErrRequest, err)
		}
		asked.RerunOf = of.ID
	}
	noteOf(r, "plan %q, test %q, host %q, labels %v", b.Plan, b.Test, b.Host, b.Labels)
	s, err := a.Queue.Start(asked)
	if err != nil {
		return err
	}
	noteOf(r, "job %s: plan %q, test %q, host %q, labels %v", s.ID, s.Plan, s.Test, b.Host, s.Labels)
	w.Header().Set("Location", "/tidegauge/v1/jobs/"+s.ID)
	return reply(w, http.StatusAccepted, s)
}

func (a *api) change(do func(id, by string) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := do(r.PathValue("job"), whoIs(r)); err != nil {
			return err
		}
		return a.job(w, r)
	}
}

// Stop is the body of POST /tidegauge/v1/jobs/{job}/stop, which may be empty.
type Stop struct {
	Now bool `json:"now,omitempty"` // cut what is under way
}

func (a *api) stop(w http.ResponseWriter, r *http.Request) error {
	var b Stop
	body := bufio.NewReader(r.Body)
	if _, err := body.Peek(1); !errors.Is(err, io.EOF) {
		r.Body = io.NopCloser(body)
		if err := read(r, &b); err != nil {
			return err
		}
	}
	if b.Now {
		noteOf(r, "now")
	}
	return a.change(func(id, by string) error { return a.Queue.Stop(id, by, b.Now) })(w, r)
}

// Load is the body of POST /tidegauge/v1/jobs/{job}/load: one of the three.
type Load struct {
	Rate  *float64 `json:"rate,omitempty"` // arrivals per second
	Users *int     `json:"users,omitempty"`
	Add   *float64 `json:"add,omitempty"` // to either of them as it is
}

func (a *api) load(w http.ResponseWriter, r *http.Request) error {
	var b Load
	if err := read(r, &b); err != nil {
		return err
	}
	id, by := r.PathValue("job"), whoIs(r)
	var err error
	switch {
	case b.Rate != nil && b.Users == nil && b.Add == nil:
		noteOf(r, "rate %g/s", *b.Rate)
		err = a.Queue.SetRate(id, by, *b.Rate)
	case b.Users != nil && b.Rate == nil && b.Add == nil:
		noteOf(r, "users %d", *b.Users)
		err = a.Queue.SetUsers(id, by, *b.Users)
	case b.Add != nil && b.Rate == nil && b.Users == nil:
		noteOf(r, "add %g", *b.Add)
		err = a.Queue.Add(id, by, *b.Add)
	default:
		err = &Problem{Status: http.StatusBadRequest, Title: "The body cannot be read", Detail: "expected rate (arrivals per second), users, or add (to either), one of them"}
	}
	if err != nil {
		return err
	}
	return a.job(w, r)
}
