package document

import (
	"bytes"
	"errors"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Jobs are a list of scrape_configs of Prometheus, whose meaning is Prometheus's. The zero Jobs are none.
type Jobs struct {
	Names  []string // the values of job_name
	Places []Pos    // where each of them begins
	File   string   // in which they are
	Dir    string   // what file names are relative to
	list   *yaml.Node
}

// JobOptions say how jobs are read.
type JobOptions struct {
	// Parts are what ${…} parts stand for when the job is checked, by the part as written; any other ${…} but ${env…} is
	// Prometheus's own, as in the replacement ${1}.
	Parts map[string]string
	// Check says what is wrong with one job, as YAML, whose file names are relative to dir; nil: nothing is checked. If the
	// error has a method Unwrap() []error, each of those is a mistake. If one has a method Line() int, that is the line of the
	// mistake in the job.
	Check func(dir string, job []byte) error
	// Example is a job, for those who wrote none.
	Example string
}

// YAML returns the jobs for Prometheus, a list of scrape_configs, with parts filled in; nil if there is none.
func (j *Jobs) YAML(parts map[string]string) []byte {
	if j.list == nil {
		return nil
	}
	text, err := Encode(withParts(j.list, parts))
	if err != nil {
		return nil // it was written once when it was checked
	}
	return text
}

// withParts copies a tree with parts filled in.
func withParts(n *yaml.Node, parts map[string]string) *yaml.Node {
	out := *n
	if n.Kind == yaml.ScalarNode {
		for part, text := range parts {
			out.Value = strings.ReplaceAll(out.Value, part, text)
		}
	}
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		out.Content[i] = withParts(c, parts)
	}
	return &out
}

// Encode writes a tree.
func Encode(n *yaml.Node) ([]byte, error) {
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

// Jobs reads a list of jobs and has each of them checked.
func (d *Decoder) Jobs(n Node, o JobOptions) Jobs {
	all := Jobs{File: d.source.file, Dir: filepath.Dir(d.source.file), list: &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}}
	for _, item := range d.Items(n, "scrape_configs of Prometheus, such as "+o.Example) {
		before := d.Count()
		c := jobCopy{d: d, o: &o, origin: map[*yaml.Node]Node{}}
		members, ok := d.Members(item, "a scrape_config of Prometheus")
		if !ok {
			continue
		}
		job := c.of(item)
		name, at := "", item
		for _, m := range members {
			if m.Key.Value == "job_name" {
				name, at = m.Value.Value, m.Value
			}
		}
		if name == "" {
			d.Wrong(item, "job_name is missing, expected a name for the job, which becomes the label job")
		}
		if d.Count() == before && o.Check != nil {
			c.check(item, withParts(job, o.Parts), job)
		}
		if name != "" && slices.Contains(all.Names, name) {
			d.Wrong(at, "there is another job with the job_name %s, expected one of its own", Quoted(name))
		}
		all.Names, all.Places = append(all.Names, name), append(all.Places, d.Pos(at))
		all.list.Content = append(all.list.Content, job)
	}
	return all
}

// jobCopy is a job without aliases and with constants filled in, and where each part of it comes from.
type jobCopy struct {
	d      *Decoder
	o      *JobOptions
	origin map[*yaml.Node]Node
}

func (c *jobCopy) of(n Node) *yaml.Node {
	out := &yaml.Node{Kind: n.Kind, Tag: n.ShortTag(), Value: n.Value}
	c.origin[out] = n
	switch n.Kind {
	case yaml.MappingNode:
		members, _ := c.d.Members(n, "a mapping")
		for _, m := range members {
			out.Content = append(out.Content, c.of(m.Key), c.of(m.Value))
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			out.Content = append(out.Content, c.of(Follow(item, Indexed(n.Path, i))))
		}
	case yaml.ScalarNode:
		c.fill(out, n)
	}
	return out
}

// fill evaluates the parts of a text that are ours.
func (c *jobCopy) fill(out *yaml.Node, n Node) {
	text, filled := n.Value, strings.Builder{}
	for {
		at := strings.Index(text, "${env")
		if at < 0 {
			break
		}
		end := min(at+2+Closing(text[at+2:]), len(text))
		v, err := c.d.Env().Constant(text[at:end])
		if err != nil {
			c.d.Expression(n, err)
		}
		filled.WriteString(text[:at] + v)
		text = text[end:]
	}
	if filled.Len() == 0 && text == n.Value {
		c.unknownPart(n)
		return
	}
	out.Value = filled.String() + text
	if n.Style == 0 {
		out.Tag = "" // what was filled in says the type
	}
}

// unknownPart reports a part with a dot that is none of those there are: Prometheus's own have none.
func (c *jobCopy) unknownPart(n Node) {
	for _, m := range dottedPart.FindAllStringIndex(n.Value, -1) {
		if part := n.Value[m[0]:m[1]]; c.o.Parts[part] == "" {
			expected := "the text itself, or ${env.NAME}"
			if len(c.o.Parts) > 0 {
				expected = Join(slices.Sorted(maps.Keys(c.o.Parts)), "or")
			}
			c.d.WrongAt(n, m[0], "there is no such part, expected %s", expected)
		}
	}
}

var dottedPart = regexp.MustCompile(`\$\{target\.[^}]*\}?`)

// check has the job checked and reports each mistake where it is in the plan: by its line in the text checked, else by the
// key or the value that the message speaks of.
func (c *jobCopy) check(item Node, checked, job *yaml.Node) {
	text, err := Encode(checked)
	if err != nil {
		c.d.Wrong(item, "writing the job for Prometheus: %v", err)
		return
	}
	err = c.o.Check(filepath.Dir(c.d.source.file), text)
	if err == nil {
		return
	}
	lines := c.lines(text, job)
	all := []error{err}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		all = several.Unwrap()
	}
	for _, err := range all {
		at, ok := Node{}, false
		var placed interface{ Line() int }
		if errors.As(err, &placed) {
			at, ok = lines[placed.Line()]
		}
		if !ok {
			at = c.spokenOf(err.Error(), job, item)
		}
		c.d.Wrong(at, "%s", OneLine(err.Error()))
	}
}

// lines returns what begins each line of the text that a job was written as: in the text every key has a line.
func (c *jobCopy) lines(text []byte, job *yaml.Node) map[int]Node {
	lines := map[int]Node{}
	documents, err := Decode(text, 1)
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
func (c *jobCopy) spokenOf(message string, job *yaml.Node, item Node) Node {
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

// Closing returns the offset after the brace that closes an expression. Braces in its strings, and pairs of them, do not.
func Closing(expression string) int {
	depth := 0
	for i := 0; i < len(expression); i++ {
		switch c := expression[i]; c {
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i + 1
			}
			depth--
		case '"', '\'', '`':
			for i++; i < len(expression) && expression[i] != c; i++ {
				if expression[i] == '\\' && c != '`' {
					i++
				}
			}
		}
	}
	return len(expression)
}
