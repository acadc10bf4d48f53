package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/value"
)

// decoder reads the tree of a plan and gathers what is wrong with it.
type decoder struct {
	source  *source
	options Options
	errs    Errors
	// requests are the places of the requests, for what is checked once they are all known.
	requests map[*Request]node
	// nameless is true if there is a request whose name is not known because of a mistake: it may be any.
	nameless bool
}

// node is a value in the document and the way to it. It is never an alias: aliases are followed when a node is made.
type node struct {
	*yaml.Node
	path string
}

// field is a key that a mapping may have, and what reads its value.
type field struct {
	key  string
	read func(node)
}

// member is an entry of a mapping.
type member struct {
	key   node // its path is the entry's
	value node
}

func follow(n *yaml.Node, path string) node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return node{Node: n, path: path}
}

// below returns the path of what stands in a mapping under key.
func below(path, key string) string {
	if !isWord(key) {
		key = "[" + strconv.Quote(shorten(key)) + "]"
		return path + key
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func isWord(s string) bool {
	for _, r := range s {
		if r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return s != "" && len(s) <= maxQuoted
}

// report adds a mistake. A mistake that is found twice, because its place is used twice by an alias, is one mistake.
func (d *decoder) report(at Pos, path, format string, args ...any) {
	d.errs = append(d.errs, &Error{File: d.source.file, Pos: at, Path: path, Message: fmt.Sprintf(format, args...)})
}

// wrong reports a mistake at the beginning of a value.
func (d *decoder) wrong(n node, format string, args ...any) {
	d.report(d.pos(n), n.path, format, args...)
}

// wrongAt reports a mistake inside a scalar, at a byte of its value.
func (d *decoder) wrongAt(n node, offset int, format string, args ...any) {
	d.report(d.source.inside(n.Node, offset), n.path, format, args...)
}

func (d *decoder) pos(n node) Pos { return d.source.pos(d.source.start(n.Node)) }

// sorted returns the mistakes in the order of the file, each once.
func (d *decoder) sorted() Errors {
	slices.SortStableFunc(d.errs, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	type mistake struct {
		pos     Pos
		message string
	}
	seen := make(map[mistake]bool, len(d.errs))
	return slices.DeleteFunc(d.errs, func(e *Error) bool {
		m := mistake{e.Pos, e.Message}
		defer func() { seen[m] = true }()
		return seen[m]
	})
}

// members returns the entries of a mapping in their order, merged ones (<<) last; keys that are given twice or are not
// text are reported. ok is false if n is no mapping, which is reported, with what was expected.
func (d *decoder) members(n node, expected string) (all []member, ok bool) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, "%s, expected %s", describe(n), expected)
		return nil, false
	}
	first := map[string]node{}
	var merged []node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := follow(n.Content[i], n.path)
		if key.Kind == yaml.ScalarNode && key.Tag == "!!merge" {
			merged = append(merged, follow(n.Content[i+1], n.path))
			continue
		}
		if key.Kind != yaml.ScalarNode || isNull(key.Node) {
			d.wrong(key, "%s as a key, expected text", describe(key))
			continue
		}
		key.path = below(n.path, key.Value)
		if before, twice := first[key.Value]; twice {
			d.wrong(key, "%s is given twice, first in line %d, expected once", quoted(key.Value), d.pos(before).Line)
			continue
		}
		first[key.Value] = key
		all = append(all, member{key: key, value: follow(n.Content[i+1], key.path)})
	}
	for _, m := range merged {
		all = d.merge(all, first, m)
	}
	return all, true
}

// merge adds the entries of a mapping, or of a list of mappings, that have not been given yet.
func (d *decoder) merge(all []member, given map[string]node, n node) []member {
	if n.Kind == yaml.SequenceNode {
		for _, c := range n.Content {
			if c := follow(c, n.path); c.Kind == yaml.MappingNode {
				all = d.merge(all, given, c)
			} else {
				d.wrong(c, "%s under <<, expected a mapping to merge", describe(c))
			}
		}
		return all
	}
	members, _ := d.members(n, "a mapping to merge, or a list of mappings")
	for _, m := range members {
		if _, ok := given[m.key.Value]; !ok {
			given[m.key.Value] = m.key
			all = append(all, m)
		}
	}
	return all
}

// mapping reads a mapping by its table of fields, in the table's order, and reports the keys that are not in it. It
// returns the entries by key. known is false if n is no mapping or has unknown keys: then what is missing may be what is
// misspelt, and is not worth a second error.
func (d *decoder) mapping(n node, what string, fields ...field) (found map[string]member, known bool) {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	members, ok := d.members(n, what+" with keys "+list(keys))
	if !ok {
		return nil, false
	}
	found, known = make(map[string]member, len(members)), true
	for _, m := range members {
		if slices.Contains(keys, m.key.Value) {
			found[m.key.Value] = m
			continue
		}
		if n.path != "" || !strings.HasPrefix(m.key.Value, "x-") { // x-… is a place for anchors
			d.unknownKey(m, keys)
			known = false
		}
	}
	for _, f := range fields {
		if m, ok := found[f.key]; ok {
			f.read(m.value)
		}
	}
	return found, known
}

// exactlyOne reports when not exactly one of some keys is given, and returns the one that is, or "".
func (d *decoder) exactlyOne(n node, found map[string]member, known bool, keys ...string) string {
	only := d.atMostOne(found, keys...)
	if only == "" && known {
		d.wrong(n, "%s is missing, expected exactly one", join(keys, "or"))
	}
	return only
}

// atMostOne reports when more than one of some keys is given, and returns the first that is, or "".
func (d *decoder) atMostOne(found map[string]member, keys ...string) string {
	only := ""
	for _, key := range keys {
		m, ok := found[key]
		switch {
		case ok && only == "":
			only = key
		case ok:
			d.wrong(m.key, "%s is given beside %s, expected only one of %s", key, only, join(keys, "and"))
		}
	}
	return only
}

// later are keys that other versions of the plan language have.
var later = []string{"faults"}

func (d *decoder) unknownKey(m member, keys []string) {
	key := m.key.Value
	switch near := nearest(key, keys); {
	case slices.Contains(later, key):
		d.wrong(m.key, "%s is not supported by this version, which has %s", quoted(key), list(keys))
	case near != "":
		d.wrong(m.key, "unknown key %s, did you mean %s?", quoted(key), near)
	default:
		d.wrong(m.key, "unknown key %s, expected %s", quoted(key), oneOf(keys))
	}
}

// into makes the reader of a field out of the reader of a value.
func into[T any](to *T, read func(node) (T, bool)) func(node) {
	return func(n node) {
		if v, ok := read(n); ok {
			*to = v
		}
	}
}

// items returns the elements of a list. A list that is no list, or has nothing in it, is reported.
func (d *decoder) items(n node, what string) []node {
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, "%s, expected a list of %s", describe(n), what)
		return nil
	}
	if len(n.Content) == 0 {
		d.wrong(n, "the list is empty, expected %s", what)
	}
	all := make([]node, len(n.Content))
	for i, c := range n.Content {
		all[i] = follow(c, indexed(n.path, i))
	}
	return all
}

// scalar returns a scalar's text, whatever its type; what is none is reported with what was expected.
func (d *decoder) scalar(n node, expected string) (string, bool) {
	if n.Kind != yaml.ScalarNode || isNull(n.Node) {
		d.wrong(n, "%s, expected %s", describe(n), expected)
		return "", false
	}
	return n.Value, true
}

// constant returns a scalar's text with ${env...} parts filled in.
func (d *decoder) constant(n node, expected string) (string, bool) {
	text, ok := d.scalar(n, expected)
	if !ok || !strings.Contains(text, "${") {
		return text, ok
	}
	c := value.Compiler{Getenv: d.options.Getenv}
	text, err := c.Constant(text)
	if err != nil {
		d.expression(n, err)
		return "", false
	}
	return text, true
}

// read returns a reader of scalars by a function that turns text into a value. Its error says what is wrong; expected
// what to write instead.
func read[T any](d *decoder, expected string, parse func(string) (T, error)) func(node) (T, bool) {
	return func(n node) (T, bool) {
		var none T
		text, ok := d.constant(n, expected)
		if !ok {
			return none, false
		}
		v, err := parse(text)
		if err != nil {
			d.wrong(n, "%v, expected %s", err, expected)
			return none, false
		}
		return v, true
	}
}

// expression reports what the compiler of expressions said about the text of a scalar, or, where the mistake carries a
// node of its own, about that.
func (d *decoder) expression(n node, err error) {
	var all value.Errors
	if !errors.As(err, &all) {
		d.wrong(n, "%v", err)
		return
	}
	for _, e := range all {
		at := n
		if own, ok := e.At.(node); ok {
			at = own
		}
		d.wrongAt(at, e.Offset, "%s", oneLine(e.Message))
	}
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// describe says what a value is, for errors.
func describe(n node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if isNull(n.Node) {
		return "no value"
	}
	return quoted(n.Value)
}

// maxQuoted is how much of a text of the plan an error repeats.
const maxQuoted = 60

func shorten(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	cut := maxQuoted
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

func quoted(s string) string { return strconv.Quote(shorten(s)) }

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// indexed returns the path of an element of a list.
func indexed(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
