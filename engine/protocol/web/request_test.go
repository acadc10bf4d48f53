package web_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/protocol"
	"tidegauge/engine/protocol/web"
)

// TestRequests compares what goes out on the wire, byte by byte.
func TestRequests(t *testing.T) {
	field := func(pairs ...string) (fields []protocol.Field) {
		for i := 0; i < len(pairs); i += 2 {
			fields = append(fields, protocol.Field{Name: pairs[i], Value: pairs[i+1]})
		}
		return fields
	}
	const end = "User-Agent: tidegauge\r\n\r\n"
	for _, c := range []struct {
		name    string
		req     protocol.Request
		agent   string
		address string
		want    string
	}{
		{name: "plain", req: protocol.Request{Method: "GET", URL: "http://shop.test/a?b=c"}, want: "GET /a?b=c HTTP/1.1\r\nHost: shop.test\r\n" + end},
		{name: "no method", req: protocol.Request{URL: "http://shop.test/"}, want: "GET / HTTP/1.1\r\nHost: shop.test\r\n" + end},
		{name: "no path", req: protocol.Request{Method: "GET", URL: "http://shop.test"}, want: "GET / HTTP/1.1\r\nHost: shop.test\r\n" + end},
		{name: "query without path", req: protocol.Request{Method: "GET", URL: "http://shop.test?a"}, want: "GET /?a HTTP/1.1\r\nHost: shop.test\r\n" + end},
		{name: "fragment", req: protocol.Request{Method: "GET", URL: "http://shop.test/a#b"}, want: "GET /a HTTP/1.1\r\nHost: shop.test\r\n" + end},
		{name: "as written", req: protocol.Request{Method: "GET", URL: "http://shop.test/a/../%2F//b"}, want: "GET /a/../%2F//b HTTP/1.1\r\nHost: shop.test\r\n" + end},
		{name: "bytes no URL may have", req: protocol.Request{Method: "GET", URL: "http://shop.test/a b\r\nX: y/ä"}, want: "GET /a%20b%0D%0AX:%20y/%C3%A4 HTTP/1.1\r\nHost: shop.test\r\n" + end},
		{name: "port", req: protocol.Request{Method: "GET", URL: "http://shop.test:81/"}, address: "192.0.2.1:81", want: "GET / HTTP/1.1\r\nHost: shop.test:81\r\n" + end},
		{name: "IPv6", req: protocol.Request{Method: "GET", URL: "http://[2001:db8::1]:81/"}, address: "[2001:db8::1]:81", want: "GET / HTTP/1.1\r\nHost: [2001:db8::1]:81\r\n" + end},
		{name: "IPv6 without port", req: protocol.Request{Method: "GET", URL: "http://[2001:db8::1]"}, address: "[2001:db8::1]:80", want: "GET / HTTP/1.1\r\nHost: [2001:db8::1]\r\n" + end},
		{name: "international name", req: protocol.Request{Method: "GET", URL: "http://bücher.test:81/"}, address: "192.0.2.1:81", want: "GET / HTTP/1.1\r\nHost: xn--bcher-kva.test:81\r\n" + end},
		{name: "login in the URL", req: protocol.Request{Method: "GET", URL: "http://me:p%40ss@shop.test/"}, want: "GET / HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: tidegauge\r\nAuthorization: Basic bWU6cEBzcw==\r\n\r\n"},
		{name: "login in both", req: protocol.Request{Method: "GET", URL: "http://me:p@shop.test/", Header: field("authorization", "Bearer x")}, want: "GET / HTTP/1.1\r\nHost: shop.test\r\nauthorization: Bearer x\r\n" + end},
		{name: "host of the plan", req: protocol.Request{Method: "GET", URL: "http://shop.test/", Header: field("A", "b", "host", "other.test")}, want: "GET / HTTP/1.1\r\nHost: other.test\r\nA: b\r\n" + end},
		{name: "agent of the options", req: protocol.Request{Method: "GET", URL: "http://shop.test/"}, agent: "x/1", want: "GET / HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: x/1\r\n\r\n"},
		{name: "agent of the plan", req: protocol.Request{Method: "GET", URL: "http://shop.test/", Header: field("User-Agent", "y")}, agent: "x/1", want: "GET / HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: y\r\n\r\n"},
		{name: "line break in a value", req: protocol.Request{Method: "GET", URL: "http://shop.test/", Header: field("A", "b\r\nC: d")}, want: "GET / HTTP/1.1\r\nHost: shop.test\r\nA: b  C: d\r\n" + end},
		{name: "body", req: protocol.Request{Method: "POST", URL: "http://shop.test/", Header: field("Content-Type", "text/plain"), Body: []byte("abc")}, want: "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Type: text/plain\r\nUser-Agent: tidegauge\r\nContent-Length: 3\r\n\r\nabc"},
		{name: "GET with a body", req: protocol.Request{Method: "GET", URL: "http://shop.test/", Body: []byte("abc")}, want: "GET / HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: tidegauge\r\nContent-Length: 3\r\n\r\nabc"},
		{name: "POST without a body", req: protocol.Request{Method: "POST", URL: "http://shop.test/"}, want: "POST / HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: tidegauge\r\nContent-Length: 0\r\n\r\n"},
		{name: "framing is ours", req: protocol.Request{Method: "POST", URL: "http://shop.test/", Header: field("content-length", "99", "Transfer-Encoding", "chunked"), Body: []byte("abc")}, want: "POST / HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: tidegauge\r\nContent-Length: 3\r\n\r\nabc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.address == "" {
				c.address = "192.0.2.1:80"
			}
			got := make(chan string, 1)
			serve := pipes(t, func(k net.Conn) {
				b := make([]byte, len(c.want))
				n, _ := io.ReadFull(k, b) // what is missing is seen below
				got <- string(b[:n])
				_, _ = io.WriteString(k, "HTTP/1.1 204 No Content\r\n\r\n") // likewise
			})
			client := newClient(t, web.Options{
				UserAgent:  c.agent,
				LookupHost: func(context.Context, string) ([]string, error) { return []string{"192.0.2.1"}, nil },
				Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
					if address != c.address {
						t.Errorf("dialled %s, want %s", address, c.address)
					}
					return serve(ctx, network, address)
				},
			})
			c.req.Timeout = 10 * time.Second
			resp := &protocol.Response{}
			want(t, client.Do(t.Context(), &c.req, resp), resp, protocol.OK, "")
			if sent := <-got; sent != c.want {
				t.Errorf("sent\n%q, want\n%q", sent, c.want)
			}
			if resp.BytesSent != int64(len(c.want)) {
				t.Errorf("%d bytes sent, want %d", resp.BytesSent, len(c.want))
			}
		})
	}
}

// TestLargeBody: a body that does not fit into one write arrives whole.
func TestLargeBody(t *testing.T) {
	url := listen(t, func(k net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(k))
		if err != nil {
			return
		}
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return
		}
		body := fmt.Sprint(n)
		_, _ = fmt.Fprintf(k, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body) // seen by the client
	})
	resp := &protocol.Response{}
	outcome := newClient(t, web.Options{}).Do(t.Context(), &protocol.Request{Method: "PUT", URL: url, Body: make([]byte, 3<<20), Timeout: 10 * time.Second}, resp)
	want(t, outcome, resp, protocol.OK, "")
	if string(resp.Body) != fmt.Sprint(3<<20) {
		t.Errorf("the server got %s bytes", resp.Body)
	}
}

// TestRequestedClose: a plan that asks for a connection of its own for each request gets it.
func TestRequestedClose(t *testing.T) {
	connections := make(chan int, 10)
	url := listen(t, func(k net.Conn) {
		connections <- 1
		each(func(*http.Request) string { return "HTTP/1.1 204 No Content\r\n\r\n" })(k)
	})
	client := newClient(t, web.Options{})
	for range 3 {
		resp := &protocol.Response{}
		outcome := client.Do(t.Context(), &protocol.Request{
			Method: "GET", URL: url, Timeout: 10 * time.Second, Header: []protocol.Field{{Name: "connection", Value: "Close"}},
		}, resp)
		want(t, outcome, resp, protocol.OK, "")
	}
	if n := len(connections); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

// TestExpectContinue: a server that insists on its interim answer, and one that never gives it.
func TestExpectContinue(t *testing.T) {
	for _, interim := range []string{"HTTP/1.1 100 Continue\r\n\r\n", ""} {
		url := listen(t, func(k net.Conn) {
			in := bufio.NewReader(k)
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.WriteString(k, interim); err != nil {
				return
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(k, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body) // seen by the client
		})
		resp := &protocol.Response{}
		outcome := newClient(t, web.Options{}).Do(t.Context(), &protocol.Request{
			Method: "POST", URL: url, Timeout: 10 * time.Second, Body: []byte(strings.Repeat("x", 100)),
			Header: []protocol.Field{{Name: "Expect", Value: "100-continue"}},
		}, resp)
		want(t, outcome, resp, protocol.OK, "")
		if len(resp.Body) != 100 {
			t.Errorf("the server got %d bytes, want 100", len(resp.Body))
		}
	}
}
