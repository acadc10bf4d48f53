package rule

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/catalog"
	"tidegauge/engine/plan"
	"tidegauge/engine/store"
)

// ObjectiveValue is the series that the rules of a plan record: what each objective speaks of, now, with the labels plan,
// test and objective.
const ObjectiveValue = "tidegauge:objective:value"

// AlertNotMet is the alert on an objective that is not met while a run lasts, AlertMissed the one on the answer at its end.
const (
	AlertNotMet = "TidegaugeObjectiveNotMet"
	AlertMissed = "TidegaugePlanObjectiveMissed"
)

const minWindow = time.Minute // of what is watched while a run lasts

// Skipped is an objective that cannot be watched while a run lasts, and why. Its answer at the end is alerted on.
type Skipped struct {
	Test, Objective, Why string
}

// ForPlan returns the rules of a plan: for each test of type load or soak the value of each objective while a run lasts in its
// steady part, and an alert when it is not met; for every test, an alert when the latest run missed an objective.
func ForPlan(p *plan.Plan) (File, []Skipped, error) {
	var f File
	var skipped []Skipped
	for i := range p.Tests {
		t := &p.Tests[i]
		g := Group{Name: "tidegauge " + p.Name + " " + t.Name, Interval: interval}
		if t.Type == plan.Load || t.Type == plan.Soak {
			for j := range t.Objectives {
				rules, why, err := live(p, t, &t.Objectives[j])
				if err != nil {
					return File{}, nil, fmt.Errorf("writing a rule for the objective %s: %w", t.Objectives[j].Text, err)
				}
				if why != "" {
					skipped = append(skipped, Skipped{t.Name, t.Objectives[j].Text, why})
				}
				g.Rules = append(g.Rules, rules...)
			}
		}
		g.Rules = append(g.Rules, missed(p, t))
		f.Groups = append(f.Groups, g)
	}
	return f, skipped, nil
}

// matchers select the series of a test.
func matchers(p *plan.Plan, t *plan.Test) []string {
	return []string{is(catalog.LabelPlan, p.Name), is(catalog.LabelTest, t.Name)}
}

// live returns what watches an objective while a run lasts, or why nothing does.
func live(p *plan.Plan, t *plan.Test, o *plan.Objective) (rules []Rule, why string, err error) {
	of := matchers(p, t)
	window := max(o.For, minWindow)
	r := Rule{Record: ObjectiveValue, Labels: with(nil, catalog.LabelPlan, p.Name, catalog.LabelTest, t.Name, catalog.LabelObjective, o.Text)}
	op, threshold := opposite(o.Op), o.Threshold
	stage := selector(catalog.Stage, append(slices.Clone(of), is(catalog.LabelStage, "steady"))...)
	steady := stage + " > 0"
	r.Guard = onRun(parenthesised(steady))
	if o.Metric == plan.PromQL {
		if strings.Contains(o.PromQL, "$run") {
			return nil, "it asks for one run by $run, which is known at the end of the run only", nil
		}
		window = max(window, 5*time.Minute)
		if r.Value, op, threshold, err = compared(lookingBack(o.PromQL, window)); err != nil {
			return nil, "", err
		}
		r.Guard = "and on () " + parenthesised(steady)
		if o.Preset == "memory" {
			r.Guard += fmt.Sprintf("\nand on () (%s offset %s > 0)", stage, Duration(window))
		}
	} else if r.Value = requestValue(o, of, Duration(window)); r.Value == "" {
		return nil, "a number of requests is that of a whole run", nil
	}
	alert := Rule{
		Alert: AlertNotMet, Value: fmt.Sprintf("%s{%s}", ObjectiveValue, strings.Join(append(of, is(catalog.LabelObjective, o.Text)), ", ")),
		Op: op, Threshold: threshold, For: window, Labels: with(nil, LabelSeverity, Warning),
		Summary:     fmt.Sprintf("%s, test %s: %s is not met", templated(p.Name), templated(t.Name), templated(o.Text)),
		Description: fmt.Sprintf("The value is {{ .Value | %s }} now and the objective has not been met for %s; the verdict comes at the end of the run.", format(o), Duration(window)),
	}
	return []Rule{r, alert}, "", nil
}

// requestValue is what an objective of requests speaks of, over a window; empty if that says nothing while a run lasts.
func requestValue(o *plan.Objective, of []string, window string) string {
	names := map[string]string{"name": catalog.LabelRequest, "class": catalog.LabelClass, "method": catalog.LabelMethod, "check": catalog.LabelCheck}
	of = slices.Clone(of)
	for _, key := range slices.Sorted(maps.Keys(o.Selector)) {
		of = append(of, is(names[key], o.Selector[key]))
	}
	and := func(more string) []string { return append(slices.Clone(of), more) }
	times := catalog.ResponseTime
	if o.Service {
		times = catalog.ServiceTime
	}
	switch o.Metric {
	case plan.Quantile:
		return quantile(o.Quantile, times, window, and(ended())...)
	case plan.Maximum:
		return quantile(1, times, window, and(ended())...)
	case plan.Mean:
		all := total(times, rate(selector(times, and(ended())...), window))
		return fmt.Sprintf("histogram_sum(%s) / histogram_count(%s)", all, all)
	case plan.ErrorRate:
		return share(catalog.Requests, window, and(failed()), and(ended()))
	case plan.Rate:
		return total(catalog.Requests, rate(selector(catalog.Requests, and(ended())...), window))
	case plan.CheckRate:
		return share(catalog.Checks, window, and(is(catalog.LabelOutcome, "pass")), of)
	}
	return ""
}

// compared takes an objective that is a comparison of PromQL apart, into what is to be recorded and when that is missed.
func compared(promql string) (value, op string, threshold float64, err error) {
	left, op, right, err := store.SplitComparison(promql)
	if err != nil {
		return "", "", 0, err
	}
	if n, err := fmt.Sscan(right, &threshold); err == nil && n == 1 && number(threshold) == right {
		return left, opposite(op), threshold, nil
	}
	return parenthesised(left) + " - " + parenthesised(right), opposite(op), 0, nil
}

// opposite returns the operator that holds where another does not.
func opposite(op string) string {
	return map[string]string{"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}[op]
}

// missed returns the alert on the latest run of a test.
func missed(p *plan.Plan, t *plan.Test) Rule {
	of := matchers(p, t)
	events := selector(catalog.EventTime, append(slices.Clone(of), is(catalog.LabelKind, "verdict"))...)
	return Rule{
		Alert: AlertMissed, Value: last(selector(catalog.Objective, of...), verdictAge), Op: "<", Threshold: 1,
		Guard:       onRun(fmt.Sprintf("topk %s (1, %s)", ofTest(), last(events, verdictAge))),
		Labels:      with(nil, LabelSeverity, Critical),
		Summary:     fmt.Sprintf("%s, test %s missed {{ .Labels.objective }}", templated(p.Name), templated(t.Name)),
		Description: "The latest run of the test, {{ .Labels.run }}, missed {{ .Labels.objective }} (answer {{ .Value }}: 1 is met, 0 is missed).",
	}
}

// templated writes a text so that a template shows it as it is.
func templated(text string) string {
	return strings.ReplaceAll(text, "{{", `{{ "{{" }}`)
}

// format is the function of templates that writes a value of an objective.
func format(o *plan.Objective) string {
	switch {
	case o.Metric == plan.Quantile, o.Metric == plan.Mean, o.Metric == plan.Maximum, o.Unit == "s":
		return "humanizeDuration"
	case o.Metric == plan.ErrorRate, o.Metric == plan.CheckRate, o.Unit == "ratio":
		return "humanizePercentage"
	}
	return "humanize"
}
