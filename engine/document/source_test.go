package document

import (
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// Each X in a value is where its X is in the source, whatever lies between.
func TestInside(t *testing.T) {
	for name, text := range map[string]string{
		"plain":           "a: bc X d",
		"plain, lines":    "a: bc\n  de\n\n  X fg",
		"single":          "a: 'it''s ''X'",
		"single, lines":   "a: 'b\n\n   c X'",
		"double":          `a: "\t\x41\u00e9\U0001F600\"\\ X"`,
		"double, lines":   "a: \"b \\\n   c\n  d\\n X\"",
		"double, escapes": `a: "\e\N\_X"`,
		"literal":         "a: |\n  b\n    c\n\n  d X\n",
		"literal, chomp":  "a: |2-\n    b\n   c X\n",
		"folded":          "a: >\n  b\n  c\n\n  d X\n",
		"anchor and tag":  "a: &x !!str X",
		"anchor, quoted":  "a: !!str &x \"\\tX\"",
		"wide characters": "é: {ß: \"日本 X\"}",
		"list":            "- - b\n  - c X",
	} {
		t.Run(name, func(t *testing.T) {
			s := newSource("f", []byte(text))
			var root yaml.Node
			if err := yaml.Unmarshal(s.text, &root); err != nil {
				t.Fatal(err)
			}
			n := &root
			for n.Kind != yaml.ScalarNode {
				n = n.Content[len(n.Content)-1]
			}
			got := s.inside(n, strings.Index(n.Value, "X"))
			want := s.pos(strings.Index(text, "X"))
			if got != want {
				t.Errorf("X of %q is at %v, want %v", n.Value, got, want)
			}
			for at := -1; at <= len(n.Value)+1; at++ {
				insideText(t, s, s.inside(n, at))
			}
		})
	}
}

func insideText(t *testing.T, s *source, p Pos) {
	t.Helper()
	if p.Line < 1 || p.Line > len(s.lines) || p.Column < 1 || p.Column > len([]rune(string(s.line(p.Line))))+1 {
		t.Errorf("%v is not inside the text", p)
	}
}

func TestPos(t *testing.T) {
	s := newSource("f", []byte("\xef\xbb\xbfab\r\nü\n\nx"))
	for offset, want := range map[int]Pos{
		-5: {1, 1}, 0: {1, 1}, 2: {1, 3}, 3: {2, 1}, 5: {2, 2}, 6: {3, 1}, 7: {4, 1}, 8: {4, 2}, 99: {4, 2},
	} {
		if got := s.pos(offset); got != want {
			t.Errorf("pos(%d) = %v, want %v", offset, got, want)
		}
	}
	for at, want := range map[Pos]int{{1, 1}: 0, {2, 2}: 5, {4, 1}: 7, {4, 9}: 8, {9, 1}: 7, {0, 0}: 0, {1, 9}: 2} {
		if got := s.offset(at.Line, at.Column); got != want {
			t.Errorf("offset(%v) = %d, want %d", at, got, want)
		}
	}
}
