package exporters

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"tidegauge/engine/document"
	"tidegauge/engine/history"
	"tidegauge/engine/interval"
	"tidegauge/engine/report"
	"tidegauge/exporters/html"
	"tidegauge/exporters/jsonl"
	"tidegauge/exporters/junit"
	"tidegauge/exporters/markdown"
)

// Format is a form in which the report of a run is written.
type Format struct {
	Name      string // html, junit, …
	Extension string // of files
	MediaType string

	write func(w io.Writer, run *Run) error
}

// Run is a run as formats need it.
type Run struct {
	Report    *report.Report
	Intervals *interval.Log // nil: there are none
	Plan      []byte        // nil: it is not known
}

// RunOf reads a run from its folder, which has a report. The error, if any, says what of it could not be read; the rest is there.
func RunOf(s *history.Stored) (*Run, error) {
	intervals, err := s.Intervals()
	return &Run{Report: s.Report, Intervals: intervals, Plan: s.PlanSource}, err
}

// Formats returns all of them.
func Formats() []Format {
	return []Format{
		{Name: "html", Extension: ".html", MediaType: "text/html; charset=utf-8", write: func(w io.Writer, run *Run) error {
			return html.Write(w, html.Run{Report: run.Report, Intervals: run.Intervals, Plan: run.Plan})
		}},
		{Name: "junit", Extension: ".xml", MediaType: "application/xml", write: func(w io.Writer, run *Run) error { return junit.Write(w, run.Report) }},
		{Name: "markdown", Extension: ".md", MediaType: "text/markdown; charset=utf-8", write: func(w io.Writer, run *Run) error { return markdown.Write(w, run.Report) }},
		{Name: "jsonl", Extension: ".jsonl", MediaType: "application/jsonl", write: func(w io.Writer, run *Run) error { return jsonl.Write(w, run.Report, run.Intervals) }},
		{Name: "json", Extension: ".json", MediaType: "application/json", write: func(w io.Writer, run *Run) error { return run.Report.WriteJSON(w) }},
	}
}

// FormatNames returns the names of all formats.
func FormatNames() []string {
	var names []string
	for _, f := range Formats() {
		names = append(names, f.Name)
	}
	return names
}

// FindFormat returns the format of a name.
func FindFormat(name string) (Format, error) {
	all := Formats()
	if i := slices.IndexFunc(all, func(f Format) bool { return f.Name == name }); i >= 0 {
		return all[i], nil
	}
	hint := "expected one of " + strings.Join(FormatNames(), ", ")
	if near := document.Nearest(name, FormatNames()); near != "" {
		hint = "did you mean " + near + "?"
	}
	return Format{}, fmt.Errorf("there is no report format %q: %s", name, hint)
}

// Write writes a run.
func (f *Format) Write(w io.Writer, run *Run) error { return f.write(w, run) }
