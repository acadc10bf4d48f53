package web

import (
	"fmt"
	"net/http"
	"net/url"

	"tidegauge/engine/protocol"
)

// redirected returns where the answer sends us, or "" if it is not a redirect or they are not to be followed.
func (c *Client) redirected(resp *protocol.Response) string {
	if c.options.Redirects <= 0 {
		return ""
	}
	switch resp.Status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Get("Location")
	}
	return ""
}

// redirect makes the next hop of a redirect, by RFC 9110 section 15.4, and reports whether there is one: a place that is
// not on the web ends the request with the redirect as its answer.
func (c *Client) redirect(status int, location string) bool {
	h := &c.hop
	from, err := url.Parse(h.origin.key + h.path)
	if err != nil {
		return false
	}
	to, err := from.Parse(location)
	if err != nil {
		return false
	}
	o, path, err := c.locate(to.String())
	if err != nil {
		return false
	}
	// As browsers do: 301 and 302 turn a POST into a GET, 303 everything but HEAD, 307 and 308 keep method and body.
	moved := status == http.StatusMovedPermanently || status == http.StatusFound
	if (moved && h.method == http.MethodPost) || (status == http.StatusSeeOther && h.method != http.MethodHead) {
		h.method, h.body, h.emptied = http.MethodGet, nil, true
	}
	// Credentials are for the host they were meant for, and for no connection that is less safe.
	h.foreign = h.foreign || o.name != h.origin.name || (h.origin.scheme == "https" && o.scheme == "http")
	h.origin, h.path, h.answered = o, path, false
	return true
}

func tooManyRedirects(n int) string {
	if n == 1 {
		return "more than 1 redirect"
	}
	return fmt.Sprintf("more than %d redirects", n)
}
