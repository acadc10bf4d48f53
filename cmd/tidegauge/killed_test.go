package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/store"
)

// TestKilledRun kills a run with SIGKILL while it measures and scrapes, and starts another process: it ends what the killed
// one has left, so that nothing lingers, and what was measured stays.
func TestKilledRun(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprintln(w, "shop_open_carts 7")
	}))
	defer server.Close()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	write := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	host := strings.TrimPrefix(server.URL, "http://")
	target := "target: {base_url: \"" + server.URL + "\"}\nclasses: {A: {tasks: [{get: /}]}}\n"
	long := write("long.yaml", target+"scrape: [{job_name: shop, scrape_interval: 200ms, static_configs: [{targets: ["+host+"]}]}]\ntests: {long: {arrivals: 20/s, duration: 1h}}\n")
	short := write("short.yaml", target+"tests: {short: {arrivals: 20/s, duration: 1s}}\n")
	config := write("tidegauge.yaml", "scrape: [{job_name: always, scrape_interval: 200ms, static_configs: [{targets: ["+host+"]}]}]\n")

	killed := exec.CommandContext(t.Context(), "tidegauge", "run", long, "--data-dir", data, "--config", config, "--listen", "127.0.0.1:0")
	killed.Dir = dir
	var said bytes.Buffer
	killed.Stderr = &said
	stdout, err := killed.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	api := ""
	for lines := bufio.NewScanner(stdout); api == "" && lines.Scan(); {
		if _, rest, ok := strings.Cut(lines.Text(), "queries: "); ok {
			api, _, _ = strings.Cut(rest, " ")
		}
	}
	if api == "" {
		t.Fatalf("the run does not say where it answers: %s", &said)
	}
	const all = `count(tidegauge_users) + count(tidegauge_response_time_seconds) + count(shop_open_carts{job="shop"}) + count(shop_open_carts{job="always"})`
	for deadline := time.Now().Add(time.Minute); !strings.Contains(get(t, api+"?query="+strings.NewReplacer(" ", "%20", "+", "%2B", `"`, "%22").Replace(all)), `"value"`); {
		if time.Now().After(deadline) {
			t.Fatalf("after a minute nothing is measured and scraped: %s", &said)
		}
	}
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := killed.Wait(); err == nil {
		t.Fatal("the run ended by itself")
	}
	end := time.Now()

	next := exec.CommandContext(t.Context(), "tidegauge", "run", short, "--data-dir", data)
	next.Dir = dir
	if out, err := next.CombinedOutput(); err != nil {
		t.Fatalf("the next run: %v\n%s", err, out)
	}
	s, err := store.Open(store.Options{Dir: filepath.Join(data, "store")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	// What says of which process the measurements are, target_info, the next one goes on with.
	for _, at := range []time.Time{end.Add(time.Millisecond), end.Add(2 * time.Minute)} {
		if left, err := s.Query(t.Context(), `{__name__!="target_info", job=~".+", test!="short"}`, at); err != nil || len(left) > 0 {
			t.Errorf("%v after the kill %d series linger, %v: %v", at.Sub(end), len(left), err, left)
		}
	}
	for _, name := range []string{`tidegauge_users{test="long"}`, `tidegauge_requests_total{test="long"}`, `shop_open_carts{job="shop"}`, `shop_open_carts{job="always"}`, `up{job="always"}`} {
		if kept, err := s.Query(t.Context(), "last_over_time("+name+"[5m])", end); err != nil || len(kept) == 0 {
			t.Errorf("%s: %v, %v; want what was measured", name, kept, err)
		}
	}
}

func get(t testing.TB, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return string(text)
}
