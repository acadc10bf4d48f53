package rule

//go:generate go test -run ^TestBundledFile -update .

import (
	"fmt"
	"strings"
	"time"

	"tidegauge/engine/catalog"
	"tidegauge/engine/event"
	"tidegauge/engine/plan"
	"tidegauge/engine/store"
)

// The series that the bundled rules record.
const (
	Running      = "tidegauge:run:running"       // 1 for each run that is under way
	ExpectedLoad = "tidegauge:run:expected_load" // those of them whose load is one that the target is expected to bear
	OfService    = "tidegauge:run:of_service"    // those whose plan has the label service
	Latest       = "tidegauge:verdict:latest"    // when the latest verdict of each test was given, in seconds since 1970
	ErrorRatio   = "tidegauge:error:ratio1m"
	ResponseP95  = "tidegauge:response_time_seconds:p95_1m"
	LatenessP99  = "tidegauge:lateness_seconds:p99_1m"
	Compared     = "tidegauge:comparison:latest" // when the run was compared whose comparison is the latest of each test, in seconds since 1970
	Regressed    = "tidegauge:regression:change" // by how much a metric of that run is worse, where that is a regression
)

// LabelService is the label that says which servers a run loads: the plan has it under labels, the servers' series have it with
// the same value.
const LabelService = "service"

const (
	verdictAge    = "1d"             // how long a verdict is alerted on
	comparisonAge = "8d"             // how long a comparison is: until the next run of a test that is made every week
	interval      = 15 * time.Second // of evaluation
)

// ofTest groups by the test, whatever labels its plan has: what differs from run to run is left out.
func ofTest() string {
	return fmt.Sprintf("without (%s, %s, %s, instance)", catalog.LabelRun, catalog.LabelKind, catalog.LabelText)
}

// under records which runs are under way. A process that was killed leaves no end: a run that has said nothing for a minute is
// over.
func under(record string, matchers ...string) Rule {
	return Rule{Record: record, Value: selector(catalog.RunInfo, matchers...), Guard: "and " + last(selector(catalog.RunInfo), "1m")}
}

// Bundled returns the rules that are right for every plan.
func Bundled() File {
	return File{Groups: []Group{
		{Name: "tidegauge runs", Interval: interval, Rules: runs()},
		{Name: "tidegauge servers", Interval: interval, Rules: servers()},
		{Name: "tidegauge verdicts", Interval: interval, Rules: verdicts()},
		{Name: "tidegauge regressions", Interval: interval, Rules: regressions()},
		{Name: "tidegauge itself", Interval: interval, Rules: itself()},
	}}
}

func onRun(series string) string { return "and on (" + catalog.LabelRun + ") " + series }

// runs watch what a run measures while it lasts.
func runs() []Rule {
	of := "{{ .Labels.plan }}, test {{ .Labels.test }}"
	return []Rule{
		under(Running),
		// Stress, spike and recovery tests load a target beyond that, or break it.
		under(ExpectedLoad, fmt.Sprintf("%s=~%q", label(catalog.LabelTestType), string(plan.Load)+"|"+string(plan.Soak))),
		under(OfService, LabelService+`!=""`),
		{Record: ErrorRatio, Value: share(catalog.Requests, "1m", []string{failed()}, []string{ended()}), Guard: onRun(Running)},
		{Record: ResponseP95, Value: quantile(0.95, catalog.ResponseTime, "1m", ended()), Guard: onRun(Running)},
		{Record: LatenessP99, Value: quantile(0.99, catalog.Lateness, "1m"), Guard: onRun(Running)},
		{
			Alert: "TidegaugeErrorRateHigh", Value: ErrorRatio, Op: ">", Threshold: 0.01, Guard: onRun(ExpectedLoad), For: time.Minute,
			Labels:      with(nil, LabelSeverity, Critical),
			Summary:     "Requests fail under expected load: " + of,
			Description: "{{ .Value | humanizePercentage }} of the requests of the last minute failed in run {{ .Labels.run }}; more than 1% has lasted a minute.",
		},
		{
			Alert: "TidegaugeResponseTimeHigh", Value: ResponseP95, Op: ">", Threshold: 0.5, Guard: onRun(ExpectedLoad), For: time.Minute,
			Labels:      with(nil, LabelSeverity, Warning),
			Summary:     "Slow answers under expected load: " + of,
			Description: "The p95 of response time is {{ .Value | humanizeDuration }} in run {{ .Labels.run }}, from the intended start; more than 500 ms has lasted a minute.",
		},
	}
}

// verdicts watch what a run came to, until the next run of the test or for a day.
func verdicts() []Rule {
	verdict := last(selector(catalog.Verdict), verdictAge)
	events := selector(catalog.EventTime, is(catalog.LabelKind, string(event.Verdict)))
	without := ofTest()
	missed := last(selector(catalog.Objective), verdictAge)
	of := "{{ .Labels.plan }}, test {{ .Labels.test }}"
	return []Rule{
		{Record: Latest, Value: fmt.Sprintf("topk %s (1, %s)", without, last(events, verdictAge))},
		{
			Alert: "TidegaugeObjectiveMissed", Value: missed, Op: "<", Threshold: 1, Guard: onRun(Latest),
			Labels:      with(nil, LabelSeverity, Critical),
			Summary:     "Objective missed: {{ .Labels.objective }} of " + of,
			Description: "The latest run of the test, {{ .Labels.run }}, missed {{ .Labels.objective }} (answer {{ .Value }}: 1 is met, 0 is missed).",
		},
		{
			Alert: "TidegaugeRunFailed", Value: verdict + " == 0 unless on (" + catalog.LabelRun + ") " + parenthesised(missed+" == 0"), Op: "<", Threshold: 1, Guard: onRun(Latest),
			Labels:      with(nil, LabelSeverity, Critical),
			Summary:     "A run failed: " + of,
			Description: "The latest run of the test, {{ .Labels.run }}, did not pass (verdict {{ .Value }}), for another reason than an objective.",
		},
		{
			Alert: "TidegaugeRunInconclusive", Value: verdict, Op: "<", Threshold: 0, Guard: onRun(Latest),
			Labels:      with(nil, LabelSeverity, Info),
			Summary:     "A run has no answer: " + of,
			Description: "What the latest run of the test, {{ .Labels.run }}, measured cannot carry an answer (verdict {{ .Value }}).",
		},
		{
			// A test that had a verdict on at least four of the last seven days is taken for a daily one.
			Alert: "TidegaugeExpectedRunMissing", Op: ">", Threshold: 26 * 3600,
			Value:  fmt.Sprintf("time() - max %s (%s)", without, last(events, "7d")),
			Guard:  fmt.Sprintf("and sum_over_time((count %s (%s) > bool 0)[7d:1d]) >= 4", without, last(events, "1d")),
			Labels: with(nil, LabelSeverity, Warning), For: 5 * time.Minute,
			Summary:     "A daily run did not arrive: " + of,
			Description: "The latest verdict is {{ .Value | humanizeDuration }} old; there was one on at least four of the last seven days.",
		},
		{
			Alert: "TidegaugeScheduledRunMissing", Value: metric(catalog.ScheduleOverdue), Op: ">", Threshold: 15 * 60,
			Labels: with(nil, LabelSeverity, Warning), For: 5 * time.Minute,
			Summary:     "A scheduled run did not begin: {{ .Labels.schedule }}",
			Description: "The schedule {{ .Labels.schedule }} should have started a run {{ .Value | humanizeDuration }} ago, and none has begun since.",
		},
		{
			Alert: "TidegaugeBooksUnbalanced", Value: unbalanced(), Op: ">", Threshold: 0, Guard: onRun(Latest),
			Labels:      with(nil, LabelSeverity, Warning),
			Summary:     "The books of a run do not balance: " + of,
			Description: "{{ .Value }} {{ .Labels.work }} of run {{ .Labels.run }} are unaccounted for: intended = started + dropped and started = finished + cut have to hold.",
		},
	}
}

// regressions watch how the latest run of each test compares with those before it, until there is one that compares well, and what
// has changed over the history. The alerts are of tests and metrics, not of runs: while something stays wrong from run to run an
// alert goes on. What is known of a run comes in several writes, and further runs may yet change it: hence they wait a while.
func regressions() []Rule {
	of := "{{ .Labels.plan }}, test {{ .Labels.test }}"
	latest := func(expr string) string { return expr + " " + onRun(Compared) }
	known := func(name string, matchers ...string) string { return last(selector(name, matchers...), comparisonAge) }
	onSubject := fmt.Sprintf("on (%s, %s)", catalog.LabelRun, catalog.LabelSubject)
	value := func(name string) string {
		return fmt.Sprintf(`{{ range printf "last_over_time(%s{run=%%q, subject=%%q}[%s])" .Labels.run .Labels.subject | query }}{{ .Value | printf "%%.4g" }}{{ end }}`, metric(name), comparisonAge)
	}
	regression := func(confirmed string, is int, severity, how string) Rule {
		return Rule{
			Alert: "TidegaugeRegression", Op: ">", Threshold: 0, For: time.Minute,
			Value:       fmt.Sprintf("max without (%s, instance) (%s and on (%s) (%s == %d))", catalog.LabelRun, Regressed, catalog.LabelRun, known(catalog.BaselineConfirmed), is),
			Labels:      with(nil, LabelSeverity, severity, LabelConfirmed, confirmed),
			Summary:     "Worse than its baseline: {{ .Labels.subject }} of " + of,
			Description: "{{ .Labels.subject }} is {{ .Value | humanizePercentage }} worse in the latest run than in the runs before it; " + how + ".",
			Detail: fmt.Sprintf(`{{ range printf "%s{plan=%%q, test=%%q, subject=%%q}" .Labels.plan .Labels.test .Labels.subject | query }}Run {{ .Labels.run }} has `, Regressed) +
				value(catalog.BaselineRunValue) + ", its baseline " + value(catalog.BaselineValue) + ".{{ end }}",
		}
	}
	return []Rule{
		{Record: Compared, Value: fmt.Sprintf("topk %s (1, %s)", ofTest(), known(catalog.BaselineTime))},
		{
			// Errors where there were none are infinitely more: they count as twice as many.
			Record: Regressed, Value: fmt.Sprintf("(abs(%s) or %s == bool 0) and %s (%s == 0)", known(catalog.BaselineChange), known(catalog.BaselineJudgement), onSubject, known(catalog.BaselineJudgement)),
			Guard: onRun(Compared),
		},
		regression("yes", 1, Critical, "two further runs show it too"),
		regression("no", 0, Warning, "no further runs have confirmed it"),
		{
			Alert: "TidegaugeChangePoint", Op: ">", Threshold: 0, For: time.Minute,
			Value:       fmt.Sprintf("max without (%s, instance) (%s)", catalog.LabelRun, latest("abs("+known(catalog.HistoryChange, is(catalog.LabelTrend, "worse"))+")")),
			Labels:      with(nil, LabelSeverity, Warning),
			Summary:     "Worse since run {{ .Labels.since }}: {{ .Labels.subject }} of " + of,
			Description: "{{ .Labels.subject }} has been {{ .Value | humanizePercentage }} worse since run {{ .Labels.since }}{{ with .Labels.target_version }} (version {{ . }}){{ end }}, over several runs.",
		},
	}
}

// unbalanced is by how much the accounts of a run that is over differ.
func unbalanced() string {
	of := func(entry string) string {
		return fmt.Sprintf("sum without (%s, %s) (%s)", catalog.LabelClass, catalog.LabelEntry, last(selector(catalog.Books, is(catalog.LabelEntry, entry)), verdictAge))
	}
	return fmt.Sprintf("abs(%s - %s - %s)\n+ abs(%s - %s - %s)", of("intended"), of("started"), of("dropped"), of("started"), of("finished"), of("cut"))
}

// itself watches the load generator and the way of its measurements to other stores.
func itself() []Rule {
	of := "{{ .Labels.plan }}, test {{ .Labels.test }}"
	overloaded := func(source, value, op string, threshold float64, guard, text string) Rule {
		return Rule{
			Alert: "TidegaugeGeneratorOverloaded", Value: value, Op: op, Threshold: threshold, Guard: guard, For: time.Minute,
			Labels:      with(nil, LabelSeverity, Warning, LabelSource, source),
			Summary:     "The load generator cannot keep up: " + of,
			Description: text + " in run {{ .Labels.run }}: what it measures may be its own slowness.",
		}
	}
	lost := func(name string) string {
		return fmt.Sprintf("increase(%s[15m])", selector(name, is(catalog.LabelEntry, "lost")))
	}
	losing := func(signal, name string) Rule {
		return Rule{
			Alert: "TidegaugeOutletLosingData", Value: lost(name), Op: ">", Threshold: 0,
			Labels:      with(nil, LabelSeverity, Warning, catalog.LabelSignal, signal),
			Summary:     "The outlet {{ .Labels.outlet }} loses " + signal,
			Description: "{{ .Value | humanize }} " + signal + " were lost in the last 15 minutes on their way to {{ .Labels.outlet }}: it refused them, or they came faster than it takes them.",
		}
	}
	return []Rule{
		overloaded("lateness", LatenessP99, ">", 0.05, onRun(Running), "It is late by {{ .Value | humanizeDuration }} (p99; more than 50 ms has lasted a minute)"),
		overloaded("machine", selector(catalog.MachineUtilization), ">", 0.9, onRun(Running), "Its machine is {{ .Value | humanizePercentage }} busy (more than 90% has lasted a minute)"),
		overloaded("exhausted", total(catalog.Exhausted, rate(selector(catalog.Exhausted), "1m")), ">", 0, onRun(Running), "{{ .Value | humanize }} requests a second fail since it is out of files, ports or memory"),
		losing("samples", catalog.OutletSamples),
		losing("spans", catalog.OutletSpans),
		losing("events", catalog.OutletEvents),
		{
			Alert: "TidegaugeOutletBehind", Value: selector(catalog.OutletAge), Op: ">", Threshold: 300, For: 5 * time.Minute,
			Labels:      with(nil, LabelSeverity, Warning),
			Summary:     "The outlet {{ .Labels.outlet }} is behind",
			Description: "The oldest of the {{ .Labels.signal }} that wait for {{ .Labels.outlet }} are {{ .Value | humanizeDuration }} old; they are kept as long as the data directory keeps them.",
		},
	}
}

// server is what is alerted on of a preset.
type server struct {
	alert     string
	threshold float64 // of the value at which it fires; limits are approached, not reached
	window    time.Duration
	text      string // of the value
	severity  string
}

func serverAlerts() map[string]server {
	const share = "{{ .Value | humanizePercentage }}"
	return map[string]server{
		"cpu":              {"TidegaugeServerCPUHigh", 0.8, 5 * time.Minute, share + " of the processors were in use over five minutes, more than 80%", Warning},
		"memory":           {"TidegaugeServerMemoryGrowing", 0.1, 10 * time.Minute, "memory grew by " + share + " in ten minutes of load, more than 10%", Warning},
		"connections":      {"TidegaugeConnectionsNearLimit", 0.9, 5 * time.Minute, share + " of the connections there may be were open, more than 90%", Critical},
		"file-descriptors": {"TidegaugeFileDescriptorsNearLimit", 0.9, 5 * time.Minute, share + " of the files that may be open were open, more than 90%", Critical},
		"event-loop-lag":   {"TidegaugeEventLoopLag", 0.1, 5 * time.Minute, "work that was ready waited {{ .Value | humanizeDuration }} for its thread, more than 100 ms", Warning},
		"pool":             {"TidegaugePoolExhausted", 0.99, 5 * time.Minute, share + " of the connections of the pool were in use nine tenths of five minutes", Warning},
	}
}

// servers watch the servers that a run loads, by what the presets of plans ask.
func servers() []Rule {
	info := selector(catalog.RunInfo)
	alerts := serverAlerts()
	var all []Rule
	for _, o := range plan.KeyMetrics() {
		a, ok := alerts[o.Preset]
		if !ok {
			continue
		}
		guard := fmt.Sprintf("and on (%s) %s", LabelService, OfService)
		if o.Preset == "memory" { // growth over a stretch says nothing when the load began within it
			guard += fmt.Sprintf("\nand on (%s) (%s and %s offset %s)", LabelService, OfService, info, Duration(a.window))
		}
		value, _, _, err := store.SplitComparison(lookingBack(o.PromQL, a.window))
		if err != nil {
			panic("rule: the preset " + o.Text + ": " + err.Error()) // a mistake in the table of presets, which a test would find
		}
		all = append(all, Rule{
			Alert: a.alert, Value: strings.ReplaceAll(value, "(job, instance", "(job, instance, "+LabelService), Op: ">", Threshold: a.threshold, Guard: guard, For: time.Minute,
			Labels:      with(nil, LabelSeverity, a.severity, LabelSource, o.Source),
			Summary:     "{{ .Labels.service }} under load: " + o.Preset + " of {{ .Labels.instance }}",
			Description: "{{ .Labels.instance }} ({{ .Labels.job }}, " + o.Source + "): " + a.text + ".",
		})
	}
	return all
}

// lookingBack fills in how long an expression of a preset or a plan looks back. Rules are evaluated for ever, so the steps of
// subqueries are longer than those of a verdict.
func lookingBack(promql string, window time.Duration) string {
	return strings.NewReplacer("$range:1s]", Duration(window)+":"+Duration(interval)+"]", "$range", Duration(window), "$seconds", number(window.Seconds())).Replace(promql)
}
