// Package measure gathers observations, hands on snapshots and keeps the books.
//
// Users record into shards, one for each processor; once an interval the recorder takes what the shards hold, adds it to
// the totals of the run and hands a Snapshot to each Sink in turn.
package measure

import (
	"context"
	"time"

	"tidegauge/engine/health"
	"tidegauge/engine/hist"
	"tidegauge/engine/protocol"
)

// Request is what the plan calls a request: one row in every table, one set of series. Its index in Names.Requests is
// how observations refer to it.
type Request struct{ Class, Name, Method string }

// Check is one check of the plan, on one request. Its index in Names.Checks is how results refer to it.
type Check struct {
	Request int
	Name    string
}

// Names are all the names there will be in a run, known before it starts: memory and series are bounded by them.
type Names struct {
	Classes  []string
	Requests []Request
	Checks   []Check
}

// Observation is what one finished or cut request told.
type Observation struct {
	Request                  int // index into Names.Requests
	Outcome                  protocol.Outcome
	Intended, Sent, Finished time.Time // response time = Finished-Intended, service time = Finished-Sent
	BytesSent, BytesReceived int64
	BodyBytes                int64 // of the answer's body
	Timings                  protocol.Timings
	TraceID                  [16]byte // of the trace it is to be found in; zero: in none
	SpanID                   [8]byte
}

// Books are the accounts of one kind of work. They balance at the end of a run: Intended = Started + Dropped and
// Started = Finished + Cut. While it lasts, Intended may run ahead (work waiting for a free user) and Started too (work
// in flight).
type Books struct{ Intended, Started, Dropped, Finished, Cut uint64 }

// Balanced reports whether both sums hold.
func (b Books) Balanced() bool {
	return b.Intended == b.Started+b.Dropped && b.Started == b.Finished+b.Cut
}

// Phase is one phase of a request, by the names of the label `phase`.
type Phase int

// The phases. Blocked is the time an iteration waited for a free user after its intended start; it is the doing of the
// target or of max_users, in contrast to lateness, which is the doing of the generator.
const (
	Blocked Phase = iota
	DNS
	Connect
	TLS
	Wait
	Receive

	Phases = int(Receive) + 1
)

// String returns the phase's name as labels carry it.
func (p Phase) String() string {
	if p < 0 || int(p) >= Phases {
		return "invalid"
	}
	return [Phases]string{"blocked", "dns", "connect", "tls", "wait", "receive"}[p]
}

// OutcomeTotals is what was measured of the requests with one outcome. Their number is ResponseTime.Count().
type OutcomeTotals struct{ ResponseTime, ServiceTime hist.Histogram } // seconds

// RequestTotals is what was measured of one request.
//
// The counters and the histograms of OK come first, so that recording touches few cache lines; the padding makes it an odd
// number of lines, so that those of many requests spread over the whole cache.
type RequestTotals struct {
	Books                    Books // requests; Dropped is always 0
	BytesSent, BytesReceived uint64
	BodyBytes                uint64 // of the answers' bodies, without those cut
	Outcomes                 [protocol.Outcomes]OutcomeTotals
	_                        [96]byte
}

// ClassTotals is what was measured of one user class.
type ClassTotals struct {
	Iterations        Books          // iterations; in the open model Intended are the arrivals of the schedule
	IterationDuration hist.Histogram // finished iterations, from their intended start, seconds
	// Lateness is of the generator, in seconds: of each iteration, from when it could have started (due, and a user free) to
	// its start; of each pause in one, from when it was to end to its end.
	Lateness   hist.Histogram
	Phases     [Phases]hist.Histogram // seconds; a phase that did not take place is not recorded
	Exceptions uint64                 // expressions of the plan that failed while running
	// Exhausted counts requests that failed since we ran out of something, by what it was. They have their place in the
	// books and their outcome like all others.
	Exhausted [protocol.Resources]uint64
}

// CheckTotals counts the results of one check.
type CheckTotals struct{ Passed, Failed uint64 }

// Totals is everything counted between two moments. The slices go by the indices of Names.
type Totals struct {
	Classes  []ClassTotals
	Requests []RequestTotals
	Checks   []CheckTotals
}

// Sum is the merger of several requests' totals.
type Sum struct {
	ResponseTime, ServiceTime hist.Histogram // of every outcome but Cut
	ByOutcome                 [protocol.Outcomes]uint64
	Finished, Failed          uint64 // without Cut; Failed counts each Outcome.Failed
	BytesSent, BytesReceived  uint64
	BodyBytes                 uint64 // of the answers' bodies, without those cut
}

// Snapshot is the state of a run at the end of an interval.
type Snapshot struct {
	Start      time.Time // of the run: offsets count from here; see Sink for that of the first snapshot
	Time       time.Time // of this snapshot
	Since      time.Time // of the previous one
	Final      bool      // nothing will be recorded after it
	Names      *Names
	Total      *Totals       // since Start
	Delta      *Totals       // since Since
	Log        *Log          // since Since; nil unless Options.Log asks for it
	Users      []int         // running users by class; in the open model users that are at work
	PeakUsers  int           // the most of all classes at once since Since
	Rate       float64       // intended arrivals per second now (open model), else 0
	Phase      string        // of the shape: ramp, steady, …
	PhaseID    int           // index of the stage; it changes where a stage begins
	Planned    time.Duration // the whole length of the shape
	Failures   []Failure     // the bounded table of failures so far
	Exceptions []Exception   // likewise
	Exemplars  []Exemplar    // since Since: at most one of each histogram of requests and power of two; those of one by time
	Health     Health
}

// Health is how the load generator itself was doing at three moments of a run; all nil where that is not measured.
type Health struct {
	Start *health.Reading // of the first snapshot
	Since *health.Reading // of the previous one
	Now   *health.Reading
}

// Failure is a row of the bounded table of failures: distinct by request, outcome and detail.
type Failure struct {
	Request     int
	Outcome     protocol.Outcome
	Detail      string
	Count       uint64
	First, Last time.Time
}

// Exception is a row of the bounded table of expressions of the plan that failed while running.
type Exception struct {
	Task, Message string
	Count         uint64
	First, Last   time.Time
}

// Sink receives the snapshots of a run, one after the other, from one goroutine: the first with nothing in it, the last
// with Final set.
//
// The run starts when all sinks have the first snapshot. So Start, Since and Time of the first one are a little earlier than
// Start of all the others, by how long the sinks took; Since of the second is Start.
//
// Consume must not keep s or anything in it after it returns, nor change it, and must return soon: while it runs, the next
// interval is waiting (the load is not). Its context carries no end, so that no interval is left half done when the run
// ends; a Sink that waits for somebody sets a time limit of its own. It must not call Recorder.Flush. An error of a Sink
// does not end the run; it is kept and reported with the run's result.
type Sink interface {
	Consume(ctx context.Context, s *Snapshot) error
}
