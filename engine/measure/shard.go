package measure

import (
	"sync"
	"time"

	"tidegauge/engine/protocol"
)

// Shard is where the users of one processor record. Safe for concurrent use, and cheap when it is not contended.
//
// The indices of classes, requests and checks are those of the recorder's Names; another one panics like that of a slice.
// A duration below 0, from times the wrong way round, counts as 0.
type Shard struct {
	mu      sync.Mutex
	page    *Totals // of the present interval; the recorder swaps it for an empty one
	classOf []int   // of each request, or -1
	log     *Log    // of the present interval; nil: nobody asked for it
	traced  exemplars
	_       [128]byte
}

// swap gives the shard an empty page and an empty log and returns those it had, with its exemplars. It is all that
// recording ever waits for.
func (s *Shard) swap(empty *Totals, emptyLog *Log) (*Totals, *Log, exemplars) {
	s.mu.Lock()
	defer s.mu.Unlock()
	page, log, traced := s.page, s.log, s.traced
	s.page, s.log, s.traced = empty, emptyLog, nil
	return page, log, traced
}

// seconds returns a duration in seconds, at least 0.
func seconds(d time.Duration) float64 { return float64(max(d, 0)) / 1e9 }

// Intend notes that n iterations of a class were due.
func (s *Shard) Intend(class int, n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page.Classes[class].Iterations.Intended += n
}

// Drop notes that an iteration of a class that was due at intended will never start.
func (s *Shard) Drop(class int, intended time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page.Classes[class].Iterations.Dropped++
	if s.log != nil {
		s.log.Dropped = append(s.log.Dropped, intended)
	}
}

// StartIteration notes that an iteration started at started, due at intended, when a user was free for it at ready
// (ready >= intended): blocked = ready-intended, lateness = started-ready. An iteration that was not blocked leaves nothing
// in that phase.
func (s *Shard) StartIteration(class int, intended, ready, started time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.page.Classes[class]
	c.Iterations.Started++
	c.phase(Blocked, ready.Sub(intended))
	c.Lateness.Record(seconds(started.Sub(ready)))
}

// Late notes that a pause in an iteration of a class lasted d longer than it was to.
func (s *Shard) Late(class int, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page.Classes[class].Lateness.Record(seconds(d))
}

// Exhaust notes that a request of a class failed since we ran out of something. It is observed like any other.
func (s *Shard) Exhaust(class int, what protocol.Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page.Classes[class].Exhausted[what]++
}

// FinishIteration notes that an iteration came to its end.
func (s *Shard) FinishIteration(class int, intended, finished time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.page.Classes[class]
	c.Iterations.Finished++
	c.IterationDuration.Record(seconds(finished.Sub(intended)))
}

// CutIteration notes that an iteration was ended by us.
func (s *Shard) CutIteration(class int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page.Classes[class].Iterations.Cut++
}

// StartRequest notes that a request is about to be sent.
func (s *Shard) StartRequest(request int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &s.page.Requests[request].Books
	b.Intended++
	b.Started++
}

// Observe records a request that was started, finished (any outcome) or cut. It does not keep o. The phases of a cut
// request are not recorded: how long they took was our doing.
func (s *Shard) Observe(o *Observation) {
	responseTime, serviceTime := max(o.Finished.Sub(o.Intended), 0), max(o.Finished.Sub(o.Sent), 0)
	response, service := seconds(responseTime), seconds(serviceTime)
	class := s.classOf[o.Request]

	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.page.Requests[o.Request]
	t := &r.Outcomes[o.Outcome]
	t.ResponseTime.Record(response)
	t.ServiceTime.Record(service)
	if s.log != nil {
		s.log.Requests = append(s.log.Requests, Entry{o.Intended, responseTime, serviceTime, int32(o.Request), o.Outcome})
	}
	if o.TraceID != [16]byte{} {
		s.traced.add(o, response, service)
	}
	r.BytesSent += uint64(max(o.BytesSent, 0))
	r.BytesReceived += uint64(max(o.BytesReceived, 0))
	if o.Outcome == protocol.Cut {
		r.Books.Cut++
		return
	}
	r.Books.Finished++
	r.BodyBytes += uint64(max(o.BodyBytes, 0))
	if class >= 0 {
		s.page.Classes[class].phases(&o.Timings)
	}
}

func (c *ClassTotals) phases(t *protocol.Timings) {
	c.phase(DNS, t.DNS)
	c.phase(Connect, t.Connect)
	c.phase(TLS, t.TLS)
	c.phase(Wait, t.Wait)
	c.phase(Receive, t.Receive)
}

// phase records how long a phase took, if it took place.
func (c *ClassTotals) phase(p Phase, d time.Duration) {
	if d > 0 {
		c.Phases[p].Record(seconds(d))
	}
}

// Check records the result of a check.
func (s *Shard) Check(check int, passed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.page.Checks[check]
	if passed {
		c.Passed++
	} else {
		c.Failed++
	}
}

// except counts an exception.
func (s *Shard) except(class int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page.Classes[class].Exceptions++
}
