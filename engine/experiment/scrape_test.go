package experiment

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/scrape"
	"tidegauge/engine/store"
	"tidegauge/engine/verdict"
)

// shop answers every request and shows the metrics of this process, and of a connection pool in use as said.
func shop(t *testing.T, inUse float64) *httptest.Server {
	t.Helper()
	registry := prometheus.NewRegistry()
	gauge := func(name string, v float64) {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "Connections."})
		g.Set(v)
		registry.MustRegister(g)
	}
	gauge("go_sql_in_use_connections", inUse)
	gauge("go_sql_max_open_connections", 10)
	registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsScheduler)))
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

const scrapingPlan = `
name: scraping
labels: {env: test}
target: {base_url: %q}
scrape:
  - job_name: shop
    scrape_interval: 100ms
    static_configs: [{targets: [%q]}]
classes: {Reader: {tasks: [{get: /ok}]}}
objectives: [%s]
tests: {load: {arrivals: 100/s, duration: 2s, max_users: 50}}
`

func runScraping(t *testing.T, l *Lab, url, target, objectives string) *report.Report {
	t.Helper()
	p, err := plan.Parse("scraping.yaml", fmt.Appendf(nil, scrapingPlan, url, target, objectives),
		plan.Options{CheckPromQL: store.CheckComparison, CheckScrape: scrape.Rules{}.Check})
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Run(t.Context(), Options{Plan: p, Test: &p.Tests[0]})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// outcomes returns what each objective came to.
func outcomes(r *report.Report) map[string]verdict.Outcome {
	all := map[string]verdict.Outcome{}
	for _, f := range r.Verdict.Objectives() {
		all[f.Objective.Text] = f.Outcome
	}
	return all
}

func TestRunScrapes(t *testing.T) {
	l := newLab(t)
	s := shop(t, 4)
	r := runScraping(t, l, s.URL, "${target.host}", `{preset: key-metrics}, {promql: 'max(max_over_time(up{job="shop",env="test"}[1m])) == 1'}`)
	// A busy machine can be too late for some scrapes, the last one too.
	if len(r.Servers) != 1 || r.Servers[0].Scrapes < 5 || 2*r.Servers[0].Up < r.Servers[0].Scrapes || r.Servers[0].URL != s.URL+"/metrics" {
		t.Errorf("servers: %+v, want one that is up", r.Servers)
	}
	got := outcomes(r)
	for text, want := range map[string]verdict.Outcome{
		"pool (Go database/sql) below limit":                     verdict.Pass,
		"file-descriptors (process) below limit":                 verdict.Pass,
		"connections":                                            verdict.NoData,
		`max(max_over_time(up{job="shop",env="test"}[1m])) == 1`: verdict.Pass,
		"error_rate < 0.1%":                                      verdict.Pass,
		"cpu (machine) < 80%":                                    "",
		"event-loop-lag (Go scheduler, OpenTelemetry) <":         "",
	} {
		if got[text] != want {
			t.Errorf("%s: %q, want %q; there are %v", text, got[text], want, got)
		}
	}
	for _, preset := range []string{"cpu (Go process)", "memory (process)", "event-loop-lag (Go scheduler)"} {
		found := false
		for text, outcome := range got { // their values depend on the machine; that there are some does not
			found = found || strings.HasPrefix(text, preset) && (outcome == verdict.Pass || outcome == verdict.Fail)
		}
		if !found {
			t.Errorf("%s has no value: %v", preset, got)
		}
	}
	if left, err := l.Store.Query(t.Context(), `{job="shop"}`, time.Now()); err != nil || len(left) != 0 {
		t.Errorf("after the run there are still %v, %v", left, err)
	}
}

// A pool that was wholly in use fails the run; a server that is down does not, but it is warned of, and an objective that
// the plan's author wrote in PromQL is inconclusive.
func TestRunJudgesServers(t *testing.T) {
	l := newLab(t)
	s := shop(t, 10)
	// Only the objectives are looked at: a busy machine can make the generator late, and with it the run inconclusive.
	const pool = "pool (Go database/sql) below limit"
	if r := runScraping(t, l, s.URL, "${target.host}", "{preset: pool}"); outcomes(r)[pool] != verdict.Fail || r.Verdict.Outcome != verdict.Fail {
		t.Errorf("a pool in use: %s: %s", r.Verdict.Outcome, r.Verdict.Summary)
	}
	r := runScraping(t, l, s.URL, "127.0.0.1:1", "error_rate < 1%, {preset: pool}")
	if got := outcomes(r); len(got) != 2 || got["pool"] != verdict.NoData || r.Verdict.Outcome == verdict.Fail || r.Verdict.Code() == verdict.CodeNoData {
		t.Errorf("a server that is down: %v, %s: %s", got, r.Verdict.Outcome, r.Verdict.Summary)
	}
	warned := func(w string) bool { return strings.HasPrefix(w, "scraping shop 127.0.0.1:1 gave no data") }
	if !slices.ContainsFunc(r.Warnings, warned) || len(r.Servers) != 1 || r.Servers[0].Up != 0 {
		t.Errorf("warnings %q, servers %+v", r.Warnings, r.Servers)
	}
	r = runScraping(t, l, s.URL, "127.0.0.1:1", `error_rate < 1%, {promql: 'max(go_sql_in_use_connections) < 5'}`)
	if got := outcomes(r); got["max(go_sql_in_use_connections) < 5"] != verdict.Inconclusive || r.Verdict.Outcome != verdict.Inconclusive {
		t.Errorf("PromQL without data: %v, %s: %s", got, r.Verdict.Outcome, r.Verdict.Summary)
	}
}

// history is what a server showed: a value once a second.
type shown func(second int) float64

func constant(v float64) shown { return func(int) float64 { return v } }
func rising(from, by float64) shown {
	return func(s int) float64 { return from + by*float64(s) }
}

// Every expression of the presets finds what its kind of server shows, and its limit is where the text says.
func TestPresetsAgainstSeries(t *testing.T) {
	const node = `{job="j",instance="i"`
	cpu := func(v float64) map[string]shown {
		return map[string]shown{`process_cpu_seconds_total` + node + `}`: rising(100, v)}
	}
	with := func(m map[string]shown, series string, v shown) map[string]shown { m[series] = v; return m }
	pair := func(quantity, limit string) func(float64) map[string]shown {
		return func(v float64) map[string]shown {
			return map[string]shown{quantity + node + `}`: constant(v * 50), limit + node + `}`: constant(50)}
		}
	}
	bytes := func(series string) func(float64) map[string]shown { // grows by that share of its mean in a minute
		return func(v float64) map[string]shown {
			return map[string]shown{series: rising(1e9*(1-v/2), v*1e9/60)}
		}
	}
	lag := func(name string) func(float64) map[string]shown {
		return func(v float64) map[string]shown { return map[string]shown{name + node + `}`: constant(v)} }
	}
	buckets := func(name string) func(float64) map[string]shown { // all observations in (v/2, v]
		return func(v float64) map[string]shown {
			m := map[string]shown{name + `_bucket` + node + `,le="+Inf"}`: rising(0, 100)}
			for _, le := range []float64{v / 2, v} {
				m[name+`_bucket`+node+`,le="`+strconv.FormatFloat(le, 'g', -1, 64)+`"}`] = rising(0, map[bool]float64{false: 0, true: 100}[le == v])
			}
			return m
		}
	}
	series := map[string]func(float64) map[string]shown{
		"cpu (machine)": func(v float64) map[string]shown {
			return map[string]shown{
				`node_cpu_seconds_total` + node + `,cpu="0",mode="idle"}`: rising(5, 1-v), `node_cpu_seconds_total` + node + `,cpu="1",mode="idle"}`: rising(7, 1-v),
				`node_cpu_seconds_total` + node + `,cpu="0",mode="user"}`: rising(5, v),
			}
		},
		"cpu (Go process)": func(v float64) map[string]shown {
			return with(cpu(4*v), `go_sched_gomaxprocs_threads`+node+`}`, constant(4))
		},
		"cpu (JVM)": lag("process_cpu_usage"),
		"cpu (Node.js process)": func(v float64) map[string]shown {
			return with(cpu(v), `nodejs_version_info`+node+`,version="v22"}`, constant(1))
		},
		"cpu (Python process)": func(v float64) map[string]shown {
			return with(cpu(v), `python_info`+node+`,version="3.13"}`, constant(1))
		},
		"cpu (container)": func(v float64) map[string]shown {
			of := node + `,namespace="n",pod="p",container="c"`
			return map[string]shown{
				`container_cpu_usage_seconds_total` + of + `,cpu="total"}`: rising(0, 2*v),
				`container_spec_cpu_quota` + of + `}`:                      constant(200000), `container_spec_cpu_period` + of + `}`: constant(100000),
			}
		},
		"memory (process)":   bytes(`process_resident_memory_bytes` + node + `}`),
		"memory (JVM heap)":  bytes(`jvm_memory_used_bytes` + node + `,area="heap",id="old"}`),
		"memory (container)": bytes(`container_memory_working_set_bytes` + node + `,container="c"}`),
		"connections (PostgreSQL)": func(v float64) map[string]shown {
			return with(pair("x", "pg_settings_max_connections")(v), `pg_stat_activity_count`+node+`,state="active"}`, constant(50*v))
		},
		"connections (MySQL)":                          pair("mysql_global_status_threads_connected", "mysql_global_variables_max_connections"),
		"connections (Redis)":                          pair("redis_connected_clients", "redis_config_maxclients"),
		"connections (connection tracking)":            pair("node_nf_conntrack_entries", "node_nf_conntrack_entries_limit"),
		"connections (Tomcat)":                         pair("tomcat_connections_current_connections", "tomcat_connections_config_max_connections"),
		"file-descriptors (process)":                   pair("process_open_fds", "process_max_fds"),
		"file-descriptors (JVM)":                       pair("process_files_open_files", "process_files_max_files"),
		"file-descriptors (machine)":                   pair("node_filefd_allocated", "node_filefd_maximum"),
		"event-loop-lag (Node.js)":                     lag("nodejs_eventloop_lag_p99_seconds"),
		"event-loop-lag (Node.js, OpenTelemetry)":      lag("nodejs_eventloop_delay_p99_seconds"),
		"event-loop-lag (Go scheduler)":                buckets("go_sched_latencies_seconds"),
		"event-loop-lag (Go scheduler, OpenTelemetry)": buckets("go_schedule_duration_seconds"),
		"event-loop-lag (JVM pauses)":                  lag("jvm_gc_pause_seconds_max"),
		"pool (Go database/sql)":                       pair("go_sql_in_use_connections", "go_sql_max_open_connections"),
		"pool (HikariCP)":                              pair("hikaricp_connections_active", "hikaricp_connections_max"),
		"pool (OpenTelemetry until 1.26)": func(v float64) map[string]shown {
			of := node + `,pool_name="p"`
			return map[string]shown{
				`db_client_connections_usage` + of + `,state="used"}`: constant(50 * v),
				`db_client_connections_usage` + of + `,state="idle"}`: constant(50), `db_client_connections_max` + of + `}`: constant(50),
			}
		},
		"pool (OpenTelemetry)": func(v float64) map[string]shown {
			of := node + `,db_client_connection_pool_name="p"`
			return map[string]shown{
				`db_client_connection_count` + of + `,db_client_connection_state="used"}`: constant(50 * v),
				`db_client_connection_count` + of + `,db_client_connection_state="idle"}`: constant(50), `db_client_connection_max` + of + `}`: constant(50),
			}
		},
	}
	limit := map[string]float64{"cpu": 0.8, "memory": 0.1, "event-loop-lag": 0.1}
	p, err := plan.Parse("scraping.yaml", fmt.Appendf(nil, strings.Replace(scrapingPlan, "shop", "j", 1), "http://x", "x", "{preset: key-metrics}"), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, seen := newLab(t), 0
	begin := time.Now().Add(-24 * time.Hour).Truncate(time.Second) // each case has ten minutes of its own
	for _, o := range p.Objectives {
		if o.PromQL == "" {
			continue
		}
		seen++
		kind := o.Text[:strings.Index(o.Text, ")")+1]
		show, ok := series[kind]
		if !ok {
			t.Errorf("there are no series for %s", kind)
			continue
		}
		t.Run(kind, func(t *testing.T) {
			at, known := limit[o.Preset]
			if !known {
				at = 1
			}
			for factor, want := range map[float64]bool{0.95: true, 1.05: false} {
				begin = begin.Add(10 * time.Minute)
				put(t, l.Store, begin, show(at*factor))
				expr := strings.NewReplacer("$range", "60s", "$seconds", "60").Replace(o.PromQL)
				left, right, held, err := l.Store.Compare(t.Context(), expr, begin.Add(time.Minute))
				if err != nil || len(left) != 1 || len(right) != 1 || held != want {
					t.Errorf("%g of the limit: %v < %v is %t, %v\n%s", factor, left, right, held, err, expr)
				}
			}
		})
	}
	if seen != len(series) {
		t.Errorf("%d expressions, series for %d", seen, len(series))
	}
}

// put writes what a server showed over a minute.
func put(t *testing.T, s *store.Store, begin time.Time, all map[string]shown) {
	t.Helper()
	app := s.Writer().AppenderV2(t.Context())
	for text, value := range all {
		name, rest, _ := strings.Cut(strings.TrimSuffix(text, "}"), "{")
		pairs := []string{"__name__", name}
		for part := range strings.SplitSeq(rest, ",") {
			key, v, _ := strings.Cut(part, "=")
			pairs = append(pairs, key, strings.Trim(v, `"`))
		}
		for i := range 61 {
			at := begin.Add(time.Duration(i) * time.Second).UnixMilli()
			if _, err := app.Append(0, labels.FromStrings(pairs...), 0, at, value(i), nil, nil, storage.AppendV2Options{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}
