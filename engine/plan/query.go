package plan

import (
	"net/url"
	"strings"

	"tidegauge/engine/document"
	"tidegauge/engine/value"
)

// withQuery returns a URL, as the plan has it, with query parameters added to it. Both have been compiled without a
// mistake, so every ${ is closed.
func withQuery(address string, params value.Object) string {
	separator := "?"
	eachPart(address, func(text string, literal bool) {
		if literal && strings.Contains(text, "?") {
			separator = "&"
		}
	})
	var b strings.Builder
	b.WriteString(address)
	add := func(key string, text value.Text) {
		b.WriteString(separator)
		escapeQuery(&b, key)
		b.WriteByte('=')
		escapeQuery(&b, text.S)
		separator = "&"
	}
	for _, p := range params {
		switch v := p.Value.(type) {
		case value.Text:
			add(p.Key, v)
		case []any:
			for _, one := range v {
				add(p.Key, one.(value.Text)) // pairs makes nothing else
			}
		}
	}
	return b.String()
}

// escapeQuery writes a text with its literal parts escaped; the compiler of URLs sees to the others.
func escapeQuery(b *strings.Builder, text string) {
	eachPart(text, func(part string, literal bool) {
		if literal {
			part = strings.ReplaceAll(url.QueryEscape(part), "+", "%20")
		}
		b.WriteString(part)
	})
}

// eachPart takes a template apart into ${...} parts, as written, and the literal text between them, in which $${ is ${.
func eachPart(text string, do func(part string, literal bool)) {
	for text != "" {
		i := strings.Index(text, "${")
		switch {
		case i < 0:
			do(text, true)
			return
		case i > 0 && text[i-1] == '$':
			do(text[:i-1]+"${", true)
			text = text[i+2:]
			continue
		case i > 0:
			do(text[:i], true)
		}
		end := i + 2 + document.Closing(text[i+2:])
		do(text[i:end], false)
		text = text[end:]
	}
}
