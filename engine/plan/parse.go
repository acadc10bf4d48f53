package plan

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"tidegauge/engine/catalog"
	"tidegauge/engine/value"
)

// Parse reads a plan. The error, if any, is of type Errors and lists every mistake. Files that the plan names are looked
// for in the directory of file, and read: a data file that is not there is a mistake of the plan.
func Parse(file string, text []byte, o Options) (*Plan, error) {
	d := &decoder{source: newSource(file, text), options: o, requests: map[*Request]node{}}
	root := d.document()
	if root == nil {
		return nil, d.sorted()
	}
	p := &Plan{File: file, Source: text, Name: strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))}
	d.plan(follow(root, ""), p)
	if errs := d.sorted(); len(errs) > 0 {
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
	return nil, fmt.Errorf("choosing a test of %s: %s", p.File, unknownName("test", name, names))
}

func (d *decoder) plan(n node, p *Plan) {
	names := value.Names{}
	found, known := d.mapping(n, "a plan",
		field{"name", into(&p.Name, d.name)},
		field{"labels", into(&p.Labels, d.labels)},
		field{"seed", into(&p.Seed, read(d, "a whole number that is not negative", parseSeed))},
		field{"data", func(n node) { p.Data = d.data(n, names) }},
		field{"target", func(n node) { p.Target = d.target(n, names) }},
		field{"classes", func(n node) { p.Classes = d.classes(n, names) }},
		field{"scrape", func(n node) { p.Scrape = d.scrape(n, p) }},
		field{"objectives", func(n node) { p.Objectives = d.objectives(n, p) }},
		field{"tests", func(n node) { p.Tests = d.tests(n, p) }},
	)
	if !known {
		return // what seems to be missing may be what is misspelt
	}
	if _, ok := found["target"]; !ok {
		d.wrong(n, "target is missing, expected what to load: target: {base_url: \"http://localhost:8000\"}")
	}
	if _, ok := found["classes"]; !ok {
		d.wrong(n, "classes is missing, expected at least one class of users: classes: {User: {tasks: [{get: /}]}}")
	}
	if _, ok := found["tests"]; !ok {
		d.wrong(n, "tests is missing, expected at least one test: tests: {load: {arrivals: 10/s, duration: 1m}}")
	}
}

func parseSeed(s string) (uint64, error) {
	v, err := strconv.ParseUint(strings.ReplaceAll(s, "_", ""), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is not a whole number of up to %d", quoted(s), uint64(math.MaxUint64))
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
		return fmt.Errorf("the name %s has %d bytes, expected at most %d", quoted(s), len(s), maxName)
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("the name %s has a line break or a control character, expected one line of text", quoted(s))
	}
	return nil
}

// name reads the name of a thing. It is the same for everybody who reads the plan.
func (d *decoder) name(n node) (string, bool) {
	s, ok := d.scalar(n, "a name")
	if !ok {
		return "", false
	}
	if at := strings.Index(s, "${"); at >= 0 {
		d.wrongAt(n, at, "a name has no ${...} parts, since each value would make a series of its own, expected fixed text such as GET /payments/{id}")
		return "", false
	}
	if err := checkName(s); err != nil {
		d.wrong(n, "%v", err)
		return "", false
	}
	return s, true
}

// keyName checks a key that is the name of a thing.
func (d *decoder) keyName(n node) {
	if at := strings.Index(n.Value, "${"); at >= 0 {
		d.wrongAt(n, at, "a name has no ${...} parts, expected fixed text")
	} else if err := checkName(n.Value); err != nil {
		d.wrong(n, "%v", err)
	}
}

// labels reads what becomes attributes of every metric. Two that are one label in Prometheus, or one that is ours, would
// mix up series.
func (d *decoder) labels(n node) (map[string]string, bool) {
	members, ok := d.members(n, "a mapping of label names to texts")
	taken := ownLabels()
	labels := make(map[string]string, len(members))
	for _, m := range members {
		name, err := catalog.PrometheusLabel(m.key.Value)
		why, isTaken := taken[name]
		switch {
		case err != nil || !isLabel(m.key.Value):
			d.wrong(m.key, "%s is no label, expected letters, digits, . and _, and no digit or _ first", quoted(m.key.Value))
		case isTaken:
			d.wrong(m.key, "the label %s is taken, %s, expected another", quoted(m.key.Value), why)
		}
		taken[name] = fmt.Sprintf("it is the same in Prometheus as %s in line %d", quoted(m.key.Value), d.pos(m.key).Line)
		if text, ok := d.constant(m.value, "text"); ok {
			labels[m.key.Value] = text
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
