package scrape

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// What may not be reached is not, whichever way a job tries: by relabelling, a redirect, a unix socket, a token endpoint.
func TestPermit(t *testing.T) {
	open, closed := newServer(t, false), newServer(t, false)
	var away atomic.Int64
	redirecting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		away.Add(1)
		http.Redirect(w, r, closed.URL, http.StatusFound)
	}))
	defer redirecting.Close()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Skipf("NOT TESTED: unix sockets: %v", err)
	}
	inside := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the unix socket was asked") })}}
	inside.Start()
	defer inside.Close()

	permit := func(address string) error {
		if address == closed.address() {
			return errors.New("not among the hosts")
		}
		return nil
	}
	jobs := fmt.Sprintf(`
- {job_name: open, static_configs: [{targets: [%[1]q]}]}
- {job_name: relabelled, static_configs: [{targets: [%[1]q]}], relabel_configs: [{target_label: __address__, replacement: %[2]q}]}
- {job_name: redirected, static_configs: [{targets: [%[3]q]}]}
- {job_name: socket, static_configs: [{targets: [%[2]q]}], relabel_configs: [{target_label: __unix_socket__, replacement: %[4]q}]}
- {job_name: token, static_configs: [{targets: [%[1]q]}], oauth2: {client_id: a, client_secret: b, token_url: %[5]q}}
`, open.address(), closed.address(), redirecting.Listener.Addr().String(), socket, closed.URL)
	s := openStore(t)
	targets := during(t, Options{Jobs: []byte(jobs), Store: s, Permit: permit}, func() { open.scraped(t, 2) })
	if len(targets) != 5 {
		t.Fatalf("targets %+v", targets)
	}
	for _, x := range targets {
		if want := x.Job == "open"; (x.Up > 0) != want || !want && x.Scrapes > 0 && !strings.Contains(x.LastError, "not among the hosts") {
			t.Errorf("%s: up %d of %d, last error %q", x.Job, x.Up, x.Scrapes, x.LastError)
		}
	}
	if n := closed.scrapes.Load(); n > 0 || away.Load() == 0 {
		t.Errorf("what may not be reached was asked %d times, and what redirects there %d times", n, away.Load())
	}
	rules := Rules{NoProxy: true, Permit: permit}
	for job, says := range map[string]string{
		fmt.Sprintf("{job_name: a, static_configs: [{targets: [%q]}]}", closed.address()):                                                                          "not among the hosts",
		"{job_name: a, proxy_url: 'http://localhost:3128', static_configs: [{targets: ['a:1']}]}":                                                                  "through a proxy",
		"{job_name: a, proxy_from_environment: true, static_configs: [{targets: ['a:1']}]}":                                                                        "through a proxy",
		"{job_name: a, oauth2: {client_id: a, client_secret: b, token_url: 'http://a', proxy_url: 'http://localhost:3128'}, static_configs: [{targets: ['a:1']}]}": "through a proxy",
	} {
		if err := rules.Check("", []byte(job)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", job, err, says)
		}
	}
}
