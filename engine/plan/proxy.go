package plan

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"tidegauge/engine/document"
)

// Proxy is a place where faults are put: the service under test connects to Listen, and reaches Upstream through it.
type Proxy struct {
	Pos       Pos
	Name      string
	HTTP      bool   // it knows requests, not connections alone
	Upstream  string // host:port, of an HTTP proxy a base URL
	Listen    string // host:port; port 0 takes a free one
	Toxiproxy string // TCP: the base URL of a running toxiproxy server that is to be the proxy; empty: we are
}

const proxiesForm = `a mapping of names to proxies, such as database: {tcp: "127.0.0.1:6379", listen: "127.0.0.1:26379"}`

func (d *decoder) proxies(n node) []Proxy {
	members, _ := d.Members(n, proxiesForm)
	all := make([]Proxy, 0, len(members))
	listens := map[string]string{}
	for _, m := range members {
		d.keyName(m.Key)
		p := Proxy{Pos: d.Pos(m.Key), Name: m.Key.Value}
		found, known := d.Mapping(m.Value, "a proxy",
			document.Key("tcp", document.Into(&p.Upstream, document.Read(d.Decoder, addressForm, parseAddress))),
			document.Key("http", document.Into(&p.Upstream, document.Read(d.Decoder, upstreamForm, parseBaseURL))),
			document.Key("listen", document.Into(&p.Listen, document.Read(d.Decoder, addressForm, parseAddress))),
			document.Key("toxiproxy", document.Into(&p.Toxiproxy, document.Read(d.Decoder, `the base URL of a toxiproxy server, such as http://localhost:8474`, parseBaseURL))),
		)
		p.HTTP = d.ExactlyOne(m.Value, found, known, "tcp", "http") == "http"
		if _, ok := found["listen"]; !ok && known {
			d.Wrong(m.Value, "listen is missing, expected the address that the service under test connects to: listen: \"127.0.0.1:26379\"")
		}
		if p.HTTP {
			d.meaningless(found, "a toxiproxy server knows connections, not requests", "toxiproxy")
		}
		if l, ok := found["listen"]; ok && p.Listen != "" {
			switch before, twice := listens[p.Listen]; {
			case p.Listen == p.Upstream || p.HTTP && "http://"+p.Listen == p.Upstream:
				d.Wrong(l.Value, "the proxy listens where it connects to, expected another address, at which the service is pointed")
			case twice && !strings.HasSuffix(p.Listen, ":0"):
				d.Wrong(l.Value, "the proxy %s listens on %s already, expected another address", document.Quoted(before), p.Listen)
			}
			listens[p.Listen] = p.Name
		}
		all = append(all, p)
	}
	return all
}

const (
	addressForm  = "host:port, such as 127.0.0.1:6379"
	upstreamForm = "a base URL, such as http://127.0.0.1:8001"
)

func parseAddress(s string) (string, error) {
	_, port, err := net.SplitHostPort(s)
	if err != nil || port == "" {
		return "", fmt.Errorf("%s is no address", document.Quoted(s))
	}
	if _, err := document.ParseWhole(0, 65535)(port); err != nil {
		return "", fmt.Errorf("%s has no port number", document.Quoted(s))
	}
	return s, nil
}

// proxyName returns a reader of names of proxies of one kind.
func (d *decoder) proxyName(p *Plan, http bool) func(node) (string, bool) {
	return func(n node) (string, bool) {
		kind, other := "tcp", "http"
		if http {
			kind, other = other, kind
		}
		name, ok := d.Scalar(n, "the name of one of the proxies")
		if !ok {
			return "", false
		}
		var names []string
		for i := range p.Proxies {
			if x := &p.Proxies[i]; x.HTTP == http {
				names = append(names, x.Name)
			} else if x.Name == name {
				d.Wrong(n, "the proxy %s is one of %s, expected %s: %s", document.Quoted(name), other, other, name)
				return "", false
			}
		}
		if !slices.Contains(names, name) {
			d.Wrong(n, "%s", document.UnknownName(kind+" proxy", name, names))
			return "", false
		}
		return name, true
	}
}
