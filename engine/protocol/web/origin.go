package web

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/idna"
)

// origin is where requests go: the part of a URL before the path.
type origin struct {
	key           string // as in the URL, up to the path
	scheme        string
	host          string // with the port if the URL has one: the Host field
	name, port    string // of the connection
	literal       bool   // name is an IP address
	authorization string // from the URL's user information
	tls           *tls.Config
}

// locate takes a URL apart. The part before the path is parsed once; users mostly stay with one host, so that URLs with
// changing paths cost a comparison.
func (c *Client) locate(raw string) (*origin, string, error) {
	if o := c.last; o != nil && strings.HasPrefix(raw, o.key) {
		if rest := raw[len(o.key):]; rest == "" || rest[0] == '/' || rest[0] == '?' || rest[0] == '#' {
			return o, rest, nil
		}
	}
	i := strings.Index(raw, "://")
	if i < 0 {
		return nil, "", fmt.Errorf("cannot send to %q: it is not an absolute URL", short(raw))
	}
	end := len(raw)
	if j := strings.IndexAny(raw[i+3:], "/?#"); j >= 0 {
		end = i + 3 + j
	}
	o := c.origins[raw[:end]]
	if o == nil {
		var err error
		if o, err = newOrigin(strings.Clone(raw[:end])); err != nil {
			return nil, "", fmt.Errorf("cannot send to %q: %w", short(raw), err)
		}
		if len(c.origins) >= maxOrigins {
			clear(c.origins)
		}
		c.origins[o.key] = o
	}
	c.last = o
	return o, raw[end:], nil
}

func newOrigin(key string) (*origin, error) {
	u, err := url.Parse(key)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return nil, err
	}
	o := &origin{key: key, scheme: u.Scheme, host: u.Host, name: u.Hostname(), port: u.Port()}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("the scheme is %q, expected http or https", u.Scheme)
	case o.name == "":
		return nil, errors.New("it has no host")
	case o.port == "" && u.Scheme == "http":
		o.port = "80"
	case o.port == "":
		o.port = "443"
	}
	if _, err := netip.ParseAddr(o.name); err == nil {
		o.literal = true
	} else if ascii, err := idna.Lookup.ToASCII(o.name); err == nil && ascii != o.name && !isASCII(o.name) {
		o.host = strings.Replace(o.host, o.name, ascii, 1)
		o.name = ascii
	} else if !isASCII(o.name) {
		return nil, errors.New("its host is not a name")
	}
	if u.User != nil {
		password, _ := u.User.Password()
		o.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	}
	return o, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
