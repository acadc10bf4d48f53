// Package engine holds what tidegauge is made of; this file is its map.
//
// # The line along which data flows
//
//	plan ──► load ──► user ──► protocol/…        what to do · when · who does it · over what
//	                    │
//	                    ▼ Observation (intended, sent, finished, outcome, sizes)
//	                 measure ──► Snapshot, once an interval ──► telemetry (OpenTelemetry) ──► store
//	                    │                                        scrape (the servers' own metrics) ──┘
//	                    ├──► interval ──► run folder ──► exporters/html, jsonl
//	                    ├──► timeline ──► answer (to the question of the test's type)
//	                    ├──► verdict (objectives, also while the run lasts; what the answer means for the run)
//	                    └──► exporters/locust
//	store ──► outlet (a cursor over it, with books) ──► exporters/… ──► stores of the user's own
//	history + answer + verdict ──► report ──► terminal, JSON, run folder
//	run = load+user+measure on one machine · experiment = run + faults, from start to verdict
//
// # Levels
//
// Imports go from a higher level to a lower one, never sideways, never up; between folders cmd → exporters, grafana →
// engine. layers_test.go holds this table and fails on an import that goes another way, on a package that is missing
// here, and on a heavy dependency outside of the packages that its own list allows it in.
//
//	level  package                      purpose                                                              heavy imports
//	0      engine/catalog               lists every metric we emit: name, unit, help, labels                 otlptranslator
//	0      engine/hist                  base-2 exponential histogram: record, merge, subtract, quantile, encode
//	0      engine/stat                  compares samples; knows nothing of load tests                        gonum
//	0      engine/event                 what happens to a run as a whole
//	0      engine/protocol              the one interface behind which every protocol stands
//	0      engine/health                measures the load generator itself
//	0      engine/host                  shows this machine and processes on it as node_exporter would          gopsutil, client_golang
//	0      engine/fault                 breaks things on a timeline and puts them right
//	0      engine/endpoint              tells whether two network addresses are one
//	0      engine/feed                  hands rows of test data to users
//	1      engine/value                 compiles expressions, templates and extractors once                  expr-lang/expr, gjson
//	1      engine/measure               gathers observations, hands on snapshots, keeps the books
//	1      engine/fault/tcp             puts faults between a service and what it connects to over TCP       toxiproxy
//	1      engine/fault/webfault        puts faults between a service and what it calls over HTTP
//	1      engine/protocol/web          HTTP/1.1                                                             fasthttp
//	1      engine/search                decides which load to try next, and only that
//	1      engine/store                 time series in an embedded TSDB, queried with PromQL                 prometheus
//	2      engine/interval              keeps what a run measured interval by interval, in bounded space
//	2      engine/timeline              sorts what became of the work by when it was meant to start
//	2      engine/live                  says how a run stands while it lasts, in figures that a display needs
//	2      engine/document              reads YAML and says with line and column what is wrong in it         yaml.v3
//	2      engine/scrape                reads the metrics of the servers under test                          prometheus
//	2      engine/telemetry             shows measurements as an OpenTelemetry Producer                      otel, client_golang
//	2      engine/outlet                sends what the store holds to other stores, and keeps the books of it
//	2      engine/trace                 places requests in distributed traces, and makes spans of them
//	3      engine/plan                  reads a test plan and says with line and column what is wrong        yaml.v3
//	4      engine/load                  turns a shape into moments
//	4      engine/rule                  writes Prometheus rules: the bundled ones, and those of a plan         yaml.v3
//	4      engine/answer                answers the question that a test's type asks
//	4      engine/user                  what a user does: pick a task, run steps, check, extract, wait
//	4      engine/compare               says whether a run is worse than those before it
//	5      engine/alert                 evaluates rules over the store, and tells of what fires               prometheus, client_golang
//	5      engine/run                   makes the load of one test on this machine
//	5      engine/verdict               decides whether a run passed, and says why
//	6      engine/report                what a finished run says, one value for all formats
//	7      engine/history               one folder per run
//	8      engine/experiment            carries one test from start to verdict
//	7      exporters/internal/client    HTTP clients for outlets, and what answers mean for samples
//	7      exporters/internal/sample    runs for the tests of report formats
//	8      exporters/announce           tells webhooks how runs ended
//	8      exporters/grafana            what happens to runs, as annotations of Grafana's
//	8      exporters/influxdb           series to InfluxDB 2                                                 influxdb-client-go
//	8      exporters/html               the report of a run as one page that needs nothing else
//	8      exporters/jsonl              a run as JSON lines, one for each interval
//	8      exporters/junit              the verdict of a run as JUnit XML, for CI
//	8      exporters/locust             the four CSV files of Locust
//	8      grafana                      makes dashboards of the metrics in the catalog, and alert rules        yaml.v3
//	8      exporters/markdown           the verdict of a run as Markdown, for pull requests
//	8      exporters/otlp               series by OTLP over gRPC and HTTP                                    grpc, proto/otlp
//	8      exporters/prometheus         series by remote write                                               prometheus (prompb)
//	9      engine/queue                 runs tests one after the other, when asked and by schedule           robfig/cron, fsnotify
//	9      exporters                    opens the outlets that a command line names
//	10     engine/api                   answers the daemon's HTTP API and guards it
//	11     cmd/tidegauge/internal/app   puts the command together
//	11     cmd/tidegauge/internal/config  reads the configuration: what outlives a plan                        yaml.v3
//	11     cmd/tidegauge/internal/remote  asks a daemon over its HTTP API, and nothing else
//	12     cmd/tidegauge                the binary; one file per subcommand                                  cobra
//	12     cmd/paydemo                  a payment service to aim at; imports nothing of ours but its own packages
package engine
