package jsonl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/exporters/internal/sample"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func written(t *testing.T, r *report.Report, seconds, requests int, name string) []byte {
	t.Helper()
	l, err := sample.Intervals(seconds, requests, 40, name)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Write(&b, r, l); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGolden(t *testing.T) {
	r := sample.Run(plan.Load, "")
	r.Events = []report.Event{{At: 0, Kind: "phase", Text: "steady"}, {At: 1.5, Kind: "fault", Text: "cut begins"}, {At: 120, Kind: "verdict", Text: "fail"}}
	got := written(t, r, 2, 2, "")
	file := filepath.Join("testdata", "load.jsonl")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run with -update if this is meant; -want +got\n%s", diff)
	}
}

func TestLinesAreInTheOrderOfTimeAndAddUp(t *testing.T) {
	for _, name := range []string{"", sample.Hostile} {
		text := written(t, sample.Run(plan.Recovery, name), 120, 3, name)
		lines := bufio.NewScanner(bytes.NewReader(text))
		lines.Buffer(nil, 1<<20)
		counts := map[string]int{}
		var last time.Time
		var requests, ofRequests uint64
		end := 0.0
		for lines.Scan() {
			var l struct {
				Type    string
				Time    time.Time
				At      float64
				Seconds float64
				Schema  string
				Total   report.Row
				Rows    []report.Row `json:"requests"`
			}
			if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
				t.Fatalf("%v in %s", err, lines.Bytes())
			}
			counts[l.Type]++
			switch l.Type {
			case "run":
				if l.Schema != Schema || len(counts) != 1 {
					t.Errorf("schema %q, after %v", l.Schema, counts)
				}
				continue
			case "interval":
				if math.Abs(l.At-end) > 1e-9 {
					t.Errorf("an interval begins at %v, the last ended at %v", l.At, end)
				}
				end = l.At + l.Seconds
				requests += l.Total.Count
				for _, q := range l.Rows {
					ofRequests += q.Count
				}
				if l.Total.Response.P95 <= l.Total.Response.P50 || l.Total.Rate != float64(l.Total.Count)/l.Seconds {
					t.Errorf("at %v: %+v", l.At, l.Total)
				}
			}
			if l.Time.Before(last.Add(-time.Second)) {
				t.Errorf("%s at %v after %v", l.Type, l.Time, last)
			}
			last = l.Time
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		if counts["run"] != 1 || counts["interval"] != 120 || counts["event"] != 3 || requests != 120*3*40 || ofRequests != requests {
			t.Errorf("%v, %d requests, %d by request", counts, requests, ofRequests)
		}
	}
}

func TestARunWithoutIntervals(t *testing.T) {
	if err := Write(&bytes.Buffer{}, sample.Run(plan.Load, ""), nil); !errors.Is(err, ErrNone) {
		t.Errorf("%v", err)
	}
}
