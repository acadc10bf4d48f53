package document

import "bytes"

// misplaced looks for the character with which a text that is not YAML goes wrong inside of a line: a bracket that is closed by
// another kind, or never, or stands in text; a quote that is not closed; a character that cannot begin text; a second colon. It
// returns its offset, or -1 if it finds none: it knows what people write on lines, not all of YAML.
func (s *source) misplaced() int {
	w := walk{text: s.text, wrong: -1}
	for w.at < len(w.text) && w.wrong < 0 {
		w.line()
	}
	return w.wrong
}

// walk goes through a text from its beginning.
type walk struct {
	text  []byte
	at    int
	wrong int // the offset that is looked for; -1: not found yet
}

func (w *walk) is(chars string) bool {
	return w.at < len(w.text) && bytes.IndexByte([]byte(chars), w.text[w.at]) >= 0
}

// blank reports whether there is white space, or nothing, at an offset.
func (w *walk) blank(at int) bool {
	return at >= len(w.text) || w.text[at] == ' ' || w.text[at] == '\n' || w.text[at] == '\t'
}

func (w *walk) spaces() {
	for w.is(" \t") {
		w.at++
	}
}

func (w *walk) toLineEnd() {
	if n := bytes.IndexByte(w.text[w.at:], '\n'); n >= 0 {
		w.at += n + 1
	} else {
		w.at = len(w.text)
	}
}

// line walks over a line of a block, and over the lines that a value on it goes on for.
func (w *walk) line() {
	begin := w.at
	for w.is(" ") {
		w.at++
	}
	indent := w.at - begin
	for w.is("-") && w.blank(w.at+1) || w.is("?") && w.blank(w.at+1) {
		w.at++
		w.spaces()
	}
	first := w.at
	key := w.value(indent, first == begin)
	if key && w.wrong < 0 {
		w.value(indent, false)
	}
	if w.wrong < 0 && w.at < len(w.text) {
		w.toLineEnd()
	}
}

// value walks over what stands here, to the end of its line; if it turns out to be a key, to what is after its colon.
func (w *walk) value(indent int, root bool) (key bool) {
	w.spaces()
	for w.is("&!") { // anchors and tags
		for !w.blank(w.at) {
			w.at++
		}
		w.spaces()
	}
	switch {
	case w.is("#\n"):
	case w.is("[{"):
		if root {
			indent = -1
		}
		w.brackets(indent)
	case w.is(`"'`):
		w.quoted()
	case w.is("|>"):
		w.literal(indent)
		return false
	case w.is("@`]}"), w.is("%") && w.at > 0: // a % at the beginning is a directive
		w.wrong = w.at
	default:
		for w.at < len(w.text) && !w.is("\n") && !(w.is(":") && w.blank(w.at+1)) && !(w.is("#") && w.blank(w.at-1)) {
			w.at++
		}
	}
	if w.wrong < 0 && w.is(":") && w.blank(w.at+1) {
		w.at++
		return true
	}
	return false
}

// literal walks over text that its indentation ends.
func (w *walk) literal(indent int) {
	w.toLineEnd()
	for w.at < len(w.text) {
		rest := w.text[w.at:]
		text := bytes.TrimLeft(rest, " ")
		if len(rest)-len(text) <= indent && !bytes.HasPrefix(text, []byte("\n")) && len(text) > 0 {
			w.at-- // the line that the caller is to leave
			return
		}
		w.toLineEnd()
	}
}

// quoted walks over text in quotes.
func (w *walk) quoted() {
	begin, quote := w.at, w.text[w.at]
	for w.at++; w.at < len(w.text); w.at++ {
		switch c := w.text[w.at]; {
		case c == '\\' && quote == '"':
			w.at++
		case c == quote && quote == '\'' && w.at+1 < len(w.text) && w.text[w.at+1] == quote:
			w.at++
		case c == quote:
			w.at++
			return
		}
	}
	w.wrong = begin
}

// brackets walks to the end of what is in brackets. A line that is indented by no more than the one it began on is not part of
// it, unless it closes a bracket.
func (w *walk) brackets(indent int) {
	var open []int // offsets
	begins := true // text would begin here
	for w.at < len(w.text) {
		at, c := w.at, w.text[w.at]
		switch {
		case c == '#' && w.blank(at-1):
			w.toLineEnd()
			w.at-- // the end of the line is looked at below
			continue
		case c == '\n':
			w.at = spaceEnd(w.text, at)
			column := w.at - bytes.LastIndexByte(w.text[:w.at], '\n') - 1
			if column <= indent && w.at < len(w.text) && !w.is("]}") {
				w.wrong = open[len(open)-1]
				return
			}
			continue
		case begins && (c == '"' || c == '\''):
			if w.quoted(); w.wrong >= 0 {
				return
			}
			begins = false
			continue
		case begins && (c == '[' || c == '{'):
			open = append(open, at)
		case c == ']' || c == '}':
			if last := w.text[open[len(open)-1]]; last+2 != c { // in ASCII a closing bracket is two after its opening one
				w.wrong = at
				return
			}
			if open = open[:len(open)-1]; len(open) == 0 {
				w.at++
				return
			}
			begins = false
		case c == '[', c == '{', begins && bytes.IndexByte([]byte("@`%"), c) >= 0:
			w.wrong = at
			return
		case c == ',', c == ':' && (w.blank(at+1) || bytes.IndexByte([]byte("\"'}]"), w.text[at-1]) >= 0):
			begins = true
		case c != ' ' && c != '\t':
			begins = false
		}
		w.at++
	}
	w.wrong = open[len(open)-1]
}
