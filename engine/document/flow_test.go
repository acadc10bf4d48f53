package document

import (
	"errors"
	"strings"
	"testing"
)

// Text that is not YAML: where it goes wrong is marked with ‸, which is taken out.
func TestWhereItIsNotYAML(t *testing.T) {
	for name, text := range map[string]string{
		"other bracket":         "a: 1\nb: {c: [1, 2‸}}\n",
		"other bracket, later":  "a: [\n  {b: c},\n  {d: [e‸}\n]\nf: 1\n",
		"never closed":          "a: {b: 1}\nc: {d: ‸{e: 1\n",
		"never closed, a key":   "a:\n  b: ‸[1, 2\n  c: 3\nd: 4\n",
		"never closed, an item": "a:\n  - ‸{b: 1\n  - {b: 2}\n",
		"inside of text":        "a: {b: $‸{c}, d: [1]}\n",
		"cannot begin, flow":    "a: [x, ‸@y]\n",
		"cannot begin, block":   "a: 1\nb: ‸`x`\n",
		"quote":                 "a: 1\nb: ‸\"c\nd: 2\n",
		"quote in brackets":     "a: 1\nb: [c, ‸'d]\ne: 2\n",
		"second colon":          "a: 1\nb: c‸: d\n",
		"closed once more":      "a: {b: [1]}\nc: ‸}\n",
		"indentation":           "a:\n  b: [1]\n ‸c: 2\n",
		"tab":                   "a:\n‸\tb: 1\n",
		"after literal text":    "a: |\n  {[\"'\n  @\n\n  x: y: z\nb: ‸{c: {d: 1}\n",
		"after quotes":          "'it''s': \"\\\"[\" # {\n\"b\": {\"c\":{\"d\":[1]}} # [\nc: {d: ‸[1 # x\n",
	} {
		t.Run(name, func(t *testing.T) {
			at := strings.Index(text, "‸")
			source := strings.Replace(text, "‸", "", 1)
			d, _ := New("x.yaml", []byte(source), Options{Kind: "plan"})
			all := d.Errors()
			if len(all) != 1 || !strings.Contains(all[0].Message, "not YAML") {
				t.Fatalf("%v, want one mistake", all)
			}
			if want := newSource("", []byte(source)).pos(at); all[0].Pos != want {
				t.Errorf("found at %v, want %v: %v", all[0].Pos, want, all[0])
			}
		})
	}
}

// In text that is YAML nothing is misplaced, and the walk ends whatever the text.
func FuzzMisplaced(f *testing.F) {
	f.Add("a: {b: [1, \"x\", 'y''z'], c: d} # [\ne: |\n  {\nf: - [\n")
	f.Add("[a,\nb: {c: d},\n]\n")
	f.Add("\"a\": &x !!map {\"b\":[1]}\n- ? [\n")
	f.Fuzz(func(t *testing.T, text string) {
		s := newSource("", []byte(text))
		if at := s.misplaced(); at >= len(s.text) || at < -1 {
			t.Errorf("offset %d of %d", at, len(s.text))
		}
	})
}

func TestNothingIsMisplacedInYAML(t *testing.T) {
	for _, text := range []string{
		"a: {b: [1, \"x\", 'y''z'], c: d} # [\ne: |\n  {\n\n  [\nf: x{y}[z]\ng: >-\n  @\nh: 1\n",
		"{a: 1,\n\"b\":[1,2],\n'c':{}\n}\n",
		"- [a, b\n  , c]\n- {d: \"e\n  f\"}\n- ? g\n  : h\n",
		"a: &x [1]\nb: *x\n",
		"url: http://h:80/?a={b}&c=[d]\ntext: it's {\"quoted\"}\n",
		"a: {\n  b: c # d: {\n}\ne: [\n  {f: g},\n]\n",
	} {
		if _, err := Decode([]byte(text), 1); err != nil {
			t.Fatal(errors.Join(errors.New(text), err))
		}
		if at := newSource("", []byte(text)).misplaced(); at >= 0 {
			t.Errorf("in %q something is misplaced at %d", text, at)
		}
	}
}
