package telemetry

import (
	"maps"
	"math"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"tidegauge/engine/catalog"
	"tidegauge/engine/hist"
	"tidegauge/engine/measure"
)

type (
	histogramPoint = metricdata.ExponentialHistogramDataPoint[float64]
	counterPoint   = metricdata.DataPoint[int64]
	gaugePoint     = metricdata.DataPoint[float64]
)

// span is what a point is about: from the start of the run to its time.
type span struct{ start, at time.Time }

// collect returns every series that is shown, and, to be exported first, the zeros of those that show up now with a value
// in them.
func (l *layout) collect(s *measure.Snapshot, scale int, now, before span) (births, all []metricdata.Metrics) {
	l.examples = l.exemplars(s)
	for i := range l.families {
		f := &l.families[i]
		switch f.metric.Kind {
		case catalog.Histogram:
			zeros, points := l.histograms(f, s, scale, now, before)
			births = appendMetric(births, f.metric, histogramOf(zeros), len(zeros))
			all = appendMetric(all, f.metric, histogramOf(points), len(points))
		case catalog.Counter:
			zeros, points := l.counters(f, s, now, before)
			births = appendMetric(births, f.metric, counterOf(zeros), len(zeros))
			all = appendMetric(all, f.metric, counterOf(points), len(points))
			sums := f.sumPoints(l.labels, s, now)
			all = appendMetric(all, f.metric, metricdata.Sum[float64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: true, DataPoints: sums}, len(sums))
		case catalog.Gauge:
			points := l.gauges(f, s, now)
			all = appendMetric(all, f.metric, metricdata.Gauge[float64]{DataPoints: points}, len(points))
		}
	}
	return births, all
}

func appendMetric(list []metricdata.Metrics, m catalog.Metric, data metricdata.Aggregation, points int) []metricdata.Metrics {
	if points == 0 {
		return list
	}
	return append(list, metricdata.Metrics{Name: m.Name, Description: m.Help, Unit: m.Unit, Data: data})
}

func histogramOf(points []histogramPoint) metricdata.Aggregation {
	return metricdata.ExponentialHistogram[float64]{Temporality: metricdata.CumulativeTemporality, DataPoints: points}
}

func counterOf(points []counterPoint) metricdata.Aggregation {
	return metricdata.Sum[int64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: true, DataPoints: points}
}

// show gives a series its attributes when it is to be seen for the first time, and reports whether that is now.
func (s *series[T]) show(common []attribute.KeyValue) (first bool) {
	if s.shown {
		return false
	}
	s.shown = true
	s.attributes = attribute.NewSet(slices.Concat(common, s.labels())...)
	return true
}

func (l *layout) histograms(f *family, s *measure.Snapshot, scale int, now, before span) (zeros, points []histogramPoint) {
	for i := range f.histograms {
		one := &f.histograms[i]
		h := one.read(s)
		if !one.shown && !one.sure && h.Count() == 0 {
			continue
		}
		if one.show(l.labels) && h.Count() > 0 {
			zeros = append(zeros, histogramPoint{Attributes: one.attributes, StartTime: before.start, Time: before.at, Scale: int32(scale)})
		}
		p := one.next(h, scale, now)
		if one.of != nil {
			p.Exemplars = l.examples[*one.of]
		}
		points = append(points, p)
	}
	return zeros, points
}

// next is the point of a histogram; its buckets are those of the point before if nothing was recorded since.
func (s *histogramSeries) next(h *hist.Histogram, scale int, now span) histogramPoint {
	p := &s.point
	p.Attributes, p.StartTime, p.Time = s.attributes, now.start, now.at
	switch {
	case h.Count() == 0:
		p.Scale = int32(scale)
	case h.Count() != p.Count:
		b := h.Buckets(scale)
		p.Count, p.Sum, p.ZeroCount = h.Count(), h.Sum(), b.Zero
		p.Min, p.Max = metricdata.NewExtrema(h.Min()), metricdata.NewExtrema(h.Max())
		p.Scale = int32(b.Scale)
		p.PositiveBucket = metricdata.ExponentialBucket{Offset: int32(b.Offset), Counts: b.Counts}
	}
	return *p
}

func (l *layout) counters(f *family, s *measure.Snapshot, now, before span) (zeros, points []counterPoint) {
	for i := range f.counters {
		one := &f.counters[i]
		n := one.read(s)
		if !one.shown && !one.sure && n == 0 {
			continue
		}
		if one.show(l.labels) && n > 0 {
			zeros = append(zeros, counterPoint{Attributes: one.attributes, StartTime: before.start, Time: before.at})
		}
		points = append(points, counterPoint{Attributes: one.attributes, StartTime: now.start, Time: now.at, Value: int64(min(n, math.MaxInt64))})
	}
	return zeros, points
}

// sumPoints are sure to be there from the first snapshot on, at 0: they have no births.
func (f *family) sumPoints(common []attribute.KeyValue, s *measure.Snapshot, now span) (points []gaugePoint) {
	for i := range f.sums {
		one := &f.sums[i]
		if v := one.read(s); !math.IsNaN(v) {
			one.show(common)
			points = append(points, gaugePoint{Attributes: one.attributes, StartTime: now.start, Time: now.at, Value: v})
		}
	}
	return points
}

func (l *layout) gauges(f *family, s *measure.Snapshot, now span) (points []gaugePoint) {
	if f.metric.Name == catalog.Stage {
		return l.stagePoints(s, now)
	}
	if f.metric.Name == catalog.EventTime {
		return l.events.points(now, false)
	}
	for i := range f.gauges {
		one := &f.gauges[i]
		v := one.read(s)
		if math.IsNaN(v) || !one.shown && !one.sure && v == 0 {
			continue
		}
		one.show(l.labels)
		points = append(points, gaugePoint{Attributes: one.attributes, StartTime: now.start, Time: now.at, Value: v})
	}
	return points
}

// stagePoints shows the stages seen so far: the number of the one under way, 0 for the others.
func (l *layout) stagePoints(s *measure.Snapshot, now span) (points []gaugePoint) {
	known := func(x stage) bool { return x.name == s.Phase }
	if s.Phase != "" && !slices.ContainsFunc(l.stages, known) {
		own := append(slices.Clone(l.labels), attribute.String(catalog.LabelStage, s.Phase))
		l.stages = append(l.stages, stage{s.Phase, attribute.NewSet(own...)})
	}
	for _, x := range l.stages {
		v := 0.0
		if x.name == s.Phase && !s.Final {
			v = float64(s.PhaseID + 1)
		}
		points = append(points, gaugePoint{Attributes: x.attributes, StartTime: now.start, Time: now.at, Value: v})
	}
	return points
}

// answers returns the metrics that say what a run came to.
func answers(common []attribute.KeyValue, r Results, now span, events []gaugePoint) (list []metricdata.Metrics) {
	g := gatherer{common: common, now: now}
	var objectives []gaugePoint
	for _, text := range slices.Sorted(maps.Keys(r.Objectives)) {
		if a := r.Objectives[text]; a != Undecided {
			objectives = append(objectives, g.point(a.value(), attribute.String(catalog.LabelObjective, text)))
		}
	}
	g.add(catalog.Objective, objectives)
	g.addFigures(r.Figures)
	g.add(catalog.EventTime, events)
	g.add(catalog.Verdict, []gaugePoint{g.point(r.Verdict.value())})
	if !now.start.IsZero() {
		g.add(catalog.RunDuration, []gaugePoint{g.point(now.at.Sub(now.start).Seconds())})
	}
	return g.list
}

// figuresOf returns the metrics of figures alone.
func figuresOf(common []attribute.KeyValue, figures []Figure, now span) []metricdata.Metrics {
	g := gatherer{common: common, now: now}
	g.addFigures(figures)
	return g.list
}

// gatherer gathers gauges of a run, all of one time.
type gatherer struct {
	common []attribute.KeyValue
	now    span
	list   []metricdata.Metrics
}

func (g *gatherer) point(v float64, own ...attribute.KeyValue) gaugePoint {
	return gaugePoint{Attributes: attribute.NewSet(slices.Concat(g.common, own)...), StartTime: g.now.start, Time: g.now.at, Value: v}
}

func (g *gatherer) add(name string, points []gaugePoint) {
	if m, ok := catalog.Lookup(name); ok {
		g.list = appendMetric(g.list, m, metricdata.Gauge[float64]{DataPoints: points}, len(points))
	}
}

// addFigures adds each figure's value under the name of its metric, and the ends of its interval under that of all bounds.
func (g *gatherer) addFigures(figures []Figure) {
	values := map[string][]gaugePoint{}
	var bounds []gaugePoint
	for _, f := range figures {
		var subject []attribute.KeyValue
		if f.Subject != "" {
			subject = append(subject, attribute.String(catalog.LabelSubject, f.Subject))
		}
		own := slices.Clone(subject)
		for pair := range slices.Chunk(f.Labels, 2) {
			if pair[1] != "" {
				own = append(own, attribute.String(pair[0], pair[1]))
			}
		}
		values[f.Metric] = append(values[f.Metric], g.point(f.Value, own...))
		for name, v := range map[string]*float64{"low": f.Low, "high": f.High} {
			if v != nil {
				bounds = append(bounds, g.point(*v, append(slices.Clone(subject),
					attribute.String(catalog.LabelFigure, f.Metric), attribute.String(catalog.LabelBound, name))...))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		g.add(name, values[name])
	}
	g.add(catalog.FigureBound, bounds)
}

func (a Answer) value() float64 {
	switch a {
	case Passed:
		return 1
	case Failed:
		return 0
	}
	return -1
}
