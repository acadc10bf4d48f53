package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tidegauge/engine/value"
)

// The plans of the README are right, and its table of functions is that of the language.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	plans := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1)
	if len(plans) != 2 {
		t.Fatalf("%d plans, expected 2", len(plans))
	}
	for _, p := range plans {
		if _, err := Parse("README.md", p[1], Options{}); err != nil {
			t.Errorf("%v", err)
		}
	}
	var b strings.Builder
	b.WriteString("<!-- functions -->\n| function | |\n|---|---|\n")
	for _, f := range value.Functions() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.Signature, strings.ReplaceAll(f.Help, "|", `\|`))
	}
	b.WriteString("<!-- end of functions -->\n")
	section := regexp.MustCompile(`(?s)<!-- functions -->\n.*?<!-- end of functions -->\n`)
	if *update {
		text = section.ReplaceAllLiteral(text, []byte(b.String()))
		if err := os.WriteFile("README.md", text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(section.Find(text)); got != b.String() {
		t.Errorf("the table of functions is not up to date: run go test ./engine/plan -update\ngot %s\nwant %s", got, b.String())
	}
}

// Every key that a plan may have is in the README.
func TestReadmeHasKeys(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`document\.Key\("([a-z_]+)"`).FindAllSubmatch(source, -1) {
			keys = append(keys, string(m[1]))
		}
	}
	if len(keys) < 60 {
		t.Fatalf("found only the keys %v", keys)
	}
	for _, key := range append(keys, methods...) {
		if !regexp.MustCompile("`[^`\n]*\\b" + key + "\\b").Match(text) {
			t.Errorf("the key %s is missing", key)
		}
	}
}
