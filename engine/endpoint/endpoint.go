// Package endpoint tells whether two network addresses are one.
package endpoint

import (
	"net"
	"net/netip"
	"os"
	"strings"
)

// Canonical returns host and port of an address in one spelling: all names of this machine's loopback are 127.0.0.1, names
// are in lower case, and port stands in where the address has none. Names are not looked up.
func Canonical(address, port string) string {
	host, given, err := net.SplitHostPort(address)
	if err == nil {
		port = given
	} else {
		host = strings.Trim(address, "[]")
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
		if ip.IsLoopback() {
			host = "127.0.0.1"
		}
	} else if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761, section 6.3
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// ListensOn reports whether what is sent to an address comes to whoever listens on another: they are one, or the listener takes
// every address of this machine and it is one of them. A listener without an address, or on port 0, is nobody.
func ListensOn(listen, address string) bool {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "" || port == "0" {
		return false
	}
	other, otherPort, err := net.SplitHostPort(Canonical(address, "80"))
	if err != nil || otherPort != port {
		return false
	}
	if Canonical(listen, "") == net.JoinHostPort(other, otherPort) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return (host == "" || err == nil && ip.IsUnspecified()) && local(other)
}

// local reports whether a host is this machine.
func local(host string) bool {
	if name, err := os.Hostname(); err == nil && strings.EqualFold(name, host) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	if ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range addresses {
		if own, err := netip.ParsePrefix(a.String()); err == nil && own.Addr().Unmap() == ip {
			return true
		}
	}
	return false
}
