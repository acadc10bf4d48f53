package value

import (
	"fmt"
)

// JSON compiles a body from an [Object], a []any, a [Text] or a scalar. A text that is one ${...} and nothing else keeps
// the type of the expression's value: a number stays a number. In other texts values are inserted as text.
func (c *Compiler) JSON(v any) (*Template, error) {
	b := builder{c: c}
	var source []byte
	b.json(v, &source, nil)
	return b.template(string(source))
}

// json adds a value, and to source the value with its ${...} parts as written.
func (b *builder) json(v any, source *[]byte, at any) {
	switch v := v.(type) {
	case Object:
		b.object(v, source)
	case []any:
		b.both(source, "[")
		for i, item := range v {
			if i > 0 {
				b.both(source, ",")
			}
			b.json(item, source, at)
		}
		b.both(source, "]")
	case Text:
		*source = appendQuoted(*source, v.S)
		b.jsonText(v, true)
	case string:
		b.json(Text{S: v, At: at}, source, at)
	default:
		text, err := scalar(v)
		if err != nil {
			b.fail(at, mistake(0, "%v", err))
			return
		}
		b.both(source, string(text))
	}
}

func (b *builder) object(o Object, source *[]byte) {
	b.both(source, "{")
	for i, m := range o {
		if i > 0 {
			b.both(source, ",")
		}
		*source = append(appendQuoted(*source, m.Key), ':')
		b.jsonText(Text{S: m.Key, At: m.At}, false)
		b.literal = append(b.literal, ':')
		b.json(m.Value, source, m.At)
	}
	b.both(source, "}")
}

func (b *builder) both(source *[]byte, text string) {
	b.literal = append(b.literal, text...)
	*source = append(*source, text...)
}

// jsonText adds a text; one that is a single ${...} with the type of its value, if typed.
func (b *builder) jsonText(t Text, typed bool) {
	spans, err := split(t.S)
	if err != nil {
		b.fail(t.At, err)
		return
	}
	if typed && len(spans) == 1 && spans[0].literal == "" && spans[0].offset >= 0 {
		b.expr(spans[0], asJSON, t.At)
		return
	}
	b.literal = append(b.literal, '"')
	for _, s := range spans {
		b.literal = appendEscaped(b.literal, s.literal)
		if s.offset >= 0 {
			b.expr(s, asEscaped, t.At)
		}
	}
	b.literal = append(b.literal, '"')
}

// scalar writes a value that is not text.
func scalar(v any) ([]byte, error) {
	switch v.(type) {
	case nil, bool, int, int64, uint64, float64:
		return appendJSON(nil, v)
	default:
		return nil, fmt.Errorf("cannot write a value of type %T, expected an object, a list, text, a number, true, false or null", v)
	}
}

// Form compiles a body of type application/x-www-form-urlencoded. Values are scalars and texts, or lists of them, which
// repeat their key. nil is the empty value.
func (c *Compiler) Form(fields Object) (*Template, error) {
	b := builder{c: c}
	var source []byte
	for _, m := range fields {
		list, ok := m.Value.([]any)
		if !ok {
			list = []any{m.Value}
		}
		for _, v := range list {
			if len(source) > 0 {
				b.both(&source, "&")
			}
			b.formText(Text{S: m.Key, At: m.At}, &source)
			b.both(&source, "=")
			b.formValue(v, &source, m.At)
		}
	}
	return b.template(string(source))
}

func (b *builder) formValue(v any, source *[]byte, at any) {
	switch v := v.(type) {
	case nil:
	case Text:
		b.formText(v, source)
	case string:
		b.formText(Text{S: v, At: at}, source)
	case Object, []any:
		b.fail(at, mistake(0, "a form's value cannot be %s, expected text, a number, true or false, or a list of them", kindName(v)))
	default:
		text, err := scalar(v)
		if err != nil {
			b.fail(at, mistake(0, "%v", err))
			return
		}
		b.literal = appendPercent(b.literal, text)
		*source = append(*source, text...)
	}
}

func (b *builder) formText(t Text, source *[]byte) {
	*source = append(*source, t.S...)
	spans, err := split(t.S)
	if err != nil {
		b.fail(t.At, err)
		return
	}
	for _, s := range spans {
		b.literal = appendPercent(b.literal, []byte(s.literal))
		if s.offset >= 0 {
			b.expr(s, asPercent, t.At)
		}
	}
}
