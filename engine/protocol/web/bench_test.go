package web_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"tidegauge/engine/protocol"
	"tidegauge/engine/protocol/web"
)

const benchAnswer = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 12:00:00 GMT\r\nContent-Type: application/json\r\n" +
	"Content-Length: 29\r\nConnection: keep-alive\r\nX-Request-Id: 0123456789abcdef\r\n\r\n" + `{"id":"1","status":"created"}`

// echo answers every request with benchAnswer, without allocating: what comes in one piece is a request.
func echo(k net.Conn) {
	in, out := make([]byte, 4096), []byte(benchAnswer)
	for {
		if _, err := k.Read(in); err != nil {
			return
		}
		if _, err := k.Write(out); err != nil {
			return
		}
	}
}

// echoVariable is set in the environment of the benchmarks' server.
const echoVariable = "TIDEGAUGE_TEST_ECHO"

// serveEcho prints its address and serves connections until its standard input ends.
func serveEcho() {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			k, err := l.Accept()
			if err != nil {
				return
			}
			go echo(k)
		}
	}()
	fmt.Println(l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin) // whatever ends it, it is the end
}

// startEcho starts that server in a process of its own, so that only the clients' processor time is ours, and returns its
// address.
func startEcho(b *testing.B) string {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	server := exec.CommandContext(context.Background(), self)
	server.Env = append(os.Environ(), echoVariable+"=1")
	stop, err := server.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(stop.Close(), server.Wait()); err != nil {
			b.Error(err)
		}
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(address)
}

// TestAllocations: a request over a connection that is there allocates nothing, with or without somebody who looks at
// the answer's body.
func TestAllocations(t *testing.T) {
	client := newClient(t, web.Options{Dial: pipes(t, echo)})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req := &protocol.Request{
		Method: "POST", URL: "http://192.0.2.1/payments", Body: []byte(`{"amount":1}`), Timeout: 10 * time.Second,
		Header: []protocol.Field{{Name: "Accept", Value: "application/json"}, {Name: "Content-Type", Value: "application/json"}},
	}
	resp := &protocol.Response{}
	ask := func() {
		if outcome := client.Do(ctx, req, resp); outcome != protocol.OK || len(resp.Body) != 29 {
			t.Fatalf("outcome %v (%s), body %q", outcome, resp.Detail, resp.Body)
		}
	}
	ask()
	if n := testing.AllocsPerRun(1000, ask); n > 0 {
		t.Errorf("%v allocations in a request, want 0", n)
	}
}

// cpu returns the processor time this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkClients compares the processor time of a request over loopback on one connection, with that of a bare loop over
// fasthttp's codec, without any time limit, as the unit.
func BenchmarkClients(b *testing.B) {
	address := startEcho(b)
	url := "http://" + address
	dialled := func() net.Conn {
		k, err := new(net.Dialer).DialContext(b.Context(), "tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		return k
	}
	ours := newClient(b, web.Options{})
	req := &protocol.Request{Method: "GET", URL: url + "/items", Timeout: 10 * time.Second, Header: []protocol.Field{{Name: "Accept", Value: "*/*"}}}
	resp := &protocol.Response{}

	bare := dialled()
	defer bare.Close()
	in, out := bufio.NewReader(bare), bufio.NewWriter(bare)
	var freq fasthttp.Request
	var fresp fasthttp.Response
	freq.SetRequestURI(url + "/items")
	freq.Header.Set("Accept", "*/*")

	host := &fasthttp.HostClient{Addr: address, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	defer host.CloseIdleConnections()
	var hreq fasthttp.Request
	var hresp fasthttp.Response
	hreq.SetRequestURI(url + "/items")
	hreq.Header.Set("Accept", "*/*")

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	standard := &http.Client{Transport: transport, Timeout: 10 * time.Second}

	clients := []struct {
		name string
		do   func() error
	}{
		{"bare-loop", func() error {
			if err := freq.Write(out); err != nil {
				return err
			}
			if err := out.Flush(); err != nil {
				return err
			}
			return fresp.ReadLimitBody(in, 10<<20)
		}},
		{"web", func() error {
			if outcome := ours.Do(b.Context(), req, resp); outcome != protocol.OK {
				b.Fatal(outcome, resp.Detail)
			}
			return nil
		}},
		{"fasthttp-HostClient", func() error { return host.Do(&hreq, &hresp) }},
		{"net-http", func() error {
			r, err := http.NewRequestWithContext(b.Context(), "GET", url+"/items", nil)
			if err != nil {
				return err
			}
			r.Header.Set("Accept", "*/*")
			answer, err := standard.Do(r)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, answer.Body)
			return errors.Join(err, answer.Body.Close())
		}},
	}
	b.Run("ratios", func(b *testing.B) {
		const batch = 200
		used := make([]time.Duration, len(clients))
		n := 0
		for b.Loop() { // in turn, so that what else the machine does hits all alike
			for i, c := range clients {
				runtime.Gosched()
				before := cpu(b)
				for range batch {
					if err := c.do(); err != nil {
						b.Fatal(c.name, err)
					}
				}
				used[i] += cpu(b) - before
			}
			n += batch
		}
		for i, c := range clients {
			b.ReportMetric(float64(used[i].Nanoseconds())/float64(n), c.name+"-ns")
			if i > 0 {
				b.ReportMetric(float64(used[i])/float64(used[0]), c.name+"-ratio")
			}
		}
	})
	for _, c := range clients {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
