// Package sample is runs for the tests of report formats: one of everything that a report can have.
package sample

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/catalog"
	"tidegauge/engine/compare"
	"tidegauge/engine/interval"
	"tidegauge/engine/measure"
	"tidegauge/engine/outlet"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
	"tidegauge/engine/report"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
)

// Hostile is text that a format has to make harmless: of HTML, XML and Markdown, control characters, invalid UTF-8, another direction.
const Hostile = "<evil onload=\"x\">&amp;</script>]]> 'q' | `c` *b* _i_ [l](http://evil.example) ![p](x) @user #1 $x$ \x00\x07\x1b[31m\u202e\xff\xfe\uFFFF\r\nnext"

// Start is when the runs began.
func Start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// Run returns a run of a type: 2 minutes with a fault in the middle, judged, compared, with servers and outlets. Where name is not empty it is
// part of every text that comes from a plan or a target.
func Run(kind plan.Type, name string) *report.Report {
	const seconds = 120
	r := &report.Report{
		Schema: report.Schema, Complete: true, Start: Start(), End: Start().Add(seconds * time.Second), Seconds: seconds, UsersPeak: 42,
		Run: report.Meta{
			ID: "20260301-120000-" + string(kind) + "-k3f9", Version: "v1.2.3", Plan: "payments" + name, PlanFile: "payments.yaml", Labels: map[string]string{"env": "staging" + name, "service": "payments"},
			Test: string(kind) + name, Type: kind, Target: "http://localhost:8000", Seed: 7, TargetVersion: "v1.4" + name, Commit: "0123abcd", Branch: "main",
			Shape:   report.Shape{Model: plan.Open, Text: "50/s for 2m0s", Seconds: seconds, Stages: []report.Stage{{Phase: "steady", From: 50, To: 50, Seconds: seconds}}},
			Machine: report.Machine{Host: "ci-7", OS: "linux", Arch: "amd64", CPUs: 4, Go: "go1.26"},
		},
		Books:    report.Books{Iterations: report.Account{Intended: 6000, Started: 5990, Dropped: 10, Finished: 5988, Cut: 2, Balanced: true}, Requests: report.Account{Intended: 6000, Started: 6000, Finished: 5998, Cut: 2, Balanced: true}},
		Lateness: times(5990, 0.0001), Blocked: times(3, 0.02),
		Checks:     []report.Check{{Class: "User", Name: "/pay" + name, Method: "POST", Check: "status == 201" + name, Passed: 2900, Failed: 100}},
		Exceptions: []report.Exception{{Task: "pay" + name, Message: "json.id is missing" + name, Count: 3, First: Start(), Last: Start().Add(time.Minute)}},
		Classes:    []report.Class{},
		Phases:     []report.Phase{{Phase: "wait", Times: times(5998, 0.004)}},
		Generator: &report.Generator{
			Processors: 4, CPUMean: new(0.1), CPUPeak: new(0.2), MachineMean: new(0.3), MachinePeak: new(0.9), GCShare: new(0.01), GCPauseP99: 0.0003, ScheduleP99: 0.0001,
			MemoryPeak: new(64.0 * (1 << 20)), GoroutinesPeak: 90, FilesPeak: new(80.0), FileLimit: new(20000.0),
		},
		Warnings: []string{"scraping database gave no data" + name},
		Folder:   "tidegauge-data/runs/x",
		Events:   []report.Event{{At: 0, Kind: "phase", Text: "steady"}, {At: 50, Kind: "fault", Text: "cut of database begins" + name}, {At: 120, Kind: "verdict", Text: "fail"}},
		Faults:   []report.Fault{{Name: "cut", Target: "database" + name, At: 50, For: 20, Asked: new(50.0), Start: new(50.1), Undoing: new(70.0), End: new(70.2), Undone: true}, {Name: "late", At: 200, For: 1}},
	}
	addRequests(r, name)
	addSeries(r)
	addServers(r, name)
	r.Verdict = judged(r, name)
	r.Answer = answered(kind, name)
	r.Comparison = compared(name)
	r.Changes = []compare.Change{{Request: "User / POST /pay" + name, Metric: compare.P95, Unit: "s", Run: "20260210-120000-load-a2b3", Worse: true, Before: 0.01, After: 0.012, Change: 0.2, Low: new(0.1), High: new(0.3)}}
	r.Outlets = []outlet.Books{
		{Outlet: "prometheus localhost:9090" + name, Produced: 1000, Sent: 990, Lost: 10, LostBecause: map[string]uint64{"out of order" + name: 10}, Errors: 2, Retries: 1, LastError: "400 Bad Request" + name, Balanced: true},
		{Outlet: "otlp", Signal: "spans", Balanced: true},
		{Outlet: "influxdb", Produced: 10, Sent: 10, Balanced: true},
	}
	return r
}

func times(n uint64, v float64) report.Times {
	return report.Times{Count: n, Min: v / 4, Mean: v, P50: v * 0.9, P95: v * 2, P99: v * 3, P999: v * 5, Max: v * 9}
}

func addRequests(r *report.Report, name string) {
	row := func(class, method, path string, n, failed uint64, v float64) report.Row {
		return report.Row{Class: class, Method: method, Name: path, Count: n, Failures: failed, Rate: float64(n) / r.Seconds, Response: times(n, v), Service: times(n, v*0.9),
			BytesSent: n * 300, BytesReceived: n * 900, Outcomes: map[string]uint64{"ok": n - failed, "status": failed}}
	}
	r.Requests = []report.Row{row("User"+name, "POST", "/pay"+name, 3000, 100, 0.008), row("User"+name, "GET", "GET /pay/{id}", 2998, 0, 0.004), row("Other", "GET", "/never", 0, 0, 0)}
	r.Requests[2].Response, r.Requests[2].Service = report.Times{}, report.Times{}
	r.Total = row("", "", "", 5998, 100, 0.006)
	r.Total.Cut = 2
	r.Failures = []report.Failure{{Class: "User" + name, Name: "/pay" + name, Method: "POST", Outcome: "status", Count: 100, Samples: []report.Sample{
		{Detail: "503 Service Unavailable" + name, Count: 98, First: r.Start.Add(50 * time.Second), Last: r.Start.Add(70 * time.Second)}, {Count: 2, First: r.Start.Add(51 * time.Second), Last: r.Start.Add(51 * time.Second)},
	}}}
}

func addSeries(r *report.Report) {
	for i := range int(r.Seconds) {
		p := report.Point{At: float64(i), Seconds: 1, Requests: 50, Rate: 50, TargetRate: 50, Users: 3 + i%4, P50: 0.004, P95: 0.01 + 0.002*math.Sin(float64(i)/5), P99: 0.02, Max: 0.05}
		switch {
		case i >= 50 && i < 52:
			p.Requests, p.Rate, p.P50, p.P95, p.P99, p.Max = 0, 0, 0, 0, 0, 0
		case i >= 52 && i < 70:
			p.Failures, p.P99, p.Max = 6, 1.5, 3
		}
		r.Series = append(r.Series, p)
	}
}

func addServers(r *report.Report, name string) {
	r.Servers = []report.Server{{Job: "payments" + name, Instance: "localhost:8000", URL: "http://localhost:8000/metrics", Scrapes: 120, Up: 118, Samples: 221, LastError: "timeout" + name}, {Job: "database", Scrapes: 0}}
	for _, one := range []struct {
		name, server, unit string
		limit              *float64
		of                 func(i int) *float64
	}{
		{"cpu (Go process)", "payments localhost:8000" + name, "ratio", nil, func(i int) *float64 { return new(0.2 + 0.1*math.Sin(float64(i)/9)) }},
		{"cpu (Go process)", "payments localhost:8001", "ratio", nil, func(int) *float64 { return new(0.1) }},
		{"resident memory", "payments localhost:8000" + name, "By", nil, func(i int) *float64 {
			if i == 30 {
				return nil
			}
			return new(float64(60+i/10) * (1 << 20))
		}},
		{"open files", "payments localhost:8000" + name, "1", new(100.0), func(i int) *float64 { return new(float64(60 + i%5)) }},
	} {
		s := report.Resource{Name: one.name, Server: one.server, Unit: one.unit, Limit: one.limit, Step: 1}
		for i := range 120 {
			s.Values = append(s.Values, one.of(i))
		}
		r.Resources = append(r.Resources, s)
	}
}

func judged(r *report.Report, name string) *verdict.Verdict {
	at := func(s int) time.Time { return r.Start.Add(time.Duration(s) * time.Second) }
	objective := func(o verdict.Outcome, code, message, text string, x verdict.ObjectiveResult) verdict.Finding {
		x.Text = text
		return verdict.Finding{Outcome: o, Code: code, Message: message, Objective: &x}
	}
	return &verdict.Verdict{
		Outcome: verdict.Fail, Summary: "p95 < 8ms" + name + " is missed: 9.9 ms [9.5 ms, 10.4 ms]",
		Part:     &verdict.Part{Name: "undisturbed part", From: at(0), To: at(120), Without: []verdict.Gap{{From: at(50), To: at(75)}}},
		Warnings: []string{"the generator used up to 85% of its processors" + name},
		Findings: []verdict.Finding{
			{Outcome: verdict.Inconclusive, Code: verdict.CodeDropped, Message: "10 of 6,000 due iterations were dropped" + name, Warnings: []string{"raise max_users"}},
			objective(verdict.Fail, verdict.CodeObjective, "p95 < 8ms"+name+" is missed", "p95 < 8ms"+name, verdict.ObjectiveResult{Value: new(0.0099), Low: new(0.0095), High: new(0.0104), Threshold: 0.008, Unit: "s", Samples: 4700}),
			objective(verdict.Pass, verdict.CodeObjective, "error_rate < 50% for 45s is met", "error_rate < 50% for 45s", verdict.ObjectiveResult{Value: new(0.017), Low: new(0.014), High: new(0.02), Threshold: 0.5, Unit: "ratio", Samples: 5998, Windows: 72,
				WorstWindow: &verdict.Window{From: at(40), To: at(85), Value: 0.04}}),
			objective(verdict.Inconclusive, verdict.CodeSamples, "p99.9 < 1s: too few samples"+name, "p99.9 < 1s", verdict.ObjectiveResult{Value: new(0.03), Threshold: 1, Unit: "s", Samples: 4700}),
			objective(verdict.NoData, verdict.CodeNoData, "no server shows connections", "connections", verdict.ObjectiveResult{Threshold: 1, Unit: "ratio"}),
		},
	}
}

func line(n int, name string, of func(i int) (x, y float64)) answer.Line {
	l := answer.Line{Name: name}
	for i := range n {
		x, y := of(i)
		l.X = append(l.X, x)
		l.Y = append(l.Y, new(y))
	}
	return l
}

func answered(kind plan.Type, name string) *answer.Answer {
	a := &answer.Answer{Question: "Does it hold the expected traffic?", Text: "It does not" + name + ".", Standing: answer.Bad, Code: "x", Warnings: []string{"the baseline is short" + name}}
	over := func(title, unit string, lines ...answer.Line) answer.Chart {
		return answer.Chart{Title: title + name, Unit: unit, X: "s", Lines: lines}
	}
	switch kind {
	case plan.Stress:
		a.Question = "Where does it break?"
		a.Figures = []answer.Figure{{Title: "highest load that met the objectives", Metric: catalog.Capacity, Value: new(490.5), Low: new(480.0), High: new(511.0), Level: 0.9, Unit: "1/s", Text: "about 504.9/s"}}
		for i, load := range []float64{200, 400, 480, 490, 500, 510, 520, 800} {
			t := answer.Trial{Load: load, From: Start(), To: Start().Add(time.Second), Stage: "search", Outcome: "passed", Rate: load, Goodput: load, P50: 0.01, P95: 0.02 * float64(i+1), P99: 0.1}
			if load > 490 {
				t.Outcome, t.Goodput, t.Reason = "failed", 495, "keeping up with the arrivals"+name
			}
			if i == 0 {
				t.Outcome = "generator"
			}
			t.Servers = []answer.ServerValue{{Name: "cpu" + name, Value: 0.5, Unit: "ratio"}}
			a.Trials = append(a.Trials, t)
		}
		x := func(i int) float64 { return a.Trials[i].Load }
		a.Charts = []answer.Chart{
			{Title: "response time over the load", Unit: "s", X: "1/s", Lines: []answer.Line{line(8, "p95", func(i int) (float64, float64) { return x(i), a.Trials[i].P95 })}},
			{Title: "throughput over the load", Unit: "1/s", X: "1/s", Lines: []answer.Line{line(8, "answered well", func(i int) (float64, float64) { return x(i), a.Trials[i].Goodput })}, Marks: []answer.Mark{{Name: "breaks above 490/s" + name, From: 490, To: 520}}},
		}
	case plan.Soak:
		a.Question = "Does it leak or degrade?"
		a.Figures = []answer.Figure{{Title: "growth an hour", Metric: catalog.HourlyGrowth, Subject: "resident memory" + name, Value: new(0.5), Low: new(0.4), High: new(0.6), Unit: "ratio"}, {Title: "time to the limit", Subject: "open files", Value: nil, Unit: "s", Text: "never"}}
		a.Charts = []answer.Chart{over("resident memory", "By", line(20, "measured", func(i int) (float64, float64) { return float64(6*i + 3), float64(60+i) * (1 << 20) }), line(20, "line", func(i int) (float64, float64) { return float64(6*i + 3), float64(60+i) * (1 << 20) }))}
		a.Charts[0].Limits = []answer.Limit{{Name: "limit" + name, Value: 90 << 20}}
	case plan.Recovery, plan.Spike:
		a.Question = "Does it fail fast and come back?"
		a.Figures = []answer.Figure{{Title: "time to detect", Subject: "cut of database" + name, Value: new(0.5), Unit: "s"}, {Title: "time to recover", Metric: catalog.RecoveryTime, Subject: "delay", Value: new(40.0), Unit: "s", Censored: true, Text: "back is: p95 at most 12 ms"}}
		a.Charts = []answer.Chart{over("Availability", "ratio", line(120, "good", func(i int) (float64, float64) {
			if i >= 50 && i < 71 {
				return float64(i), 0.2
			}
			return float64(i), 1
		}))}
		a.Charts[0].Lines[0].Y[60] = nil
		a.Charts[0].Marks = []answer.Mark{{Name: "cut of database" + name, From: 50, To: 70}, {Name: "back", From: 75, To: 75}}
		a.Charts[0].Limits = []answer.Limit{{Name: "band", Value: 0.98}}
	default:
		a.Figures = []answer.Figure{{Title: "good requests", Value: new(49.1), Unit: "1/s"}, {Title: "p95 of response time", Value: new(0.0099), Low: new(0.0095), High: new(0.0104), Unit: "s"}}
		a.Charts = []answer.Chart{over("response time of good requests", "s", line(110, "p50", func(i int) (float64, float64) { return float64(i) + 5.5, 0.004 }), line(110, "p95", func(i int) (float64, float64) { return float64(i) + 5.5, 0.01 }))}
		a.Charts[0].Limits = []answer.Limit{{Name: "p95 < 8ms" + name, Value: 0.008}}
	}
	return a
}

func compared(name string) *compare.Comparison {
	return &compare.Comparison{
		Schema: compare.Schema, Run: "20260301-120000-load-k3f9", Baseline: "the 10 good runs before it, from 20260220-120000-load-m2x7 on", Verdict: stat.Regression, Confirmed: true,
		Summary: "worse than 10 runs before: p95 +20%" + name, Warnings: []string{"the runs are not really comparable: label env" + name},
		Rows: []compare.Row{
			{Metric: compare.P95, Unit: "s", Verdict: stat.Regression, Worse: true, Before: new(0.1), After: new(0.12), Change: new(0.2), Low: new(0.14), High: new(0.26), Detectable: new(0.08), History: []float64{0.1, 0.099, 0.101, 0.12, 0.121}, Warnings: []string{"1 of 10 stands alone" + name}},
			{Metric: compare.Errors, Unit: "ratio", Verdict: stat.Passed, Before: new(0.0), After: new(0.0), History: []float64{0, 0, 0}},
			{Request: "User / POST /pay" + name, Metric: compare.P95, Unit: "s", Verdict: stat.Improvement, Before: new(0.1), After: new(0.08), Change: new(-0.2), Low: new(-0.3), High: new(-0.1)},
			{Request: "User / GET /", Metric: compare.P95, Unit: "s", Verdict: stat.Invalid},
		},
	}
}

// Intervals returns so many intervals of a second with so many requests, each with so many observations in it, with names that have
// name in them.
func Intervals(seconds, requests, each int, name string) (*interval.Log, error) {
	names := &measure.Names{Classes: []string{"User" + name}, Checks: []measure.Check{{Request: 0, Name: "status == 201" + name}}}
	names.Requests = append(names.Requests, measure.Request{Class: "User" + name, Name: "/pay" + name, Method: "POST"})
	for i := 1; i < requests; i++ {
		names.Requests = append(names.Requests, measure.Request{Class: "User" + name, Name: fmt.Sprintf("/r%d%s", i, name), Method: "GET"})
	}
	random := rand.New(rand.NewPCG(1, 2))
	var r interval.Recorder
	for i := range seconds {
		d := &measure.Totals{Classes: make([]measure.ClassTotals, 1), Requests: make([]measure.RequestTotals, requests), Checks: make([]measure.CheckTotals, 1)}
		for k := range requests {
			for n := range each {
				o := protocol.OK
				if n == 0 && i%30 == 7 {
					o = protocol.Status
				}
				v := 0.004 * math.Exp(random.NormFloat64()*0.7)
				d.Requests[k].Outcomes[o].ResponseTime.Record(v)
				d.Requests[k].Outcomes[o].ServiceTime.Record(v * 0.9)
			}
		}
		d.Checks[0].Passed = uint64(each)
		d.Classes[0].Iterations = measure.Books{Intended: uint64(each), Started: uint64(each), Finished: uint64(each)}
		s := &measure.Snapshot{Start: Start(), Since: Start().Add(time.Duration(i) * time.Second), Time: Start().Add(time.Duration(i+1) * time.Second), Names: names, Delta: d, PeakUsers: 3, Rate: 50, Final: i == seconds-1}
		if err := r.Consume(context.Background(), s); err != nil {
			return nil, err
		}
	}
	b, err := r.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	return interval.Decode(b)
}

// Long is a name longer than anybody reads.
func Long() string { return strings.Repeat("very-long-", 2000) }
