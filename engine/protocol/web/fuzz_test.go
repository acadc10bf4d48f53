package web_test

import (
	"context"
	"net"
	"testing"
	"time"

	"tidegauge/engine/protocol"
	"tidegauge/engine/protocol/web"
)

// FuzzAnswer: whatever a server sends, and wherever it stops, a request ends in time with an outcome that fits.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: /x\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.0 200\nX: y\n\nuntil close",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8b\x08\x00\x00",
		"HTTP/1.1 200 OK\r\nX: y\r\n folded\r\nContent-Length: 0\r\n\r\n",
		"\r\n\r\nHTTP/1.1 204 No\n\r\n",
		"SSH-2.0",
	} {
		for _, keep := range []bool{true, false} {
			f.Add([]byte(seed), 7, keep)
		}
	}
	f.Fuzz(func(t *testing.T, answer []byte, piece int, keep bool) {
		serve := func(k net.Conn) {
			in := make([]byte, 4096)
			if _, err := k.Read(in); err != nil {
				return
			}
			for rest := answer; len(rest) > 0; {
				n := min(max(piece, 1), len(rest))
				if _, err := k.Write(rest[:n]); err != nil {
					return
				}
				rest = rest[n:]
			}
			if keep {
				hold(k)
			}
		}
		limit := 5 * time.Second
		if keep {
			limit = 20 * time.Millisecond // which is then how most of them end
		}
		client := newClient(t, web.Options{Redirects: 1, MaxResponseBytes: 1000, Dial: pipes(t, serve)})
		resp := &protocol.Response{}
		for range 2 {
			done := time.AfterFunc(10*time.Second, func() { panic("a request does not end") })
			outcome := client.Do(context.Background(), &protocol.Request{Method: "GET", URL: "http://192.0.2.1/a", Timeout: limit}, resp)
			done.Stop()
			switch outcome {
			case protocol.OK:
				if resp.Detail != "" || resp.Status < 101 || resp.Status > 999 || len(resp.Body) > 1000 {
					t.Fatalf("ok with detail %q, status %d and %d bytes", resp.Detail, resp.Status, len(resp.Body))
				}
				resp.Fields()
			case protocol.Body, protocol.Reset, protocol.Timeout:
				if resp.Detail == "" {
					t.Fatalf("%v without a detail", outcome)
				}
			default:
				t.Fatalf("outcome %v (%s)", outcome, resp.Detail)
			}
			if outcome == protocol.Timeout && !keep {
				t.Fatalf("timeout (%s), but the server closed the connection", resp.Detail)
			}
		}
	})
}

// FuzzURL: whatever the URL, a request is refused or goes to a host.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{"http://a/b?c#d", "https://u:p@[::1]:8/", "http://ä.test", "", "http://%zz/", "http://a:b:c/"} {
		f.Add(seed)
	}
	client := web.New(web.Options{
		LookupHost: func(context.Context, string) ([]string, error) { return []string{"192.0.2.1"}, nil },
		Dial:       func(context.Context, string, string) (net.Conn, error) { return nil, errAbroad },
	})
	f.Fuzz(func(t *testing.T, url string) {
		resp := &protocol.Response{}
		outcome := client.Do(context.Background(), &protocol.Request{Method: "GET", URL: url, Timeout: time.Minute}, resp)
		if outcome != protocol.Refused || resp.Detail == "" {
			t.Fatalf("outcome %v (%s)", outcome, resp.Detail)
		}
	})
}
