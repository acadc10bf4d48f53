// Package host shows the metrics of this machine and of processes on it, where no exporter does, as node_exporter and the
// process collectors of Prometheus's client libraries name them.
//
// The names are the Prometheus ones and not OpenTelemetry's system.* and process.*: whoever needs them has dashboards, alert
// rules and objectives written for node_exporter, and those work unchanged, as do the presets of a plan. A series that the
// operating system cannot give is absent, never zero; Warnings says so once.
//
// README.md lists every series.
package host

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Default values of Options.
const (
	DefaultInterval = time.Second
	DefaultJob      = "node" // what dashboards for node_exporter look for
)

// Options say what to read. The zero Options are the machine alone, once a second.
type Options struct {
	Interval  time.Duration // default: DefaultInterval
	Job       string        // of the machine's series; default: DefaultJob
	Processes []Process
}

// Process names processes: by one of PID, Name and PIDFile.
type Process struct {
	PID     int
	Name    string // of the program, as ps -C has it; every process of that name
	PIDFile string // read anew each time, so that a restart is followed
	Job     string // default: the name, the name of the file without its ending, or pid-N
}

// JobName returns the value of the label job.
func (p *Process) JobName() string {
	switch {
	case p.Job != "":
		return p.Job
	case p.Name != "":
		return p.Name
	case p.PIDFile != "":
		base := filepath.Base(p.PIDFile)
		return strings.TrimSuffix(base, filepath.Ext(base))
	}
	return "pid-" + strconv.Itoa(p.PID)
}

// String says which processes are meant, for people.
func (p *Process) String() string {
	switch {
	case p.Name != "":
		return "named " + p.Name
	case p.PIDFile != "":
		return "of " + p.PIDFile
	}
	return "with pid " + strconv.Itoa(p.PID)
}

// Jobs returns the values of the label job that the series have: that of the machine first, each once.
func (o *Options) Jobs() []string {
	jobs := []string{o.Job}
	if o.Job == "" {
		jobs[0] = DefaultJob
	}
	for i := range o.Processes {
		if job := o.Processes[i].JobName(); !slices.Contains(jobs, job) {
			jobs = append(jobs, job)
		}
	}
	return jobs
}

// Host reads this machine. Its targets may be asked from several goroutines at once.
type Host struct {
	targets []Target
	notes   *notes
}

// Target is what one scrape reads: the machine, or the processes of one entry of Options.
type Target struct {
	Job      string
	Instance string // the machine's name
	Interval time.Duration
	// Handler answers a scrape. Where no process is found it answers 503 Service Unavailable, so that up is 0 and the series
	// of a process that has ended become stale.
	Handler http.Handler
	// Err says why the last answer was not one with metrics; nil if it was.
	Err func() error
}

// New returns what reads this machine. It reads nothing yet.
func New(o Options) *Host {
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	if o.Interval == 0 {
		o.Interval = DefaultInterval
	}
	h := &Host{notes: &notes{}}
	add := func(job string, c collector) {
		t := &target{collector: c}
		registry := prometheus.NewRegistry()
		registry.MustRegister(t) // the first of its registry
		t.show = promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, DisableCompression: true})
		h.targets = append(h.targets, Target{Job: job, Instance: name, Interval: o.Interval, Handler: t, Err: t.err})
	}
	add(o.Jobs()[0], newMachine(h.notes))
	for _, p := range o.Processes {
		add(p.JobName(), newProcesses(p, h.notes))
	}
	return h
}

// Targets returns the machine and the processes in the order of Options.
func (h *Host) Targets() []Target { return h.targets }

// Warnings says what could not be read, and which processes ended or began meanwhile. It is for the end of a run.
func (h *Host) Warnings() []string {
	h.notes.mu.Lock()
	defer h.notes.mu.Unlock()
	all := slices.Clone(h.notes.said)
	for i := range h.targets {
		if t, ok := h.targets[i].Handler.(*target); ok {
			if p, ok := t.collector.(*processes); ok {
				all = append(all, p.changes()...)
			}
		}
	}
	return all
}

// collector reads metrics. An error means that there is nothing to show.
type collector interface {
	collect(emit func(prometheus.Metric)) error
}

// target answers scrapes with what its collector reads; one at a time.
type target struct {
	collector collector
	show      http.Handler

	mu      sync.Mutex
	metrics []prometheus.Metric
	failed  error
}

// ServeHTTP implements http.Handler.
func (t *target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.metrics = t.metrics[:0]
	if t.failed = t.collector.collect(func(m prometheus.Metric) { t.metrics = append(t.metrics, m) }); t.failed != nil {
		http.Error(w, t.failed.Error(), http.StatusServiceUnavailable)
		return
	}
	t.show.ServeHTTP(w, r)
}

func (t *target) err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

// Describe implements prometheus.Collector: nothing, since what there is depends on the machine.
func (t *target) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector, inside of ServeHTTP.
func (t *target) Collect(ch chan<- prometheus.Metric) {
	for _, m := range t.metrics {
		ch <- m
	}
}

// notes gathers what is to be said once.
type notes struct {
	mu   sync.Mutex
	said []string
}

// absent notes that series are missing and why.
func (n *notes) absent(series string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	prefix := "this machine does not show " + series
	if !slices.ContainsFunc(n.said, func(s string) bool { return strings.HasPrefix(s, prefix+":") }) {
		n.said = append(n.said, fmt.Sprintf("%s: %v", prefix, err))
	}
}

// series is a metric with the names of its labels.
type series struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func counter(name, help string, labels ...string) series {
	return series{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue}
}

func gauge(name, help string, labels ...string) series {
	return series{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue}
}

func (s series) of(v float64, labels ...string) prometheus.Metric {
	for i := range labels { // names of devices and mounts may be any bytes
		labels[i] = strings.ToValidUTF8(labels[i], "�")
	}
	return prometheus.MustNewConstMetric(s.desc, s.kind, v, labels...)
}
