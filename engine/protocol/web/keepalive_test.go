package web_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/protocol"
	"tidegauge/engine/protocol/web"
)

// TestClosedWhileIdle: a server that closes a kept-alive connection without saying so. On a real socket this is seen
// before the next request, whatever its method; where it cannot be seen, methods that may be are sent again.
func TestClosedWhileIdle(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	for _, c := range []struct {
		name, method string
		socket       bool
		last         string // what the server says on its own before it closes
		outcome      protocol.Outcome
		detail       string
	}{
		{"GET on a socket", "GET", true, "", protocol.OK, ""},
		{"POST on a socket", "POST", true, "", protocol.OK, ""},
		{"POST after a 408", "POST", true, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", protocol.OK, ""},
		{"GET unseen", "GET", false, "", protocol.OK, ""},
		{"POST unseen", "POST", false, "", protocol.Reset, "connection closed before the request was sent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			closed := make(chan struct{}, 10)
			connections := 0
			serve := func(k net.Conn) {
				once := false
				each(func(*http.Request) string {
					if once {
						return ""
					}
					once = true
					return answer + c.last
				})(&closing{Conn: k})
				k.Close()
				closed <- struct{}{}
			}
			var o web.Options
			url := "http://192.0.2.1"
			if c.socket {
				url = listen(t, serve)
			} else {
				o.Dial = pipes(t, serve)
			}
			dial := o.Dial
			if dial == nil {
				dial = new(net.Dialer).DialContext
			}
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				connections++
				return dial(ctx, network, address)
			}
			client := newClient(t, o)
			ask := func() (protocol.Outcome, *protocol.Response) {
				resp := &protocol.Response{}
				return client.Do(t.Context(), &protocol.Request{Method: c.method, URL: url, Timeout: 10 * time.Second}, resp), resp
			}
			outcome, resp := ask()
			want(t, outcome, resp, protocol.OK, "")
			if c.last != "" {
				return // closed by us: there was more than the answer
			}
			<-closed
			web.Idle(client)
			outcome, resp = ask()
			want(t, outcome, resp, c.outcome, c.detail)
			if c.outcome == protocol.OK && (connections != 2 || resp.Timings.Connect <= 0) {
				t.Errorf("%d connections, timings %+v, want a second one", connections, resp.Timings)
			}
		})
	}
}

// closing ends a conversation after one request.
type closing struct {
	net.Conn
	answered bool
}

func (k *closing) Write(p []byte) (int, error) {
	k.answered = true
	return k.Conn.Write(p)
}

func (k *closing) Read(p []byte) (int, error) {
	if k.answered {
		return 0, net.ErrClosed
	}
	return k.Conn.Read(p)
}

// TestOneRetry: a request is sent again once, not for ever.
func TestOneRetry(t *testing.T) {
	connections := 0
	serve := pipes(t, func(k net.Conn) {
		first := connections == 1
		each(func(*http.Request) string {
			if !first {
				return ""
			}
			return "HTTP/1.1 204 No Content\r\n\r\n"
		})(&closing{Conn: k})
	})
	client := newClient(t, web.Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		connections++
		return serve(ctx, network, address)
	}})
	outcome, resp := get(t, client, "http://192.0.2.1")
	want(t, outcome, resp, protocol.OK, "")
	outcome, resp = get(t, client, "http://192.0.2.1")
	want(t, outcome, resp, protocol.Reset, "connection closed before the answer")
	if connections != 2 {
		t.Errorf("%d connections, want 2", connections)
	}
}

// TestHosts: a user keeps connections to a few hosts, the latest.
func TestHosts(t *testing.T) {
	dialled := map[string]int{}
	answer := pipes(t, each(func(*http.Request) string { return "HTTP/1.1 204 No Content\r\n\r\n" }))
	client := newClient(t, web.Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled[address]++
		return answer(ctx, network, address)
	}})
	ask := func(hosts ...int) {
		for _, h := range hosts {
			outcome, resp := get(t, client, fmt.Sprintf("http://192.0.2.%d/", h))
			want(t, outcome, resp, protocol.OK, "")
		}
	}
	ask(1, 2, 3, 4, 1, 5, 1) // five hosts: 2 has to go
	ask(3, 4, 5, 1, 2)
	for host, n := range map[string]int{"1": 1, "2": 2, "3": 1, "4": 1, "5": 1} {
		if got := dialled["192.0.2."+host+":80"]; got != n {
			t.Errorf("host %s was dialled %d times, want %d", host, got, n)
		}
	}
	for h := range 200 { // more origins than are remembered
		outcome, resp := get(t, client, fmt.Sprintf("http://192.0.2.1:%d/", 1000+h))
		want(t, outcome, resp, protocol.OK, "")
	}
}

// TestPhases: each phase is timed where it takes place, and nowhere else.
func TestPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		serve := pipes(t, func(k net.Conn) {
			in := make([]byte, 4096)
			for {
				if _, err := k.Read(in); err != nil {
					return
				}
				time.Sleep(40 * time.Millisecond)
				for _, part := range []string{"HTTP/1.1 200 OK\r\nContent-Le", "ngth: 4\r\n\r\nab", "cd"} {
					if _, err := k.Write([]byte(part)); err != nil {
						return
					}
					if part != "cd" {
						time.Sleep(8 * time.Millisecond)
					}
				}
			}
		})
		client := newClient(t, web.Options{
			LookupHost: func(context.Context, string) ([]string, error) {
				time.Sleep(10 * time.Millisecond)
				return []string{"192.0.2.1"}, nil
			},
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				time.Sleep(20 * time.Millisecond)
				return serve(ctx, network, address)
			},
		})
		first := protocol.Timings{DNS: 10 * time.Millisecond, Connect: 20 * time.Millisecond, Wait: 40 * time.Millisecond, Receive: 16 * time.Millisecond}
		second := protocol.Timings{Wait: first.Wait, Receive: first.Receive}
		for _, timings := range []protocol.Timings{first, second} {
			outcome, resp := get(t, client, "http://shop.test/")
			want(t, outcome, resp, protocol.OK, "")
			if resp.Timings != timings {
				t.Errorf("timings %+v, want %+v", resp.Timings, timings)
			}
			if total := timings.DNS + timings.Connect + timings.Wait + timings.Receive; resp.Finished.Sub(resp.Sent) != total {
				t.Errorf("it took %v, want the phases' sum %v", resp.Finished.Sub(resp.Sent), total)
			}
		}
	})
}

// TestInterrupted: a connection that was interrupted is not used again.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answered atomic.Bool
		client := newClient(t, web.Options{Dial: pipes(t, each(func(*http.Request) string {
			if answered.CompareAndSwap(false, true) {
				time.Sleep(2 * time.Second)
			}
			return "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
		}))})
		resp := &protocol.Response{}
		outcome := client.Do(t.Context(), &protocol.Request{Method: "POST", URL: "http://192.0.2.1", Timeout: time.Second}, resp)
		want(t, outcome, resp, protocol.Timeout, "no answer within 1s")
		outcome = client.Do(t.Context(), &protocol.Request{Method: "POST", URL: "http://192.0.2.1", Timeout: time.Second}, resp)
		want(t, outcome, resp, protocol.OK, "")
		if resp.Timings.Receive != 0 || string(resp.Body) != "x" {
			t.Errorf("timings %+v, body %q", resp.Timings, resp.Body)
		}
		time.Sleep(2 * time.Second)
	})
}
