package locust

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tidegauge/engine/interval"
	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
	"tidegauge/engine/report"
)

// WriteRecord writes the files of a run that is over from what was kept of it. In a long run intervals were joined: its history
// has a row for each that there is.
func WriteRecord(o Options, r *report.Report, l *interval.Log) (err error) {
	w, err := New(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if l == nil || l.Len() == 0 {
		return nil
	}
	s := &measure.Snapshot{Start: l.Start, Names: &l.Names, Failures: failuresOf(r, &l.Names), Exceptions: exceptionsOf(r)}
	at, n := time.Duration(0), 0
	for i, err := range l.All() {
		if err != nil {
			return fmt.Errorf("writing CSV files %s_*.csv: %w", o.Prefix, err)
		}
		if s.Total == nil {
			s.Total = &measure.Totals{
				Classes: make([]measure.ClassTotals, len(i.Totals.Classes)), Requests: make([]measure.RequestTotals, len(i.Totals.Requests)), Checks: make([]measure.CheckTotals, len(i.Totals.Checks)),
			}
		}
		n++
		s.Total.Merge(i.Totals)
		s.Since, s.Time, s.Delta, s.PeakUsers, s.Rate, s.Final = l.Start.Add(at), l.Start.Add(i.To), i.Totals, i.Users, i.Rate, n == l.Len()
		at = i.To
		if err := w.next(s); err != nil {
			return err
		}
	}
	return nil
}

// next adds an interval to the history, and writes the tables with the last.
func (w *Writer) next(s *measure.Snapshot) error {
	if s.Final {
		return w.Consume(context.Background(), s)
	}
	return w.historyOf(s, w.begin(s))
}

// failuresOf returns the table of failures, of which a report has the most frequent.
func failuresOf(r *report.Report, names *measure.Names) []measure.Failure {
	var all []measure.Failure
	for i := range r.Failures {
		f := &r.Failures[i]
		request := slices.IndexFunc(names.Requests, func(q measure.Request) bool { return q.Class == f.Class && q.Name == f.Name && q.Method == f.Method })
		if request < 0 {
			continue
		}
		outcome := protocol.Outcome(0)
		for int(outcome) < protocol.Outcomes-1 && outcome.String() != f.Outcome {
			outcome++
		}
		for _, sample := range f.Samples {
			all = append(all, measure.Failure{Request: request, Outcome: outcome, Detail: sample.Detail, Count: sample.Count, First: sample.First, Last: sample.Last})
		}
	}
	return all
}

func exceptionsOf(r *report.Report) []measure.Exception {
	var all []measure.Exception
	for _, e := range r.Exceptions {
		all = append(all, measure.Exception{Task: e.Task, Message: e.Message, Count: e.Count, First: e.First, Last: e.Last})
	}
	return all
}
