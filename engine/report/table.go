package report

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// column is one column of a table; the cells of all but the first are aligned to the right, unless left says otherwise.
type column struct {
	head     string
	cells    []string
	optional bool // left out, from the right, where the width does not suffice
	left     bool // aligned to the left
}

// table lays out columns in a width. The first column takes what the others leave; what is longer is cut.
func table(width int, columns []column) []string {
	const gap, least = 2, 16
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = utf8.RuneCountInString(c.head)
		for _, cell := range c.cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	rest := func() int {
		w := width
		for i := 1; i < len(columns); i++ {
			if widths[i] > 0 {
				w -= widths[i] + gap
			}
		}
		return w
	}
	wanted := min(widths[0], max(width/3, least)) // a longer name is cut before a column is left out
	for i := len(columns) - 1; i > 0 && rest() < wanted; i-- {
		if columns[i].optional {
			widths[i] = 0
		}
	}
	widths[0] = min(widths[0], max(rest(), least))

	line := func(cell func(column) string) string {
		var b strings.Builder
		for i, c := range columns {
			text := cell(c)
			switch {
			case i == 0:
				b.WriteString(pad(cut(text, widths[0]), widths[0]))
			case widths[i] > 0 && c.left:
				b.WriteString(strings.Repeat(" ", gap) + pad(text, widths[i]))
			case widths[i] > 0:
				b.WriteString(strings.Repeat(" ", gap+widths[i]-utf8.RuneCountInString(text)) + text)
			}
		}
		return strings.TrimRight(b.String(), " ")
	}
	lines := []string{line(func(c column) string { return c.head })}
	for i := range columns[0].cells {
		lines = append(lines, line(func(c column) string { return c.cells[i] }))
	}
	return lines
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// cut shortens s to a width, with an ellipsis.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:max(0, width-1)]) + "…"
}

// Clean makes text of the target or the plan fit for a terminal: one line, no control characters.
func Clean(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == unicode.ReplacementChar || unicode.Is(unicode.Cf, r)
	}), " ")
}

// wrap breaks text into lines of at most width, between words where it can.
func wrap(s string, width int) []string {
	var lines []string
	var line string
	for word := range strings.FieldsSeq(s) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}
