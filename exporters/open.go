// Package exporters opens the outlets that a command line names.
package exporters

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/outlet"
	"tidegauge/engine/store"
	"tidegauge/exporters/influxdb"
	"tidegauge/exporters/prometheus"
)

// kind opens one kind of destination. What it returns lacks what all kinds have in common.
type kind func(address string, getenv func(string) (string, bool)) (outlet.Options, destination, error)

// destination says where samples go. Two outlets with one destination would write the same series twice.
type destination struct {
	shown  string // to people
	hidden string // what else tells destinations apart, and may be a secret: tenants by header or query
}

var kinds = map[string]kind{
	"influxdb":   openInfluxDB,
	"prometheus": openPrometheus,
}

func openPrometheus(address string, getenv func(string) (string, bool)) (outlet.Options, destination, error) {
	w, a, err := prometheus.New(address, getenv)
	if err != nil {
		return outlet.Options{}, destination{}, err
	}
	o := outlet.Options{Writer: w, Markers: true, Before: w.NeedsBefore(), Timeout: a.Duration("timeout", 0)}
	return o, destination{a.URL.Host + a.URL.Path, a.URL.RawQuery + a.HeaderText()}, a.Err()
}

func openInfluxDB(address string, getenv func(string) (string, bool)) (outlet.Options, destination, error) {
	w, a, err := influxdb.New(address, getenv)
	if err != nil {
		return outlet.Options{}, destination{}, err
	}
	o := outlet.Options{Writer: w, Before: true, Timeout: a.Duration("timeout", 0)}
	shown := fmt.Sprintf("%s%s %s/%s", a.URL.Host, strings.TrimRight(a.URL.Path, "/"), a.Options["org"], a.Options["bucket"])
	return o, destination{shown, a.HeaderText()}, a.Err()
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

// Open opens outlets. It starts nothing and connects to nothing.
func Open(o Options) (*outlet.Set, error) {
	var list []*outlet.Outlet
	var names []string
	for _, spec := range o.Specs {
		one, err := describe(spec, o.Getenv)
		if err != nil {
			return nil, err
		}
		if slices.Contains(names, one.Name) {
			return nil, fmt.Errorf("%w: %s is there twice: a series goes to one store by one way", ErrSpec, one.Name)
		}
		names = append(names, one.Name)
		one.File, one.Source, one.Notify = filepath.Join(o.Dir, fileOf(one.Name)), o.Store, o.Notify
		opened, err := outlet.New(one)
		if err != nil {
			return nil, err
		}
		list = append(list, opened)
	}
	required := names
	if !o.Required {
		required = nil
	}
	return outlet.NewSet(outlet.SetOptions{
		Outlets: list, Required: required, Store: o.Store, Instance: o.Instance, Within: o.Within, Notify: o.Notify,
	})
}

// Check says what is wrong with descriptions of outlets, without opening them.
func Check(specs []string, getenv func(string) (string, bool)) error {
	var names []string
	for _, spec := range specs {
		o, err := describe(spec, getenv)
		if err != nil {
			return err
		}
		if slices.Contains(names, o.Name) {
			return fmt.Errorf("%w: %s is there twice: a series goes to one store by one way", ErrSpec, o.Name)
		}
		names = append(names, o.Name)
	}
	return nil
}

func describe(spec string, getenv func(string) (string, bool)) (outlet.Options, error) {
	name, address, ok := strings.Cut(spec, "=")
	open, known := kinds[name]
	if !ok || !known {
		if strings.Contains(name, ":") { // an address alone, which can have a password in it
			name = "…"
		}
		return outlet.Options{}, fmt.Errorf("%w: %q is no kind of outlet: write KIND=ADDRESS, where KIND is one of %s", ErrSpec, name, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	}
	o, where, err := open(address, getenv)
	if err != nil {
		return outlet.Options{}, fmt.Errorf("%w: %s: %w", ErrSpec, name, err)
	}
	o.Name = name + " " + where.shown
	if where.hidden != "" {
		o.Name += " " + shortHash(where.hidden)
	}
	return o, nil
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
