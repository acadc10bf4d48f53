package queue

import (
	"context"
	"sync"
	"time"

	"tidegauge/engine/experiment"
	"tidegauge/engine/live"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/verdict"
)

// Request asks for a run.
type Request struct {
	Plan       string            // name of a plan of the folder
	Sent       *Sent             // a plan instead of one of the folder; it sees no environment but Parameters
	Test       string            // as plan.Plan.Test
	Parameters map[string]string // come before environment variables in ${env.NAME}
	Labels     map[string]string // beside the plan's, as version
	Overrides  plan.Overrides
	Subject    experiment.Subject
	Seed       uint64
	By         string // who asks
	Schedule   string // that asks; empty: somebody does
	RerunOf    string // the run that this one is to confirm; empty: none
}

// State is how a job stands.
type State string

// The states.
const (
	Waiting  State = "waiting"
	Running  State = "running"
	Finished State = "finished" // there is a verdict
	Failed   State = "failed"   // there is none: Error says why
)

// Status is a job at a moment.
type Status struct {
	ID       string            `json:"id"`
	State    State             `json:"state"`
	Plan     string            `json:"plan"`
	Test     string            `json:"test"`
	Labels   map[string]string `json:"labels,omitempty"`
	By       string            `json:"by"`
	Schedule string            `json:"schedule,omitempty"`
	Asked    time.Time         `json:"asked"`
	Started  time.Time         `json:"started,omitzero"`
	Ended    time.Time         `json:"ended,omitzero"`
	Run      string            `json:"run,omitempty"` // id of the run in the history, when it has begun
	Paused   bool              `json:"paused,omitempty"`
	Outcome  verdict.Outcome   `json:"outcome,omitempty"`
	Code     string            `json:"code,omitempty"` // of the finding that decided
	Summary  string            `json:"summary,omitempty"`
	Error    string            `json:"error,omitempty"`   // why there is no verdict, or what could not be kept
	AtMost   float64           `json:"at_most,omitempty"` // seconds that a search may take; 0: progress.planned is how long the run lasts
	Trial    string            `json:"trial,omitempty"`   // what a search tries now, in words
	Progress *live.Progress    `json:"progress,omitempty"`
}

// Over reports whether nothing more comes.
func (s *Status) Over() bool { return s.State == Finished || s.State == Failed }

// job is a request and what becomes of it. It is a sink of its run.
type job struct {
	request Request
	plan    *plan.Plan
	test    *plan.Test
	control *experiment.Control
	meter   live.Meter
	folder  string        // of a plan that was sent; empty: it was not
	cut     chan struct{} // closed when the run is to be cut
	cutOnce sync.Once

	mu      sync.Mutex
	status  Status
	changed chan struct{} // closed when status changes
}

func (j *job) update(change func(*Status)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(&j.status)
	close(j.changed)
	j.changed = make(chan struct{})
}

// now returns the status, and a channel that is closed when there is another one.
func (j *job) now() (Status, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.status
	s.Paused = s.State == Running && j.control.Paused()
	return s, j.changed
}

// Consume implements measure.Sink.
func (j *job) Consume(_ context.Context, s *measure.Snapshot) error {
	now := j.meter.Add(s)
	j.update(func(s *Status) { s.Progress = &now })
	return nil
}
