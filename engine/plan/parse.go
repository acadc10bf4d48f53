package plan

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"tidegauge/engine/catalog"
	"tidegauge/engine/document"
	"tidegauge/engine/value"
)

const minimalPlan = `a minimal plan is target: {base_url: "http://localhost:8000"} classes: {User: {tasks: [{get: /}]}} tests: {load: {arrivals: 10/s, duration: 1m}}`

// The bounds of numbers: what is above is a slip of the pen.
const (
	maxUsers  = 1_000_000
	maxWeight = 1_000_000
)

// Error is one mistake of a plan.
type Error = document.Error

// Errors are all the mistakes of a plan, in the order of the file.
type Errors = document.Errors

// Pos is a place in the plan's file.
type Pos = document.Pos

type (
	node   = document.Node
	member = document.Member
)

// decoder reads the tree of a plan.
type decoder struct {
	*document.Decoder
	options Options
	// requests are the places of the requests, for what is checked once they are all known.
	requests map[*Request]node
	// nameless is true if there is a request whose name is not known because of a mistake: it may be any.
	nameless bool
}

// Parse reads a plan. The error, if any, is of type Errors and lists every mistake. Files that the plan names are looked
// for in the directory of file, and read: a data file that is not there is a mistake of the plan.
func Parse(file string, text []byte, o Options) (*Plan, error) {
	reader, root := document.New(file, text, document.Options{Kind: "plan", Hint: minimalPlan, Getenv: o.Getenv, File: o.File})
	if root == nil {
		return nil, reader.Errors()
	}
	d := &decoder{Decoder: reader, options: o, requests: map[*Request]node{}}
	p := &Plan{File: file, Source: text, Always: o.Jobs, Name: strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))}
	d.plan(*root, p)
	if errs := d.Errors(); len(errs) > 0 {
		return nil, errs
	}
	return p, nil
}

// Test returns the test of that name, or with an empty name the only one or the one called "load"; the error lists the
// names there are.
func (p *Plan) Test(name string) (*Test, error) {
	if name == "" {
		if len(p.Tests) == 1 {
			return &p.Tests[0], nil
		}
		name = string(Load)
	}
	names := make([]string, len(p.Tests))
	for i := range p.Tests {
		if names[i] = p.Tests[i].Name; names[i] == name {
			return &p.Tests[i], nil
		}
	}
	return nil, fmt.Errorf("choosing a test of %s: %s", p.File, document.UnknownName("test", name, names))
}

func (d *decoder) plan(n node, p *Plan) {
	names := value.Names{}
	found, known := d.Mapping(n, "a plan",
		document.Key("name", document.Into(&p.Name, d.name)),
		document.Key("labels", document.Into(&p.Labels, d.labels)),
		document.Key("seed", document.Into(&p.Seed, document.Read(d.Decoder, "a whole number that is not negative", parseSeed))),
		document.Key("max_series", document.Into(&p.MaxSeries, d.Whole(1, maxSeries))),
		document.Key("data", func(n node) { p.Data = d.data(n, names) }),
		document.Key("target", func(n node) { p.Target = d.target(n, names) }),
		document.Key("classes", func(n node) { p.Classes = d.classes(n, names) }),
		document.Key("trace", func(n node) { p.Trace = d.trace(n) }),
		document.Key("scrape", func(n node) { p.Scrape = d.scrape(n, p) }),
		document.Key("host", func(n node) { p.Host, p.HostPos = d.Host(n), d.Pos(n) }),
		document.Key("resources", func(n node) { p.Resources = d.resources(n) }),
		document.Key("proxies", func(n node) { p.Proxies = d.proxies(n) }),
		document.Key("outlets", func(n node) {
			d.Mapping(n, "what a plan asks of outlets", document.Key("required", func(n node) { p.Outlets = d.required(n) }))
		}),
		document.Key("objectives", func(n node) { p.Objectives = d.objectives(n, p) }),
		document.Key("tests", func(n node) { p.Tests = d.tests(n, p) }),
	)
	if !known {
		return // what seems to be missing may be what is misspelt
	}
	if _, ok := found["target"]; !ok {
		d.Wrong(n, "target is missing, expected what to load: target: {base_url: \"http://localhost:8000\"}")
	}
	if _, ok := found["classes"]; !ok {
		d.Wrong(n, "classes is missing, expected at least one class of users: classes: {User: {tasks: [{get: /}]}}")
	}
	if _, ok := found["tests"]; !ok {
		d.Wrong(n, "tests is missing, expected at least one test: tests: {load: {arrivals: 10/s, duration: 1m}}")
	}
}

// maxSeries is far above what one process can write every second.
const maxSeries = 10_000_000

func parseSeed(s string) (uint64, error) {
	v, err := strconv.ParseUint(strings.ReplaceAll(s, "_", ""), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is not a whole number of up to %d", document.Quoted(s), uint64(math.MaxUint64))
	}
	return v, nil
}

// maxName is how long a name may be: names are labels of every series.
const maxName = 200

func checkName(s string) error {
	switch {
	case strings.TrimSpace(s) == "":
		return errors.New("the name is empty, expected text")
	case len(s) > maxName:
		return fmt.Errorf("the name %s has %d bytes, expected at most %d", document.Quoted(s), len(s), maxName)
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("the name %s has a line break or a control character, expected one line of text", document.Quoted(s))
	}
	return nil
}

// name reads the name of a thing. It is the same for everybody who reads the plan.
func (d *decoder) name(n node) (string, bool) {
	s, ok := d.Scalar(n, "a name")
	if !ok {
		return "", false
	}
	if at := strings.Index(s, "${"); at >= 0 {
		d.WrongAt(n, at, "a name has no ${...} parts, since each value would make a series of its own, expected fixed text such as GET /payments/{id}")
		return "", false
	}
	if err := checkName(s); err != nil {
		d.Wrong(n, "%v", err)
		return "", false
	}
	return s, true
}

// keyName checks a key that is the name of a thing.
func (d *decoder) keyName(n node) {
	if at := strings.Index(n.Value, "${"); at >= 0 {
		d.WrongAt(n, at, "a name has no ${...} parts, expected fixed text")
	} else if err := checkName(n.Value); err != nil {
		d.Wrong(n, "%v", err)
	}
}

// labels reads what becomes attributes of every metric. Two that are one label in Prometheus, or one that is ours, would
// mix up series.
func (d *decoder) labels(n node) (map[string]string, bool) {
	members, ok := d.Members(n, "a mapping of label names to texts")
	taken := ownLabels()
	labels := make(map[string]string, len(members))
	for _, m := range members {
		name, err := catalog.PrometheusLabel(m.Key.Value)
		why, isTaken := taken[name]
		switch {
		case err != nil || !isLabel(m.Key.Value):
			d.Wrong(m.Key, "%s is no label, expected letters, digits, . and _, and no digit or _ first", document.Quoted(m.Key.Value))
		case isTaken:
			d.Wrong(m.Key, "the label %s is taken, %s, expected another", document.Quoted(m.Key.Value), why)
		}
		taken[name] = fmt.Sprintf("it is the same in Prometheus as %s in line %d", document.Quoted(m.Key.Value), d.Pos(m.Key).Line)
		if text, ok := d.Constant(m.Value, "text"); ok {
			labels[m.Key.Value] = text
		}
	}
	return labels, ok
}

// ownLabels returns the labels, as Prometheus has them, that tidegauge, Prometheus or its text format set.
func ownLabels() map[string]string {
	own := append(catalog.CommonLabels(), "job", "instance", "le", "quantile")
	for _, m := range catalog.All() {
		own = append(own, m.Labels...)
	}
	taken := make(map[string]string, len(own))
	for _, label := range own {
		if name, err := catalog.PrometheusLabel(label); err == nil {
			taken[name] = "our metrics have it"
		}
	}
	return taken
}

func isLabel(s string) bool {
	for i, r := range s {
		letter := (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z')
		if !letter && (i == 0 || r != '_' && r != '.' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// required reads which outlets have to be complete. Which there are is not the plan's to say.
func (d *decoder) required(n node) (o Outlets) {
	for _, item := range d.Items(n, "names or kinds of outlets, such as prometheus") {
		name, ok := d.Constant(item, "the name or the kind of an outlet, such as prometheus")
		switch {
		case !ok:
		case strings.TrimSpace(name) == "":
			d.Wrong(item, "the name is empty, expected that of an outlet, or its kind, such as prometheus")
		case slices.Contains(o.Required, name):
			d.Wrong(item, "the outlet %s is named twice, expected it once", document.Quoted(name))
		default:
			o.Required, o.Places = append(o.Required, name), append(o.Places, d.Pos(item))
		}
	}
	return o
}
