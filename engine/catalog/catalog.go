// Package catalog lists every metric we emit: name, unit, help, labels.
//
// METRICS.md is the same list for people; `go generate ./engine/catalog` writes it.
package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/otlptranslator"
)

//go:generate go test -run ^TestReference$ -update .

// Kind is the type of an instrument.
type Kind string

// The kinds. Counters and histograms are cumulative since the start of the run.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram" // base-2 exponential
)

// Metric is one instrument. Every metric also has the labels of CommonLabels and the plan's own.
type Metric struct {
	Name   string // OpenTelemetry's: tidegauge.response_time
	Kind   Kind
	Unit   string // UCUM: s, By, {request}; empty where a value has none
	Help   string
	Labels []string // OpenTelemetry's names, in the order of the documentation
}

// The names of the metrics, as OpenTelemetry has them.
const (
	ResponseTime      = "tidegauge.response_time"
	ServiceTime       = "http.client.request.duration"
	IterationDuration = "tidegauge.iteration.duration"
	PhaseDuration     = "tidegauge.phase.duration"
	Lateness          = "tidegauge.lateness"
	Requests          = "tidegauge.requests"
	Checks            = "tidegauge.checks"
	Exceptions        = "tidegauge.exceptions"
	Books             = "tidegauge.books"
	NetworkIO         = "tidegauge.network.io"
	Users             = "tidegauge.users"
	ArrivalRate       = "tidegauge.arrival_rate"
	Stage             = "tidegauge.stage"
	OverflowRequests  = "tidegauge.overflow_requests"
	EventTime         = "tidegauge.event.time"
	RunInfo           = "tidegauge.run.info"
	Objective         = "tidegauge.objective"
	Verdict           = "tidegauge.verdict"
	RunDuration       = "tidegauge.run.duration"
	FigureBound       = "tidegauge.figure.bound"

	Capacity           = "tidegauge.capacity"
	CapacityUsers      = "tidegauge.user_capacity"
	ThroughputCeiling  = "tidegauge.throughput.ceiling"
	DetectionTime      = "tidegauge.detection.time"
	RecoveryTime       = "tidegauge.recovery.time"
	DrainTime          = "tidegauge.drain.time"
	Availability       = "tidegauge.availability"
	OutageTime         = "tidegauge.outage.time"
	ExcessLatency      = "tidegauge.excess_latency"
	BreakerTrips       = "tidegauge.breaker.trips"
	PeakResponseTime   = "tidegauge.peak.response_time"
	Hysteresis         = "tidegauge.hysteresis"
	ScalingLag         = "tidegauge.scaling.lag"
	HourlyGrowth       = "tidegauge.hourly_growth"
	LimitTime          = "tidegauge.limit.time"
	WarmUpTime         = "tidegauge.warm_up.time"
	BaselineChange     = "tidegauge.baseline.change"
	BaselineVerdict    = "tidegauge.baseline.verdict"
	BaselineConfirmed  = "tidegauge.baseline.confirmed"
	BaselineJudgement  = "tidegauge.baseline.judgement"
	BaselineValue      = "tidegauge.baseline.value"
	BaselineRunValue   = "tidegauge.baseline.run_value"
	BaselineRuns       = "tidegauge.baseline.runs"
	BaselineTime       = "tidegauge.baseline.time"
	HistoryChange      = "tidegauge.history.change"
	HistoryChangeTime  = "tidegauge.history.change_time"
	HistoryChanges     = "tidegauge.history.changes"
	LastGoodTime       = "tidegauge.last_good.time"
	AlertNotifications = "tidegauge.alert.notifications"
	AlertWaiting       = "tidegauge.alert.waiting"
	AlertErrors        = "tidegauge.alert.errors"
	OutletSamples      = "tidegauge.outlet.samples"
	OutletSpans        = "tidegauge.outlet.spans"
	OutletEvents       = "tidegauge.outlet.events"
	OutletWaiting      = "tidegauge.outlet.waiting"
	OutletAge          = "tidegauge.outlet.age"
	OutletRetries      = "tidegauge.outlet.retries"
	OutletErrors       = "tidegauge.outlet.errors"
	ScrapeUp           = "tidegauge.scrape.up"
	QueueJobs          = "tidegauge.queue.jobs"
	ScheduleMoments    = "tidegauge.schedule.moments"
	ScheduleNextTime   = "tidegauge.schedule.next_time"
	ScheduleLastTime   = "tidegauge.schedule.last_start_time"
	ScheduleOverdue    = "tidegauge.schedule.overdue"
	Answer             = "tidegauge.answer"
	Goodput            = "tidegauge.goodput"
	JudgedResponseTime = "tidegauge.judged.response_time"
	Drift              = "tidegauge.drift"
	ResourceUse        = "tidegauge.resource.use"
	FailureTime        = "tidegauge.failure.response_time"
	FailedRequests     = "tidegauge.failed_requests"
	DroppedRequests    = "tidegauge.dropped_requests"
	QueuedRequests     = "tidegauge.queued_requests"
	Inconsistent       = "tidegauge.inconsistent_requests"
	BlastRadius        = "tidegauge.blast_radius"
	Amplification      = "tidegauge.amplification"
	BreakerOpenings    = "tidegauge.breaker.openings"
	HourlyIncrease     = "tidegauge.hourly_increase"
)

// The names of the metrics of the load generator itself: of the semantic conventions where they have one that is also a good name
// in Prometheus, where a gauge must not end in _count.
const (
	ProcessCPUTime        = "process.cpu.time"
	ProcessCPUUtilization = "process.cpu.utilization"
	MachineUtilization    = "tidegauge.generator.machine.utilization"
	ProcessMemory         = "process.memory.usage"
	ProcessFiles          = "tidegauge.generator.file_descriptors"
	FileLimit             = "tidegauge.generator.file_descriptor_limit"
	Sockets               = "tidegauge.generator.sockets"
	Goroutines            = "tidegauge.generator.goroutines"
	Processors            = "go.processor.limit"
	GoMemory              = "go.memory.used"
	GoCPUTime             = "go.cpu.time"
	ScheduleDuration      = "go.schedule.duration"
	GCPauseDuration       = "go.memory.gc.pause.duration"
	Exhausted             = "tidegauge.generator.exhausted"
)

// The names of the labels, as OpenTelemetry has them.
const (
	LabelRun            = "run"
	LabelPlan           = "plan"
	LabelTest           = "test"
	LabelClass          = "class"
	LabelRequest        = "request"
	LabelMethod         = "method"
	LabelOutcome        = "outcome"
	LabelCheck          = "check"
	LabelPhase          = "phase"
	LabelWork           = "work"
	LabelEntry          = "entry"
	LabelStage          = "stage"
	LabelObjective      = "objective"
	LabelVersion        = "version"
	LabelScale          = "scale"
	LabelTestType       = "test_type"
	LabelKind           = "kind"
	LabelText           = "text"
	LabelSubject        = "subject"
	LabelTrend          = "trend" // worse or better
	LabelSince          = "since" // a run
	LabelSubjectVersion = "target_version"
	LabelFigure         = "figure"
	LabelBound          = "bound"
	LabelReceiver       = "receiver"
	LabelSchedule       = "schedule"
	LabelOutlet         = "outlet"
	LabelSignal         = "signal"
	LabelScrapeJob      = "scrape_job"
	LabelTarget         = "target"
	LabelOverflow       = "otel.metric.overflow" // OpenTelemetry's metrics SDK specification
	LabelDirection      = "network.io.direction" // semantic conventions
	LabelHTTPMethod     = "http.request.method"  // semantic conventions
	LabelErrorType      = "error.type"           // semantic conventions
	LabelCPUMode        = "cpu.mode"             // semantic conventions
	LabelMemoryType     = "go.memory.type"       // semantic conventions
	LabelCPUState       = "go.cpu.state"         // semantic conventions
	LabelState          = "state"
	LabelResource       = "resource"
)

// CommonLabels returns the labels that every metric has.
func CommonLabels() []string { return []string{LabelRun, LabelPlan, LabelTest} }

// All returns every metric of a run, in the order of the documentation. Outlets, Scrapes, Alerts and Queue return those that belong to no run.
func All() []Metric {
	request := []string{LabelClass, LabelRequest, LabelMethod}
	with := func(more ...string) []string { return slices.Concat(request, more, []string{LabelOverflow}) }
	return slices.Concat([]Metric{
		{ResponseTime, Histogram, "s", "Time from when a request was meant to start to the last byte of its answer.", with(LabelOutcome)},
		{ServiceTime, Histogram, "s", "Time from when a request was sent to the last byte of its answer.", with(LabelOutcome, LabelHTTPMethod, LabelErrorType)},
		{IterationDuration, Histogram, "s", "Time from when an iteration was meant to start to its end; finished iterations only.", []string{LabelClass}},
		{PhaseDuration, Histogram, "s", "Time spent in one phase of requests; a phase that did not take place is not counted. Blocked is the wait of an iteration for a free user.", []string{LabelClass, LabelPhase}},
		{Lateness, Histogram, "s", "How late the load generator was: how much later than it could have it started an iteration, and how much longer than it was to a pause of one lasted.", []string{LabelClass}},
		{Requests, Counter, "{request}", "Requests that came to an end, by outcome; cut are those that were ended because the run was over.", with(LabelOutcome)},
		{Checks, Counter, "{check}", "Results of the plan's checks; the outcome is pass or fail.", with(LabelCheck, LabelOutcome)},
		{Exceptions, Counter, "{exception}", "Expressions of the plan that failed while running.", []string{LabelClass}},
		{Books, Counter, "{item}", "Accounts of iterations and requests: intended = started + dropped, started = finished + cut once the run is over.", []string{LabelClass, LabelWork, LabelEntry}},
		{NetworkIO, Counter, "By", "Bytes on the wire, headers included, without the framing of TLS.", with(LabelDirection)},
		{Users, Gauge, "{user}", "Running users; in an open model those that are at work.", []string{LabelClass}},
		{ArrivalRate, Gauge, "{iteration}/s", "Rate at which iterations are meant to start now; open models only.", nil},
		{Stage, Gauge, "", "Stage of the load shape: its number, counted from 1, while it is under way, and 0 once it is over.", []string{LabelStage}},
		{OverflowRequests, Gauge, "{request}", "Requests of the plan without series of their own, since all together could have more than `max_series`.", nil},
		{EventTime, Gauge, "s", "When something happened to the run, in seconds since 1970, from then to its end and once more with its verdict; the kind is start, phase, fault, change, abort, stop or verdict.", []string{LabelKind, LabelText}},
		{RunInfo, Gauge, "", "Always 1 while the run lasts; the labels say what made the measurements, the scale of its histograms, and the type of the test.", []string{LabelVersion, LabelScale, LabelTestType}},
		{Objective, Gauge, "", "Answer to an objective of the plan, at the end of the run: 1 it was met, 0 it was missed; absent if it could not be decided.", []string{LabelObjective}},
		{Verdict, Gauge, "", "Verdict of the run, at its end: 1 pass, 0 fail, -1 inconclusive.", nil},
		{RunDuration, Gauge, "s", "Time from the start of the run to its verdict, at its end.", nil},
		{FigureBound, Gauge, "", "Ends of the interval of a figure of the run's answer, in the figure's unit; the bound is low or high, the figure the name of its metric.", []string{LabelSubject, LabelFigure, LabelBound}},
	}, generator(), Figures())
}

// Figures returns the metrics of the figures that answer the questions of the types of test. Each has its value at the end of
// a run; the ends of its interval are in FigureBound.
func Figures() []Metric {
	subject := []string{LabelSubject}
	change := []string{LabelSubject, LabelTrend, LabelSince, LabelSubjectVersion}
	return []Metric{
		{Answer, Gauge, "", "Answer to the question of the test's type: 1 good, 0 bad, -1 undecided; the subject is the code of what was found, or good.", subject},
		{Goodput, Gauge, "{request}/s", "Good requests a second over the part of a load test that was judged.", nil},
		{JudgedResponseTime, Gauge, "s", "Quantile of the response time of good requests over the part of a load test that was judged; the subject is p50, p95 or p99.", subject},
		{Drift, Gauge, "1", "Change from the beginning of the part that was judged to its end, relative to its level; the subject is p50, p95 or throughput.", subject},
		{Capacity, Gauge, "{iteration}/s", "Highest arrival rate that met the objectives, of a search for it.", nil},
		{CapacityUsers, Gauge, "{user}", "Most users that the objectives were met with, of a search for them.", nil},
		{ThroughputCeiling, Gauge, "{request}/s", "Most requests a second that were answered well, whatever the load.", nil},
		{ResourceUse, Gauge, "1", "Use of the resource of a server that was nearest its limit about the capacity, as a share of the limit; the subject is the resource.", subject},
		{BaselineChange, Gauge, "1", "Relative change against the baseline: 0.1 is 10% more. The subject is the metric that is compared.", subject},
		{BaselineVerdict, Gauge, "", "Comparison with the baseline: 1 not worse or better, 0 regression, -1 undecided.", nil},
		{BaselineConfirmed, Gauge, "", "Of a regression: 1 if runs that were made to confirm it show it too, else 0.", nil},
		{BaselineJudgement, Gauge, "", "Comparison of one metric with the baseline: 1 not worse or better, 0 regression, -1 undecided.", subject},
		{BaselineValue, Gauge, "", "Level of the baseline that a run was compared with, in seconds, per second or as a ratio.", subject},
		{BaselineRunValue, Gauge, "", "Value of the run, or of the runs that confirm it, beside that of the baseline.", subject},
		{BaselineRuns, Gauge, "{run}", "Runs of the baseline that a run was compared with; 0 for the first of its kind.", nil},
		{BaselineTime, Gauge, "s", "When a run was compared with its baseline, in seconds since 1970: the latest comparison of a test is the one that holds.", nil},
		{HistoryChange, Gauge, "1", "Relative change of a level over the history of runs that has lasted, as long as it does and nobody accepted it; for the better, for ten runs. Since is the run with which it began, target_version what the target was then.", change},
		{HistoryChangeTime, Gauge, "s", "When the run began with which such a level changed, in seconds since 1970.", change},
		{HistoryChanges, Gauge, "{change}", "How many such changes there are, for the worse and for the better.", []string{LabelTrend}},
		{LastGoodTime, Gauge, "s", "When the last run of the kind ended that passed and was no regression, in seconds since 1970.", nil},
		{DetectionTime, Gauge, "s", "Time from the beginning of a fault until it showed; the subject is the fault.", subject},
		{RecoveryTime, Gauge, "s", "Time from the end of a fault or spike until the target was back for good; absent if it was not. The subject is the fault or spike.", subject},
		{DrainTime, Gauge, "s", "Time from the end of a fault or spike until as few requests were under way as before; the subject is the fault or spike.", subject},
		{Availability, Gauge, "1", "Good requests of all that were intended, from the beginning of a fault or spike on; the subject is the fault or spike.", subject},
		{OutageTime, Gauge, "s", "Length of a full outage that loses as many requests as a fault or spike did; the subject is the fault or spike.", subject},
		{ExcessLatency, Gauge, "s", "Response time beyond what is usual, p95 summed over the seconds of a fault or spike and after it; the subject is the fault or spike.", subject},
		{BreakerTrips, Gauge, "{trip}", "How often a closed circuit breaker opened, by its own state if that is scraped, else as inferred from outside; the subject is the fault.", subject},
		{BreakerOpenings, Gauge, "{opening}", "How often a circuit breaker opened, with probes that failed, by its own count if that is scraped, else as inferred from outside; the subject is the fault.", subject},
		{FailureTime, Gauge, "s", "p95 of the time that requests took to fail while a fault showed: short is fail-fast, the timeout is a hang; the subject is the fault.", subject},
		{FailedRequests, Gauge, "{request}", "Requests that failed from the beginning of a fault or spike on; the subject is the fault or spike.", subject},
		{DroppedRequests, Gauge, "{request}", "Requests that were never sent from the beginning of a fault or spike on, since no user was free; the subject is the fault or spike.", subject},
		{QueuedRequests, Gauge, "{request}", "Most requests that were due and not answered in a spike, above the usual; the subject is the spike.", subject},
		{BlastRadius, Gauge, "1", "Share of the kinds of requests that failed more than before in a fault; the subject is the fault.", subject},
		{Inconsistent, Gauge, "{request}", "Requests of which one check held while another failed in a fault, as payments that were made and not notified; the subject is the fault.", subject},
		{Amplification, Gauge, "1", "Requests that the target counted in a fault, at most, by those that were meant to be made, as usual before: retries make more; the subject is the fault.", subject},
		{PeakResponseTime, Gauge, "s", "Greatest p99 of response time in a second of a spike.", nil},
		{Hysteresis, Gauge, "1", "p95 of response time after a spike, in relation to before it.", nil},
		{ScalingLag, Gauge, "s", "Time from the beginning of a spike until the replicas had grown by half of what they would.", nil},
		{HourlyGrowth, Gauge, "1", "Growth an hour at constant load, relative to the start; the subject is what grows.", subject},
		{HourlyIncrease, Gauge, "", "Growth an hour at constant load, in the unit of what grows; the subject is what grows.", subject},
		{LimitTime, Gauge, "s", "Time until something that grows reaches its limit, at its pace; the subject is what grows.", subject},
		{WarmUpTime, Gauge, "s", "Time from the start of a run until its measurements had left their warm-up behind.", nil},
	}
}

// generator returns the metrics of the load generator itself.
func generator() []Metric {
	return []Metric{
		{ProcessCPUTime, Counter, "s", "CPU time that the load generator used; cpu.mode is user or system.", []string{LabelCPUMode}},
		{ProcessCPUUtilization, Gauge, "1", "Share of the processors it may use that the load generator used since the sample before; cpu.mode is user or system.", []string{LabelCPUMode}},
		{MachineUtilization, Gauge, "1", "Share of the CPUs of the load generator's machine that was busy since the sample before, whoever used them; Linux only.", nil},
		{ProcessMemory, Gauge, "By", "Resident memory of the load generator; Linux only.", nil},
		{ProcessFiles, Gauge, "{file_descriptor}", "File descriptors that the load generator has open, sockets among them; Linux only.", nil},
		{FileLimit, Gauge, "{file_descriptor}", "Most file descriptors that the load generator may have open.", nil},
		{Sockets, Gauge, "{socket}", "TCP sockets of the load generator's machine or network namespace; the state is in_use, or time_wait, whose ports are not free yet; Linux only.", []string{LabelState}},
		{Goroutines, Gauge, "{goroutine}", "Goroutines of the load generator.", nil},
		{Processors, Gauge, "{thread}", "Threads of the load generator that can run Go code at once (GOMAXPROCS).", nil},
		{GoMemory, Gauge, "By", "Memory that the load generator's Go runtime uses; go.memory.type is stack, or other, which the heap is part of.", []string{LabelMemoryType}},
		{GoCPUTime, Counter, "s", "CPU time of the load generator's garbage collector (go.cpu.state gc), as of its last cycle.", []string{LabelCPUState}},
		{ScheduleDuration, Histogram, "s", "How long goroutines of the load generator waited for a thread, ready to run.", nil},
		{GCPauseDuration, Histogram, "s", "How long the load generator's garbage collector stopped all its goroutines.", nil},
		{Exhausted, Counter, "{request}", "Requests that failed since the load generator ran out of something; the resource is files, ports or memory.", []string{LabelClass, LabelResource}},
	}
}

// Alerts returns the metrics of the way of alerts to those who are told of them. They have none of the labels of runs, and count
// since the process started.
func Alerts() []Metric {
	receiver := []string{LabelReceiver}
	return []Metric{
		{AlertNotifications, Counter, "{notification}", "Accounts of what a receiver is told of alerts: produced = sent + lost + waiting.", []string{LabelReceiver, LabelEntry}},
		{AlertWaiting, Gauge, "{notification}", "Notifications that the receiver has not been told of yet.", receiver},
		{AlertErrors, Counter, "{error}", "Attempts to tell a receiver that failed.", receiver},
	}
}

// Outlets returns the metrics of tidegauge's own way to other stores. They have none of the labels of runs, and count since
// the outlet was first used, over restarts.
func Outlets() []Metric {
	entries, signals := []string{LabelOutlet, LabelEntry}, []string{LabelOutlet, LabelSignal}
	return []Metric{
		{OutletSamples, Counter, "{sample}", "Accounts of an outlet: produced = sent + lost + waiting.", entries},
		{OutletSpans, Counter, "{span}", "Accounts of the spans of an outlet, which wait in memory: produced = sent + lost + waiting.", entries},
		{OutletEvents, Counter, "{event}", "Accounts of the run events of an outlet, which wait in memory: produced = sent + lost + waiting.", entries},
		{OutletWaiting, Gauge, "{item}", "Samples in the data directory, spans or events in memory that the outlet has not sent yet; the signal is samples, spans or events.", signals},
		{OutletAge, Gauge, "s", "Age of the oldest item that the outlet has not sent yet; 0 without one.", signals},
		{OutletRetries, Counter, "{attempt}", "Attempts to send something again.", signals},
		{OutletErrors, Counter, "{error}", "Attempts that failed, refusals and losses of an outlet.", signals},
	}
}

// Queue returns the metrics of a daemon's queue and schedules. They have none of the labels of runs, and count since the process
// started.
func Queue() []Metric {
	schedule := []string{LabelSchedule}
	return []Metric{
		{QueueJobs, Gauge, "{job}", "Jobs of the queue that are not over; the state is waiting or running.", []string{LabelState}},
		{ScheduleMoments, Counter, "{moment}", "Moments at which a schedule was due, by what became of them; the outcome is started, missed, overlap, blackout or refused.", []string{LabelSchedule, LabelOutcome}},
		{ScheduleNextTime, Gauge, "s", "When the schedule is due next, with its jitter, in seconds since 1970.", schedule},
		{ScheduleOverdue, Gauge, "s", "For how long a run of the schedule has been expected that did not begin: since the first moment without one after its last run; 0 when none is.", schedule},
		{ScheduleLastTime, Gauge, "s", "When the schedule last began a run, in seconds since 1970; absent if it never did.", schedule},
	}
}

// Scrapes returns the metrics of what is scraped always. They are at /metrics alone: a store has Prometheus's own for each scrape.
func Scrapes() []Metric {
	return []Metric{
		{ScrapeUp, Gauge, "", "Whether the last scrape of a target that is scraped always succeeded: 1 it did, 0 it failed.", []string{LabelScrapeJob, LabelTarget}},
	}
}

// everything returns all metrics there are.
func everything() []Metric { return slices.Concat(All(), Outlets(), Scrapes(), Alerts(), Queue()) }

// Lookup returns the metric of that OpenTelemetry name.
func Lookup(name string) (Metric, bool) {
	all := everything()
	i := slices.IndexFunc(all, func(m Metric) bool { return m.Name == name })
	if i < 0 {
		return Metric{}, false
	}
	return all[i], true
}

// PrometheusName returns the name under which Prometheus's OTLP translation (UnderscoreEscapingWithSuffixes, its default)
// stores the metric.
func (m Metric) PrometheusName() string {
	kind := otlptranslator.MetricType(otlptranslator.MetricTypeGauge)
	switch m.Kind {
	case Counter:
		kind = otlptranslator.MetricTypeMonotonicCounter
	case Histogram:
		kind = otlptranslator.MetricTypeExponentialHistogram
	}
	namer := otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	name, err := namer.Build(otlptranslator.Metric{Name: m.Name, Unit: m.Unit, Type: kind})
	if err != nil { // only for a name without a letter in it
		return m.Name
	}
	return name
}

// CounterKeepsName reports whether a counter has the same name after Prometheus's OTLP translation, which ends the names of
// counters in _total.
func CounterKeepsName(name string) bool {
	return Metric{Name: name, Kind: Counter}.PrometheusName() == name
}

// PrometheusUnit returns the metric's unit in Prometheus's words: seconds, bytes; empty where a value has none.
func (m Metric) PrometheusUnit() string {
	namer := otlptranslator.UnitNamer{}
	return namer.Build(m.Unit)
}

// PrometheusLabel returns the label under which Prometheus's OTLP translation stores an attribute, or an error if it
// cannot be stored.
func PrometheusLabel(name string) (string, error) {
	namer := otlptranslator.LabelNamer{PreserveMultipleUnderscores: true}
	label, err := namer.Build(name)
	if err != nil {
		return "", fmt.Errorf("label %q has no Prometheus name: %w", name, err)
	}
	if strings.HasPrefix(label, "_") && !strings.HasPrefix(label, "__") {
		label = "key" + label // the namer's option for it is deprecated, Prometheus's default is not
	}
	return label, nil
}
