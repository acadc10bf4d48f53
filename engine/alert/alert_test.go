package alert

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/plan"
	"tidegauge/engine/store"
)

const rulesText = `groups:
  - name: mine
    interval: 100ms
    rules:
      - {record: "shop:carts", expr: "sum(shop_open_carts)"}
      - alert: TooMany
        expr: shop:carts > 5
        for: 1h
        labels: {severity: warning}
        annotations: {summary: "{{ .Value }} carts"}
      - {alert: Any, expr: shop:carts > 0}
`

// running runs an engine over a store until the test says, with the rules above.
func running(t *testing.T, s *store.Store, use func(e *Engine)) {
	t.Helper()
	e, err := New(Options{Store: s, URL: "http://gauge"})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Update([]Source{{"mine.yaml", []byte(rulesText)}}); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	defer func() {
		end()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	}()
	use(e)
}

type alertsAnswer struct {
	Data struct {
		Alerts []struct {
			Labels, Annotations map[string]string
			State, Value        string
			ActiveAt            time.Time
		}
		Groups []struct {
			Name, File string
			Interval   float64
			Rules      []struct {
				Type, Name, State, Query, Health, LastError string
				Alerts                                      []any
			}
		}
	}
	Error string
}

func ask(t *testing.T, e *Engine, path string) (a alertsAnswer, status int) {
	t.Helper()
	w := httptest.NewRecorder()
	e.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%s: %v in %s", path, err, w.Body)
	}
	return a, w.Code
}

// state waits until an alert is in a state and returns since when.
func (e *Engine) until(t *testing.T, name, state string) time.Time {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		a, _ := ask(t, e, "/api/v1/alerts")
		for _, x := range a.Data.Alerts {
			if x.Labels["alertname"] == name && x.State == state {
				return x.ActiveAt
			}
		}
	}
	t.Fatalf("%s is not %s", name, state)
	return time.Time{}
}

func put(t *testing.T, s *store.Store, at time.Time, value float64) {
	t.Helper()
	series := &store.Series{Labels: []store.Label{{Name: "__name__", Value: "shop_open_carts"}, {Name: "job", Value: "shop"}}}
	if err := s.Append(t.Context(), []store.Point{{Series: series, Time: at.UnixMilli(), Value: value}}); err != nil {
		t.Fatal(err)
	}
}

// An alert that was pending when the process ended is as old as it was when the next one goes on; the API says what Prometheus's
// says; what rules make is in the store, and not among what is sent elsewhere.
func TestAlertsOverARestart(t *testing.T) {
	dir := t.TempDir()
	open := func() *store.Store {
		s, err := store.Open(store.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	put(t, s, time.Now(), 7)
	var since time.Time
	running(t, s, func(e *Engine) {
		since = e.until(t, "TooMany", "pending")
		e.until(t, "Any", "firing")
		for end := time.Now().Add(time.Minute); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
			if samples, err := s.Query(t.Context(), `ALERTS_FOR_STATE{alertname="TooMany"}`, time.Now()); err != nil || len(samples) > 0 {
				break
			}
		}
		a, _ := ask(t, e, "/api/v1/rules")
		if g := a.Data.Groups; len(g) != 1 || g[0].Name != "mine" || g[0].File != "mine.yaml" || g[0].Interval != 0.1 || len(g[0].Rules) != 3 ||
			g[0].Rules[0].Type != "recording" || g[0].Rules[1].Type != "alerting" || g[0].Rules[1].State != "pending" || g[0].Rules[1].Health != "ok" || len(g[0].Rules[2].Alerts) != 1 {
			t.Errorf("rules: %+v", g)
		}
		if a, _ := ask(t, e, "/api/v1/rules?type=record"); len(a.Data.Groups) != 1 || len(a.Data.Groups[0].Rules) != 1 {
			t.Errorf("only what records: %+v", a.Data)
		}
		if a, _ := ask(t, e, "/api/v1/rules?rule_name[]=Any&exclude_alerts=true"); len(a.Data.Groups) != 1 || len(a.Data.Groups[0].Rules) != 1 || a.Data.Groups[0].Rules[0].Alerts != nil {
			t.Errorf("one without its alerts: %+v", a.Data)
		}
		if a, _ := ask(t, e, "/api/v1/rules?file[]=other"); len(a.Data.Groups) != 0 {
			t.Errorf("of another file: %+v", a.Data)
		}
		for _, wrong := range []string{"type=x", "exclude_alerts=x", "a=%zz"} {
			if a, status := ask(t, e, "/api/v1/rules?"+wrong); status != http.StatusBadRequest || a.Error == "" {
				t.Errorf("%s: %d", wrong, status)
			}
		}
	})
	for _, made := range []string{`ALERTS{alertname="TooMany", alertstate="pending"}`, `ALERTS_FOR_STATE{alertname="TooMany", severity="warning"}`, "shop:carts"} {
		if samples, err := s.Query(t.Context(), "last_over_time("+made+"[1m])", time.Now()); err != nil || len(samples) != 1 {
			t.Errorf("%s in the store: %v, %v", made, samples, err)
		}
	}
	err := s.Read(t.Context(), 0, time.Now().UnixMilli(), func(p store.Point) error {
		if p.Series.Name() != "shop_open_carts" {
			t.Errorf("read for other stores: %s", p.Series.Key)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	// As if it had been pending for half an hour when the process ended.
	long := since.Add(-30 * time.Minute)
	state := &store.Series{Labels: []store.Label{{Name: "__name__", Value: "ALERTS_FOR_STATE"}, {Name: "alertname", Value: "TooMany"}, {Name: "severity", Value: "warning"}}}
	if err := s.Append(t.Context(), []store.Point{{Series: state, Time: time.Now().UnixMilli(), Value: float64(long.Unix())}}); err != nil {
		t.Fatal(err)
	}
	running(t, s, func(e *Engine) {
		began := time.Now()
		now := e.until(t, "TooMany", "pending")
		for end := began.Add(time.Minute); now.After(began.Add(-20*time.Minute)) && time.Now().Before(end); <-time.After(20 * time.Millisecond) {
			now = e.until(t, "TooMany", "pending")
		}
		if now.After(began.Add(-20*time.Minute)) || now.Before(long.Add(-time.Minute)) {
			t.Errorf("pending since %v, want half an hour before %v", now, began)
		}
		families, err := e.Gather()
		found := false
		for _, f := range families {
			found = found || f.GetName() == "prometheus_rule_evaluations_total"
		}
		if err != nil || !found {
			t.Errorf("metrics: %v, %v", families, err)
		}
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRulesThatCannotBeRead(t *testing.T) {
	broken := Source{"broken.yaml", []byte("groups:\n  - name: a\n    rules:\n      - {alert: A, expr: \"up ==\"}\n      - {alert: \"\", expr: up}\n")}
	errs := Check(broken)
	if len(errs) < 2 || !strings.HasPrefix(errs[0].Error(), "broken.yaml:") || !strings.Contains(errs[0].Error(), "4:") {
		t.Errorf("mistakes: %v", errs)
	}
	if errs := Check(Source{"mine.yaml", []byte(rulesText)}); len(errs) != 0 {
		t.Error(errs)
	}
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Update([]Source{broken}); err == nil {
		t.Error("broken rules were taken over")
	}
	if a, status := ask(t, e, "/api/v1/rules"); status != http.StatusOK || a.Data.Groups == nil {
		t.Errorf("before it runs: %d, %+v", status, a)
	}
}

func TestSources(t *testing.T) {
	p, err := plan.Parse("shop.yaml", []byte("name: shop\ntarget: {base_url: \"http://localhost\"}\nclasses: {A: {tasks: [{get: /}]}}\nobjectives: [p95 < 1s]\ntests: {load: {arrivals: 1/s, duration: 1m}}\n"), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "none.yaml")
	for name, test := range map[string]struct {
		rules Rules
		want  []string
		has   map[string]bool // text of the plan's
	}{
		"all":           {Rules{}, []string{"bundled", "shop.yaml"}, map[string]bool{"TidegaugeObjectiveNotMet": true, "TidegaugePlanObjectiveMissed": false}},
		"without ours":  {Rules{NoBundled: true}, []string{"shop.yaml"}, map[string]bool{"TidegaugePlanObjectiveMissed": true}},
		"without plans": {Rules{NoPlans: true}, []string{"bundled"}, nil},
	} {
		all, err := test.rules.Sources([]*plan.Plan{p})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range all {
			names = append(names, s.Name)
			if errs := Check(s); len(errs) > 0 {
				t.Errorf("%s: %s: %v", name, s.Name, errs)
			}
		}
		if strings.Join(names, " ") != strings.Join(test.want, " ") {
			t.Errorf("%s: %q, want %q", name, names, test.want)
		}
		for text, want := range test.has {
			if got := strings.Contains(string(all[len(all)-1].Text), text); got != want {
				t.Errorf("%s: %s is there: %v", name, text, got)
			}
		}
	}
	if _, err := (&Rules{Files: []string{file}}).Sources(nil); err == nil {
		t.Error("a file that is not there: no error")
	}
}
