package user

import (
	"time"

	"tidegauge/engine/protocol"
	"tidegauge/engine/trace"
)

// traceRequest exports the request that has just ended, if it is to be, and notes where it is to be found.
func (s *Session) traceRequest(r *request, detail string) {
	name := &s.mix.names.Requests[r.index]
	s.seen.TraceID, s.seen.SpanID = s.trace.Request(&trace.Span{
		Class: name.Class, Name: name.Name, Method: name.Method, URL: s.request.URL, Status: s.response.Status,
		Outcome: s.seen.Outcome, Detail: detail,
		Intended: s.seen.Intended, Start: s.seen.Sent, End: s.seen.Finished, Timings: s.seen.Timings,
		Sent: s.seen.BytesSent, Received: s.seen.BytesReceived,
	})
}

// traceIteration exports the iteration that has just ended, if it is to be.
func (s *Session) traceIteration(t *task, how ending, intended, started, finished time.Time) {
	outcome := s.trace.Outcome()
	if how == ended {
		outcome = protocol.Cut
	}
	s.trace.End(&trace.Span{
		Class: s.mix.names.Classes[s.index], Name: t.name, Outcome: outcome,
		Intended: intended, Start: started, End: finished,
	})
}
