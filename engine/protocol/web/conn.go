package web

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"time"
)

const (
	idleCheck = 10 * time.Millisecond // idle for longer, a connection is looked at before it is used again
	maxSlack  = 100 * time.Millisecond
)

var errTooLong = errors.New("answer too long")

// conn is a connection to one host. It counts the bytes above TLS.
type conn struct {
	net.Conn          // with TLS, if there is any
	socket   net.Conn // without
	origin   *origin
	raw      syscall.RawConn // nil: cannot be looked at without reading
	peek     func(fd uintptr)
	gone     bool      // found by peek
	used     time.Time // when the last answer was complete
	deadline time.Time // what the connection's is set to

	sent, received int64 // of this request
	budget         int64 // how many more bytes of the answer are read
	err            error // what the network last said
}

func newConn(raw net.Conn, o *origin) *conn {
	k := &conn{Conn: raw, socket: raw, origin: o}
	if s, ok := raw.(syscall.Conn); ok {
		if rc, err := s.SyscallConn(); err == nil {
			k.raw = rc
			k.peek = func(fd uintptr) { k.gone = readable(fd) }
		}
	}
	return k
}

func (k *conn) start(budget int64) {
	k.sent, k.received, k.budget, k.err = 0, 0, budget, nil
}

// Read implements io.Reader for the parser of answers.
func (k *conn) Read(p []byte) (int, error) {
	if k.budget <= 0 {
		k.err = errTooLong
		return 0, errTooLong
	}
	n, err := k.Conn.Read(p)
	k.received += int64(n)
	k.budget -= int64(n)
	if err != nil {
		k.err = err
	}
	return n, err
}

// send writes the parts of a request, one write for each.
func (k *conn) send(parts ...[]byte) error {
	for _, p := range parts {
		if len(p) == 0 {
			continue
		}
		n, err := k.Conn.Write(p)
		k.sent += int64(n)
		if err != nil {
			return err
		}
	}
	return nil
}

// stale reports whether something happened on an idle connection: the server closed it, or said something nobody
// asked for (a 408, a TLS alert). Either way it is of no further use.
func (k *conn) stale() bool {
	if k.raw == nil {
		return false
	}
	k.gone = false
	return k.raw.Control(k.peek) != nil || k.gone
}

// idle returns the connection to a host that is there, or nil.
func (c *Client) idle(o *origin, now time.Time) *conn {
	for i, k := range slices.Backward(c.conns) {
		if k.origin.key != o.key {
			continue
		}
		if now.Sub(k.used) > idleCheck && k.stale() {
			c.drop(k)
			return nil
		}
		if i != len(c.conns)-1 {
			c.conns = append(slices.Delete(c.conns, i, i+1), k)
		}
		return k
	}
	return nil
}

// keep adds a connection, at the cost of the one that was not used for the longest time.
func (c *Client) keep(k *conn) {
	if len(c.conns) == maxConnections {
		c.drop(c.conns[0])
	}
	c.conns = append(c.conns, k)
}

// drop closes a connection, without the farewell of TLS: that would wait for a server that does not read.
func (c *Client) drop(k *conn) {
	if i := slices.Index(c.conns, k); i >= 0 {
		c.conns = slices.Delete(c.conns, i, i+1)
	}
	c.mu.Lock()
	if c.current == k {
		c.current = nil
	}
	c.mu.Unlock()
	k.socket.Close()
}

// begin makes k the connection that is interrupted when the context ends, and sets its deadline. It reports whether the
// request may go on. Setting a deadline costs two timers, so one that is up to 2% of the timeout (at most maxSlack) late is kept.
func (c *Client) begin(k *conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return false
	}
	c.current = k
	want := c.hop.deadline
	if want.IsZero() && k.deadline.IsZero() {
		return true
	}
	slack := min(c.hop.timeout/50, maxSlack)
	if late := k.deadline.Sub(want); !want.IsZero() && late >= 0 && late <= slack {
		return true
	}
	if !want.IsZero() {
		want = want.Add(slack)
	}
	k.deadline = want
	k.err = k.SetDeadline(want)
	return k.err == nil
}

// watch sees to it that the end of ctx interrupts what is under way. Users do many requests under one context, so this is
// done once for each context and not for each request.
func (c *Client) watch(ctx context.Context) {
	done := ctx.Done()
	if done == c.done {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unwatch != nil {
		c.unwatch()
	}
	c.done, c.unwatch, c.cut = done, nil, ctx.Err() != nil
	if done != nil && !c.cut {
		c.unwatch = context.AfterFunc(ctx, func() { c.interrupt(done) })
	}
}

func (c *Client) interrupt(done <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done != done {
		return
	}
	c.cut = true
	if k := c.current; k != nil {
		k.deadline = time.Unix(1, 0)
		_ = k.SetDeadline(k.deadline) // fails only on a connection that is closed, which is as good
	}
}

// isCut reports whether the context that is being watched has ended.
func (c *Client) isCut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut
}
