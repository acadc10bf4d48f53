package web

import (
	"strconv"
	"strings"

	"tidegauge/engine/protocol"
)

// field is what we know of a header field of the plan.
type field uint8

const (
	other field = iota
	host
	userAgent
	connection
	authorization // Authorization and Proxy-Authorization
	cookie
	entity  // describes the body
	framing // says where the body ends, which is for us to say
)

// known returns the kind of a header field.
func known(name string) field {
	switch {
	case len(name) == 4 && strings.EqualFold(name, "Host"):
		return host
	case len(name) == 6 && strings.EqualFold(name, "Cookie"):
		return cookie
	case len(name) == 10 && strings.EqualFold(name, "User-Agent"):
		return userAgent
	case len(name) == 10 && strings.EqualFold(name, "Connection"):
		return connection
	case len(name) == 13 && strings.EqualFold(name, "Authorization"), len(name) == 19 && strings.EqualFold(name, "Proxy-Authorization"):
		return authorization
	case len(name) == 14 && strings.EqualFold(name, "Content-Length"), len(name) == 17 && strings.EqualFold(name, "Transfer-Encoding"):
		return framing
	case len(name) > 8 && strings.EqualFold(name[:8], "Content-"):
		return entity
	}
	return other
}

// appendRequest appends the request line and the header, with the empty line at its end.
func (c *Client) appendRequest(b []byte, req *protocol.Request) []byte {
	h := &c.hop
	b = appendClean(b, h.method)
	b = append(b, ' ')
	b = appendPath(b, h.path)
	b = append(b, " HTTP/1.1\r\n"...)
	b = appendField(b, "Host", c.host(req))
	agent, auth, cookies := c.options.UserAgent, h.origin.authorization, ""
	for i := range req.Header {
		f := &req.Header[i]
		switch kind := known(f.Name); kind {
		case host, framing:
			continue
		case entity:
			if h.emptied {
				continue
			}
		case authorization:
			if h.foreign {
				continue
			}
			if len(f.Name) == len("Authorization") {
				auth = ""
			}
		case cookie:
			if !h.foreign {
				cookies = f.Value
			}
			continue
		case userAgent:
			agent = ""
		case connection:
			h.last = h.last || hasToken(f.Value, "close")
		}
		b = appendField(b, f.Name, f.Value)
	}
	if agent != "" {
		b = appendField(b, "User-Agent", agent)
	}
	if auth != "" {
		b = appendField(b, "Authorization", auth)
	}
	if cookies = c.cookies(cookies); cookies != "" {
		b = appendField(b, "Cookie", cookies)
	}
	if len(h.body) > 0 || h.method == "POST" || h.method == "PUT" || h.method == "PATCH" {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(h.body)), 10)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// host returns the value of the Host field: the plan's, or else what the URL says.
func (c *Client) host(req *protocol.Request) string {
	if !c.hop.foreign {
		for i := range req.Header {
			if known(req.Header[i].Name) == host {
				return req.Header[i].Value
			}
		}
	}
	return c.hop.origin.host
}

func appendField(b []byte, name, value string) []byte {
	b = appendClean(b, name)
	b = append(b, ": "...)
	b = appendClean(b, value)
	return append(b, "\r\n"...)
}

// appendClean appends s on one line: a value with a line break in it must not become a field of its own.
func appendClean(b []byte, s string) []byte {
	start := len(b)
	b = append(b, s...)
	if strings.IndexByte(s, '\r') < 0 && strings.IndexByte(s, '\n') < 0 && strings.IndexByte(s, 0) < 0 {
		return b
	}
	for i := start; i < len(b); i++ {
		if b[i] == '\r' || b[i] == '\n' || b[i] == 0 {
			b[i] = ' '
		}
	}
	return b
}

// appendPath appends what a request line has of a URL: path and query, without the fragment, bytes that no URL may have
// percent-encoded.
func appendPath(b []byte, path string) []byte {
	const hex = "0123456789ABCDEF"
	if path == "" || path[0] != '/' {
		b = append(b, '/')
	}
	for i := range len(path) {
		switch ch := path[i]; {
		case ch == '#':
			return b
		case ch <= ' ' || ch >= 0x7f || ch == '"' || ch == '<' || ch == '>':
			b = append(b, '%', hex[ch>>4], hex[ch&15])
		default:
			b = append(b, ch)
		}
	}
	return b
}

// hasToken reports whether a comma-separated list has an element, without regard to case.
func hasToken(list, token string) bool {
	for element := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(element), token) {
			return true
		}
	}
	return false
}
