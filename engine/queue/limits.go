package queue

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/endpoint"
	"tidegauge/engine/live"
	"tidegauge/engine/load"
	"tidegauge/engine/plan"
)

// Limits are what runs may do, whatever a plan or a request says. The zero Limits let nothing but this machine be loaded.
type Limits struct {
	Hosts    []string      // that may be loaded: names, *.domain, addresses or networks (10.0.0.0/8), each with a :port or for all ports
	Rate     float64       // arrivals per second; 0: no ceiling
	Users    int           // at once; 0: no ceiling
	Duration time.Duration // of a test; 0: no ceiling
	Errors   float64       // share of requests that may fail, over the latest live.Span intervals; a run with more is ended. 0: no ceiling
	Halt     []string      // PromQL: a run is ended when one of these has a result
}

// ErrLimit is the error of a run that would do what it may not.
var ErrLimit = errors.New("the configuration of the daemon does not allow it")

// CheckHost says what is wrong with an entry of Hosts.
func CheckHost(entry string) error {
	host, port := splitHost(entry)
	_, err := netip.ParsePrefix(host)
	_, errAddr := netip.ParseAddr(host)
	name := strings.TrimPrefix(host, "*.")
	switch {
	case err == nil || errAddr == nil:
	case name == "" || strings.ContainsAny(name, "/*@?# \t") || strings.Contains(name, "://"):
		return fmt.Errorf("%q is no host, expected a name, *.DOMAIN, an address or a network such as 10.0.0.0/8, with or without :PORT", entry)
	}
	if strings.ContainsFunc(port, func(r rune) bool { return r < '0' || r > '9' }) {
		return fmt.Errorf("%q has no port number after the colon", entry)
	}
	return nil
}

// splitHost parts a port, which may be missing, from a host.
func splitHost(entry string) (host, port string) {
	if h, p, err := net.SplitHostPort(entry); err == nil {
		return h, p
	}
	return strings.Trim(entry, "[]"), ""
}

// Permit says why an address, HOST:PORT, may not be loaded; nil: it may. Names are not looked up: who controls a name decides
// where it leads.
func (l *Limits) Permit(address string) error {
	host, port, err := net.SplitHostPort(endpoint.Canonical(address, "80"))
	if err != nil {
		return fmt.Errorf("%w: %q is no address", ErrLimit, address)
	}
	ip, ipErr := netip.ParseAddr(host)
	if len(l.Hosts) == 0 && ipErr == nil && ip.IsLoopback() {
		return nil
	}
	for _, entry := range l.Hosts {
		want, wantPort := splitHost(entry)
		if wantPort != "" && wantPort != port {
			continue
		}
		if network, err := netip.ParsePrefix(want); err == nil {
			if ipErr == nil && network.Contains(ip.Unmap()) {
				return nil
			}
			continue
		}
		canonical, _, err := net.SplitHostPort(endpoint.Canonical(want, "80"))
		if err == nil && canonical == host {
			return nil
		}
		if domain, ok := strings.CutPrefix(strings.ToLower(want), "*"); ok && ipErr != nil && strings.HasSuffix(host, domain) && len(host) > len(domain) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s is not among the hosts that may be loaded", ErrLimit, host)
}

// Check says everything that a test would do and may not.
func (l *Limits) Check(p *plan.Plan, t *plan.Test) error {
	var errs []error
	targets := []string{p.Target.BaseURL}
	if t.Against != "" {
		targets = append(targets, t.Against)
	}
	for _, target := range targets {
		if err := l.Permit(hostOf(target)); err != nil {
			errs = append(errs, err)
		}
	}
	for i := range p.Proxies { // what comes to a proxy goes on to its upstream, so that the load does, too, if the target is a proxy
		errs = append(errs, l.proxy(&p.Proxies[i]))
	}
	needs := load.NeedsOf(&t.Shape)
	if l.Rate > 0 && needs.PeakRate > l.Rate {
		errs = append(errs, fmt.Errorf("%w: %g arrivals/s, the ceiling is %g/s", ErrLimit, needs.PeakRate, l.Rate))
	}
	if l.Users > 0 && needs.PeakUsers > l.Users {
		errs = append(errs, fmt.Errorf("%w: up to %d users, the ceiling is %d", ErrLimit, needs.PeakUsers, l.Users))
	}
	if l.Duration > 0 && needs.Duration > l.Duration {
		errs = append(errs, fmt.Errorf("%w: the test lasts %v, the ceiling is %v", ErrLimit, needs.Duration, l.Duration))
	}
	return errors.Join(errs...)
}

// proxy says why a plan may not open a proxy: it would lead to where nothing may be sent, or be open to whoever reaches this machine from
// elsewhere. Where it listens is to be among the hosts as well then, 0.0.0.0 for all addresses.
func (l *Limits) proxy(p *plan.Proxy) error {
	if err := l.Permit(hostOf(p.Upstream)); err != nil {
		return fmt.Errorf("upstream of the proxy %s: %w", p.Name, err)
	}
	if p.Toxiproxy != "" {
		if err := l.Permit(hostOf(p.Toxiproxy)); err != nil {
			return fmt.Errorf("toxiproxy of the proxy %s: %w", p.Name, err)
		}
	}
	host, port, err := net.SplitHostPort(p.Listen)
	ip, ipErr := netip.ParseAddr(host)
	if err == nil && (host == "localhost" || ipErr == nil && ip.IsLoopback()) {
		return nil
	}
	if err == nil && (host == "" || ipErr == nil && ip.IsUnspecified()) {
		host = "0.0.0.0"
	}
	if err := l.Permit(net.JoinHostPort(host, port)); err != nil {
		return fmt.Errorf("the proxy %s listens on %s, beyond this machine: %w", p.Name, p.Listen, err)
	}
	return nil
}

// hostOf returns HOST:PORT of a URL, or of what is that already.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	port := u.Port()
	if port == "" && u.Scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(port, "80"))
}

// leastRequests is how many requests a share of failures needs.
const leastRequests = 20

// fails says why a run is ended for its errors, or "".
func (l *Limits) fails(p *live.Progress) string {
	if l.Errors == 0 || p == nil || p.Recent.Requests < leastRequests {
		return ""
	}
	share := float64(p.Recent.Failures) / float64(p.Recent.Requests)
	if share <= l.Errors {
		return ""
	}
	return fmt.Sprintf("%.3g%% of the latest %d requests failed, the ceiling is %g%%", 100*share, p.Recent.Requests, 100*l.Errors)
}

// clone returns limits of its own.
func (l Limits) clone() Limits {
	l.Hosts, l.Halt = slices.Clone(l.Hosts), slices.Clone(l.Halt)
	return l
}
