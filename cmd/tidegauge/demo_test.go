package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/plan"
	"tidegauge/engine/report"
)

// TestDemo is the README's first command, for a few seconds: the service answers, the run is kept, the query that it prints
// gives the p95 of its summary, and Ctrl-C ends it.
func TestDemo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reader, writer := io.Pipe()
	c := &console{in: strings.NewReader(""), out: writer, err: writer, getenv: func(string) (string, bool) { return "", false }}
	dir := filepath.Join(t.TempDir(), "data")
	f := &runFlags{test: "load", settings: settings{dataDir: dir, listen: "127.0.0.1:0"}, locust: plan.Overrides{RunTime: 7 * time.Second}}
	ended := make(chan error, 1)
	go func() {
		err := demo(ctx, c, f, nil, false)
		ended <- err
		writer.CloseWithError(err)
	}()

	var said strings.Builder
	lines := bufio.NewScanner(reader)
	for lines.Scan() && lines.Text() != "Ctrl-C ends this." {
		said.WriteString(lines.Text() + "\n")
	}
	text := said.String()
	if !strings.Contains(text, "Run folder: ") || !strings.Contains(text, "The measurements can be queried now") {
		t.Fatalf("the demo said:\n%s", text)
	}
	runs, err := filepath.Glob(filepath.Join(dir, "runs", "*", "report.json"))
	if err != nil || len(runs) != 1 {
		t.Fatalf("reports %v, %v; want one", runs, err)
	}
	stored, err := os.ReadFile(runs[0])
	if err != nil {
		t.Fatal(err)
	}
	r, err := report.ReadJSON(bytes.NewReader(stored))
	if err != nil {
		t.Fatal(err)
	}
	if r.Total.Count == 0 || r.Total.Failures > 0 {
		t.Errorf("%d requests, %d failed; want some and none", r.Total.Count, r.Total.Failures)
	}
	if got := queryPrinted(t, text); got < r.Total.Response.P95*0.98 || got > r.Total.Response.P95*1.02 {
		t.Errorf("the query that the demo prints gives a p95 of %v s, the report says %v s", got, r.Total.Response.P95)
	}

	cancel()
	for lines.Scan() { // what it says at the end, which nobody asked for yet
	}
	if code := codeOf(<-ended); code != codeOfReport(r) {
		t.Errorf("exit code %d, want that of the verdict, %d", code, codeOfReport(r))
	}
}

// queryPrinted asks what the demo says one can ask.
func queryPrinted(t *testing.T, text string) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?s)curl -s (\S+/api/v1/query) .*?'query=(.*?)' -d time=(\S+)`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no query in\n%s", text)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m[1]+"?"+url.Values{"query": {m[2]}, "time": {m[3]}}.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}()
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || len(answer.Data.Result) != 1 {
		t.Fatalf("answer %+v, %v; want one element", answer, err)
	}
	text, _ = answer.Data.Result[0].Value[1].(string)
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
