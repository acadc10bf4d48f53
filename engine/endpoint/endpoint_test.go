package endpoint

import "testing"

func TestCanonical(t *testing.T) {
	for _, tt := range []struct{ address, port, want string }{
		{"localhost:9090", "80", "127.0.0.1:9090"},
		{"LOCALHOST", "80", "127.0.0.1:80"},
		{"[::1]:9090", "80", "127.0.0.1:9090"},
		{"::1", "443", "127.0.0.1:443"},
		{"127.8.0.1:1", "", "127.0.0.1:1"},
		{"Prometheus.Example.:9090", "80", "prometheus.example:9090"},
		{"[::ffff:10.0.0.1]:1", "", "10.0.0.1:1"},
		{"[2001:DB8::1]:1", "", "[2001:db8::1]:1"},
		{"", "80", ":80"},
	} {
		if got := Canonical(tt.address, tt.port); got != tt.want {
			t.Errorf("Canonical(%q, %q) = %q, want %q", tt.address, tt.port, got, tt.want)
		}
	}
}

func TestListensOn(t *testing.T) {
	for _, tt := range []struct {
		listen, address string
		want            bool
	}{
		{"127.0.0.1:9777", "localhost:9777", true},
		{"localhost:9777", "[::1]:9777", true},
		{":9777", "127.0.0.1:9777", true},
		{"0.0.0.0:80", "localhost", true},
		{"[::]:9777", "0.0.0.0:9777", true},
		{"127.0.0.1:9777", "127.0.0.1:9778", false},
		{"127.0.0.1:9777", "prometheus:9777", false},
		{":9777", "198.51.100.7:9777", false},
		{"10.0.0.1:9777", "127.0.0.1:9777", false},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{"", "127.0.0.1:80", false},
		{"nonsense", "nonsense", false},
	} {
		if got := ListensOn(tt.listen, tt.address); got != tt.want {
			t.Errorf("ListensOn(%q, %q) = %v, want %v", tt.listen, tt.address, got, tt.want)
		}
	}
}
