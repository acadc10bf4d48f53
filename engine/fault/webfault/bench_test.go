package webfault_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"tidegauge/engine/fault/webfault"
)

// What the proxy costs: the same requests one after the other, directly and through it. The ratio of the two ns/op is the
// ratio of latency; both include the client and the server, which run in this process.
func BenchmarkProxy(b *testing.B) {
	upstream := httptest.NewServer(http.HandlerFunc(ok))
	defer upstream.Close()
	p := webfault.New(webfault.Options{Name: "bench", Listen: "127.0.0.1:0", Upstream: upstream.URL})
	addr, err := p.Start(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := p.Close(b.Context()); err != nil {
			b.Error(err)
		}
	}()
	undo, err := p.Fault("1", webfault.Effect{Status: 500, Path: "/never"}).Start(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := undo(b.Context()); err != nil {
			b.Error(err)
		}
	}()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for name, url := range map[string]string{"direct": upstream.URL, "proxied": "http://" + addr} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
				if err != nil {
					b.Fatal(err)
				}
				resp, err := client.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				_, err = io.Copy(io.Discard, resp.Body)
				if err = errors.Join(err, resp.Body.Close()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
