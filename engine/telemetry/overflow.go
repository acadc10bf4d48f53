package telemetry

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"

	"tidegauge/engine/catalog"
	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

// DefaultMaxSeries is how many series the requests of a run can have when nobody says otherwise.
const DefaultMaxSeries = 10_000

// Overflow returns how many of the requests have no series of their own when all of them together can have at most
// maxSeries (0: DefaultMaxSeries): the last ones of the plan. What is counted are the series that there can be, whatever
// happens in the run, so that none ever changes from one to the other.
func Overflow(names *measure.Names, maxSeries int) int {
	if maxSeries <= 0 {
		maxSeries = DefaultMaxSeries
	}
	checks := make([]int, len(names.Requests))
	for _, c := range names.Checks {
		checks[c.Request]++
	}
	all := 0
	for i := range checks {
		all += seriesOf(checks[i])
	}
	if all <= maxSeries {
		return 0
	}
	room := maxSeries - len(names.Classes)*seriesOf(1) // each class may have a surplus
	for i := range checks {
		if room -= seriesOf(checks[i]); room < 0 {
			return len(checks) - i
		}
	}
	return 0
}

// seriesOf returns how many series a request with so many checks can have.
func seriesOf(checks int) int {
	const histogramsAndCounter, directions, results = 3, 2, 2
	return histogramsAndCounter*protocol.Outcomes + directions + results*checks
}

// row is what has the series of a request: a request, or all requests of a class that have none of their own.
type row struct {
	labels []attribute.KeyValue
	method string // "" in the overflow: it is not one
	totals func(*measure.Totals) *measure.RequestTotals
}

// checkRow is likewise for checks.
type checkRow struct {
	labels []attribute.KeyValue
	totals func(*measure.Totals) *measure.CheckTotals
}

// surplus is what was measured of the requests without series of their own, by class.
type surplus struct {
	first   int   // index of the first such request
	of      []int // of each request from first on: index into the following
	totals  []measure.RequestTotals
	checks  []measure.CheckTotals
	started bool
}

// add adds what came since the snapshot before.
func (u *surplus) add(s *measure.Snapshot) {
	if len(u.of) == 0 {
		return
	}
	news := s.Delta
	if !u.started {
		news, u.started = s.Total, true
	}
	for i, k := range u.of {
		u.totals[k].Merge(&news.Requests[u.first+i])
	}
	for i, c := range s.Names.Checks {
		if c.Request >= u.first {
			t := &u.checks[u.of[c.Request-u.first]]
			t.Passed += news.Checks[i].Passed
			t.Failed += news.Checks[i].Failed
		}
	}
}

// newRows decides which requests have series of their own, and lays out the rows.
func (l *layout) newRows(overflow int) {
	names, u := l.names, &l.surplus
	u.first = len(names.Requests) - overflow
	for i, r := range names.Requests[:u.first] {
		l.rows = append(l.rows, row{l.ofRequest(i), r.Method, func(t *measure.Totals) *measure.RequestTotals { return &t.Requests[i] }})
	}
	var classes []string
	for _, r := range names.Requests[u.first:] {
		k := slices.Index(classes, r.Class)
		if k < 0 {
			k, classes = len(classes), append(classes, r.Class)
		}
		u.of = append(u.of, k)
	}
	u.totals, u.checks = make([]measure.RequestTotals, len(classes)), make([]measure.CheckTotals, len(classes))
	rest := func(class string) []attribute.KeyValue {
		return []attribute.KeyValue{
			attribute.String(catalog.LabelClass, class),
			attribute.String(catalog.LabelRequest, measure.Other),
			attribute.String(catalog.LabelOverflow, "true"),
		}
	}
	for k, class := range classes {
		l.rows = append(l.rows, row{rest(class), "", func(*measure.Totals) *measure.RequestTotals { return &u.totals[k] }})
	}

	checked := make([]bool, len(classes)) // whether any request of the class's surplus has a check
	for i, c := range names.Checks {
		if c.Request >= u.first {
			checked[u.of[c.Request-u.first]] = true
			continue
		}
		labels := append(l.ofRequest(c.Request), attribute.String(catalog.LabelCheck, c.Name))
		l.checkRows = append(l.checkRows, checkRow{labels, func(t *measure.Totals) *measure.CheckTotals { return &t.Checks[i] }})
	}
	for k, class := range classes {
		if checked[k] {
			labels := append(rest(class), attribute.String(catalog.LabelCheck, measure.Other))
			l.checkRows = append(l.checkRows, checkRow{labels, func(*measure.Totals) *measure.CheckTotals { return &u.checks[k] }})
		}
	}
}
