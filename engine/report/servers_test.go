package report

import (
	"slices"
	"testing"
)

// Every server that did not always answer is warned of, and only those.
func TestServersWarn(t *testing.T) {
	c := NewCollector(Meta{})
	c.Servers([]Server{
		{Job: "good", Instance: "a:1", Scrapes: 10, Up: 10, Samples: 5},
		{Job: "good", Instance: "b:1", Scrapes: 10, Up: 7, Samples: 5},
		{Job: "dead", Instance: "a:2", Scrapes: 10, LastError: "connection refused"},
		{Job: "mute", Instance: "a:3", Scrapes: 10, Up: 10},
		{Job: "late", Instance: "a:4"},
		{Job: "nobody"},
	})
	want := []string{
		"scraping good b:1: 3 of 10 scrapes failed",
		"scraping dead a:2 gave no data: all 10 scrapes failed: connection refused",
		"scraping mute a:3 gave no data: the answers to all 10 scrapes were empty",
		"scraping late a:4: the run was over before the first scrape",
		"scraping nobody: the job found no target",
	}
	r := c.Report(nil)
	if !slices.Equal(r.Warnings, want) {
		t.Errorf("warnings %q, want %q", r.Warnings, want)
	}
	if len(r.Servers) != 6 || r.Servers[1].Up != 7 {
		t.Errorf("servers: %+v", r.Servers)
	}
}
