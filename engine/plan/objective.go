package plan

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/document"
)

const objectiveForm = `text such as p95 < 500ms, error_rate < 0.1% or p99{name="GET /x"} < 1s for 30s, abort, or a mapping with promql or preset`

func (d *decoder) objectives(n node, p *Plan) []Objective {
	var all []Objective
	requests := p.requests(nil)
	known := make(map[string][]string, len(labelWords))
	for _, label := range labelWords {
		known[label] = valuesOf(label, requests)
	}
	for _, item := range d.Items(n, "objectives such as p95 < 500ms") {
		var o Objective
		var ok bool
		if item.Kind == yaml.MappingNode {
			var preset *node
			if o, preset, ok = d.promQL(item); preset != nil {
				all = append(all, d.preset(*preset, p)...)
			}
		} else {
			o, ok = d.objective(item, requests, known)
		}
		if ok {
			all = append(all, o)
		}
	}
	return all
}

// objective reads an objective and compares its labels with those the requests have.
func (d *decoder) objective(n node, requests []labelled, known map[string][]string) (Objective, bool) {
	text, ok := d.Scalar(n, objectiveForm)
	if !ok {
		return Objective{}, false
	}
	parsed, err := parseObjective(text)
	if err != nil {
		d.WrongAt(n, err.offset, "%s", err.message)
		return Objective{}, false
	}
	parsed.Pos = d.Pos(n)
	if len(requests) == 0 || parsed.Metric == Figure {
		return parsed.Objective, true // there is nothing to compare with
	}
	unknown := false
	for _, l := range parsed.labels {
		if slices.Contains(known[l.name], l.value) || d.nameless && l.name != "class" {
			continue
		}
		unknown = true
		d.WrongAt(n, l.offset, "%s", document.UnknownName(l.name, l.value, known[l.name]))
	}
	if !unknown && !d.nameless && !parsed.concerns(requests) {
		d.WrongAt(n, parsed.labels[0].offset, "no request of the plan has all of these, expected labels of one request")
		return Objective{}, false
	}
	return parsed.Objective, !unknown
}

// labelled is a request with what a selector can ask of it.
type labelled struct {
	class   string
	request *Request
}

// requests returns the requests of a test, or of the whole plan.
func (p *Plan) requests(t *Test) []labelled {
	var all []labelled
	for i := range p.Classes {
		c := &p.Classes[i]
		for j := range c.Tasks {
			if t != nil && (!t.TakesPart(c) || !t.Runs(&c.Tasks[j])) {
				continue
			}
			for _, s := range c.Tasks[j].Steps {
				if s.Request != nil {
					all = append(all, labelled{c.Name, s.Request})
				}
			}
		}
	}
	return all
}

// values returns the values that a label of a request has.
func (l labelled) values(label string) []string {
	switch label {
	case "class":
		return []string{l.class}
	case "name":
		return []string{l.request.Name}
	case "method":
		return []string{l.request.Method}
	}
	var checks []string
	for _, c := range l.request.Checks {
		checks = append(checks, c.Name)
	}
	return checks
}

// valuesOf returns the values that a label has in a plan, each once.
func valuesOf(label string, requests []labelled) []string {
	var all []string
	seen := map[string]bool{}
	for _, r := range requests {
		for _, v := range r.values(label) {
			if !seen[v] {
				seen[v] = true
				all = append(all, v)
			}
		}
	}
	return all
}

// concerns reports whether an objective says something about one of the requests. One about everything always does.
func (o *Objective) concerns(requests []labelled) bool {
	return len(o.Selector) == 0 || o.Metric == Figure || slices.ContainsFunc(requests, func(r labelled) bool {
		for label, v := range o.Selector {
			if !slices.Contains(r.values(label), v) {
				return false
			}
		}
		return true
	})
}

// promQL reads an objective that is an expression over the store. If it is a preset instead, it returns its name.
func (d *decoder) promQL(n node) (o Objective, preset *node, ok bool) {
	o = Objective{Pos: d.Pos(n), Metric: PromQL}
	if len(n.Content) == 2 && n.Content[0].Kind == yaml.ScalarNode {
		metric := n.Content[0].Value
		if _, _, err := parseMetric(metric); err == nil {
			d.Wrong(n, "%s is a key here, expected text with a comparison: %s < …", metric, metric)
			return o, nil, false
		}
	}
	before := d.Count()
	found, known := d.Mapping(n, "an objective",
		document.Key("promql", func(n node) { o.PromQL = d.promQLText(n) }),
		document.Key("preset", func(n node) { preset = &n }),
		document.Key("for", document.Into(&o.For, d.Positive)),
		document.Key("abort", document.Into(&o.Abort, d.Boolean)),
	)
	if only := d.ExactlyOne(n, found, known, "promql", "preset"); only == "preset" {
		d.meaningless(found, "a preset is judged over the whole part", "for", "abort")
		return o, preset, false
	}
	o.Text = document.OneLine(o.PromQL)
	return o, nil, d.Count() == before
}

func (d *decoder) promQLText(n node) string {
	text, ok := d.Scalar(n, "an expression with a comparison, such as max(up) == 1")
	if !ok {
		return ""
	}
	if !strings.ContainsAny(promQLIgnored.ReplaceAllString(text, ""), "<>=") {
		d.Wrong(n, "the expression compares nothing, expected a comparison such as max(up) == 1")
		return ""
	}
	d.checkPromQL(n, sampleOf(text), 0)
	return text
}

// checkPromQL reports a mistake in an expression which the text of n begins with after so many bytes.
func (d *decoder) checkPromQL(n node, expr string, before int) {
	if d.options.CheckPromQL == nil {
		return
	}
	if err := d.options.CheckPromQL(expr); err != nil {
		offset := before
		var placed interface{ Offset() int }
		if errors.As(err, &placed) {
			offset = placed.Offset()
		}
		d.WrongAt(n, min(max(offset-before, 0), len(n.Value)), "%s", document.OneLine(err.Error()))
	}
}

// promQLIgnored is where an operator of PromQL compares no values: in strings and selectors.
var promQLIgnored = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\{[^}]*\}`)

// sampleOf fills in the parts of an expression that are known when it runs, with something of the same length.
func sampleOf(text string) string {
	return strings.NewReplacer("$range", "10000s", "$run", "run0", "$seconds", "10000000").Replace(text)
}

// objectiveError is a mistake in the text of an objective.
type objectiveError struct {
	offset  int
	message string
}

func (e *objectiveError) Error() string { return fmt.Sprintf("at %d: %s", e.offset, e.message) }
