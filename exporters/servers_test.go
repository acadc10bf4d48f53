package exporters

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// server is a real server on loopback.
type server struct {
	t       *testing.T
	binary  string
	args    []string
	env     []string
	address string
	ready   string // path that answers 2xx when it is
	cmd     *exec.Cmd
	log     lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// missing says that a program is not installed: that fails in CI, and is not tested elsewhere.
type missing struct{ program, install string }

func (m *missing) Error() string {
	return fmt.Sprintf("NOT TESTED: %s is not installed: %s", m.program, m.install)
}

// skip skips the test, or fails it in CI, when a program is missing.
func skip(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%v; CI has to have it", err)
	}
	t.Skip(err)
}

func find(program, pkg string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", &missing{program, "apt-get install " + pkg}
	}
	return path, nil
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.CommandContext(context.WithoutCancel(s.t.Context()), s.binary, s.args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.cmd.Env = append(os.Environ(), s.env...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; {
		r, err := http.NewRequestWithContext(context.WithoutCancel(s.t.Context()), http.MethodGet, "http://"+s.address+s.ready, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = answer.Body.Close() // only the status counts
			if answer.StatusCode/100 == 2 {
				return
			}
		}
		if time.Now().After(end) {
			s.stop(syscall.SIGKILL)
			s.t.Fatalf("%s is not ready after 20 s:\n%s", s.binary, s.log.String())
		}
		<-time.After(20 * time.Millisecond)
	}
}

// stop ends the server by a signal and waits for its end.
func (s *server) stop(with syscall.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(with) // it may have ended by itself
	_ = s.cmd.Wait()               // its exit code says that it was killed
	s.cmd = nil
}

func (s *server) url() string { return "http://" + s.address }

func newVictoriaMetrics(t *testing.T) (*server, error) {
	t.Helper()
	binary, err := find("victoria-metrics", "victoria-metrics")
	if err != nil {
		return nil, err
	}
	s := &server{t: t, binary: binary, address: freeAddress(t), ready: "/health"}
	s.args = []string{"-storageDataPath=" + t.TempDir(), "-httpListenAddr=" + s.address, "-loggerLevel=WARN", "-memory.allowedBytes=64MB", "-retentionPeriod=10y"}
	t.Cleanup(func() { s.stop(syscall.SIGKILL) })
	return s, nil
}

func newInfluxDB(t *testing.T) (*server, error) {
	t.Helper()
	binary, err := find("influxd", "influxdb")
	if err != nil {
		return nil, err
	}
	dir := t.TempDir()
	s := &server{t: t, binary: binary, address: freeAddress(t), ready: "/ping"}
	config := fmt.Sprintf(`reporting-disabled = true
bind-address = %q
[meta]
  dir = "%[2]s/meta"
  logging-enabled = false
[data]
  dir = "%[2]s/data"
  wal-dir = "%[2]s/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = %[3]q
  log-enabled = false
[logging]
  level = "warn"
`, freeAddress(t), dir, s.address)
	file := dir + "/influxdb.conf"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = []string{"-config", file}
	t.Cleanup(func() { s.stop(syscall.SIGKILL) })
	return s, nil
}

// get asks for JSON or lines of it.
func (s *server) get(path string, query url.Values) []byte {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url()+path, strings.NewReader(query.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := answer.Body.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode/100 != 2 {
		s.t.Fatalf("%s %s: %d %s %v\n%s", s.binary, path, answer.StatusCode, text, err, s.log.String())
	}
	return text
}

func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%v in %.300s", err, text)
	}
}
