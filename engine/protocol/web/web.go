// Package web sends the HTTP/1.1 requests of one virtual user and times their phases.
//
// Answers are parsed by fasthttp. Connections are our own: each phase begins and ends at a call of the network made here,
// and nothing is pooled between users. A user keeps one connection to each of the few hosts it last spoke to, cookies as
// a browser would, and TLS sessions, so that only its first handshake with a host is a full one.
//
// What is sent is what the plan says: besides Host, User-Agent, Content-Length and cookies no field is added, and the path
// goes out as written, with bytes that no URL may have percent-encoded. Accept-Encoding is sent only if the plan has it;
// an answer in gzip, deflate, br or zstd is decoded for whoever looks at it, while the bytes counted are those of the wire.
// A plan's "Expect: 100-continue" is sent, but the body follows at once, as RFC 9110 section 10.1.1 allows.
//
// HTTP proxies, HTTP/2 and Unix sockets are not supported.
package web

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/cookiejar"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"tidegauge/engine/protocol"
)

const (
	readBuffer       = 4 << 10  // of each user; most answers' headers fit
	inlineBody       = 32 << 10 // bodies up to this size go out in one write with the header
	maxHeader        = 64 << 10 // of one answer
	maxInterim       = 100      // 1xx answers before the one that counts
	maxConnections   = 4        // kept alive by each user, to different hosts
	maxOrigins       = 64       // parsed and remembered by each user
	defaultBodyLimit = 10 << 20
	defaultUserAgent = "tidegauge"
)

// Options configure a Client. They are not changed and may be shared by all clients of a run.
type Options struct {
	TLS              *tls.Config // nil: the system's authorities, no certificate of our own; see [TLS]
	Redirects        int         // how many redirects are followed, as part of the request; 0: a redirect is an answer like any other
	MaxResponseBytes int64       // of one body, on the wire as well as decoded; 0: 10 MiB
	UserAgent        string      // where the request has none; "": "tidegauge"

	// Permit is asked before every connection, with HOST:PORT as the URL has it; what it refuses is not dialled, and the
	// request fails with the error's text. nil: all is permitted.
	Permit func(address string) error
	// Dial opens a connection to an address made of an IP and a port. nil: a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// LookupHost returns the IP addresses of a host name. nil: the system's resolver, asked anew for every connection.
	LookupHost func(ctx context.Context, host string) ([]string, error)
}

// Client sends the requests of one virtual user. It implements protocol.Client and is not for concurrent use.
type Client struct {
	options Options

	conns    []*conn // kept alive, the most recently used last
	origins  map[string]*origin
	last     *origin // of the previous request, most often of the next one too
	sessions tls.ClientSessionCache
	jar      *cookiejar.Jar // nil until a cookie was set

	hop     hop
	out     []byte // the request's header, and its body unless it is large
	reader  *bufio.Reader
	answer  fasthttp.Response
	encoded []byte // body of an answer with a Content-Encoding

	mu      sync.Mutex      // for what follows: a context may end at any time
	done    <-chan struct{} // of the context that is being watched
	unwatch func() bool
	cut     bool  // that context has ended
	current *conn // interrupted when it does
}

// hop is the request to be sent next: the caller's, or what a redirect made of it.
type hop struct {
	method   string
	origin   *origin
	path     string // and query, as written
	body     []byte
	foreign  bool      // on another host than the caller's: credentials stay behind
	emptied  bool      // a redirect turned it into a GET: no fields that describe a body
	last     bool      // the caller wants the connection closed
	answered bool      // something came back
	deadline time.Time // zero: none
	timeout  time.Duration
}

// New returns a client without connections. It starts nothing.
func New(o Options) *Client {
	if o.MaxResponseBytes <= 0 {
		o.MaxResponseBytes = defaultBodyLimit
	}
	if o.UserAgent == "" {
		o.UserAgent = defaultUserAgent
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.LookupHost == nil {
		o.LookupHost = net.DefaultResolver.LookupHost
	}
	return &Client{options: o, reader: bufio.NewReaderSize(nil, readBuffer), origins: map[string]*origin{}}
}

// Do implements [protocol.Client].
func (c *Client) Do(ctx context.Context, req *protocol.Request, resp *protocol.Response) protocol.Outcome {
	*resp = protocol.Response{Header: resp.Header[:0], RawHeader: resp.RawHeader[:0], Body: resp.Body[:0], Sent: time.Now()}
	c.hop = hop{method: req.Method, body: req.Body, timeout: req.Timeout}
	if req.Method == "" {
		c.hop.method = "GET"
	}
	if req.Timeout > 0 {
		c.hop.deadline = resp.Sent.Add(req.Timeout)
	}
	c.watch(ctx)
	outcome := c.follow(ctx, req, resp)
	if outcome == protocol.OK {
		outcome = c.decode(req, resp)
	} else {
		resp.Finished = time.Now()
	}
	return outcome
}

// Close closes the connections.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unwatch != nil {
		c.unwatch()
	}
	c.done, c.unwatch, c.current = nil, nil, nil
	var errs []error
	for _, k := range c.conns {
		if err := k.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	c.conns = nil
	return errors.Join(errs...)
}

// follow sends the request and what redirects make of it, and reads the last answer.
func (c *Client) follow(ctx context.Context, req *protocol.Request, resp *protocol.Response) protocol.Outcome {
	var err error
	if c.hop.origin, c.hop.path, err = c.locate(req.URL); err != nil {
		resp.Detail = err.Error()
		return protocol.Refused
	}
	for redirects := 0; ; redirects++ {
		if outcome := c.exchange(ctx, req, resp); outcome != protocol.OK {
			return outcome
		}
		location := c.redirected(resp)
		if location == "" {
			return protocol.OK
		}
		if redirects == c.options.Redirects {
			resp.Detail = tooManyRedirects(redirects)
			return protocol.Body
		}
		if !c.redirect(resp.Status, location) {
			return protocol.OK
		}
	}
}

// exchange sends the request over a connection that is there or a new one, and reads the answer. When a connection
// turns out to have been closed by the server while it was idle, it tries once more on a new one, if the method allows.
func (c *Client) exchange(ctx context.Context, req *protocol.Request, resp *protocol.Response) protocol.Outcome {
	k := c.idle(c.hop.origin, resp.Sent)
	for {
		reused := k != nil
		if !reused {
			var outcome protocol.Outcome
			if k, outcome = c.connect(ctx, resp); outcome != protocol.OK {
				return outcome
			}
		}
		outcome, keep := c.roundTrip(k, req, resp)
		if keep {
			k.used = resp.Finished
			return outcome
		}
		c.drop(k)
		if outcome != protocol.Reset || !reused || c.hop.answered || !idempotent(c.hop.method) {
			return outcome
		}
		resp.Detail, resp.Exhausted, k = "", protocol.NoResource, nil
	}
}

// roundTrip sends the request over k and reads the answer. keep says whether k is good for another one.
func (c *Client) roundTrip(k *conn, req *protocol.Request, resp *protocol.Response) (outcome protocol.Outcome, keep bool) {
	k.start(2*c.options.MaxResponseBytes + 1<<20)
	defer func() {
		resp.BytesSent += k.sent
		resp.BytesReceived += k.received
	}()
	if !c.begin(k) {
		return c.fail(k, resp, sending, nil), false
	}
	body := c.hop.body
	if c.out = c.appendRequest(c.out[:0], req); len(body) <= inlineBody {
		c.out, body = append(c.out, body...), nil
	}
	unsent := k.send(c.out, body)
	wrote := time.Since(resp.Sent) // cheaper than time.Now, and all that is needed
	c.reader.Reset(k)
	if _, err := c.reader.Peek(1); err != nil {
		stage := waiting
		if unsent != nil {
			k.err, stage = unsent, sending
		}
		return c.fail(k, resp, stage, err), false
	}
	c.hop.answered = true
	first := time.Since(resp.Sent)
	var err error
	if first, err = c.readHeader(k, resp, first); err == nil {
		err = c.readBody(req, resp)
	}
	done := time.Since(resp.Sent)
	resp.Finished = resp.Sent.Add(done)
	resp.Timings.Wait += first - wrote
	resp.Timings.Receive += done - first
	if err != nil {
		return c.fail(k, resp, receiving, err), false
	}
	c.keepCookies()
	keep = unsent == nil && !c.hop.last && !c.closing(resp) && c.reader.Buffered() == 0
	return protocol.OK, keep
}

// idempotent methods may be sent again when it is not known whether the first attempt was handled (RFC 9110 section 9.2.2).
func idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}
