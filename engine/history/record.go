package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
)

// recordSchema names the form of record.json and its version.
const recordSchema = "tidegauge.run/v1"

// State is how a run stands.
type State string

// The states.
const (
	Running     State = "running"
	Finished    State = "finished"
	Interrupted State = "interrupted" // its process died; it has its last checkpoint
	Damaged     State = "damaged"     // its record cannot be read
)

// Record is what a list of runs shows of one run.
type Record struct {
	Schema   string            `json:"schema"`
	ID       string            `json:"id"`
	State    State             `json:"state"`
	Plan     string            `json:"plan"`
	Test     string            `json:"test"`
	Type     plan.Type         `json:"type"`
	Labels   map[string]string `json:"labels,omitempty"`
	Target   string            `json:"target"`
	Version  string            `json:"version"` // of tidegauge
	Host     string            `json:"host"`
	PID      int               `json:"pid"`
	Start    time.Time         `json:"start"`
	AsOf     time.Time         `json:"as_of,omitzero"` // when the numbers below were current
	Seconds  float64           `json:"seconds"`        // so far, or in all
	Requests uint64            `json:"requests"`
	Failures uint64            `json:"failures"`
	P95      float64           `json:"p95"` // seconds of response time, over the whole run
	Outcome  verdict.Outcome   `json:"outcome,omitempty"`
	Code     string            `json:"code,omitempty"` // of the finding that decided
	Summary  string            `json:"summary,omitempty"`
	Lost     []string          `json:"lost,omitempty"` // files that could not be written at the end

	Standing answer.Standing `json:"standing,omitempty"` // of the answer to the question of the test's type
	Answer   string          `json:"answer,omitempty"`   // in words
	Figures  []answer.Figure `json:"figures,omitempty"`  // of it, those that have a metric

	Key           string         `json:"key,omitempty"`            // runs with the same one can be compared; see KeyOf
	TargetVersion string         `json:"target_version,omitempty"` // of the system under test
	Commit        string         `json:"commit,omitempty"`
	Branch        string         `json:"branch,omitempty"`
	Comparison    stat.Judgement `json:"comparison,omitempty"` // with its baseline
	Compared      string         `json:"compared,omitempty"`   // the same in words
	Changes       []string       `json:"changes,omitempty"`    // that have lasted over the history, each in words
	Imported      string         `json:"imported,omitempty"`   // the tool that made it, if not this one
	RerunOf       string         `json:"rerun_of,omitempty"`   // the run that this one was made to confirm

	Problem string `json:"-"` // what is wrong with a damaged record
}

func newRecord(m *report.Meta, pid int, start time.Time) Record {
	return Record{
		Schema: recordSchema, ID: m.ID, State: Running, Plan: m.Plan, Test: m.Test, Type: m.Type, Labels: m.Labels, Target: m.Target,
		Version: m.Version, Host: m.Machine.Host, PID: pid, Start: start,
		Key: KeyOf(m), TargetVersion: m.TargetVersion, Commit: m.Commit, Branch: m.Branch,
	}
}

// take copies from a report what a list shows of it.
func (r *Record) take(from *report.Report) {
	if !from.Start.IsZero() {
		r.Start = from.Start
	}
	r.AsOf, r.Seconds = from.End, from.Seconds
	r.Requests, r.Failures, r.P95 = from.Total.Count, from.Total.Failures, from.Total.Response.P95
	if v := from.Verdict; v != nil {
		r.Outcome, r.Code, r.Summary = v.Outcome, v.Code(), v.Summary
	}
	if a := from.Answer; a != nil {
		r.Standing, r.Answer = a.Standing, a.Text
		r.Figures = slices.DeleteFunc(slices.Clone(a.Figures), func(f answer.Figure) bool { return f.Metric == "" })
	}
	if c := from.Comparison; c != nil {
		r.Comparison, r.Compared = c.Verdict, c.Summary
	}
	r.Changes = nil
	for i := range from.Changes {
		r.Changes = append(r.Changes, from.Changes[i].Text())
	}
}

func (r *Record) encode() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode record of run %s: %w", r.ID, err)
	}
	return append(b, '\n'), nil
}

func decodeRecord(b []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return Record{}, fmt.Errorf("read record: %w", err)
	}
	if r.Schema != recordSchema {
		return Record{}, fmt.Errorf("read record: its schema is %q, this version reads %q", r.Schema, recordSchema)
	}
	if r.State != Running && r.State != Finished {
		return Record{}, fmt.Errorf("read record: its state is %q", r.State)
	}
	if !isID(r.ID) {
		return Record{}, errors.New("read record: it has no valid id")
	}
	return r, nil
}

// The form of an id: 20261123-183142-load-k3f9, the time in UTC, the test, four random letters. None of the letters looks
// like another one.
const (
	timeForm   = "20060102-150405"
	timeLength = len(timeForm)
	letters    = "23456789abcdefghjkmnpqrstuvwxyz"
	maxTest    = 24
)

func newID(at time.Time, test string) string {
	var b strings.Builder
	b.WriteString(at.UTC().Format(timeForm))
	b.WriteByte('-')
	b.WriteString(slug(test))
	b.WriteByte('-')
	for range 4 {
		b.WriteByte(letters[rand.IntN(len(letters))])
	}
	return b.String()
}

// StartOf returns the second in which the run with an id was begun; ok is false for what is no id of a run.
func StartOf(id string) (at time.Time, ok bool) {
	if !isID(id) {
		return time.Time{}, false
	}
	at, err := time.Parse(timeForm, id[:timeLength])
	return at, err == nil
}

// slug makes a test's name fit for a folder's: small letters, digits and single hyphens.
func slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case b.Len() == maxTest:
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	if s := strings.TrimRight(b.String(), "-"); s != "" {
		return s
	}
	return "run"
}

// isID reports whether a folder's name is a run's.
func isID(name string) bool {
	if len(name) < timeLength+2 || name[timeLength] != '-' || strings.ContainsAny(name, "/\\") {
		return false
	}
	_, err := time.Parse(timeForm, name[:timeLength])
	return err == nil
}
