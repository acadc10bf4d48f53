package plan

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"tidegauge/engine/document"
	"tidegauge/engine/value"
)

// What a target is where the plan does not say.
const (
	DefaultTimeout          = 10 * time.Second
	DefaultRedirects        = 10
	DefaultMaxResponseBytes = 10 << 20
)

const baseURLForm = `a URL such as http://localhost:8000, or ${env.URL ?? "http://localhost:8000"}`

func (d *decoder) target(n node, names value.Names) Target {
	t := Target{
		Pos: d.Pos(n), Timeout: DefaultTimeout, Redirects: DefaultRedirects, MaxResponseBytes: DefaultMaxResponseBytes,
	}
	found, known := d.Mapping(n, "a target",
		document.Key("base_url", document.Into(&t.BaseURL, document.Read(d.Decoder, baseURLForm, parseBaseURL))),
		document.Key("timeout", document.Into(&t.Timeout, d.Positive)),
		document.Key("headers", func(n node) { t.Headers = d.headers(n, names) }),
		document.Key("auth", func(n node) { t.Auth = d.auth(n, names) }),
		document.Key("tls", document.Into(&t.TLS, d.tls)),
		document.Key("redirects", document.Into(&t.Redirects, d.Whole(0, 100))),
		document.Key("max_response_bytes", document.Into(&t.MaxResponseBytes, d.Size)),
	)
	if _, ok := found["base_url"]; !ok && known {
		d.Wrong(n, "base_url is missing, expected %s", baseURLForm)
	}
	return t
}

// parseBaseURL checks a base URL and returns it without a slash at the end.
func parseBaseURL(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s is not a URL", document.Quoted(s))
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("%s does not begin with http:// or https://", document.Quoted(s))
	case u.Hostname() == "":
		return "", fmt.Errorf("%s names no host", document.Quoted(s))
	case strings.HasSuffix(u.Host, ":"):
		return "", fmt.Errorf("%s has no port after the colon", document.Quoted(s))
	case u.User != nil:
		return "", fmt.Errorf("%s has a user in it (that is target.auth)", document.Quoted(u.Redacted()))
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return "", fmt.Errorf("%s has a query or a fragment", document.Quoted(s))
	}
	return strings.TrimRight(s, "/"), nil
}

// headers reads header fields, whose values are templates.
func (d *decoder) headers(n node, names value.Names) []Header {
	members, _ := d.Members(n, "a mapping of header names to values")
	headers := make([]Header, 0, len(members))
	for _, m := range members {
		switch name := m.Key.Value; {
		case !isToken(name):
			d.Wrong(m.Key, "%s is no name of a header, expected letters, digits and -", document.Quoted(name))
		case strings.EqualFold(name, "Content-Length"), strings.EqualFold(name, "Transfer-Encoding"):
			d.Wrong(m.Key, "the header %s follows from the body, expected it to be left out", name)
		}
		v := d.template(m.Value, names)
		if strings.ContainsAny(m.Value.Value, "\r\n") {
			d.Wrong(m.Value, "the value of the header has a line break, expected one line")
		}
		headers = append(headers, Header{Pos: d.Pos(m.Key), Name: m.Key.Value, Value: v})
	}
	return headers
}

// isToken reports whether s can name a header (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) {
			return false
		}
	}
	return s != ""
}

// template reads a scalar with ${...} parts.
func (d *decoder) template(n node, names value.Names) *value.Template {
	text, ok := d.Scalar(n, "text")
	if !ok {
		return nil
	}
	t, err := d.compiler(names).Template(text)
	if err != nil {
		d.Expression(n, err)
		return nil
	}
	return t
}

func (d *decoder) compiler(names value.Names) *value.Compiler {
	c := d.Env()
	c.Names = names
	return c
}

func (d *decoder) auth(n node, names value.Names) *Auth {
	a := &Auth{Pos: d.Pos(n)}
	found, known := d.Mapping(n, "authentication",
		document.Key("basic", func(n node) {
			found, known := d.Mapping(n, "a login",
				document.Key("user", func(n node) { a.User = d.template(n, names) }),
				document.Key("password", func(n node) { a.Password = d.template(n, names) }))
			if known && len(found) < 2 {
				d.Wrong(n, "user or password is missing, expected both: basic: {user: ann, password: \"${env.PASSWORD}\"}")
			}
		}),

		document.Key("bearer", func(n node) { a.Token = d.template(n, names) }),
	)
	d.ExactlyOne(n, found, known, "basic", "bearer")
	return a
}

func (d *decoder) tls(n node) (TLS, bool) {
	t := TLS{Pos: d.Pos(n)}
	found, known := d.Mapping(n, "TLS settings",
		document.Key("ca_file", document.Into(&t.CAFile, d.FileName)),
		document.Key("cert_file", document.Into(&t.CertFile, d.FileName)),
		document.Key("key_file", document.Into(&t.KeyFile, d.FileName)),
		document.Key("server_name", document.Into(&t.ServerName, func(n node) (string, bool) { return d.Constant(n, "the name in the target's certificate") })),
		document.Key("insecure_skip_verify", document.Into(&t.InsecureSkipVerify, d.Boolean)),
	)
	_, cert := found["cert_file"]
	_, key := found["key_file"]
	if known && cert != key {
		d.Wrong(n, "cert_file and key_file belong together, expected both or none")
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
			d.Wrong(found["ca_file"].Value, "%s has no certificate in it, expected PEM", t.CAFile)
		}
	}
	if t.CertFile != "" && t.KeyFile != "" {
		if _, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile); err != nil {
			d.Wrong(found["cert_file"].Value, "loading the certificate %s with its key: %s", t.CertFile, document.OneLine(err.Error()))
		}
	}
	return t, true
}
