package announce

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/history"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
)

// Schema names the form of an Announcement and its version: within v1 members are added, never changed or removed.
const Schema = "tidegauge.announcement/v1"

// Announcement is how a run ended. All times are in seconds, all ratios 0..1.
type Announcement struct {
	Schema     string          `json:"schema"`
	Run        Run             `json:"run"`
	Start      time.Time       `json:"start"`
	End        time.Time       `json:"end"`
	Seconds    float64         `json:"seconds"`
	Good       bool            `json:"good"` // it passed, and is no confirmed regression
	Outcome    verdict.Outcome `json:"outcome"`
	Code       string          `json:"code,omitempty"` // of the finding that decided
	Summary    string          `json:"summary"`
	Before     verdict.Outcome `json:"outcome_before,omitempty"` // of the run of the test before; missing: there was none
	Changed    bool            `json:"changed"`                  // good where that was not, or the other way
	Objectives []Objective     `json:"objectives"`
	Answer     *Answer         `json:"answer,omitempty"`
	Comparison *Comparison     `json:"comparison,omitempty"`
	Requests   uint64          `json:"requests"`
	Failures   uint64          `json:"failures"`
	Rate       float64         `json:"rate"`
	P50        float64         `json:"p50"` // of response time, whole run; 0 where nothing finished
	P95        float64         `json:"p95"`
	P99        float64         `json:"p99"`
	Link       string          `json:"link,omitempty"`
}

// Run is which run it is.
type Run struct {
	ID            string            `json:"id"`
	Plan          string            `json:"plan"`
	Test          string            `json:"test"`
	Type          plan.Type         `json:"type"`
	Target        string            `json:"target"`
	Labels        map[string]string `json:"labels,omitempty"`
	TargetVersion string            `json:"target_version,omitempty"`
	Commit        string            `json:"commit,omitempty"`
	Branch        string            `json:"branch,omitempty"`
	Host          string            `json:"host"` // of the generator
	Version       string            `json:"version"`
}

// Objective is what an objective came to.
type Objective struct {
	Text      string          `json:"text"`
	Outcome   verdict.Outcome `json:"outcome"`
	Value     *float64        `json:"value"` // null: no data
	Low       *float64        `json:"low,omitempty"`
	High      *float64        `json:"high,omitempty"`
	Threshold float64         `json:"threshold"`
	Unit      string          `json:"unit"`
}

// Answer is that to the question of the test's type.
type Answer struct {
	Question string          `json:"question"`
	Text     string          `json:"text"`
	Standing answer.Standing `json:"standing"`
}

// Comparison is how the run stands against its baseline.
type Comparison struct {
	Verdict   stat.Judgement `json:"verdict"`
	Confirmed bool           `json:"confirmed"`
	Summary   string         `json:"summary"`
}

// Of returns the announcement of a finished run. Before is the run of the test before it, nil if there was none; see Before.
func Of(r *report.Report, before *history.Record) *Announcement {
	m := &r.Run
	a := &Announcement{
		Schema: Schema, Start: r.Start, End: r.End, Seconds: r.Seconds, Objectives: []Objective{},
		Run: Run{
			ID: m.ID, Plan: m.Plan, Test: m.Test, Type: m.Type, Target: m.Target, Labels: m.Labels, TargetVersion: m.TargetVersion, Commit: m.Commit, Branch: m.Branch,
			Host: m.Machine.Host, Version: m.Version,
		},
		Requests: r.Total.Count, Failures: r.Total.Failures, Rate: r.Total.Rate, P50: r.Total.Response.P50, P95: r.Total.Response.P95, P99: r.Total.Response.P99,
	}
	if v := r.Verdict; v != nil {
		a.Outcome, a.Code, a.Summary = v.Outcome, v.Code(), v.Summary
		for _, f := range v.Objectives() {
			o := f.Objective
			a.Objectives = append(a.Objectives, Objective{o.Text, f.Outcome, o.Value, o.Low, o.High, o.Threshold, o.Unit})
		}
	}
	a.Good = a.Outcome == verdict.Pass
	if c := r.Comparison; c != nil {
		a.Comparison = &Comparison{c.Verdict, c.Confirmed, c.Summary}
		a.Good = a.Good && !(c.Verdict == stat.Regression && c.Confirmed)
	}
	if x := r.Answer; x != nil {
		a.Answer = &Answer{x.Question, x.Text, x.Standing}
	}
	a.Changed = !a.Good
	if before != nil {
		a.Before = before.Outcome
		a.Changed = a.Good != (before.Outcome == verdict.Pass)
	}
	return a
}

// Before returns the run of the same test of the same plan that finished last before a run, nil if there is none among the newest. Reruns, made
// to confirm another run, do not count.
func Before(h *history.History, r *report.Report) (*history.Record, error) {
	const newest = 200
	records, _, err := h.Newest(newest)
	if err != nil {
		return nil, fmt.Errorf("looking for the run before: %w", err)
	}
	i := slices.IndexFunc(records, func(b history.Record) bool {
		return b.ID != r.Run.ID && b.Plan == r.Run.Plan && b.Test == r.Run.Test && b.State == history.Finished && b.RerunOf == "" && b.Start.Before(r.Start)
	})
	if i < 0 {
		return nil, nil //nolint:nilnil // there is none
	}
	return &records[i], nil
}

func (h *Hook) body(a *Announcement) ([]byte, error) {
	one := *a
	if h.Link != "" {
		one.Link = strings.ReplaceAll(h.Link, "{run}", url.PathEscape(a.Run.ID))
	}
	var body any = &one
	if h.Form == Slack {
		body = slackOf(&one)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encoding the announcement: %w", err)
	}
	return text, nil
}
