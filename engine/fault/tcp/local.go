package tcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/rs/zerolog"
	zerologglobal "github.com/rs/zerolog/log"

	"tidegauge/engine/fault"
)

const (
	// dialTimeout is how long connecting to the upstream may take.
	dialTimeout = 5 * time.Second
	// drainTime is how long a toxic may take to come or go before the connections that hold it up are closed: one whose other
	// end does not read cannot be interrupted.
	drainTime = 500 * time.Millisecond
)

// local is a proxy in this process. Connections are accepted, counted and cut here; toxiproxy carries the bytes.
type local struct {
	options Options
	server  *toxiproxy.ApiServer
	proxy   *toxiproxy.Proxy // its own listener is not used

	mu        sync.Mutex
	addr      string // once it is known
	listener  net.Listener
	giveUp    context.CancelFunc // ends connecting for the listener
	accepting sync.WaitGroup
	links     map[*link]int // and the place in which each came
	seen      int           // connections accepted
	limit     int           // of connections; 0: none
	effects   []*applied    // in force, of those that are ours
	closed    bool
	connected atomic.Bool // something has
}

// silenceToxiproxy keeps one of its toxics, which uses zerolog's global logger, from writing to standard error. Nothing else
// here uses zerolog.
var silenceToxiproxy = sync.OnceFunc(func() { zerologglobal.Logger = zerolog.Nop() })

func newLocal(o Options) *local {
	silenceToxiproxy()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	return &local{options: o, addr: o.Listen, server: server, proxy: toxiproxy.NewProxy(server, o.Name, o.Listen, o.Upstream), links: map[*link]int{}}
}

func (l *local) start(ctx context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.listen(ctx)
	return l.addr, err
}

// listen accepts connections. The caller holds mu.
func (l *local) listen(ctx context.Context) error {
	if l.closed {
		return errors.New("the proxy is closed")
	}
	if l.listener != nil {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", l.addr)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", l.addr, err)
	}
	l.listener, l.addr = listener, listener.Addr().String()
	connecting, giveUp := context.WithCancel(context.Background())
	l.giveUp = giveUp
	l.accepting.Go(func() { l.accept(connecting, listener) })
	return nil
}

func (l *local) accept(ctx context.Context, listener net.Listener) {
	var connecting sync.WaitGroup
	defer connecting.Wait()
	for pause := time.Millisecond; ; {
		client, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // for want of files: others may be closed meanwhile
			time.Sleep(pause)
			pause = min(2*pause, time.Second)
			continue
		}
		pause = time.Millisecond
		l.connected.Store(true)
		connecting.Go(func() { l.connect(ctx, listener, client) })
	}
}

// connect carries a connection on to the upstream.
func (l *local) connect(ctx context.Context, listener net.Listener, client net.Conn) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c := client.(*net.TCPConn)
	if l.full() {
		refuse(c)
		return
	}
	upstream, err := new(net.Dialer).DialContext(ctx, "tcp", l.options.Upstream)
	if err != nil {
		refuse(c) // as near as possible to what the service would have met without a proxy
		return
	}
	k := &link{client: c, upstream: upstream.(*net.TCPConn)}
	k.closed = func() { l.forget(k) }
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != listener || l.isFull() { // cut or filled up meanwhile
		refuse(c)
		_ = k.upstream.Close()
		return
	}
	l.seen++
	l.links[k] = l.seen
	for _, a := range l.effects {
		if rand.Float64() < a.effect.Share {
			k.add(a.id, a.effect)
		}
	}
	name := fmt.Sprintf("%s-%d-", l.options.Name, l.seen)
	// Without the lock: a toxic that is just being put in may hold this up, and closing connections needs the lock.
	l.accepting.Go(func() {
		l.proxy.Toxics.StartLink(l.server, name+"upstream", k.client, &outlet{k, Upstream, k.upstream}, stream.Upstream)
		l.proxy.Toxics.StartLink(l.server, name+"downstream", k.upstream, &outlet{k, Downstream, k.client}, stream.Downstream)
	})
}

// refuse ends a connection that was accepted without having been wanted.
func refuse(c *net.TCPConn) {
	resetOnClose(c)
	_ = c.Close() // what closing comes to tells nothing
}

func (l *local) forget(k *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.links, k)
}

func (l *local) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isFull()
}

// isFull reports whether there are as many connections as there may be. The caller holds mu.
func (l *local) isFull() bool { return l.limit > 0 && len(l.links) >= l.limit }

// oldest returns the links there are, those that came first first.
func (l *local) oldest() []*link {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.SortedFunc(maps.Keys(l.links), func(a, b *link) int { return l.links[a] - l.links[b] })
}

// stop ends listening and closes the connections there are.
func (l *local) stop() error {
	l.mu.Lock()
	listener := l.listener
	l.listener = nil
	l.mu.Unlock()
	if listener == nil {
		return nil
	}
	err := listener.Close()
	l.giveUp()
	for _, k := range l.oldest() {
		k.close()
	}
	l.accepting.Wait()
	return err
}

func (l *local) close(ctx context.Context) error {
	err := l.stop()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	return errors.Join(err, l.patiently(ctx, func(ctx context.Context) error {
		l.proxy.Toxics.ResetToxics(ctx)
		return nil
	}))
}

func (l *local) used() bool { return l.connected.Load() }

func (l *local) remedy(string, Effect) []fault.Action { return nil }

// ours reports whether an effect is done at the ends of the pipelines.
func (e *Effect) ours() bool { return e.Reset || e.BlackHole || e.LimitBytes > 0 }

func (l *local) begin(ctx context.Context, id string, e Effect) error {
	switch {
	case e.Cut:
		return l.stop()
	case e.MaxConnections > 0:
		l.setLimit(e.MaxConnections)
		for _, k := range l.oldest()[min(e.MaxConnections, len(l.oldest())):] {
			k.reset()
		}
		return nil
	case e.ours():
		l.mu.Lock()
		defer l.mu.Unlock()
		l.effects = append(l.effects, &applied{id: id, effect: &e})
		for k := range l.links {
			if rand.Float64() < e.Share {
				k.add(id, &e)
			}
		}
		return nil
	}
	t, _ := e.toxic(id)
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return l.patiently(ctx, func(context.Context) error {
		if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(string(text))); err != nil {
			return fmt.Errorf("adding the toxic %s: %w", t.Type, err)
		}
		return nil
	})
}

func (l *local) setLimit(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = n
}

func (l *local) end(ctx context.Context, id string, e Effect) error {
	switch {
	case e.Cut:
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.closed { // and with it everything
			return nil
		}
		return l.listen(ctx)
	case e.MaxConnections > 0:
		l.setLimit(0)
		return nil
	case e.ours():
		l.mu.Lock()
		l.effects = slices.DeleteFunc(l.effects, func(a *applied) bool { return a.id == id })
		l.mu.Unlock()
		for _, k := range l.oldest() {
			k.remove(id)
		}
		return nil
	}
	err := l.patiently(ctx, func(ctx context.Context) error {
		if l.proxy.Toxics.GetToxic(id) == nil {
			return nil
		}
		return l.proxy.Toxics.RemoveToxic(ctx, id)
	})
	if err != nil {
		return fmt.Errorf("removing the toxic of %s: %w", id, err)
	}
	return nil
}

// patiently calls a function of toxiproxy's that waits for every connection to take notice. When that takes too long, the
// connections are closed, which then ends it.
func (l *local) patiently(ctx context.Context, do func(context.Context) error) error {
	ended := make(chan error, 1)
	go func() { ended <- do(context.WithoutCancel(ctx)) }()
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
	case <-ctx.Done():
	}
	for _, k := range l.oldest() {
		k.reset()
	}
	return <-ended
}
