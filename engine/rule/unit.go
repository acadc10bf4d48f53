package rule

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tidegauge/engine/catalog"
	"tidegauge/engine/plan"
)

// The form of promtool's unit tests: https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
type (
	unitFile struct {
		RuleFiles []string   `yaml:"rule_files"`
		Interval  string     `yaml:"evaluation_interval"`
		Tests     []unitTest `yaml:"tests"`
	}
	unitTest struct {
		Name     string       `yaml:"name"`
		Interval string       `yaml:"interval"`
		Series   []unitSeries `yaml:"input_series"`
		Alerts   []unitAlert  `yaml:"alert_rule_test"`
	}
	unitSeries struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	unitAlert struct {
		At     string           `yaml:"eval_time"`
		Name   string           `yaml:"alertname"`
		Alerts []map[string]any `yaml:"exp_alerts"`
	}
)

// UnitTests returns unit tests for promtool 3 of the rules of a plan, which are in a file of that name beside them. Each
// test of the plan has a run that misses an objective, whose alert comes with its end, and one that meets it,
// whose end takes the alert away. A run without load raises no alert on an objective while it lasts.
func UnitTests(p *plan.Plan, rules string) ([]byte, error) {
	out := unitFile{RuleFiles: []string{rules}, Interval: "1m"}
	for i := range p.Tests {
		t := &p.Tests[i]
		rule := missed(p, t)
		const objective = "p95 < 1ms"
		series := func(metric, run string, values string, more ...string) unitSeries {
			return unitSeries{selector(metric, append([]string{is(catalog.LabelRun, run), is(catalog.LabelPlan, p.Name), is(catalog.LabelTest, t.Name)}, more...)...), values}
		}
		verdict := is(catalog.LabelKind, "verdict")
		ended := func(run string, minute int, objectiveValue string) []unitSeries {
			before := strings.Repeat("_ ", minute)
			return []unitSeries{
				series(catalog.EventTime, run, before+strconv.Itoa(60*minute)+" stale", verdict, is(catalog.LabelText, "")),
				series(catalog.Objective, run, before+objectiveValue+" stale", is(catalog.LabelObjective, objective)),
			}
		}
		labels := with(rule.Labels, catalog.LabelRun, "r1", catalog.LabelPlan, p.Name, catalog.LabelTest, t.Name, catalog.LabelObjective, objective)
		expected := map[string]any{"exp_labels": labels, "exp_annotations": map[string]string{
			"summary":      fmt.Sprintf("%s, test %s missed %s", p.Name, t.Name, objective),
			"description":  fmt.Sprintf("The latest run of the test, r1, missed %s (answer 0: 1 is met, 0 is missed).", objective),
			annotationBook: rule.Runbook(),
		}}
		at := func(d time.Duration, alerts ...map[string]any) unitAlert {
			return unitAlert{strconv.Itoa(int(d.Minutes())) + "m", AlertMissed, alerts}
		}
		quiet := func(d time.Duration) unitAlert { return unitAlert{Duration(d), AlertNotMet, nil} }
		out.Tests = append(out.Tests,
			unitTest{p.Name + " " + t.Name + ": a run that missed an objective", "1m", ended("r1", 2, "0"), []unitAlert{
				at(time.Minute), at(10*time.Minute, expected), quiet(10 * time.Minute),
			}},
			unitTest{p.Name + " " + t.Name + ": the next run meets it", "1m", append(ended("r1", 2, "0"), ended("r2", 9, "1")...), []unitAlert{
				at(5*time.Minute, expected), at(10 * time.Minute),
			}},
		)
	}
	return encode("For promtool 3: promtool test rules FILE. Written by tidegauge rules, as the rules are.", out)
}
