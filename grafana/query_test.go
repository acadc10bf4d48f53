package grafana

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/catalog"
	"tidegauge/engine/report"
	"tidegauge/engine/verdict"
)

var legendLabel = regexp.MustCompile(`\{\{(\w+)\}\}`)

// check demands data of the shape that the panel draws.
func check(t *testing.T, v *view, q query, r result) {
	t.Helper()
	want := "vector"
	if q.target.Range {
		want = "matrix"
	}
	if r.Type != want || q.target.Range == q.target.Instant {
		t.Errorf("%s: a %s, want a %s", q.where, r.Type, want)
	}
	if len(r.Elements) == 0 {
		t.Errorf("%s: nothing at %s for %s", q.where, seconds(v.to), q.expr)
		return
	}
	for _, e := range r.Elements {
		for _, l := range legendLabel.FindAllStringSubmatch(q.target.LegendFormat, -1) {
			if e.Metric[l[1]] == "" {
				t.Errorf("%s: the legend has label %s, the series %v", q.where, l[1], e.Metric)
			}
		}
	}
	if q.target.Format == "heatmap" {
		if e := r.Elements[0]; len(r.Elements) != 1 || len(e.Values) > 0 || !hasBuckets(t, e) {
			t.Errorf("%s: not one series of native histograms with buckets", q.where)
		}
		return
	}
	for _, e := range r.Elements {
		if len(e.Histograms) > 0 {
			t.Errorf("%s: histograms where numbers are needed", q.where)
		}
	}
	if n := len(numbers(t, r)); n == 0 {
		t.Errorf("%s: all NaN", q.where)
	}
}

func hasBuckets(t *testing.T, e element) bool {
	t.Helper()
	for _, p := range e.Histograms {
		var h struct{ Buckets [][]any }
		if err := json.Unmarshal(p[1], &h); err != nil {
			t.Fatal(err)
		}
		if len(h.Buckets) > 0 && len(h.Buckets[0]) == 4 {
			return true
		}
	}
	return false
}

// point is a number with its time.
type point struct {
	time, value float64
}

// numbers returns all numbers of a result but NaN, in which a quantile of nothing results.
func numbers(t *testing.T, r result) (list []point) {
	t.Helper()
	for _, e := range r.Elements {
		all := e.Values
		if e.Value != nil {
			all = append(all, e.Value)
		}
		for _, p := range all {
			var at float64
			var text string
			if err := json.Unmarshal(p[0], &at); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(p[1], &text); err != nil {
				t.Fatal(err)
			}
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			if value == value {
				list = append(list, point{at, value})
			}
		}
	}
	return list
}

// isAnswer reports queries of what only comes at the end of a run.
func isAnswer(q query) bool {
	names := []string{catalog.Verdict, catalog.Objective, catalog.RunDuration, catalog.FigureBound}
	for _, m := range catalog.Figures() {
		names = append(names, m.Name)
	}
	for _, name := range names {
		m, _ := catalog.Lookup(name)
		if strings.Contains(q.expr, m.PrometheusName()+"{") {
			return true
		}
	}
	return false
}

// each runs every query of dashboards, with all values of the variables and with each of them.
func (b *bench) each(t *testing.T, v view, dashboards []Dashboard, f func(v *view, q query, r result)) {
	t.Helper()
	for _, d := range dashboards {
		for _, single := range []bool{false, true} {
			b.choose(t, &d, &v, single)
			for _, q := range queriesOf(t, &d) {
				if q.target != nil {
					f(&v, q, b.execute(t, &v, q))
				}
			}
		}
	}
}

// TestEveryQueryHasData: while a run lasts every query has data, but for the answers, which come at its end; when it is
// over every query has data, and no series lingers.
func TestEveryQueryHasData(t *testing.T) {
	b := newBench(t)
	// History: a run that passes and one that is inconclusive, so that the dashboard of runs has one of each.
	for test, objectives := range map[string]string{"clean": "p95 < 5s, failures < 9999", "few": "p99 < 5s, failures < 9999"} {
		for range 5 { // a busy machine can make a run inconclusive
			r, err := b.run(t.Context(), test, objectives)
			if err != nil {
				t.Fatal(err)
			}
			if test != "clean" || r.Verdict.Outcome == verdict.Pass {
				break
			}
		}
	}
	earlier := time.Now()
	p := &pause{reached: make(chan struct{}), resume: make(chan struct{})}
	var r *report.Report
	var err error
	over := make(chan struct{})
	go func() {
		defer close(over)
		r, err = b.run(t.Context(), "load", `p95 < 2s, "error_rate < 1%"`, p)
	}()
	select {
	case <-p.reached:
	case <-over:
		t.Fatalf("the run was over before it was looked at: %v", err)
	}
	func() {
		defer func() { close(p.resume); <-over }() // also when the test fails in between
		live := view{from: earlier, to: time.Now(), scrape: time.Second}
		b.each(t, live, []Dashboard{Run(), Runs()}, func(v *view, q query, r result) {
			switch {
			case !isAnswer(q):
				check(t, v, q, r)
			case strings.HasPrefix(q.where, runUID+" ") && len(r.Elements) > 0:
				t.Errorf("%s: an answer before the run is over: %v", q.where, r.Elements)
			}
		})
	}()
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict.Outcome != verdict.Fail {
		t.Fatalf("the run is a %s, want a fail", r.Verdict.Outcome)
	}
	for _, test := range []struct {
		name       string
		from, to   time.Time
		dashboards []Dashboard
	}{
		{"at once", r.Start.Add(-time.Minute), r.End.Add(2 * time.Second), []Dashboard{Run(), Compare(), Runs()}},
		{"ten minutes later", r.Start.Add(-time.Minute), r.End.Add(10 * time.Minute), []Dashboard{Run(), Runs()}},
		{"in a week", r.Start.Add(-6 * 24 * time.Hour), r.End.Add(24 * time.Hour), []Dashboard{Runs()}}, // whose steps are longer than a run
		{"through the link", b.column(t, r, "start"), b.column(t, r, "end"), []Dashboard{Run()}},
	} {
		t.Run(test.name, func(t *testing.T) {
			past := view{from: test.from, to: test.to, scrape: time.Second}
			b.each(t, past, test.dashboards, func(v *view, q query, got result) {
				check(t, v, q, got)
				if q.target.Range && !isAnswer(q) {
					step := v.interval(q.maxDataPoints)
					last := float64(r.End.Add(time.Second+step+v.rateInterval(step)).UnixMilli()) / 1000
					for _, n := range numbers(t, got) {
						if n.time > last {
							t.Fatalf("%s: lingers at %.0f, %.0f s after the end", q.where, n.time, n.time-float64(r.End.Unix()))
						}
					}
				}
			})
			if test.dashboards[len(test.dashboards)-1].UID == runsUID {
				b.checkValues(t, past, r)
			}
		})
	}
}

// column returns a time of the newest run that the table of runs shows, where the link to its dashboard gets it.
func (b *bench) column(t *testing.T, r *report.Report, title string) time.Time {
	t.Helper()
	d := Runs()
	v := view{from: r.Start.Add(-time.Hour), to: r.End.Add(time.Hour), scrape: time.Second}
	b.choose(t, &d, &v, false)
	table := d.Panels[slices.IndexFunc(d.Panels, func(p Panel) bool { return p.Type == "table" })]
	organize, ok := table.Transformations[1].Options.(Organize)
	if !ok {
		t.Fatalf("the table of runs has the transformations %v", table.Transformations)
	}
	for _, target := range table.Targets {
		if organize.RenameByName["Value #"+target.RefID] != title {
			continue
		}
		newest := 0.0
		for _, n := range numbers(t, b.execute(t, &v, query{where: title, expr: target.Expr, target: &target})) {
			newest = max(newest, n.value)
		}
		return time.UnixMilli(int64(newest))
	}
	t.Fatalf("the table of runs has no column %s", title)
	return time.Time{}
}

// checkValues compares what the panels of a run say with its report.
func (b *bench) checkValues(t *testing.T, v view, r *report.Report) {
	t.Helper()
	wants := map[string]float64{
		runUID + " panel Requests A":     float64(r.Total.Count), // of the number and of the table
		runUID + " panel Verdict A":      0,
		runUID + " panel Error rate A":   float64(r.Total.Failures) / float64(r.Total.Count),
		runUID + " annotation Verdicts":  float64(r.End.UnixMilli()),
		runUID + " annotation Events":    float64(r.Start.UnixMilli()),
		runsUID + " panel Judged runs A": 1,
		runsUID + " panel Failed A":      1,
		runsUID + " panel Runs B":        float64(r.Start.UnixMilli()),
		runsUID + " panel Runs C":        float64(r.End.UnixMilli()),
		runsUID + " panel Runs D":        r.End.Sub(r.Start).Seconds(),
		runsUID + " panel Runs E":        float64(r.Total.Count),
		runsUID + " annotation Verdicts": float64(r.End.UnixMilli()),
	}
	compared := map[string]bool{}
	run := Run()
	b.choose(t, &run, &v, false)
	if got := v.vars["run"].values[0]; got != r.Run.ID {
		t.Errorf("the newest run is %s, want %s", got, r.Run.ID)
	}
	runs := Runs()
	for _, d := range []*Dashboard{&run, &runs} {
		if d == &runs {
			b.choose(t, d, &v, false)
			v.vars["test"] = choice{values: []string{"load"}, multi: true}
		}
		for _, q := range queriesOf(t, d) {
			want, ok := wants[q.where]
			if !ok {
				continue
			}
			compared[q.where] = true
			total := 0.0
			found := numbers(t, b.execute(t, &v, q))
			if len(found) == 0 {
				t.Errorf("%s: nothing, the report says %v", q.where, want)
				continue
			}
			for _, n := range found {
				total += n.value
			}
			if q.target.Range {
				total = found[len(found)-1].value
			}
			// A run ends when its last user has left; the verdict is some milliseconds later, on a busy machine seconds.
			const late = 10 * time.Second
			tolerance := 1e-9
			if want > 1e9 {
				tolerance = float64(late.Milliseconds())
			} else if strings.HasSuffix(q.where, "Runs D") {
				tolerance = late.Seconds()
			}
			if total < want-tolerance || total > want+tolerance {
				t.Errorf("%s: %v, the report says %v", q.where, total, want)
			}
		}
	}
	if len(compared) != len(wants) {
		t.Errorf("compared %d of %d values: %v", len(compared), len(wants), compared)
	}
}
