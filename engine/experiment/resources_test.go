package experiment

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/plan"
	"tidegauge/engine/store"
)

func TestOwnNames(t *testing.T) {
	series := func(all ...map[string]string) (list []store.Values) {
		for _, labels := range all {
			list = append(list, store.Values{Labels: labels})
		}
		return list
	}
	for _, c := range []struct {
		name string
		of   []store.Values
		want []string
	}{
		{"one", series(map[string]string{"__name__": "jobs", "job": "web"}), []string{"jobs"}},
		{"a sum", series(map[string]string{}), []string{"jobs"}},
		{"two queues", series(map[string]string{"job": "web", "queue": "mail"}, map[string]string{"job": "web", "queue": "print"}), []string{"jobs of mail", "jobs of print"}},
		{"two instances and a label that one lacks",
			series(map[string]string{"instance": "a", "zone": "1"}, map[string]string{"instance": "b"}), []string{"jobs of a 1", "jobs of b"}},
	} {
		names := ownNames(c.of)
		var got []string
		for _, s := range c.of {
			got = append(got, names("jobs", s.Labels))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestLimitOf(t *testing.T) {
	web := map[string]string{"job": "web", "instance": "a", "pool": "main"}
	for _, c := range []struct {
		name   string
		limits map[string]float64
		want   float64
	}{
		{"none", nil, 0},
		{"for all", map[string]float64{serverOf(nil): 5}, 5},
		{"of the server", map[string]float64{serverOf(nil): 5, serverOf(web): 6}, 6},
		{"of the pool", map[string]float64{serverOf(web): 6, nameOf(web): 7}, 7},
		{"of another server", map[string]float64{"other b": 6}, 0},
	} {
		if got := limitOf(c.limits, web); got != c.want {
			t.Errorf("%s: %g, want %g", c.name, got, c.want)
		}
	}
}

// What a plan has under resources is read beside what is known of servers, each series by itself and with its limit.
func TestSoakReadsResources(t *testing.T) {
	const text = `
target: {base_url: "http://x"}
classes: {User: {tasks: [{get: /}]}}
scrape: [{job_name: web}]
resources:
  jobs: {promql: jobs_waiting, limit: jobs_limit}
  cache: {promql: 'sum(cache_bytes)', limit: 1MiB, unit: bytes}
  nobody: no_such_series
tests: {soak: {type: soak, arrivals: 10/s, duration: 1m}}`
	p, err := plan.Parse("resources.yaml", []byte(text), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	begin := time.Now().Add(-time.Hour).Truncate(time.Second)
	const of = `{job="web",instance="i"`
	put(t, l.Store, begin, map[string]shown{
		`up` + of + `}`: constant(1),
		`process_resident_memory_bytes` + of + `}`:            rising(1e6, 10),
		`jobs_waiting` + of + `,queue="mail"}`:                rising(100, 1),
		`jobs_waiting` + of + `,queue="web"}`:                 constant(7),
		`jobs_limit` + of + `}`:                               constant(5000),
		`cache_bytes` + of + `,zone="a"}`:                     constant(300),
		`cache_bytes` + of + `,zone="b"}`:                     constant(400),
		`process_open_fds{job="other",instance="i"}`:          constant(1),
		`process_start_time_seconds` + of + `}`:               constant(1e9),
		`db_client_connections_usage` + of + `,state="used"}`: constant(3),
		`db_client_connections_usage` + of + `,state="idle"}`: constant(2),
		`db_client_connections_max` + of + `}`:                constant(10),
	})
	w := watch{e: &experiment{o: Options{Plan: p}, lab: l}, ctx: t.Context(), start: begin, from: begin, to: begin.Add(time.Minute)}
	all, missing := w.resources()
	if diff := cmp.Diff([]string{"nobody"}, missing); diff != "" || len(w.problems) > 0 {
		t.Errorf("missing (-want +got):\n%s\nproblems %q", diff, w.problems)
	}
	var got []string
	for _, s := range all {
		got = append(got, fmt.Sprintf("%s %s: %d values from %g to %g, limit %g, least %t", s.Subject, s.Unit, len(s.Values), s.Values[0], s.Values[len(s.Values)-1], s.Limit, s.Least))
	}
	want := []string{
		"resident memory of web By: 61 values from 1e+06 to 1.0006e+06, limit 0, least true",
		"connections of the pool in use of web 1: 61 values from 3 to 3, limit 10, least false",
		"jobs of mail 1: 61 values from 100 to 160, limit 5000, least false",
		"jobs of web 1: 61 values from 7 to 7, limit 5000, least false",
		"cache By: 61 values from 700 to 700, limit 1.048576e+06, least true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// A trial compares those that have a limit with it.
	for _, o := range p.Limits() {
		share, known := map[string]float64{"jobs": 160. / 5000, "cache": 700. / (1 << 20)}[o.Text]
		if !known {
			continue
		}
		left, _, _, err := l.Store.Compare(t.Context(), strings.ReplaceAll(o.PromQL, "$range", "60s"), begin.Add(time.Minute))
		if err != nil || len(left) != 1 || left[0] != share {
			t.Errorf("%s: %v, %v, want %g", o.Text, left, err, share)
		}
	}
}
