package measure

import (
	"tidegauge/engine/hist"
	"tidegauge/engine/protocol"
)

// newTotals returns empty totals for these names.
func newTotals(n *Names) *Totals {
	return &Totals{
		Classes:  make([]ClassTotals, len(n.Classes)),
		Requests: make([]RequestTotals, len(n.Requests)),
		Checks:   make([]CheckTotals, len(n.Checks)),
	}
}

// Sum merges the totals of the requests for which match says yes; nil is every request. names must be those of t.
func (t *Totals) Sum(names *Names, match func(Request) bool) Sum {
	var s Sum
	for i := range t.Requests {
		if match == nil || match(names.Requests[i]) {
			s.add(&t.Requests[i])
		}
	}
	return s
}

func (s *Sum) add(r *RequestTotals) {
	for i := range r.Outcomes {
		o, t := protocol.Outcome(i), &r.Outcomes[i]
		n := t.ResponseTime.Count()
		s.ByOutcome[i] += n
		if n == 0 || o == protocol.Cut {
			continue
		}
		s.ResponseTime.Merge(&t.ResponseTime)
		s.ServiceTime.Merge(&t.ServiceTime)
		s.Finished += n
		if o.Failed() {
			s.Failed += n
		}
	}
	s.BytesSent += r.BytesSent
	s.BytesReceived += r.BytesReceived
	s.BodyBytes += r.BodyBytes
}

// IterationBooks returns the books of the iterations of every class together.
func (t *Totals) IterationBooks() Books {
	var b Books
	for i := range t.Classes {
		b.add(t.Classes[i].Iterations)
	}
	return b
}

// RequestBooks returns the books of all requests together.
func (t *Totals) RequestBooks() Books {
	var b Books
	for i := range t.Requests {
		b.add(t.Requests[i].Books)
	}
	return b
}

func (b *Books) add(o Books) {
	b.Intended += o.Intended
	b.Started += o.Started
	b.Dropped += o.Dropped
	b.Finished += o.Finished
	b.Cut += o.Cut
}

// subtract never goes below 0.
func (b *Books) subtract(o Books) {
	subtract(&b.Intended, o.Intended)
	subtract(&b.Started, o.Started)
	subtract(&b.Dropped, o.Dropped)
	subtract(&b.Finished, o.Finished)
	subtract(&b.Cut, o.Cut)
}

func subtract(n *uint64, o uint64) { *n -= min(*n, o) }

// Merge adds o, of the same Names, to t. o is not changed.
func (t *Totals) Merge(o *Totals) {
	for i := range o.Classes {
		c, from := &t.Classes[i], &o.Classes[i]
		c.Iterations.add(from.Iterations)
		c.Exceptions += from.Exceptions
		for k := range from.Exhausted {
			c.Exhausted[k] += from.Exhausted[k]
		}
	}
	for i := range o.Requests {
		t.Requests[i].add(&o.Requests[i])
	}
	for i := range o.Checks {
		c, from := &t.Checks[i], &o.Checks[i]
		c.Passed += from.Passed
		c.Failed += from.Failed
	}
	t.pairs(o, (*hist.Histogram).Merge)
}

// Merge adds o to r. o is not changed.
func (r *RequestTotals) Merge(o *RequestTotals) {
	r.add(o)
	r.pairs(o, (*hist.Histogram).Merge)
}

// add adds what is not a histogram.
func (r *RequestTotals) add(o *RequestTotals) {
	r.Books.add(o.Books)
	r.BytesSent += o.BytesSent
	r.BytesReceived += o.BytesReceived
	r.BodyBytes += o.BodyBytes
}

// Subtract takes an earlier state of t away from t: what is left is what came since. It goes for the histograms what
// hist.Histogram.Subtract says.
func (t *Totals) Subtract(earlier *Totals) {
	for i := range earlier.Classes {
		c, from := &t.Classes[i], &earlier.Classes[i]
		c.Iterations.subtract(from.Iterations)
		subtract(&c.Exceptions, from.Exceptions)
		for k := range from.Exhausted {
			subtract(&c.Exhausted[k], from.Exhausted[k])
		}
	}
	for i := range earlier.Requests {
		r, from := &t.Requests[i], &earlier.Requests[i]
		r.Books.subtract(from.Books)
		subtract(&r.BytesSent, from.BytesSent)
		subtract(&r.BytesReceived, from.BytesReceived)
		subtract(&r.BodyBytes, from.BodyBytes)
	}
	for i := range earlier.Checks {
		c, from := &t.Checks[i], &earlier.Checks[i]
		subtract(&c.Passed, from.Passed)
		subtract(&c.Failed, from.Failed)
	}
	t.pairs(earlier, (*hist.Histogram).Subtract)
}

// Clone returns a copy that shares nothing with t.
func (t *Totals) Clone() *Totals {
	c := &Totals{
		Classes:  make([]ClassTotals, len(t.Classes)),
		Requests: make([]RequestTotals, len(t.Requests)),
		Checks:   make([]CheckTotals, len(t.Checks)),
	}
	c.Merge(t)
	return c
}

// reset empties t and keeps its memory.
func (t *Totals) reset() {
	for i := range t.Classes {
		c := &t.Classes[i]
		c.Iterations, c.Exceptions, c.Exhausted = Books{}, 0, [protocol.Resources]uint64{}
	}
	for i := range t.Requests {
		r := &t.Requests[i]
		r.Books, r.BytesSent, r.BytesReceived, r.BodyBytes = Books{}, 0, 0, 0
	}
	clear(t.Checks)
	t.pairs(t, func(h, _ *hist.Histogram) { h.Reset() })
}

// pairs calls f with every histogram of t and its counterpart in o, where that is not empty.
func (t *Totals) pairs(o *Totals, f func(h, o *hist.Histogram)) {
	for i := range o.Classes {
		c, from := &t.Classes[i], &o.Classes[i]
		pair(&c.IterationDuration, &from.IterationDuration, f)
		pair(&c.Lateness, &from.Lateness, f)
		for p := range from.Phases {
			pair(&c.Phases[p], &from.Phases[p], f)
		}
	}
	for i := range o.Requests {
		t.Requests[i].pairs(&o.Requests[i], f)
	}
}

func (r *RequestTotals) pairs(o *RequestTotals, f func(h, o *hist.Histogram)) {
	for k := range o.Outcomes {
		pair(&r.Outcomes[k].ResponseTime, &o.Outcomes[k].ResponseTime, f)
		pair(&r.Outcomes[k].ServiceTime, &o.Outcomes[k].ServiceTime, f)
	}
}

func pair(h, o *hist.Histogram, f func(h, o *hist.Histogram)) {
	if o.Count() > 0 {
		f(h, o)
	}
}
