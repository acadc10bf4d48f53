package tcp_test

import (
	"context"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"tidegauge/engine/fault"
	"tidegauge/engine/fault/tcp"
)

// What a process that is gone has left at a toxiproxy server is put right from its journal, and the proxy stays there.
func TestRestoreAtServer(t *testing.T) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	web := httptest.NewServer(server.Routes())
	defer web.Close()
	defer func() {
		if err := server.Collection.Clear(); err != nil {
			t.Error(err)
		}
	}()
	for name, e := range map[string]tcp.Effect{
		"cut":        {Cut: true},
		"black hole": {BlackHole: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := tcp.New(tcp.Options{Name: name, Listen: "127.0.0.1:0", Upstream: echo(t), Server: web.URL + "/"})
			addr, err := p.Start(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			leaveBehind(t, dir, p.Fault("1", e))
			if err := askFor(t, addr, 200*time.Millisecond); err == nil {
				t.Error("nothing is broken")
			}
			restored, err := fault.Restore(t.Context(), dir, nil)
			if err != nil || len(restored) != 1 {
				t.Fatalf("restored %v, %v", restored, err)
			}
			dial(t, addr).mustAnswer(t)
			// Another run finds the proxy there and uses it.
			if again, err := tcp.New(tcp.Options{Name: name, Listen: addr, Upstream: upstreamOf(t, server, name), Server: web.URL}).Start(t.Context()); err != nil || again != addr {
				t.Errorf("started again at %s, %v; want %s", again, err, addr)
			}
		})
	}
}

// leaveBehind starts a fault and leaves it as a process does that is killed: in force, and in the journal of a process that is
// gone.
func leaveBehind(t *testing.T, dir string, f fault.Fault) {
	t.Helper()
	journal := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	line := fault.NewTimeline([]fault.Planned{{Name: "left", For: time.Hour, Fault: f}}, fault.Options{Dir: journal, Run: "run-1", Notify: func(fault.Record) {
		files, err := filepath.Glob(filepath.Join(journal, "*"))
		if err != nil {
			t.Error(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Error(err)
			}
			gone := strings.Replace(string(text), `"boot": "`, `"boot": "another-`, 1)
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), []byte(gone), 0o600); err != nil {
				t.Error(err)
			}
		}
		cancel()
	}})
	if err := line.Run(ctx, time.Now()); err != nil {
		t.Fatal(err)
	}
	// It was undone, as a process does that is not killed.
	if _, err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func askFor(t *testing.T, addr string, within time.Duration) error {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_, _, err = newClient(c).ask(within)
	return err
}

func upstreamOf(t *testing.T, server *toxiproxy.ApiServer, name string) string {
	t.Helper()
	p, err := server.Collection.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return p.Upstream
}
