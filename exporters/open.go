// Package exporters opens the outlets that a command line names.
package exporters

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/event"
	"tidegauge/engine/outlet"
	"tidegauge/engine/store"
	"tidegauge/engine/trace"
	"tidegauge/exporters/influxdb"
	"tidegauge/exporters/otlp"
	"tidegauge/exporters/prometheus"
)

// kind opens one kind of destination. What it returns lacks what all kinds have in common.
type kind func(address string, getenv func(string) (string, bool)) (takes, destination, error)

// takes is what a destination takes: what is nil it does not take. Samples are described by samples, if it has a Writer.
type takes struct {
	samples   outlet.Options
	exemplars bool // with the samples
	spans     outlet.Exporter[trace.Span]
	events    outlet.Exporter[event.Event]
}

// destination says where samples go. Two outlets with one destination would write the same series twice.
type destination struct {
	shown  string // to people
	hidden string // what else tells destinations apart, and may be a secret: tenants by header or query
	store  string // the server, without the path of a protocol: the same for all ways to it
}

var kinds = map[string]kind{
	"influxdb":   openInfluxDB,
	"otlp":       openOTLP,
	"prometheus": openPrometheus,
}

func openPrometheus(address string, getenv func(string) (string, bool)) (takes, destination, error) {
	w, a, err := prometheus.New(address, getenv)
	if err != nil {
		return takes{}, destination{}, err
	}
	o := outlet.Options{Writer: w, Markers: true, Before: w.NeedsBefore(), Timeout: a.Duration("timeout", 0)}
	return takes{samples: o, exemplars: true}, destination{a.URL.Host + a.URL.Path, a.URL.RawQuery + a.HeaderText(), storeOf(a.URL, a.URL.Path)}, a.Err()
}

func openOTLP(address string, getenv func(string) (string, bool)) (takes, destination, error) {
	w, a, err := otlp.New(address, getenv)
	if err != nil {
		return takes{}, destination{}, err
	}
	o := outlet.Options{Writer: w, Markers: true, MaxBatch: otlp.MaxBatch, Timeout: a.Duration("timeout", 0)}
	shown := a.URL.Host + a.URL.Path
	if a.GRPC {
		shown = "grpc " + a.URL.Host
	}
	return takes{samples: o, exemplars: true}, destination{shown, a.URL.RawQuery + a.HeaderText(), storeOf(a.URL, a.Base)}, a.Err()
}

// storeOf returns the server of an address and what is left of its path without that of a protocol, so that two ways to one
// store are seen to be that.
func storeOf(u *url.URL, path string) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		host = "localhost"
	}
	if port == "" {
		port = u.Scheme
	}
	path = strings.TrimRight(path, "/")
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
	return host + ":" + port + path
}

func openInfluxDB(address string, getenv func(string) (string, bool)) (takes, destination, error) {
	w, a, err := influxdb.New(address, getenv)
	if err != nil {
		return takes{}, destination{}, err
	}
	o := outlet.Options{Writer: w, Before: true, Timeout: a.Duration("timeout", 0)}
	shown := fmt.Sprintf("%s%s %s/%s", a.URL.Host, strings.TrimRight(a.URL.Path, "/"), a.Options["org"], a.Options["bucket"])
	return takes{samples: o}, destination{shown: shown, hidden: a.HeaderText()}, a.Err()
}

// Options say which outlets there are.
type Options struct {
	Specs    []string // KIND=ADDRESS each; README.md has the options of the addresses
	Required bool     // a run is incomplete without them
	Dir      string   // for their cursors
	Store    *store.Store
	Instance string // of this machine, in the metrics of the outlets
	Within   time.Duration
	Getenv   func(string) (string, bool) // for tokens
	Notify   func(text string)           // for people
}

// ErrSpec is the error of an outlet that is described wrongly.
var ErrSpec = errors.New("the outlet is described wrongly")

// Outlets are outlets that are open.
type Outlets struct {
	*outlet.Set
	Spans  []*outlet.Queue[trace.Span] // of those that take spans; the Set runs them
	Events []*outlet.Queue[event.Event]
}

// Open opens outlets. It starts nothing and connects to nothing.
func Open(o Options) (*Outlets, error) {
	described, err := describeAll(o.Specs, o.Getenv)
	if err != nil {
		return nil, err
	}
	all := &Outlets{}
	set := outlet.SetOptions{Store: o.Store, Instance: o.Instance, Within: o.Within, Notify: o.Notify}
	for _, one := range described {
		if o.Required {
			set.Required = append(set.Required, one.name)
		}
		if one.samples.Writer != nil {
			s := one.samples
			s.Name, s.File, s.Source, s.Notify = one.name, filepath.Join(o.Dir, fileOf(one.name)), o.Store, o.Notify
			if one.exemplars {
				s.Exemplars = o.Store
			}
			opened, err := outlet.New(s)
			if err != nil {
				return nil, err
			}
			set.Outlets = append(set.Outlets, opened)
		}
		if one.spans != nil {
			q := outlet.NewQueue(outlet.QueueOptions[trace.Span]{Name: one.name, Signal: outlet.Spans, Exporter: one.spans, Notify: o.Notify})
			all.Spans, set.Queues = append(all.Spans, q), append(set.Queues, q)
		}
		if one.events != nil {
			q := outlet.NewQueue(outlet.QueueOptions[event.Event]{Name: one.name, Signal: outlet.Events, Exporter: one.events, Notify: o.Notify})
			all.Events, set.Queues = append(all.Events, q), append(set.Queues, q)
		}
	}
	all.Set, err = outlet.NewSet(set)
	return all, err
}

// Check says what is wrong with descriptions of outlets, without opening them.
func Check(specs []string, getenv func(string) (string, bool)) error {
	_, err := describeAll(specs, getenv)
	return err
}

// described is an outlet that is not open yet.
type described struct {
	name  string
	store string // and what else tells destinations apart
	takes
}

func describeAll(specs []string, getenv func(string) (string, bool)) ([]described, error) {
	var list []described
	for _, spec := range specs {
		one, err := describe(spec, getenv)
		if err != nil {
			return nil, err
		}
		for _, other := range list {
			switch {
			case other.name == one.name:
				return nil, fmt.Errorf("%w: %s is there twice: a series goes to one store by one way", ErrSpec, one.name)
			case one.store != "" && other.store == one.store:
				return nil, fmt.Errorf("%w: %s and %s are two ways to one store, which would get every series twice: leave one of them out", ErrSpec, other.name, one.name)
			}
		}
		list = append(list, one)
	}
	return list, nil
}

func describe(spec string, getenv func(string) (string, bool)) (described, error) {
	name, address, ok := strings.Cut(spec, "=")
	open, known := kinds[name]
	if !known || !ok && name != "otlp" { // which has an address in the environment
		if strings.Contains(name, ":") { // an address alone, which can have a password in it
			name = "…"
		}
		return described{}, fmt.Errorf("%w: %q is no kind of outlet: write KIND=ADDRESS, where KIND is one of %s", ErrSpec, name, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	}
	what, where, err := open(address, getenv)
	if err != nil {
		return described{}, fmt.Errorf("%w: %s: %w", ErrSpec, name, err)
	}
	one := described{name + " " + where.shown, where.store, what}
	if where.hidden != "" {
		one.name += " " + shortHash(where.hidden)
		if one.store != "" {
			one.store += " " + where.hidden
		}
	}
	return one, nil
}

// fileOf returns a file name for an outlet that a person recognises and that no other outlet has.
func fileOf(name string) string {
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	return readable[:min(60, len(readable))] + "-" + shortHash(name) + ".json"
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}
