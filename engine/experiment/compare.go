package experiment

import (
	"fmt"

	"tidegauge/engine/catalog"
	"tidegauge/engine/compare"
	"tidegauge/engine/history"
	"tidegauge/engine/stat"
	"tidegauge/engine/telemetry"
	"tidegauge/engine/verdict"
)

// compare keeps what the run is compared by and compares it with its baseline; nil where there is none, or no stretch of
// constant load. What goes wrong is a warning: it takes nothing away from the run.
func (e *experiment) compare(s *stretch, v *verdict.Verdict) *compare.Comparison {
	if s == nil {
		return nil
	}
	values := compare.Measure(e.seconds, s.from+s.settling.WarmUp, s.to)
	values.Unsteady = s.settling.LatencyUnsteady()
	if why, ok := history.Sound(v); !ok && values.Problem == "" {
		values.Problem = why
	}
	record := e.record.Record()
	runs, err := e.lab.History.Rolling(record)
	if err == nil {
		err = e.record.Values(&values)
	}
	if err != nil {
		e.collector.Warn(err.Error())
		return nil
	}
	if len(runs) == 0 {
		return nil
	}
	return compare.Against(history.RollingText(runs), compare.Run{ID: record.ID, Values: values}, runs, nil)
}

// compared are the figures of a comparison, for metrics: those of all requests together.
func compared(c *compare.Comparison) []telemetry.Figure {
	if c == nil || c.Verdict == stat.Invalid {
		return nil
	}
	var all []telemetry.Figure
	for i := range c.Rows {
		r := &c.Rows[i]
		if r.Request == "" && r.Change != nil {
			all = append(all, telemetry.Figure{Metric: catalog.BaselineChange, Subject: r.Metric, Value: *r.Change, Low: r.Low, High: r.High})
		}
	}
	value := -1.0
	switch c.Verdict {
	case stat.Passed, stat.Improvement:
		value = 1
	case stat.Regression:
		value = 0
	}
	return append(all, telemetry.Figure{Metric: catalog.BaselineVerdict, Value: value})
}

// Confirm compares a run again, together with others that were made after it to confirm what it showed, and keeps what comes of
// it with the run.
func (l *Lab) Confirm(run string, reruns []string) (*compare.Comparison, error) {
	c, err := l.History.Compare(run, reruns)
	if err != nil {
		return nil, err
	}
	if err := l.History.SetComparison(run, c); err != nil {
		return c, fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return c, nil
}
