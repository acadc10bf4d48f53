// Package document reads YAML documents written by people and says with line and column everything that is wrong in them.
//
// A [Decoder] walks the tree of a document and gathers mistakes instead of ending with the first one. Plans and the
// configuration are read with it.
package document

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/value"
)

// Options say what kind of document is read.
type Options struct {
	Kind   string                      // "plan": what mistakes call the document
	Hint   string                      // what a document that is empty should have instead; empty: a document may be empty
	Later  []string                    // keys that other versions have
	Getenv func(string) (string, bool) // for ${env.NAME}; nil: no variable is set
	File   func(name string) error     // says why a file may not be read, by its name as written; nil: any may be
}

// Decoder reads the tree of a document and gathers what is wrong with it. Its methods report what they cannot read and say
// with ok that there is a value.
type Decoder struct {
	source   *source
	options  Options
	mistakes Errors
	secrets  secrets
}

// New returns a decoder of a text, and the root of its tree: nil if there is none, which is a mistake unless the document may
// be empty.
func New(file string, text []byte, o Options) (*Decoder, *Node) {
	d := &Decoder{source: newSource(file, text), options: o, secrets: secrets{}}
	d.options.Getenv = d.secrets.watch(o.Getenv)
	root := d.document()
	if root == nil {
		return d, nil
	}
	n := Follow(root, "")
	return d, &n
}

// Node is a value in the document and the way to it. It is never an alias: aliases are followed when a node is made.
type Node struct {
	*yaml.Node
	Path string
}

// Field is a key that a mapping may have, and what reads its value.
type Field struct {
	Name string
	read func(Node)
}

// Key returns a field.
func Key(name string, read func(Node)) Field { return Field{name, read} }

// Member is an entry of a mapping.
type Member struct {
	Key   Node // its path is the entry's
	Value Node
}

// Follow makes a node of what is found at a path.
func Follow(n *yaml.Node, path string) Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return Node{Node: n, Path: path}
}

// Below returns the path of what stands in a mapping under key.
func Below(path, key string) string {
	if !isWord(key) {
		key = "[" + strconv.Quote(Shorten(key)) + "]"
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

// Report adds a mistake. A mistake that is found twice, because its place is used twice by an alias, is one mistake.
func (d *Decoder) Report(at Pos, path, format string, args ...any) {
	d.mistakes = append(d.mistakes, &Error{File: d.source.file, Pos: at, Path: path, Message: d.secrets.hide(fmt.Sprintf(format, args...))})
}

// Wrong reports a mistake at the beginning of a value.
func (d *Decoder) Wrong(n Node, format string, args ...any) {
	d.Report(d.Pos(n), n.Path, format, args...)
}

// WrongAt reports a mistake inside a scalar, at a byte of its value.
func (d *Decoder) WrongAt(n Node, offset int, format string, args ...any) {
	d.Report(d.source.inside(n.Node, offset), n.Path, format, args...)
}

// Pos returns where a value begins.
func (d *Decoder) Pos(n Node) Pos { return d.source.pos(d.source.start(n.Node)) }

// Count returns how many mistakes were found so far.
func (d *Decoder) Count() int { return len(d.mistakes) }

// File returns the name of the document's file.
func (d *Decoder) File() string { return d.source.file }

// Env returns a compiler of constants, which knows the environment.
func (d *Decoder) Env() *value.Compiler { return &value.Compiler{Getenv: d.options.Getenv} }

// Errors returns the mistakes in the order of the file, each once.
func (d *Decoder) Errors() Errors {
	slices.SortStableFunc(d.mistakes, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	type mistake struct {
		pos     Pos
		message string
	}
	seen := make(map[mistake]bool, len(d.mistakes))
	return slices.DeleteFunc(d.mistakes, func(e *Error) bool {
		m := mistake{e.Pos, e.Message}
		defer func() { seen[m] = true }()
		return seen[m]
	})
}

// Members returns the entries of a mapping in their order, merged ones (<<) last; keys that are given twice or are not
// text are reported. ok is false if n is no mapping, which is reported, with what was expected.
func (d *Decoder) Members(n Node, expected string) (all []Member, ok bool) {
	if n.Kind != yaml.MappingNode {
		d.Wrong(n, "%s, expected %s", Describe(n), expected)
		return nil, false
	}
	first := map[string]Node{}
	var merged []Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := Follow(n.Content[i], n.Path)
		if key.Kind == yaml.ScalarNode && key.Tag == "!!merge" {
			merged = append(merged, Follow(n.Content[i+1], n.Path))
			continue
		}
		if key.Kind != yaml.ScalarNode || IsNull(key.Node) {
			d.Wrong(key, "%s as a key, expected text", Describe(key))
			continue
		}
		key.Path = Below(n.Path, key.Value)
		if before, twice := first[key.Value]; twice {
			d.Wrong(key, "%s is given twice, first in line %d, expected once", Quoted(key.Value), d.Pos(before).Line)
			continue
		}
		first[key.Value] = key
		all = append(all, Member{Key: key, Value: Follow(n.Content[i+1], key.Path)})
	}
	for _, m := range merged {
		all = d.merge(all, first, m)
	}
	return all, true
}

// merge adds the entries of a mapping, or of a list of mappings, that have not been given yet.
func (d *Decoder) merge(all []Member, given map[string]Node, n Node) []Member {
	if n.Kind == yaml.SequenceNode {
		for _, c := range n.Content {
			if c := Follow(c, n.Path); c.Kind == yaml.MappingNode {
				all = d.merge(all, given, c)
			} else {
				d.Wrong(c, "%s under <<, expected a mapping to merge", Describe(c))
			}
		}
		return all
	}
	members, _ := d.Members(n, "a mapping to merge, or a list of mappings")
	for _, m := range members {
		if _, ok := given[m.Key.Value]; !ok {
			given[m.Key.Value] = m.Key
			all = append(all, m)
		}
	}
	return all
}

// Mapping reads a mapping by its table of fields, in the table's order, and reports the keys that are not in it. It
// returns the entries by key. known is false if n is no mapping or has unknown keys: then what is missing may be what is
// misspelt, and is not worth a second error.
func (d *Decoder) Mapping(n Node, what string, fields ...Field) (found map[string]Member, known bool) {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.Name
	}
	members, ok := d.Members(n, what+" with keys "+List(keys))
	if !ok {
		return nil, false
	}
	found, known = make(map[string]Member, len(members)), true
	for _, m := range members {
		if slices.Contains(keys, m.Key.Value) {
			found[m.Key.Value] = m
			continue
		}
		if n.Path != "" || !strings.HasPrefix(m.Key.Value, "x-") { // x-… is a place for anchors
			d.unknownKey(m, keys)
			known = false
		}
	}
	for _, f := range fields {
		if m, ok := found[f.Name]; ok {
			f.read(m.Value)
		}
	}
	return found, known
}

// ExactlyOne reports when not exactly one of some keys is given, and returns the one that is, or "".
func (d *Decoder) ExactlyOne(n Node, found map[string]Member, known bool, keys ...string) string {
	only := d.AtMostOne(found, keys...)
	if only == "" && known {
		d.Wrong(n, "%s is missing, expected exactly one", Join(keys, "or"))
	}
	return only
}

// AtMostOne reports when more than one of some keys is given, and returns the first that is, or "".
func (d *Decoder) AtMostOne(found map[string]Member, keys ...string) string {
	only := ""
	for _, key := range keys {
		m, ok := found[key]
		switch {
		case ok && only == "":
			only = key
		case ok:
			d.Wrong(m.Key, "%s is given beside %s, expected only one of %s", key, only, Join(keys, "and"))
		}
	}
	return only
}

func (d *Decoder) unknownKey(m Member, keys []string) {
	key := m.Key.Value
	switch near := Nearest(key, keys); {
	case slices.Contains(d.options.Later, key):
		d.Wrong(m.Key, "%s is not supported by this version, which has %s", Quoted(key), List(keys))
	case near != "":
		d.Wrong(m.Key, "unknown key %s, did you mean %s?", Quoted(key), near)
	default:
		d.Wrong(m.Key, "unknown key %s, expected %s", Quoted(key), OneOf(keys))
	}
}

// Into makes the reader of a field out of the reader of a value.
func Into[T any](to *T, read func(Node) (T, bool)) func(Node) {
	return func(n Node) {
		if v, ok := read(n); ok {
			*to = v
		}
	}
}

// Items returns the elements of a list. A list that is no list, or has nothing in it, is reported.
func (d *Decoder) Items(n Node, what string) []Node {
	if n.Kind != yaml.SequenceNode {
		d.Wrong(n, "%s, expected a list of %s", Describe(n), what)
		return nil
	}
	if len(n.Content) == 0 {
		d.Wrong(n, "the list is empty, expected %s", what)
	}
	all := make([]Node, len(n.Content))
	for i, c := range n.Content {
		all[i] = Follow(c, Indexed(n.Path, i))
	}
	return all
}

// IsNull reports whether a value is none: empty, ~ or null.
func IsNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// Describe says what a value is, for errors.
func Describe(n Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if IsNull(n.Node) {
		return "no value"
	}
	return Quoted(n.Value)
}

// maxQuoted is how much of a text an error repeats.
const maxQuoted = 60

// Shorten returns the beginning of a text.
func Shorten(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	cut := maxQuoted
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// Quoted returns a text as an error shows it: short, in quotes.
func Quoted(s string) string { return strconv.Quote(Shorten(s)) }

// OneLine returns a text with its white space as single spaces.
func OneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Indexed returns the path of an element of a list.
func Indexed(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
