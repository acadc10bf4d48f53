package tcp

import (
	"io"
	"net"
	"sync"
)

// link is a connection of the service and the one it is carried on by. What ends or swallows its bytes is done here, at the
// ends of toxiproxy's pipelines: its own toxics for that leave goroutines behind when more arrives than they take.
type link struct {
	client, upstream *net.TCPConn
	closed           func() // called once, when the client's connection is closed

	mu      sync.Mutex
	once    sync.Once
	effects []*applied
}

// applied is an effect on one link.
type applied struct {
	id      string
	effect  *Effect
	written int64 // bytes forwarded since
}

// outlet is the end of a pipeline: what is written to it has come through.
type outlet struct {
	link      *link
	direction Direction
	to        *net.TCPConn
}

var _ io.WriteCloser = (*outlet)(nil)

// Write forwards what the effects let through. It never fails: toxiproxy would leave the pipeline behind, full.
func (o *outlet) Write(p []byte) (int, error) {
	through, end := o.link.passing(o.direction, int64(len(p)))
	if through > 0 {
		if _, err := o.to.Write(p[:through]); err != nil && end == nil {
			end = o.link.close
		}
	}
	if end != nil {
		end()
	}
	return len(p), nil
}

func (o *outlet) Close() error {
	if o.to == o.link.client {
		o.link.once.Do(o.link.closed)
	}
	return o.to.Close()
}

// passing returns how many of n bytes go through, and how the link ends after that; nil: it does not.
func (l *link) passing(d Direction, n int64) (through int64, end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	through = n
	for _, a := range l.effects {
		if a.effect.Direction != d {
			continue
		}
		switch e := a.effect; {
		case e.Reset:
			return 0, l.reset
		case e.BlackHole:
			through = 0
		case a.written+through >= e.LimitBytes:
			through, end = e.LimitBytes-a.written, l.close
		}
		a.written += through
	}
	return through, end
}

func (l *link) add(id string, e *Effect) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.effects = append(l.effects, &applied{id: id, effect: e})
}

// remove takes an effect away. A connection that lost bytes cannot go on.
func (l *link) remove(id string) {
	l.mu.Lock()
	lost := false
	kept := l.effects[:0]
	for _, a := range l.effects {
		if a.id != id {
			kept = append(kept, a)
			continue
		}
		lost = lost || a.effect.BlackHole
	}
	l.effects = kept
	l.mu.Unlock()
	if lost {
		l.close()
	}
}

func (l *link) close() {
	_ = l.client.Close() // what closing comes to tells nothing
	_ = l.upstream.Close()
	l.once.Do(l.closed)
}

// reset closes the link with an RST to both sides: what has not been sent is dropped.
func (l *link) reset() {
	resetOnClose(l.client)
	resetOnClose(l.upstream)
	l.close()
}

func resetOnClose(c *net.TCPConn) {
	_ = c.SetLinger(0) // fails for one that is closed already, with which there is nothing to do
}
