package scrape

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/goleak"

	"tidegauge/engine/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// server shows metrics; each scrape is counted before it is answered.
type server struct {
	*httptest.Server
	orders  prometheus.Counter
	scrapes atomic.Int64
	down    atomic.Bool
	heard   chan struct{} // one for each scrape
	allow   func(*http.Request) bool
}

func newServer(t testing.TB, secure bool) *server {
	t.Helper()
	registry := prometheus.NewRegistry()
	s := &server{heard: make(chan struct{}, 10_000)}
	s.orders = prometheus.NewCounter(prometheus.CounterOpts{Name: "orders_total", Help: "Orders."})
	latency := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "latency_seconds", Help: "Latency.", NativeHistogramBucketFactor: 1.1, Buckets: []float64{0.1, 1},
	})
	latency.Observe(0.05)
	latency.Observe(0.5)
	registry.MustRegister(s.orders, latency)
	show := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.scrapes.Add(1)
		s.orders.Inc()
		switch {
		case s.allow != nil && !s.allow(r):
			http.Error(w, "who are you?", http.StatusUnauthorized)
		case s.down.Load():
			http.Error(w, "down", http.StatusServiceUnavailable)
		default:
			show.ServeHTTP(w, r)
		}
		s.heard <- struct{}{}
	})
	if secure {
		s.Server = httptest.NewTLSServer(handler)
	} else {
		s.Server = httptest.NewServer(handler)
	}
	t.Cleanup(s.Close)
	return s
}

func (s *server) address() string { return s.Listener.Addr().String() }

// scraped waits for so many scrapes.
func (s *server) scraped(t testing.TB, n int) {
	t.Helper()
	for range n {
		select {
		case <-s.heard:
		case <-time.After(time.Minute):
			t.Fatalf("%s was scraped %d times", s.URL, s.scrapes.Load())
		}
	}
}

// during scrapes while do does something, and returns what became of the targets.
func during(t testing.TB, o Options, do func()) []Target {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, s, do)
}

func run(t testing.TB, s *Scraper, do func()) []Target {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	do()
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return s.Targets()
}

// query returns the values of an expression by the labels named.
func query(t testing.TB, s *store.Store, expr string, at time.Time, names ...string) map[string]float64 {
	t.Helper()
	samples, err := s.Query(t.Context(), expr, at)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, sample := range samples {
		var key []string
		for _, name := range names {
			key = append(key, sample.Labels[name])
		}
		values[strings.Join(key, " ")] = sample.Value
	}
	return values
}

// What a server shows is in the store with the labels of the target and the plan, also the last value; afterwards nothing
// lingers.
func TestRun(t *testing.T) {
	server, to := newServer(t, false), openStore(t)
	jobs := fmt.Sprintf(`
- job_name: shop
  scrape_interval: 50ms
  static_configs: [{targets: [%q], labels: {zone: a}}, {targets: ["127.0.0.1:1"]}]
  relabel_configs:
    - {source_labels: [__address__], regex: "(.*):(.*)", target_label: port, replacement: "p${2}"}
  metric_relabel_configs:
    - {source_labels: [__name__], regex: latency_seconds_bucket, action: drop}
`, server.address())
	labels := map[string]string{"env": "test$1", "zone": "b", "team.name": "x"}
	targets := during(t, Options{Jobs: []byte(jobs), Labels: labels, Store: to}, func() { server.scraped(t, 5) })
	now := time.Now()
	lingering := query(t, to, `{job="shop"}`, now.Add(time.Second), "__name__")
	if len(lingering) != 0 {
		t.Errorf("after the end there are still %v", lingering)
	}
	_, port, err := net.SplitHostPort(server.address())
	if err != nil {
		t.Fatal(err)
	}
	want := "a test$1 x p" + port + " shop " + server.address()
	got := query(t, to, `max_over_time(orders_total[1m])`, now, "zone", "env", "team_name", "port", "job", "instance")
	if len(got) != 1 || got[want] != float64(server.scrapes.Load()) {
		t.Errorf("orders_total is %v, want %q: %d, the value of the last scrape", got, want, server.scrapes.Load())
	}
	if dropped := query(t, to, `max_over_time(latency_seconds_bucket[1m])`, now); len(dropped) != 0 {
		t.Errorf("metric_relabel_configs dropped nothing: %v", dropped)
	}
	up := query(t, to, `max_over_time(up[1m])`, now, "instance", "zone")
	if len(up) != 2 || up[server.address()+" a"] != 1 || up["127.0.0.1:1 b"] != 0 {
		t.Errorf("up is %v", up)
	}
	if len(targets) != 2 {
		t.Fatalf("targets: %+v", targets)
	}
	dead, alive := targets[0], targets[1]
	if dead.Instance != "127.0.0.1:1" || dead.Up != 0 || dead.Scrapes < 1 || !strings.Contains(dead.LastError, "refused") {
		t.Errorf("the target that is down: %+v", dead)
	}
	if n := int(server.scrapes.Load()); alive.Scrapes != n || alive.Up == 0 || alive.Up > n || // a busy machine may be too late for some
		alive.Samples != 6 || alive.LastError != "" ||
		alive.Job != "shop" || alive.URL != server.URL+"/metrics" {
		t.Errorf("the target that is up, scraped %d times: %+v", n, alive)
	}
	if n := query(t, to, `count_over_time(up{zone="a"}[1m])`, now); n[""] != float64(alive.Scrapes) {
		t.Errorf("up has %v samples, %d scrapes were counted", n, alive.Scrapes)
	}
}

// shown sees that a scraper shows whether its only target is up.
func shown(t testing.TB, s *Scraper, instance string, up float64) {
	t.Helper()
	families, err := s.Gather()
	if err != nil || len(families) != 1 || len(families[0].Metric) != 1 {
		t.Fatalf("Gather: %v, %v", families, err)
	}
	m := families[0].Metric[0]
	if got := m.Gauge.GetValue(); got != up || m.Label[0].GetValue() != "shop" || m.Label[1].GetValue() != instance {
		t.Errorf("at /metrics it is %v", m)
	}
}

// A server that goes down and comes back: up says so, its series end and begin again.
func TestDownAndBack(t *testing.T) {
	server, to := newServer(t, false), openStore(t)
	jobs := fmt.Appendf(nil, "- {job_name: shop, scrape_interval: 30ms, static_configs: [{targets: [%q]}]}", server.address())
	changes := make(chan [2]State, 100)
	change := func(what string) (now, before State) {
		t.Helper()
		select {
		case c := <-changes:
			return c[0], c[1]
		case <-time.After(30 * time.Second):
			t.Fatal(what + ": nobody is told")
			panic("unreachable")
		}
	}
	s, err := New(Options{Jobs: jobs, Store: to, Changed: func(now, before State) { changes <- [2]State{now, before} }})
	if err != nil {
		t.Fatal(err)
	}
	targets := run(t, s, func() {
		server.scraped(t, 3)
		server.down.Store(true)
		server.scraped(t, 4)
		if now, before := change("down"); now.Up || !before.Up || !now.Since.After(before.Since) || !strings.Contains(now.LastError, "503") || now.URL != server.URL+"/metrics" {
			t.Errorf("when it is down, it is %+v, and was %+v", now, before)
		}
		shown(t, s, server.address(), 0)
		server.down.Store(false)
		server.scraped(t, 3)
		if now, before := change("up"); !now.Up || before.Up || now.LastError != "" || now.Job != "shop" || now.Instance != server.address() {
			t.Errorf("when it is up again, it is %+v, and was %+v", now, before)
		}
		shown(t, s, server.address(), 1)
	})
	if len(changes) != 0 {
		t.Errorf("told once more: %+v", <-changes)
	}
	if left := s.States(); len(left) != 0 {
		t.Errorf("after the end there are still %+v", left)
	}
	if one := targets[0]; one.Up >= one.Scrapes || one.Scrapes-one.Up < 3 {
		t.Errorf("of %d scrapes %d succeeded", one.Scrapes, one.Up)
	}
	if got := query(t, to, "min_over_time(up[1m])", time.Now()); got[""] != 0 {
		t.Errorf("min of up is %v", got)
	}
}

func TestNativeHistograms(t *testing.T) {
	for _, native := range []bool{true, false} {
		server, to := newServer(t, false), openStore(t)
		jobs := fmt.Appendf(nil, "- {job_name: shop, scrape_interval: 50ms, scrape_native_histograms: %t, static_configs: [{targets: [%q]}]}", native, server.address())
		during(t, Options{Jobs: jobs, Store: to}, func() { server.scraped(t, 3) })
		now := time.Now()
		classic := query(t, to, `max_over_time(latency_seconds_bucket{le="+Inf"}[1m])`, now)
		count := query(t, to, "histogram_count(last_over_time(latency_seconds[1m]))", now)
		if native && (count[""] != 2 || len(classic) != 0) || !native && (classic[""] != 2 || len(count) != 0) {
			t.Errorf("native %t: native count %v, classic count %v", native, count, classic)
		}
		if left, err := to.Query(t.Context(), `{job="shop"}`, now.Add(time.Second)); err != nil || len(left) != 0 {
			t.Errorf("native %t: after the end there are %v, %v", native, left, err)
		}
	}
}

func TestTLSAndLogins(t *testing.T) {
	basic := func(r *http.Request) bool { u, p, _ := r.BasicAuth(); return u == "ann" && p == "secret" }
	bearer := func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer token" }
	for name, c := range map[string]struct {
		allow func(*http.Request) bool
		job   string
		up    bool
	}{
		"basic":         {basic, "basic_auth: {username: ann, password_file: password}, tls_config: {ca_file: ca.pem}", true},
		"basic, wrong":  {basic, "basic_auth: {username: ann, password: x}, tls_config: {ca_file: ca.pem}", false},
		"bearer":        {bearer, "authorization: {credentials: token}, tls_config: {ca_file: ca.pem}", true},
		"unknown CA":    {nil, "tls_config: {}", false},
		"not verified":  {nil, "tls_config: {insecure_skip_verify: true}", true},
		"another name":  {nil, "tls_config: {ca_file: ca.pem, server_name: other.test}", false},
		"name it knows": {nil, "tls_config: {ca_file: ca.pem, server_name: example.com}", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, to, dir := newServer(t, true), openStore(t), t.TempDir()
			server.allow = c.allow
			server.Config.ErrorLog = nil
			ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			for file, content := range map[string][]byte{"ca.pem": ca, "password": []byte("secret")} {
				if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			jobs := fmt.Appendf(nil, "- {job_name: shop, scheme: https, scrape_interval: 3s, %s, static_configs: [{targets: [%q]}]}", c.job, server.address())
			s, err := New(Options{Jobs: jobs, Dir: dir, Store: to})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx) }()
			for ctx.Err() == nil && len(query(t, to, "max_over_time(up[1m])", time.Now())) == 0 {
				<-time.After(20 * time.Millisecond)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if one := s.Targets()[0]; one.Scrapes == 0 || one.Up == one.Scrapes != c.up || one.LastError == "" != c.up {
				t.Errorf("%+v, want up %t", one, c.up)
			}
		})
	}
}

// Targets come from files that may change, or appear, while a run lasts.
func TestFiles(t *testing.T) {
	first, second, to, dir := newServer(t, false), newServer(t, false), openStore(t), t.TempDir()
	write := func(address string) {
		t.Helper()
		file := filepath.Join(dir, "targets.json")
		if err := os.WriteFile(file+".new", fmt.Appendf(nil, `[{"targets": [%q], "labels": {"from": "file"}}]`, address), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	jobs := "- {job_name: shop, scrape_interval: 50ms, file_sd_configs: [{files: [targets.json], refresh_interval: 100ms}]}\n" +
		"- {job_name: nobody, file_sd_configs: [{files: [none.json]}]}"
	targets := during(t, Options{Jobs: []byte(jobs), Dir: dir, Store: to}, func() {
		write(first.address())
		first.scraped(t, 2)
		write(second.address())
		second.scraped(t, 2)
	})
	got := query(t, to, `max_over_time(up{from="file"}[1m])`, time.Now(), "instance")
	if got[first.address()] != 1 || got[second.address()] != 1 {
		t.Errorf("up is %v", got)
	}
	if len(targets) != 3 || targets[0].Job != "nobody" || targets[0].Instance != "" || targets[0].Scrapes != 0 {
		t.Errorf("targets: %+v", targets)
	}
}

// A run that is over at once still scrapes each target that was found, or says that there was none; it never hangs.
func TestAtOnce(t *testing.T) {
	server, to := newServer(t, false), openStore(t)
	jobs := fmt.Appendf(nil, "- {job_name: shop, static_configs: [{targets: [%q]}]}", server.address())
	s, err := New(Options{Jobs: jobs, Store: to})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := s.Targets(); len(got) != 1 || got[0].Job != "shop" || int64(got[0].Scrapes) != server.scrapes.Load() {
		t.Errorf("%+v, scraped %d times", got, server.scrapes.Load())
	}
}

func TestNewRefuses(t *testing.T) {
	to := openStore(t)
	twice := "- {job_name: a, static_configs: [{targets: [x]}]}\n- {job_name: a, static_configs: [{targets: [y]}]}"
	if _, err := New(Options{Jobs: []byte(twice), Store: to}); err == nil || !strings.Contains(err.Error(), `two jobs with job_name "a"`) {
		t.Errorf("two jobs of one name: %v", err)
	}
	if _, err := New(Options{Jobs: []byte("- {}"), Store: to}); err == nil || !strings.Contains(err.Error(), "job_name is empty") {
		t.Errorf("a job without a name: %v", err)
	}
}

func TestCheck(t *testing.T) {
	type mistake struct {
		line int
		text string
	}
	for _, c := range []struct {
		job   string
		wrong []mistake
	}{
		{"job_name: a\nstatic_configs:\n  - targets: [x:1]\n", nil},
		{"job_name: a\nscrape_timeout: 2s\nscrape_interval: 5s\nfile_sd_configs: [{files: [later.json]}]", nil},
		{"job_name: a\nscrape_intervall: 5s\nfoo: 1\n", []mistake{{2, `unknown key "scrape_intervall"`}, {3, `unknown key "foo"`}}},
		{"job_name: a\nkubernetes_sd_configs:\n  - role: pod\n", []mistake{{2, "kubernetes_sd_configs is not in this version, expected static_configs or file_sd_configs"}}},
		{"job_name: a\nhonor_labels: 7\nstatic_configs: []\n", []mistake{{2, "cannot unmarshal !!int `7`"}}},
		{"job_name: a\nscrape_timeout: 3s\nstatic_configs: [{targets: [x]}]\n", []mistake{{0, `scrape timeout greater than scrape interval`}}},
		{"job_name: a\nscrape_interval: 5\nstatic_configs: [{targets: [x]}]\n", []mistake{{0, `duration`}}},
		{"job_name: a\n", []mistake{{0, "the job has no targets"}}},
		{"job_name: a\nstatic_configs: [{targets: [\"http://x/\"]}]\n", []mistake{{0, `"http://x/" is not a valid hostname`}}},
		{"job_name: a\nstatic_configs: [{targets: [x:9777, \"localhost:9777\"]}]\n", []mistake{{0, `"localhost:9777" is tidegauge itself, which listens on 127.0.0.1:9777`}}},
		{"job_name: a\nrelabel_configs: [{regex: \"(\", target_label: x}]\nstatic_configs: [{targets: [x]}]\n", []mistake{{0, "missing closing )"}}},
		{"job_name: a\ntls_config: {ca_file: none.pem}\nstatic_configs: [{targets: [x]}]\n", []mistake{{0, "none.pem"}}},
		{"job_name: a\nbasic_auth: {username: u, password_file: none}\nstatic_configs: [{targets: [x]}]\n", []mistake{{0, "reading a secret"}}},
	} {
		err := Rules{Listen: "127.0.0.1:9777"}.Check(t.TempDir(), []byte(c.job))
		all := []error{err}
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			all = several.Unwrap()
		}
		if err == nil {
			all = nil
		}
		if len(all) != len(c.wrong) {
			t.Errorf("%q: %v, want %d mistakes", c.job, err, len(c.wrong))
			continue
		}
		for i, one := range all {
			e, ok := errors.AsType[*Error](one)
			if !ok || e.Line() != c.wrong[i].line || !strings.Contains(e.Error(), c.wrong[i].text) || strings.Contains(e.Error(), "config.") {
				t.Errorf("%q: line %d: %v, want line %d: %s", c.job, e.Line(), one, c.wrong[i].line, c.wrong[i].text)
			}
		}
	}
}

// The defaults are those of a test: a second, and a timeout that fits.
func TestDefaults(t *testing.T) {
	for job, want := range map[string][2]time.Duration{
		"{job_name: a, static_configs: [{targets: [x]}]}":                                           {time.Second, time.Second},
		"{job_name: a, scrape_interval: 30s, static_configs: [{targets: [x]}]}":                     {30 * time.Second, 10 * time.Second},
		"{job_name: a, scrape_interval: 30s, scrape_timeout: 1s, static_configs: [{targets: [x]}]}": {30 * time.Second, time.Second},
	} {
		c, err := Rules{}.parseJob("", []byte(job))
		if err != nil {
			t.Error(err)
		} else if got := [2]time.Duration{time.Duration(c.ScrapeInterval), time.Duration(c.ScrapeTimeout)}; got != want {
			t.Errorf("%s: %v, want %v", job, got, want)
		}
	}
}

// Against a real exporter.
func TestNodeExporter(t *testing.T) {
	binary, err := exec.LookPath("prometheus-node-exporter")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must have prometheus-node-exporter: apt-get install prometheus-node-exporter")
		}
		t.Skip("SKIPPED: there is no prometheus-node-exporter; apt-get install prometheus-node-exporter")
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	exporter := exec.CommandContext(t.Context(), binary, "--web.listen-address="+address, "--collector.disable-defaults",
		"--collector.cpu", "--collector.meminfo", "--collector.filefd")
	if err := exporter.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exporter.Process.Kill() // it has nothing to lose
		_ = exporter.Wait()
	})
	to := openStore(t)
	jobs := fmt.Appendf(nil, "- {job_name: node, scrape_interval: 100ms, static_configs: [{targets: [%q]}]}", address)
	targets := during(t, Options{Jobs: jobs, Store: to}, func() {
		for begin := time.Now(); time.Since(begin) < time.Minute; {
			if got := query(t, to, `count_over_time(node_memory_MemTotal_bytes[1m])`, time.Now()); got[""] >= 3 {
				return
			}
			<-time.After(20 * time.Millisecond)
		}
		t.Error("the exporter gave nothing for 20 s")
	})
	if one := targets[0]; one.Up < 3 || one.Samples < 50 {
		t.Errorf("%+v", one)
	}
	got := query(t, to, `1 - avg(rate(node_cpu_seconds_total{mode="idle"}[1m]))`, time.Now())
	if v, ok := got[""]; !ok || v < -0.5 || v > 1.01 {
		t.Errorf("CPU usage is %v", got)
	}
}
