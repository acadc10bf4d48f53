package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tidegauge/engine/experiment"
	"tidegauge/engine/report"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
)

// exitCode is why the command ended, for scripts. The numbers are a promise: they are listed in --help and README.
type exitCode int

const (
	exitPass         exitCode = 0
	exitFail         exitCode = 1
	exitUsage        exitCode = 2
	exitPlan         exitCode = 3
	exitInconclusive exitCode = 4
	exitStorage      exitCode = 5
	exitUnreachable  exitCode = 6
	exitInternal     exitCode = 70
	exitInterrupted  exitCode = 130
)

// exitReasons is the list as help shows it.
var exitReasons = []struct {
	code   exitCode
	reason string
}{
	{exitPass, "the run passed (or the command did what was asked)"},
	{exitFail, "an objective was missed, requests failed and no objective judges them, or there is a regression (compare, run --confirm)"},
	{exitUsage, "the command line is wrong"},
	{exitPlan, "the plan or the configuration is wrong; nothing was sent"},
	{exitInconclusive, "what was measured cannot carry an answer: generator too late, too few samples, work dropped; of compare, no verdict"},
	{exitStorage, "the data directory, the store, an output file or the daemon (--server) cannot be used; what was measured was still printed"},
	{exitUnreachable, "the target could not be reached: no request got any answer"},
	{exitInternal, "tidegauge itself failed: a bug"},
	{exitInterrupted, "interrupted (Ctrl-C, SIGTERM or a closed terminal) before the test was over, with no objective missed until then; everything measured was written"},
}

func exitCodesHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, r := range exitReasons {
		fmt.Fprintf(&b, "  %3d  %s\n", r.code, r.reason)
	}
	return b.String()
}

// codedError is an error with the exit code it leads to.
type codedError struct {
	code exitCode
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

func withCode(code exitCode, err error) error {
	if err == nil {
		return nil
	}
	return &codedError{code, err}
}

// codeOf returns the exit code of what a command returned. An error of which nobody said whose fault it is, is ours.
func codeOf(err error) exitCode {
	var coded *codedError
	switch {
	case err == nil:
		return exitPass
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, experiment.ErrPlan):
		return exitPlan
	case errors.Is(err, experiment.ErrStorage):
		return exitStorage
	default:
		return exitInternal
	}
}

// codeOfReport returns the exit code of a run that has a report: that of its verdict.
func codeOfReport(r *report.Report) exitCode {
	v := r.Verdict
	switch {
	case v.Outcome == verdict.Pass && r.Comparison != nil && r.Comparison.Verdict == stat.Regression && r.Comparison.Confirmed:
		return exitFail
	case v.Outcome == verdict.Pass && r.Comparison != nil && r.Run.Against != "":
		return codeOfComparison(r.Comparison) // that is what the run was made for
	case v.Outcome == verdict.Pass:
		return exitPass
	case v.Code() == verdict.CodeUnreachable:
		return exitUnreachable
	case v.Outcome != verdict.Fail && slices.ContainsFunc(v.Findings, func(f verdict.Finding) bool { return f.Code == verdict.CodeStopped }):
		return exitInterrupted
	case v.Outcome == verdict.Fail:
		return exitFail
	default:
		return exitInconclusive
	}
}

// errSaid is an outcome that has been said already: it sets the exit code and prints nothing.
var errSaid = errors.New("said")
