package plan

import (
	"bytes"
	"errors"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/value"
)

// Scrape is what a plan says under `scrape`: a list of jobs, each a scrape_config of Prometheus, whose meaning is
// Prometheus's. The zero Scrape has none.
type Scrape struct {
	Jobs []string // the values of job_name
	Dir  string   // what file names are relative to
	list *yaml.Node
}

// The parts of a text under `scrape` that are ours; any other ${...} is Prometheus's own, as in the replacement ${1}.
const (
	targetHost   = "${target.host}"   // host and port of base_url
	targetScheme = "${target.scheme}" // http or https
)

// ScrapeConfigs returns the plan's scrape jobs as YAML for Prometheus, a list of scrape_configs, for the target as it is now;
// nil if there is none.
func (p *Plan) ScrapeConfigs() []byte {
	if p.Scrape.list == nil {
		return nil
	}
	host, scheme := "", "http"
	if u, err := url.Parse(p.Target.BaseURL); err == nil { // it was parsed when the plan was read
		host, scheme = u.Host, u.Scheme
	}
	text, err := encodeYAML(withTarget(p.Scrape.list, host, scheme))
	if err != nil {
		return nil // it was written once when it was checked
	}
	return text
}

// withTarget copies a tree with the parts filled in that depend on the target.
func withTarget(n *yaml.Node, host, scheme string) *yaml.Node {
	out := *n
	if n.Kind == yaml.ScalarNode {
		out.Value = strings.NewReplacer(targetHost, host, targetScheme, scheme).Replace(n.Value)
	}
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		out.Content[i] = withTarget(c, host, scheme)
	}
	return &out
}

func encodeYAML(n *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	if err := e.Encode(n); err != nil {
		return nil, err
	}
	if err := e.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// scrape reads the jobs and has each of them checked.
func (d *decoder) scrape(n node, p *Plan) Scrape {
	s := Scrape{Dir: filepath.Dir(d.source.file), list: &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}}
	host, scheme := "target:80", "http" // of a target whose URL is wrong
	if u, err := url.Parse(p.Target.BaseURL); err == nil && u.Host != "" {
		host, scheme = u.Host, u.Scheme
	}
	for _, item := range d.items(n, "scrape_configs of Prometheus, such as {job_name: payments, static_configs: [{targets: [\""+targetHost+"\"]}]}") {
		before := len(d.errs)
		c := jobCopy{d: d, origin: map[*yaml.Node]node{}}
		members, ok := d.members(item, "a scrape_config of Prometheus")
		if !ok {
			continue
		}
		job := c.of(item)
		name := ""
		for _, m := range members {
			if m.key.Value == "job_name" {
				name = m.value.Value
				if slices.Contains(s.Jobs, name) {
					d.wrong(m.value, "there is another job with the job_name %s, expected one of its own", quoted(name))
				}
			}
		}
		if name == "" {
			d.wrong(item, "job_name is missing, expected a name for the job, which becomes the label job")
		}
		if len(d.errs) == before && d.options.CheckScrape != nil {
			c.check(item, withTarget(job, host, scheme), job)
		}
		s.Jobs = append(s.Jobs, name)
		s.list.Content = append(s.list.Content, job)
	}
	return s
}

// jobCopy is a job without aliases and with constants filled in, and where each part of it comes from.
type jobCopy struct {
	d      *decoder
	origin map[*yaml.Node]node
}

func (c *jobCopy) of(n node) *yaml.Node {
	out := &yaml.Node{Kind: n.Kind, Tag: n.ShortTag(), Value: n.Value}
	c.origin[out] = n
	switch n.Kind {
	case yaml.MappingNode:
		members, _ := c.d.members(n, "a mapping")
		for _, m := range members {
			out.Content = append(out.Content, c.of(m.key), c.of(m.value))
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			out.Content = append(out.Content, c.of(follow(item, indexed(n.path, i))))
		}
	case yaml.ScalarNode:
		c.fill(out, n)
	}
	return out
}

// fill evaluates the parts of a text that are ours.
func (c *jobCopy) fill(out *yaml.Node, n node) {
	text, filled := n.Value, strings.Builder{}
	for {
		at := strings.Index(text, "${env")
		if at < 0 {
			break
		}
		end := min(at+2+closing(text[at+2:]), len(text))
		compiler := value.Compiler{Getenv: c.d.options.Getenv}
		v, err := compiler.Constant(text[at:end])
		if err != nil {
			c.d.expression(n, err)
		}
		filled.WriteString(text[:at] + v)
		text = text[end:]
	}
	if filled.Len() == 0 && text == n.Value {
		if at := strings.Index(text, "${target."); at >= 0 && !strings.HasPrefix(text[at:], targetHost) && !strings.HasPrefix(text[at:], targetScheme) {
			c.d.wrongAt(n, at, "there is no such part, expected %s or %s", targetHost, targetScheme)
		}
		return
	}
	out.Value = filled.String() + text
	if n.Style == 0 {
		out.Tag = "" // what was filled in says the type
	}
}

// check has the job checked and reports each mistake where it is in the plan: by its line in the text checked, else by the
// key or the value that the message speaks of.
func (c *jobCopy) check(item node, checked, job *yaml.Node) {
	text, err := encodeYAML(checked)
	if err != nil {
		c.d.wrong(item, "writing the job for Prometheus: %v", err)
		return
	}
	err = c.d.options.CheckScrape(filepath.Dir(c.d.source.file), text)
	if err == nil {
		return
	}
	lines := c.lines(text, job)
	all := []error{err}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		all = several.Unwrap()
	}
	for _, err := range all {
		at, ok := node{}, false
		var placed interface{ Line() int }
		if errors.As(err, &placed) {
			at, ok = lines[placed.Line()]
		}
		if !ok {
			at = c.spokenOf(err.Error(), job, item)
		}
		c.d.wrong(at, "%s", oneLine(err.Error()))
	}
}

// lines returns what begins each line of the text that a job was written as: in the text every key has a line.
func (c *jobCopy) lines(text []byte, job *yaml.Node) map[int]node {
	lines := map[int]node{}
	documents, err := decodeYAML(text, 1)
	if err != nil || len(documents) == 0 {
		return lines
	}
	var walk func(written, own *yaml.Node)
	walk = func(written, own *yaml.Node) {
		if at, ok := c.origin[own]; ok && lines[written.Line].Node == nil && len(written.Content) == 0 {
			lines[written.Line] = at
		}
		for i := range min(len(written.Content), len(own.Content)) {
			walk(written.Content[i], own.Content[i])
		}
	}
	walk(documents[0].Content[0], job)
	return lines
}

// spokenOf returns the part of a job that a message names: a value that it quotes, or else the key that it has as words
// first, with spaces or underscores between them.
func (c *jobCopy) spokenOf(message string, job *yaml.Node, item node) node {
	best, first, byValue := item, len(message)+1, false
	spoken := " " + strings.ToLower(strings.ReplaceAll(message, "_", " ")) + " "
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, part := range n.Content {
			isKey := n.Kind == yaml.MappingNode && i%2 == 0
			switch {
			case part.Kind != yaml.ScalarNode || part.Value == "" || byValue:
			case isKey && part.Value != "job_name":
				if at := strings.Index(spoken, " "+strings.ReplaceAll(part.Value, "_", " ")+" "); at >= 0 && at < first {
					best, first = c.origin[part], at
				}
			case !isKey && (n.Kind != yaml.MappingNode || n.Content[i-1].Value != "job_name"):
				if strings.Contains(message, strconv.Quote(part.Value)) || strings.Contains(message, part.Value+": ") {
					best, byValue = c.origin[part], true
				}
			}
			walk(part)
		}
	}
	walk(job)
	return best
}
