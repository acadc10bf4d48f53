package document

import (
	"bytes"
	"fmt"
	"sort"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// source is the text of a document and where its lines begin. Its lines end in \n and it has no byte order mark: neither moves
// a line or a column.
type source struct {
	file  string
	text  []byte
	lines []int // offset of the first byte of each line
}

var byteOrderMark = []byte("\xef\xbb\xbf")

func newSource(file string, text []byte) *source {
	text = bytes.TrimPrefix(text, byteOrderMark)
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	s := &source{file: file, text: text, lines: []int{0}}
	for i, b := range text {
		if b == '\n' && i+1 < len(text) {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// line returns the line with this number, without its end; empty outside the text.
func (s *source) line(number int) []byte {
	if number < 1 || number > len(s.lines) {
		return nil
	}
	end := len(s.text)
	if number < len(s.lines) {
		end = s.lines[number]
	}
	return bytes.TrimSuffix(s.text[s.lines[number-1]:end], []byte("\n"))
}

// offset turns a line and a column, both from 1 and the column in characters, into an offset; what lies outside the text
// is moved to its nearest place.
func (s *source) offset(line, column int) int {
	line = min(max(line, 1), len(s.lines))
	rest := s.line(line)
	o := s.lines[line-1]
	for ; column > 1 && len(rest) > 0; column-- {
		_, n := utf8.DecodeRune(rest)
		rest, o = rest[n:], o+n
	}
	return o
}

// pos turns an offset into a line and a column.
func (s *source) pos(offset int) Pos {
	offset = min(max(offset, 0), len(s.text))
	line := sort.SearchInts(s.lines, offset+1)
	line = max(line, 1)
	begin := s.lines[line-1]
	offset = min(offset, begin+len(s.line(line)))
	return Pos{Line: line, Column: 1 + utf8.RuneCount(s.text[begin:offset])}
}

// start returns where a node begins, after its anchor and tag.
func (s *source) start(n *yaml.Node) int {
	i := s.offset(n.Line, n.Column)
	for n.Kind == yaml.ScalarNode && i < len(s.text) && (s.text[i] == '&' || s.text[i] == '!') {
		end := i + bytes.IndexAny(s.text[i:], " \t\n")
		if end < i {
			return i
		}
		i = spaceEnd(s.text, end)
	}
	return i
}

// inside returns the place in the source of the at-th byte of a scalar's value: it walks value and source side by side,
// through quotes, escapes, folded lines and indentation.
func (s *source) inside(n *yaml.Node, at int) Pos {
	i, j := s.start(n), 0
	value := []byte(n.Value)
	at = min(at, len(value))
	switch {
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		i++
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		end := bytes.IndexByte(s.text[min(i, len(s.text)):], '\n')
		if end < 0 {
			return s.pos(i)
		}
		i, j = spaceEnd(s.text, i+end), spaceEnd(value, 0)
	}
	for j < at && i < len(s.text) {
		di, dj := s.step(n.Style, i, value[j:])
		if di == 0 {
			break // not what was expected: this is as near as we get
		}
		if j+dj > at && dj > utf8.UTFMax {
			break
		}
		i, j = i+di, j+dj
	}
	return s.pos(i)
}

// step returns how many bytes of the source at i, and of the value, are the next thing they have in common; 0 of the
// source if they have nothing.
func (s *source) step(style yaml.Style, i int, value []byte) (inSource, inValue int) {
	text := s.text[i:]
	if space := text[:spaceEnd(text, 0)]; bytes.IndexByte(space, '\n') >= 0 {
		return len(space), spaceEnd(value, 0) // a fold
	}
	switch {
	case style&yaml.DoubleQuotedStyle != 0 && text[0] == '\\' && len(text) > 1:
		_, size := utf8.DecodeRune(value)
		switch text[1] {
		case 'x':
			return min(4, len(text)), size
		case 'u':
			return min(6, len(text)), size
		case 'U':
			return min(10, len(text)), size
		case '\n':
			return spaceEnd(text, 1), 0
		}
		return 2, size
	case style&yaml.SingleQuotedStyle != 0 && bytes.HasPrefix(text, []byte("''")):
		return 2, 1
	case text[0] == value[0]:
		return 1, 1
	}
	return 0, 0
}

// spaceEnd returns the offset of the first byte at or after i that is not white space.
func spaceEnd(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n') {
		i++
	}
	return i
}

// unreadable returns the offset of the first character that a document may not have, and what is wrong with it; -1 if there is
// none. It is stricter than YAML with line ends, so that a line is what an editor calls a line.
func (s *source) unreadable() (offset int, why string) {
	for i := 0; i < len(s.text); {
		r, n := utf8.DecodeRune(s.text[i:])
		switch {
		case r == utf8.RuneError && n <= 1:
			return i, "the file is not UTF-8 text"
		case r == '\r':
			return i, "a carriage return without a line feed, expected lines that end in LF or CRLF"
		case r < ' ' && r != '\t' && r != '\n', r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029, r == 0xfeff, r == 0xfffe, r == 0xffff:
			return i, "the invisible character " + fmt.Sprintf("U+%04X", r) + ", expected printable text (inside double quotes it can be written as an escape)"
		}
		i += n
	}
	return -1, ""
}
