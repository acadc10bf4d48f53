package locust

import (
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

// names has one request that two classes share, and one that is never made.
var names = &measure.Names{
	Classes: []string{"A", "B"},
	Requests: []measure.Request{
		{Class: "A", Name: "/pay", Method: "POST"},
		{Class: "B", Name: "/pay", Method: "POST"},
		{Class: "B", Name: "GET /list", Method: "GET"},
	},
}

// record runs three seconds of a load: in each second ten requests of 100 ms by A and ten of 300 ms by B, of which the
// last by B fails; the writer sees it as it would in a run.
func record(t *testing.T, o Options) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		r := measure.New(names, measure.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		r.AddUsers(0, 3)
		r.AddUsers(1, 2)
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx, start, w) }()
		for range 3 {
			time.Sleep(500 * time.Millisecond)
			for i := range 10 {
				observe(r, 0, 100*time.Millisecond, protocol.OK)
				outcome := protocol.OK
				if i == 9 {
					outcome = protocol.Status
					r.Fail(1, protocol.Status, "status 503", time.Now())
				}
				observe(r, 1, 300*time.Millisecond, outcome)
			}
			r.Flush() // as at a boundary between stages: no row of its own
			time.Sleep(500 * time.Millisecond)
		}
		r.Except(1, "pay", "json.id: not a number", time.Now())
		time.Sleep(500 * time.Millisecond)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func observe(r *measure.Recorder, request int, latency time.Duration, o protocol.Outcome) {
	now := time.Now()
	s := r.Shard(0)
	s.StartRequest(request)
	s.Observe(&measure.Observation{Request: request, Outcome: o, Intended: now.Add(-latency), Sent: now.Add(-latency),
		Finished: now, BytesReceived: 500, BodyBytes: 200})
}

// read returns the rows of a file after checking that its lines end as Locust's do.
func read(t *testing.T, file string) [][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(text), "\n") != strings.Count(string(text), "\r\n") {
		t.Errorf("%s: not all lines end in CR LF", file)
	}
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestStatsFile(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "load")
	record(t, Options{Prefix: prefix})
	rows := read(t, prefix+"_stats.csv")
	if got, want := strings.Join(rows[0], ","), "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,Min Response Time,Max Response Time,Average Content Size,Requests/s,Failures/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%"; got != want {
		t.Errorf("header\n got %s\nwant %s", got, want)
	}
	want := [][]string{ // 3.5 s, 60 requests: up to the columns of the rate
		{"GET", "/list", "0", "0", "0", "0.0", "0.0", "0.0", "0.0", "0.0", "0.0"},
		{"POST", "/pay", "60", "3", "100", "200", "100", "300", "200.0", "17.142857142857142", "0.8571428571428571"},
		{"", "Aggregated", "60", "3", "100", "200", "100", "300", "200.0", "17.142857142857142", "0.8571428571428571"},
	}
	for i, w := range want {
		got := slices.Clone(rows[i+1][:11])
		for _, c := range []int{5, 6, 7} { // floating-point sums of fractions of a second
			got[c] = strings.SplitN(got[c], ".", 2)[0]
			w[c] = strings.SplitN(w[c], ".", 2)[0]
		}
		if i > 0 && got[5] == "199" {
			got[5] = "200"
		}
		if !slices.Equal(got, w) {
			t.Errorf("row %d\n got %v\nwant %v", i, got, w)
		}
	}
	for _, p := range rows[1][11:] {
		if p != "N/A" {
			t.Errorf("percentiles of a request never made: %v, want N/A", rows[1][11:])
			break
		}
	}
	if got, want := rows[2][11:], []string{"100", "300", "300", "300", "300", "300", "300", "300", "300", "300", "300"}; !slices.Equal(got, want) {
		t.Errorf("percentiles %v, want %v", got, want)
	}
}

func TestHistoryFile(t *testing.T) {
	for _, test := range []struct {
		name       string
		full       bool
		wantLabels []string // of the rows of one second
	}{
		{"aggregate only", false, []string{"/Aggregated"}},
		{"full", true, []string{"GET//list", "POST//pay", "/Aggregated"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			prefix := filepath.Join(t.TempDir(), "load")
			record(t, Options{Prefix: prefix, FullHistory: test.full})
			rows := read(t, prefix+"_stats_history.csv")
			if got, want := strings.Join(rows[0], ","), "Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%,Total Request Count,Total Failure Count,Total Median Response Time,Total Average Response Time,Total Min Response Time,Total Max Response Time,Total Average Content Size"; got != want {
				t.Errorf("header\n got %s\nwant %s", got, want)
			}
			perSecond := len(test.wantLabels)
			if got, want := len(rows)-1, 4*perSecond; got != want { // after 1, 2 and 3 s, and the end at 3.5 s
				t.Fatalf("%d rows, want %d: %v", got, want, rows[1:])
			}
			for i, row := range rows[1:] {
				if got, want := row[2]+"/"+row[3], test.wantLabels[i%perSecond]; got != want {
					t.Errorf("row %d is of %s, want %s", i, got, want)
				}
				if want := strconv.Itoa(946684800 + 1 + i/perSecond); row[0] != want {
					t.Errorf("row %d has the timestamp %s, want %s", i, row[0], want)
				}
				if row[1] != "5" {
					t.Errorf("row %d: %s users, want 5", i, row[1])
				}
			}
			second := rows[2*perSecond] // the aggregate after 2 s
			if got, want := []string{second[4], second[5], second[6], second[12], second[17], second[18]}, []string{"20.0", "1.0", "100", "300", "40", "2"}; !slices.Equal(got, want) {
				t.Errorf("aggregate after 2 s: rate, failures, 50%%, 98%%, total, total failed = %v, want %v", got, want)
			}
		})
	}
}

func TestFailuresAndExceptions(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "load")
	record(t, Options{Prefix: prefix, Node: "here"})
	failures := read(t, prefix+"_failures.csv")
	want := [][]string{
		{"Method", "Name", "Error", "Occurrences", "First Seen", "Last Seen"},
		{"POST", "/pay", "status 503", "3", "2000-01-01T00:00:00Z", "2000-01-01T00:00:02Z"},
	}
	if !slices.EqualFunc(failures, want, slices.Equal) {
		t.Errorf("failures\n got %v\nwant %v", failures, want)
	}
	exceptions := read(t, prefix+"_exceptions.csv")
	want = [][]string{{"Count", "Message", "Traceback", "Nodes"}, {"1", "json.id: not a number", "task pay", "here"}}
	if !slices.EqualFunc(exceptions, want, slices.Equal) {
		t.Errorf("exceptions\n got %v\nwant %v", exceptions, want)
	}
}

func TestFolderMissing(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "missing", "load")
	_, err := New(Options{Prefix: prefix})
	if err == nil || !strings.Contains(err.Error(), prefix) {
		t.Errorf("New in a folder that is not there: error %v, want one that names %s", err, prefix)
	}
}
