package catalog

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write METRICS.md")

func TestPrometheusName(t *testing.T) {
	want := map[string]string{
		ResponseTime:          "tidegauge_response_time_seconds",
		ServiceTime:           "http_client_request_duration_seconds",
		IterationDuration:     "tidegauge_iteration_duration_seconds",
		PhaseDuration:         "tidegauge_phase_duration_seconds",
		Lateness:              "tidegauge_lateness_seconds",
		Requests:              "tidegauge_requests_total",
		Checks:                "tidegauge_checks_total",
		Exceptions:            "tidegauge_exceptions_total",
		Books:                 "tidegauge_books_total",
		NetworkIO:             "tidegauge_network_io_bytes_total",
		Users:                 "tidegauge_users",
		ArrivalRate:           "tidegauge_arrival_rate_per_second",
		Stage:                 "tidegauge_stage",
		OverflowRequests:      "tidegauge_overflow_requests",
		EventTime:             "tidegauge_event_time_seconds",
		RunInfo:               "tidegauge_run_info",
		Objective:             "tidegauge_objective",
		Verdict:               "tidegauge_verdict",
		RunDuration:           "tidegauge_run_duration_seconds",
		FigureBound:           "tidegauge_figure_bound",
		BaselineChange:        "tidegauge_baseline_change_ratio",
		BaselineVerdict:       "tidegauge_baseline_verdict",
		AlertNotifications:    "tidegauge_alert_notifications_total",
		AlertWaiting:          "tidegauge_alert_waiting",
		AlertErrors:           "tidegauge_alert_errors_total",
		BaselineConfirmed:     "tidegauge_baseline_confirmed",
		BaselineJudgement:     "tidegauge_baseline_judgement",
		BaselineValue:         "tidegauge_baseline_value",
		BaselineRunValue:      "tidegauge_baseline_run_value",
		BaselineRuns:          "tidegauge_baseline_runs",
		BaselineTime:          "tidegauge_baseline_time_seconds",
		HistoryChange:         "tidegauge_history_change_ratio",
		HistoryChangeTime:     "tidegauge_history_change_time_seconds",
		HistoryChanges:        "tidegauge_history_changes",
		LastGoodTime:          "tidegauge_last_good_time_seconds",
		Answer:                "tidegauge_answer",
		Goodput:               "tidegauge_goodput_per_second",
		JudgedResponseTime:    "tidegauge_judged_response_time_seconds",
		Drift:                 "tidegauge_drift_ratio",
		ResourceUse:           "tidegauge_resource_use_ratio",
		FailureTime:           "tidegauge_failure_response_time_seconds",
		FailedRequests:        "tidegauge_failed_requests",
		DroppedRequests:       "tidegauge_dropped_requests",
		QueuedRequests:        "tidegauge_queued_requests",
		BlastRadius:           "tidegauge_blast_radius_ratio",
		Inconsistent:          "tidegauge_inconsistent_requests",
		Amplification:         "tidegauge_amplification_ratio",
		BreakerOpenings:       "tidegauge_breaker_openings",
		HourlyIncrease:        "tidegauge_hourly_increase",
		Capacity:              "tidegauge_capacity_per_second",
		CapacityUsers:         "tidegauge_user_capacity",
		ThroughputCeiling:     "tidegauge_throughput_ceiling_per_second",
		DetectionTime:         "tidegauge_detection_time_seconds",
		RecoveryTime:          "tidegauge_recovery_time_seconds",
		DrainTime:             "tidegauge_drain_time_seconds",
		Availability:          "tidegauge_availability_ratio",
		OutageTime:            "tidegauge_outage_time_seconds",
		ExcessLatency:         "tidegauge_excess_latency_seconds",
		BreakerTrips:          "tidegauge_breaker_trips",
		PeakResponseTime:      "tidegauge_peak_response_time_seconds",
		Hysteresis:            "tidegauge_hysteresis_ratio",
		ScalingLag:            "tidegauge_scaling_lag_seconds",
		HourlyGrowth:          "tidegauge_hourly_growth_ratio",
		LimitTime:             "tidegauge_limit_time_seconds",
		WarmUpTime:            "tidegauge_warm_up_time_seconds",
		ProcessCPUTime:        "process_cpu_time_seconds_total",
		ProcessCPUUtilization: "process_cpu_utilization_ratio",
		MachineUtilization:    "tidegauge_generator_machine_utilization_ratio",
		ProcessMemory:         "process_memory_usage_bytes",
		ProcessFiles:          "tidegauge_generator_file_descriptors",
		FileLimit:             "tidegauge_generator_file_descriptor_limit",
		Sockets:               "tidegauge_generator_sockets",
		Goroutines:            "tidegauge_generator_goroutines",
		Processors:            "go_processor_limit",
		GoMemory:              "go_memory_used_bytes",
		GoCPUTime:             "go_cpu_time_seconds_total",
		ScheduleDuration:      "go_schedule_duration_seconds",
		GCPauseDuration:       "go_memory_gc_pause_duration_seconds",
		Exhausted:             "tidegauge_generator_exhausted_total",
		OutletSamples:         "tidegauge_outlet_samples_total",
		OutletSpans:           "tidegauge_outlet_spans_total",
		OutletEvents:          "tidegauge_outlet_events_total",
		OutletWaiting:         "tidegauge_outlet_waiting",
		OutletAge:             "tidegauge_outlet_age_seconds",
		OutletRetries:         "tidegauge_outlet_retries_total",
		OutletErrors:          "tidegauge_outlet_errors_total",
		ScrapeUp:              "tidegauge_scrape_up",
		QueueJobs:             "tidegauge_queue_jobs",
		ScheduleMoments:       "tidegauge_schedule_moments_total",
		ScheduleNextTime:      "tidegauge_schedule_next_time_seconds",
		ScheduleLastTime:      "tidegauge_schedule_last_start_time_seconds",
		ScheduleOverdue:       "tidegauge_schedule_overdue_seconds",
	}
	all := everything()
	if len(all) != len(want) {
		t.Errorf("%d metrics, want %d", len(all), len(want))
	}
	for _, m := range all {
		if got := m.PrometheusName(); got != want[m.Name] {
			t.Errorf("%s: got %q, want %q", m.Name, got, want[m.Name])
		}
	}
}

func TestPrometheusUnit(t *testing.T) {
	for name, want := range map[string]string{ResponseTime: "seconds", NetworkIO: "bytes", Requests: "", ArrivalRate: "per_second", Verdict: ""} {
		if m, _ := Lookup(name); m.PrometheusUnit() != want {
			t.Errorf("%s: got %q, want %q", name, m.PrometheusUnit(), want)
		}
	}
}

func TestEntriesAreWellFormed(t *testing.T) {
	name := regexp.MustCompile(`^[a-z]+([._][a-z]+)*$`)
	seen := map[string]bool{}
	for _, m := range everything() {
		if !name.MatchString(m.Name) || seen[m.Name] {
			t.Errorf("name %q is malformed or there twice", m.Name)
		}
		seen[m.Name] = true
		if !strings.HasSuffix(m.Help, ".") || strings.Contains(m.Help, "\n") {
			t.Errorf("%s: help %q is not one line of sentences", m.Name, m.Help)
		}
		labels := map[string]bool{}
		for _, l := range append(CommonLabels(), m.Labels...) {
			if labels[l] {
				t.Errorf("%s: label %s is there twice", m.Name, l)
			}
			labels[l] = true
		}
		if found, ok := Lookup(m.Name); !ok || found.Help != m.Help {
			t.Errorf("Lookup(%q) = %v, %v", m.Name, found, ok)
		}
	}
	if m, ok := Lookup("tidegauge.nothing"); ok {
		t.Errorf("Lookup of an unknown name found %v", m)
	}
}

func TestPrometheusLabel(t *testing.T) {
	for in, want := range map[string]string{
		LabelDirection:  "network_io_direction",
		LabelHTTPMethod: "http_request_method",
		"team":          "team",
		"cost-center":   "cost_center",
		"a..b":          "a__b",
		"_x":            "key_x",
		"2nd":           "key_2nd",
		"":              "",
		"€":             "",
	} {
		got, err := PrometheusLabel(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("PrometheusLabel(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

// TestReference keeps METRICS.md the same as the catalog.
func TestReference(t *testing.T) {
	var b strings.Builder
	b.WriteString("<!-- Written by `go generate ./engine/catalog`; edit catalog.go instead. -->\n\n# Metrics\n\n")
	fmt.Fprintf(&b, "Every metric has the labels `%s` and the labels of the plan. ", strings.Join(CommonLabels(), "`, `"))
	b.WriteString("A store fed by Prometheus adds `job` (`tidegauge`) and `instance`.\nCounters and histograms count since the start of the run.\n")
	fmt.Fprintf(&b, "\nRequests beyond the plan's `max_series` are summed in series with `request=\"(other)\"` and `%s=\"true\"` (PromQL: `otel_metric_overflow`), without `method`; their checks have `check=\"(other)\"`.\n", LabelOverflow)
	for i, m := range everything() {
		switch i {
		case len(All()):
			b.WriteString("\n# Outlets\n\nMetrics of the way to other stores. They have none of the labels of a run, and count on from one process to the next. Those of a daemon are in its store, too.\n")
		case len(All()) + len(Outlets()):
			b.WriteString("\n# What is scraped always\n\nAt `/metrics` alone: in a store `up{job, instance}` of Prometheus says the same, of what a plan scrapes too.\n")
		case len(All()) + len(Outlets()) + len(Scrapes()):
			b.WriteString("\n# The daemon\n\nAt `/metrics` and, with `job=\"tidegauge\"`, in its store and so in what its outlets lead to: its alerts, queue and schedules, counted since the process started. They have none of the labels of a run.\n")
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", m.Name, m.Help)
		kind := string(m.Kind)
		if m.Kind == Histogram {
			kind = "exponential (native) histogram"
		}
		fmt.Fprintf(&b, "* PromQL: `%s`\n* Type: %s\n", m.PrometheusName(), kind)
		if m.Unit != "" {
			fmt.Fprintf(&b, "* Unit: `%s`\n", m.Unit)
		}
		if len(m.Labels) > 0 {
			fmt.Fprintf(&b, "* Labels: `%s`\n", strings.Join(m.Labels, "`, `"))
		}
	}
	if *update {
		if err := os.WriteFile("METRICS.md", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Error("METRICS.md is not what the catalog says: run go generate ./engine/catalog")
	}
}
