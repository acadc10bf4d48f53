package grafana

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the dashboards' JSON")

func TestCommittedFiles(t *testing.T) {
	for name, d := range Files() {
		want, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the code makes: run go generate ./grafana", name)
		}
	}
}

// TestPanelsAreComplete: every panel says what it shows, has a unit or words for its values, and says something when it
// has none; no panel covers another; data sources are variables.
func TestPanelsAreComplete(t *testing.T) {
	for name, d := range Files() {
		taken := map[[2]int]string{}
		for _, p := range d.Panels {
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" || x >= columns {
						t.Fatalf("%s: panel %q lies at column %d, line %d, over %q or beyond the edge", name, p.Title, x, y, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if p.Type == "row" {
				continue
			}
			f := p.FieldConfig.Defaults
			if p.Title == "" || !strings.HasSuffix(p.Description, ".") || f.NoValue == "" {
				t.Errorf("%s: panel %q has description %q, text without data %q", name, p.Title, p.Description, f.NoValue)
			}
			if p.Type != "table" && p.Type != "heatmap" && f.Unit == "" && f.Mappings == nil {
				t.Errorf("%s: panel %q has no unit", name, p.Title)
			}
			want := *source()
			if d.UID == influxUID {
				want = *influxSource()
			}
			if *p.Datasource != want || len(p.Targets) == 0 {
				t.Errorf("%s: panel %q has data source %v and %d queries", name, p.Title, p.Datasource, len(p.Targets))
			}
		}
		if d.SchemaVersion != 42 || d.UID == "" || d.Templating.List[0].Name != "datasource" {
			t.Errorf("%s: schema version %d, uid %q, first variable %q", name, d.SchemaVersion, d.UID, d.Templating.List[0].Name)
		}
		for _, l := range d.Links {
			if !strings.HasPrefix(l.URL, "/d/tidegauge-") {
				t.Errorf("%s: link to %s", name, l.URL)
			}
		}
	}
	boards := Files()
	delete(boards, "run-influxdb.json") // it has no data of theirs, and they none of its
	for name, d := range boards {
		for other, to := range boards {
			if leads := slices.ContainsFunc(d.Links, func(l Link) bool { return l.URL == "/d/"+to.UID }); leads == (other == name) {
				t.Errorf("%s leads to %s: %v", name, other, leads)
			}
		}
	}
	if !strings.Contains(runURL(), "/d/"+Run().UID+"?") || !strings.Contains(compareURL(), "/d/"+Compare().UID+"?") {
		t.Error("rows of the history do not lead to the dashboards of their runs")
	}
}
