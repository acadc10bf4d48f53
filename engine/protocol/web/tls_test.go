package web_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/protocol"
	"tidegauge/engine/protocol/web"
)

// authority signs certificates for tests.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = template, a.newKey()
	der := a.create(template, a.key)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

func (a *authority) create(template *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

func (a *authority) write(name, kind string, der []byte) {
	err := os.WriteFile(filepath.Join(a.dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// issue makes a certificate for 127.0.0.1 and shop.test, and writes it to name.pem and name.key.
func (a *authority) issue(name string, until time.Time) tls.Certificate {
	key := a.newKey()
	der := a.create(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"shop.test"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key)
	a.write(name+".pem", "CERTIFICATE", der)
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".key", "EC PRIVATE KEY", private)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serveTLS starts an HTTPS server whose answers say whether the TLS session was resumed.
func serveTLS(t testing.TB, config *tls.Config) string {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		state := "full"
		if r.TLS.DidResume {
			state = "resumed"
		}
		if r.Header.Get("X-Close") != "" {
			w.Header().Set("Connection", "close")
		}
		_, _ = io.WriteString(w, state) // the client's tests will miss it
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = config
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func clientConfig(t testing.TB, o web.TLS) *tls.Config {
	t.Helper()
	c, err := o.Config()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTLS(t *testing.T) {
	a := newAuthority(t)
	good, expired := a.issue("good", time.Now().Add(time.Hour)), a.issue("expired", time.Now().Add(-time.Hour))
	for _, c := range []struct {
		name    string
		server  *tls.Config
		client  web.TLS
		outcome protocol.Outcome
		detail  string
	}{
		{name: "trusted", server: &tls.Config{Certificates: []tls.Certificate{good}}, client: web.TLS{CAFile: a.file("ca.pem")}},
		{name: "unknown authority", server: &tls.Config{Certificates: []tls.Certificate{good}}, outcome: protocol.TLS, detail: "certificate is signed by an unknown authority"},
		{name: "not verified", server: &tls.Config{Certificates: []tls.Certificate{good}}, client: web.TLS{InsecureSkipVerify: true}},
		{name: "expired", server: &tls.Config{Certificates: []tls.Certificate{expired}}, client: web.TLS{CAFile: a.file("ca.pem")}, outcome: protocol.TLS, detail: "certificate has expired or is not yet valid"},
		{name: "by another name", server: &tls.Config{Certificates: []tls.Certificate{good}}, client: web.TLS{CAFile: a.file("ca.pem"), ServerName: "shop.test"}},
		{name: "wrong name", server: &tls.Config{Certificates: []tls.Certificate{good}}, client: web.TLS{CAFile: a.file("ca.pem"), ServerName: "other.test"}, outcome: protocol.TLS, detail: "x509: certificate is valid for shop.test, not other.test"},
		{name: "versions", server: &tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS11}, client: web.TLS{CAFile: a.file("ca.pem")}, outcome: protocol.TLS, detail: "tls: protocol version not supported"},
		{
			name: "certificate of ours", server: &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAnyClientCert},
			client: web.TLS{CAFile: a.file("ca.pem"), CertFile: a.file("good.pem"), KeyFile: a.file("good.key")},
		},
		{
			name: "no certificate of ours", server: &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAnyClientCert},
			client: web.TLS{CAFile: a.file("ca.pem")}, outcome: protocol.TLS, detail: "tls: certificate required",
		},
		{
			name: "no certificate of ours, TLS 1.2", server: &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12},
			client: web.TLS{CAFile: a.file("ca.pem")}, outcome: protocol.TLS, detail: "tls: handshake failure",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := newClient(t, web.Options{TLS: clientConfig(t, c.client)})
			outcome, resp := get(t, client, serveTLS(t, c.server))
			want(t, outcome, resp, c.outcome, c.detail)
			if outcome == protocol.OK && (resp.Timings.TLS <= 0 || string(resp.Body) != "full") {
				t.Errorf("timings %+v, body %q", resp.Timings, resp.Body)
			}
		})
	}
}

// TestResumption: a user resumes its own TLS sessions and no other user's.
func TestResumption(t *testing.T) {
	a := newAuthority(t)
	url := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{a.issue("good", time.Now().Add(time.Hour))}})
	o := web.Options{TLS: clientConfig(t, web.TLS{CAFile: a.file("ca.pem")})}
	for range 2 {
		client := newClient(t, o)
		for i, want := range []string{"full", "resumed", "resumed"} {
			resp := &protocol.Response{}
			outcome := client.Do(t.Context(), &protocol.Request{
				Method: "GET", URL: url, Timeout: 10 * time.Second, Header: []protocol.Field{{Name: "X-Close", Value: "1"}},
			}, resp)
			if outcome != protocol.OK || string(resp.Body) != want {
				t.Errorf("connection %d: %v (%s), %q, want %q", i, outcome, resp.Detail, resp.Body, want)
			}
		}
	}
}

func TestNotTLS(t *testing.T) {
	for _, c := range []struct {
		name, detail string
		server       func(net.Conn)
	}{
		{"plain HTTP", "server does not speak TLS", func(k net.Conn) {
			if _, err := k.Read(make([]byte, 1000)); err != nil {
				return
			}
			if _, err := io.WriteString(k, "HTTP/1.1 400 Bad Request\r\n\r\n"); err == nil {
				hold(k)
			}
		}},
		{"closing", "connection closed during the TLS handshake", func(k net.Conn) {
			if err := k.(*net.TCPConn).CloseWrite(); err == nil {
				hold(k)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := listen(t, c.server)
			outcome, resp := get(t, newClient(t, web.Options{}), strings.Replace(url, "http", "https", 1))
			want(t, outcome, resp, protocol.TLS, c.detail)
		})
	}
}

func TestTLSFiles(t *testing.T) {
	a := newAuthority(t)
	a.issue("good", time.Now().Add(time.Hour))
	for _, c := range []struct {
		tls web.TLS
		err string
	}{
		{web.TLS{CAFile: a.file("absent.pem")}, "absent.pem"},
		{web.TLS{CAFile: a.file("good.key")}, "has no certificate in PEM form"},
		{web.TLS{CertFile: a.file("good.pem")}, "must both be given"},
		{web.TLS{CertFile: a.file("good.pem"), KeyFile: a.file("ca.pem")}, "reading the client certificate"},
	} {
		if _, err := c.tls.Config(); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%+v: error %v, want one with %q", c.tls, err, c.err)
		}
	}
}
