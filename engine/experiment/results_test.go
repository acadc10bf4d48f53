package experiment

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/answer"
	"tidegauge/engine/catalog"
	"tidegauge/engine/telemetry"
	"tidegauge/engine/verdict"
)

// The store gets the standing of every answer, and its figures but those that are for people only or not over.
func TestResultsHaveTheAnswer(t *testing.T) {
	figures := []answer.Figure{
		{Title: "time to recover", Metric: catalog.RecoveryTime, Subject: "cut", Value: new(3.0), Low: new(2.0), Unit: "s"},
		{Title: "time to recover", Metric: catalog.RecoveryTime, Subject: "delay", Value: new(30.0), Censored: true, Unit: "s"},
		{Title: "time to detect", Metric: catalog.DetectionTime, Subject: "cut", Unit: "s", Text: "it did not show"},
		{Title: "for people", Value: new(1.0)},
	}
	recovered := telemetry.Figure{Metric: catalog.RecoveryTime, Subject: "cut", Value: 3, Low: new(2.0)}
	for _, c := range []struct {
		a    *answer.Answer
		want []telemetry.Figure
	}{
		{nil, nil},
		{&answer.Answer{Standing: answer.Good, Figures: figures}, []telemetry.Figure{{Metric: catalog.Answer, Subject: "good", Value: 1}, recovered}},
		{&answer.Answer{Standing: answer.Good, Code: answer.CodeCapacity}, []telemetry.Figure{{Metric: catalog.Answer, Subject: "capacity", Value: 1}}},
		{&answer.Answer{Standing: answer.Bad, Code: answer.CodeLeak}, []telemetry.Figure{{Metric: catalog.Answer, Subject: "leak", Value: 0}}},
		{&answer.Answer{Standing: answer.Undecided, Code: answer.CodeTooShort}, []telemetry.Figure{{Metric: catalog.Answer, Subject: "too_short", Value: -1}}},
	} {
		if diff := cmp.Diff(c.want, results(&verdict.Verdict{}, c.a, func(time.Time) []telemetry.Figure { return nil }, time.Time{}).Figures); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.a, diff)
		}
	}
}
