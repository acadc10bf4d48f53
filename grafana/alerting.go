package grafana

import (
	"bytes"
	"fmt"
	"maps"
	"strings"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/rule"
)

// DatasourceUID is the uid of the provisioned data source, which alert rules name.
const DatasourceUID = "tidegauge"

// The form of provisioned alert rules: https://grafana.com/docs/grafana/latest/alerting/set-up/provision-alerting-resources/file-provisioning/
type (
	alertFile struct {
		APIVersion int          `yaml:"apiVersion"`
		Groups     []alertGroup `yaml:"groups"`
	}
	alertGroup struct {
		OrgID    int         `yaml:"orgId"`
		Name     string      `yaml:"name"`
		Folder   string      `yaml:"folder"`
		Interval string      `yaml:"interval"`
		Rules    []alertRule `yaml:"rules"`
	}
	alertRule struct {
		UID          string            `yaml:"uid"`
		Title        string            `yaml:"title"`
		Condition    string            `yaml:"condition"`
		Data         []alertQuery      `yaml:"data"`
		NoDataState  string            `yaml:"noDataState"`
		ExecErrState string            `yaml:"execErrState"`
		For          string            `yaml:"for"`
		Labels       map[string]string `yaml:"labels"`
		Annotations  map[string]string `yaml:"annotations"`
	}
	alertQuery struct {
		RefID         string         `yaml:"refId"`
		TimeRange     map[string]int `yaml:"relativeTimeRange"`
		DatasourceUID string         `yaml:"datasourceUid"`
		Model         map[string]any `yaml:"model"`
	}
)

// AlertRules returns the bundled alert rules as Grafana provisions them, for the provisioned data source. Nothing has to be
// recorded there: what rules of Prometheus record is part of the queries.
func AlertRules() ([]byte, error) {
	bundled := rule.Bundled()
	inlined := bundled.Inlined()
	file := alertFile{APIVersion: 1}
	number := map[string]int{}
	for _, g := range inlined.Groups {
		group := alertGroup{OrgID: 1, Name: g.Name, Folder: "tidegauge", Interval: "1m"}
		for i := range g.Rules {
			r := &g.Rules[i]
			number[r.Alert]++
			one, err := alertOf(r, number[r.Alert])
			if err != nil {
				return nil, err
			}
			group.Rules = append(group.Rules, one)
		}
		file.Groups = append(file.Groups, group)
	}
	var b bytes.Buffer
	b.WriteString("# Written by `go generate ./grafana`; the rules are those of engine/rule/bundled.go.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(file); err != nil {
		return nil, fmt.Errorf("writing the alert rules: %w", err)
	}
	return b.Bytes(), nil
}

// alertOf returns a rule: a query of the value it watches, and an expression of Grafana's that compares it, so that a value of
// 0 can fire as well.
func alertOf(r *rule.Rule, n int) (alertRule, error) {
	evaluator, ok := map[string]string{">": "gt", "<": "lt"}[r.Op]
	if !ok {
		return alertRule{}, fmt.Errorf("the alert %s compares by %s, which Grafana's thresholds do not have: use > or <", r.Alert, r.Op)
	}
	titles := []string{r.Alert}
	for _, name := range []string{rule.LabelSource, rule.LabelConfirmed, "signal"} {
		if of := r.Labels[name]; of != "" {
			if name == rule.LabelConfirmed {
				of = "confirmed: " + of
			}
			titles = append(titles, "("+of+")")
		}
	}
	title := strings.Join(titles, " ")
	lasting := rule.Duration(r.For)
	if lasting == "" {
		lasting = "0s"
	}
	annotations := maps.Clone(r.Annotations())
	for key, text := range annotations {
		annotations[key] = strings.ReplaceAll(text, "{{ .Value ", "{{ .Values.A.Value ")
	}
	expression := map[string]any{"type": "__expr__", "uid": "__expr__"}
	return alertRule{
		UID: fmt.Sprintf("%s-%d", strings.ToLower(r.Alert), n), Title: title, Condition: "B",
		Data: []alertQuery{
			{RefID: "A", TimeRange: map[string]int{"from": 600, "to": 0}, DatasourceUID: DatasourceUID, Model: map[string]any{
				"refId": "A", "expr": r.Watched(), "instant": true, "range": false, "editorMode": "code",
			}},
			{RefID: "B", TimeRange: map[string]int{"from": 0, "to": 0}, DatasourceUID: "__expr__", Model: map[string]any{
				"refId": "B", "type": "threshold", "expression": "A", "datasource": expression,
				"conditions": []map[string]any{{"evaluator": map[string]any{"type": evaluator, "params": []float64{r.Threshold}}}},
			}},
		},
		NoDataState: "OK", ExecErrState: "Error", For: lasting, Labels: r.Labels, Annotations: annotations,
	}, nil
}
