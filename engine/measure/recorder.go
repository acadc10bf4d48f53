package measure

import (
	"context"
	"time"

	"tidegauge/engine/protocol"
)

// Recorder gathers what the users of one run observe. Its Shards are for the users, its Run for whoever started the run;
// the rest is safe for concurrent use.
type Recorder struct{}

// Options configure a Recorder. The zero value of each field is its default.
type Options struct {
	Shards      int           // default: GOMAXPROCS
	Interval    time.Duration // default: 1 s
	MaxFailures int           // distinct rows in the table of failures; default 1,000, the surplus is counted in a row "(other)"
}

// New returns a recorder for a run with these names. It starts nothing.
func New(names *Names, o Options) *Recorder { panic("stub") }

// Shard returns the shard for the i-th user.
func (r *Recorder) Shard(i int) *Shard { panic("stub") }

// Fail adds a row to the table of failures (or counts one more of it). Off the hot path.
func (r *Recorder) Fail(request int, o protocol.Outcome, detail string, at time.Time) { panic("stub") }

// Except counts an expression of the plan that failed while running.
func (r *Recorder) Except(class int, task, message string, at time.Time) { panic("stub") }

// Gauges are the values of a run that are set, not counted.
type Gauges struct {
	Rate    float64
	Phase   string
	PhaseID int
	Planned time.Duration
}

// SetGauges replaces the gauges; SetUsers changes the number of users of a class by d.
func (r *Recorder) SetGauges(g Gauges) { panic("stub") }

// AddUsers changes the number of running users of a class by d.
func (r *Recorder) AddUsers(class, d int) { panic("stub") }

// Flush hands a snapshot to the sinks now, in the goroutine of Run: at a boundary between phases, so that what comes
// before and after can be told apart exactly. It returns when the sinks have it.
func (r *Recorder) Flush() { panic("stub") }

// Run hands a snapshot to every sink at once, then at each interval, and a final one when ctx ends; it returns the sinks' errors,
// joined. The final snapshot is handed on with a context of its own.
func (r *Recorder) Run(ctx context.Context, start time.Time, sinks ...Sink) error { panic("stub") }

// Shard is where the users of one processor record. Safe for concurrent use, and cheap when it is not contended.
type Shard struct{}

// Intend notes that n iterations of a class were due.
func (s *Shard) Intend(class int, n uint64) { panic("stub") }

// Drop notes that n due iterations of a class will never start.
func (s *Shard) Drop(class int, n uint64) { panic("stub") }

// StartIteration notes that an iteration started at sent, due at intended, when a user was free for it at ready
// (ready >= intended): blocked = ready-intended, lateness = sent-ready.
func (s *Shard) StartIteration(class int, intended, ready, started time.Time) { panic("stub") }

// FinishIteration notes that an iteration came to its end.
func (s *Shard) FinishIteration(class int, intended, finished time.Time) { panic("stub") }

// CutIteration notes that an iteration was ended by us.
func (s *Shard) CutIteration(class int) { panic("stub") }

// StartRequest notes that a request is about to be sent.
func (s *Shard) StartRequest(request int) { panic("stub") }

// Observe records a request that was started, finished (any outcome) or cut. It does not keep o.
func (s *Shard) Observe(o *Observation) { panic("stub") }

// Check records the result of a check.
func (s *Shard) Check(check int, passed bool) { panic("stub") }
