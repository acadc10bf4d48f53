package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certify writes a certificate with a serial number, and its key.
func certify(t *testing.T, cert, key string, serial int64) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})))
}

// A certificate that was renewed is shown without a new start, and one that cannot be read changes nothing.
func TestRenewedCertificate(t *testing.T) {
	dir := t.TempDir()
	d := &Daemon{Cert: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key")}
	certify(t, d.Cert, d.Key, 1)
	a, err := New(t.Context(), Config{DataDir: filepath.Join(dir, "data"), Listen: "127.0.0.1:0", Daemon: d})
	if err != nil {
		t.Fatal(err)
	}
	a.Start()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	serial := func() int64 {
		t.Helper()
		c, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(t.Context(), "tcp", strings.TrimPrefix(a.URL(), "https://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Errorf("serial number %d, want 1", got)
	}
	certify(t, d.Cert, d.Key, 2)
	if err := a.Reconfigure(d); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 2 {
		t.Errorf("serial number %d, want 2", got)
	}
	write(t, d.Cert, "no certificate")
	if err := a.Reconfigure(d); err == nil || !strings.Contains(err.Error(), "reading the certificate of the daemon") {
		t.Errorf("a broken certificate: %v", err)
	}
	if got := serial(); got != 2 {
		t.Errorf("serial number %d after a broken certificate, want 2", got)
	}
}
