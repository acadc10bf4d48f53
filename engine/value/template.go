package value

import (
	"fmt"
	"strings"
)

// Template is text with ${...} parts. It is safe for concurrent use.
type Template struct {
	source   string
	parts    []part
	constant string // the whole, if there are no parts
}

// part is a piece of a template: text, then the value of an expression if there is one.
type part struct {
	text string
	expr *program
	as   form
}

// form is the way a value is written where it stands.
type form uint8

const (
	asText    form = iota
	asPercent      // in a URL or a form
	asJSON         // a JSON value
	asEscaped      // inside a JSON string
)

// span is a piece of a text with ${...} parts: what is literal, and then an expression with its offset, if any.
type span struct {
	literal string
	expr    string
	offset  int // of expr in the text; -1: there is none
}

// split takes a text apart. The expression of a part ends at the brace that closes it; braces of its own and those in
// its strings do not count.
func split(text string) ([]span, *Error) {
	var spans []span
	var literal []byte
	for i := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], "$${"):
			literal = append(literal, "${"...)
			i += 3
		case strings.HasPrefix(text[i:], "${"):
			n := closing(text[i+2:])
			if n < 0 {
				return nil, mistake(i, "${ is not closed: expected } (write $${ for a literal ${)")
			}
			spans = append(spans, span{literal: string(literal), expr: text[i+2 : i+2+n], offset: i + 2})
			literal = literal[:0]
			i += 2 + n + 1
		default:
			literal = append(literal, text[i])
			i++
		}
	}
	if len(literal) > 0 {
		spans = append(spans, span{literal: string(literal), offset: -1})
	}
	return spans, nil
}

// closing returns the index of the brace that closes the expression s starts with, or -1.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i
			}
			depth--
		case '"', '\'', '`':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' && c != '`' {
					i++
				}
			}
		}
	}
	return -1
}

// builder puts a template together.
type builder struct {
	c       *Compiler
	literal []byte
	parts   []part
	errs    Errors
}

func (b *builder) fail(at any, errs ...*Error) {
	for _, e := range errs {
		e.At = at
		b.errs = append(b.errs, e)
	}
}

// expr adds an expression; one that is known now becomes text.
func (b *builder) expr(s span, as form, at any) {
	x, errs := b.c.compile(s.expr, s.offset, anyValue)
	if errs != nil {
		b.fail(at, errs...)
		return
	}
	if x.kind == constantProgram {
		b.literal = appendConstant(b.literal, x.name, as)
		return
	}
	b.parts = append(b.parts, part{text: string(b.literal), expr: x, as: as})
	b.literal = b.literal[:0]
}

func appendConstant(b []byte, s string, as form) []byte {
	switch as {
	case asPercent:
		return appendPercent(b, []byte(s))
	case asJSON:
		return appendQuoted(b, s)
	case asEscaped:
		return appendEscaped(b, s)
	default:
		return append(b, s...)
	}
}

func (b *builder) template(source string) (*Template, error) {
	if b.errs != nil {
		return nil, b.errs
	}
	t := &Template{source: source, parts: b.parts}
	if len(t.parts) == 0 {
		t.constant = string(b.literal)
	} else if len(b.literal) > 0 {
		t.parts = append(t.parts, part{text: string(b.literal)})
	}
	return t, nil
}

// Template compiles text such as "Bearer ${token}". Values are inserted as they are. $${ stands for ${.
func (c *Compiler) Template(text string) (*Template, error) {
	return c.text(text, func(string) form { return asText })
}

// URL compiles a URL or a path. Values are percent-escaped, so that one stays one segment of a path or one value of a
// query; those before the path (a base URL, a host) are inserted as they are, as is a value that is the URL's beginning.
func (c *Compiler) URL(text string) (*Template, error) {
	pathBegun := false
	return c.text(text, func(literal string) form {
		if !pathBegun {
			if _, after, ok := strings.Cut(literal, "://"); ok {
				literal = after
			}
			pathBegun = strings.ContainsAny(literal, "/?#")
		}
		if pathBegun {
			return asPercent
		}
		return asText
	})
}

// text compiles a template; as is asked in turn for the form of each expression, given the literal text before it.
func (c *Compiler) text(text string, as func(literal string) form) (*Template, error) {
	spans, err := split(text)
	if err != nil {
		return nil, Errors{err}
	}
	b := builder{c: c}
	for _, s := range spans {
		b.literal = append(b.literal, s.literal...)
		if s.offset >= 0 {
			b.expr(s, as(s.literal), nil)
		}
	}
	return b.template(text)
}

// Constant evaluates text whose ${...} parts need nothing but environment variables.
func (c *Compiler) Constant(text string) (string, error) {
	known := Compiler{Getenv: c.Getenv, constant: true}
	t, err := known.Template(text)
	if err != nil {
		return "", err
	}
	b, err := t.Append(nil, &Env{})
	if err != nil {
		return "", Errors{mistake(0, "%v", err)}
	}
	return string(b), nil
}

// String returns the template as written; for a JSON or form body what it is made of, with its ${...} parts as written.
func (t *Template) String() string { return t.source }

// Constant returns the text and true if the template always gives the same text.
func (t *Template) Constant() (string, bool) { return t.constant, len(t.parts) == 0 }

// Append appends the evaluated text to b. The error names the expression and what it failed on; if it wraps [ErrNoValue]
// something was read that is not there. b is then returned as it was.
func (t *Template) Append(b []byte, env *Env) ([]byte, error) {
	if len(t.parts) == 0 {
		return append(b, t.constant...), nil
	}
	start := len(b)
	for i := range t.parts {
		p := &t.parts[i]
		b = append(b, p.text...)
		if p.expr == nil {
			continue
		}
		v, err := p.expr.run(env)
		if err == nil {
			b, err = appendAs(b, v, p.as)
		}
		if err != nil {
			return b[:start], fmt.Errorf("evaluating ${%s}: %w", p.expr.source, err)
		}
	}
	return b, nil
}

func appendAs(b []byte, v any, as form) ([]byte, error) {
	switch as {
	case asText:
		return appendText(b, v)
	case asJSON:
		return appendJSON(b, v)
	}
	var text []byte
	switch v := v.(type) {
	case string:
		if as == asEscaped {
			return appendEscaped(b, v), nil
		}
		text = []byte(v)
	default:
		var err error
		var buffer [64]byte
		if text, err = appendText(buffer[:0], v); err != nil {
			return b, err
		}
	}
	if as == asEscaped {
		return appendEscaped(b, string(text)), nil
	}
	return appendPercent(b, text), nil
}
