// Package webfault puts faults between a service and what it calls over HTTP.
//
// A Proxy is a reverse proxy that changes nothing by itself: method, path, query, Host and every header go through as they
// came, bodies are streamed, trailers, 1xx answers and upgrades (WebSocket) included; hop-by-hop headers apart, which are about
// one connection (RFC 9110, section 7.6.1). Its faults answer, delay, cut or damage some of the requests. HTTP/1.1 on both sides.
package webfault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tidegauge/engine/fault"
)

// Options say what a proxy stands between.
type Options struct {
	Name     string // for errors
	Listen   string // address that the service under test calls; port 0 takes a free one
	Upstream string // base URL that is really meant; its path comes before those of the requests
	Seed     uint64 // of which requests a share takes
}

// Effect is what a fault does to requests: Delay, then at most one of Status, Abort and Malformed.
type Effect struct {
	Delay      time.Duration
	Status     int           // answered without forwarding
	RetryAfter time.Duration // the header beside Status, in whole seconds; 0: none
	Abort      bool          // forwarded; the answer ends in the middle of its body, before its header if it has none
	Malformed  bool          // forwarded; every byte of the answer's body has its highest bit inverted

	Method string  // of the requests; empty: any
	Path   string  // of the requests, * for any text; empty: any
	Share  float64 // of the requests, 0 for all
}

// Proxy is an HTTP proxy with faults.
type Proxy struct {
	options Options
	forward *httputil.ReverseProxy
	rules   atomic.Pointer[[]*rule] // in force
	used    atomic.Bool             // there were requests

	mu       sync.Mutex
	server   *http.Server
	serving  sync.WaitGroup
	upgraded map[net.Conn]bool
	closed   bool
}

// New returns a proxy that does not listen yet.
func New(o Options) *Proxy {
	p := &Proxy{options: o, upgraded: map[net.Conn]bool{}}
	p.rules.Store(&[]*rule{})
	return p
}

// Start listens and forwards until Close. It returns the address that is listened on.
func (p *Proxy) Start(ctx context.Context) (addr string, err error) {
	upstream, err := url.Parse(p.options.Upstream)
	if err != nil || upstream.Host == "" {
		return "", fmt.Errorf("starting the proxy %s: the upstream %q is no base URL", p.options.Name, p.options.Upstream)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", p.options.Listen)
	if err != nil {
		return "", fmt.Errorf("starting the proxy %s: listening on %s: %w", p.options.Name, p.options.Listen, err)
	}
	p.forward = reverseProxy(upstream)
	p.server = &http.Server{
		Handler: p, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0), ConnState: p.watch,
	}
	p.serving.Go(func() { _ = p.server.Serve(listener) }) // ErrServerClosed, since nothing else ends it
	return listener.Addr().String(), nil
}

// Close ends requests under way and stops listening.
func (p *Proxy) Close(context.Context) error {
	if p.server == nil {
		return nil
	}
	for _, r := range *p.rules.Load() {
		r.end()
	}
	err := p.server.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.upgraded {
		c.Close()
	}
	p.mu.Unlock()
	p.serving.Wait()
	p.forward.Transport.(*http.Transport).CloseIdleConnections()
	if err != nil {
		return fmt.Errorf("closing the proxy %s: %w", p.options.Name, err)
	}
	return nil
}

// watch keeps the connections that the server gives away, for Close.
func (p *Proxy) watch(c net.Conn, s http.ConnState) {
	if s != http.StateHijacked {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.Close()
	}
	p.upgraded[c] = true
}

// Used reports whether there were requests since the proxy was started.
func (p *Proxy) Used() bool { return p.used.Load() }

// Fault returns what does an effect to the requests of the proxy. id tells it from other faults of the proxy that are in force
// at the same time; what a share takes depends on it and the seed. Where several faults want a request the earliest one answers.
func (p *Proxy) Fault(id string, e Effect) fault.Fault {
	if e.Share == 0 {
		e.Share = 1
	}
	return &proxyFault{p, newRule(id, e, p.options.Seed)}
}

type proxyFault struct {
	proxy *Proxy
	rule  *rule
}

func (f *proxyFault) Start(context.Context) (func(context.Context) error, error) {
	if err := f.rule.effect.check(); err != nil {
		return nil, fmt.Errorf("proxy %s: %w", f.proxy.options.Name, err)
	}
	f.proxy.change(func(rules []*rule) []*rule { return append(rules, f.rule) })
	return func(context.Context) error {
		f.proxy.change(func(rules []*rule) []*rule {
			var kept []*rule
			for _, r := range rules {
				if r != f.rule {
					kept = append(kept, r)
				}
			}
			return kept
		})
		f.rule.end()
		return nil
	}, nil
}

// Remedy returns nothing: the proxy ends with the process.
func (f *proxyFault) Remedy() []fault.Action { return nil }

func (p *Proxy) change(change func([]*rule) []*rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rules := change(append([]*rule(nil), *p.rules.Load()...))
	p.rules.Store(&rules)
}

// ServeHTTP implements http.Handler: it applies the faults in force and forwards.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.used.Load() {
		p.used.Store(true)
	}
	for _, rule := range *p.rules.Load() {
		if !rule.takes(r) {
			continue
		}
		e := &rule.effect
		if e.Delay > 0 && !rule.hold(r.Context()) {
			panic(http.ErrAbortHandler) // the client is gone
		}
		if e.Status > 0 {
			answer(w, e)
			return
		}
		if e.Abort || e.Malformed {
			r = r.WithContext(context.WithValue(r.Context(), damageKey{}, e))
			break
		}
	}
	p.forward.ServeHTTP(w, r)
}

func answer(w http.ResponseWriter, e *Effect) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(int64(e.RetryAfter/time.Second)))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	if e.Status != http.StatusNoContent && e.Status != http.StatusNotModified {
		_, _ = io.WriteString(w, `{"error":"a fault that tidegauge made"}`+"\n") // a client that is gone wants none
	}
}

// damageKey is the key of the *Effect that an answer is to suffer, in the context of its request.
type damageKey struct{}

var errAborted = errors.New("aborted by a fault")

// reverseProxy returns what forwards requests as they are.
func reverseProxy(upstream *url.URL) *httputil.ReverseProxy {
	base := strings.TrimRight(upstream.Path, "/")
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = upstream.Scheme, upstream.Host
			if base != "" {
				r.Out.URL = r.Out.URL.ResolveReference(&url.URL{})
				r.Out.URL.Path, r.Out.URL.RawPath = base+r.In.URL.Path, base+r.In.URL.EscapedPath()
			}
			r.Out.URL.RawQuery, r.Out.Host = r.In.URL.RawQuery, r.In.Host
			// What the standard library takes out since a client could forge it: here it is the service's own.
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if v, ok := r.In.Header[name]; ok {
					r.Out.Header[name] = v
				}
			}
		},
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 1024, // as many as there were requests at once, like the connections of the service
			IdleConnTimeout:     90 * time.Second,
			DisableCompression:  true,
		},
		FlushInterval:  -1,
		BufferPool:     &buffers{},
		ErrorLog:       log.New(io.Discard, "", 0),
		ModifyResponse: damage,
		// Without an answer there is none: as without a proxy, the connection ends.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
}

// damage does to an answer what a fault asks for.
func damage(resp *http.Response) error {
	e, ok := resp.Request.Context().Value(damageKey{}).(*Effect)
	switch {
	case !ok || resp.StatusCode < 200:
	case e.Malformed:
		resp.Body = &malformed{resp.Body}
	case resp.ContentLength == 0 || resp.Request.Method == http.MethodHead:
		return errAborted
	default:
		resp.Body = &aborted{ReadCloser: resp.Body, left: max(1, resp.ContentLength/2), known: resp.ContentLength > 0}
	}
	return nil
}

// malformed is a body with the highest bit of each byte inverted: no JSON, no UTF-8, and of the same length.
type malformed struct{ io.ReadCloser }

func (m *malformed) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	for i := range p[:n] {
		p[i] ^= 0x80
	}
	return n, err
}

// aborted is a body that ends with an error: in its middle, or where the length is not known within the first piece.
type aborted struct {
	io.ReadCloser
	left  int64
	known bool
}

func (a *aborted) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, errAborted
	}
	if a.known && int64(len(p)) > a.left {
		p = p[:a.left]
	}
	n, err := a.ReadCloser.Read(p)
	if !a.known && n > 0 {
		n, a.left = (n+1)/2, 0
	}
	a.left -= int64(n)
	if err == io.EOF {
		err = errAborted
	}
	return n, err
}

// buffers lends buffers for copying.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }
