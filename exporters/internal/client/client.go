// Package client makes HTTP clients for outlets from the address a user gives, and sorts their answers.
package client

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"tidegauge/engine/document"
	"tidegauge/engine/outlet"
)

// Address is what a user gave as the address of an outlet, taken apart.
type Address struct {
	URL      *url.URL // without the user and the options
	User     *url.Userinfo
	Options  map[string]string // by name
	Headers  http.Header       // options header.NAME
	problems []error
}

// Parse takes an address apart. Query parameters whose name is in options, and those of every outlet, are options; the rest
// stays in the URL.
func Parse(raw string, options ...string) (*Address, error) {
	u, err := url.Parse(raw)
	if err != nil && !strings.Contains(raw, "://") && !strings.Contains(raw, "@") { // HOST:PORT, which has no password in it
		return nil, fmt.Errorf("the address %s has to begin with http:// or https://", raw)
	}
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // the address can have a password in it
		}
		return nil, fmt.Errorf("reading the address: %w", err)
	}
	if raw == "" {
		return nil, errors.New("the address is empty: it has to begin with http:// or https:// and a host")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("reading the address %s: it has to begin with http:// or https:// and a host", u.Redacted())
	}
	a := &Address{URL: u, User: u.User, Options: map[string]string{}, Headers: http.Header{}}
	u.User, u.Fragment = nil, ""
	query := u.Query()
	own := append(Common(), options...)
	for name, values := range query {
		header, isHeader := strings.CutPrefix(name, "header.")
		switch {
		case isHeader:
			a.Headers.Set(header, values[len(values)-1])
		case slices.Contains(own, name):
			a.Options[name] = values[len(values)-1]
		default:
			// A misspelled option would go to the server, which takes no notice of it.
			if meant := document.Nearest(name, own); meant != "" {
				a.wrong(name, "", fmt.Errorf("there is none of this name, did you mean %s?", meant))
			}
			continue
		}
		query.Del(name)
	}
	u.RawQuery = query.Encode()
	return a, nil
}

// Common returns the options of every address.
func Common() []string {
	return []string{"timeout", "token_file", "ca", "cert", "key", "server_name", "insecure_skip_verify"}
}

// Files returns those that are names of files.
func Files() []string { return []string{"token_file", "ca", "cert", "key"} }

// OptionError is the error of an option of an address.
type OptionError struct {
	Option string
	Err    error // what is wrong with its value, and what to give instead
	value  string
}

func (e *OptionError) Error() string {
	if e.value == "" {
		return fmt.Sprintf("option %s: %v", e.Option, e.Err)
	}
	return fmt.Sprintf("option %s=%s: %v", e.Option, e.value, e.Err)
}

func (e *OptionError) Unwrap() error { return e.Err }

// wrong notes that the value of an option is wrong; shown is empty where it is not to be shown, or is in the error.
func (a *Address) wrong(option, shown string, err error) {
	a.problems = append(a.problems, &OptionError{option, err, shown})
}

// HeaderText returns the headers in the form of HTTP.
func (a *Address) HeaderText() string {
	var b strings.Builder
	if err := a.Headers.Write(&b); err != nil {
		return err.Error() // not possible with a strings.Builder
	}
	return b.String()
}

// Duration returns an option that is a length of time.
func (a *Address) Duration(name string, or time.Duration) time.Duration {
	text, ok := a.Options[name]
	if !ok {
		return or
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		a.wrong(name, text, errors.New("give a length of time, as 10s"))
	}
	return d
}

// Bool returns an option that is true or false.
func (a *Address) Bool(name string) bool {
	text, ok := a.Options[name]
	if !ok {
		return false
	}
	v, err := strconv.ParseBool(text)
	if err != nil {
		a.wrong(name, text, errors.New("give true or false"))
	}
	return v
}

// Choice returns an option that is one of a few words, the first without it.
func (a *Address) Choice(name string, words ...string) string {
	text, ok := a.Options[name]
	if !ok {
		return words[0]
	}
	if !slices.Contains(words, text) {
		a.wrong(name, text, fmt.Errorf("choose one of %s", strings.Join(words, ", ")))
	}
	return text
}

// Token returns the content of the file named by the option token_file, else the value of the environment variable.
func (a *Address) Token(getenv func(string) (string, bool), variable string) string {
	if file, ok := a.Options["token_file"]; ok {
		text, err := os.ReadFile(file)
		if err != nil {
			a.wrong("token_file", "", err)
		}
		return strings.TrimSpace(string(text))
	}
	token, _ := getenv(variable)
	return token
}

// Err returns everything that was wrong with the options asked for so far.
func (a *Address) Err() error { return errors.Join(a.problems...) }

// HTTP returns a client with the options of the address: TLS, headers, and authorization: of token, if there is one, as a
// bearer, else of the user in the address. It follows no redirects: they would turn a POST into a GET.
func (a *Address) HTTP(token string) *http.Client {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     a.TLS(),
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     90 * time.Second,
		MaxIdleConnsPerHost: 2,
		ForceAttemptHTTP2:   true,
	}
	return &http.Client{
		Transport:     &authorized{transport, a.Header(token)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// TLS returns the configuration that the options of the address ask for.
func (a *Address) TLS() *tls.Config {
	c := &tls.Config{ServerName: a.Options["server_name"], InsecureSkipVerify: a.Bool("insecure_skip_verify"), MinVersion: tls.VersionTLS12}
	if file, ok := a.Options["ca"]; ok {
		pem, err := os.ReadFile(file)
		c.RootCAs = x509.NewCertPool()
		if err == nil && !c.RootCAs.AppendCertsFromPEM(pem) {
			err = fmt.Errorf("%s has no certificate in it", file)
		}
		if err != nil {
			a.wrong("ca", "", err)
		}
	}
	cert, key := a.Options["cert"], a.Options["key"]
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			a.wrong("cert", "", fmt.Errorf("loading it with its key: %w", err))
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

// Header returns the headers of each request: those of the address, and authorization as HTTP describes it.
func (a *Address) Header(token string) http.Header {
	header := a.Headers.Clone()
	switch {
	case token != "":
		header.Set("Authorization", "Bearer "+token)
	case a.User != nil:
		password, _ := a.User.Password()
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(a.User.Username()+":"+password)))
	}
	return header
}

// authorized adds headers to each request.
type authorized struct {
	*http.Transport
	headers http.Header
}

func (t *authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	maps.Copy(r.Header, t.headers)
	return t.Transport.RoundTrip(r)
}

// maxText is how much of an answer's text goes into an error.
const maxText = 300

var title = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

// Short returns the text of an answer on one line, cut to what goes into an error; of a page for people, its title.
func Short(text string) string {
	if m := title.FindStringSubmatch(text); m != nil && strings.HasPrefix(http.DetectContentType([]byte(text)), "text/html") {
		text = html.UnescapeString(m[1])
	}
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, ""), func(r rune) bool { // nothing that a terminal obeys
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText]) + "…"
	}
	return text
}

// Answer returns what an answer that is not 2xx means for the samples.
//
// 408, 429 and 5xx come with time. 401, 403, 404, 405, 415 and redirects are about the address and the token, not about the
// samples: those wait until it is put right. Anything else is a refusal of these samples, 413 of so many at once.
func Answer(status int, retryAfter, text string) *outlet.Error {
	if text = Short(text); text == fmt.Sprintf("%d %s", status, http.StatusText(status)) { // the title of a proxy's page
		text = ""
	}
	e := &outlet.Error{Reaction: outlet.Rejected, After: after(retryAfter)}
	advice := ""
	switch {
	case status == http.StatusBadRequest && plainToTLS(text):
		e.Reaction, advice = outlet.Refused, " (write https:// in the address)"
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		e.Reaction = outlet.Retry
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		e.Reaction, advice = outlet.Refused, " (check the token or password)"
	case status == http.StatusUnsupportedMediaType:
		e.Reaction = outlet.Refused // what to do depends on the protocol
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status < 400,
		status == http.StatusBadRequest && strings.Contains(text, "unsupported path requested"): // VictoriaMetrics
		e.Reaction, advice = outlet.Refused, " (check the address and its options)"
	}
	e.Err = fmt.Errorf("the server answers %d %s: %s%s", status, http.StatusText(status), text, advice)
	if text == "" {
		e.Err = fmt.Errorf("the server answers %d %s%s", status, http.StatusText(status), advice)
	}
	return e
}

// Foreign returns an error if an answer of 2xx is a page for people, as a proxy or a login in front of the server gives it, or
// of a media type that the server meant never answers with; its name and the types it has are given. What has no text, or
// does not say its type, passes. The samples wait.
func Foreign(answer *http.Response, text []byte, meant string, types ...string) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	page := strings.HasPrefix(http.DetectContentType(text), "text/html")
	if !page && (err != nil || slices.Contains(types, mediaType)) {
		return nil
	}
	if page {
		mediaType = "text/html"
	}
	return NotOf(meant, fmt.Sprintf("%d with %s: %s", answer.StatusCode, mediaType, text))
}

// NotOf returns the error of an answer that cannot be one of the server meant.
func NotOf(meant, answer string) error {
	return &outlet.Error{Reaction: outlet.Refused, Err: fmt.Errorf("this is not the answer of %s, check the address: %s", meant, Short(answer))}
}

// plainToTLS recognises what servers say to HTTP where they speak HTTPS: Go's and nginx.
func plainToTLS(text string) bool {
	return strings.Contains(text, "HTTP request to an HTTPS server") || strings.Contains(text, "plain HTTP request was sent to HTTPS port")
}

// after reads Retry-After: seconds or a date. What is unreadable is no wish.
func after(text string) time.Duration {
	const most = 10 * time.Minute // a typing error in a header must not silence an outlet for years
	if text == "" {
		return 0
	}
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, most)
	}
	if t, err := http.ParseTime(text); err == nil {
		return min(max(0, time.Until(t)), most)
	}
	return 0
}

// Failure returns what it means that there was no answer. A certificate that is not believed does not come with time.
// A connection that the server closed is one error, however far it got.
func Failure(err error) error {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	if errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid) || errors.As(err, &record) ||
		strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return &outlet.Error{Reaction: outlet.Refused, Err: fmt.Errorf("%w (check https, and the options ca and server_name)", bare(err))}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return errors.New("the server closed the connection without an answer")
	}
	return bare(err)
}

// bare strips the address from an error of net/http.
func bare(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
