// Package tcp puts faults between a service and what it connects to over TCP.
//
// A Proxy forwards connections, and its faults cut, delay or damage them. What happens to the bytes is the work of toxiproxy
// (github.com/Shopify/toxiproxy): as a library in this process, where what opens and ends connections is ours; or of a
// toxiproxy server of the user's, by its HTTP API. Its types and its log stay in here.
package tcp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidegauge/engine/fault"
)

// Options say what a proxy stands between.
type Options struct {
	Name     string // for errors, and at a toxiproxy server
	Listen   string // address that the service under test connects to; port 0 takes a free one
	Upstream string // address that is really meant
	Server   string // base URL of a running toxiproxy server; empty: the proxy is in this process
}

// Direction is a way that bytes take through a proxy.
type Direction string

// The directions. What is done downstream is done to answers: the request has arrived.
const (
	Downstream Direction = "downstream" // from what is connected to, to the service under test
	Upstream   Direction = "upstream"
)

// Effect is what a fault does to the connections of a proxy: exactly one thing, Jitter beside Latency apart.
type Effect struct {
	Cut            bool          // new connections are refused, those there are closed
	Reset          bool          // a connection is reset (RST) as soon as something is to be forwarded over it
	BlackHole      bool          // connections stay open, and nothing comes through; at the end those it was for are closed
	Latency        time.Duration // of every piece forwarded, in whole milliseconds
	Jitter         time.Duration // latency is uniform in Latency ± Jitter
	Bandwidth      int64         // bytes a second of each connection, in whole kB
	SlowClose      time.Duration // how long a connection stays open after it was closed on the other side
	LimitBytes     int64         // a connection is closed after so many bytes
	MaxConnections int           // so many are open at once at most: others are reset as they come; only in this process

	Direction Direction // default Downstream; meaningless for Cut and MaxConnections
	Share     float64   // of the connections, 0 for all; not of Cut and MaxConnections. Chosen at random, and anew for a connection by every fault that begins
}

// Proxy is a TCP proxy with faults.
type Proxy struct {
	options Options
	backend backend
}

// backend is where the proxy is.
type backend interface {
	start(ctx context.Context) (addr string, err error)
	close(ctx context.Context) error
	used() bool
	// begin breaks something; end puts it right and can be repeated. remedy is what end would be for another process.
	begin(ctx context.Context, id string, e Effect) error
	end(ctx context.Context, id string, e Effect) error
	remedy(id string, e Effect) []fault.Action
}

// New returns a proxy that does not listen yet.
func New(o Options) *Proxy {
	if o.Server != "" {
		return &Proxy{o, &remote{options: o}}
	}
	return &Proxy{o, newLocal(o)}
}

// Start listens and forwards until Close. It returns the address that is listened on.
func (p *Proxy) Start(ctx context.Context) (addr string, err error) {
	addr, err = p.backend.start(ctx)
	if err != nil {
		return "", fmt.Errorf("starting the proxy %s: %w", p.options.Name, err)
	}
	return addr, nil
}

// Close closes the connections and stops listening. A proxy at a toxiproxy server stays: the service is pointed at it.
func (p *Proxy) Close(ctx context.Context) error {
	if err := p.backend.close(ctx); err != nil {
		return fmt.Errorf("closing the proxy %s: %w", p.options.Name, err)
	}
	return nil
}

// Used reports whether anything has connected to the proxy since it was started; of one at a toxiproxy server, which does not
// tell, true.
func (p *Proxy) Used() bool { return p.backend.used() }

// Fault returns what does an effect to the connections of the proxy, which must have been started by the time it starts. id
// tells it from other faults of the proxy that are in force at the same time.
func (p *Proxy) Fault(id string, e Effect) fault.Fault {
	if e.Direction == "" {
		e.Direction = Downstream
	}
	if e.Share == 0 {
		e.Share = 1
	}
	return &proxyFault{p, "tidegauge-" + id, e}
}

type proxyFault struct {
	proxy  *Proxy
	id     string
	effect Effect
}

func (f *proxyFault) Start(ctx context.Context) (func(context.Context) error, error) {
	if err := f.effect.check(); err != nil {
		return nil, fmt.Errorf("proxy %s: %w", f.proxy.options.Name, err)
	}
	undo := func(ctx context.Context) error {
		if err := f.proxy.backend.end(ctx, f.id, f.effect); err != nil {
			return fmt.Errorf("proxy %s: %w", f.proxy.options.Name, err)
		}
		return nil
	}
	if err := f.proxy.backend.begin(ctx, f.id, f.effect); err != nil {
		return undo, fmt.Errorf("proxy %s: %w", f.proxy.options.Name, err)
	}
	return undo, nil
}

func (f *proxyFault) Remedy() []fault.Action { return f.proxy.backend.remedy(f.id, f.effect) }

// toxic is a fault as toxiproxy has it.
type toxic struct {
	Name       string           `json:"name"`
	Type       string           `json:"type"`
	Stream     Direction        `json:"stream"`
	Toxicity   float64          `json:"toxicity"`
	Attributes map[string]int64 `json:"attributes"`
}

// kB is toxiproxy's unit of bandwidth.
const kB = 1000

// toxic returns the toxic of an effect; ok is false for what none does.
func (e *Effect) toxic(id string) (t toxic, ok bool) {
	t = toxic{Name: id, Stream: e.Direction, Toxicity: e.Share}
	switch {
	case e.Reset:
		t.Type, t.Attributes = "reset_peer", map[string]int64{"timeout": 0}
	case e.BlackHole:
		t.Type, t.Attributes = "timeout", map[string]int64{"timeout": 0}
	case e.Latency > 0:
		t.Type, t.Attributes = "latency", map[string]int64{"latency": e.Latency.Milliseconds(), "jitter": e.Jitter.Milliseconds()}
	case e.Bandwidth > 0:
		t.Type, t.Attributes = "bandwidth", map[string]int64{"rate": e.Bandwidth / kB}
	case e.SlowClose > 0:
		t.Type, t.Attributes = "slow_close", map[string]int64{"delay": e.SlowClose.Milliseconds()}
	case e.LimitBytes > 0:
		t.Type, t.Attributes = "limit_data", map[string]int64{"bytes": e.LimitBytes}
	default:
		return toxic{}, false
	}
	return t, true
}

func (e *Effect) check() error {
	count := 0
	for _, given := range []bool{
		e.Cut, e.Reset, e.BlackHole, e.Latency > 0, e.Bandwidth > 0, e.SlowClose > 0, e.LimitBytes > 0, e.MaxConnections > 0,
	} {
		if given {
			count++
		}
	}
	switch {
	case count != 1:
		return fmt.Errorf("a fault with %d effects, expected exactly one", count)
	case e.Jitter > e.Latency:
		return fmt.Errorf("a jitter of %v is more than the latency of %v, expected at most that", e.Jitter, e.Latency)
	case e.Bandwidth > 0 && e.Bandwidth < kB:
		return fmt.Errorf("a bandwidth of %d bytes a second, expected at least 1 kB", e.Bandwidth)
	case e.Direction != Upstream && e.Direction != Downstream:
		return fmt.Errorf("direction %q, expected upstream or downstream", e.Direction)
	case !(e.Share > 0 && e.Share <= 1):
		return fmt.Errorf("a share of %v, expected more than 0 and at most 1", e.Share)
	case e.Share < 1 && (e.Cut || e.MaxConnections > 0):
		return errors.New("a share of connections cannot be cut or limited, expected all; a reset can be for a share")
	}
	return nil
}
