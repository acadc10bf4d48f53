package web_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/protocol"
	"tidegauge/engine/protocol/web"
)

// theWorld is a client's network on which all hosts are one handler.
func theWorld(t testing.TB, o web.Options, h http.HandlerFunc) web.Options {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	o.LookupHost = func(context.Context, string) ([]string, error) { return []string{"192.0.2.1"}, nil }
	o.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
	}
	return o
}

// TestRedirects: how a redirect is followed, and what goes along.
func TestRedirects(t *testing.T) {
	const full = "| me | x"
	for _, c := range []struct {
		name     string
		method   string
		status   int
		location string
		want     string // what the second request is
	}{
		{"moved", "GET", 301, "/b", "GET shop.test/b " + full},
		{"relative", "GET", 302, "b?c=d", "GET shop.test/a/b?c=d " + full},
		{"POST moved", "POST", 301, "/b", "GET shop.test/b | me | "},
		{"POST found", "POST", 302, "/b", "GET shop.test/b | me | "},
		{"PUT found", "PUT", 302, "/b", "PUT shop.test/b | me | x body"},
		{"POST, see other", "POST", 303, "/b", "GET shop.test/b | me | "},
		{"PUT, see other", "PUT", 303, "/b", "GET shop.test/b | me | "},
		{"HEAD, see other", "HEAD", 303, "/b", "HEAD shop.test/b " + full},
		{"POST kept", "POST", 307, "/b", "POST shop.test/b | me | x body"},
		{"POST kept for good", "POST", 308, "/b", "POST shop.test/b | me | x body"},
		{"to another host", "GET", 302, "http://other.test/b", "GET other.test/b |  | x"},
		{"to another host by its own right", "GET", 302, "http://you:p@other.test/b", "GET other.test/b | Basic eW91OnA= | x"},
		{"to another port", "GET", 302, "http://shop.test:81/b", "GET shop.test:81/b " + full},
		{"without a scheme", "GET", 302, "//shop.test/b", "GET shop.test/b " + full},
		{"off the web", "GET", 302, "mailto:me@shop.test", ""},
		{"nowhere", "GET", 302, "", ""},
		{"to what is no URL", "GET", 302, "http://[", ""},
		{"not a redirect", "GET", 300, "/b", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var second string
			first := true
			client := newClient(t, theWorld(t, web.Options{Redirects: 5}, func(w http.ResponseWriter, r *http.Request) {
				if first {
					first = false
					w.Header()["Location"] = []string{c.location}
					if c.location == "" {
						w.Header().Del("Location")
					}
					w.WriteHeader(c.status)
					return
				}
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				second = fmt.Sprintf("%s %s%s | %s | %s", r.Method, r.Host, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("Content-Type"))
				if len(body) > 0 {
					second += " " + string(body)
				}
				w.WriteHeader(204)
			}))
			req := &protocol.Request{
				Method: c.method, URL: "http://shop.test/a/", Timeout: 10 * time.Second,
				Header: []protocol.Field{{Name: "Authorization", Value: "me"}, {Name: "Content-Type", Value: "x"}},
			}
			if c.method == "POST" || c.method == "PUT" {
				req.Body = []byte("body")
			}
			resp := &protocol.Response{}
			want(t, client.Do(t.Context(), req, resp), resp, protocol.OK, "")
			if second != c.want {
				t.Errorf("second request %q, want %q", second, c.want)
			}
			status := 204
			if c.want == "" {
				status = c.status
			}
			if resp.Status != status {
				t.Errorf("status %d, want %d", resp.Status, status)
			}
		})
	}
}

func TestRedirectLimits(t *testing.T) {
	for _, c := range []struct {
		allowed, requests int
		outcome           protocol.Outcome
		detail            string
	}{
		{0, 1, protocol.OK, ""},
		{1, 2, protocol.Body, "more than 1 redirect"},
		{5, 6, protocol.Body, "more than 5 redirects"},
	} {
		requests := 0
		client := newClient(t, theWorld(t, web.Options{Redirects: c.allowed}, func(w http.ResponseWriter, r *http.Request) {
			requests++
			http.Redirect(w, r, "/loop", http.StatusFound)
		}))
		outcome, resp := get(t, client, "http://shop.test/")
		want(t, outcome, resp, c.outcome, c.detail)
		if requests != c.requests || resp.Status != 302 {
			t.Errorf("%d requests, status %d, want %d, 302", requests, resp.Status, c.requests)
		}
	}
}

// TestCookies: cookies go where they belong, and live as long as the user.
func TestCookies(t *testing.T) {
	var seen []string
	client := newClient(t, theWorld(t, web.Options{Redirects: 1}, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Host+r.URL.Path+" "+r.Header.Get("Cookie"))
		switch r.URL.Path {
		case "/login":
			w.Header().Add("Set-Cookie", "session=1; Path=/")
			w.Header().Add("Set-Cookie", "admin=1; Path=/admin")
			w.Header().Add("Set-Cookie", "everywhere=1; Domain=test")
			w.Header().Add("Set-Cookie", "=;;;")
			http.Redirect(w, r, "/home", http.StatusFound)
		case "/logout":
			w.Header().Add("Set-Cookie", "session=; Max-Age=0; Path=/")
		}
	}))
	ask := func(url string, header ...protocol.Field) {
		resp := &protocol.Response{}
		want(t, client.Do(t.Context(), &protocol.Request{Method: "GET", URL: url, Header: header, Timeout: 10 * time.Second}, resp), resp, protocol.OK, "")
	}
	ask("http://shop.test/")
	ask("http://shop.test/login?x=/admin")
	ask("http://shop.test/admin/x#y")
	ask("http://shop.test/", protocol.Field{Name: "Cookie", Value: "own=2"})
	ask("http://other.test/")
	ask("http://shop.test/logout")
	ask("http://shop.test/")
	expected := []string{
		"shop.test/ ", "shop.test/login ", "shop.test/home session=1", "shop.test/admin/x admin=1; session=1", "shop.test/ own=2; session=1",
		"other.test/ ", "shop.test/logout session=1", "shop.test/ ",
	}
	if !slices.Equal(seen, expected) {
		t.Errorf("seen\n%s\nwant\n%s", strings.Join(seen, "\n"), strings.Join(expected, "\n"))
	}
}
