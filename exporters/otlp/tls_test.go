package otlp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"tidegauge/engine/outlet"
)

// keyPair is a certificate that stands for itself, and its key, in files.
type keyPair struct {
	certFile, keyFile string
	tls               tls.Certificate
	pool              *x509.CertPool
}

func newPair(t *testing.T, name string) keyPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	dir := t.TempDir()
	p := keyPair{certFile: filepath.Join(dir, name+".pem"), keyFile: filepath.Join(dir, name+".key"), pool: x509.NewCertPool()}
	p.pool.AppendCertsFromPEM(certPEM)
	if p.tls, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string][]byte{p.certFile: certPEM, p.keyFile: keyPEM} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// losing reports whether an error makes samples count as lost.
func losing(err error) bool {
	e, ok := errors.AsType[*outlet.Error](err)
	return ok && (e.Reaction == outlet.Rejected || e.Reaction == outlet.Partial)
}

// A server that asks for a certificate is shown that of the options or of the environment; without it nothing arrives, and
// nothing counts as lost.
func TestClientCertificates(t *testing.T) {
	server, client, stranger := newPair(t, "server"), newPair(t, "client"), newPair(t, "stranger")
	asks := &tls.Config{Certificates: []tls.Certificate{server.tls}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: client.pool, MinVersion: tls.VersionTLS12}
	byHTTP := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	byHTTP.TLS = asks.Clone()
	byHTTP.Config.ErrorLog = log.New(io.Discard, "", 0)
	byHTTP.StartTLS()
	defer byHTTP.Close()
	r := &receiver{answer: func() (*collectorpb.ExportMetricsServiceResponse, error) {
		return &collectorpb.ExportMetricsServiceResponse{}, nil
	}}
	addresses := map[string]string{
		"HTTP": byHTTP.URL,
		"gRPC": "grpcs://" + r.serve(t, grpc.Creds(credentials.NewTLS(asks.Clone()))),
	}
	for protocol, address := range addresses {
		options := func(p keyPair) string {
			return address + "?" + url.Values{"ca": {server.certFile}, "cert": {p.certFile}, "key": {p.keyFile}}.Encode()
		}
		if err := write(t, options(client), vars()); err != nil {
			t.Errorf("%s, with the certificate of the options: %v", protocol, err)
		}
		env := vars("OTEL_EXPORTER_OTLP_CERTIFICATE", server.certFile, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", client.certFile, "OTEL_EXPORTER_OTLP_CLIENT_KEY", client.keyFile)
		if err := write(t, address, env); err != nil {
			t.Errorf("%s, with the certificate of the environment: %v", protocol, err)
		}
		for name, address := range map[string]string{
			"without a certificate": address + "?" + url.Values{"ca": {server.certFile}}.Encode(),
			"with a stranger's":     options(stranger),
		} {
			if err := write(t, address, vars()); err == nil || losing(err) {
				t.Errorf("%s, %s: %v, want an error with which nothing is lost", protocol, name, err)
			}
		}
	}
}

// A server that takes a request and never answers it holds a write up only as long as it may take.
func TestHangingServers(t *testing.T) {
	release := make(chan struct{})
	byHTTP := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer byHTTP.Close()
	r := &receiver{answer: func() (*collectorpb.ExportMetricsServiceResponse, error) {
		<-release
		return nil, errors.New("too late")
	}}
	// A listener that nobody accepts from hangs before there is HTTP or HTTP/2.
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	grpcAddress := "grpc://" + r.serve(t)
	defer close(release)
	for _, address := range []string{byHTTP.URL, grpcAddress, "http://" + silent.Addr().String(), "grpc://" + silent.Addr().String()} {
		d, err := New(address+"?signals=metrics", vars(), Self{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		err = d.Metrics.Write(ctx, one("m", nil))
		cancel()
		if err == nil || losing(err) {
			t.Errorf("%s: %v, want an error with which nothing is lost", address, err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: held up for %v", address, took)
		}
		if err := d.Metrics.Close(); err != nil {
			t.Errorf("%s: closing: %v", address, err)
		}
	}
}
