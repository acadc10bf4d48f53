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

// TestAnswers: bytes from a server, and what becomes of them. reused says whether the next request goes over the same
// connection.
func TestAnswers(t *testing.T) {
	long := "X-Long: " + strings.Repeat("x", 20<<10) + "\r\n"
	for _, c := range []struct {
		name    string
		method  string
		answer  string
		closes  bool // the server closes the connection after the answer
		outcome protocol.Outcome
		detail  string
		status  int
		body    string
		reused  bool
	}{
		{name: "content length", answer: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", status: 200, body: "abc", reused: true},
		{name: "no content", answer: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, reused: true},
		{name: "not modified, with the length it would have", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", status: 304, reused: true},
		{name: "HEAD with a length", method: "HEAD", answer: "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", status: 200, reused: true},
		{name: "HEAD without a length", method: "HEAD", answer: "HTTP/1.1 200 OK\r\n\r\n", status: 200, reused: true},
		{name: "HEAD and close", method: "HEAD", answer: "HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\n", status: 200},
		{name: "HEAD chunked", method: "HEAD", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", status: 200, reused: true},
		{name: "chunked", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", status: 200, body: "abcde", reused: true},
		{name: "chunked with a trailer", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum: 9\r\n\r\n", status: 200, body: "a", reused: true},
		{name: "until the end of the connection", answer: "HTTP/1.1 200 OK\r\n\r\nabc", closes: true, status: 200, body: "abc"},
		{name: "HTTP/1.0", answer: "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", status: 200, body: "abc"},
		{name: "HTTP/1.0 kept alive", answer: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc", status: 200, body: "abc", reused: true},
		{name: "connection: close", answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", status: 200, body: "abc"},
		{name: "lines end in LF", answer: "HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", status: 200, body: "abc", reused: true},
		{name: "a line end left over", answer: "\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", status: 200, body: "abc", reused: true},
		{name: "continue", answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", status: 200, body: "abc", reused: true},
		{name: "early hints", answer: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", status: 404, reused: true},
		{name: "switching protocols", answer: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", status: 101},
		{name: "more than was asked for", answer: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n", status: 200, body: "abc"},
		{name: "header beyond the first buffer", answer: "HTTP/1.1 200 OK\r\n" + long + "Content-Length: 3\r\n\r\nabc", status: 200, body: "abc", reused: true},
		{name: "no reason phrase", answer: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", status: 200, reused: true},

		{name: "header too long", answer: "HTTP/1.1 200 OK\r\n" + strings.Repeat(long, 5), outcome: protocol.Body, detail: "header of the answer is longer than 64 KiB"},
		{name: "not HTTP", answer: "SSH-2.0-OpenSSH_9.2p1\r\n", outcome: protocol.Body, detail: `status line is not HTTP: "SSH-2.0-OpenSSH_9.2p1"`},
		{name: "noise", answer: "\x00\xff\x00\xff\x00\xff", outcome: protocol.Body, detail: `status line is not HTTP: "\x00�\x00�\x00�"`},
		{name: "no status", answer: "HTTP/1.1 OK\r\n\r\n", outcome: protocol.Body, detail: `status line is not valid: "HTTP/1.1 OK"`},
		{name: "not a header", answer: "HTTP/1.1 200 OK\r\nX Y\r\n\r\n", outcome: protocol.Body, detail: "header of the answer is not valid"},
		{name: "two lengths", answer: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", outcome: protocol.Body, detail: "header of the answer is not valid"},
		{name: "not a chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", status: 200, outcome: protocol.Body, detail: "chunked body is not valid"},
		{name: "announced too long", answer: "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n", status: 200, outcome: protocol.Body, detail: "answer longer than 1 MiB"},
		{name: "more interim answers than sense", answer: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 101), status: 102, outcome: protocol.Body, detail: "more than 100 interim answers"},

		{name: "closed before the answer", closes: true, outcome: protocol.Reset, detail: "connection closed before the answer"},
		{name: "closed in the header", answer: "HTTP/1.1 200 OK\r\nConte", closes: true, outcome: protocol.Reset, detail: "connection closed before the answer was complete"},
		{name: "closed in the body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", closes: true, status: 200, outcome: protocol.Reset, detail: "connection closed before the answer was complete"},
		{name: "closed in a chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", closes: true, status: 200, outcome: protocol.Reset, detail: "connection closed before the answer was complete"},
		{name: "closed before the last chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", closes: true, status: 200, outcome: protocol.Reset, detail: "connection closed before the answer was complete"},
		{name: "closed before the trailer", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", closes: true, status: 200, outcome: protocol.Reset, detail: "connection closed before the answer was complete"},
		{name: "closed after continue", answer: "HTTP/1.1 100 Continue\r\n\r\n", closes: true, status: 100, outcome: protocol.Reset, detail: "connection closed before the answer was complete"},
	} {
		t.Run(c.name, func(t *testing.T) {
			connections := make(chan int, 10)
			url := listen(t, func(k net.Conn) {
				connections <- 1
				each(func(*http.Request) string {
					if c.closes {
						_, _ = io.WriteString(k, c.answer) // the client may be gone
						return ""
					}
					return c.answer
				})(k)
			})
			client := newClient(t, web.Options{MaxResponseBytes: 1 << 20})
			method := c.method
			if method == "" {
				method = "POST" // no second attempt in the dark
			}
			resp := &protocol.Response{}
			for range 2 {
				outcome := client.Do(context.Background(), &protocol.Request{Method: method, URL: url, Timeout: 10 * time.Second}, resp)
				want(t, outcome, resp, c.outcome, c.detail)
				if resp.Status != c.status || (outcome == protocol.OK && string(resp.Body) != c.body) {
					t.Errorf("status %d, body %q, want %d, %q", resp.Status, resp.Body, c.status, c.body)
				}
				if c.outcome == protocol.OK && !strings.Contains(c.name, "more than") && !strings.Contains(c.name, "switching") && resp.BytesReceived != int64(len(c.answer)) {
					t.Errorf("%d bytes received, want %d", resp.BytesReceived, len(c.answer))
				}
			}
			if n := len(connections); (n == 1) != c.reused {
				t.Errorf("two requests took %d connections, reused should be %v", n, c.reused)
			}
		})
	}
}

// TestEndless: what never ends is given up when it is longer than the limit, and long before the time limit.
func TestEndless(t *testing.T) {
	for _, c := range []struct{ name, head, forever, detail string }{
		{"body until close", "HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 1000), "answer longer than 1 MiB"},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "400\r\n" + strings.Repeat("x", 1024) + "\r\n", "answer longer than 1 MiB"},
		{"a chunk's extension", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", strings.Repeat("x", 1000), "answer longer than 1 MiB"},
		{"tiny chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", strings.Repeat("1;"+strings.Repeat("x", 90)+"\r\na\r\n", 10), "answer longer than 1 MiB"},
		{"a trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X-A: b\r\n", "chunked body is not valid"},
		{"a header", "HTTP/1.1 200 OK\r\n", "X-A: b\r\n", "header of the answer is longer than 64 KiB"},
		{"empty lines", "", strings.Repeat("\r\n", 500), "answer longer than 1 MiB"},
		{"a status line", "HTTP/1.1 200 ", strings.Repeat("x", 1000), "header of the answer is longer than 64 KiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := listen(t, func(k net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(k)); err != nil {
					return
				}
				if _, err := io.WriteString(k, c.head); err != nil {
					return
				}
				for {
					if _, err := io.WriteString(k, c.forever); err != nil {
						return
					}
				}
			})
			outcome, resp := get(t, newClient(t, web.Options{MaxResponseBytes: 1 << 20}), url)
			want(t, outcome, resp, protocol.Body, c.detail)
			if resp.BytesReceived > 4<<20 {
				t.Errorf("%d bytes read before giving up", resp.BytesReceived)
			}
		})
	}
}

// TestHeaderOfAnswer: the answer's header is there for whoever asks, and only that of the final answer.
func TestHeaderOfAnswer(t *testing.T) {
	url := listen(t, each(func(*http.Request) string {
		return "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\nx-late:  two words \r\nX-Late: second\r\n\r\n"
	}))
	outcome, resp := get(t, newClient(t, web.Options{}), url)
	want(t, outcome, resp, protocol.OK, "")
	if got := fmt.Sprint(resp.Fields()); got != "[{Content-Length 0} {x-late two words} {X-Late second}]" {
		t.Errorf("fields %v", got)
	}
	if resp.Get("X-LATE") != "two words" || resp.Get("X-Early") != "" {
		t.Errorf("X-Late is %q, X-Early %q", resp.Get("X-LATE"), resp.Get("X-Early"))
	}
}

// TestResponsesAreApart: a client's answers live in the Response they were read into.
func TestResponsesAreApart(t *testing.T) {
	n := 0
	url := listen(t, each(func(*http.Request) string {
		n++
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nX-N: %d\r\nContent-Length: 2\r\n\r\nb%d", n, n)
	}))
	client := newClient(t, web.Options{})
	_, first := get(t, client, url)
	_, second := get(t, client, url)
	if string(first.Body) != "b1" || first.Get("X-N") != "1" || string(second.Body) != "b2" || second.Get("X-N") != "2" {
		t.Errorf("%q %q, then %q %q", first.Body, first.Get("X-N"), second.Body, second.Get("X-N"))
	}
}
