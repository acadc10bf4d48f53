package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidegauge/engine/alert"
	"tidegauge/engine/compare"
	"tidegauge/engine/history"
	"tidegauge/engine/rule"
	"tidegauge/engine/stat"
	"tidegauge/exporters"
)

const patience = 90 * time.Second // of everything that is waited for

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// program returns a real server's binary; without it the test is skipped, and fails in CI.
func program(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	text := "NOT TESTED: " + names[0] + " is not installed"
	if os.Getenv("CI") == "true" {
		t.Fatal(text + "; CI has to have it")
	}
	t.Skip(text)
	return ""
}

// prometheus3 returns the binary of Prometheus 3, whose series of runs have native histograms.
func prometheus3(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOPATH").Output()
	if err != nil {
		t.Fatal(err)
	}
	return program(t, filepath.Join(strings.TrimSpace(string(out)), "bin", "prometheus"))
}

func free(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serve starts a real server and waits until it is ready.
func serve(t *testing.T, address, binary string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, args...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // nothing of it is kept
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(binary), log.String())
		}
	})
	eventually(t, binary+" is ready", func() bool { return fetch(t, "http://"+address+"/-/ready", nil) == http.StatusOK })
	return "http://" + address
}

// fetch gets JSON, if into is not nil.
func fetch(t *testing.T, address string, into any) int {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }() // it is only read
	if into != nil {
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			t.Fatalf("%s: %v", address, err)
		}
	}
	return resp.StatusCode
}

// hook is a webhook that remembers what it was told of the regression.
type hook struct {
	*httptest.Server
	mu   sync.Mutex
	told []string // status of each, with where it comes from
}

func newHook(t *testing.T) *hook {
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct {
			Version string `json:"version"`
			Alerts  []struct {
				Status string            `json:"status"`
				Labels map[string]string `json:"labels"`
			} `json:"alerts"`
		}
		text, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(text, &body)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if err != nil || body.Version != "4" {
			h.told = append(h.told, fmt.Sprintf("broken: %s", text))
		}
		for _, a := range body.Alerts {
			if a.Labels["alertname"] == "TidegaugeRegression" && a.Labels["subject"] == compare.P50 {
				h.told = append(h.told, a.Status+" "+a.Labels["from"])
			}
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) heard(what string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Contains(h.told, what)
}

// shortened writes the bundled rules as they are but for the times, which are seconds.
func shortened(t *testing.T, file string) {
	t.Helper()
	f := rule.Bundled()
	for i := range f.Groups {
		f.Groups[i].Interval = time.Second
		for j := range f.Groups[i].Rules {
			r := &f.Groups[i].Rules[j]
			r.For = min(r.For, 2*time.Second)
		}
	}
	text, err := f.YAML("")
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(text))
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// backdate makes up eight runs before one, like it but for the noise of a machine that is busy.
func backdate(t *testing.T, h *history.History, id string) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	values, err := h.Values(id)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(h.Dir(), id, "record.json"))
	if err != nil {
		t.Fatal(err)
	}
	var record map[string]any
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		at := time.Now().UTC().Add(-time.Duration(i+1) * time.Hour)
		record["id"], record["start"] = at.Format("20060102-150405")+"-load-aaaa", at
		v := values
		v.Values = slices.Clone(values.Values)
		for j := range v.Values {
			if v.Values[j].Metric != compare.Errors && v.Values[j].Metric != compare.GoodRate {
				v.Values[j].Value *= 1 + 0.4*r.Float64()
			}
		}
		dir := filepath.Join(h.Dir(), record["id"].(string))
		if err := os.Mkdir(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string]any{"values.json": v, "record.json": record} {
			b, err := json.Marshal(content)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, name), string(b))
		}
	}
}

// runUntil runs the test until a run is one that is wanted: on a busy machine one may say nothing.
func runUntil(t *testing.T, a *App, what string, wanted func(history.Record) bool) string {
	t.Helper()
	for range 8 {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL()+"/tidegauge/v1/jobs", strings.NewReader(`{"plan":"shop","test":"load"}`))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		var job struct{ ID, Run, State, Error string }
		err = json.NewDecoder(resp.Body).Decode(&job)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusAccepted {
			t.Fatalf("starting a run: %s, %v", resp.Status, err)
		}
		eventually(t, "the run is over", func() bool {
			fetch(t, a.URL()+"/tidegauge/v1/jobs/"+job.ID, &job)
			return job.State == "finished" || job.State == "failed"
		})
		record, err := a.History.Find(job.Run)
		if err != nil {
			t.Fatalf("%v; the job: %+v", err, job)
		}
		if wanted(record) {
			return job.Run
		}
		t.Logf("another run, since this one is %s (%s), compared: %s (%s)", record.Outcome, record.Summary, record.Comparison, record.Compared)
	}
	t.Fatalf("no run is %s", what)
	return ""
}

// A service gets slower: the run after that raises an alert, in the daemon itself and in a Prometheus that has the bundled rules,
// and an Alertmanager and a webhook are told. It is mended: the next good run takes the alert away, everywhere.
func TestARegressionFromPendingToResolved(t *testing.T) {
	prometheus, alertmanager := prometheus3(t), program(t, "prometheus-alertmanager", "alertmanager")
	var delay atomic.Int64
	fast, slow := int64(20*time.Millisecond), int64(200*time.Millisecond)
	delay.Store(fast)
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-time.After(time.Duration(delay.Load())) }))
	defer target.Close()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }

	direct, routed := newHook(t), newHook(t)
	amAddress, promAddress := free(t), free(t)
	write(t, in("alertmanager.yml"), fmt.Sprintf("route: {receiver: hook, group_by: [alertname, from], group_wait: 0s, group_interval: 1s}\nreceivers: [{name: hook, webhook_configs: [{url: %q, send_resolved: true}]}]\n", routed.URL))
	am := serve(t, amAddress, alertmanager, "--config.file="+in("alertmanager.yml"), "--storage.path="+in("am"), "--web.listen-address="+amAddress, "--cluster.listen-address=")
	shortened(t, in("rules.yaml"))
	write(t, in("prometheus.yml"), fmt.Sprintf("global: {evaluation_interval: 1s, external_labels: {from: prometheus}}\nrule_files: [rules.yaml]\nalerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}\nstorage: {tsdb: {out_of_order_time_window: 1h}}\n", amAddress))
	prom := serve(t, promAddress, prometheus, "--config.file="+in("prometheus.yml"), "--storage.tsdb.path="+in("tsdb"), "--web.listen-address="+promAddress, "--web.enable-remote-write-receiver")

	if err := os.Mkdir(in("plans"), 0o750); err != nil {
		t.Fatal(err)
	}
	write(t, in("plans/shop.yaml"), "name: shop\ntarget: {base_url: \""+target.URL+"\"}\nclasses: {A: {tasks: [{get: /}]}}\nobjectives: [p50 < 20s] # a generator on a busy machine may be late by a tenth of it\ntests: {load: {arrivals: 40/s, duration: 3s, max_users: 200}}\n")
	a, err := New(t.Context(), Config{
		DataDir: in("data"), Listen: "127.0.0.1:0", Version: "test", Outlets: []exporters.Spec{{Kind: "prometheus", Address: prom + "/api/v1/write"}},
		Daemon: &Daemon{
			Plans: in("plans"), Rules: alert.Rules{NoBundled: true, Files: []string{in("rules.yaml")}},
			Receivers: []alert.Receiver{{Kind: alert.Alertmanager, Name: "am", URL: am}, {Kind: alert.Webhook, Name: "hook", URL: direct.URL}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Start()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()

	first := runUntil(t, a, "sound", func(r history.Record) bool {
		v, err := a.History.Values(r.ID)
		return err == nil && v.Problem == "" && len(v.Values) > 2
	})
	backdate(t, a.History, first)
	delay.Store(slow)
	bad := runUntil(t, a, "a regression", func(r history.Record) bool { return r.Comparison == stat.Regression })

	servers := map[string]string{"the daemon": a.URL(), "Prometheus": prom}
	for name, server := range servers {
		eventually(t, name+" had the alert pending and has it firing", func() bool {
			return count(t, server, `count_over_time(ALERTS{alertname="TidegaugeRegression", subject="p50", alertstate="pending"}[10m])`) > 0 &&
				count(t, server, `ALERTS{alertname="TidegaugeRegression", subject="p50", alertstate="firing"}`) > 0
		})
	}
	var rules struct {
		Data struct {
			Alerts []struct {
				State               string
				Labels, Annotations map[string]string
			}
		}
	}
	fetch(t, a.URL()+"/api/v1/alerts", &rules)
	said := ""
	for _, x := range rules.Data.Alerts {
		if x.Labels["subject"] == compare.P50 && x.State == "firing" {
			said = x.Annotations["description"]
		}
	}
	if !strings.Contains(said, "worse in the latest run than in the runs before it") || !strings.Contains(said, "Run "+bad+" has 0.") {
		t.Errorf("the alert says %q", said)
	}
	eventually(t, "everybody was told that it fires", func() bool {
		return direct.heard("firing ") && routed.heard("firing ") && routed.heard("firing prometheus")
	})

	delay.Store(fast)
	runUntil(t, a, "no regression", func(r history.Record) bool {
		return r.Comparison == stat.Passed || r.Comparison == stat.Inconclusive || r.Comparison == stat.Improvement
	})
	for name, server := range servers {
		eventually(t, name+" has no alert any more", func() bool { return count(t, server, `ALERTS{alertname="TidegaugeRegression"}`) == 0 })
	}
	eventually(t, "everybody was told that it is over", func() bool {
		return direct.heard("resolved ") && routed.heard("resolved ") && routed.heard("resolved prometheus")
	})
}

// count returns how many series an expression has.
func count(t *testing.T, server, expr string) int {
	t.Helper()
	var answer struct{ Data struct{ Result []any } }
	fetch(t, server+"/api/v1/query?query="+url.QueryEscape(expr), &answer)
	return len(answer.Data.Result)
}
