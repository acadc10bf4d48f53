package rule_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidegauge/engine/plan"
	"tidegauge/engine/rule"
)

func parsed(t *testing.T, file string) *plan.Plan {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Parse(file, text, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// write writes the rules of a plan and their unit tests into a folder.
func write(t *testing.T, p *plan.Plan, dir string) (rules, tests string) {
	t.Helper()
	f, _, err := rule.ForPlan(p)
	if err != nil {
		t.Fatal(err)
	}
	text, err := f.YAML("Rules.")
	if err != nil {
		t.Fatal(err)
	}
	unit, err := rule.UnitTests(p, "rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rules, tests = filepath.Join(dir, "rules.yaml"), filepath.Join(dir, "test.yaml")
	for file, text := range map[string][]byte{rules: text, tests: unit} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return rules, tests
}

// TestPromtoolOnPlans: the rules of every example plan are right, and pass the tests that come with them.
func TestPromtoolOnPlans(t *testing.T) {
	tools := promtools(t)
	plans, err := filepath.Glob("../../deploy/plans/*.yaml")
	if err != nil || len(plans) < 3 {
		t.Fatalf("%d plans, %v", len(plans), err)
	}
	for _, file := range plans {
		rules, tests := write(t, parsed(t, file), t.TempDir())
		for _, promtool := range tools {
			run(t, promtool, "check", "rules", rules)
		}
		run(t, tools[len(tools)-1], "test", "rules", tests)
	}
}

const everyObjective = `
name: shop
target: {base_url: "http://127.0.0.1:1"}
classes:
  Buyer:
    tasks: [{name: buy, steps: [{get: /, name: home, check: [status == 200]}]}]
objectives:
  - p95 < 500ms
  - service.p99{name="home"} <= 1s for 2m
  - mean < 0.2s
  - max < 5s
  - error_rate < 1%
  - rate > 20/s
  - check_rate{check="status == 200"} > 99%
  - failures < 10
  - promql: max(up{job="shop"}) == 1
  - promql: sum(rate(x_total{run="$run"}[$range])) < 1
tests:
  load: {users: 5, spawn_rate: 1, duration: 10m}
  stress: {type: stress, arrivals: {from: 1/s, to: 10/s}, duration: 1m}
`

// TestObjectivesAsRules: what each kind of objective becomes.
func TestObjectivesAsRules(t *testing.T) {
	p, err := plan.Parse("shop.yaml", []byte(everyObjective), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, skipped, err := rule.ForPlan(p)
	if err != nil {
		t.Fatal(err)
	}
	const guard = "\nand on (run) (tidegauge_stage{plan=\"shop\", test=\"load\", stage=\"steady\"} > 0)"
	const without = `sum without (class, request, method, outcome, otel_metric_overflow) `
	of := `plan="shop", test="load", `
	times := without + `(rate(tidegauge_response_time_seconds{` + of + `outcome!="cut"}[1m]))`
	share := func(part, all, without, window string) string {
		sum := func(s string) string { return without + "(rate(" + s + "[" + window + "]))" }
		return "((" + sum(part) + " or 0 * " + sum(all) + ") / " + sum(all) + ")"
	}
	want := []struct{ objective, record, alert, lasting string }{
		{"p95 < 500ms", `histogram_quantile(0.95, ` + without + `(rate(tidegauge_response_time_seconds{` + of + `outcome!="cut"}[1m])))` + guard, ">= 0.5", "1m"},
		{`service.p99{name="home"} <= 1s for 2m`, `histogram_quantile(0.99, sum without (class, request, method, outcome, http_request_method, error_type, otel_metric_overflow) ` +
			`(rate(http_client_request_duration_seconds{` + of + `request="home", outcome!="cut"}[2m])))` + guard, "> 1", "2m"},
		{"mean < 0.2s", "(histogram_sum(" + times + ") / histogram_count(" + times + "))" + guard, ">= 0.2", "1m"},
		{"max < 5s", `histogram_quantile(1, ` + without + `(rate(tidegauge_response_time_seconds{` + of + `outcome!="cut"}[1m])))` + guard, ">= 5", "1m"},
		{"error_rate < 1%", share(`tidegauge_requests_total{`+of+`outcome!~"ok|cut"}`, `tidegauge_requests_total{`+of+`outcome!="cut"}`, without, "1m") + guard, ">= 0.01", "1m"},
		{"rate > 20/s", without + `(rate(tidegauge_requests_total{` + of + `outcome!="cut"}[1m]))`, "<= 20", "1m"},
		{`check_rate{check="status == 200"} > 99%`, share(`tidegauge_checks_total{`+of+`check="status == 200", outcome="pass"}`, `tidegauge_checks_total{`+of+`check="status == 200"}`,
			"sum without (class, request, method, check, outcome, otel_metric_overflow) ", "1m") + guard, "<= 0.99", "1m"},
		{`max(up{job="shop"}) == 1`, "max(up{job=\"shop\"})\n" + `and on () (tidegauge_stage{plan="shop", test="load", stage="steady"} > 0)`, "!= 1", "5m"},
	}
	rules := f.Groups[0].Rules
	if len(rules) != 2*len(want)+1 {
		t.Fatalf("%d rules, want %d", len(rules), 2*len(want)+1)
	}
	for i, w := range want {
		record, alert := rules[2*i], rules[2*i+1]
		if got := record.Expr(); !strings.HasPrefix(got, w.record) && !strings.HasPrefix(got, "("+w.record+")") {
			t.Errorf("%s records\n%s\nwant\n%s", w.objective, got, w.record)
		}
		if record.Labels["objective"] != w.objective {
			t.Errorf("the record of %s is labelled %v", w.objective, record.Labels)
		}
		if got := alert.Expr(); got != fmt.Sprintf("tidegauge:objective:value{plan=%q, test=%q, objective=%q} %s", "shop", "load", w.objective, w.alert) {
			t.Errorf("%s alerts on %s", w.objective, got)
		}
		if got := rule.Duration(alert.For); got != w.lasting {
			t.Errorf("%s alerts after %s, want %s", w.objective, got, w.lasting)
		}
	}
	if len(skipped) != 2 || skipped[0].Objective != "failures < 10" || !strings.Contains(skipped[1].Why, "$run") {
		t.Errorf("skipped: %+v", skipped)
	}
	if stress := f.Groups[1].Rules; len(stress) != 1 || stress[0].Alert != rule.AlertMissed {
		t.Errorf("a stress test is watched while it lasts: %+v", stress)
	}
	rules1, tests := write(t, p, t.TempDir())
	tools := promtools(t)
	for _, promtool := range tools {
		run(t, promtool, "check", "rules", rules1)
	}
	run(t, tools[len(tools)-1], "test", "rules", tests)
}
