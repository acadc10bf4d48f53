package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/document"
)

// Resource is something of the servers under test that must not grow without end at constant load, or run out.
type Resource struct {
	Pos    Pos    // of the plan's own
	Own    bool   // it is the plan's own: that there is nothing of it is worth saying
	Name   string // resident memory
	PromQL string // one series for each that there is
	Limit  string // PromQL of what it must not reach, by the same labels job and instance, or a number; empty: none is known
	Unit   string // By, 1, s or ratio
	Least  bool   // memory of a garbage collector: what is left after it ran is what counts
}

// units are those that a plan can give its resources, and what they are in UCUM.
func units() (words, ucum []string) {
	return []string{"count", "bytes", "seconds", "ratio"}, []string{"1", "By", "s", "ratio"}
}

// resources reads the plan's own ones.
func (d *decoder) resources(n node) []Resource {
	members, _ := d.Members(n, "a mapping of names to what the servers show")
	all := make([]Resource, 0, len(members))
	for _, m := range members {
		d.keyName(m.Key)
		all = append(all, d.resource(m))
	}
	return all
}

func (d *decoder) resource(m member) Resource {
	r := Resource{Pos: d.Pos(m.Key), Own: true, Name: m.Key.Value, Unit: "1"}
	if m.Value.Kind == yaml.ScalarNode {
		r.PromQL, _ = d.vector(m.Value)
		return r
	}
	words, ucum := units()
	var limit node
	found, known := d.Mapping(m.Value, "a resource",
		document.Key("promql", document.Into(&r.PromQL, d.vector)),
		document.Key("limit", func(n node) { limit = n }),
		document.Key("unit", func(n node) {
			if word, ok := d.Choice(n, "unit", words); ok {
				r.Unit = ucum[slices.Index(words, word)]
			}
		}),
	)
	if _, ok := found["promql"]; !ok && known {
		d.Wrong(m.Value, `promql is missing, expected what it is: promql: sum by (job, instance) (jobs_waiting{job="payments"})`)
	}
	if _, ok := found["limit"]; ok {
		r.Limit = d.limit(limit, r.Unit)
	}
	r.Least = r.Unit == "By"
	return r
}

// vector reads an expression without a comparison.
func (d *decoder) vector(n node) (string, bool) {
	text, ok := d.Scalar(n, `an expression such as sum by (job, instance) (jobs_waiting{job="payments"})`)
	if !ok {
		return "", false
	}
	// What is checked has a comparison at its top.
	count := d.Count()
	d.checkPromQL(n, "("+text+") >= 0", 1)
	return text, d.Count() == count
}

// limit reads a number, a size or an expression, as PromQL.
func (d *decoder) limit(n node, unit string) string {
	text, ok := d.Constant(n, "a number, a size or an expression")
	if !ok {
		return ""
	}
	if v, err := document.ParseNumber(text); err == nil {
		if v == 0 {
			d.Wrong(n, "the limit is 0, expected more, or none")
		}
		return text
	}
	if v, err := document.ParseSize(text); err == nil {
		if unit != "By" {
			d.Wrong(n, "the limit %s is a size, expected unit: bytes beside it", document.Quoted(text))
		}
		return strconv.FormatInt(v, 10)
	}
	text, _ = d.vector(n)
	return text
}

// Resources of the plan that have a limit, as objectives: a trial asks them as it asks those of presets.
func (p *Plan) ownLimits() []Objective {
	var all []Objective
	for i := range p.Resources {
		r := &p.Resources[i]
		if r.Limit == "" {
			continue
		}
		share := fmt.Sprintf("(%s) / (%s)", r.PromQL, r.Limit)
		if _, err := document.ParseNumber(r.Limit); err != nil {
			share = fmt.Sprintf("(%s) / on (job, instance) group_left () (%s)", r.PromQL, r.Limit)
		}
		all = append(all, Objective{
			Pos: r.Pos, Metric: PromQL, Unit: "ratio", Text: r.Name, PromQL: "max(max_over_time((" + share + ")[$range:1s])) < 1",
		})
	}
	return all
}

// Growing returns what the soak tests of a plan watch: of the jobs that are scraped, or of every job if there is none.
func (p *Plan) Growing() []Resource {
	all := growingSources()
	for i := range all {
		all[i].PromQL = selectJobs(all[i].PromQL, p.WatchedJobs())
		all[i].Limit = selectJobs(all[i].Limit, p.WatchedJobs())
	}
	return append(all, p.Resources...)
}

// Watched returns what a report shows of the servers over time: what presets ask of them, with $range still in the expressions for how
// far they look back, and what must not grow.
func (p *Plan) Watched() []Resource {
	var all []Resource
	list := presets()
	for i := range list {
		t := &list[i]
		if t.text != "" || t.name == presetMemory || t.name == "connections" || t.name == "file-descriptors" {
			continue // the latter are among those that must not grow, with their limits
		}
		for _, o := range t.objectives(Pos{}, p.WatchedJobs()) {
			value, _, _ := strings.Cut(o.PromQL, " < ") // the comparison
			all = append(all, Resource{Name: t.name + " (" + o.Source + ")", PromQL: value, Unit: t.unit})
		}
	}
	return append(all, p.Growing()...)
}

// GrowingNames returns the names of what the soak tests of any plan watch, each once.
func GrowingNames() []string {
	var names []string
	for _, r := range growingSources() {
		if !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	return names
}

// CPUTimes returns PromQL for the processor seconds a second that each job takes, with $range in it for how far to look back.
func (p *Plan) CPUTimes() []string {
	return []string{
		selectJobs(`sum by (job) (rate(process_cpu_seconds_total{$jobs}[$range]))`, p.WatchedJobs()),
		selectJobs(`sum by (job) (rate(container_cpu_usage_seconds_total{$jobs,container!="POD"}[$range]))`, p.WatchedJobs()),
	}
}

// StartTimes returns PromQL that tells when each process began, so that a restart shows.
func (p *Plan) StartTimes() string {
	return selectJobs(`max by (job, instance) (process_start_time_seconds{$jobs})`, p.WatchedJobs())
}

// Scrapes returns PromQL that has a sample for each scrape.
func (p *Plan) Scrapes() string { return selectJobs(`up{$jobs}`, p.WatchedJobs()) }

func growingSources() []Resource {
	const bytes, count = "By", "1"
	source := func(name, promQL, limit, unit string) Resource {
		return Resource{Name: name, PromQL: promQL, Limit: limit, Unit: unit, Least: unit == bytes}
	}
	return []Resource{
		source("resident memory", `process_resident_memory_bytes{$jobs}`, "", bytes),
		source("Go heap", `go_memstats_heap_alloc_bytes{$jobs}`, `go_gc_gomemlimit_bytes{$jobs} < 1e18`, bytes),
		source("JVM heap", `sum by (job, instance) (jvm_memory_used_bytes{$jobs,area="heap"})`, `sum by (job, instance) (jvm_memory_max_bytes{$jobs,area="heap"} > 0)`, bytes),
		source("Node.js heap", `nodejs_heap_size_used_bytes{$jobs}`, "", bytes),
		source("memory of the container", `container_memory_working_set_bytes{$jobs,container!="POD"}`, `container_spec_memory_limit_bytes{$jobs,container!="POD"} > 0`, bytes),
		source("open files", `process_open_fds{$jobs}`, `process_max_fds{$jobs}`, count),
		source("open files", `process_files_open_files{$jobs}`, `process_files_max_files{$jobs}`, count),
		source("goroutines", `go_goroutines{$jobs}`, "", count),
		source("threads", `go_threads{$jobs}`, "", count),
		source("JVM threads", `jvm_threads_live_threads{$jobs}`, "", count),
		source("threads", `process_num_threads{$jobs}`, "", count),
		source("connections to PostgreSQL", `sum by (job, instance) (pg_stat_activity_count{$jobs})`, `max by (job, instance) (pg_settings_max_connections{$jobs})`, count),
		source("connections to MySQL", `mysql_global_status_threads_connected{$jobs}`, `mysql_global_variables_max_connections{$jobs}`, count),
		source("connections to Redis", `redis_connected_clients{$jobs}`, `redis_config_maxclients{$jobs}`, count),
		source("connection tracking", `node_nf_conntrack_entries{$jobs}`, `node_nf_conntrack_entries_limit{$jobs}`, count),
		source("connections of Tomcat", `tomcat_connections_current_connections{$jobs}`, `tomcat_connections_config_max_connections{$jobs}`, count),
		source("connections of the pool", `go_sql_open_connections{$jobs}`, `go_sql_max_open_connections{$jobs} > 0`, count),
		source("connections of the pool", `hikaricp_connections{$jobs}`, `hikaricp_connections_max{$jobs}`, count),
		source("connections of the pool in use", `sum by (job, instance) (db_client_connection_count{$jobs,db_client_connection_state="used"})`, `sum by (job, instance) (db_client_connection_max{$jobs})`, count),
		source("connections of the pool in use", `sum by (job, instance) (db_client_connections_usage{$jobs,state="used"})`, `sum by (job, instance) (db_client_connections_max{$jobs})`, count),
	}
}
