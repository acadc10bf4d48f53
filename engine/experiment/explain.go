package experiment

import (
	"cmp"
	"encoding/hex"
	"math"
	"slices"

	"tidegauge/engine/compare"
	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

const (
	slowTraces    = 2  // of a request
	sampledTraces = 16 // of a request, of which the most ordinary one is kept
	tracedNames   = 50 // requests
)

// traces keeps a few of the good requests that are in a trace, for each name: the slowest and some of the others.
type traces map[int]*tracesOf

type tracesOf struct{ slow, some []measure.Exemplar }

func (x traces) add(s *measure.Snapshot) {
	for i := range s.Exemplars {
		e := &s.Exemplars[i]
		if e.Service || e.Outcome != protocol.OK || e.Request >= tracedNames {
			continue
		}
		of := x[e.Request]
		if of == nil {
			of = &tracesOf{}
			x[e.Request] = of
		}
		of.slow = append(of.slow, *e)
		slices.SortStableFunc(of.slow, func(a, b measure.Exemplar) int { return cmp.Compare(b.Value, a.Value) })
		of.slow = of.slow[:min(slowTraces, len(of.slow))]
		// The latest ones: the first are of the warm-up.
		of.some = append(of.some, *e)
		of.some = of.some[max(0, len(of.some)-sampledTraces):]
	}
}

// list returns the slowest of each request and the one nearest to its median.
func (x traces) list(names *measure.Names, median func(request string) float64) (all []compare.Trace) {
	if names == nil {
		return nil // nothing was measured
	}
	for i := range names.Requests {
		of := x[i]
		if of == nil {
			continue
		}
		request := names.Requests[i].Class + " / " + names.Requests[i].Name
		add := func(e *measure.Exemplar, slow bool) {
			all = append(all, compare.Trace{Request: request, Slow: slow, Seconds: e.Value, ID: hex.EncodeToString(e.TraceID[:])})
		}
		for j := range of.slow {
			add(&of.slow[j], true)
		}
		usual := median(request)
		near := slices.MinFunc(of.some, func(a, b measure.Exemplar) int {
			return cmp.Compare(math.Abs(a.Value-usual), math.Abs(b.Value-usual))
		})
		if !slices.ContainsFunc(of.slow, func(e measure.Exemplar) bool { return e.TraceID == near.TraceID }) {
			add(&near, false)
		}
	}
	return all
}

// phases are those of the mean request of a run.
func phases(t *measure.Totals) (all []compare.Part) {
	if t == nil {
		return nil
	}
	requests := uint64(0)
	for i := range t.Requests {
		requests += t.Requests[i].Books.Finished
	}
	if requests == 0 {
		return nil
	}
	for p := range measure.Phases {
		sum := 0.0
		for i := range t.Classes {
			sum += t.Classes[i].Phases[p].Sum()
		}
		if sum > 0 {
			all = append(all, compare.Part{Phase: measure.Phase(p).String(), Seconds: sum / float64(requests)})
		}
	}
	return all
}
