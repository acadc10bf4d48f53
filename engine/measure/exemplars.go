package measure

import (
	"cmp"
	"math"
	"slices"
	"time"

	"tidegauge/engine/protocol"
)

// Exemplar is a request that leads to a trace: one of those that a histogram has counted in a range of values.
type Exemplar struct {
	Request int // index into Names.Requests
	Outcome protocol.Outcome
	Service bool      // of the histogram of service times, else of response times
	Time    time.Time // when it ended
	Value   float64   // seconds
	TraceID [16]byte
	SpanID  [8]byte
}

// exemplarKey is what there is one exemplar of in an interval: a histogram and a power of two.
type exemplarKey struct {
	request int
	outcome protocol.Outcome
	service bool
	power   int // values are up to 2^power
}

// exemplars are those of an interval: of each key the request that took longest. nil is empty.
type exemplars map[exemplarKey]Exemplar

// add notes a request that is in a trace.
func (x *exemplars) add(o *Observation, response, service float64) {
	if *x == nil {
		*x = exemplars{}
	}
	e := Exemplar{Request: o.Request, Outcome: o.Outcome, Time: o.Finished, Value: response, TraceID: o.TraceID, SpanID: o.SpanID}
	x.keep(&e)
	e.Service, e.Value = true, service
	x.keep(&e)
}

func (x *exemplars) keep(e *Exemplar) {
	_, power := math.Frexp(e.Value)
	key := exemplarKey{e.Request, e.Outcome, e.Service, power}
	if before, ok := (*x)[key]; !ok || before.Value < e.Value {
		(*x)[key] = *e
	}
}

func (x *exemplars) merge(more exemplars) {
	if *x == nil {
		*x = more
		return
	}
	for _, e := range more {
		x.keep(&e)
	}
}

// list returns the exemplars by request, outcome and histogram, those of one by time.
func (x exemplars) list() []Exemplar {
	list := make([]Exemplar, 0, len(x))
	for _, e := range x {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Exemplar) int {
		return cmp.Or(cmp.Compare(a.Request, b.Request), cmp.Compare(a.Outcome, b.Outcome), compareBool(a.Service, b.Service),
			a.Time.Compare(b.Time), cmp.Compare(a.Value, b.Value))
	})
	return list
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
