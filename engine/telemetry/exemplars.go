package telemetry

import (
	"cmp"
	"slices"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

// requestTimes says which times of requests a histogram has.
type requestTimes struct {
	row     int // of the layout
	outcome protocol.Outcome
	service bool
}

type exemplar = metricdata.Exemplar[float64]

// exemplars sorts the exemplars of an interval by their histograms, those of one in the order in which stores take them: by
// time in milliseconds, then value.
func (l *layout) exemplars(s *measure.Snapshot) map[requestTimes][]exemplar {
	if len(s.Exemplars) == 0 {
		return nil
	}
	all := map[requestTimes][]exemplar{}
	for i := range s.Exemplars {
		e := &s.Exemplars[i]
		of := requestTimes{l.rowOf(e.Request), e.Outcome, e.Service}
		all[of] = append(all[of], exemplar{
			Time: e.Time.Truncate(time.Millisecond), Value: e.Value, TraceID: slices.Clone(e.TraceID[:]), SpanID: slices.Clone(e.SpanID[:]),
		})
	}
	for _, list := range all {
		slices.SortFunc(list, func(a, b exemplar) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Value, b.Value)) })
	}
	return all
}

// rowOf returns the row that a request is in: its own, or that of the surplus of its class.
func (l *layout) rowOf(request int) int {
	if u := &l.surplus; request >= u.first {
		return u.first + u.of[request-u.first]
	}
	return request
}
