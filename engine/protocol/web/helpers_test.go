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
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidegauge/engine/protocol"
	"tidegauge/engine/protocol/web"
)

// TestMain is also the server of the benchmarks, in a process of its own.
//
// What fasthttp leaves running is of its compressors and its own client, which only tests and benchmarks use.
func TestMain(m *testing.M) {
	if os.Getenv(echoVariable) != "" {
		serveEcho()
		return
	}
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/valyala/fasthttp/stackless.funcWorker"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*TCPDialer).tcpAddrsClean"))
}

// listen serves connections of a loopback listener with handle, one goroutine each, until the test is over. It returns
// the URL.
func listen(t testing.TB, handle func(k net.Conn)) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	var served sync.WaitGroup
	served.Go(func() {
		for {
			k, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, k)
			mu.Unlock()
			served.Go(func() {
				defer k.Close()
				handle(k)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, k := range open {
			k.Close()
		}
		mu.Unlock()
		served.Wait()
	})
	return "http://" + l.Addr().String()
}

// each makes a handler that answers every request on a connection with what reply returns, until that is "" or the
// client goes. Requests are read by net/http, an independent judge of what we send.
func each(reply func(r *http.Request) string) func(net.Conn) {
	return func(k net.Conn) {
		in := bufio.NewReader(k)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			answer := reply(r)
			if answer == "" {
				return
			}
			if _, err := io.WriteString(k, answer); err != nil {
				return
			}
		}
	}
}

// hold keeps a connection open until the other side closes it.
func hold(k net.Conn) {
	_, _ = io.Copy(io.Discard, k) // its error is the end of the test
}

func newClient(t testing.TB, o web.Options) *web.Client {
	c := web.New(o)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("closing the client: %v", err)
		}
	})
	return c
}

// get asks for a URL with a time limit that only failing tests reach.
func get(t testing.TB, c *web.Client, url string) (protocol.Outcome, *protocol.Response) {
	t.Helper()
	resp := &protocol.Response{}
	return c.Do(context.Background(), &protocol.Request{Method: "GET", URL: url, Timeout: 10 * time.Second}, resp), resp
}

// want compares an outcome and its detail.
func want(t testing.TB, got protocol.Outcome, resp *protocol.Response, outcome protocol.Outcome, detail string) {
	t.Helper()
	if got != outcome || resp.Detail != detail {
		t.Errorf("outcome %v (%q), want %v (%q)", got, resp.Detail, outcome, detail)
	}
	if resp.Sent.IsZero() || resp.Finished.Before(resp.Sent) {
		t.Errorf("sent %v, finished %v", resp.Sent, resp.Finished)
	}
}

// pipes dials in-memory connections, which are served by handle until the test is over.
func pipes(t testing.TB, handle func(k net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	var served sync.WaitGroup
	t.Cleanup(served.Wait)
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		served.Go(func() {
			defer theirs.Close()
			handle(theirs)
		})
		return ours, nil
	}
}

var errAbroad = errors.New("tests go no further than loopback")
