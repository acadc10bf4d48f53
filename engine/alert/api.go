package alert

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
)

// The answers of Prometheus: https://prometheus.io/docs/prometheus/latest/querying/api/#rules
type (
	apiGroup struct {
		Name           string    `json:"name"`
		File           string    `json:"file"`
		Rules          []apiRule `json:"rules"`
		Interval       float64   `json:"interval"`
		Limit          int       `json:"limit"`
		EvaluationTime float64   `json:"evaluationTime"`
		LastEvaluation time.Time `json:"lastEvaluation"`
	}
	apiRule struct {
		State          string        `json:"state,omitempty"` // of alerts, as the next two
		Name           string        `json:"name"`
		Query          string        `json:"query"`
		Duration       *float64      `json:"duration,omitempty"`
		KeepFiringFor  *float64      `json:"keepFiringFor,omitempty"`
		Labels         labels.Labels `json:"labels"`
		Annotations    any           `json:"annotations,omitempty"`
		Alerts         any           `json:"alerts,omitempty"`
		Health         string        `json:"health"`
		LastError      string        `json:"lastError,omitempty"`
		EvaluationTime float64       `json:"evaluationTime"`
		LastEvaluation time.Time     `json:"lastEvaluation"`
		Type           string        `json:"type"`
	}
	apiAlert struct {
		Labels      labels.Labels `json:"labels"`
		Annotations labels.Labels `json:"annotations"`
		State       string        `json:"state"`
		ActiveAt    time.Time     `json:"activeAt"`
		Value       string        `json:"value"`
	}
)

// Handler answers GET /api/v1/rules and GET /api/v1/alerts as Prometheus does, without matchers and pages.
func (e *Engine) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/rules", func(w http.ResponseWriter, r *http.Request) {
		groups, err := e.groups(r)
		if err != nil {
			answer(w, http.StatusBadRequest, map[string]any{"status": "error", "errorType": "bad_data", "error": err.Error()})
			return
		}
		answer(w, http.StatusOK, map[string]any{"status": "success", "data": map[string]any{"groups": groups}})
	})
	mux.HandleFunc("GET /api/v1/alerts", func(w http.ResponseWriter, _ *http.Request) {
		alerts := []apiAlert{}
		for _, g := range e.running() {
			for _, r := range g.AlertingRules() {
				alerts = append(alerts, alertsOf(r)...)
			}
		}
		answer(w, http.StatusOK, map[string]any{"status": "success", "data": map[string]any{"alerts": alerts}})
	})
	return mux
}

func answer(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // a client that has gone needs no answer
}

func (e *Engine) running() []*rules.Group {
	e.mu.Lock()
	m := e.manager
	e.mu.Unlock()
	if m == nil {
		return nil
	}
	return m.RuleGroups()
}

// groups returns the groups that a request asks for.
func (e *Engine) groups(r *http.Request) ([]apiGroup, error) {
	if err := r.ParseForm(); err != nil {
		return nil, fmt.Errorf("error parsing form values: %w", err)
	}
	kind := r.Form.Get("type")
	if kind != "" && kind != "alert" && kind != "record" {
		return nil, fmt.Errorf("invalid parameter \"type\": not supported value %q", kind)
	}
	without := false
	if text := r.Form.Get("exclude_alerts"); text != "" {
		var err error
		if without, err = strconv.ParseBool(text); err != nil {
			return nil, fmt.Errorf("invalid parameter \"exclude_alerts\": %q is neither true nor false", text)
		}
	}
	wanted := func(parameter, value string) bool {
		values := r.Form[parameter]
		return len(values) == 0 || slices.Contains(values, value)
	}
	all := []apiGroup{}
	for _, g := range e.running() {
		if !wanted("rule_group[]", g.Name()) || !wanted("file[]", g.File()) {
			continue
		}
		one := apiGroup{
			Name: g.Name(), File: g.File(), Interval: g.Interval().Seconds(), Limit: g.Limit(),
			EvaluationTime: g.GetEvaluationTime().Seconds(), LastEvaluation: g.GetLastEvaluation(),
		}
		for _, x := range g.Rules() {
			if a := ruleOf(x, without); wanted("rule_name[]", x.Name()) && (kind == "" || a.Type == kind+"ing") {
				one.Rules = append(one.Rules, a)
			}
		}
		if len(one.Rules) > 0 {
			all = append(all, one)
		}
	}
	return all, nil
}

func ruleOf(r rules.Rule, without bool) apiRule {
	a := apiRule{
		Name: r.Name(), Query: r.Query().String(), Labels: r.Labels(), Health: string(r.Health()),
		EvaluationTime: r.GetEvaluationDuration().Seconds(), LastEvaluation: r.GetEvaluationTimestamp(), Type: "recording",
	}
	if err := r.LastError(); err != nil {
		a.LastError = err.Error()
	}
	if alerting, ok := r.(*rules.AlertingRule); ok {
		a.Type, a.State, a.Annotations = "alerting", alerting.State().String(), alerting.Annotations()
		a.Duration, a.KeepFiringFor = new(alerting.HoldDuration().Seconds()), new(alerting.KeepFiringFor().Seconds())
		if !without {
			a.Alerts = alertsOf(alerting)
		}
	}
	return a
}

func alertsOf(r *rules.AlertingRule) []apiAlert {
	all := []apiAlert{}
	for _, a := range r.ActiveAlerts() {
		all = append(all, apiAlert{a.Labels, a.Annotations, a.State.String(), a.ActiveAt, strconv.FormatFloat(a.Value, 'e', -1, 64)})
	}
	return all
}
