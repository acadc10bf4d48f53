//go:build unix

package web_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidegauge/engine/protocol"
	"tidegauge/engine/protocol/web"
)

// place returns over which connection of nginx an answer came, and as which of its answers.
func place(resp *protocol.Response) [2]string {
	return [2]string{resp.Get("X-Connection"), resp.Get("X-Requests")}
}

// TestNginxAnswers: answers of every framing, over one connection, from which nothing is missing and on which nothing is left.
func TestNginxAnswers(t *testing.T) {
	s := startNginx(t)
	client := newClient(t, web.Options{})
	fields := func(name, value string) []protocol.Field { return []protocol.Field{{Name: name, Value: value}} }
	resp := &protocol.Response{}
	connection := ""
	for i, c := range []struct {
		method, path string
		header       []protocol.Field
		send         []byte
		status       int
		body         []byte
		field, value string // of the answer
	}{
		{path: "/hello", status: 200, body: []byte("hello\n"), field: "Content-Length", value: "6"},
		{path: "/text", status: 200, body: text, field: "Content-Length", value: strconv.Itoa(len(text))},
		{path: "/absent", status: 404, field: "Content-Type", value: "text/html"},
		{method: "HEAD", path: "/large", status: 200, field: "Content-Length", value: strconv.Itoa(len(large))},
		{method: "HEAD", path: "/chunked/text", status: 200},
		{path: "/nothing", status: 204},
		{path: "/text", header: fields("If-None-Match", "*"), status: 304},
		{path: "/text", header: fields("Range", "bytes=2-5"), status: 206, body: text[2:6], field: "Content-Range", value: fmt.Sprintf("bytes 2-5/%d", len(text))},
		{path: "/gzip/text", status: 200, body: text},
		{path: "/gzip/text", header: fields("Accept-Encoding", "gzip"), status: 200, body: text, field: "Content-Encoding", value: "gzip"},
		{path: "/chunked/text", status: 200, body: text, field: "Transfer-Encoding", value: "chunked"},
		{path: "/large", status: 200, body: large},
		{path: "/chunked/large", status: 200, body: large, field: "Transfer-Encoding", value: "chunked"},
		{method: "POST", path: "/hello", send: large, status: 200, body: []byte("hello\n")},
		{path: "/users/text", status: 401, field: "WWW-Authenticate", value: `Basic realm="pay"`},
		{path: "/users/text", header: fields("Authorization", "Basic YW5hOndyb25n"), status: 401},
		{path: "/users/text", header: fields("Authorization", "Basic YW5hOnNlY3JldA=="), status: 200, body: text},
	} {
		t.Run(fmt.Sprint(i+1, c.method, c.path), func(t *testing.T) {
			outcome := client.Do(t.Context(), &protocol.Request{
				Method: c.method, URL: s.plain + c.path, Header: c.header, Body: c.send, Timeout: 10 * time.Second,
			}, resp)
			want(t, outcome, resp, protocol.OK, "")
			if resp.Status != c.status {
				t.Errorf("status %d, want %d", resp.Status, c.status)
			}
			if c.status < 400 && !bytes.Equal(resp.Body, c.body) {
				t.Errorf("body of %d bytes %.20q, want %d bytes %.20q", len(resp.Body), resp.Body, len(c.body), c.body)
			}
			if got := resp.Get(c.field); c.field != "" && got != c.value {
				t.Errorf("%s is %q, want %q", c.field, got, c.value)
			}
			if small := resp.BytesReceived < int64(len(resp.Body)); small != (c.value == "gzip") {
				t.Errorf("%d bytes received for a body of %d", resp.BytesReceived, len(resp.Body))
			}
			if connection == "" {
				connection = resp.Get("X-Connection")
			}
			if got, want := place(resp), [2]string{connection, strconv.Itoa(i + 1)}; got != want {
				t.Errorf("connection and number %v, want %v", got, want)
			}
		})
	}
	outcome, resp := get(t, client, strings.Replace(s.plain, "//", "//ana:secret@", 1)+"/users/text")
	if want(t, outcome, resp, protocol.OK, ""); resp.Status != 200 || !bytes.Equal(resp.Body, text) {
		t.Errorf("with a password in the URL: %d %.20q", resp.Status, resp.Body)
	}
}

// TestNginxKeepAlive: a server that allows three requests to a connection gets three on each, and no failure. They are POSTs, so that
// trying again does not cover up for a connection that should not have been used.
func TestNginxKeepAlive(t *testing.T) {
	s := startNginx(t)
	client := newClient(t, web.Options{})
	connections := map[string]int{}
	for range 8 {
		resp := &protocol.Response{}
		outcome := client.Do(t.Context(), &protocol.Request{Method: "POST", URL: s.plain + "/three", Timeout: 10 * time.Second}, resp)
		want(t, outcome, resp, protocol.OK, "")
		connections[resp.Get("X-Connection")]++
		if got, want := resp.Get("X-Requests"), strconv.Itoa(connections[resp.Get("X-Connection")]); got != want {
			t.Errorf("request %s of its connection, want %s", got, want)
		}
	}
	if len(connections) != 3 {
		t.Errorf("answers per connection %v, want 3, 3 and 2", connections)
	}
}

// awaitEnd waits until the other side has closed k, or said something, without reading any of it.
func awaitEnd(t *testing.T, k net.Conn) {
	t.Helper()
	raw, err := k.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return !errors.Is(err, syscall.EAGAIN)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNginxClosesIdle: nginx gives up a connection that was idle for too long. That is seen on a socket; where it is not,
// a GET is sent again, once, and a POST is not.
func TestNginxClosesIdle(t *testing.T) {
	s := startNginx(t)
	for _, c := range []struct {
		method  string
		unseen  bool
		outcome protocol.Outcome
	}{
		{method: "GET"}, {method: "POST"}, {method: "GET", unseen: true}, {method: "POST", unseen: true, outcome: protocol.Reset},
	} {
		t.Run(fmt.Sprintf("%s unseen=%v", c.method, c.unseen), func(t *testing.T) {
			var dialled []net.Conn
			client := newClient(t, web.Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				k, err := new(net.Dialer).DialContext(ctx, network, address)
				if dialled = append(dialled, k); c.unseen {
					k = struct{ net.Conn }{k}
				}
				return k, err
			}})
			ask := func() (protocol.Outcome, *protocol.Response) {
				resp := &protocol.Response{}
				return client.Do(t.Context(), &protocol.Request{Method: c.method, URL: s.plain + "/brief", Timeout: 10 * time.Second}, resp), resp
			}
			outcome, first := ask()
			want(t, outcome, first, protocol.OK, "")
			awaitEnd(t, dialled[0])
			outcome, second := ask()
			if c.outcome != protocol.OK {
				if outcome != c.outcome || !strings.HasPrefix(second.Detail, "connection ") || len(dialled) != 1 {
					t.Errorf("%v (%q) after %d connections, want %v after one", outcome, second.Detail, len(dialled), c.outcome)
				}
				return
			}
			want(t, outcome, second, protocol.OK, "")
			if len(dialled) != 2 || place(first)[0] == place(second)[0] || place(second)[1] != "1" {
				t.Errorf("%d connections, answers %v and %v, want the second on a connection of its own", len(dialled), place(first), place(second))
			}
		})
	}
}

// TestNginxFailures: what keeps an answer from arriving, or from being kept, and that the next request knows nothing of it.
func TestNginxFailures(t *testing.T) {
	s := startNginx(t)
	for _, c := range []struct {
		method, path string
		send         []byte
		outcome      protocol.Outcome
		detail       string
		status, dial int // connections, from the first request to the last
	}{
		{path: "/silent", outcome: protocol.Reset, detail: "connection closed before the answer", dial: 3},
		{method: "POST", path: "/silent", outcome: protocol.Reset, detail: "connection closed before the answer", dial: 2},
		{path: "/large", outcome: protocol.Body, detail: "answer longer than 1 MiB", status: 200, dial: 2},
		{path: "/chunked/large", outcome: protocol.Body, detail: "answer longer than 1 MiB", status: 200, dial: 2},
		{method: "POST", path: "/small", send: large, status: http.StatusRequestEntityTooLarge, dial: 2},
	} {
		t.Run(c.method+c.path, func(t *testing.T) {
			dialled := 0
			client := newClient(t, web.Options{MaxResponseBytes: 1 << 20, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				dialled++
				return new(net.Dialer).DialContext(ctx, network, address)
			}})
			outcome, resp := get(t, client, s.plain+"/hello")
			want(t, outcome, resp, protocol.OK, "")
			outcome = client.Do(t.Context(), &protocol.Request{Method: c.method, URL: s.plain + c.path, Body: c.send, Timeout: 10 * time.Second}, resp)
			if want(t, outcome, resp, c.outcome, c.detail); resp.Status != c.status {
				t.Errorf("status %d, want %d", resp.Status, c.status)
			}
			outcome, resp = get(t, client, s.plain+"/hello")
			if want(t, outcome, resp, protocol.OK, ""); string(resp.Body) != "hello\n" || dialled != c.dial {
				t.Errorf("afterwards: %q over %d connections, want %d", resp.Body, dialled, c.dial)
			}
		})
	}
}

func TestNginxRedirects(t *testing.T) {
	s := startNginx(t)
	config := clientConfig(t, web.TLS{CAFile: s.file("ca.pem")})
	for _, c := range []struct {
		method string
		limit  int
		status int
		body   string // its beginning
		out    protocol.Outcome
		detail string
	}{
		{method: "GET", limit: 0, status: 301, body: "<html>"},
		{method: "GET", limit: 3, status: 303, out: protocol.Body, detail: "more than 3 redirects"},
		{method: "GET", limit: 4, status: 200, body: "GET TLSv1.3"},
		{method: "POST", limit: 4, status: 200, body: "GET TLSv1.3"},
	} {
		t.Run(fmt.Sprint(c.method, c.limit), func(t *testing.T) {
			client := newClient(t, web.Options{Redirects: c.limit, TLS: config})
			resp := &protocol.Response{}
			outcome := client.Do(t.Context(), &protocol.Request{Method: c.method, URL: s.plain + "/moved/4", Timeout: 10 * time.Second}, resp)
			want(t, outcome, resp, c.out, c.detail)
			if resp.Status != c.status || !strings.HasPrefix(string(resp.Body), c.body) {
				t.Errorf("%d %q, want %d %q", resp.Status, resp.Body, c.status, c.body)
			}
		})
	}
}

// TestNginxTLS: certificates are judged on both sides, and a user's second connection resumes the session of its first.
func TestNginxTLS(t *testing.T) {
	s, stranger := startNginx(t), newAuthority(t)
	stranger.issue("foreign", time.Now().Add(time.Hour))
	trusting := web.TLS{CAFile: s.file("ca.pem")}
	ours, foreign := trusting, trusting
	ours.CertFile, ours.KeyFile = s.file("good.pem"), s.file("good.key")
	foreign.CertFile, foreign.KeyFile = stranger.file("foreign.pem"), stranger.file("foreign.key")
	for _, c := range []struct {
		name, url string
		client    web.TLS
		version   uint16 // at most
		outcome   protocol.Outcome
		detail    string
		status    int
		body      [2]string // parts of the answers to the first and the second connection
	}{
		{name: "TLS 1.3", url: s.secure + "/how", client: trusting, status: 200, body: [2]string{"GET TLSv1.3 .\n", "GET TLSv1.3 r\n"}},
		{name: "TLS 1.2", url: s.secure + "/how", client: trusting, version: tls.VersionTLS12, status: 200, body: [2]string{"GET TLSv1.2 .\n", "GET TLSv1.2 r\n"}},
		{name: "unknown authority", url: s.secure + "/how", outcome: protocol.TLS, detail: "certificate is signed by an unknown authority"},
		{name: "not verified", url: s.secure + "/how", client: web.TLS{InsecureSkipVerify: true}, status: 200, body: [2]string{"GET TLSv1.3 .", "GET TLSv1.3 r"}},
		{name: "certificate of ours", url: s.mutual + "/who", client: ours, status: 200, body: [2]string{"CN=good SUCCESS\n", "CN=good SUCCESS\n"}},
		{name: "no certificate of ours", url: s.mutual + "/who", client: trusting, status: 400, body: [2]string{"No required SSL certificate was sent", "No required SSL certificate was sent"}},
		{name: "certificate of another authority", url: s.mutual + "/who", client: foreign, status: 400, body: [2]string{"The SSL certificate error", "The SSL certificate error"}},
		{name: "plain HTTP asked over TLS", url: strings.Replace(s.plain, "http:", "https:", 1), client: trusting, outcome: protocol.TLS, detail: "server does not speak TLS"},
		{name: "TLS asked over plain HTTP", url: strings.Replace(s.secure, "https:", "http:", 1), status: 400, body: [2]string{"The plain HTTP request was sent to HTTPS port", "The plain HTTP request was sent to HTTPS port"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := clientConfig(t, c.client)
			config.MaxVersion = c.version
			client := newClient(t, web.Options{TLS: config})
			for _, body := range c.body {
				resp := &protocol.Response{}
				outcome := client.Do(t.Context(), &protocol.Request{
					URL: c.url, Header: []protocol.Field{{Name: "Connection", Value: "close"}}, Timeout: 10 * time.Second,
				}, resp)
				want(t, outcome, resp, c.outcome, c.detail)
				if resp.Status != c.status || !strings.Contains(string(resp.Body), body) {
					t.Errorf("%d %q, want %d %q", resp.Status, resp.Body, c.status, body)
				}
			}
		})
	}
}

func TestNginxStopped(t *testing.T) {
	s := startNginx(t)
	client := newClient(t, web.Options{TLS: clientConfig(t, web.TLS{CAFile: s.file("ca.pem")})})
	for _, url := range []string{s.plain + "/hello", s.secure + "/how"} {
		outcome, resp := get(t, client, url)
		want(t, outcome, resp, protocol.OK, "")
	}
	s.stop()
	for _, url := range []string{s.plain + "/hello", s.secure + "/how"} {
		outcome, resp := get(t, client, url)
		want(t, outcome, resp, protocol.Refused, "connection refused")
	}
}
