package webfault_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"tidegauge/engine/fault/webfault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// between returns a started proxy before a handler, its address, and a client for it.
func between(t *testing.T, h http.Handler, o webfault.Options) (*webfault.Proxy, string, *http.Client) {
	t.Helper()
	upstream := httptest.NewServer(h)
	t.Cleanup(upstream.Close)
	o.Name, o.Listen, o.Upstream = "notifications", "127.0.0.1:0", upstream.URL+o.Upstream
	p := webfault.New(o)
	addr, err := p.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p, addr, &http.Client{Transport: transport}
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"status":"ok"}`) }

// begin starts a fault and returns what undoes it, twice.
func begin(t *testing.T, p *webfault.Proxy, id string, e webfault.Effect) func() {
	t.Helper()
	undo, err := p.Fault(id, e).Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		for range 2 {
			if err := undo(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func get(t *testing.T, c *http.Client, url string) (status int, header http.Header, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(b), err
}

// A request arrives as it was sent, and its answer as it was given.
func TestTransparent(t *testing.T) {
	var got *http.Request
	var gotBody string
	_, addr, _ := between(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got, gotBody = r, string(b)
		w.Header().Set("Trailer", "X-Sum")
		w.Header()["X-Many"] = []string{"a", "b"}
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short and stout")
		w.Header().Set("X-Sum", "15")
	}), webfault.Options{Upstream: "/base"})
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = io.WriteString(c, "PUT /a%2Fb//c?q=1;2&%zz HTTP/1.1\r\nHost: payments.example:81\r\nX-Forwarded-For: 1.2.3.4\r\n"+
		"Accept-Encoding: br\r\nContent-Length: 5\r\n\r\nhello")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	want := "PUT /base/a%2Fb//c?q=1;2&%zz payments.example:81 hello"
	if g := fmt.Sprintf("%s %s %s %s", got.Method, got.RequestURI, got.Host, gotBody); g != want {
		t.Errorf("the request arrives as %s, want %s", g, want)
	}
	if diff := cmp.Diff(http.Header{"X-Forwarded-For": {"1.2.3.4"}, "Accept-Encoding": {"br"}, "Content-Length": {"5"}}, got.Header); diff != "" {
		t.Errorf("its header (-want +got): %s", diff)
	}
	if resp.StatusCode != http.StatusTeapot || string(body) != "short and stout" || len(resp.Header["X-Many"]) != 2 || resp.Trailer.Get("X-Sum") != "15" {
		t.Errorf("the answer arrives as %s %q %v, trailer %v", resp.Status, body, resp.Header, resp.Trailer)
	}
}

// What the upstream has written is there before it has written everything.
func TestStreaming(t *testing.T) {
	release := make(chan struct{})
	_, addr, client := between(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "first\n")
		w.(http.Flusher).Flush()
		<-release
		_, _ = io.WriteString(w, "second\n")
	}), webfault.Options{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewReader(resp.Body)
	for _, want := range []string{"first\n", "second\n"} {
		if line, err := lines.ReadString('\n'); line != want || err != nil {
			t.Fatalf("read %q, %v; want %q", line, err, want)
		}
		if want == "first\n" {
			close(release)
		}
	}
}

func TestStatus(t *testing.T) {
	p, addr, client := between(t, http.HandlerFunc(ok), webfault.Options{})
	undo := begin(t, p, "1", webfault.Effect{Status: 429, RetryAfter: 2 * time.Second})
	status, header, body, err := get(t, client, "http://"+addr)
	if status != 429 || header.Get("Retry-After") != "2" || !strings.Contains(body, "fault") || err != nil {
		t.Errorf("during the fault: %d %v %q %v", status, header, body, err)
	}
	undo()
	if status, _, body, err := get(t, client, "http://"+addr); status != 200 || body != `{"status":"ok"}` || err != nil {
		t.Errorf("after the fault: %d %q %v", status, body, err)
	}
}

// Which requests a share takes follows from the seed: the same ones each time, and with another seed others.
func TestShare(t *testing.T) {
	taken := func(seed uint64) (sequence string) {
		p, addr, client := between(t, http.HandlerFunc(ok), webfault.Options{Seed: seed})
		defer begin(t, p, "1", webfault.Effect{Status: 500, Share: 0.25})()
		for range 200 {
			status, _, _, err := get(t, client, "http://"+addr)
			if err != nil {
				t.Fatal(err)
			}
			sequence += string('0' + rune(status/100))
		}
		return sequence
	}
	first := taken(1)
	if n := strings.Count(first, "5"); n != 55 {
		t.Errorf("seed 1 takes %d of 200 requests, want 55", n)
	}
	if again := taken(1); again != first {
		t.Errorf("seed 1 takes others the second time:\n%s\n%s", first, again)
	}
	if taken(2) == first {
		t.Error("seed 2 takes the same requests as seed 1")
	}
}

func TestRoute(t *testing.T) {
	p, addr, client := between(t, http.HandlerFunc(ok), webfault.Options{})
	defer begin(t, p, "1", webfault.Effect{Status: 503, Method: "POST", Path: "/users/*/mail"})()
	defer begin(t, p, "2", webfault.Effect{Status: 500, Path: "/*a*b"})()
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{"POST", "/users/7/mail", 503},
		{"POST", "/users//mail", 503},
		{"POST", "/users/7/mail?x=1", 503},
		{"GET", "/users/7/mail", 200},
		{"POST", "/users/7/mails", 200},
		{"POST", "/users/mail", 200},
		{"GET", "/ab", 500},
		{"GET", "/xaybzb", 500},
		{"GET", "/ba", 200},
		{"GET", "/", 200},
	} {
		req, err := http.NewRequestWithContext(t.Context(), test.method, "http://"+addr+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != test.want {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, resp.StatusCode, test.want)
		}
	}
}

func TestDelay(t *testing.T) {
	p, addr, client := between(t, http.HandlerFunc(ok), webfault.Options{})
	undo := begin(t, p, "1", webfault.Effect{Delay: 100 * time.Millisecond})
	begun := time.Now()
	if status, _, _, err := get(t, client, "http://"+addr); status != 200 || err != nil {
		t.Errorf("delayed: %d, %v", status, err)
	}
	if took := time.Since(begun); took < 95*time.Millisecond {
		t.Errorf("it took %v, want 100 ms at least", took)
	}
	undo()
	// A request that is held when the fault ends goes on at once.
	undo = begin(t, p, "2", webfault.Effect{Delay: time.Hour})
	answered := make(chan int, 1)
	go func() {
		status, _, _, _ := get(t, client, "http://"+addr)
		answered <- status
	}()
	undo()
	if status := <-answered; status != 200 {
		t.Errorf("held when the fault ended: %d", status)
	}
}

func TestAbort(t *testing.T) {
	p, addr, client := between(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/empty":
			w.WriteHeader(http.StatusAccepted)
		case "/chunked":
			for range 3 {
				_, _ = io.WriteString(w, "0123456789")
				w.(http.Flusher).Flush()
			}
		default:
			_, _ = io.WriteString(w, "0123456789")
		}
	}), webfault.Options{})
	undo := begin(t, p, "1", webfault.Effect{Abort: true})
	if status, _, body, err := get(t, client, "http://"+addr); status != 200 || body != "01234" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a body of ten bytes: %d %q %v, want half of it", status, body, err)
	}
	if status, _, body, err := get(t, client, "http://"+addr+"/chunked"); status != 200 || len(body) == 0 || len(body) >= 30 || err == nil {
		t.Errorf("a body in chunks: %d %q %v, want a piece of it", status, body, err)
	}
	if status, _, _, err := get(t, client, "http://"+addr+"/empty"); err == nil {
		t.Errorf("an answer without a body: %d, want none", status)
	}
	undo()
	if _, _, body, err := get(t, client, "http://"+addr); body != "0123456789" || err != nil {
		t.Errorf("after the fault: %q %v", body, err)
	}
}

func TestMalformed(t *testing.T) {
	p, addr, client := between(t, http.HandlerFunc(ok), webfault.Options{})
	defer begin(t, p, "1", webfault.Effect{Malformed: true})()
	status, header, body, err := get(t, client, "http://"+addr)
	if status != 200 || header.Get("Content-Length") != "15" || len(body) != 15 || utf8.ValidString(body) || err != nil {
		t.Errorf("%d %v %q %v, want fifteen bytes of garbage", status, header, body, err)
	}
}

func TestUpgrade(t *testing.T) {
	_, addr, _ := between(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "echo")
		w.WriteHeader(http.StatusSwitchingProtocols)
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, rw)
	}), webfault.Options{})
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrading: %v, %v", resp, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.WriteString(c, "ping\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := r.ReadString('\n'); line != "ping\n" || err != nil {
		t.Errorf("echo %q, %v", line, err)
	}
}

func TestUpstreamThatIsNotThere(t *testing.T) {
	p := webfault.New(webfault.Options{Name: "notifications", Listen: "127.0.0.1:0", Upstream: "http://127.0.0.1:1"})
	addr, err := p.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status, _, _, err := get(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http://"+addr); err == nil {
		t.Errorf("nobody answers with %d, want no answer", status)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	p := webfault.New(webfault.Options{Name: "notifications", Listen: "127.0.0.1:0", Upstream: "http://127.0.0.1:1"})
	for want, e := range map[string]webfault.Effect{
		"does nothing":  {},
		"at most one":   {Status: 500, Abort: true},
		"200 to 599":    {Status: 99},
		"whole seconds": {Status: 503, RetryAfter: time.Millisecond},
		"at most 1":     {Status: 500, Share: 2},
	} {
		if _, err := p.Fault("1", e).Start(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", e, err, want)
		}
	}
	if _, err := webfault.New(webfault.Options{Name: "x", Upstream: "nothing"}).Start(t.Context()); err == nil {
		t.Error("an upstream that is no URL: no error")
	}
	if err := p.Close(t.Context()); err != nil {
		t.Errorf("closing what was never started: %v", err)
	}
}
