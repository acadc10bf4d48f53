// Package verdict decides whether a run passed, and says why.
//
// A Judge watches the snapshots of a run. It judges the objectives of the plan over one part of the run: of the tests of
// type load and soak over the longest steady stretch of the shape (of several equally long ones the last), of the others,
// and of a shape without a steady stretch, over all of it. When nothing follows the part it lasts until the run's end, so
// that what was under way when the load ended counts: a target that hangs at the end is not flattered.
//
// Of a load or soak test the warm-up is left out, which the plan gives or which was found in the run: LeaveOut makes the part
// begin at one of up to 128 moments whose state was kept, for objectives of every kind. Where response times were not steady
// after it (NotSteady) quantiles and means are inconclusive, unless each quarter of the part by itself says the same; what is
// counted stands.
//
// Recovery and spike tests disturb a target on purpose. Their objectives say what is to hold when it is well: they are judged
// over the run without its disturbances, each from its beginning until the target was back (Disturbed), or until the next one or
// the end where it did not come back. What may happen meanwhile is said by objectives with `for`, whose windows slide over all of
// the run, and by objectives on the figures of the answer, as recovery_time < 30s. An objective with `abort` and without `for`
// ends such a run only before the first disturbance. PromQL is asked over
// the whole run, that of presets over the longest stretch without a disturbance.
//
// An objective is decided by its value. It fails when the value misses the limit; where the 95% interval of the value
// includes the limit a warning says so. It is inconclusive only when there are too few samples for the statistic (30 beyond
// a quantile, 30 in all for a mean or a ratio), unless the whole interval lies on one side of the limit.
//
// The outcome of a run is, in this order:
//
//   - inconclusive when the books do not balance: then no number can be trusted;
//   - inconclusive when requests failed since the generator ran out of files, ports or memory: what the target would have
//     done with them nobody knows, and what it did with the others was under another load than the plan's;
//   - inconclusive when a fault of the test could not be started or undone: the target was tried with other things than the plan's;
//   - fail when any finding is a failure;
//   - inconclusive when any finding says that what was measured cannot carry an answer;
//   - inconclusive when there are objectives and none of them had data;
//   - pass.
//
// When the generator was late, or made less than the load intended, objectives of latency and of a rate or count not reached
// are inconclusive where they are missed, since the miss may be our own doing; a missed error or check rate stays a failure.
// The same holds when the generator used more than 90% of its processors over 5 s of the part, or its goroutines waited for a
// thread for longer than it may be late, since what it measures then includes its own waiting: but that can only make times
// longer and rates lower, so a run that met its objectives all the same has passed, with a warning.
//
// A test that finds its load itself (a search for the capacity, a step test) is judged by its answer: its objectives are the
// criteria of its trials (see Trial), of which some have to miss them, and so neither they nor what an overload does to
// the generator's schedule are findings on the run. It passes when the search came to its end, fails when the lowest load is too
// much already, and is inconclusive when the budget, the generator or a person ended it, unless what it found until then meets
// an objective on the capacity.
package verdict

import (
	"context"
	"slices"
	"time"
)

// Outcome is the answer of a run or of one objective.
type Outcome string

// The outcomes.
const (
	Pass         Outcome = "pass"
	Fail         Outcome = "fail"
	Inconclusive Outcome = "inconclusive" // what was measured cannot carry an answer
	// NoData says nothing about the run: it is of a preset for which the servers show nothing, and of response times that only
	// failed requests had.
	NoData Outcome = "no data"
)

// The codes of findings, for programs; Verdict.Code is the one that decided.
const (
	CodeObjective    = "objective"     // an objective was met or missed
	CodeSamples      = "samples"       // too few samples for an objective
	CodeUndecided    = "undecided"     // a test that was to decide an objective was over before it was
	CodeNotSteady    = "not_steady"    // response times did not stay where they were, and a quantile or mean depends on when
	CodeNoData       = "no_data"       // nothing was measured of what an objective speaks of, or at all
	CodeQuery        = "query"         // a PromQL objective could not be evaluated
	CodeBooks        = "books"         // the accounts do not balance
	CodeGenerator    = "generator"     // requests failed since the generator ran out of something
	CodeFault        = "fault"         // a fault of the test could not be started, or not be undone
	CodeLateness     = "lateness"      // the generator sent too late
	CodeCPU          = "generator_cpu" // the generator had too little CPU, and an objective was missed
	CodeStartRate    = "start_rate"    // the generator made less load than intended
	CodeDropped      = "dropped"       // too much due work was never started, for want of a free user
	CodeExceptions   = "exceptions"    // expressions of the plan failed
	CodeStopped      = "stopped"       // the run ended before its shape was over
	CodeChanged      = "changed"       // somebody changed the load where it was to be judged
	CodeHalted       = "halted"        // the run was ended to spare the target
	CodeAborted      = "aborted"       // a missed objective with `abort` ended the run
	CodeUnreachable  = "unreachable"   // no request got any answer
	CodeOutlet       = "outlet"        // an outlet that has to be complete is not
	CodeFailures     = "failures"      // requests failed, and no objective judges them
	CodeNoObjectives = "no_objectives" // nothing failed, and the plan names no objectives
)

// Finding is one reason.
type Finding struct {
	Outcome   Outcome          `json:"outcome"`
	Code      string           `json:"code"` // one of the constants
	Message   string           `json:"message"`
	Objective *ObjectiveResult `json:"objective,omitempty"`
	Warnings  []string         `json:"warnings,omitempty"`
}

// ObjectiveResult is what an objective came to.
type ObjectiveResult struct {
	Text        string   `json:"text"`
	Preset      string   `json:"preset,omitempty"` // it is part of
	Value       *float64 `json:"value"`            // in the unit; null: no data
	Low         *float64 `json:"low,omitempty"`    // 95% confidence interval, where there is one; an open end is left out
	High        *float64 `json:"high,omitempty"`
	Threshold   float64  `json:"threshold"`
	Unit        string   `json:"unit"` // s, ratio, 1/s, 1; empty for PromQL
	Samples     uint64   `json:"samples"`
	Windows     int      `json:"windows,omitempty"`        // windows of `for` that were judged
	Missed      int      `json:"missed_windows,omitempty"` // those that missed the limit
	Skipped     int      `json:"skipped_windows,omitempty"`
	WorstWindow *Window  `json:"worst_window,omitempty"` // for objectives with `for`
}

// Window is a stretch of the run.
type Window struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Value float64   `json:"value"`
}

// Part is the part of the run over which objectives were judged.
type Part struct {
	Name    string    `json:"name"` // "steady part", "whole run" or "undisturbed part", and the warm-up that was left out
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Without []Gap     `json:"without,omitempty"` // what of it was left out: faults or surges, until the target was back
}

// Gap is a stretch of the run that was left out.
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Verdict is the answer of a run.
type Verdict struct {
	Outcome  Outcome   `json:"outcome"`
	Summary  string    `json:"summary"` // one line
	Part     *Part     `json:"part,omitempty"`
	Warnings []string  `json:"warnings,omitempty"` // of how the generator did; they decide nothing
	Findings []Finding `json:"findings"`           // those of the run by weight, then the objectives in the order of the plan
}

// Deciding returns the finding that decided, the first one with the verdict's outcome; nil when there is none.
func (v Verdict) Deciding() *Finding {
	i := slices.IndexFunc(v.Findings, func(f Finding) bool { return f.Outcome == v.Outcome })
	if i < 0 {
		return nil
	}
	return &v.Findings[i]
}

// Code returns the code of the finding that decided, or "".
func (v Verdict) Code() string {
	if f := v.Deciding(); f != nil {
		return f.Code
	}
	return ""
}

// With returns the verdict with one more finding of the run, which can keep it from passing.
func (v Verdict) With(f Finding) Verdict {
	i := slices.IndexFunc(v.Findings, func(f Finding) bool { return f.Objective != nil })
	if i < 0 {
		i = len(v.Findings)
	}
	v.Findings = slices.Insert(slices.Clone(v.Findings), i, f)
	if v.Outcome == Pass && f.Outcome != Pass {
		v.Outcome = f.Outcome
		v.Summary = summary(&v, nil)
	}
	return v
}

// Objectives returns the findings on objectives.
func (v Verdict) Objectives() []Finding {
	var objectives []Finding
	for _, f := range v.Findings {
		if f.Objective != nil {
			objectives = append(objectives, f)
		}
	}
	return objectives
}

// Querier compares the two sides of a PromQL expression.
type Querier interface {
	// Compare evaluates an expression such as max(x) < 2e9, which has a comparison at its top, at a moment. It returns the
	// values on the left, those on the right, and whether the comparison held for every element of the left side. No
	// element on the left is no error: left is then empty and held means nothing.
	Compare(ctx context.Context, expr string, at time.Time) (left, right []float64, held bool, err error)
}
