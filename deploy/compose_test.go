package deploy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"gopkg.in/yaml.v3"

	"tidegauge/engine/plan"
	"tidegauge/engine/queue"
	"tidegauge/engine/rule"
	"tidegauge/grafana"
)

// load reads docker-compose.yml as compose does, with the profiles of .env, or of the list.
func load(t *testing.T, profiles ...string) *types.Project {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithWorkingDirectory(".."), cli.WithEnvFiles(), cli.WithDotEnv,
		cli.WithDefaultProfiles(profiles...), cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestComposeFile(t *testing.T) {
	if got, want := load(t).ServiceNames(), []string{"alertmanager", "grafana", "node-exporter", "paydemo", "prometheus", "redis", "tidegauge"}; !slices.Equal(got, want) {
		t.Errorf("docker compose up starts %v, want %v", got, want)
	}
	if got := load(t, "demo").ServiceNames(); !slices.Equal(got, []string{"paydemo", "redis", "tidegauge"}) {
		t.Errorf("the profile demo alone starts %v", got)
	}
	pinned := regexp.MustCompile(`^(tidegauge:local|[\w/.-]+:v?\d+\.\d+\.\d+(-\w+)?)$`)
	for name, s := range load(t, "*").Services {
		if !pinned.MatchString(s.Image) {
			t.Errorf("%s: the image %s has no exact version", name, s.Image)
		}
		if s.User == "" && s.Image != "tidegauge:local" || strings.HasPrefix(s.User, "0") || s.User == "root" {
			t.Errorf("%s runs as %q", name, s.User)
		}
		if s.MemLimit == 0 || s.CPUS == 0 || !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") {
			t.Errorf("%s: memory %d, CPUs %v, read only %v, without %v", name, s.MemLimit, s.CPUS, s.ReadOnly, s.CapDrop)
		}
		if s.HealthCheck == nil {
			t.Errorf("%s has no health check", name)
		}
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s listens on %q of the host", name, p.HostIP)
			}
		}
		for _, v := range s.Volumes {
			if _, err := os.Stat(v.Source); v.Type == types.VolumeTypeBind && err != nil {
				t.Errorf("%s mounts %s: %v", name, v.Source, err)
			}
		}
		for key, value := range s.Environment {
			if secret := regexp.MustCompile(`TOKEN|PASSWORD`).MatchString(key); secret && value != nil && *value != "" {
				t.Errorf("%s has a default for the secret %s", name, key)
			}
		}
	}
}

// find returns the program of a service, which CI has to have.
func find(t *testing.T, names ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOPATH").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for _, file := range []string{filepath.Join(strings.TrimSpace(string(out)), "bin", name), name} {
			if path, err := exec.LookPath(file); err == nil {
				return path
			}
		}
	}
	text := fmt.Sprintf("NOT TESTED: none of %v is installed; .ci/run says how", names)
	if os.Getenv("CI") == "true" {
		t.Fatal(text)
	}
	t.Skip(text)
	return ""
}

// host stands for the container engine: services are processes on loopback, their names are ports, their mounts are copies.
type host struct {
	t         *testing.T
	project   *types.Project
	programs  map[string]string
	addresses map[string]string // host:port inside of the network → address on loopback
	dir       string
}

// translated puts addresses of this machine for those of the network, in text or a command.
func (h *host) translated(name, text string) string {
	for inside, address := range h.addresses {
		text = strings.ReplaceAll(text, inside, address)
		if service, port, _ := strings.Cut(inside, ":"); service == name {
			text = strings.ReplaceAll(text, "0.0.0.0:"+port, address)
			text = strings.ReplaceAll(text, "127.0.0.1:"+port, address)
		}
	}
	return text
}

// mounted puts the copies of what is mounted for the paths of the container.
func (h *host) mounted(name, text string) string {
	var pairs []string
	for _, v := range h.project.Services[name].Volumes {
		pairs = append(pairs, v.Target, filepath.Join(h.dir, name, v.Target))
	}
	return strings.NewReplacer(pairs...).Replace(text) // in one pass: what was put in is not looked at again
}

// mount copies the mounts of a service; files are translated, since they name other services.
func (h *host) mount(name string) {
	h.t.Helper()
	for _, v := range h.project.Services[name].Volumes {
		target := filepath.Join(h.dir, name, v.Target)
		if v.Source == "/" { // the host's files stay where they are
			continue
		}
		if v.Type != types.VolumeTypeBind {
			if err := os.MkdirAll(target, 0o755); err != nil {
				h.t.Fatal(err)
			}
			continue
		}
		err := filepath.WalkDir(v.Source, func(file string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			to := filepath.Join(target, strings.TrimPrefix(file, v.Source))
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			return os.WriteFile(to, []byte(h.mounted(name, h.translated(name, string(text)))), 0o600)
		})
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

// start starts a service as its command says, and waits until its health check would pass.
func (h *host) start(name string) {
	h.t.Helper()
	s := h.project.Services[name]
	h.mount(name)
	args := slices.Clone(s.Command)
	if len(args) > 0 && args[0] == name+"-server" {
		args = args[1:]
	}
	for i := range args {
		args[i] = h.mounted(name, h.translated(name, args[i]))
	}
	if name == "redis" {
		_, port, err := net.SplitHostPort(h.addresses["redis:6379"])
		if err != nil {
			h.t.Fatal(err)
		}
		args = append(args, "--bind", "127.0.0.1", "--port", port)
	}
	if name == "node-exporter" { // the files of this machine are not below a mount
		args = slices.DeleteFunc(args, func(a string) bool { return strings.HasPrefix(a, "--path.rootfs=") })
	}
	log, err := os.Create(filepath.Join(h.dir, name+".log"))
	if err != nil {
		h.t.Fatal(err)
	}
	c := exec.CommandContext(context.WithoutCancel(h.t.Context()), h.programs[name], args...)
	c.Stdout, c.Stderr, c.Dir = log, log, h.dir
	c.Env = os.Environ()
	for key, value := range s.Environment {
		if value != nil {
			c.Env = append(c.Env, key+"="+h.translated(name, *value))
		}
	}
	if err := c.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt) // it may have ended by itself
		ended := time.AfterFunc(15*time.Second, func() { _ = c.Process.Kill() })
		_ = c.Wait() // its exit code says that it was interrupted
		ended.Stop()
		if text, err := os.ReadFile(log.Name()); err == nil && h.t.Failed() {
			h.t.Logf("%s %s:\n%.3000s", name, strings.Join(args, " "), text)
		}
		if err := log.Close(); err != nil {
			h.t.Error(err)
		}
	})
	check := h.translated(name, s.HealthCheck.Test[len(s.HealthCheck.Test)-1])
	if !strings.HasPrefix(check, "http://") {
		h.until("listens", func() error {
			conn, err := (&net.Dialer{}).DialContext(h.t.Context(), "tcp", h.addresses["redis:6379"])
			if err == nil {
				err = conn.Close()
			}
			return err
		})
		return
	}
	h.until(name+" is healthy", func() error { _, err := h.get(check); return err })
}

// wasDown leaves what a daemon leaves that was there until a moment: its schedule makes up for the time since, so that a test
// need not wait for the next minute.
func (h *host) wasDown(name, schedule string, until time.Time) {
	h.t.Helper()
	dir := filepath.Join(h.dir, name, "var/lib/tidegauge")
	text, err := json.Marshal(map[string]any{schedule: map[string]time.Time{"last": until}})
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "schedule.json"), text, 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) get(address string) (string, error) {
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(answer.Body)
	err = errors.Join(err, answer.Body.Close())
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s %.300s", address, answer.Status, text)
	}
	return string(text), err
}

// until tries for as long as a busy machine may need.
func (h *host) until(what string, try func() error) {
	h.t.Helper()
	for end := time.Now().Add(90 * time.Second); ; <-time.After(100 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			h.t.Fatalf("%s: not after 90 s: %v", what, err)
		}
	}
}

// daemonDashboard asks a server every query of the dashboard of daemons. Each has to have data, but those on what this daemon
// does not have: receivers of alerts, spans and events to send, and alerts.
func (h *host) daemonDashboard(what, api string) {
	h.t.Helper()
	filled := strings.NewReplacer("$instance", ".*", "$__rate_interval", "1m", "$__interval", "15s", "$__range", "1h")
	absent := regexp.MustCompile(`tidegauge_alert_|tidegauge_outlet_spans_|tidegauge_outlet_events_|count by .*ALERTS`)
	dashboard, asked := grafana.Daemon(), 0
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			query := filled.Replace(target.Expr)
			if strings.Contains(query, "$") {
				h.t.Fatalf("panel %q has a variable that nobody fills in: %s", p.Title, query)
			}
			if absent.MatchString(query) {
				continue
			}
			asked++
			h.until(fmt.Sprintf("%s has data for the panel %q: %s", what, p.Title, query), func() error {
				text, err := h.get(api + "/api/v1/query?query=" + url.QueryEscape(query))
				if err == nil && (strings.Contains(text, `"result":[]`) || strings.Contains(text, `"warnings"`)) {
					err = fmt.Errorf("%s", text)
				}
				return err
			})
		}
	}
	if asked < 25 {
		h.t.Errorf("only %d queries were asked", asked)
	}
}

// TestScheduleBeginsWithinAMinute: whenever the stack is started, a run of the demo plan is due within a minute, and all that
// is due is in the plans that are mounted.
func TestScheduleBeginsWithinAMinute(t *testing.T) {
	text, err := os.ReadFile("tidegauge/tidegauge.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Plans     string
		Schedules map[string]struct{ Plan, Test, Cron string }
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	daemon := load(t).Services["tidegauge"]
	mount := slices.IndexFunc(daemon.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == c.Plans })
	if mount < 0 || len(c.Schedules) == 0 {
		t.Fatalf("%d schedules of plans in %q, mounted is %v", len(c.Schedules), c.Plans, daemon.Volumes)
	}
	var crons []queue.Cron
	for name, s := range c.Schedules {
		file := filepath.Join(daemon.Volumes[mount].Source, s.Plan+".yaml")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("schedule %s: %v", name, err)
		}
		p, err := plan.Parse(file, text, plan.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Test(s.Test); err != nil {
			t.Errorf("schedule %s: %v", name, err)
		}
		cron, err := queue.ParseCron(s.Cron, "")
		if err != nil {
			t.Fatalf("schedule %s: %v", name, err)
		}
		crons = append(crons, cron)
	}
	for at, end := time.Unix(0, 0), time.Unix(0, 0).Add(24*time.Hour); at.Before(end); at = at.Add(time.Minute) {
		if !slices.ContainsFunc(crons, func(c queue.Cron) bool { return c.Next(at).Sub(at) <= time.Minute }) {
			t.Fatalf("started at %s, nothing is due within a minute", at.UTC().Format(time.TimeOnly))
		}
	}
}

// TestComposeStack starts what the compose file says without containers, and sees what is measured arrive in Prometheus,
// with its rules, its Alertmanager and the servers it scrapes.
func TestComposeStack(t *testing.T) {
	if testing.Short() {
		t.Skip("starts six processes")
	}
	h := &host{t: t, project: load(t), dir: t.TempDir(), addresses: map[string]string{}, programs: map[string]string{
		"prometheus": find(t, "prometheus"), "alertmanager": find(t, "prometheus-alertmanager", "alertmanager"),
		"node-exporter": find(t, "prometheus-node-exporter", "node_exporter"), "redis": find(t, "redis-server"),
	}}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", h.dir+"/bin/", "../cmd/tidegauge", "../cmd/paydemo")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h.programs["tidegauge"], h.programs["paydemo"] = h.dir+"/bin/tidegauge", h.dir+"/bin/paydemo"
	for _, inside := range []string{"tidegauge:9777", "paydemo:8000", "redis:6379", "prometheus:9090", "alertmanager:9093", "node-exporter:9100"} {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		h.addresses[inside] = l.Addr().String()
		l.Close()
	}
	t.Setenv("DATABASE_PROXY", "127.0.0.1:0") // those of the plan are the container's own
	t.Setenv("NOTIFICATIONS_PROXY", "127.0.0.1:0")
	for _, name := range []string{"redis", "paydemo", "alertmanager", "node-exporter", "prometheus"} {
		h.start(name)
	}
	h.wasDown("tidegauge", "load", time.Now().Add(-2*time.Minute))
	h.start("tidegauge")
	api := "http://" + h.addresses["prometheus:9090"] + "/api/v1/"
	for _, query := range []string{
		`tidegauge_users{plan="payments", test="load", service="payments"} > 0`,
		`tidegauge:run:running{test_type="load"} == 1`,
		`tidegauge:response_time_seconds:p95_1m > 0`, // from native histograms
		`up{job="tidegauge"} == 1`, `up{job="paydemo", service="payments"} == 1`, `up{job="node"} == 1`,
		`db_client_connections_max{job="paydemo"} > 0`,
	} {
		h.until(query, func() error {
			text, err := h.get(api + "query?query=" + url.QueryEscape(query))
			if err == nil && strings.Contains(text, `"result":[]`) {
				err = fmt.Errorf("no data: %s", text)
			}
			return err
		})
	}
	h.daemonDashboard("Prometheus", "http://"+h.addresses["prometheus:9090"])
	h.daemonDashboard("tidegauge's own API", "http://"+h.addresses["tidegauge:9777"])
	h.until("the rules are evaluated", func() error {
		text, err := h.get(api + "rules")
		if err != nil {
			return err
		}
		var answer struct {
			Data struct {
				Groups []struct {
					Name  string
					Rules []struct{ Name, Health, LastError string }
				}
			}
		}
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			return err
		}
		if want := len(rule.Bundled().Groups); len(answer.Data.Groups) != want {
			return fmt.Errorf("%d groups of rules, want %d", len(answer.Data.Groups), want)
		}
		for _, g := range answer.Data.Groups {
			for _, r := range g.Rules {
				if r.Health != "ok" {
					return fmt.Errorf("%s, %s: %s %s", g.Name, r.Name, r.Health, r.LastError)
				}
			}
		}
		return nil
	})
	h.until("Prometheus has found the Alertmanager", func() error {
		text, err := h.get(api + "alertmanagers")
		if err == nil && !strings.Contains(text, h.addresses["alertmanager:9093"]) {
			err = fmt.Errorf("%s", text)
		}
		return err
	})
}
