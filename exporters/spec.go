package exporters

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	pathpkg "path"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/endpoint"
	"tidegauge/engine/event"
	"tidegauge/engine/outlet"
	"tidegauge/engine/trace"
	"tidegauge/exporters/grafana"
	"tidegauge/exporters/influxdb"
	"tidegauge/exporters/internal/client"
	"tidegauge/exporters/otlp"
	"tidegauge/exporters/prometheus"
)

// Spec describes an outlet. Kind and Address are needed.
type Spec struct {
	Kind     string
	Address  string // with the options as query parameters: README.md has them
	Name     string // for people; default: the kind and where it sends
	Token    string // instead of the one in the environment
	Required bool   // a run does not pass without it complete
	From     string // where it is described, for messages
}

// ParseSpec reads KIND=ADDRESS.
func ParseSpec(text, from string) (Spec, error) {
	kind, address, ok := strings.Cut(text, "=")
	if k, known := kinds[kind]; !known || !ok && !k.elsewhere {
		if strings.Contains(kind, ":") { // an address alone, which can have a password in it
			kind = "…"
		}
		return Spec{}, fmt.Errorf("%w: %q is no kind of outlet: write KIND=ADDRESS, where KIND is one of %s", ErrSpec, kind, strings.Join(Kinds(), ", "))
	}
	return Spec{Kind: kind, Address: address, From: from}, nil
}

// ErrSpec is the error of an outlet that is described wrongly. It wraps one *OptionError for each option that is wrong.
var ErrSpec = errors.New("the outlet is described wrongly")

// OptionError is the error of an option of an address.
type OptionError = client.OptionError

// Option is an option of the address of an outlet.
type Option struct {
	Name   string
	File   bool // its value is the name of a file
	Needed bool
}

// NeedsAddress reports whether an outlet of a kind must have an address: otherwise it can be in the environment.
func NeedsAddress(kind string) bool { return !kinds[kind].elsewhere }

// Kinds returns the names of the kinds of outlets, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// OptionsOf returns the options of a kind: its own, and those of every outlet. Beside them there is header.NAME.
func OptionsOf(name string) []Option {
	all := slices.Clone(kinds[name].options)
	for _, common := range client.Common() {
		all = append(all, Option{Name: common, File: slices.Contains(client.Files(), common)})
	}
	return all
}

// kind is a kind of destination.
type kind struct {
	// open returns what lacks what all kinds have in common.
	open      func(address string, getenv func(string) (string, bool), self identity) (takes, destination, error)
	token     string // the environment variable with its token; empty: there is none
	options   []Option
	elsewhere bool // the address may be empty: it is in the environment
}

// identity is what a destination is told of this process.
type identity struct{ instance, version string }

// takes is what a destination takes: what is nil it does not take. Samples are described by samples, if it has a Writer.
type takes struct {
	samples   outlet.Options
	exemplars bool // with the samples
	spans     outlet.Exporter[trace.Span]
	events    outlet.Exporter[event.Event]
	timeout   time.Duration // of one export of spans or events; 0: the queue's default
}

// destination says where samples go.
type destination struct {
	shown  string // to people
	hidden string // what else tells destinations apart, and may be a secret: tenants by header or query
	// store is the server, without the path of a protocol: the same for all ways to it. Together with hidden it says where the
	// samples end up: two outlets that lead there would write the same series twice.
	store string
}

var kinds = map[string]kind{
	"grafana": {open: openGrafana, token: "GRAFANA_TOKEN"},
	"influxdb": {
		open: openInfluxDB, token: "INFLUX_TOKEN",
		options: []Option{{Name: "org", Needed: true}, {Name: "bucket", Needed: true}, {Name: "buckets"}},
	},
	"otlp":       {open: openOTLP, options: []Option{{Name: "compression"}, {Name: "signals"}}, elsewhere: true},
	"prometheus": {open: openPrometheus, token: "PROMETHEUS_TOKEN", options: []Option{{Name: "histograms"}, {Name: "protocol"}}},
}

func openPrometheus(address string, getenv func(string) (string, bool), _ identity) (takes, destination, error) {
	w, a, err := prometheus.New(address, getenv)
	if a == nil {
		return takes{}, destination{}, err
	}
	o := outlet.Options{Writer: w, Markers: true, Before: w.NeedsBefore(), Timeout: a.Duration("timeout", 0)}
	return takes{samples: o, exemplars: true}, destination{
		shown: a.URL.Host + a.URL.Path, hidden: a.URL.RawQuery + a.HeaderText(), store: storeOf(a.URL, a.URL.Path),
	}, a.Err()
}

func openInfluxDB(address string, getenv func(string) (string, bool), _ identity) (takes, destination, error) {
	w, a, err := influxdb.New(address, getenv)
	if err != nil {
		return takes{}, destination{}, err
	}
	o := outlet.Options{Writer: w, Before: true, Timeout: a.Duration("timeout", 0)}
	where := fmt.Sprintf("%s %s/%s", strings.TrimRight(a.URL.Path, "/"), a.Options["org"], a.Options["bucket"])
	return takes{samples: o}, destination{a.URL.Host + where, a.HeaderText(), hostOf(a.URL) + where}, a.Err()
}

func openGrafana(address string, getenv func(string) (string, bool), _ identity) (takes, destination, error) {
	e, a, err := grafana.New(address, getenv)
	if err != nil {
		return takes{}, destination{}, err
	}
	where := a.URL.Host + a.URL.Path
	return takes{events: e, timeout: a.Duration("timeout", 0)}, destination{where, a.HeaderText(), hostOf(a.URL) + " annotations of " + a.URL.Path}, a.Err()
}

func openOTLP(address string, getenv func(string) (string, bool), self identity) (takes, destination, error) {
	d, err := otlp.New(address, getenv, otlp.Self{Instance: self.instance, Version: self.version})
	if err != nil {
		return takes{}, destination{}, err
	}
	a := d.Address
	where := destination{shown: d.Shown, hidden: a.URL.RawQuery + a.HeaderText(), store: storeOf(a.URL, d.Base)}
	t := takes{timeout: d.Timeout}
	if d.Metrics == nil {
		where.store += " without metrics"
	} else {
		t.samples = outlet.Options{Writer: d.Metrics, Markers: true, MaxBatch: otlp.MaxBatch, Timeout: d.Timeout}
		t.exemplars = true
	}
	if d.Spans != nil {
		t.spans = d.Spans
	}
	if d.Events != nil {
		t.events = d.Events
	}
	return t, where, a.Err()
}

// storeOf returns the server of an address and what is left of its path without that of a protocol, so that two ways to one
// store are seen to be that.
func storeOf(u *url.URL, path string) string {
	if path != "" {
		path = strings.TrimRight(pathpkg.Clean(path), "/")
	}
	for _, end := range []string{
		"/opentelemetry/api/v1/push", "/opentelemetry", // VictoriaMetrics
		"/api/v1/write", "/api/v1/otlp", // Prometheus; the former VictoriaMetrics too
		"/api/v1/push", "/otlp", // Mimir
		"/api/v1/receive", // Thanos
	} {
		if rest, ok := strings.CutSuffix(path, end); ok {
			path = rest
			break
		}
	}
	return hostOf(u) + path
}

// hostOf returns host and port of an address in one spelling.
func hostOf(u *url.URL) string {
	port := "80"
	if u.Scheme == "https" {
		port = "443"
	}
	host := u.Host
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsUnspecified() { // where one connects to that, it is this machine
		host = "localhost"
		if u.Port() != "" {
			port = u.Port()
		}
	}
	return endpoint.Canonical(host, port)
}

// Check says what is wrong with descriptions of outlets, without opening them, where this process answers on listen.
func Check(specs []Spec, listen string, getenv func(string) (string, bool)) error {
	_, err := describeAll(specs, listen, getenv, identity{})
	return err
}

// described is an outlet that is not open yet.
type described struct {
	spec Spec
	id   string // of the destination, without secrets
	name string
	// host, rest and hidden are where the samples end up: see destination.
	host, rest, hidden string
	takes
}

// from says which outlet it is, and where it is described.
func (d *described) from() string {
	if d.spec.From == "" {
		return d.name
	}
	return d.name + " (" + d.spec.From + ")"
}

func describeAll(specs []Spec, listen string, getenv func(string) (string, bool), self identity) ([]described, error) {
	var list []described
	for _, spec := range specs {
		one, err := describe(spec, listen, getenv, self)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	known := lookUp(list)
	for k := range list {
		one := &list[k]
		for i := range list[:k] {
			other := &list[i]
			switch {
			case sameStore(other, one, known):
				return nil, fmt.Errorf("%w: %s and %s send to the same store: a series goes to one store by one way, remove one of them", ErrSpec, other.from(), one.from())
			case other.name == one.name:
				return nil, fmt.Errorf("%w: %s and %s have the same name, give one of them another", ErrSpec, other.from(), one.from())
			}
		}
	}
	return list, nil
}

func describe(spec Spec, listen string, getenv func(string) (string, bool), self identity) (described, error) {
	k, known := kinds[spec.Kind]
	if !known {
		return described{}, fmt.Errorf("%w: %q is no kind of outlet, there are %s", ErrSpec, spec.Kind, strings.Join(Kinds(), ", "))
	}
	env := getenv
	if spec.Token != "" {
		env = func(name string) (string, bool) {
			if name == k.token {
				return spec.Token, true
			}
			return getenv(name)
		}
	}
	what, where, err := k.open(spec.Address, env, self)
	if err != nil {
		return described{}, fmt.Errorf("%w: %s: %w", ErrSpec, spec.Kind, err)
	}
	end := strings.IndexAny(where.store, "/ ")
	if end < 0 {
		end = len(where.store)
	}
	one := described{
		spec: spec, id: spec.Kind + " " + where.shown, takes: what,
		host: where.store[:end], rest: where.store[end:], hidden: where.hidden,
	}
	if where.hidden != "" {
		one.id += " " + shortHash(where.hidden)
	}
	if one.name = spec.Name; one.name == "" {
		one.name = one.id
	}
	if endpoint.ListensOn(listen, one.host) {
		return described{}, fmt.Errorf("%w: %s leads back to tidegauge itself, which listens on %s: everything it sends would come in again", ErrSpec, one.from(), listen)
	}
	return one, nil
}
