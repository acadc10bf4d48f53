package telemetry

import (
	"fmt"
	"maps"
	"slices"

	"go.opentelemetry.io/otel/attribute"

	"tidegauge/engine/catalog"
	"tidegauge/engine/hist"
	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

// layout is every series there can be in a run, made once from its names. A series shows up when there is something in
// it, or from the start when it is sure to come: so the number of series follows what happens, not what could happen.
type layout struct {
	labels    []attribute.KeyValue
	names     *measure.Names
	rows      []row
	checkRows []checkRow
	surplus   surplus
	families  []family
	stages    []stage
	events    *events
	examples  map[requestTimes][]exemplar // of the interval being collected
}

// family is the series of one metric. Only the list that goes with its kind is used.
type family struct {
	metric     catalog.Metric
	histograms []histogramSeries
	counters   []series[uint64]
	sums       []series[float64] // counters that are no whole numbers
	gauges     []series[float64]
}

// series is one series: its own labels and where its value is.
type series[T any] struct {
	labels func() []attribute.KeyValue
	read   func(*measure.Snapshot) T
	sure   bool // shown from the start

	shown      bool
	attributes attribute.Set // when shown
}

type histogramSeries struct {
	series[*hist.Histogram]
	point histogramPoint // the latest, whose buckets hold until something is recorded
	of    *requestTimes  // nil: it has no exemplars
}

func (f *family) histogram(sure bool, labels func() []attribute.KeyValue, read func(*measure.Totals) *hist.Histogram) {
	f.histograms = append(f.histograms, histogramSeries{series: series[*hist.Histogram]{
		labels: labels,
		read:   func(s *measure.Snapshot) *hist.Histogram { return read(s.Total) },
		sure:   sure,
	}})
}

func (f *family) count(sure bool, labels func() []attribute.KeyValue, read func(*measure.Totals) uint64) {
	f.counters = append(f.counters, series[uint64]{
		labels: labels,
		read:   func(s *measure.Snapshot) uint64 { return read(s.Total) },
		sure:   sure,
	})
}

// stage is a stage of the shape that was seen.
type stage struct {
	name       string
	attributes attribute.Set
}

func (p *Provider) newLayout(names *measure.Names) *layout {
	l := &layout{labels: p.labels, names: names, events: &p.events}
	overflow := Overflow(names, p.maxSeries)
	l.newRows(overflow)
	makers := map[string]func(*family){
		catalog.ResponseTime:      l.outcomes(false, func(t *measure.OutcomeTotals) *hist.Histogram { return &t.ResponseTime }, requestLabels),
		catalog.ServiceTime:       l.outcomes(true, func(t *measure.OutcomeTotals) *hist.Histogram { return &t.ServiceTime }, clientLabels),
		catalog.IterationDuration: l.classHistograms(func(t *measure.ClassTotals) *hist.Histogram { return &t.IterationDuration }),
		catalog.Lateness:          l.classHistograms(func(t *measure.ClassTotals) *hist.Histogram { return &t.Lateness }),
		catalog.PhaseDuration:     l.phases,
		catalog.Requests:          l.requests,
		catalog.Checks:            l.checks,
		catalog.Exceptions:        l.exceptions,
		catalog.Books:             l.books,
		catalog.NetworkIO:         l.networkIO,
		catalog.Users:             l.users,
		catalog.ArrivalRate: func(f *family) {
			f.gauges = append(f.gauges, series[float64]{labels: none, read: func(s *measure.Snapshot) float64 { return s.Rate }})
		},
		catalog.OverflowRequests: func(f *family) {
			f.gauges = append(f.gauges, series[float64]{
				labels: none,
				read:   func(*measure.Snapshot) float64 { return float64(overflow) },
				sure:   true,
			})
		},
		catalog.RunInfo: func(f *family) {
			f.gauges = append(f.gauges, series[float64]{
				labels: func() []attribute.KeyValue { return p.info },
				read:   func(*measure.Snapshot) float64 { return 1 },
				sure:   true,
			})
		},
	}
	maps.Copy(makers, l.health())
	for _, m := range catalog.All() {
		f := family{metric: m}
		if fill, ok := makers[m.Name]; ok {
			fill(&f)
		}
		l.families = append(l.families, f)
	}
	return l
}

func none() []attribute.KeyValue { return nil }

// fits reports totals of other names than the layout was made from.
func (l *layout) fits(t *measure.Totals) error {
	if len(t.Classes) != len(l.names.Classes) || len(t.Requests) != len(l.names.Requests) || len(t.Checks) != len(l.names.Checks) {
		return fmt.Errorf("a snapshot has totals of %d classes, %d requests, %d checks, but the run has names for %d, %d, %d",
			len(t.Classes), len(t.Requests), len(t.Checks), len(l.names.Classes), len(l.names.Requests), len(l.names.Checks))
	}
	return nil
}

func requestLabels(r *row, o protocol.Outcome) []attribute.KeyValue {
	return append(slices.Clone(r.labels), attribute.String(catalog.LabelOutcome, o.String()))
}

// clientLabels adds what the semantic conventions ask of http.client.request.duration: error.type is there for failures
// only.
func clientLabels(r *row, o protocol.Outcome) []attribute.KeyValue {
	labels := requestLabels(r, o)
	if r.method != "" {
		labels = append(labels, attribute.String(catalog.LabelHTTPMethod, r.method))
	}
	if o.Failed() {
		labels = append(labels, attribute.String(catalog.LabelErrorType, o.String()))
	}
	return labels
}

func (l *layout) ofRequest(request int) []attribute.KeyValue {
	r := l.names.Requests[request]
	return []attribute.KeyValue{
		attribute.String(catalog.LabelClass, r.Class),
		attribute.String(catalog.LabelRequest, r.Name),
		attribute.String(catalog.LabelMethod, r.Method),
	}
}

func (l *layout) ofClass(class int) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String(catalog.LabelClass, l.names.Classes[class])}
}

// outcomes lays out a histogram of each request and outcome; ok is sure to come.
func (l *layout) outcomes(service bool, pick func(*measure.OutcomeTotals) *hist.Histogram, labels func(*row, protocol.Outcome) []attribute.KeyValue) func(*family) {
	return func(f *family) {
		for i := range l.rows {
			r := &l.rows[i]
			for o := range protocol.Outcome(protocol.Outcomes) {
				f.histogram(o == protocol.OK,
					func() []attribute.KeyValue { return labels(r, o) },
					func(t *measure.Totals) *hist.Histogram { return pick(&r.totals(t).Outcomes[o]) })
				f.histograms[len(f.histograms)-1].of = &requestTimes{i, o, service}
			}
		}
	}
}

func (l *layout) classHistograms(pick func(*measure.ClassTotals) *hist.Histogram) func(*family) {
	return func(f *family) {
		for i := range l.names.Classes {
			f.histogram(true,
				func() []attribute.KeyValue { return l.ofClass(i) },
				func(t *measure.Totals) *hist.Histogram { return pick(&t.Classes[i]) })
		}
	}
}

// phases lays out the phases of each class; waiting and receiving are sure to come.
func (l *layout) phases(f *family) {
	for i := range l.names.Classes {
		for phase := range measure.Phase(measure.Phases) {
			f.histogram(phase == measure.Wait || phase == measure.Receive,
				func() []attribute.KeyValue {
					return append(l.ofClass(i), attribute.String(catalog.LabelPhase, phase.String()))
				},
				func(t *measure.Totals) *hist.Histogram { return &t.Classes[i].Phases[phase] })
		}
	}
}

func (l *layout) requests(f *family) {
	for i := range l.rows {
		r := &l.rows[i]
		for o := range protocol.Outcome(protocol.Outcomes) {
			f.count(o == protocol.OK,
				func() []attribute.KeyValue { return requestLabels(r, o) },
				func(t *measure.Totals) uint64 { return r.totals(t).Outcomes[o].ResponseTime.Count() })
		}
	}
}

func (l *layout) checks(f *family) {
	for i := range l.checkRows {
		c := &l.checkRows[i]
		labels := func(outcome string) func() []attribute.KeyValue {
			return func() []attribute.KeyValue {
				return append(slices.Clone(c.labels), attribute.String(catalog.LabelOutcome, outcome))
			}
		}
		f.count(true, labels("pass"), func(t *measure.Totals) uint64 { return c.totals(t).Passed })
		f.count(true, labels("fail"), func(t *measure.Totals) uint64 { return c.totals(t).Failed })
	}
}

func (l *layout) exceptions(f *family) {
	for i := range l.names.Classes {
		f.count(true,
			func() []attribute.KeyValue { return l.ofClass(i) },
			func(t *measure.Totals) uint64 { return t.Classes[i].Exceptions })
	}
}

// books lays out the accounts of each class: of its iterations, and of its requests together.
func (l *layout) books(f *family) {
	entries := []struct {
		name string
		of   func(*measure.Books) uint64
	}{
		{"intended", func(b *measure.Books) uint64 { return b.Intended }},
		{"started", func(b *measure.Books) uint64 { return b.Started }},
		{"dropped", func(b *measure.Books) uint64 { return b.Dropped }},
		{"finished", func(b *measure.Books) uint64 { return b.Finished }},
		{"cut", func(b *measure.Books) uint64 { return b.Cut }},
	}
	for i, class := range l.names.Classes {
		var requests []int
		for j, r := range l.names.Requests {
			if r.Class == class {
				requests = append(requests, j)
			}
		}
		for _, e := range entries {
			labels := func(work string) func() []attribute.KeyValue {
				return func() []attribute.KeyValue {
					return append(l.ofClass(i), attribute.String(catalog.LabelWork, work), attribute.String(catalog.LabelEntry, e.name))
				}
			}
			f.count(true, labels("iteration"), func(t *measure.Totals) uint64 { return e.of(&t.Classes[i].Iterations) })
			f.count(true, labels("request"), func(t *measure.Totals) (n uint64) {
				for _, j := range requests {
					n += e.of(&t.Requests[j].Books)
				}
				return n
			})
		}
	}
}

func (l *layout) networkIO(f *family) {
	for i := range l.rows {
		r := &l.rows[i]
		labels := func(direction string) func() []attribute.KeyValue {
			return func() []attribute.KeyValue {
				return append(slices.Clone(r.labels), attribute.String(catalog.LabelDirection, direction))
			}
		}
		f.count(true, labels("transmit"), func(t *measure.Totals) uint64 { return r.totals(t).BytesSent })
		f.count(true, labels("receive"), func(t *measure.Totals) uint64 { return r.totals(t).BytesReceived })
	}
}

func (l *layout) users(f *family) {
	for i := range l.names.Classes {
		f.gauges = append(f.gauges, series[float64]{
			labels: func() []attribute.KeyValue { return l.ofClass(i) },
			read: func(s *measure.Snapshot) float64 {
				if i >= len(s.Users) {
					return 0
				}
				return float64(s.Users[i])
			},
			sure: true,
		})
	}
}
