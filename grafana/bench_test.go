package grafana

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"tidegauge/engine/catalog"
	"tidegauge/engine/experiment"
	"tidegauge/engine/history"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/store"
)

// The names of the requests hold what has to be escaped in a regular expression.
const demoPlan = `
name: shop
labels: {env: test}
target: {base_url: %q}
classes:
  Buyer:
    tasks:
      - get: /items/7
        name: GET /items/{id} (new?)
        check: [status == 200, found: json.status == "ok"]
      - post: /flaky
  Loser:
    tasks:
      - get: /ok
        check: [json.status == "late"]
objectives: [%s]
tests:
  load:  {arrivals: [{to: 200/s, over: 1s}, {hold: 3s}], max_users: 50}
  clean: {arrivals: 200/s, duration: 1s, max_users: 200, classes: [Loser]}
  few:   {arrivals: 5/s, duration: 1s, max_users: 5, classes: [Buyer]}
`

// target answers 500 to every fourth request of /flaky, and takes 1 to 5 ms for each.
func target() http.Handler {
	var n atomic.Uint64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k := n.Add(1)
		<-time.After(time.Duration(1+k%5) * time.Millisecond)
		if r.URL.Path == "/flaky" && k%4 == 0 {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, `{"status":"ok"}`)
	})
}

// bench is a lab, its target, and the query API that Grafana would ask.
type bench struct {
	lab    *experiment.Lab
	target string
	api    string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	h, err := history.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	server, api := httptest.NewServer(target()), httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(api.Close)
	return &bench{&experiment.Lab{Store: s, History: h, Version: "test"}, server.URL, api.URL}
}

func (b *bench) run(ctx context.Context, test, objectives string, sinks ...measure.Sink) (*report.Report, error) {
	p, err := plan.Parse("shop.yaml", fmt.Appendf(nil, demoPlan, b.target, objectives), plan.Options{})
	if err != nil {
		return nil, err
	}
	chosen, err := p.Test(test)
	if err != nil {
		return nil, err
	}
	r, err := b.lab.Run(ctx, experiment.Options{Plan: p, Test: chosen, Sinks: sinks})
	if err != nil {
		return r, err
	}
	return r, b.answer(ctx, r)
}

// answer gives a run every figure that any type of test has: no run has all of them.
func (b *bench) answer(ctx context.Context, r *report.Report) error {
	var points []store.Point
	add := func(metric string, labels ...store.Label) {
		m, _ := catalog.Lookup(metric)
		labels = append(labels, store.Label{Name: "__name__", Value: m.PrometheusName()}, store.Label{Name: "run", Value: r.Run.ID},
			store.Label{Name: "plan", Value: r.Run.Plan}, store.Label{Name: "test", Value: r.Run.Test}, store.Label{Name: "subject", Value: "all"})
		points = append(points, store.Point{Series: &store.Series{Labels: labels}, Time: r.End.UnixMilli() + 1, Value: 1})
	}
	for _, m := range catalog.Figures() {
		var own []store.Label
		for _, l := range m.Labels {
			if l != catalog.LabelSubject {
				own = append(own, store.Label{Name: l, Value: "some"})
			}
		}
		add(m.Name, own...)
		for _, end := range []string{"low", "high"} {
			add(catalog.FigureBound, store.Label{Name: catalog.LabelFigure, Value: m.Name}, store.Label{Name: catalog.LabelBound, Value: end})
		}
	}
	return b.lab.Store.Append(ctx, points)
}

// pause is a sink that says when a run is three seconds old and holds up its snapshots, not its load, until it is let go.
type pause struct {
	reached, resume chan struct{}
	done            bool
}

func (p *pause) Consume(_ context.Context, s *measure.Snapshot) error {
	if !p.done && s.Time.Sub(s.Start) > 2500*time.Millisecond {
		p.done = true
		close(p.reached)
		<-p.resume
	}
	return nil
}

// element is one of the result of a query.
type element struct {
	Metric     map[string]string    `json:"metric"`
	Value      []json.RawMessage    `json:"value"`
	Values     [][]json.RawMessage  `json:"values"`
	Histograms [][2]json.RawMessage `json:"histograms"`
}

type result struct {
	Type     string    `json:"resultType"`
	Elements []element `json:"result"`
}

// ask gets an answer of the API, which must be without a remark.
func (b *bench) ask(t *testing.T, where, path string, form url.Values, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.api+"/api/v1/"+path+"?"+form.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}()
	var body struct {
		Status, Error   string
		Data            json.RawMessage
		Warnings, Infos []string
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	if resp.StatusCode != http.StatusOK || len(body.Warnings)+len(body.Infos) > 0 {
		t.Fatalf("%s: %s %v: status %d %s, warnings %v, remarks %v", where, path, form, resp.StatusCode, body.Error, body.Warnings, body.Infos)
	}
	if err := json.Unmarshal(body.Data, into); err != nil {
		t.Fatalf("%s: %v", where, err)
	}
}

func seconds(at time.Time) string {
	return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64)
}

// choose asks for the values of the variables as Grafana does, in their order. With each set, variables of many values
// have each value chosen instead of all.
func (b *bench) choose(t *testing.T, d *Dashboard, v *view, each bool) {
	t.Helper()
	v.vars = map[string]choice{}
	for _, one := range d.Templating.List {
		q, ok := one.Query.(VariableQuery)
		if !ok {
			continue
		}
		m := labelValues.FindStringSubmatch(q.Query)
		match, err := v.expand(m[1], 0)
		if err != nil {
			t.Fatal(err)
		}
		var values []string
		where := d.UID + " variable " + one.Name
		b.ask(t, where, "label/"+m[2]+"/values", url.Values{"match[]": {match}, "start": {seconds(v.from)}, "end": {seconds(v.to)}}, &values)
		if len(values) == 0 {
			t.Fatalf("%s: %s has no values", where, match)
		}
		c := choice{values: values, multi: one.Multi}
		if one.Sort == 2 {
			slices.Reverse(c.values)
		}
		if one.IncludeAll && !each {
			c.all = one.AllValue
		}
		v.vars[one.Name] = c
	}
}

// execute runs a query as Grafana does.
func (b *bench) execute(t *testing.T, v *view, q query) result {
	t.Helper()
	text, err := v.expand(q.expr, q.maxDataPoints)
	if err != nil {
		t.Fatal(err)
	}
	form, path := url.Values{"query": {text}, "time": {seconds(v.to)}}, "query"
	if q.target.Range {
		step := v.interval(q.maxDataPoints)
		path = "query_range"
		form = url.Values{"query": {text}, "step": {fmt.Sprint(step.Seconds())}, "start": {seconds(v.from.Truncate(step))}, "end": {seconds(v.to.Truncate(step))}}
	}
	var r result
	b.ask(t, q.where, path, form, &r)
	return r
}
