package measure

import (
	"time"

	"tidegauge/engine/protocol"
)

// Log is what came to its end in an interval, one by one, for those who ask what became of the work that was meant to start
// at some moment, and not only of what finished in some interval. Its order is any.
type Log struct {
	Requests []Entry     // finished and cut
	Dropped  []time.Time // iterations that never start, by when they were due
}

// Entry is one request.
type Entry struct {
	Intended time.Time
	Response time.Duration // from Intended to its end, at least 0
	Service  time.Duration // from the send to its end, at least 0
	Request  int32         // index into Names.Requests
	Outcome  protocol.Outcome
}

// append adds the entries of another log.
func (l *Log) append(other *Log) {
	l.Requests = append(l.Requests, other.Requests...)
	l.Dropped = append(l.Dropped, other.Dropped...)
}

// reset empties the log and keeps its memory.
func (l *Log) reset() { l.Requests, l.Dropped = l.Requests[:0], l.Dropped[:0] }
