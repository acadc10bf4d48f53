package report

import (
	"fmt"
	"strconv"

	"tidegauge/engine/verdict"
)

// name is how a person knows the server.
func (s *Server) name() string {
	if s.Instance == "" {
		return s.Job
	}
	return s.Job + " " + s.Instance
}

// warning says what was wrong with a server, or "".
func (s *Server) warning() string {
	because := ""
	if s.LastError != "" {
		because = ": " + s.LastError
	}
	switch {
	case s.Instance == "" && s.Scrapes == 0:
		return fmt.Sprintf("scraping %s: the job found no target", s.name())
	case s.Scrapes == 0:
		return fmt.Sprintf("scraping %s: the run was over before the first scrape", s.name())
	case s.Up == 0:
		return fmt.Sprintf("scraping %s gave no data: all %d scrapes failed%s", s.name(), s.Scrapes, because)
	case s.Samples == 0:
		return fmt.Sprintf("scraping %s gave no data: the answers to all %d scrapes were empty", s.name(), s.Scrapes)
	case s.Up < s.Scrapes:
		return fmt.Sprintf("scraping %s: %d of %d scrapes failed%s", s.name(), s.Scrapes-s.Up, s.Scrapes, because)
	}
	return ""
}

// servers writes what was scraped.
func (r *Report) servers(t *text) {
	if len(r.Servers) == 0 {
		return
	}
	t.heading("Servers", "scraped while the run lasted")
	columns := []column{{}, {head: "scrapes"}, {head: "up"}, {head: "samples"}}
	row := func(cells ...string) {
		for i := range columns {
			columns[i].cells = append(columns[i].cells, cells[i])
		}
	}
	shown := r.Servers[:min(maxRows, len(r.Servers))]
	for i := range shown {
		s := &shown[i]
		up := "-"
		if s.Scrapes > 0 {
			up = verdict.Format(float64(s.Up)/float64(s.Scrapes), "ratio")
		}
		row("  "+Clean(s.name()), strconv.Itoa(s.Scrapes), up, strconv.Itoa(s.Samples))
	}
	for i, line := range table(t.width, columns) {
		switch {
		case i == 0:
			t.line(t.paint(dim, line))
		case shown[i-1].Up < shown[i-1].Scrapes || shown[i-1].Scrapes == 0:
			t.line(t.paint(yellow, line))
		default:
			t.line(line)
		}
	}
	if n := len(r.Servers) - maxRows; n > 0 {
		t.line(fmt.Sprintf("  … and %d more servers (see the JSON report)", n))
	}
}
