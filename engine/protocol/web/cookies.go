package web

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// cookies returns the value of the Cookie field: what the plan says, then what hosts have set.
func (c *Client) cookies(plan string) string {
	if c.jar == nil {
		return plan
	}
	stored := c.jar.Cookies(c.cookieURL())
	if len(stored) == 0 {
		return plan
	}
	var b strings.Builder
	b.WriteString(plan)
	for _, cookie := range stored {
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(cookie.Name)
		b.WriteByte('=')
		b.WriteString(cookie.Value)
	}
	return b.String()
}

// keepCookies stores the cookies of the answer. One that is not valid is passed over, as browsers do.
func (c *Client) keepCookies() {
	var set []*http.Cookie
	for _, line := range c.answer.Header.Cookies() {
		if cookie, err := http.ParseSetCookie(string(line)); err == nil {
			set = append(set, cookie)
		}
	}
	if len(set) == 0 {
		return
	}
	if c.jar == nil {
		c.jar, _ = cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List}) // its error is always nil
	}
	c.jar.SetCookies(c.cookieURL(), set)
}

// cookieURL is where the request goes, as far as the rules of cookies are concerned.
func (c *Client) cookieURL() *url.URL {
	path, _, _ := strings.Cut(c.hop.path, "#")
	path, _, _ = strings.Cut(path, "?")
	return &url.URL{Scheme: c.hop.origin.scheme, Host: c.hop.origin.host, Path: path}
}
