package web

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// TLS says how a server's certificate is judged and which one we show.
type TLS struct {
	CAFile             string // PEM, of the authorities that are trusted instead of the system's
	CertFile, KeyFile  string // PEM, of our own certificate; both or none
	ServerName         string // expected in the certificate instead of the URL's host
	InsecureSkipVerify bool   // any certificate will do
}

// Config reads the files. Its result goes into [Options] and may be shared by all users.
func (t TLS) Config() (*tls.Config, error) {
	// The user decides which targets may go unverified: test systems often have no proper certificate.
	c := &tls.Config{ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the authorities of the target: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the authorities of the target: %s has no certificate in PEM form", t.CAFile)
		}
	}
	if t.CertFile == "" && t.KeyFile == "" {
		return c, nil
	}
	if t.CertFile == "" || t.KeyFile == "" {
		return nil, fmt.Errorf("reading the client certificate: certificate %q and key %q must both be given", t.CertFile, t.KeyFile)
	}
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the client certificate: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}
