package web

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"tidegauge/engine/protocol"
)

// leastDial is what one of several addresses of a host gets of the time there is, at least.
const leastDial = 2 * time.Second

// connect opens a connection to the origin of the hop, and times its phases.
func (c *Client) connect(ctx context.Context, resp *protocol.Response) (*conn, protocol.Outcome) {
	o := c.hop.origin
	if c.options.Permit != nil {
		if err := c.options.Permit(net.JoinHostPort(o.name, o.port)); err != nil {
			resp.Detail = short(err.Error())
			return nil, protocol.Refused
		}
	}
	limited := ctx
	if !c.hop.deadline.IsZero() {
		var cancel context.CancelFunc
		limited, cancel = context.WithDeadline(ctx, c.hop.deadline)
		defer cancel()
	}
	addresses := []string{o.name}
	if !o.literal {
		start := time.Now()
		found, err := c.options.LookupHost(limited, o.name)
		resp.Timings.DNS += time.Since(start)
		if err == nil && len(found) == 0 {
			err = &net.DNSError{Err: "no such host", Name: o.name, IsNotFound: true}
		}
		if err != nil {
			return nil, c.failConnect(ctx, limited, resp, resolving, err)
		}
		addresses = found
	}
	start := time.Now()
	raw, err := c.dial(limited, addresses, o.port)
	resp.Timings.Connect += time.Since(start)
	if err != nil {
		return nil, c.failConnect(ctx, limited, resp, connecting, err)
	}
	k := newConn(raw, o)
	if o.scheme == "https" {
		start = time.Now()
		secure := tls.Client(raw, c.tlsConfig(o))
		err = secure.HandshakeContext(limited)
		resp.Timings.TLS += time.Since(start)
		if err != nil {
			raw.Close()
			return nil, c.failConnect(ctx, limited, resp, handshaking, err)
		}
		k.Conn = secure
	}
	c.keep(k)
	return k, protocol.OK
}

// dial tries the addresses one after the other, each with its share of the time that is left. It returns the first error,
// which is of the address the resolver prefers, but rather one of ours, since then not all were tried.
func (c *Client) dial(ctx context.Context, addresses []string, port string) (net.Conn, error) {
	var first error
	for i, address := range addresses {
		k, err := c.dialOne(ctx, net.JoinHostPort(address, port), len(addresses)-i)
		if err == nil {
			return k, nil
		}
		if first == nil || exhausted(err) != protocol.NoResource {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

func (c *Client) dialOne(ctx context.Context, address string, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		share := max(time.Until(deadline)/time.Duration(left), leastDial)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, share)
		defer cancel()
	}
	return c.options.Dial(ctx, "tcp", address)
}

// tlsConfig returns the configuration for an origin, made when first needed.
func (c *Client) tlsConfig(o *origin) *tls.Config {
	if o.tls != nil {
		return o.tls
	}
	if c.sessions == nil {
		c.sessions = tls.NewLRUClientSessionCache(maxConnections)
	}
	o.tls = &tls.Config{}
	if c.options.TLS != nil {
		o.tls = c.options.TLS.Clone()
	}
	if o.tls.ServerName == "" {
		o.tls.ServerName = o.name
	}
	if o.tls.ClientSessionCache == nil {
		o.tls.ClientSessionCache = c.sessions
	}
	o.tls.NextProtos = []string{"http/1.1"}
	return o.tls
}

// failConnect says why there is no connection.
func (c *Client) failConnect(ctx, limited context.Context, resp *protocol.Response, at stage, err error) protocol.Outcome {
	var lookup *net.DNSError
	switch {
	case ctx.Err() != nil:
		resp.Detail = detailCut
		return protocol.Cut
	case exhausted(err) != protocol.NoResource:
		c.own(resp, err)
		if at == resolving {
			return protocol.DNS
		}
		return protocol.Refused
	case limited.Err() != nil, at != resolving && isTimeout(err):
		resp.Detail = at.late(c.hop.timeout)
		return protocol.Timeout
	case at == resolving && errors.As(err, &lookup):
		resp.Detail = "host name " + lookup.Name + " does not resolve: " + short(lookup.Err)
		return protocol.DNS
	case at == resolving:
		resp.Detail = "host name " + c.hop.origin.name + " does not resolve: " + short(err.Error())
		return protocol.DNS
	case at == handshaking:
		resp.Detail = handshakeDetail(err)
		return protocol.TLS
	}
	resp.Detail = connectDetail(err)
	return protocol.Refused
}
