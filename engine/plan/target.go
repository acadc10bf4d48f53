package plan

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

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
		Pos: d.pos(n), Timeout: DefaultTimeout, Redirects: DefaultRedirects, MaxResponseBytes: DefaultMaxResponseBytes,
	}
	found, known := d.mapping(n, "a target",
		field{"base_url", into(&t.BaseURL, read(d, baseURLForm, parseBaseURL))},
		field{"timeout", into(&t.Timeout, d.positive)},
		field{"headers", func(n node) { t.Headers = d.headers(n, names) }},
		field{"auth", func(n node) { t.Auth = d.auth(n, names) }},
		field{"tls", into(&t.TLS, d.tls)},
		field{"redirects", into(&t.Redirects, d.whole(0, 100))},
		field{"max_response_bytes", into(&t.MaxResponseBytes, d.size)},
	)
	if _, ok := found["base_url"]; !ok && known {
		d.wrong(n, "base_url is missing, expected %s", baseURLForm)
	}
	return t
}

// parseBaseURL checks a base URL and returns it without a slash at the end.
func parseBaseURL(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s is not a URL", quoted(s))
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("%s does not begin with http:// or https://", quoted(s))
	case u.Hostname() == "":
		return "", fmt.Errorf("%s names no host", quoted(s))
	case u.User != nil:
		return "", fmt.Errorf("%s has a user in it (that is target.auth)", quoted(u.Redacted()))
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return "", fmt.Errorf("%s has a query or a fragment", quoted(s))
	}
	return strings.TrimRight(s, "/"), nil
}

// headers reads header fields, whose values are templates.
func (d *decoder) headers(n node, names value.Names) []Header {
	members, _ := d.members(n, "a mapping of header names to values")
	headers := make([]Header, 0, len(members))
	for _, m := range members {
		switch name := m.key.Value; {
		case !isToken(name):
			d.wrong(m.key, "%s is no name of a header, expected letters, digits and -", quoted(name))
		case strings.EqualFold(name, "Content-Length"), strings.EqualFold(name, "Transfer-Encoding"):
			d.wrong(m.key, "the header %s follows from the body, expected it to be left out", name)
		}
		v := d.template(m.value, names)
		if strings.ContainsAny(m.value.Value, "\r\n") {
			d.wrong(m.value, "the value of the header has a line break, expected one line")
		}
		headers = append(headers, Header{Pos: d.pos(m.key), Name: m.key.Value, Value: v})
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
	text, ok := d.scalar(n, "text")
	if !ok {
		return nil
	}
	t, err := d.compiler(names).Template(text)
	if err != nil {
		d.expression(n, err)
		return nil
	}
	return t
}

func (d *decoder) compiler(names value.Names) *value.Compiler {
	return &value.Compiler{Names: names, Getenv: d.options.Getenv}
}

func (d *decoder) auth(n node, names value.Names) *Auth {
	a := &Auth{Pos: d.pos(n)}
	found, known := d.mapping(n, "authentication",
		field{"basic", func(n node) {
			found, known := d.mapping(n, "a login",
				field{"user", func(n node) { a.User = d.template(n, names) }},
				field{"password", func(n node) { a.Password = d.template(n, names) }})
			if known && len(found) < 2 {
				d.wrong(n, "user or password is missing, expected both: basic: {user: ann, password: \"${env.PASSWORD}\"}")
			}
		}},
		field{"bearer", func(n node) { a.Token = d.template(n, names) }},
	)
	d.exactlyOne(n, found, known, "basic", "bearer")
	return a
}

func (d *decoder) tls(n node) (TLS, bool) {
	t := TLS{Pos: d.pos(n)}
	found, known := d.mapping(n, "TLS settings",
		field{"ca_file", into(&t.CAFile, d.file)},
		field{"cert_file", into(&t.CertFile, d.file)},
		field{"key_file", into(&t.KeyFile, d.file)},
		field{"server_name", into(&t.ServerName, func(n node) (string, bool) { return d.constant(n, "the name in the target's certificate") })},
		field{"insecure_skip_verify", into(&t.InsecureSkipVerify, d.boolean)},
	)
	_, cert := found["cert_file"]
	_, key := found["key_file"]
	if known && cert != key {
		d.wrong(n, "cert_file and key_file belong together, expected both or none")
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
			d.wrong(found["ca_file"].value, "%s has no certificate in it, expected PEM", t.CAFile)
		}
	}
	if t.CertFile != "" && t.KeyFile != "" {
		if _, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile); err != nil {
			d.wrong(found["cert_file"].value, "loading the certificate %s with its key: %s", t.CertFile, oneLine(err.Error()))
		}
	}
	return t, true
}

// file reads the name of a file, resolves it against the plan's folder and sees that it can be read.
func (d *decoder) file(n node) (string, bool) {
	name, ok := d.constant(n, "the name of a file, relative to the plan")
	if !ok {
		return "", false
	}
	if name == "" {
		d.wrong(n, "the name of the file is empty, expected one relative to the plan")
		return "", false
	}
	path := d.resolve(name)
	f, err := os.Open(path)
	if err == nil {
		var info os.FileInfo
		if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s is not a regular file", path)
		}
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		d.wrong(n, "reading the file: %s, expected a file relative to the plan", oneLine(err.Error()))
		return "", false
	}
	return path, true
}

func (d *decoder) resolve(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(d.source.file), name)
}
