// Package html writes the report of a run as one page that needs nothing else: no network, no script, no font, for years.
//
// Everything is drawn here, as SVG in the page, from the report and the intervals of a run alone, so that a page can be made of any
// run there ever was. It is light or dark as the reader's system is, and fit for paper. Every picture has its numbers beside it.
package html

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"unicode"

	"tidegauge/engine/interval"
	"tidegauge/engine/report"
)

// Run is what a page is made from.
type Run struct {
	Report    *report.Report
	Intervals *interval.Log // nil: there are none, and so no map of how long requests took
	Plan      []byte        // as run; nil: it is not known
}

//go:embed page.html style.css
var files embed.FS

// Write writes the page.
func Write(w io.Writer, run Run) error {
	fail := func(err error) error {
		return fmt.Errorf("write run %s as HTML: %w", run.Report.Run.ID, err)
	}
	style, err := files.ReadFile("style.css")
	if err != nil {
		return fail(err)
	}
	t, err := template.New("page.html").Funcs(template.FuncMap{"style": func() template.CSS { return template.CSS(style) }}).ParseFS(files, "page.html")
	if err != nil {
		return fail(err)
	}
	v, err := view(&run)
	if err != nil {
		return fail(err)
	}
	var page bytes.Buffer // whole or not at all
	if err := t.Execute(&page, v); err != nil {
		return fail(err)
	}
	if _, err := w.Write(page.Bytes()); err != nil {
		return fail(err)
	}
	return nil
}

// document is what the page shows.
type document struct {
	Title      string
	Plan, Test string
	Outcome    outcome
	Summary    string
	When       string
	Lead       string // which load on which target
	Facts      []fact
	Reasons    []reason
	Warnings   []string
	Sections   []section // for the list of contents
	Objectives *objectives
	Answer     *answerView
	Time       *timeView
	Requests   *requestsView
	Failures   *failuresView
	Servers    *serversView
	Comparison *comparisonView
	Changes    []reason
	Generator  []pair
	Books      []pair
	Outlets    []outletView
	About      []pair
	Labels     []pair
	Events     []eventView
	Source     string
	Footer     string
}

type section struct{ ID, Title string }

type fact struct{ Name, Value, Note string }

type pair struct{ Name, Value string }

// reason is a finding on the run as a whole.
type reason struct {
	Outcome outcome
	Text    string
	Notes   []string
}

// outcome is a word with a class and a sign, so that colour is not all there is to it.
type outcome struct{ Class, Sign, Word string }

func view(run *Run) (*document, error) {
	r := run.Report
	d := head(r)
	var columns []column
	if run.Intervals != nil && run.Intervals.Len() > 0 {
		var err error
		if columns, err = columnsOf(run.Intervals); err != nil {
			return nil, err
		}
	}
	d.Objectives = objectivesOf(r)
	d.Answer = answerOf(r)
	d.Time = timeOf(r, columns)
	var err error
	if d.Requests, err = requestsOf(run); err != nil {
		return nil, err
	}
	d.Failures = failuresOf(r)
	d.Servers = serversOf(r)
	d.Comparison = comparisonOf(r)
	d.Changes = changesOf(r)
	d.about(r)
	d.Source = source(run.Plan)
	d.contents()
	return d, nil
}

// contents lists the sections there are.
func (d *document) contents() {
	add := func(there bool, id, title string) {
		if there {
			d.Sections = append(d.Sections, section{id, title})
		}
	}
	add(d.Objectives != nil, "objectives", "Objectives")
	if d.Answer != nil {
		add(true, "answer", d.Answer.Short)
	}
	add(d.Time != nil, "time", "Over time")
	add(d.Comparison != nil, "comparison", "Baseline")
	add(len(d.Changes) > 0, "changes", "Changes")
	add(d.Requests != nil, "requests", "Requests")
	add(d.Failures != nil, "failures", "Failures")
	add(d.Servers != nil, "servers", "Servers")
	add(true, "generator", "Generator")
	add(true, "about", "About the run")
	add(d.Source != "", "plan", "Plan")
}

// source makes the text of a plan fit for a page.
func source(plan []byte) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(plan), "\uFFFD"))
}
