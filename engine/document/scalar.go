package document

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/value"
)

// Scalar returns a scalar's text, whatever its type; what is none is reported with what was expected.
func (d *Decoder) Scalar(n Node, expected string) (string, bool) {
	if n.Kind != yaml.ScalarNode || IsNull(n.Node) {
		d.Wrong(n, "%s, expected %s", Describe(n), expected)
		return "", false
	}
	return n.Value, true
}

// Constant returns a scalar's text with ${env...} parts filled in.
func (d *Decoder) Constant(n Node, expected string) (string, bool) {
	text, ok := d.Scalar(n, expected)
	if !ok || !strings.Contains(text, "${") {
		return text, ok
	}
	text, err := d.Env().Constant(text)
	if err != nil {
		d.Expression(n, err)
		return "", false
	}
	return text, true
}

// Read returns a reader of scalars by a function that turns text into a value. Its error says what is wrong; expected
// what to write instead.
func Read[T any](d *Decoder, expected string, parse func(string) (T, error)) func(Node) (T, bool) {
	return func(n Node) (T, bool) {
		var none T
		text, ok := d.Constant(n, expected)
		if !ok {
			return none, false
		}
		v, err := parse(text)
		if err != nil {
			d.Wrong(n, "%v, expected %s", err, expected)
			return none, false
		}
		return v, true
	}
}

// Expression reports what the compiler of expressions said about the text of a scalar, or, where the mistake carries a
// node of its own, about that.
func (d *Decoder) Expression(n Node, err error) {
	var all value.Errors
	if !errors.As(err, &all) {
		d.Wrong(n, "%v", err)
		return
	}
	for _, e := range all {
		at := n
		if own, ok := e.At.(Node); ok {
			at = own
		}
		d.WrongAt(at, e.Offset, "%s", OneLine(e.Message))
	}
}

// Words returns a reader of a list of words.
func (d *Decoder) Words(what string) func(Node) ([]string, bool) {
	return func(n Node) ([]string, bool) {
		var words []string
		for _, item := range d.Items(n, what) {
			if word, ok := d.Scalar(item, "one of the "+what); ok {
				words = append(words, word)
			}
		}
		return words, true
	}
}

// Choice reads a word that is one of a few.
func (d *Decoder) Choice(n Node, kind string, words []string) (string, bool) {
	word, ok := d.Constant(n, OneOf(words))
	if !ok {
		return "", false
	}
	if !slices.Contains(words, word) {
		if near := Nearest(word, words); near != "" {
			d.Wrong(n, "unknown %s %s, did you mean %s?", kind, Quoted(word), near)
		} else {
			d.Wrong(n, "unknown %s %s, expected %s", kind, Quoted(word), OneOf(words))
		}
		return "", false
	}
	return word, true
}

// Resolve returns the name of a file that is relative to the document.
func (d *Decoder) Resolve(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(d.source.file), name)
}

// FileName reads the name of a file, resolves it against the document's folder and sees that it can be read.
func (d *Decoder) FileName(n Node) (string, bool) {
	name, ok := d.Constant(n, "the name of a file, relative to the "+d.options.Kind)
	if !ok {
		return "", false
	}
	if name == "" {
		d.Wrong(n, "the name of the file is empty, expected one relative to the %s", d.options.Kind)
		return "", false
	}
	if d.options.File != nil {
		if err := d.options.File(name); err != nil {
			d.Wrong(n, "%s", OneLine(err.Error()))
			return "", false
		}
	}
	path := d.Resolve(name)
	f, err := os.Open(path)
	if err == nil {
		var info os.FileInfo
		if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s is not a regular file", path)
		}
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		d.Wrong(n, "reading the file: %s, expected a file relative to the %s", OneLine(err.Error()), d.options.Kind)
		return "", false
	}
	return path, true
}
