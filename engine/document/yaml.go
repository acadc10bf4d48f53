package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// The bounds of a document. They are far above what anybody writes, and keep what a file can cost in time and memory small.
const (
	maxSource = 1 << 20 // bytes
	maxNodes  = 50_000  // nodes, with aliases written out
	maxDepth  = 60      // of nesting
)

// document returns the root of the one YAML document of the file, or nil: then why there is none was reported, unless it may be empty.
func (d *Decoder) document() *yaml.Node {
	begin := Pos{Line: 1, Column: 1}
	if len(d.source.text) > maxSource {
		d.Report(begin, "", "the file has %d bytes, expected a %s of at most %d", len(d.source.text), d.options.Kind, maxSource)
		return nil
	}
	if at, why := d.source.unreadable(); at >= 0 {
		d.Report(d.source.pos(at), "", "%s", why)
		return nil
	}
	documents, err := Decode(d.source.text, 2)
	if err != nil {
		d.syntaxError(err)
		return nil
	}
	if len(documents) == 0 || IsNull(documents[0].Content[0]) {
		if d.options.Hint != "" {
			d.Report(begin, "", "the file is empty, expected a %s; %s", d.options.Kind, d.options.Hint)
		}
		return nil
	}
	if len(documents) > 1 {
		d.Report(d.source.pos(d.source.start(documents[1])), "", "a second document begins here, expected one %s in a file", d.options.Kind)
	}
	root := documents[0].Content[0]
	if !d.bounded(root) {
		return nil
	}
	return root
}

// Decode reads at most limit documents.
func Decode(text []byte, limit int) (documents []*yaml.Node, err error) {
	// The library panics on some malformed comments.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	reader := yaml.NewDecoder(bytes.NewReader(text))
	for len(documents) < limit {
		var n yaml.Node
		err := reader.Decode(&n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return documents, err
		}
		if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
			documents = append(documents, &n)
		}
	}
	return documents, nil
}

var (
	yamlPrefix    = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)
	unknownAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)
)

// syntaxError reports what the YAML library said. Its line is often the beginning of the surrounding block, or missing, so
// the line is looked for: the one after the longest beginning of the file that is correct YAML.
func (d *Decoder) syntaxError(err error) {
	message := yamlPrefix.ReplaceAllString(err.Error(), "")
	line := 1
	if m := yamlPrefix.FindStringSubmatch(err.Error()); m != nil && m[1] != "" {
		line, _ = strconv.Atoi(m[1]) // digits by the pattern; what overflows is moved inside the file
	}
	if m := unknownAnchor.FindStringSubmatch(message); m != nil {
		if at := bytes.Index(d.source.text, []byte("*"+m[1])); at >= 0 {
			d.Report(d.source.pos(at), "", "*%s refers to nothing, expected an anchor &%s before it", m[1], m[1])
			return
		}
	}
	if found := d.firstWrongLine(); found > 0 {
		line = found
	}
	text := string(d.source.line(line))
	at := d.source.pos(d.source.offset(line, 1+len(text)-len(strings.TrimLeft(text, " "))))
	if exact := d.source.misplaced(); exact >= 0 {
		// On a line before the first that is wrong it is none, and on a later one if it has to do with what lines have in common.
		if found := d.source.pos(exact); found.Line == line || found.Line > line && severalLines.MatchString(message) {
			at = found
		}
	} else if m := secondColon.FindStringSubmatchIndex(text); m != nil && strings.Contains(message, "mapping values are not allowed") {
		at = d.source.pos(d.source.offset(line, 1) + m[2])
	}
	d.Report(at, "", "not YAML: %s%s", message, syntaxHint(message, text))
}

var (
	severalLines = regexp.MustCompile(`did not find expected (',' or|node content)|unexpected end of stream`)
	secondColon  = regexp.MustCompile(`^(?:[^:]|:\S)*:\s.*?(:)(?:\s|$)`)
)

// firstWrongLine returns the number of the line with which the text stops being YAML, or 0 if that takes too long to find.
func (d *Decoder) firstWrongLine() int {
	budget, count := 4*maxSource, len(d.source.lines)
	// right reports whether the first so many lines are YAML. They are not from the mistake on, and also where something
	// of several lines has only begun.
	right := func(lines int) bool {
		end := d.source.lines[lines]
		if budget -= end; budget < 0 {
			return false
		}
		_, err := Decode(d.source.text[:end], 2)
		return err == nil
	}
	low, high := 0, count
	for {
		for high-low > 1 {
			if middle := (low + high) / 2; right(middle) {
				low = middle
			} else {
				high = middle
			}
		}
		const several = 30
		end := min(low+several, count)
		next := low + 2
		for next < end && !right(next) {
			next++
		}
		if budget < 0 {
			return 0
		}
		if next >= end {
			for low+1 < count && isBlank(d.source.line(low+1)) {
				low++
			}
			return low + 1
		}
		low, high = next, count // it was only something of several lines
	}
}

func isBlank(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) == 0 || line[0] == '#'
}

// syntaxHint says what to do about the mistakes that people make.
func syntaxHint(message, line string) string {
	trimmed := strings.TrimLeft(line, " ")
	switch {
	case strings.HasPrefix(trimmed, "\t"):
		return "; indent with spaces, not tabs"
	case strings.Contains(message, "mapping values are not allowed"):
		return "; check the indentation, and put text with \": \" in quotes"
	case strings.Contains(line, "${") && strings.ContainsAny(line, "{["):
		return "; inside { } and [ ] put text with ${...} in quotes"
	case strings.Contains(message, "cannot start any token"):
		return "; put text that begins with @, ` or % in quotes"
	case strings.Contains(message, "',' or"):
		return "; a bracket is not closed, a comma is missing, or text with brackets or commas needs quotes"
	case strings.Contains(message, "did not find expected"):
		return "; check the indentation"
	}
	return ""
}

// bounded reports whether the tree, with aliases written out, is of sensible size; if not, it says where it is not.
// Everything that walks the tree afterwards can rely on it.
func (d *Decoder) bounded(root *yaml.Node) bool {
	nodes := 0
	open := map[*yaml.Node]bool{} // anchors that are being written out
	outermost := root             // the alias that is
	var walk func(n *yaml.Node, depth int) bool
	walk = func(n *yaml.Node, depth int) bool {
		at := d.source.pos(d.source.start(n))
		nodes++
		switch {
		case depth > maxDepth:
			d.Report(at, "", "nested more than %d deep, expected a %s", maxDepth, d.options.Kind)
			return false
		case nodes > maxNodes:
			if len(open) > 0 {
				at = d.source.pos(d.source.start(outermost))
			}
			d.Report(at, "", "the %s has more than %d values with its aliases written out, expected fewer", d.options.Kind, maxNodes)
			return false
		case n.Kind == yaml.AliasNode:
			if open[n.Alias] {
				d.Report(at, "", "*%s contains itself, expected an alias of something that ends", n.Value)
				return false
			}
			if len(open) == 0 {
				outermost = n
			}
			open[n.Alias] = true
			defer delete(open, n.Alias)
			return walk(n.Alias, depth+1)
		case n.Style&yaml.TaggedStyle != 0 && !strings.HasPrefix(n.Tag, "!!"):
			d.Report(at, "", "the tag %s has no meaning in a %s, expected none", Quoted(n.Tag), d.options.Kind)
		}
		for _, c := range n.Content {
			if !walk(c, depth+1) {
				return false
			}
		}
		return true
	}
	return walk(root, 0)
}

// TopKeys returns the keys of the mapping that a text is; none of a text that is none.
func TopKeys(text []byte) []string {
	if len(text) > maxSource {
		return nil
	}
	documents, err := Decode(text, 1)
	if err != nil || len(documents) == 0 || documents[0].Content[0].Kind != yaml.MappingNode {
		return nil
	}
	var keys []string
	for i, n := range documents[0].Content[0].Content {
		if i%2 == 0 {
			keys = append(keys, n.Value)
		}
	}
	return keys
}
