package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

// watch shows four seconds of a run on a display: ten requests of 20 ms a second, of which one fails.
func watch(t *testing.T, live bool, screen io.Writer) {
	t.Helper()
	c := &console{out: screen, getenv: func(string) (string, bool) { return "", false }}
	p := newProgress(c, "shop · load", 0, false)
	if p.live {
		t.Fatal("a buffer is taken for a terminal")
	}
	p.width = func() int { return 80 }
	if live {
		p.live, p.updates = true, make(chan []string, 1)
	}
	names := &measure.Names{Classes: []string{"A"}, Requests: []measure.Request{{Class: "A", Name: "/", Method: "GET"}}}
	r := measure.New(names, measure.Options{})
	r.SetGauges(measure.Gauges{Phase: "steady", Planned: 4 * time.Second, Rate: 10})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	p.start()
	go func() { done <- r.Run(ctx, time.Now(), p) }()
	for range 4 {
		time.Sleep(500 * time.Millisecond)
		for i := range 10 {
			outcome := protocol.OK
			if i == 0 {
				outcome = protocol.Reset
			}
			r.AddUsers(0, 1)
			now := time.Now()
			r.Shard(0).StartRequest(0)
			r.Shard(0).Observe(&measure.Observation{Outcome: outcome, Intended: now.Add(-20 * time.Millisecond), Sent: now, Finished: now})
			r.AddUsers(0, -1)
		}
		time.Sleep(500 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	p.stop()
}

func TestPlainProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		watch(t, false, &out)
		want := `shop · load: running for 0:04
  0:04  steady   users 1        10.0/s  p50 20 ms    p95 20 ms    p99 20 ms    failed 4 (10%)
`
		if got := out.String(); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

func TestLiveProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		watch(t, true, &out)
		frames := strings.Split(out.String(), "\x1b[4A")
		last := frames[len(frames)-1]
		for _, want := range []string{
			"shop · load  [███████████████]  steady",
			"0:04 of 0:04  users 1  rate 10.0/s (due 10/s)  failed 4 (10%)",
			"p50 20 ms  p95 20 ms  p99 20 ms",
			"p95 ████ ≤ 20 ms",
		} {
			if !strings.Contains(last, want) {
				t.Errorf("the last frame lacks %q:\n%s", want, last)
			}
		}
		if strings.Count(last, "\n") != 4 {
			t.Errorf("a frame of %d lines, want 4: redrawing counts on it\n%q", strings.Count(last, "\n"), last)
		}
	})
}

// stuck is a terminal on which somebody pressed Ctrl-S: writing waits until it is let go.
type stuck struct{ letGo chan struct{} }

func (s stuck) Write(b []byte) (int, error) {
	<-s.letGo
	return len(b), nil
}

// TestStuckTerminalDoesNotHoldTheRun: snapshots go on although nobody reads what is shown.
func TestStuckTerminalDoesNotHoldTheRun(t *testing.T) {
	for _, live := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := stuck{make(chan struct{})}
			time.AfterFunc(time.Hour, func() { close(s.letGo) })
			begin := time.Now()
			watch(t, live, s)
			// The run took its four seconds; only the end waited for the reader.
			if took := time.Since(begin); took != time.Hour {
				t.Errorf("live %v: everything over after %v, want the hour until the terminal was let go", live, took)
			}
		})
	}
}
