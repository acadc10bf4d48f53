package tcp_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"tidegauge/engine/fault/tcp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long anything may take that is to happen at all.
const patience = 10 * time.Second

// echo is a server that answers lines with themselves, and "big" with a megabyte.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				lines := bufio.NewScanner(c)
				for lines.Scan() {
					answer := lines.Text() + "\n"
					if lines.Text() == "big" {
						answer = strings.Repeat("x", 1<<20)
					}
					if _, err := io.WriteString(c, answer); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return listener.Addr().String()
}

// backends are the two ways to have a proxy; the second is a real toxiproxy server, from the library.
func backends(t *testing.T, test func(t *testing.T, p *tcp.Proxy, addr string)) {
	t.Run("local", func(t *testing.T) { proxied(t, "", test) })
	t.Run("server", func(t *testing.T) {
		server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
		web := httptest.NewServer(server.Routes())
		t.Cleanup(web.Close)
		t.Cleanup(func() {
			if err := server.Collection.Clear(); err != nil {
				t.Error(err)
			}
		})
		proxied(t, web.URL, test)
	})
}

func proxied(t *testing.T, server string, test func(t *testing.T, p *tcp.Proxy, addr string)) {
	p := tcp.New(tcp.Options{Name: "database", Listen: "127.0.0.1:0", Upstream: echo(t), Server: server})
	addr, err := p.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	test(t, p, addr)
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return newClient(c)
}

func newClient(c net.Conn) *client { return &client{c, bufio.NewReader(c)} }

type client struct {
	net.Conn
	r *bufio.Reader
}

// ask sends a line and returns the answer and how long it took.
func (c *client) ask(within time.Duration) (string, time.Duration, error) {
	begin := time.Now()
	if err := c.SetDeadline(begin.Add(within)); err != nil {
		return "", 0, err
	}
	if _, err := io.WriteString(c, "ping\n"); err != nil {
		return "", time.Since(begin), err
	}
	answer, err := c.r.ReadString('\n')
	return answer, time.Since(begin), err
}

// askOnce asks over a connection of its own.
func askOnce(t *testing.T, addr string) error {
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_, _, err = newClient(c).ask(patience)
	return err
}

func (c *client) mustAnswer(t *testing.T) time.Duration {
	t.Helper()
	answer, took, err := c.ask(patience)
	if err != nil || answer != "ping\n" {
		t.Fatalf("answer %q, %v", answer, err)
	}
	return took
}

// begin starts a fault and returns what undoes it and sees that undoing twice does no harm.
func begin(t *testing.T, p *tcp.Proxy, e tcp.Effect) (undo func()) {
	t.Helper()
	end, err := p.Fault("1", e).Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		for range 2 {
			if err := end(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestCut(t *testing.T) {
	backends(t, func(t *testing.T, p *tcp.Proxy, addr string) {
		before := dial(t, addr)
		before.mustAnswer(t)
		undo := begin(t, p, tcp.Effect{Cut: true})
		if _, _, err := before.ask(patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a connection that was there: %v, want it closed", err)
		}
		if _, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a new connection: %v, want it refused", err)
		}
		undo()
		dial(t, addr).mustAnswer(t)
	})
}

func TestReset(t *testing.T) {
	backends(t, func(t *testing.T, p *tcp.Proxy, addr string) {
		before := dial(t, addr)
		before.mustAnswer(t)
		undo := begin(t, p, tcp.Effect{Reset: true})
		if _, _, err := dial(t, addr).ask(patience); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a new connection: %v, want it reset", err)
		}
		_, _, err := before.ask(patience)
		local := strings.HasSuffix(t.Name(), "/local")
		if local && !errors.Is(err, syscall.ECONNRESET) || !local && err == nil {
			t.Errorf("a connection that was there: %v, want it reset", err)
		}
		undo()
		dial(t, addr).mustAnswer(t)
	})
}

func TestBlackHole(t *testing.T) {
	backends(t, func(t *testing.T, p *tcp.Proxy, addr string) {
		before := dial(t, addr)
		before.mustAnswer(t)
		undo := begin(t, p, tcp.Effect{BlackHole: true})
		for _, c := range []*client{before, dial(t, addr)} {
			if _, _, err := c.ask(100 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a question into the hole: %v, want no answer", err)
			}
		}
		undo()
		dial(t, addr).mustAnswer(t)
	})
}

func TestLatency(t *testing.T) {
	backends(t, func(t *testing.T, p *tcp.Proxy, addr string) {
		c := dial(t, addr)
		c.mustAnswer(t)
		undo := begin(t, p, tcp.Effect{Latency: 150 * time.Millisecond, Jitter: 50 * time.Millisecond})
		for range 3 {
			if took := c.mustAnswer(t); took < 95*time.Millisecond {
				t.Errorf("an answer took %v, want 100 ms at least", took)
			}
		}
		undo()
		c.mustAnswer(t) // on the same connection
	})
}

func TestBandwidth(t *testing.T) {
	backends(t, func(t *testing.T, p *tcp.Proxy, addr string) {
		undo := begin(t, p, tcp.Effect{Bandwidth: 4 << 20})
		c := dial(t, addr)
		begun := time.Now()
		if _, err := io.WriteString(c, "big\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, c.r, 1<<20); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took < 200*time.Millisecond {
			t.Errorf("a megabyte at 4 MB/s took %v", took)
		}
		undo()
		c.mustAnswer(t)
	})
}

func TestSlowClose(t *testing.T) {
	backends(t, func(t *testing.T, p *tcp.Proxy, addr string) {
		undo := begin(t, p, tcp.Effect{SlowClose: 200 * time.Millisecond})
		c := dial(t, addr)
		c.mustAnswer(t)
		begun := time.Now()
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("after closing: %v, want the end", err)
		}
		if took := time.Since(begun); took < 190*time.Millisecond {
			t.Errorf("closing took %v, want 200 ms at least", took)
		}
		undo()
	})
}

func TestLimitBytes(t *testing.T) {
	backends(t, func(t *testing.T, p *tcp.Proxy, addr string) {
		undo := begin(t, p, tcp.Effect{LimitBytes: 7})
		c := dial(t, addr)
		c.mustAnswer(t)
		answer, _, err := c.ask(patience)
		if answer != "pi" || err == nil {
			t.Errorf("the second answer is %q, %v; want it cut after two bytes", answer, err)
		}
		undo()
		dial(t, addr).mustAnswer(t)
	})
}

func TestUpstream(t *testing.T) {
	backends(t, func(t *testing.T, p *tcp.Proxy, addr string) {
		undo := begin(t, p, tcp.Effect{LimitBytes: 3, Direction: tcp.Upstream})
		if answer, _, err := dial(t, addr).ask(patience); answer != "" || err == nil {
			t.Errorf("an answer %q, %v, to a question that did not arrive whole", answer, err)
		}
		undo()
	})
}

func TestMaxConnections(t *testing.T) {
	proxied(t, "", func(t *testing.T, p *tcp.Proxy, addr string) {
		var clients [3]*client
		for i := range clients {
			clients[i] = dial(t, addr)
			clients[i].mustAnswer(t) // the next one is younger
		}
		first, second, third := clients[0], clients[1], clients[2]
		undo := begin(t, p, tcp.Effect{MaxConnections: 2})
		first.mustAnswer(t)
		second.mustAnswer(t)
		if _, _, err := third.ask(patience); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("the connection beyond the limit: %v, want it reset", err)
		}
		if err := askOnce(t, addr); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a new connection beyond the limit: %v, want it reset", err)
		}
		first.Close()
		for deadline := time.Now().Add(patience); askOnce(t, addr) != nil; {
			if time.Now().After(deadline) {
				t.Fatal("a place that became free is never given to another connection")
			}
		}
		undo()
		dial(t, addr).mustAnswer(t)
	})
}

// A share of connections is chosen; with many, both kinds are there whatever the random numbers are.
func TestShare(t *testing.T) {
	backends(t, func(t *testing.T, p *tcp.Proxy, addr string) {
		undo := begin(t, p, tcp.Effect{Reset: true, Share: 0.5})
		failed := 0
		const all = 100
		for range all {
			c := dial(t, addr)
			if _, _, err := c.ask(patience); err != nil {
				failed++
			}
			c.Close()
		}
		if failed < 20 || failed > 80 { // a binomial count is outside of this once in 10⁹ times
			t.Errorf("%d of %d connections were reset, want about half", failed, all)
		}
		undo()
		dial(t, addr).mustAnswer(t)
	})
}

// A client that does not read holds its toxics up; the fault must be undone all the same.
func TestUndoWithAClientThatDoesNotRead(t *testing.T) {
	proxied(t, "", func(t *testing.T, p *tcp.Proxy, addr string) {
		stuck := dial(t, addr)
		for range 20 {
			if _, err := io.WriteString(stuck, "big\n"); err != nil {
				t.Fatal(err)
			}
		}
		undo := begin(t, p, tcp.Effect{Latency: 10 * time.Millisecond})
		undo()
		dial(t, addr).mustAnswer(t)
	})
}

func TestWrongEffects(t *testing.T) {
	for name, e := range map[string]tcp.Effect{
		"0 effects":                 {},
		"2 effects":                 {Cut: true, Reset: true},
		"jitter":                    {Latency: 1, Jitter: 2},
		"at least 1 kB":             {Bandwidth: 999},
		"upstream or downstream":    {Reset: true, Direction: "sideways"},
		"at most 1":                 {Reset: true, Share: 1.5},
		"cannot be cut or limited":  {Cut: true, Share: 0.5},
		"cannot be cut or limited,": {MaxConnections: 1, Share: 0.5},
	} {
		p := tcp.New(tcp.Options{Name: "database", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1"})
		undo, err := p.Fault("1", e).Start(t.Context())
		if undo != nil || err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v, want %q", e, err, name)
		}
	}
}

func TestStartErrors(t *testing.T) {
	taken := echo(t)
	for _, test := range []struct {
		options tcp.Options
		want    string
	}{
		{tcp.Options{Name: "database", Listen: taken, Upstream: taken}, "listening on " + taken},
		{tcp.Options{Name: "database", Listen: "127.0.0.1:0", Upstream: taken, Server: "http://" + taken}, "asking the toxiproxy server"},
	} {
		if _, err := tcp.New(test.options).Start(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.options, err, test.want)
		}
	}
}

// What the upstream is not there for, the service is to see as it would without a proxy: a connection that ends.
func TestUpstreamThatIsNotThere(t *testing.T) {
	p := tcp.New(tcp.Options{Name: "database", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1"})
	addr, err := p.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := askOnce(t, addr); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("asking nobody: %v, want a connection that was closed", err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
