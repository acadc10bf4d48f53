package main

import (
	"testing"

	"tidegauge/engine/report"
	"tidegauge/engine/verdict"
)

func TestExitCodeOfInterruptedRun(t *testing.T) {
	stopped := verdict.Finding{Outcome: verdict.Inconclusive, Code: verdict.CodeStopped}
	fault := verdict.Finding{Outcome: verdict.Inconclusive, Code: verdict.CodeFault}
	missed := verdict.Finding{Outcome: verdict.Fail, Code: verdict.CodeObjective}
	for _, c := range []struct {
		name     string
		outcome  verdict.Outcome
		findings []verdict.Finding
		want     exitCode
	}{
		{"interrupted", verdict.Inconclusive, []verdict.Finding{stopped}, exitInterrupted},
		{"while a fault was being started", verdict.Inconclusive, []verdict.Finding{fault, stopped}, exitInterrupted},
		{"a fault that did not start", verdict.Inconclusive, []verdict.Finding{fault}, exitInconclusive},
		{"after an objective was missed", verdict.Fail, []verdict.Finding{stopped, missed}, exitFail},
	} {
		if got := codeOfReport(&report.Report{Verdict: &verdict.Verdict{Outcome: c.outcome, Findings: c.findings}}); got != c.want {
			t.Errorf("%s: exit code %d, want %d", c.name, got, c.want)
		}
	}
}
