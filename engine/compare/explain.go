package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"tidegauge/engine/stat"
)

// Part is one phase of the requests of a run: of the mean request, how long it took.
type Part struct {
	Phase   string  `json:"phase"`
	Seconds float64 `json:"seconds"`
}

// Trace is a request of a run that a trace shows.
type Trace struct {
	Request string  `json:"request"` // CLASS / NAME
	Slow    bool    `json:"slow"`    // among the slowest; else an ordinary one
	Seconds float64 `json:"seconds"` // of response time
	ID      string  `json:"trace_id"`
}

// Explanation is what is known of why a run is worse: what changed together with it. It proves no cause.
type Explanation struct {
	Requests []Moved `json:"requests"` // which are worse, the most first
	Phases   []Moved `json:"phases"`   // of the mean request, in seconds, what changed most first
	Servers  []Moved `json:"servers"`  // metrics of servers beyond what is usual, whichever way
	Traces   []Trace `json:"traces,omitempty"`
	Text     string  `json:"text"` // in a sentence
}

// Moved is a value that changed.
type Moved struct {
	Name   string   `json:"name"`
	Unit   string   `json:"unit"`
	Before float64  `json:"before"`
	After  float64  `json:"after"`
	Change *float64 `json:"change"` // relative
}

const (
	explained   = 5    // of each list
	phaseShare  = 0.2  // of all that became longer, to be named
	unusualP    = 0.05 // of a server's metric, each way
	tracesShown = 4
)

// explain looks for what changed together with what is worse; nil where nothing is.
func (c *Comparison) explain(run *Run, runs []Run) *Explanation {
	bad := func(r *Row) bool {
		is := func(j stat.Judgement) bool { return j == stat.Regression || j == stat.Suspect }
		return (is(r.Verdict) || is(r.Leaning)) && r.Before != nil && r.After != nil
	}
	if !slices.ContainsFunc(c.Rows, func(r Row) bool { return bad(&r) && !r.Server() }) {
		return nil
	}
	x := &Explanation{Requests: []Moved{}, Phases: phasesOf(run, runs), Servers: []Moved{}}
	seen := map[string]bool{}
	for _, r := range byChange(c.Rows) {
		switch {
		case r.Request != "" && bad(&r) && !seen[r.Request]:
			seen[r.Request] = true
			x.Requests = append(x.Requests, moved(&r))
		case r.Server() && r.Before != nil && r.After != nil && (r.P < unusualP || r.P > 1-unusualP) && r.beyond():
			x.Servers = append(x.Servers, moved(&r))
		}
	}
	x.Requests, x.Servers = x.Requests[:min(explained, len(x.Requests))], x.Servers[:min(explained, len(x.Servers))]
	x.Traces = tracesOf(run.Values.Traces, x.Requests)
	x.Text = x.text(len(seen), requestsIn(c.Rows))
	return x
}

// beyond reports whether a change is as great as what matters.
func (r *Row) beyond() bool {
	q, _ := r.key().quantity()
	return r.Change != nil && math.Abs(*r.Change) >= q.Relative && math.Abs(*r.After-*r.Before) >= q.Absolute
}

// byChange returns rows by their relative change, the greatest first.
func byChange(rows []Row) []Row {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Change == nil })
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Compare(math.Abs(math.Log1p(*b.Change)), math.Abs(math.Log1p(*a.Change)))
	})
	return rows
}

func requestsIn(rows []Row) int {
	seen := map[string]bool{}
	for i := range rows {
		if rows[i].Request != "" {
			seen[rows[i].Request] = true
		}
	}
	return len(seen)
}

func moved(r *Row) Moved { return Moved{r.Name(), r.Unit, *r.Before, *r.After, r.Change} }

// phasesOf compares the phases of the mean request with their medians over the baseline: those that changed most first.
func phasesOf(run *Run, runs []Run) []Moved {
	all := []Moved{}
	for _, part := range run.Values.Phases {
		var before []float64
		for i := range runs {
			for _, p := range runs[i].Values.Phases {
				if p.Phase == part.Phase {
					before = append(before, p.Seconds)
				}
			}
		}
		if len(before) == 0 {
			continue
		}
		slices.Sort(before)
		m := Moved{Name: part.Phase, Unit: "s", Before: before[len(before)/2], After: part.Seconds}
		m.Change = finite(m.After/m.Before - 1)
		all = append(all, m)
	}
	slices.SortStableFunc(all, func(a, b Moved) int { return cmp.Compare(math.Abs(b.After-b.Before), math.Abs(a.After-a.Before)) })
	return all
}

// tracesOf picks traces of the requests that are worse: slow and ordinary ones in turns.
func tracesOf(traces []Trace, worse []Moved) []Trace {
	var all []Trace
	for _, m := range worse {
		for _, t := range traces {
			if strings.HasSuffix(m.Name, " of "+t.Request) && len(all) < tracesShown {
				all = append(all, t)
			}
		}
	}
	return all
}

// text says it in a sentence.
func (x *Explanation) text(worse, requests int) string {
	var parts []string
	switch {
	case worse == 0:
	case worse == requests && requests > 1:
		parts = append(parts, fmt.Sprintf("all %d requests are worse", requests))
	case requests > 1:
		names := make([]string, len(x.Requests))
		for i := range x.Requests {
			names[i] = x.Requests[i].Name + " " + Percent(x.Requests[i].Change)
		}
		parts = append(parts, fmt.Sprintf("%d of %d requests are worse: %s", worse, requests, strings.Join(names[:min(3, len(names))], ", ")))
	}
	longer := 0.0
	for _, p := range x.Phases {
		longer += max(0, p.After-p.Before)
	}
	var phases []string
	for _, p := range x.Phases {
		if by := p.After - p.Before; longer > 0 && by >= phaseShare*longer {
			phases = append(phases, fmt.Sprintf("%s (%.0f%% of what is longer)", phaseText(p.Name), 100*by/longer))
		}
	}
	if len(phases) > 0 {
		parts = append(parts, "the time is in "+strings.Join(phases, " and "))
	}
	var servers []string
	for i := range x.Servers[:min(3, len(x.Servers))] {
		servers = append(servers, x.Servers[i].Name+" "+Percent(x.Servers[i].Change))
	}
	if len(servers) > 0 {
		parts = append(parts, "with it changed "+strings.Join(servers, ", "))
	}
	return strings.Join(parts, "; ")
}

// phaseText says a phase of a request for people.
func phaseText(phase string) string {
	words := map[string]string{
		"blocked": "waiting for a free user", "dns": "looking up the name", "connect": "connecting", "tls": "the TLS handshake",
		"wait": "waiting for the first byte of the answer", "receive": "receiving the answer",
	}
	return cmp.Or(words[phase], phase)
}
