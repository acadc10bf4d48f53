package plan

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// keyMetrics is the preset that is all others.
const keyMetrics = "key-metrics"

// presetMemory is the preset that is a trend.
const presetMemory = "memory"

// preset is an objective that needs no PromQL: text as the plan could have it, or the same question to each kind of server
// that shows an answer.
type preset struct {
	name    string
	text    string // an objective of the requests
	meaning string // what the sources measure, in words
	limit   string // of the sources
	unit    string // of the sources
	sources []presetSource
}

// presetSource is an expression over series of one kind of server. {$jobs} is filled in with a selector of the plan's scrape
// jobs.
type presetSource struct{ of, promql string }

// presets ask for what a server must keep within while it is loaded. The text after the name says what is compared with the
// limit; README.md has it for users.
func presets() []preset {
	return []preset{
		{name: "cpu", meaning: "mean share of the processors that is in use", limit: "< 80%", unit: "ratio", sources: []presetSource{
			// Of all CPUs that the process, or the machine, may use, as a mean over the part.
			{"machine", `1 - avg by (job, instance) (rate(node_cpu_seconds_total{$jobs,mode="idle"}[$range])) < 0.8`},
			{"Go process", `rate(process_cpu_seconds_total{$jobs}[$range]) / max_over_time(go_sched_gomaxprocs_threads{$jobs}[$range]) < 0.8`},
			{"JVM", `avg_over_time(process_cpu_usage{$jobs}[$range]) < 0.8`},
			// These run code of the application on one CPU.
			{"Node.js process", `(rate(process_cpu_seconds_total{$jobs}[$range]) and on (job, instance) nodejs_version_info{$jobs}) < 0.8`},
			{"Python process", `(rate(process_cpu_seconds_total{$jobs}[$range]) and on (job, instance) python_info{$jobs}) < 0.8`},
			{"container", `sum by (job, instance, namespace, pod, container, name) (rate(container_cpu_usage_seconds_total{$jobs,container!="POD"}[$range])) / max by (job, instance, namespace, pod, container, name) (max_over_time(container_spec_cpu_quota{$jobs}[$range]) / max_over_time(container_spec_cpu_period{$jobs}[$range])) < 0.8`},
		}},
		{name: presetMemory, meaning: "trend of the memory in use over the time judged", limit: "growth < 10%", unit: "ratio", sources: []presetSource{
			// What the regression line grows by over the part, in relation to the mean; a process of less than 256 MiB is
			// measured against those, since it grows by megabytes when it warms up.
			{"process", growth(`process_resident_memory_bytes{$jobs}[$range]`)},
			{"JVM heap", growth(`sum by (job, instance) (jvm_memory_used_bytes{$jobs,area="heap"})[$range:1s]`)},
			{"container", growth(`container_memory_working_set_bytes{$jobs,container!="POD"}[$range]`)},
		}},
		{name: "response-time", text: "p95 < 500ms"},
		{name: "error-rate", text: "error_rate < 0.1%"},
		{name: "connections", meaning: "most open connections, as a share of how many there may be", limit: "below limit", unit: "ratio", sources: []presetSource{
			{"PostgreSQL", most(`sum by (job, instance) (pg_stat_activity_count{$jobs})`, `max by (job, instance) (pg_settings_max_connections{$jobs})`)},
			{"MySQL", most(`mysql_global_status_threads_connected{$jobs}`, `mysql_global_variables_max_connections{$jobs}`)},
			{"Redis", most(`redis_connected_clients{$jobs}`, `redis_config_maxclients{$jobs}`)},
			{"connection tracking", most(`node_nf_conntrack_entries{$jobs}`, `node_nf_conntrack_entries_limit{$jobs}`)},
			{"Tomcat", most(`tomcat_connections_current_connections{$jobs}`, `tomcat_connections_config_max_connections{$jobs}`)},
		}},
		{name: "file-descriptors", meaning: "most open files, as a share of how many there may be", limit: "below limit", unit: "ratio", sources: []presetSource{
			{"process", most(`process_open_fds{$jobs}`, `process_max_fds{$jobs}`)},
			{"JVM", most(`process_files_open_files{$jobs}`, `process_files_max_files{$jobs}`)},
			{"machine", most(`node_filefd_allocated{$jobs}`, `node_filefd_maximum{$jobs}`)},
		}},
		{name: "event-loop-lag", meaning: "how long work that is ready waits for its thread", limit: "< 100ms", unit: "s", sources: []presetSource{
			{"Node.js", `max_over_time(nodejs_eventloop_lag_p99_seconds{$jobs}[$range]) < 0.1`},
			{"Node.js, OpenTelemetry", `max_over_time(nodejs_eventloop_delay_p99_seconds{$jobs}[$range]) < 0.1`},
			// How long goroutines wait, ready to run, for a thread.
			{"Go scheduler", `histogram_quantile(0.99, sum by (job, instance, le) (rate(go_sched_latencies_seconds_bucket{$jobs}[$range]))) < 0.1`},
			{"Go scheduler, OpenTelemetry", `histogram_quantile(0.99, sum by (job, instance, le) (rate(go_schedule_duration_seconds_bucket{$jobs}[$range]))) < 0.1`},
			// What makes the threads of a JVM late is a pause of its garbage collector.
			{"JVM pauses", `max by (job, instance) (max_over_time(jvm_gc_pause_seconds_max{$jobs}[$range])) < 0.1`},
		}},
		{name: "pool", meaning: "connections of the pool in use nine tenths of the time, as a share of how many there may be", limit: "below limit", unit: "ratio", sources: []presetSource{
			// A pool is there to be used up for a moment; when it stays so, requests wait for each other.
			{"Go database/sql", usually(`go_sql_in_use_connections{$jobs}`, `go_sql_max_open_connections{$jobs}`)},
			{"HikariCP", usually(`hikaricp_connections_active{$jobs}`, `hikaricp_connections_max{$jobs}`)},
			{"OpenTelemetry", usually(`sum without (db_client_connection_state) (db_client_connection_count{$jobs,db_client_connection_state="used"})`, `db_client_connection_max{$jobs}`)},
			{"OpenTelemetry until 1.26", usually(`sum without (state) (db_client_connections_usage{$jobs,state="used"})`, `db_client_connections_max{$jobs}`)},
		}},
	}
}

// KeyMetrics returns the objectives of the preset of that name that ask servers, of any job. $range and $seconds in them are
// the time they look back, as a duration and in seconds.
func KeyMetrics() []Objective {
	var all []Objective
	list := presets()
	for i := range list {
		if list[i].text == "" {
			all = append(all, list[i].objectives(Pos{}, nil)...)
		}
	}
	return all
}

// growth is the expression that a quantity is stable.
func growth(series string) string {
	return `max by (job, instance) (deriv(` + series + `) * $seconds / clamp_min(avg_over_time(` + series + `), 268435456)) < 0.1`
}

// most is the expression that a quantity never came up to its limit, where it has one.
func most(quantity, limit string) string {
	return `max by (job, instance) (max_over_time((` + quantity + ` / (` + limit + ` > 0))[$range:1s])) < 1`
}

// usually is the expression that a quantity was below its limit for nine tenths of the time.
func usually(quantity, limit string) string {
	return `max by (job, instance) (quantile_over_time(0.9, (` + quantity + ` / (` + limit + ` > 0))[$range:1s])) < 1`
}

// preset reads an objective that is a preset.
func (d *decoder) preset(n node, p *Plan) []Objective {
	var names []string
	all := presets()
	for i := range all {
		names = append(names, all[i].name)
	}
	word, ok := d.Choice(n, "preset", append([]string{keyMetrics}, names...))
	if !ok {
		return nil
	}
	var objectives []Objective
	for i := range all {
		if word == keyMetrics || word == all[i].name {
			objectives = append(objectives, all[i].objectives(d.Pos(n), d.jobs(p))...)
		}
	}
	return objectives
}

// Limits returns what presets ask of servers that limits of theirs are known for, whether they are objectives or not, and the
// plan's own resources that have one: which of them is nearest its limit says what a target runs out of. Trends are none: they
// need more time than a trial. Those of the plan have no preset, and the name as text.
func (p *Plan) Limits() []Objective {
	var found []Objective
	all := presets()
	for i := range all {
		if all[i].text == "" && all[i].name != presetMemory {
			found = append(found, all[i].objectives(Pos{}, p.WatchedJobs())...)
		}
	}
	return append(found, p.ownLimits()...)
}

// Trend reports whether an objective is about what grows over the time judged: a trial is too short to tell.
func (o *Objective) Trend() bool { return o.Preset == presetMemory && o.Metric == PromQL }

// jobs returns the jobs that presets ask: if the plan scrapes none, none in particular.
func (d *decoder) jobs(p *Plan) []string {
	jobs := p.ServerJobs()
	if len(jobs) == 0 {
		return nil
	}
	return append(slices.Clip(jobs), d.options.Jobs...)
}

func (t *preset) objectives(at Pos, jobs []string) []Objective {
	if t.text != "" {
		parsed, err := parseObjective(t.text)
		if err != nil {
			panic("plan: the preset " + t.name + ": " + err.Error()) // a mistake in the table, which a test would find
		}
		parsed.Pos, parsed.Preset = at, t.name
		return []Objective{parsed.Objective}
	}
	all := make([]Objective, len(t.sources))
	for i, s := range t.sources {
		all[i] = Objective{
			Pos: at, Metric: PromQL, Unit: t.unit, Preset: t.name, Source: s.of, Meaning: t.meaning, Text: t.name + " (" + s.of + ") " + t.limit,
			PromQL: selectJobs(s.promql, jobs),
		}
	}
	return all
}

// selectJobs fills in which jobs an expression is about: other series in the store are not of this plan.
func selectJobs(promql string, jobs []string) string {
	if len(jobs) == 0 {
		return strings.NewReplacer("$jobs,", "", "$jobs", "").Replace(promql)
	}
	quoted := make([]string, len(jobs))
	for i, job := range jobs {
		quoted[i] = regexp.QuoteMeta(job)
	}
	return strings.ReplaceAll(promql, "$jobs", "job=~"+strconv.Quote(strings.Join(quoted, "|")))
}

// withoutRepeated leaves out the objectives of presets that are there already.
func withoutRepeated(all []Objective) []Objective {
	seen := map[string]bool{}
	for _, o := range all {
		seen[o.Text] = seen[o.Text] || o.Preset == ""
	}
	return slices.DeleteFunc(all, func(o Objective) bool {
		if o.Preset == "" {
			return false
		}
		defer func() { seen[o.Text] = true }()
		return seen[o.Text]
	})
}
