//go:build unix

package web_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"tidegauge/engine/protocol"
	"tidegauge/engine/protocol/web"
)

// nginxConfig is for the ports of plain HTTP, of HTTPS, and of HTTPS that asks for a certificate. Paths are relative to
// the directory that nginx is given with -p. Every answer says which connection it came over, and as which of its answers.
const nginxConfig = `
daemon off;
master_process off;
pid nginx.pid;
lock_file nginx.lock;
error_log stderr;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	default_type text/plain;
	add_header X-Connection $connection always;
	add_header X-Requests $connection_requests always;
	gzip_types text/plain;
	gzip_min_length 1;
	client_max_body_size 8m;
	ssl_protocols TLSv1.2 TLSv1.3;
	ssl_certificate good.pem;
	ssl_certificate_key good.key;
	ssl_client_certificate ca.pem;
	root www;
	server {
		listen 127.0.0.1:%[1]d;
		location = /hello { return 200 "hello\n"; }
		location = /nothing { return 204; }
		location = /gzip/text { gzip on; alias www/text; }
		location = /chunked/text { ssi on; ssi_types *; alias www/text; }
		location = /chunked/large { ssi on; ssi_types *; alias www/large; }
		location = /users/text { auth_basic pay; auth_basic_user_file users; alias www/text; }
		location = /small { client_max_body_size 1k; return 200 "small\n"; }
		location = /silent { return 444; }
		location = /three { keepalive_requests 3; return 200 "three\n"; }
		location = /brief { keepalive_timeout 200ms; return 200 "brief\n"; }
		location = /moved/4 { return 301 /moved/3; }
		location = /moved/3 { return 302 /moved/2?page=1; }
		location = /moved/2 { return 307 ./1; }
		location = /moved/1 { return 303 https://127.0.0.1:%[2]d/how; }
	}
	server {
		listen 127.0.0.1:%[2]d ssl;
		location = /how { return 200 "$request_method $ssl_protocol $ssl_session_reused\n"; }
	}
	server {
		listen 127.0.0.1:%[3]d ssl;
		ssl_verify_client on;
		location = /who { return 200 "$ssl_client_s_dn $ssl_client_verify\n"; }
	}
}
`

var (
	text  = bytes.Repeat([]byte("a line of the terms of payment\n"), 500)
	large = bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16)
)

// realServer returns the path of the program of a real server. Without it the test is skipped, and fails where CI is true.
func realServer(t *testing.T, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if errors.Is(err, exec.ErrNotFound) {
		path, err = exec.LookPath("/usr/sbin/" + program) // not in the PATH of an ordinary Debian user
	}
	if err == nil {
		return path
	}
	absent := fmt.Sprintf("NOT TESTED: there is no %s here: apt-get install %s (%v)", program, debianPackage, err)
	if os.Getenv("CI") == "true" {
		t.Fatal(absent)
	}
	t.Skip(absent)
	return ""
}

// nginx is a real server. Its files, and the certificates, are in the directory of an authority.
type nginx struct {
	*authority
	plain, secure, mutual string // URLs, without a path
	stop                  func() // returns when it is gone
}

// startNginx starts a server that lives as long as the test, and waits until it answers.
func startNginx(t *testing.T) *nginx {
	t.Helper()
	program := realServer(t, "nginx", "nginx-light")
	s := &nginx{authority: newAuthority(t)}
	s.issue("good", time.Now().Add(time.Hour))
	s.put("users", []byte("ana:{PLAIN}secret\n"))
	s.put("www/text", text)
	s.put("www/large", large)
	for range 3 { // a port that was found free may be another's by the time nginx takes it
		ports := freePorts(t, 3)
		s.plain = fmt.Sprintf("http://127.0.0.1:%d", ports[0])
		s.secure = fmt.Sprintf("https://127.0.0.1:%d", ports[1])
		s.mutual = fmt.Sprintf("https://127.0.0.1:%d", ports[2])
		s.put("nginx.conf", fmt.Appendf(nil, nginxConfig, ports...))
		if s.run(program) {
			return s
		}
	}
	t.Fatalf("nginx does not start:\n%s", s.output())
	return nil
}

// run starts nginx and reports whether it came to answer.
func (s *nginx) run(program string) bool {
	output, err := os.Create(s.file("output"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := output.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-p", s.dir, "-c", "nginx.conf")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second // then it is killed
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		cancel()
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = cmd.Wait()
	}()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if <-ended; !errors.Is(err, context.Canceled) {
			s.t.Errorf("nginx: %v\n%s", err, s.output())
		}
	})
	limit, again := time.After(10*time.Second), time.NewTicker(5*time.Millisecond)
	defer again.Stop()
	client := newClient(s.t, web.Options{})
	for {
		if outcome, resp := get(s.t, client, s.plain+"/hello"); outcome == protocol.OK && string(resp.Body) == "hello\n" {
			s.t.Cleanup(s.stop)
			return true
		}
		select {
		case <-again.C:
		case <-ended:
			cancel()
			return false
		case <-limit:
			s.stop()
			return false
		}
	}
}

func (s *nginx) put(name string, content []byte) {
	err := os.MkdirAll(filepath.Dir(s.file(name)), 0o755)
	if err == nil {
		err = os.WriteFile(s.file(name), content, 0o644)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// freePorts returns ports of loopback that nobody listens on.
func freePorts(t *testing.T, n int) (ports []any) {
	for range n {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// output returns what nginx had to say.
func (s *nginx) output() string {
	b, err := os.ReadFile(s.file("output"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}
