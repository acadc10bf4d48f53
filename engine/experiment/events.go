package experiment

import (
	"time"

	"tidegauge/engine/event"
	"tidegauge/engine/measure"
	"tidegauge/engine/run"
	"tidegauge/engine/trace"
	"tidegauge/engine/verdict"
)

// tracer returns what traces the requests of a run, or nil where the plan asks for none.
func (l *Lab) tracer(o *Options, seed uint64, of *event.Run) *trace.Tracer {
	t := &o.Plan.Trace
	if !t.On {
		return nil
	}
	options := trace.Options{Run: of, Seed: seed, Ratio: t.Ratio, Slow: t.SlowLimit(o.Test)}
	for _, q := range l.Spans {
		options.Queues = append(options.Queues, q)
	}
	return trace.New(options)
}

// happened tells everybody of an event: outlets that take events, the store, and the report, which knows of phases by
// itself. Safe for concurrent use.
func (e *experiment) happened(one event.Event) {
	one.Run = e.identity
	for _, q := range e.lab.Events {
		q.Offer(one)
	}
	e.telemetry.Event(one.Time, string(one.Kind), one.Text)
	if one.Kind != event.Phase {
		e.collector.Event(one.Time, string(one.Kind), one.Text)
	}
}

// watch tells of the start of the load, and of each phase of its shape: a snapshot is taken where one ends.
func (e *experiment) watch(s *measure.Snapshot) {
	if !s.Time.After(s.Since) || s.Phase == e.phase {
		return // the one before the start, or nothing new
	}
	if e.phase == "" {
		e.happened(event.Event{Time: s.Start, Kind: event.Start, Text: "the load of test " + e.o.Test.Name + " begins"})
	}
	e.phase = s.Phase
	e.happened(event.Event{Time: s.Since, Kind: event.Phase, Text: s.Phase})
}

// ended tells what ended the run, if that was not its shape.
func (e *experiment) ended(result run.Result) {
	if (result.Stopped || result.Cancelled) && !e.aborted.Load() {
		e.judge.Stopped(result.End)
		text := "ended before the test was over"
		if reason, ok := e.reason.Load().(string); ok {
			text += ": " + reason
		}
		e.happened(event.Event{Time: result.End, Kind: event.Stop, Severity: event.Warning, Text: text})
	}
}

// judged tells of the verdict.
func (e *experiment) judged(v *verdict.Verdict, start time.Time) {
	severity := map[verdict.Outcome]event.Severity{verdict.Pass: event.Info, verdict.Fail: event.Error}
	one := event.Event{Time: time.Now(), Since: start, Kind: event.Verdict, Severity: event.Warning, Text: string(v.Outcome)}
	if known, ok := severity[v.Outcome]; ok {
		one.Severity = known
	}
	if v.Summary != "" {
		one.Text += ": " + v.Summary
	}
	e.happened(one)
}
