package locust

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

// FuzzFiles: whatever requests and errors are called and whatever was measured, every file is CSV with as many columns as
// its header, and has the names and the numbers.
func FuzzFiles(f *testing.F) {
	f.Add("GET", "GET /a", "status 503", "pay", "json.id: not a number", 0.1, uint64(3), uint64(12))
	f.Add("", "", "", "", "", -1.0, uint64(0), uint64(0))
	f.Add("GET", "a,\"b\"\r\nc", "=1+1\n", "x\ry", "\"", 1e300, uint64(1), ^uint64(0))
	f.Add("PO\"ST", "é\x00\xff", "\\", "\t", ",", 1e-300, uint64(2), uint64(1))
	f.Fuzz(func(t *testing.T, method, name, detail, task, message string, seconds float64, n, bytes uint64) {
		n %= 50
		prefix := filepath.Join(t.TempDir(), "load")
		w, err := New(Options{Prefix: prefix, FullHistory: true, Node: "here"})
		if err != nil {
			t.Fatal(err)
		}
		names := &measure.Names{Classes: []string{"A"}, Requests: []measure.Request{{Class: "A", Name: name, Method: method}}}
		totals := &measure.Totals{Classes: make([]measure.ClassTotals, 1), Requests: make([]measure.RequestTotals, 1)}
		for range n {
			totals.Requests[0].Outcomes[protocol.Status].ResponseTime.Record(seconds)
		}
		totals.Requests[0].BodyBytes = bytes
		start := time.Unix(1_700_000_000, 0)
		err = w.Consume(t.Context(), &measure.Snapshot{
			Start: start, Since: start, Time: start.Add(time.Second), Final: true, Names: names, Total: totals, Delta: totals,
			Failures:   []measure.Failure{{Outcome: protocol.Status, Detail: detail, Count: n, First: start, Last: start}},
			Exceptions: []measure.Exception{{Task: task, Message: message, Count: n, First: start, Last: start}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		shown, count := entryFor(names.Requests[0]).name, strconv.FormatUint(n, 10)
		stats := rows(t, prefix+"_stats.csv", 3)
		same(t, stats[1][:4], method, shown, count, count)
		same(t, stats[2][:4], "", "Aggregated", count, count)
		for _, figure := range stats[1][4:] {
			if _, err := strconv.ParseFloat(figure, 64); err != nil && figure != "N/A" || strings.ContainsAny(figure, "NI") && figure != "N/A" {
				t.Errorf("%q is no figure", figure)
			}
		}
		same(t, rows(t, prefix+"_stats_history.csv", 3)[1][2:4], method, shown)
		same(t, rows(t, prefix+"_failures.csv", 2)[1][:4], method, shown, errorText(measure.Failure{Outcome: protocol.Status, Detail: detail}), count)
		same(t, rows(t, prefix+"_exceptions.csv", 2)[1], count, message, "task "+task, "here")
	})
}

func rows(t *testing.T, file string, n int) [][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	list, err := csv.NewReader(bytes.NewReader(text)).ReadAll() // refuses rows of another length than the first
	if err != nil || len(list) != n {
		t.Fatalf("%s has %d rows, want %d: %v", file, len(list), n, err)
	}
	return list
}

// same compares texts as CSV can hold them: the ends of lines become those of the file.
func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	for i := range want {
		lines := strings.NewReplacer("\r\n", "\n", "\r", "")
		if lines.Replace(got[i]) != lines.Replace(want[i]) {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
}
