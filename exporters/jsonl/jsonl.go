// Package jsonl writes what a run measured as JSON lines, one for each interval.
//
// README.md beside this file documents the lines.
package jsonl

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"tidegauge/engine/hist"
	"tidegauge/engine/interval"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/verdict"
)

// Schema names the form of the lines and its version. A program that reads v1 can read all that is written later as v1: types of lines
// and members are added, never changed or removed.
const Schema = "tidegauge.intervals/v1"

// ErrNone is the error of a run whose intervals were not kept.
var ErrNone = errors.New("the run has no intervals: none were kept, as by a version before there were any")

type runLine struct {
	Type          string            `json:"type"` // run
	Schema        string            `json:"schema"`
	Run           string            `json:"run"`
	Plan          string            `json:"plan"`
	Test          string            `json:"test"`
	TestType      plan.Type         `json:"test_type"`
	Labels        map[string]string `json:"labels,omitempty"`
	Target        string            `json:"target"`
	TargetVersion string            `json:"target_version,omitempty"`
	Version       string            `json:"version"`
	Complete      bool              `json:"complete"`
	Start         time.Time         `json:"start"`
	Seconds       float64           `json:"seconds"`
	Outcome       verdict.Outcome   `json:"outcome,omitempty"`
	Summary       string            `json:"summary,omitempty"`
}

type intervalLine struct {
	Type        string         `json:"type"` // interval
	Time        time.Time      `json:"time"` // its beginning
	At          float64        `json:"at"`   // the same, since the start
	Seconds     float64        `json:"seconds"`
	Users       int            `json:"users"`
	ArrivalRate float64        `json:"arrival_rate,omitempty"`
	Iterations  account        `json:"iterations"`
	Lateness    report.Times   `json:"lateness"`
	Total       report.Row     `json:"total"`
	Requests    []report.Row   `json:"requests"`
	Checks      []report.Check `json:"checks,omitempty"`
}

// account is measure.Books of an interval, whose sums need not hold: work is under way at its ends.
type account struct {
	Intended uint64 `json:"intended"`
	Started  uint64 `json:"started"`
	Dropped  uint64 `json:"dropped"`
	Finished uint64 `json:"finished"`
	Cut      uint64 `json:"cut"`
}

type eventLine struct {
	Type string    `json:"type"` // event
	Time time.Time `json:"time"`
	report.Event
}

// Write writes a run: a line about it, then its intervals and its events in the order of time. intervals is nil where there are
// none, which is ErrNone.
func Write(w io.Writer, r *report.Report, intervals *interval.Log) error {
	if intervals == nil {
		return ErrNone
	}
	buffered := bufio.NewWriter(w)
	l := lines{to: json.NewEncoder(buffered), r: r}
	l.to.SetEscapeHTML(false)
	if err := l.write(intervals); err != nil {
		return fmt.Errorf("write run %s as JSON lines: %w", r.Run.ID, err)
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("write run %s as JSON lines: %w", r.Run.ID, err)
	}
	return nil
}

type lines struct {
	to *json.Encoder
	r  *report.Report
}

func (l *lines) write(intervals *interval.Log) error {
	m := &l.r.Run
	head := runLine{
		Type: "run", Schema: Schema, Run: m.ID, Plan: m.Plan, Test: m.Test, TestType: m.Type, Labels: m.Labels, Target: m.Target, TargetVersion: m.TargetVersion,
		Version: m.Version, Complete: l.r.Complete, Start: l.r.Start, Seconds: l.r.Seconds,
	}
	if v := l.r.Verdict; v != nil {
		head.Outcome, head.Summary = v.Outcome, v.Summary
	}
	if err := l.to.Encode(&head); err != nil {
		return err
	}
	events := l.r.Events
	for i, err := range intervals.All() {
		if err != nil {
			return err
		}
		for len(events) > 0 && events[0].At < i.To.Seconds() {
			if err := l.event(&events[0]); err != nil {
				return err
			}
			events = events[1:]
		}
		if err := l.interval(i, &intervals.Names); err != nil {
			return err
		}
	}
	for i := range events {
		if err := l.event(&events[i]); err != nil {
			return err
		}
	}
	return nil
}

func (l *lines) event(e *report.Event) error {
	at := time.Duration(e.At * float64(time.Second))
	return l.to.Encode(eventLine{Type: "event", Time: l.r.Start.Add(at), Event: *e})
}

func (l *lines) interval(i *interval.Interval, names *measure.Names) error {
	line := intervalLine{
		Type: "interval", Time: l.r.Start.Add(i.From), At: i.From.Seconds(), Seconds: i.Seconds(), Users: i.Users, ArrivalRate: i.Rate,
		Iterations: account(i.Totals.IterationBooks()), Total: report.RowOf(i.Totals.Sum(names, nil), i.Seconds()), Requests: []report.Row{},
	}
	var lateness hist.Histogram
	for k := range i.Totals.Classes {
		lateness.Merge(&i.Totals.Classes[k].Lateness)
	}
	line.Lateness = report.TimesOf(&lateness)
	for k := range names.Requests {
		one := measure.Totals{Requests: i.Totals.Requests[k : k+1]}
		row := report.RowOf(one.Sum(&measure.Names{Requests: names.Requests[k : k+1]}, nil), i.Seconds())
		if row.Count == 0 && row.Cut == 0 {
			continue
		}
		q := &names.Requests[k]
		row.Class, row.Name, row.Method = q.Class, q.Name, q.Method
		line.Requests = append(line.Requests, row)
	}
	for k, c := range names.Checks {
		if t := i.Totals.Checks[k]; t.Passed+t.Failed > 0 {
			q := &names.Requests[c.Request]
			line.Checks = append(line.Checks, report.Check{Class: q.Class, Name: q.Name, Method: q.Method, Check: c.Name, Passed: t.Passed, Failed: t.Failed})
		}
	}
	return l.to.Encode(&line)
}
