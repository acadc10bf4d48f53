package exporters

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWrongScheme: HTTP to a server that speaks HTTPS, the other way round, and a certificate that nobody knows lose nothing,
// and say what to write; once that is written everything arrives, in the same outlet.
func TestWrongScheme(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{write1, write2, lines, openTelemetry} {
		secure, plain := &fake{t: t, taken: map[string]bool{}}, &fake{t: t, taken: map[string]bool{}}
		https, http := httptest.NewUnstartedServer(secure), httptest.NewServer(plain)
		https.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes, which fail on purpose
		https.StartTLS()
		t.Cleanup(https.Close)
		t.Cleanup(http.Close)
		ca := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: https.Certificate().Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name, wrong, options, right, message string
			to                                   *fake
		}{
			{"HTTP to HTTPS", strings.Replace(https.URL, "https:", "http:", 1), "ca=" + url.QueryEscape(ca), https.URL,
				"the server answers 400 Bad Request: Client sent an HTTP request to an HTTPS server. (write https:// in the address)", secure},
			{"HTTPS to HTTP", strings.Replace(http.URL, "http:", "https:", 1), "", http.URL,
				"http: server gave HTTP response to HTTPS client (check https, and the options ca and server_name)", plain},
			{"unknown certificate", https.URL, "ca=" + url.QueryEscape(ca), https.URL,
				"tls: failed to verify certificate: x509: certificate signed by unknown authority (check https, and the options ca and server_name)", secure},
		} {
			t.Run(kind+" "+tt.name, func(t *testing.T) {
				dir := t.TempDir()
				l := openLab(t, dir, 20*time.Second, spec(kind, tt.wrong, ""))
				put(t, l, 3)
				l.set.Begin(t.Context())
				b := l.set.Flush(t.Context())[0]
				if b.Lost != 0 || b.Sent != 0 || b.Waiting == 0 || !b.Balanced {
					t.Errorf("books %+v", b)
				}
				messages := l.messages(b.Outlet)
				if len(messages) == 2 {
					messages[1] = varying[0].what.ReplaceAllString(messages[1], varying[0].with)
					// One that closes the connection with a request unread may be heard only the second time.
					messages[0] = strings.Replace(messages[0], "the server closed the connection without an answer", tt.message, 1)
				}
				if d := cmp.Diff([]string{tt.message + kept, waits}, messages); d != "" || b.LastError != tt.message {
					t.Errorf("messages -want +got: %s; the last error is %s", d, b.LastError)
				}
				l.end()
				tt.to.mu.Lock()
				clear(tt.to.taken)
				tt.to.mu.Unlock()
				l = openLab(t, dir, 20*time.Second, spec(kind, tt.right, tt.options))
				l.set.Begin(t.Context())
				after := l.set.Flush(t.Context())[0]
				if !after.Complete() || after.WaitingBefore != b.Waiting || uint64(len(tt.to.taken)) != after.Sent {
					t.Errorf("once it was right: books %+v, %d arrived", after, len(tt.to.taken))
				}
			})
		}
	}
}

// TestTenants of one server, as Mimir and Thanos have them, are told apart by a header: each has its own outlet, and its own
// samples.
func TestTenants(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	tenants := map[string]*fake{"team-a": {t: t, taken: map[string]bool{}}, "team-b": {t: t, taken: map[string]bool{}}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		tenant, known := tenants[r.Header.Get("X-Scope-OrgID")]
		mu.Unlock()
		if !known || r.URL.Path != "/api/v1/push" {
			http.Error(w, "no org id", http.StatusUnauthorized)
			return
		}
		tenant.ServeHTTP(w, r)
	}))
	defer s.Close()
	const address = "/api/v1/push"
	l := openLab(t, t.TempDir(), 20*time.Second,
		"prometheus="+s.URL+address,
		"prometheus="+s.URL+address+"?header.X-Scope-OrgID=team-a",
		"prometheus="+s.URL+address+"?header.X-Scope-OrgID=team-b&protocol=2")
	put(t, l, 3)
	l.set.Begin(t.Context())
	books := l.set.Flush(t.Context())
	if b := books[0]; b.Sent != 0 || b.Lost != 0 || b.Waiting == 0 || b.LastError != "the server answers 401 Unauthorized: no org id (check the token or password)" {
		t.Errorf("without a tenant: %+v", b)
	}
	complete(t, books[1:])
	for i, name := range []string{"team-a", "team-b"} {
		if got := uint64(len(tenants[name].taken)); got != books[1+i].Sent {
			t.Errorf("%s has %d samples, the books say %d", name, got, books[1+i].Sent)
		}
	}
}
