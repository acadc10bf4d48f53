package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tidegauge/cmd/tidegauge/internal/app"
	"tidegauge/engine/api"
	"tidegauge/engine/report"
)

// daemonFor starts a daemon with a token of role run, and returns its URL.
func daemonFor(t *testing.T, token string) string {
	t.Helper()
	a, err := app.New(t.Context(), app.Config{
		DataDir: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0",
		Daemon: &app.Daemon{Tokens: []api.Token{{Name: "ci", Role: api.Run, Hash: sha256.Sum256([]byte(token))}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Start()
	t.Cleanup(func() {
		if err := stop(t.Context(), a); err != nil {
			t.Error(err)
		}
	})
	return a.URL()
}

// A run on a daemon ends as one here would: exit code, summary, files.
func TestRunOnServer(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer target.Close()
	dir, token := t.TempDir(), "a-token-of-the-test"
	server := daemonFor(t, token)
	for name, text := range map[string]string{
		"shop.yaml": `target: {base_url: "${env.SHOP}"}
data: {cards: {file: data/cards.csv}}
classes: {A: {tasks: [{get: "/${cards.number}", name: GET /card}, {get: /missing}]}}
objectives: [error_rate < 1%]
tests: {load: {arrivals: 20/s, duration: 2s}}
`,
		"bad.yaml": "target: 7\n", "token": token + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "cards.csv"), []byte("number\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	run := func(args ...string) (int, string, string) {
		t.Helper()
		var out, errs bytes.Buffer
		env := map[string]string{"SHOP": target.URL}
		code := execute(append([]string{"run", "--server", server}, args...), strings.NewReader(""), &out, &errs, func(name string) (string, bool) {
			v, ok := env[name]
			return v, ok
		})
		return code, out.String(), errs.String()
	}
	for _, tt := range []struct {
		code int
		says string
		args []string
	}{
		{2, "a token of the daemon is needed", []string{in("shop.yaml")}},
		{2, "--out and --server do not go together", []string{in("shop.yaml"), "--out", "otlp=http://localhost:4318"}},
		{2, "reading the token", []string{in("shop.yaml"), "--token-file", in("none")}},
		{3, "3 mistakes", []string{in("bad.yaml"), "--token-file", in("token")}},
		{3, "not among the hosts", []string{in("shop.yaml"), "--token-file", in("token"), "--host", "http://example.com"}},
	} {
		if code, _, errs := run(tt.args...); code != tt.code || !strings.Contains(errs, tt.says) {
			t.Errorf("%v: exit code %d, want %d, and %q in %s", tt.args, code, tt.code, tt.says, errs)
		}
	}

	code, out, errs := run(in("shop.yaml"), "--token-file", in("token"), "--json", in("out.json"), "--report", "html="+in("out.html"), "--csv", in("out"))
	if code != 1 || !strings.Contains(out, "FAIL") || !strings.Contains(out, "shop · load: running for 0:02") {
		t.Fatalf("exit code %d\n%s\n%s", code, out, errs)
	}
	text, err := os.ReadFile(in("out.json"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := report.ReadJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if html, err := os.ReadFile(in("out.html")); err != nil || !bytes.Contains(html, []byte(r.Run.ID)) {
		t.Errorf("the page does not have the run: %v", err)
	}
	stats := table(t, in("out_stats.csv"))
	last := stats[len(stats)-1]
	if want := []string{"", "Aggregated", strconv.FormatUint(r.Total.Count, 10), strconv.FormatUint(r.Total.Failures, 10)}; !slices.Equal(last[:4], want) {
		t.Errorf("the aggregate is %q, want %q", last[:4], want)
	}
	if failures := table(t, in("out_failures.csv")); len(failures) != 2 || failures[1][3] != strconv.FormatUint(r.Total.Failures, 10) {
		t.Errorf("failures %q, want one kind of %d", failures, r.Total.Failures)
	}
	if history := table(t, in("out_stats_history.csv")); len(history) < 2 || history[len(history)-1][17] != strconv.FormatUint(r.Total.Count, 10) {
		t.Errorf("history %q", history)
	}
}

// What is asked of the runs of a daemon is answered as of those in a data directory.
func TestRunsOnServer(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer target.Close()
	token := "a-token-of-the-test"
	server := daemonFor(t, token)
	file := filepath.Join(t.TempDir(), "shop.yaml")
	if err := os.WriteFile(file, []byte("target: {base_url: \""+target.URL+"\"}\nclasses: {A: {tasks: [{get: /}]}}\ntests: {load: {arrivals: 20/s, duration: 1s}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		code int // -1: any
		says string
		args []string
	}{
		{0, "no runs yet", []string{"runs"}},
		{0, "plan \"shop\" with 1 test: load", []string{"validate", file}},
		{3, "no plan of that name", []string{"run", "shop"}},
		{-1, "shop / load", []string{"run", file, "--confirm", "--target-version", "1.4"}},
		{0, "1.4", []string{"runs"}},
		{0, "shop / load", []string{"runs", "show", "latest"}},
		{5, "there is none", []string{"runs", "show", "nothing"}},
		{0, "<testsuites", []string{"report", "latest", "junit=-"}},
		{4, "there is no run to compare it with", []string{"compare", "latest"}},
		{0, "v1 is run 2", []string{"baseline", "pin", "latest", "--as", "v1"}},
		{5, "unpin it", []string{"baseline", "pin", "latest", "--as", "v1"}},
		{0, "", []string{"baseline", "accept", "latest", "--note", "as it is"}},
		{0, "", []string{"baseline", "annotate", "latest", "--note", "as it should be"}},
		{0, "accepted  as it should be", []string{"baseline", "list"}},
		{0, "nothing has changed", []string{"baseline", "changes"}},
		{0, "", []string{"baseline", "clear", "latest"}},
		{0, "", []string{"baseline", "unpin", "v1"}},
		{0, "nothing is pinned", []string{"baseline", "list"}},
		{2, "removed where they are", []string{"runs", "remove", "latest"}},
		{2, "do not go together", []string{"runs", "--data-dir", "x"}},
	} {
		var out bytes.Buffer
		code := execute(append(step.args, "--server", server), strings.NewReader(""), &out, &out, func(name string) (string, bool) {
			return token, name == tokenVariable
		})
		if code != step.code && step.code >= 0 || !strings.Contains(out.String(), step.says) {
			t.Errorf("%q: exit code %d, want %d, and %q in\n%s", step.args, code, step.code, step.says, out.String())
		}
	}
}

func table(t *testing.T, file string) [][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
