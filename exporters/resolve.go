package exporters

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// lookupLimit bounds how long the names of servers are looked up. A name that is not known by then is only itself.
const lookupLimit = time.Second

// lookUp returns the addresses of the hosts that stores are on, where there are several: alone, one is nobody's double.
func lookUp(list []described) map[string][]netip.Addr {
	known := map[string][]netip.Addr{}
	if len(list) < 2 {
		return known
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupLimit)
	defer cancel()
	var mu sync.Mutex
	var all sync.WaitGroup
	asked := map[string]bool{}
	for i := range list {
		host, _, err := net.SplitHostPort(list[i].host)
		if err != nil || asked[host] {
			continue
		}
		asked[host] = true
		all.Go(func() {
			addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
			if err != nil {
				return // it is said when something is to be sent there
			}
			mu.Lock()
			defer mu.Unlock()
			known[host] = addresses
		})
	}
	all.Wait()
	return known
}

// sameStore reports whether two outlets lead to one store.
func sameStore(a, b *described, known map[string][]netip.Addr) bool {
	if a.spec.Kind > b.spec.Kind {
		a, b = b, a
	}
	if a.spec.Kind == "influxdb" && b.spec.Kind != a.spec.Kind {
		// A server that takes lines and something else at one port is VictoriaMetrics, or a proxy in front of two.
		path, _, _ := strings.Cut(a.rest, " ")
		return path == b.rest && a.hidden == b.hidden && !virtual(a.host) && sameServer(a.host, b.host, known)
	}
	hostA, hostB := a.host, b.host
	if a.spec.Kind == "otlp" && b.spec.Kind == "otlp" {
		hostA, hostB = ofOTLP(hostA), ofOTLP(hostB)
	}
	return a.rest == b.rest && a.hidden == b.hidden && sameServer(hostA, hostB, known)
}

// ofOTLP takes the two ports that OTLP has, for gRPC and for HTTP, for one: both are doors to one collector.
func ofOTLP(hostPort string) string {
	if host, port, err := net.SplitHostPort(hostPort); err == nil && port == "4317" {
		return net.JoinHostPort(host, "4318")
	}
	return hostPort
}

// sameServer reports whether two canonical HOST:PORT are one server, as far as its names are known. Names that share an
// address at the ports of the web need not be: a proxy can tell them apart.
func sameServer(a, b string, known map[string][]netip.Addr) bool {
	if a == b {
		return true
	}
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB {
		return false
	}
	return slices.ContainsFunc(known[hostA], func(one netip.Addr) bool {
		return slices.ContainsFunc(known[hostB], func(other netip.Addr) bool {
			one, other := one.Unmap(), other.Unmap()
			return one.IsLoopback() && other.IsLoopback() || one == other && !virtual(a)
		})
	})
}

// virtual reports whether a port is one at which many servers can be behind one address.
func virtual(hostPort string) bool {
	_, port, err := net.SplitHostPort(hostPort)
	return err == nil && (port == "80" || port == "443")
}
