package experiment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"

	"tidegauge/engine/catalog"
	"tidegauge/engine/compare"
	"tidegauge/engine/history"
	"tidegauge/engine/stat"
	"tidegauge/engine/telemetry"
	"tidegauge/engine/verdict"
)

// compare keeps what the run is compared by, compares it with its baseline, and looks for changes over the history it belongs
// to; nothing where there is nothing to compare it by, no comparison where there is no baseline. What goes wrong is a warning: it
// takes nothing away from the run.
func (e *experiment) compare(values *compare.Values) (*compare.Comparison, *history.Course) {
	if values == nil {
		return nil, nil
	}
	record := e.record.Record()
	runs, err := e.lab.History.Rolling(record)
	if err == nil {
		err = e.record.Values(values)
	}
	var course *history.Course
	if err == nil {
		course, err = e.lab.History.Follow(record, values)
	}
	if err != nil {
		e.collector.Warn(err.Error())
	}
	if len(runs) == 0 && values.Problem != "" {
		return nil, nil
	}
	if len(runs) == 0 {
		return nil, course
	}
	return compare.Against(history.RollingText(runs), compare.Run{ID: record.ID, Values: *values, Version: record.TargetVersion, Commit: record.Commit}, runs, nil), course
}

// compared are the figures of a comparison and of the history, for metrics, as of a time: those of all requests together, and
// of single requests what has changed. A run that says nothing has none, so that what is known of the runs before it holds.
func compared(c *compare.Comparison, course *history.Course, v *verdict.Verdict, at time.Time) []telemetry.Figure {
	figure := func(metric, subject string, v *float64) telemetry.Figure {
		return telemetry.Figure{Metric: metric, Subject: subject, Value: *v}
	}
	alone := func(metric string, v float64) telemetry.Figure { return telemetry.Figure{Metric: metric, Value: v} }
	var all []telemetry.Figure
	if course != nil {
		all = lasting(course)
		good := course.LastGood
		if v.Outcome == verdict.Pass && (c == nil || c.Verdict != stat.Regression) {
			good = at
		}
		if !good.IsZero() {
			all = append(all, alone(catalog.LastGoodTime, seconds(good)))
		}
	}
	if c != nil && c.Verdict == stat.Invalid || c == nil && course == nil {
		return all
	}
	all = append(all, alone(catalog.BaselineTime, seconds(at)))
	if c == nil { // the first of its kind
		return append(all, alone(catalog.BaselineRuns, 0))
	}
	for i := range c.Rows {
		r := &c.Rows[i]
		if !r.Main() && r.Verdict != stat.Regression && r.Verdict != stat.Suspect && r.Verdict != stat.Improvement {
			continue
		}
		if r.Change != nil {
			change := figure(catalog.BaselineChange, r.Name(), r.Change)
			change.Low, change.High = r.Low, r.High
			all = append(all, change)
		}
		if r.Before != nil && r.After != nil {
			all = append(all, figure(catalog.BaselineValue, r.Name(), r.Before), figure(catalog.BaselineRunValue, r.Name(), r.After))
		}
		if r.Verdict != stat.Invalid {
			all = append(all, figure(catalog.BaselineJudgement, r.Name(), new(answerOf(r.Verdict))))
		}
	}
	confirmed := 0.0
	if c.Confirmed {
		confirmed = 1
	}
	return append(all, alone(catalog.BaselineVerdict, answerOf(c.Verdict)), alone(catalog.BaselineConfirmed, confirmed),
		alone(catalog.BaselineRuns, float64(len(c.Runs))))
}

// answerOf says a judgement in a number.
func answerOf(j stat.Judgement) float64 {
	switch j {
	case stat.Passed, stat.Improvement:
		return 1
	case stat.Regression:
		return 0
	}
	return -1
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// lasting are the figures of the changes of a history that are to be told: of each metric the latest one for the worse and for the
// better.
func lasting(course *history.Course) []telemetry.Figure {
	open := course.Open()
	count := map[bool]float64{}
	last := map[string]int{}
	for i := range open {
		count[open[i].Worse]++
		last[fmt.Sprint(open[i].Name(), open[i].Worse)] = i
	}
	trend := map[bool]string{true: "worse", false: "better"}
	var all []telemetry.Figure
	for i := range open {
		c := &open[i]
		if last[fmt.Sprint(c.Name(), c.Worse)] != i {
			continue
		}
		labels := []string{catalog.LabelTrend, trend[c.Worse], catalog.LabelSince, c.Run, catalog.LabelSubjectVersion, c.Version}
		change := telemetry.Figure{Metric: catalog.HistoryChange, Subject: c.Name(), Value: c.Change, Labels: labels}
		if c.Worse {
			change.Low, change.High = c.Low, c.High
		}
		all = append(all, change, telemetry.Figure{Metric: catalog.HistoryChangeTime, Subject: c.Name(), Value: seconds(c.Start), Labels: labels})
	}
	for worse, name := range trend {
		all = append(all, telemetry.Figure{Metric: catalog.HistoryChanges, Value: count[worse], Labels: []string{catalog.LabelTrend, name}})
	}
	return all
}

// Confirm compares a run again, together with others that were made after it to confirm what it showed, and keeps what comes of
// it with the run and in the store.
func (l *Lab) Confirm(ctx context.Context, run string, reruns []string) (*compare.Comparison, error) {
	c, err := l.History.Compare(run, reruns)
	if err != nil {
		return nil, err
	}
	err = l.History.SetComparison(run, c)
	if err == nil {
		err = l.amend(ctx, run, compared(c, nil, nil, time.Now()))
	}
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return c, nil
}

// amend writes figures of a run that is over.
func (l *Lab) amend(ctx context.Context, run string, figures []telemetry.Figure) (err error) {
	r, err := l.History.Find(run)
	if err != nil {
		return err
	}
	exporter, err := telemetry.NewOTLPExporter(ctx, l.Store.OTLP())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, exporter.Shutdown(ctx)) }()
	p, err := telemetry.New(telemetry.Options{
		Run: r.ID, Plan: r.Plan, Test: r.Test, TestType: string(r.Type), Labels: r.Labels, Version: l.Version, Instance: r.Host,
		Exporters: []metric.Exporter{exporter},
	})
	if err != nil {
		return err
	}
	return errors.Join(p.Amend(ctx, figures), p.Shutdown(ctx))
}
