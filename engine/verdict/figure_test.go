package verdict

import (
	"strings"
	"testing"

	"tidegauge/engine/answer"
	"tidegauge/engine/catalog"
	"tidegauge/engine/plan"
)

func TestObjectivesOnFigures(t *testing.T) {
	a := &answer.Answer{Standing: answer.Good, Figures: []answer.Figure{
		{Metric: catalog.RecoveryTime, Subject: "cut", Value: new(4.0), Unit: "s"},
		{Metric: catalog.RecoveryTime, Subject: "status", Value: new(12.0), Unit: "s"},
		{Metric: catalog.DrainTime, Subject: "cut", Value: new(20.0), Unit: "s", Censored: true},
		{Metric: catalog.DetectionTime, Subject: "cut", Text: "it did not show"},
		{Metric: catalog.Availability, Subject: "cut", Value: new(0.98), Low: new(0.97), High: new(0.995), Unit: "ratio"},
	}}
	for text, want := range map[string]struct {
		outcome Outcome
		code    string
		message string
		warning string
	}{
		"recovery_time < 30s":                    {Pass, CodeObjective, "(status) met: 12 s", ""},
		"recovery_time < 10s":                    {Fail, CodeObjective, "recovery_time < 10s (status) missed: 12 s", ""},
		`recovery_time{subject="cut"} < 10s`:     {Pass, CodeObjective, "met: 4 s", ""},
		`recovery_time{subject="reset"} < 10s`:   {Inconclusive, CodeNoData, "the answer has it of cut, status only", ""},
		"drain_time < 10s":                       {Fail, CodeObjective, "missed: more than 20 s", ""},
		"drain_time < 30s":                       {Inconclusive, CodeSamples, "more than 20 s, and how much more is not known", ""},
		"drain_time > 10s":                       {Pass, CodeObjective, "met: more than 20 s", ""},
		"detection_time < 5s":                    {NoData, CodeNoData, "(cut): it did not show", ""},
		"availability > 99%":                     {Fail, CodeObjective, "missed: 98%", "includes the limit"},
		"availability >= 97%":                    {Pass, CodeObjective, "met: 98%", ""},
		"breaker_trips == 1":                     {Inconclusive, CodeNoData, "gave no answer with this figure", ""},
		`availability{subject="cut"} > 0.5`:      {Pass, CodeObjective, "> 0.5 met: 98%", ""},
		`recovery_time{subject="status"} >= 13s`: {Fail, CodeObjective, "missed: 12 s", ""},
	} {
		p, err := plan.Parse("plan.yaml", []byte(`
target: {base_url: "http://localhost"}
classes: {User: {tasks: [{get: /}]}}
proxies: {database: {tcp: "localhost:1", listen: ":0"}}
tests: {recovery: {type: recovery, arrivals: 10/s, duration: 1m, objectives: ['`+text+`', failures >= 0], faults: [{at: 1s, for: 1s, tcp: database, cut: true}]}}
`), plan.Options{})
		if err != nil {
			t.Fatal(err)
		}
		f := newFakeRun(t, Options{Test: &p.Tests[0]})
		f.judge.Answer(a)
		f.seconds(60, work{n: 10, seconds: 0.1})
		got := f.end().Objectives()[0]
		if got.Outcome != want.outcome || got.Code != want.code || !strings.Contains(got.Message, want.message) || !strings.Contains(strings.Join(got.Warnings, ""), want.warning) {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

// What the generator did wrong may have made the answer.
func TestFiguresAreDoubtedWithTheGenerator(t *testing.T) {
	o := plan.Objective{Text: "recovery_time < 1s", Metric: plan.Figure, Figure: catalog.RecoveryTime, Op: "<", Threshold: 1}
	f := newFakeRun(t, Options{Test: loadTest(o)})
	f.judge.Answer(&answer.Answer{Standing: answer.Good, Figures: []answer.Figure{{Metric: catalog.RecoveryTime, Value: new(4.0), Unit: "s"}}})
	v := f.usual(work{n: 100, seconds: 0.1, late: 1})
	if got := v.Objectives()[0]; got.Outcome != Inconclusive || !strings.Contains(strings.Join(got.Warnings, ""), "missed, but the generator was late") {
		t.Errorf("%+v", got)
	}
}
