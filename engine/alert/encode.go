package alert

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"

	"tidegauge/engine/catalog"
)

// encodeAlertmanager makes one message of all alerts: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
func encodeAlertmanager(_ *receiver, alerts map[string]Alert) ([]message, error) {
	keys := sortedKeys(alerts)
	list := make([]Alert, len(keys))
	for i, key := range keys {
		list[i] = alerts[key]
	}
	body, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	return []message{{body, keys}}, nil
}

// webhook is what Alertmanager sends to webhooks: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
type webhook struct {
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
	Status            string            `json:"status"`
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []webhookAlert    `json:"alerts"`
}

type webhookAlert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"` // 0001-01-01T00:00:00Z while it fires
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

// encodeWebhook makes one message for each name of alerts.
func encodeWebhook(r *receiver, alerts map[string]Alert) ([]message, error) {
	groups := map[string][]string{}
	for _, key := range sortedKeys(alerts) {
		name := alerts[key].Labels["alertname"]
		groups[name] = append(groups[name], key)
	}
	var all []message
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		w := webhook{
			Version: "4", GroupKey: `{}:{alertname="` + name + `"}`, Status: "resolved", Receiver: r.Name,
			GroupLabels: map[string]string{"alertname": name}, ExternalURL: r.origin,
		}
		for _, key := range groups[name] {
			a := alerts[key]
			one := webhookAlert{"firing", a.Labels, a.Annotations, a.StartsAt, time.Time{}, a.GeneratorURL, key}
			if a.Resolved {
				one.Status, one.EndsAt = "resolved", a.EndsAt
			} else {
				w.Status = "firing"
			}
			w.CommonLabels, w.CommonAnnotations = common(w.CommonLabels, a.Labels), common(w.CommonAnnotations, a.Annotations)
			w.Alerts = append(w.Alerts, one)
		}
		body, err := json.Marshal(w)
		if err != nil {
			return nil, err
		}
		all = append(all, message{body, groups[name]})
	}
	return all, nil
}

// common returns what two mappings have in common; all of the second if there is no first one yet.
func common(all, one map[string]string) map[string]string {
	if all == nil {
		all = maps.Clone(one)
		if all == nil {
			all = map[string]string{}
		}
		return all
	}
	maps.DeleteFunc(all, func(name, v string) bool { w, ok := one[name]; return !ok || w != v })
	return all
}

// families are the metrics of receivers.
func families(receivers []*receiver) []*dto.MetricFamily {
	if len(receivers) == 0 {
		return nil
	}
	family := func(name string, kind dto.MetricType) *dto.MetricFamily {
		m, _ := catalog.Lookup(name)
		return &dto.MetricFamily{Name: new(m.PrometheusName()), Help: new(m.Help), Type: kind.Enum()}
	}
	add := func(f *dto.MetricFamily, v float64, labels ...*dto.LabelPair) {
		m := &dto.Metric{Label: labels}
		if *f.Type == dto.MetricType_GAUGE {
			m.Gauge = &dto.Gauge{Value: &v}
		} else {
			m.Counter = &dto.Counter{Value: &v}
		}
		f.Metric = append(f.Metric, m)
	}
	notifications, waiting, failed := family(catalog.AlertNotifications, dto.MetricType_COUNTER), family(catalog.AlertWaiting, dto.MetricType_GAUGE), family(catalog.AlertErrors, dto.MetricType_COUNTER)
	for _, r := range receivers {
		c, n := r.account()
		receiver := &dto.LabelPair{Name: new(catalog.LabelReceiver), Value: new(r.Name)}
		for _, entry := range []struct {
			name  string
			count uint64
		}{{"produced", c.produced}, {"sent", c.sent}, {"lost", c.lost}} {
			add(notifications, float64(entry.count), &dto.LabelPair{Name: new(catalog.LabelEntry), Value: new(entry.name)}, receiver)
		}
		add(waiting, float64(n), receiver)
		add(failed, float64(c.errors), receiver)
	}
	return []*dto.MetricFamily{notifications, waiting, failed}
}
