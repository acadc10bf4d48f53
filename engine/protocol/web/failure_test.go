package web_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/protocol"
	"tidegauge/engine/protocol/web"
)

func TestRefused(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	outcome, resp := get(t, newClient(t, web.Options{}), "http://"+address)
	want(t, outcome, resp, protocol.Refused, "connection refused")
	if resp.Timings.Connect <= 0 || resp.BytesSent != 0 {
		t.Errorf("timings %+v, %d bytes sent", resp.Timings, resp.BytesSent)
	}
}

// TestDialFailures: what the system says about a connection, and what we make of it.
func TestDialFailures(t *testing.T) {
	failed := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	const (
		files  = "tidegauge ran out of open files: raise the limit (ulimit -n)"
		ports  = "tidegauge ran out of local ports: widen net.ipv4.ip_local_port_range, or ask for fewer new connections"
		memory = "tidegauge ran out of memory for connections: give it more memory, or ask for fewer users"
	)
	for _, c := range []struct {
		err       error
		outcome   protocol.Outcome
		detail    string
		exhausted protocol.Resource
	}{
		{failed(syscall.EHOSTUNREACH), protocol.Refused, "no route to host", protocol.NoResource},
		{failed(syscall.ECONNREFUSED), protocol.Refused, "connection refused", protocol.NoResource},
		{failed(os.NewSyscallError("socket", syscall.EMFILE)), protocol.Refused, files, protocol.Files},
		{failed(syscall.ENFILE), protocol.Refused, files, protocol.Files},
		{failed(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)), protocol.Refused, ports, protocol.Ports},
		{failed(syscall.ENOBUFS), protocol.Refused, memory, protocol.Memory},
		{failed(syscall.ENOMEM), protocol.Refused, memory, protocol.Memory},
		{failed(syscall.ETIMEDOUT), protocol.Timeout, "no connection within 10s", protocol.NoResource},
		{failed(errAbroad), protocol.Refused, errAbroad.Error(), protocol.NoResource},
	} {
		o := web.Options{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, c.err }}
		client := newClient(t, o)
		outcome, resp := get(t, client, "http://192.0.2.1")
		want(t, outcome, resp, c.outcome, c.detail)
		if resp.Exhausted != c.exhausted {
			t.Errorf("%v: exhausted %s, want %s", c.err, resp.Exhausted, c.exhausted)
		}
	}
}

// TestExhausted: what we ran out of is told from what the target does, also while a name is looked up, where another address
// was refused, and over a connection that is there; a second attempt that succeeds forgets it.
func TestExhausted(t *testing.T) {
	lookup := func(_ context.Context, host string) ([]string, error) {
		if host == "many.test" {
			return []string{"192.0.2.1", "192.0.2.2"}, nil
		}
		return nil, &net.DNSError{Err: "too many open files", UnwrapErr: syscall.EMFILE, Name: host}
	}
	dial := func(_ context.Context, _, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "192.0.2.1:") {
			return nil, syscall.ECONNREFUSED
		}
		return nil, syscall.EADDRNOTAVAIL
	}
	client := newClient(t, web.Options{LookupHost: lookup, Dial: dial})
	if outcome, resp := get(t, client, "http://one.test"); outcome != protocol.DNS || resp.Exhausted != protocol.Files {
		t.Errorf("looking up a name: %s, exhausted %s; want dns and open files", outcome, resp.Exhausted)
	}
	if outcome, resp := get(t, client, "http://many.test"); outcome != protocol.Refused || resp.Exhausted != protocol.Ports {
		t.Errorf("two addresses: %s, exhausted %s; want refused and local ports", outcome, resp.Exhausted)
	}

	answer := pipes(t, each(func(*http.Request) string { return "HTTP/1.1 204 No Content\r\n\r\n" }))
	var k *short
	client = newClient(t, web.Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		inner, err := answer(ctx, network, address)
		k = &short{Conn: inner}
		return k, err
	}})
	outcome, resp := get(t, client, "http://192.0.2.1")
	want(t, outcome, resp, protocol.OK, "")
	k.err = syscall.ENOBUFS
	outcome, resp = get(t, client, "http://192.0.2.1")
	want(t, outcome, resp, protocol.OK, "")
	if resp.Exhausted != protocol.NoResource {
		t.Errorf("after a second attempt: exhausted %s", resp.Exhausted)
	}
	k.err = syscall.ENOBUFS
	resp = &protocol.Response{}
	outcome = client.Do(t.Context(), &protocol.Request{Method: "POST", URL: "http://192.0.2.1", Timeout: 10 * time.Second}, resp)
	if outcome != protocol.Reset || resp.Exhausted != protocol.Memory {
		t.Errorf("a connection that is there: %s, exhausted %s; want reset and memory", outcome, resp.Exhausted)
	}
}

// short is a connection that fails with err, if there is one.
type short struct {
	net.Conn
	err error
}

func (s *short) Write(p []byte) (int, error) {
	if s.err != nil {
		s.Close()
		return 0, s.err
	}
	return s.Conn.Write(p)
}

// TestAddresses: the addresses of a host are tried in turn.
func TestAddresses(t *testing.T) {
	var tried []string
	o := web.Options{
		LookupHost: func(context.Context, string) ([]string, error) {
			return []string{"192.0.2.1", "2001:db8::1", "192.0.2.3"}, nil
		},
	}
	answer := pipes(t, each(func(*http.Request) string { return "HTTP/1.1 204 No Content\r\n\r\n" }))
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		tried = append(tried, address)
		if len(tried) < 3 {
			return nil, syscall.ECONNREFUSED
		}
		return answer(ctx, network, address)
	}
	outcome, resp := get(t, newClient(t, o), "http://shop.test:81/")
	want(t, outcome, resp, protocol.OK, "")
	if got := strings.Join(tried, " "); got != "192.0.2.1:81 [2001:db8::1]:81 192.0.2.3:81" {
		t.Errorf("tried %s", got)
	}
}

func TestReset(t *testing.T) {
	reset := func(k net.Conn) {
		if err := k.(*net.TCPConn).SetLinger(0); err != nil {
			t.Error(err)
		}
	}
	t.Run("before the answer", func(t *testing.T) {
		url := listen(t, func(k net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(k)); err == nil {
				reset(k)
			}
		})
		outcome, resp := get(t, newClient(t, web.Options{}), url)
		want(t, outcome, resp, protocol.Reset, "connection reset before the answer")
	})
	t.Run("in the body", func(t *testing.T) {
		arrived := make(chan struct{})
		url := listen(t, func(k net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(k)); err != nil {
				return
			}
			if _, err := io.WriteString(k, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na"); err != nil {
				return
			}
			<-arrived
			reset(k)
		})
		o := web.Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			k, err := new(net.Dialer).DialContext(ctx, network, address)
			return &tapped{Conn: k, arrived: arrived}, err
		}}
		outcome, resp := get(t, newClient(t, o), url)
		want(t, outcome, resp, protocol.Reset, "connection reset before the answer was complete")
	})
	t.Run("while the request is sent", func(t *testing.T) {
		url := listen(t, func(k net.Conn) {
			if _, err := k.Read(make([]byte, 10)); err == nil {
				reset(k)
			}
		})
		resp := &protocol.Response{}
		outcome := newClient(t, web.Options{}).Do(t.Context(), &protocol.Request{Method: "POST", URL: url, Body: make([]byte, 50<<20), Timeout: 10 * time.Second}, resp)
		want(t, outcome, resp, protocol.Reset, "connection reset before the request was sent")
		if resp.BytesSent == 0 || resp.BytesSent > 50<<20 {
			t.Errorf("%d bytes sent", resp.BytesSent)
		}
	})
}

// tapped says when the first bytes of an answer have been read.
type tapped struct {
	net.Conn
	arrived chan struct{}
}

func (k *tapped) Read(p []byte) (int, error) {
	n, err := k.Conn.Read(p)
	if n > 0 {
		close(k.arrived)
	}
	return n, err
}

// TestEarlyAnswer: a server that answers before it has read the request, and closes, is heard.
func TestEarlyAnswer(t *testing.T) {
	url := listen(t, func(k net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReaderSize(k, 16)); err != nil {
			return
		}
		if _, err := io.WriteString(k, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"); err != nil {
			return
		}
		if err := k.(*net.TCPConn).CloseWrite(); err != nil {
			return
		}
		hold(k)
	})
	resp := &protocol.Response{}
	client := newClient(t, web.Options{})
	outcome := client.Do(t.Context(), &protocol.Request{Method: "POST", URL: url, Body: make([]byte, 5<<20), Timeout: 10 * time.Second}, resp)
	want(t, outcome, resp, protocol.OK, "")
	if resp.Status != 413 {
		t.Errorf("status %d, want 413", resp.Status)
	}
}

// TestTimeouts: wherever a request hangs, it ends at its time limit, and says where it was.
func TestTimeouts(t *testing.T) {
	const limit = 2 * time.Second
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	reading := func(answer string) func(net.Conn) {
		return func(k net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(k)); err != nil {
				return
			}
			if _, err := io.WriteString(k, answer); err != nil {
				return
			}
			hold(k)
		}
	}
	for _, c := range []struct {
		name   string
		url    string
		lookup func(ctx context.Context) error
		dial   func(ctx context.Context) error
		server func(net.Conn)
		body   int
		detail string
	}{
		{name: "lookup", lookup: hang, detail: "host name not resolved within 2s"},
		{name: "dial", dial: hang, detail: "no connection within 2s"},
		{name: "handshake", url: "https://shop.test", server: hold, detail: "no TLS handshake within 2s"},
		{name: "request", server: func(k net.Conn) {
			if _, err := k.Read(make([]byte, 100)); err == nil {
				// Reads no more, and leaves when the client has.
				time.Sleep(3 * limit)
			}
		}, body: 1 << 20, detail: "request not sent within 2s"},
		{name: "answer", server: hold, detail: "no answer within 2s"},
		{name: "header", server: reading("HTTP/1.1 200 OK\r\n"), detail: "answer not complete within 2s"},
		{name: "body", server: reading("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"), detail: "answer not complete within 2s"},
		{name: "body until close", server: reading("HTTP/1.1 200 OK\r\n\r\nabc"), detail: "answer not complete within 2s"},
		{name: "chunk", server: reading("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"), detail: "answer not complete within 2s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				served := pipes(t, c.server)
				client := newClient(t, web.Options{
					LookupHost: func(ctx context.Context, _ string) ([]string, error) {
						if c.lookup != nil {
							return nil, c.lookup(ctx)
						}
						return []string{"192.0.2.1"}, nil
					},
					Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
						if c.dial != nil {
							return nil, c.dial(ctx)
						}
						return served(ctx, network, address)
					},
				})
				url := c.url
				if url == "" {
					url = "http://shop.test"
				}
				resp := &protocol.Response{}
				outcome := client.Do(t.Context(), &protocol.Request{Method: "GET", URL: url, Body: make([]byte, c.body), Timeout: limit}, resp)
				want(t, outcome, resp, protocol.Timeout, c.detail)
				if took := resp.Finished.Sub(resp.Sent); took < limit || took > limit*102/100 {
					t.Errorf("it took %v, want %v to 2%% more", took, limit)
				}
			})
		})
	}
}

// TestDeadlineOfEach: deadlines are not set anew for each request, and still each has its own time.
func TestDeadlineOfEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = time.Second
		delay := make(chan time.Duration, 1)
		client := newClient(t, web.Options{Dial: pipes(t, each(func(*http.Request) string {
			time.Sleep(<-delay)
			return "HTTP/1.1 204 No Content\r\n\r\n"
		}))})
		ask := func(d, limit time.Duration) (protocol.Outcome, time.Duration) {
			delay <- d
			resp := &protocol.Response{}
			outcome := client.Do(t.Context(), &protocol.Request{Method: "POST", URL: "http://192.0.2.1", Timeout: limit}, resp)
			return outcome, resp.Finished.Sub(resp.Sent)
		}
		for i := range 200 {
			if outcome, took := ask(time.Duration(i)*5*time.Millisecond, limit); outcome != protocol.OK {
				t.Fatalf("request %d of %v: %v after %v", i, time.Duration(i)*5*time.Millisecond, outcome, took)
			}
		}
		if outcome, took := ask(500*time.Millisecond, 100*time.Millisecond); outcome != protocol.Timeout || took > 102*time.Millisecond {
			t.Errorf("with a shorter limit: %v after %v", outcome, took)
		}
		if outcome, took := ask(time.Hour, 0); outcome != protocol.OK || took != time.Hour {
			t.Errorf("without a limit: %v after %v", outcome, took)
		}
		if outcome, took := ask(time.Hour, limit); outcome != protocol.Timeout || took > limit*102/100 {
			t.Errorf("after one without a limit: %v after %v", outcome, took)
		}
		time.Sleep(time.Hour) // the server is still at the last one
	})
}

// TestCut: the end of the context ends a request wherever it is, at once.
func TestCut(t *testing.T) {
	waits := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for _, c := range []struct {
		name   string
		url    string
		lookup func(context.Context) error
		dial   func(context.Context) error
		server func(net.Conn)
	}{
		{name: "lookup", lookup: waits},
		{name: "dial", dial: waits},
		{name: "handshake", url: "https://shop.test", server: hold},
		{name: "answer", server: hold},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				served := pipes(t, c.server)
				client := newClient(t, web.Options{
					LookupHost: func(ctx context.Context, _ string) ([]string, error) {
						if c.lookup != nil {
							return nil, c.lookup(ctx)
						}
						return []string{"192.0.2.1"}, nil
					},
					Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
						if c.dial != nil {
							return nil, c.dial(ctx)
						}
						return served(ctx, network, address)
					},
				})
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				url := c.url
				if url == "" {
					url = "http://shop.test"
				}
				for _, after := range []time.Duration{3 * time.Second, 0} { // the second time it has ended already
					resp := &protocol.Response{}
					outcome := client.Do(ctx, &protocol.Request{Method: "GET", URL: url, Timeout: time.Minute}, resp)
					want(t, outcome, resp, protocol.Cut, "the run was over before the answer was complete")
					if took := resp.Finished.Sub(resp.Sent); took != after {
						t.Errorf("it took %v, want %v", took, after)
					}
				}
			})
		})
	}
}

// TestContexts: a client goes from one context to the next, and the end of an old one is of no consequence.
func TestContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, web.Options{Dial: pipes(t, each(func(*http.Request) string {
			time.Sleep(time.Second)
			return "HTTP/1.1 204 No Content\r\n\r\n"
		}))})
		old, cancelOld := context.WithCancel(t.Context())
		fresh, cancelFresh := context.WithCancel(t.Context())
		defer cancelFresh()
		ask := func(ctx context.Context) protocol.Outcome {
			return client.Do(ctx, &protocol.Request{Method: "POST", URL: "http://192.0.2.1", Timeout: time.Minute}, &protocol.Response{})
		}
		if outcome := ask(old); outcome != protocol.OK {
			t.Fatalf("first: %v", outcome)
		}
		time.AfterFunc(500*time.Millisecond, cancelOld)
		if outcome := ask(fresh); outcome != protocol.OK {
			t.Errorf("the end of the old context: %v", outcome)
		}
		if outcome := ask(old); outcome != protocol.Cut {
			t.Errorf("with the old context: %v", outcome)
		}
		if outcome := ask(fresh); outcome != protocol.OK {
			t.Errorf("with the fresh context again: %v", outcome)
		}
	})
}

func TestDNS(t *testing.T) {
	for _, c := range []struct {
		found  []string
		err    error
		detail string
	}{
		{nil, &net.DNSError{Err: "no such host", Name: "shop.invalid", Server: "192.0.2.53:53", IsNotFound: true}, "host name shop.invalid does not resolve: no such host"},
		{nil, &net.DNSError{Err: "i/o timeout", Name: "shop.invalid", IsTimeout: true}, "host name shop.invalid does not resolve: i/o timeout"},
		{nil, errors.New("resolver is broken"), "host name shop.invalid does not resolve: resolver is broken"},
		{nil, nil, "host name shop.invalid does not resolve: no such host"},
	} {
		client := newClient(t, web.Options{
			LookupHost: func(context.Context, string) ([]string, error) { return c.found, c.err },
			Dial:       func(context.Context, string, string) (net.Conn, error) { return nil, errAbroad },
		})
		outcome, resp := get(t, client, "http://shop.invalid/")
		want(t, outcome, resp, protocol.DNS, c.detail)
	}
}

func TestURLErrors(t *testing.T) {
	client := newClient(t, web.Options{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errAbroad }})
	for url, detail := range map[string]string{
		"":                   `cannot send to "": it is not an absolute URL`,
		"/path":              `cannot send to "/path": it is not an absolute URL`,
		"ftp://shop.test/":   `cannot send to "ftp://shop.test/": the scheme is "ftp", expected http or https`,
		"http://":            `cannot send to "http://": it has no host`,
		"http://:80/":        `cannot send to "http://:80/": it has no host`,
		"http://a b/":        `cannot send to "http://a b/": invalid character " " in host name`,
		"http://shop.test:x": `cannot send to "http://shop.test:x": invalid port ":x" after host`,
		"http://[::1/":       `cannot send to "http://[::1/": missing ']' in host`,
	} {
		outcome, resp := get(t, client, url)
		want(t, outcome, resp, protocol.Refused, detail)
	}
}
