package experiment

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/catalog"
	"tidegauge/engine/outlet"
	"tidegauge/engine/store"
	"tidegauge/engine/telemetry"
	"tidegauge/engine/verdict"
)

// conclude ends the run's series, takes into the verdict what became of the outlets that have to be complete, and only then
// tells it: the store, the outlets and the report say one thing.
func (e *experiment) conclude(ctx, patience context.Context, v *verdict.Verdict, a *answer.Answer, figures func(at time.Time) []telemetry.Figure, start time.Time) (kept []error) {
	keep := func(write func(context.Context) error) {
		ctx, done := context.WithTimeout(ctx, endWithin)
		defer done()
		if err := write(ctx); err != nil {
			kept = append(kept, err)
		}
	}
	keep(func(ctx context.Context) error {
		return e.lab.Store.EndSeries(ctx, time.Now(), store.Label{Name: "run", Value: e.record.ID()})
	})
	books := e.lab.Outlets.Settle(patience)
	e.require(books)
	for i := range books {
		if b := &books[i]; b.Required && !b.Complete() {
			*v = v.With(verdict.Finding{Outcome: verdict.Inconclusive, Code: verdict.CodeOutlet, Message: fmt.Sprintf(
				"outlet %s has to be complete, and is not: when the run was judged, %d %s were waiting and %d were lost", b.Outlet, b.Waiting, b.Items(), b.Lost)})
		}
	}
	e.judged(v, start)
	// The answers come after the end of the series: they are what is to be seen of the run from now on.
	keep(func(ctx context.Context) error { return e.telemetry.Finish(ctx, results(v, a, figures, time.Now())) })
	keep(func(ctx context.Context) error { // what the store makes of the resource's attributes comes with each export
		return e.lab.Store.EndSeries(ctx, time.Now(), store.Label{Name: "__name__", Value: "target_info"}, store.Label{Name: "job", Value: "tidegauge"})
	})
	keep(e.exporter.Shutdown)
	return kept
}

// require marks the outlets that the plan needs complete.
func (e *experiment) require(books []outlet.Books) {
	for i := range books {
		books[i].Required = books[i].Required || slices.Contains(e.required, books[i].Outlet)
	}
}

func results(v *verdict.Verdict, a *answer.Answer, figures func(at time.Time) []telemetry.Figure, at time.Time) telemetry.Results {
	r := telemetry.Results{Time: at, Verdict: passed(v.Outcome), Objectives: map[string]telemetry.Answer{}, Figures: figures(at)}
	for _, f := range v.Objectives() {
		r.Objectives[f.Objective.Text] = passed(f.Outcome)
	}
	if a == nil {
		return r
	}
	standing := map[answer.Standing]float64{answer.Good: 1, answer.Bad: 0, answer.Undecided: -1}[a.Standing]
	r.Figures = append(r.Figures, telemetry.Figure{Metric: catalog.Answer, Subject: cmp.Or(a.Code, string(a.Standing)), Value: standing})
	for _, f := range a.Figures {
		if f.Metric != "" && f.Value != nil && !f.Censored {
			r.Figures = append(r.Figures, telemetry.Figure{Metric: f.Metric, Subject: f.Subject, Value: *f.Value, Low: f.Low, High: f.High})
		}
	}
	return r
}

func passed(o verdict.Outcome) telemetry.Answer {
	switch o {
	case verdict.Pass:
		return telemetry.Passed
	case verdict.Fail:
		return telemetry.Failed
	default:
		return telemetry.Undecided
	}
}

// causes returns one line for each thing that went wrong. A full disk, which everything that is written then runs into, is
// said once and in plain words.
func causes(errs []error) []string {
	var lines []string
	for _, err := range errs {
		line, _, _ := strings.Cut(err.Error(), "\n")
		if strings.Contains(line, syscall.ENOSPC.Error()) && !strings.Contains(line, "lost") {
			line = "the disk of the data directory is full, and part of the series is missing in the store"
		}
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}
