// Package config reads tidegauge.yaml: what outlives a plan.
//
// README.md describes it.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tidegauge/engine/document"
	"tidegauge/engine/history"
	"tidegauge/engine/host"
	"tidegauge/exporters"
	"tidegauge/exporters/announce"
)

// Config is what a configuration says; what it does not say is zero.
type Config struct {
	File      string // as named by the caller; empty: there is none
	DataDir   string // resolved against the configuration's folder
	Listen    string
	Retention Retention
	Outlets   []exporters.Spec
	Scrape    document.Jobs // always
	Host      *host.Options // what is read of this machine, always; nil: nothing
	Announce  []announce.Hook
	Daemon    Daemon
}

// The least that can be asked for. Less could not be had: blocks of the store hold two hours.
const (
	LeastTime = 2 * time.Hour
	LeastSize = 64 << 20
)

// Retention says how long series are kept, and which runs.
type Retention struct {
	Time time.Duration
	Size int64              // bytes
	Runs *history.Retention // nil: it says nothing of them
}

// Options are the circumstances a configuration is read in.
type Options struct {
	Getenv  func(string) (string, bool)
	Listen  string // where the process answers whatever the configuration says; empty: where that says
	Default string // where it answers if that says nothing; empty: nowhere
	// CheckScrape is the Check of document.JobOptions, for a process that answers on listen; nil: nothing is checked.
	CheckScrape func(listen, dir string, job []byte) error
	// CheckPromQL says what is wrong with an expression that ends runs; nil: nothing is checked.
	CheckPromQL func(expr string) error
}

// Parse reads a configuration. The error, if any, is of type document.Errors and lists every mistake.
func Parse(file string, text []byte, o Options) (*Config, error) {
	reader, root := document.New(file, text, document.Options{Kind: "configuration", Getenv: o.Getenv})
	d := &decoder{Decoder: reader, options: o}
	c := &Config{File: file}
	if root != nil {
		d.config(*root, c)
	}
	if errs := d.Errors(); len(errs) > 0 {
		return nil, errs
	}
	return c, nil
}

type node = document.Node

type decoder struct {
	*document.Decoder
	options Options
}

func (d *decoder) config(n node, c *Config) {
	d.Mapping(n, "a configuration", append([]document.Field{
		document.Key("data_dir", document.Into(&c.DataDir, d.dataDir)),
		document.Key("listen", document.Into(&c.Listen, d.listen)),
		document.Key("retention", func(n node) { c.Retention = d.retention(n) }),
		document.Key("outlets", func(n node) { c.Outlets = d.outlets(n, d.listensOn(c)) }),
		document.Key("scrape", func(n node) { c.Scrape = d.scrape(n, d.listensOn(c)) }),
		document.Key("host", func(n node) { c.Host = d.Host(n) }),
		document.Key("announce", func(n node) { c.Announce = d.announcements(n) }),
	}, d.daemonFields(&c.Daemon)...)...)
}

// listensOn returns where the process will answer.
func (d *decoder) listensOn(c *Config) string {
	return cmp.Or(d.options.Listen, c.Listen, d.options.Default)
}

func (d *decoder) dataDir(n node) (string, bool) {
	name, ok := d.Constant(n, "the name of a folder, relative to the configuration")
	if ok && strings.TrimSpace(name) == "" {
		d.Wrong(n, "the name of the folder is empty, expected one relative to the configuration")
		return "", false
	}
	return d.Resolve(name), ok
}

func (d *decoder) listen(n node) (string, bool) {
	return document.Read(d.Decoder, "HOST:PORT such as 127.0.0.1:9777, or :9777 for every address of the machine", func(s string) (string, error) {
		if _, port, err := net.SplitHostPort(s); err != nil || port == "" {
			return "", fmt.Errorf("%s is no address to listen on", document.Quoted(s))
		}
		return s, nil
	})(n)
}

func (d *decoder) retention(n node) (r Retention) {
	d.Mapping(n, "retention",
		document.Key("time", func(n node) {
			if v, ok := d.Positive(n); ok && v < LeastTime {
				d.Wrong(n, "%s is too short, expected %gh at least: the latest one to three hours are kept anyway", document.Quoted(n.Value), LeastTime.Hours())
			} else {
				r.Time = v
			}
		}),
		document.Key("size", func(n node) {
			if v, ok := d.Size(n); ok && v < LeastSize {
				d.Wrong(n, "%s is too small, expected %dMiB at least: the latest one to three hours are kept anyway, and take more", document.Quoted(n.Value), LeastSize>>20)
			} else {
				r.Size = v
			}
		}),
		document.Key("runs", func(n node) { r.Runs = d.runs(n) }))
	return r
}

// runs reads which runs are kept. What it does not bound has no bound.
func (d *decoder) runs(n node) *history.Retention {
	var r history.Retention
	d.Mapping(n, "the bounds of runs",
		document.Key("count", document.Into(&r.Count, d.Whole(history.RollingRuns, mostRuns))),
		document.Key("time", document.Into(&r.Age, d.Positive)),
		document.Key("size", func(n node) {
			if v, ok := d.Size(n); ok && v < leastRunBytes {
				d.Wrong(n, "%s is too small, expected %dMiB at least", document.Quoted(n.Value), leastRunBytes>>20)
			} else {
				r.Size = v
			}
		}))
	return &r
}

const (
	mostRuns      = 1_000_000
	leastRunBytes = 10 << 20 // a baseline has to fit
)

func (d *decoder) scrape(n node, listen string) document.Jobs {
	o := document.JobOptions{Example: `{job_name: node, static_configs: [{targets: ["localhost:9100"]}]}`}
	if d.options.CheckScrape != nil {
		o.Check = func(dir string, job []byte) error { return d.options.CheckScrape(listen, dir, job) }
	}
	return d.Jobs(n, o)
}

// The places in which a configuration is looked for, in this order.
const (
	Variable = "TIDEGAUGE_CONFIG"
	here     = "tidegauge.yaml"
	system   = "/etc/tidegauge/tidegauge.yaml"
)

// Find returns the file that is the configuration: the one given, else the one that the environment names, else tidegauge.yaml
// in the working directory, else that of the system; "" if there is none. One that is asked for has to be there.
func Find(given string, getenv func(string) (string, bool)) (string, error) {
	if given != "" {
		return given, nil
	}
	if file, _ := getenv(Variable); file != "" {
		return file, nil
	}
	for _, file := range []string{here, system} {
		_, err := os.Stat(file)
		switch {
		case err == nil:
			return file, nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
			return "", fmt.Errorf("looking for the configuration: %w", err)
		}
	}
	return "", nil
}

// Is reports whether a file is a configuration rather than a plan: by keys that only one of them has, else by its name.
func Is(file string, text []byte) bool {
	ours, plans := 0, 0
	keys := document.TopKeys(text)
	for _, key := range keys {
		switch key {
		case "data_dir", "listen", "retention", "announce", "plans", "schedules", "blackouts", "limits", "access", "rules", "alerting":
			ours++
		case "target", "classes", "tests", "objectives", "data", "name", "seed":
			plans++
		}
	}
	if ours != plans {
		return ours > plans
	}
	base := filepath.Base(file)
	return strings.HasPrefix(base, "tidegauge.") || plans == 0 && len(keys) > 0
}
