package user

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
	"tidegauge/engine/trace"
	"tidegauge/engine/value"
)

// Session is one virtual user: its class, cookies, variables, random numbers and connection. Not for concurrent use.
type Session struct {
	mix      *Mix
	class    *class
	index    int // of the class
	client   protocol.Client
	recorder *measure.Recorder
	shard    *measure.Shard
	rand     *rand.Rand
	env      value.Env
	timer    *time.Timer // of pauses, made when first needed
	trace    *trace.User // nil: requests are not traced

	// Reused from request to request.
	request  protocol.Request
	response protocol.Response
	seen     measure.Observation
	scratch  []byte
	body     []byte
	fields   []protocol.Field
}

// NewSession returns the user with this number (from 1; with the class and the run's seed it seeds its random numbers). It opens no connection yet.
func (m *Mix) NewSession(class, number int, r *measure.Recorder) (*Session, error) {
	if class < 0 || class >= len(m.classes) {
		return nil, fmt.Errorf("making user %d: there is no class %d", number, class)
	}
	client, err := m.dial()
	if err != nil {
		return nil, fmt.Errorf("making user %d: %w", number, err)
	}
	s := &Session{
		mix: m, class: &m.classes[class], index: class,
		client: client, recorder: r, shard: r.Shard(number),
		rand: rand.New(rand.NewPCG(mix64(m.seed^mix64(uint64(class))), mix64(m.seed^mix64(uint64(number))))),
	}
	if m.tracer != nil {
		s.trace = m.tracer.User()
	}
	s.env.Rand, s.env.User = s.rand, number
	return s, nil
}

// mix64 spreads seeds that lie close together over all 64 bits (the finalizer of SplitMix64; Steele, Lea and Flood 2014).
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// ending is how a step left the flow.
type ending int

const (
	goOn  ending = iota
	over         // nothing more to do: a failed request, an exception
	ended        // by us, in the middle
)

// Iterate runs one iteration that was due at intended and that this user could take at ready, and records everything about it.
// It returns when the flow is over, whatever became of it. When ctx ends, the request under way is cut.
func (s *Session) Iterate(ctx context.Context, intended, ready time.Time) {
	started := time.Now()
	s.shard.StartIteration(s.index, intended, ready, started)
	if s.mix.turn != nil {
		s.class = &s.mix.classes[s.index]
		if s.mix.turn(intended) {
			s.class = &s.mix.other[s.index]
		}
	}
	t := s.pick()
	if s.trace != nil {
		s.trace.Begin(t.flow)
	}
	s.env.Reset()
	s.env.Now = intended
	for i := range t.data {
		s.env.Set(t.data[i].name, t.data[i].feed.Row(s.env.User, s.rand))
	}
	how := s.flow(ctx, t, intended)
	s.env.Iter++
	finished := time.Now()
	if s.trace != nil {
		s.traceIteration(t, how, intended, started, finished)
	}
	if how == ended {
		s.shard.CutIteration(s.index)
		return
	}
	s.shard.FinishIteration(s.index, intended, finished)
}

// Close closes the user's connections.
func (s *Session) Close() error { return s.client.Close() }

// pick chooses a task by weight.
func (s *Session) pick() *task {
	tasks := s.class.tasks
	if len(tasks) == 1 {
		return &tasks[0]
	}
	n := s.rand.IntN(s.class.total)
	i := 0
	for ; n >= tasks[i].weight; i++ {
		n -= tasks[i].weight
	}
	return &tasks[i]
}

// flow runs the steps of a task. due is when the next step is due, zero for when the one before it has ended.
func (s *Session) flow(ctx context.Context, t *task, due time.Time) ending {
	for i := range t.steps {
		st := &t.steps[i]
		if due.IsZero() {
			due = time.Now()
		}
		if ctx.Err() != nil {
			return ended
		}
		if st.condition != nil {
			holds, err := st.condition.Holds(&s.env)
			if err != nil {
				return s.except(t, err)
			}
			if !holds {
				continue
			}
		}
		if st.pause != nil {
			length, before := s.draw(st.pause), time.Now()
			if !s.sleep(ctx, length) {
				return ended
			}
			took := time.Since(before)
			due = due.Add(took) // a timer that fired late made the pause longer, not the answer slower: it is our lateness
			if length > 0 {
				s.shard.Late(s.index, took-length)
			}
		}
		if st.request == nil {
			continue
		}
		if how := s.send(ctx, t, st.request, due); how != goOn {
			return how
		}
		due = time.Time{}
	}
	return goOn
}

// send makes one request and records it.
func (s *Session) send(ctx context.Context, t *task, r *request, due time.Time) ending {
	if err := s.prepare(r); err != nil {
		return s.except(t, err)
	}
	s.shard.StartRequest(r.index)
	outcome := s.client.Do(ctx, &s.request, &s.response)
	detail := s.response.Detail
	if own := s.response.Exhausted; own != protocol.NoResource && outcome.Failed() {
		s.shard.Exhaust(s.index, own)
	}
	var fault error
	switch {
	case outcome == protocol.OK:
		s.env.SetResponse(&s.response, s.response.Finished.Sub(due))
		outcome, detail, fault = s.judge(r)
	case outcome.Failed():
		for i := range r.checks {
			s.shard.Check(r.checks[i].index, false)
		}
	}
	s.seen = measure.Observation{
		Request: r.index, Outcome: outcome,
		Intended: due, Sent: s.response.Sent, Finished: s.response.Finished,
		BytesSent: s.response.BytesSent, BytesReceived: s.response.BytesReceived,
		BodyBytes: s.response.BodyBytes,
		Timings:   s.response.Timings,
	}
	if s.trace != nil && !r.untraced {
		s.traceRequest(r, detail)
	}
	s.shard.Observe(&s.seen)
	if outcome.Failed() {
		s.recorder.Fail(r.index, outcome, detail, s.response.Finished)
	}
	switch {
	case fault != nil:
		return s.except(t, fault)
	case outcome == protocol.Cut:
		return ended
	case outcome != protocol.OK:
		return over
	}
	return goOn
}

// judge says whether the answer is good, counts its checks and takes out of it what later steps need. The error is of an
// expression that could not be evaluated; the outcome is then what is known without it.
func (s *Session) judge(r *request) (outcome protocol.Outcome, detail string, err error) {
	if status := s.response.Status; status >= 400 && !r.readsStatus {
		outcome, detail = protocol.Status, fmt.Sprintf("status %d", status)
	}
	for i := range r.checks {
		c := &r.checks[i]
		holds, err := c.condition.Holds(&s.env)
		if err != nil {
			return outcome, detail, fmt.Errorf("check %s: %w", c.name, err)
		}
		s.shard.Check(c.index, holds)
		if !holds && outcome == protocol.OK {
			outcome, detail = protocol.Check, c.condition.Describe(&s.env)
			if c.name != c.condition.String() {
				detail = c.name + ": " + detail
			}
		}
	}
	if outcome != protocol.OK {
		return outcome, detail, nil
	}
	for i := range r.extract {
		x := &r.extract[i]
		v, err := x.From.Value(&s.env)
		if err != nil {
			return outcome, detail, fmt.Errorf("extract %s: %w", x.Name, err)
		}
		if v == nil {
			return protocol.Check, fmt.Sprintf("extract %s: %s is not there", x.Name, x.From), nil
		}
		s.env.Set(x.Name, v)
	}
	return protocol.OK, "", nil
}

// prepare fills in the request to be sent.
func (s *Session) prepare(r *request) error {
	q := &s.request
	q.Method, q.Timeout, q.IgnoreBody = r.method, r.timeout, r.ignoreBody
	var err error
	if q.URL = r.url.constant; r.url.template != nil {
		s.scratch = append(s.scratch[:0], r.base...)
		if s.scratch, err = r.url.append(s.scratch, &s.env); err != nil {
			return err
		}
		q.URL = absolute(s.scratch, len(r.base))
	}
	if q.Header = r.constant; r.fields != nil {
		s.fields = s.fields[:0]
		for i := range r.fields {
			f := &r.fields[i]
			one := protocol.Field{Name: f.name, Value: f.value.constant}
			if f.dynamic() || f.prefix != "" {
				if s.scratch, err = f.append(s.scratch[:0], &s.env); err != nil {
					return fmt.Errorf("header %s: %w", f.name, err)
				}
				one.Value = string(s.scratch)
			}
			s.fields = append(s.fields, one)
		}
		q.Header = s.fields
	}
	if s.trace != nil && !r.untraced {
		if r.fields == nil {
			s.fields = append(s.fields[:0], r.constant...)
		}
		s.fields = append(s.fields, protocol.Field{Name: trace.Header, Value: s.trace.Next()})
		q.Header = s.fields
	}
	if q.Body = r.bytes; r.hasBody && r.body.template != nil {
		if s.body, err = r.body.append(s.body[:0], &s.env); err != nil {
			return err
		}
		q.Body = s.body
	}
	return nil
}

// absolute returns the URL that consists of a base and a path that follows it in b, or is a URL itself.
func absolute(b []byte, base int) string {
	if path := b[base:]; base == 0 || len(path) == 0 || path[0] == '/' || path[0] == '?' {
		return string(b)
	}
	return string(join(nil, string(b[:base]), string(b[base:])))
}

// except counts an expression that could not be evaluated.
func (s *Session) except(t *task, err error) ending {
	s.recorder.Except(s.index, t.name, err.Error(), time.Now())
	return over
}
