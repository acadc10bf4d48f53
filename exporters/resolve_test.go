package exporters

import (
	"net/netip"
	"testing"
)

// TestSameServer: names count as what they resolve to, but for those that a proxy can tell apart.
func TestSameServer(t *testing.T) {
	known := map[string][]netip.Addr{
		"vm":        {netip.MustParseAddr("127.0.0.1")},
		"127.0.0.1": {netip.MustParseAddr("127.0.0.1")},
		"prom-a":    {netip.MustParseAddr("10.0.0.1")},
		"prom-b":    {netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("::ffff:10.0.0.1")},
		"other":     {netip.MustParseAddr("10.0.0.2")},
		"unknown":   nil,
	}
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"vm:8428", "127.0.0.1:8428", true},
		{"vm:80", "127.0.0.1:80", true},
		{"vm:8428", "127.0.0.1:8429", false},
		{"prom-a:9090", "prom-b:9090", true},
		{"prom-a:443", "prom-b:443", false},
		{"prom-a:9090", "other:9090", false},
		{"prom-a:9090", "unknown:9090", false},
		{"unknown:9090", "unknown:9090", true},
		{"unknown:9090", "nowhere:9090", false},
		{"grafana", "grafana", true},
		{"grafana", "vm:80", false},
	} {
		if got := sameServer(tt.a, tt.b, known); got != tt.want {
			t.Errorf("sameServer(%s, %s) = %t, want %t", tt.a, tt.b, got, tt.want)
		}
		if got := sameServer(tt.b, tt.a, known); got != tt.want {
			t.Errorf("sameServer(%s, %s) = %t, want %t", tt.b, tt.a, got, tt.want)
		}
	}
}
