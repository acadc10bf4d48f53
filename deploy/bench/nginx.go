//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is an nginx on loopback: one worker, a body of three bytes.
type server struct {
	cmd    *exec.Cmd
	dir    string
	output *bytes.Buffer
	ports  ports
	client *http.Client
	asked  int // how often its status was read; nginx counts those requests too
}

// ports are those of one server: plain for closed loads, logged for open ones, and one for its status.
type ports struct{ plain, logged, status int }

func findNginx(ctx context.Context) (path, version string, err error) {
	path, err = exec.LookPath("nginx")
	if errors.Is(err, exec.ErrNotFound) {
		path, err = exec.LookPath("/usr/sbin/nginx") // not in the PATH of an ordinary Debian user
	}
	if err != nil {
		return "", "", fmt.Errorf("nginx is absent, and it is what the tools are aimed at: apt-get install nginx-light (%w)", err)
	}
	out, err := exec.CommandContext(ctx, path, "-v").CombinedOutput()
	if err != nil {
		return "", "", fmt.Errorf("asking %s for its version: %w: %s", path, err, out)
	}
	_, version, _ = strings.Cut(strings.TrimSpace(string(out)), "version: ")
	return path, version, nil
}

// config is the whole configuration; everything nginx writes stays in dir.
func config(dir string, p ports) string {
	return fmt.Sprintf(`daemon off;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 4096; }
http {
	access_log off;
	log_format arrival '$msec';
	keepalive_requests 1000000000;
	keepalive_timeout 600s;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	default_type text/plain;
	server { listen 127.0.0.1:%[2]d reuseport backlog=4096; location / { return 200 "ok\n"; } }
	server { listen 127.0.0.1:%[3]d reuseport backlog=4096; access_log %[1]s/arrivals.log arrival buffer=64k; location / { return 200 "ok\n"; } }
	server { listen 127.0.0.1:%[4]d; location / { stub_status; } }
}
`, dir, p.plain, p.logged, p.status)
}

// startNginx starts a server and waits until it answers.
func startNginx(ctx context.Context, path, dir string) (*server, error) {
	numbers, err := freePorts(ctx, 3)
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, output: new(bytes.Buffer), ports: ports{numbers[0], numbers[1], numbers[2]},
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config(dir, s.ports)), 0o600); err != nil {
		return nil, fmt.Errorf("writing the configuration of nginx: %w", err)
	}
	// Its life is ended by stop alone, so that it outlives an interrupted tool.
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), path, "-p", dir, "-c", file, "-e", filepath.Join(dir, "error.log"))
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting nginx: %w", err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; {
		_, err := s.requests(ctx)
		if err == nil {
			return s, nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return nil, errors.Join(fmt.Errorf("nginx does not answer: %w", err), s.stop())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// stop lets nginx write its log and end, and waits for it.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending nginx: %w", err)
	}
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("nginx: %w: %s", err, strings.TrimSpace(s.output.String()))
	}
	return nil
}

func (s *server) url(load scenario) string {
	port := s.ports.plain
	if load.rate > 0 {
		port = s.ports.logged
	}
	return "http://127.0.0.1:" + strconv.Itoa(port) + "/"
}

func (s *server) log() string { return filepath.Join(s.dir, "arrivals.log") }

// requests returns how many requests the server has answered, those for its status left out.
func (s *server) requests(ctx context.Context) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(s.ports.status)+"/", nil)
	if err != nil {
		return 0, fmt.Errorf("reading the status of nginx: %w", err)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("reading the status of nginx: %w", err)
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return 0, fmt.Errorf("reading the status of nginx: %w", err)
	}
	total, err := parseStatus(string(text))
	if err != nil {
		return 0, err
	}
	s.asked++
	return total - s.asked, nil
}

// parseStatus returns the number of requests in a page of stub_status, the one for the page included.
func parseStatus(page string) (int, error) {
	// The third line: accepted connections, handled connections, requests.
	lines := strings.Split(page, "\n")
	if len(lines) >= 3 {
		if fields := strings.Fields(lines[2]); len(fields) == 3 {
			if n, err := strconv.Atoi(fields[2]); err == nil {
				return n, nil
			}
		}
	}
	return 0, fmt.Errorf("the status page of nginx has no number of requests: %q", page)
}

// freePorts returns n ports of loopback that nobody listens on.
func freePorts(ctx context.Context, n int) (ports []int, err error) {
	for range n {
		listener, listenErr := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if listenErr != nil {
			return nil, fmt.Errorf("looking for a free port: %w", listenErr)
		}
		defer func() { err = errors.Join(err, listener.Close()) }() // all stay taken until all are found
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
