// Package verdict decides whether a run passed, and says why.
package verdict

import (
	"context"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
)

// Outcome is the answer of a run or of one objective.
type Outcome string

// The outcomes.
const (
	Pass         Outcome = "pass"
	Fail         Outcome = "fail"
	Inconclusive Outcome = "inconclusive" // what was measured cannot carry an answer
)

// Finding is one reason.
type Finding struct {
	Outcome   Outcome          `json:"outcome"`
	Code      string           `json:"code"` // objective, lateness, dropped, samples, books, no_data, unreachable, exceptions, stopped, …
	Message   string           `json:"message"`
	Objective *ObjectiveResult `json:"objective,omitempty"`
	Warnings  []string         `json:"warnings,omitempty"`
}

// ObjectiveResult is what an objective came to.
type ObjectiveResult struct {
	Text        string   `json:"text"`
	Value       *float64 `json:"value"`         // in the unit; null: no data
	Low         *float64 `json:"low,omitempty"` // 95% confidence interval, where there is one
	High        *float64 `json:"high,omitempty"`
	Threshold   float64  `json:"threshold"`
	Unit        string   `json:"unit"` // s, ratio, 1/s, 1
	Samples     uint64   `json:"samples"`
	WorstWindow *Window  `json:"worst_window,omitempty"` // for objectives with `for`
}

// Window is a stretch of the run.
type Window struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Value float64   `json:"value"`
}

// Verdict is the answer of a run.
type Verdict struct {
	Outcome  Outcome   `json:"outcome"`
	Summary  string    `json:"summary"` // one line
	Findings []Finding `json:"findings"`
}

// Querier answers PromQL; store.Store is one.
type Querier interface {
	// Scalar evaluates expr over [from, to] ending at to; the values of all elements.
	Values(ctx context.Context, expr string, at time.Time) ([]float64, error)
}

// Judge watches a run as a measure.Sink and gives its verdict at the end.
type Judge struct{}

// Options configure a Judge.
type Options struct {
	Plan        *plan.Plan
	Test        *plan.Test
	Querier     Querier             // nil: PromQL objectives are inconclusive
	Abort       func(reason string) // called once, when an objective with `abort` is missed
	MaxLateness time.Duration       // p99 above which the generator was too late; default 10 ms
}

// NewJudge returns a judge.
func NewJudge(o Options) *Judge { panic("stub") }

// Consume implements measure.Sink.
func (j *Judge) Consume(ctx context.Context, s *measure.Snapshot) error { panic("stub") }

// Verdict decides, after the final snapshot.
func (j *Judge) Verdict(ctx context.Context) Verdict { panic("stub") }
