package plan

// Growing is something of the servers under test that must not grow without end at constant load.
type Growing struct {
	Name   string // resident memory
	PromQL string // one series for each that there is
	Limit  string // PromQL of what it must not reach, by the same labels job and instance; empty: none is known
	Unit   string // By or 1
	Least  bool   // memory of a garbage collector: what is left after it ran is what counts
}

// Growing returns what the soak tests of a plan watch: of the plan's own scrape jobs, or of every job if it has none.
func (p *Plan) Growing() []Growing {
	all := growingSources()
	for i := range all {
		all[i].PromQL = selectJobs(all[i].PromQL, p.ServerJobs())
		all[i].Limit = selectJobs(all[i].Limit, p.ServerJobs())
	}
	return all
}

// StartTimes returns PromQL that tells when each process began, so that a restart shows.
func (p *Plan) StartTimes() string {
	return selectJobs(`max by (job, instance) (process_start_time_seconds{$jobs})`, p.ServerJobs())
}

// Scrapes returns PromQL that has a sample for each scrape.
func (p *Plan) Scrapes() string { return selectJobs(`up{$jobs}`, p.ServerJobs()) }

func growingSources() []Growing {
	const bytes, count = "By", "1"
	return []Growing{
		{"resident memory", `process_resident_memory_bytes{$jobs}`, "", bytes, true},
		{"Go heap", `go_memstats_heap_alloc_bytes{$jobs}`, `go_gc_gomemlimit_bytes{$jobs} < 1e18`, bytes, true},
		{"JVM heap", `sum by (job, instance) (jvm_memory_used_bytes{$jobs,area="heap"})`, `sum by (job, instance) (jvm_memory_max_bytes{$jobs,area="heap"} > 0)`, bytes, true},
		{"Node.js heap", `nodejs_heap_size_used_bytes{$jobs}`, "", bytes, true},
		{"memory of the container", `container_memory_working_set_bytes{$jobs,container!="POD"}`, `container_spec_memory_limit_bytes{$jobs,container!="POD"} > 0`, bytes, true},
		{"open files", `process_open_fds{$jobs}`, `process_max_fds{$jobs}`, count, false},
		{"open files", `process_files_open_files{$jobs}`, `process_files_max_files{$jobs}`, count, false},
		{"goroutines", `go_goroutines{$jobs}`, "", count, false},
		{"threads", `go_threads{$jobs}`, "", count, false},
		{"JVM threads", `jvm_threads_live_threads{$jobs}`, "", count, false},
		{"threads", `process_num_threads{$jobs}`, "", count, false},
		{"connections to PostgreSQL", `sum by (job, instance) (pg_stat_activity_count{$jobs})`, `max by (job, instance) (pg_settings_max_connections{$jobs})`, count, false},
		{"connections to MySQL", `mysql_global_status_threads_connected{$jobs}`, `mysql_global_variables_max_connections{$jobs}`, count, false},
		{"connections to Redis", `redis_connected_clients{$jobs}`, `redis_config_maxclients{$jobs}`, count, false},
		{"connection tracking", `node_nf_conntrack_entries{$jobs}`, `node_nf_conntrack_entries_limit{$jobs}`, count, false},
		{"connections of Tomcat", `tomcat_connections_current_connections{$jobs}`, `tomcat_connections_config_max_connections{$jobs}`, count, false},
		{"connections of the pool", `go_sql_open_connections{$jobs}`, `go_sql_max_open_connections{$jobs} > 0`, count, false},
		{"connections of the pool", `hikaricp_connections{$jobs}`, `hikaricp_connections_max{$jobs}`, count, false},
	}
}
