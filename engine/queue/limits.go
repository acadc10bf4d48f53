package queue

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/endpoint"
	"tidegauge/engine/load"
	"tidegauge/engine/plan"
)

// Limits are what runs may do, whatever a plan or a request says. The zero Limits let nothing but this machine be loaded.
type Limits struct {
	Hosts    []string      // that may be loaded: names, *.domain, addresses or networks (10.0.0.0/8), each with a :port or for all ports
	Rate     float64       // arrivals per second; 0: no ceiling
	Users    int           // at once; 0: no ceiling
	Duration time.Duration // of a test; 0: no ceiling
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
		u, err := url.Parse(target)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrLimit, err)
		}
		port := u.Port()
		if port == "" {
			port = map[string]string{"https": "443"}[u.Scheme]
		}
		if port == "" {
			port = "80"
		}
		if err := l.Permit(net.JoinHostPort(u.Hostname(), port)); err != nil {
			errs = append(errs, err)
		}
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

// clone returns limits of its own.
func (l Limits) clone() Limits {
	l.Hosts, l.Halt = slices.Clone(l.Hosts), slices.Clone(l.Halt)
	return l
}
