package web_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"tidegauge/engine/protocol"
	"tidegauge/engine/protocol/web"
)

// TestEncodings: bodies are decoded for whoever looks at them, and counted as they came.
func TestEncodings(t *testing.T) {
	plain := bytes.Repeat([]byte("payment "), 1000)
	bomb := fasthttp.AppendGzipBytes(nil, make([]byte, 2<<20))
	for _, c := range []struct {
		name, encoding string
		body           []byte
		ignore         bool
		outcome        protocol.Outcome
		detail         string
		want           []byte
	}{
		{name: "gzip", encoding: "gzip", body: fasthttp.AppendGzipBytes(nil, plain), want: plain},
		{name: "deflate", encoding: "deflate", body: fasthttp.AppendDeflateBytes(nil, plain), want: plain},
		{name: "br", encoding: "br", body: fasthttp.AppendBrotliBytes(nil, plain), want: plain},
		{name: "zstd", encoding: "zstd", body: fasthttp.AppendZstdBytes(nil, plain), want: plain},
		{name: "unknown", encoding: "rot13", body: plain, want: plain},
		{name: "empty", encoding: "gzip"},
		{name: "ignored", encoding: "gzip", body: []byte("not gzip"), ignore: true, want: []byte("not gzip")},
		{name: "not gzip", encoding: "gzip", body: []byte("not gzip"), outcome: protocol.Body, detail: "body is not valid gzip"},
		{name: "cut off", encoding: "gzip", body: fasthttp.AppendGzipBytes(nil, plain)[:20], outcome: protocol.Body, detail: "body is not valid gzip"},
		{name: "bomb", encoding: "gzip", body: bomb, outcome: protocol.Body, detail: "answer longer than 1 MiB when decoded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var accept []string
			answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s", c.encoding, len(c.body), c.body)
			url := listen(t, each(func(r *http.Request) string {
				accept = r.Header["Accept-Encoding"]
				return answer
			}))
			client := newClient(t, web.Options{MaxResponseBytes: 1 << 20})
			resp := &protocol.Response{}
			for range 2 { // the second time into the same memory
				outcome := client.Do(t.Context(), &protocol.Request{Method: "GET", URL: url, IgnoreBody: c.ignore, Timeout: 10 * time.Second}, resp)
				want(t, outcome, resp, c.outcome, c.detail)
				if outcome == protocol.OK && !bytes.Equal(resp.Body, c.want) {
					t.Errorf("body of %d bytes %.20q, want %d bytes %.20q", len(resp.Body), resp.Body, len(c.want), c.want)
				}
				if resp.BytesReceived != int64(len(answer)) {
					t.Errorf("%d bytes received, want %d", resp.BytesReceived, len(answer))
				}
			}
			if accept != nil {
				t.Errorf("Accept-Encoding %q was sent, want only what the plan says", accept)
			}
		})
	}
}

// TestManyEncoded: the memory of one answer does not show in the next.
func TestManyEncoded(t *testing.T) {
	n := 0
	url := listen(t, each(func(*http.Request) string {
		n++
		body, head := []byte(strings.Repeat(fmt.Sprint(n%10), n*100)), ""
		if n%2 == 0 {
			body, head = fasthttp.AppendGzipBytes(nil, body), "Content-Encoding: gzip\r\n"
		}
		return fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
	}))
	client := newClient(t, web.Options{})
	resp := &protocol.Response{}
	for i := 1; i <= 40; i++ {
		outcome := client.Do(t.Context(), &protocol.Request{Method: "GET", URL: url, Timeout: 10 * time.Second}, resp)
		if expected := strings.Repeat(fmt.Sprint(i%10), i*100); outcome != protocol.OK || string(resp.Body) != expected {
			t.Fatalf("answer %d: %v, %d bytes, want %d", i, outcome, len(resp.Body), len(expected))
		}
	}
}
