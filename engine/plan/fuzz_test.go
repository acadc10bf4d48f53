package plan

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"tidegauge/engine/document"
)

// atLine is a mistake at a line of a scrape job.
type atLine int

func (l atLine) Error() string { return "wrong\nhere" }
func (l atLine) Line() int     { return int(l) }

// FuzzParse: a plan is either right, and then each of its tests has a load, or has mistakes, each at a place inside the file
// and on one line.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(source)
	}
	for _, seed := range []string{
		"", "a", "- a", "a: [", "a: &a [*a]", "\xef\xbb\xbfa: b\r\nc: d", "a: \u2028b", "name: \"\\x\n", "tests: {t: {users: 1e400}}",
		"name: >-\n  a\n\n   ${b}\n", "? [a]\n: b\n", "<<: [a]\n", "<<: {<<: {name: x}}\n", "---\n...\n---\nb", "classes: {a: {tasks: [{<<: 3, get: /}]}}",
		"# x\na:\n  - b\n  # c\n- d", "data: {x: /}", "scrape: [{job_name: &a b, <<: {c: *a}}]", "scrape:\n- job_name: b\n  x: ${env.Y ?? \"a: }\"}${env", "scrape: [{? [a] : ${target.host}}]", "tests: {a: {users: [{to: 9999999}]}}", "a: !!int x\nseed: !!float 3",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse("testdata/fuzz.yaml", text, Options{
			CheckPromQL: func(string) error { return errors.New("no") },
			CheckScrape: func(string, []byte) error {
				return errors.Join(atLine(2), errors.New("job name \"b\": scrape interval"))
			},
		})
		if err == nil {
			for i := range p.Tests {
				if d := p.Tests[i].Shape.Duration(); d <= 0 || d > document.MaxDuration || len(p.Tests[i].Shape.Stages) == 0 {
					t.Errorf("test %s lasts %v", p.Tests[i].Name, d)
				}
			}
			if len(p.Tests) == 0 || len(p.Classes) == 0 || p.Target.BaseURL == "" {
				t.Errorf("nothing to do: %+v", p)
			}
			return
		}
		var errs Errors
		if !errors.As(err, &errs) || len(errs) == 0 {
			t.Fatalf("no list of mistakes: %v", err)
		}
		lines := strings.Split(strings.ReplaceAll(strings.TrimPrefix(string(text), "\xef\xbb\xbf"), "\r\n", "\n"), "\n")
		for _, e := range errs {
			if e.Pos.Line < 1 || e.Pos.Line > len(lines) || e.Pos.Column < 1 || e.Pos.Column > utf8.RuneCountInString(lines[e.Pos.Line-1])+1 {
				t.Errorf("outside the file: %v", e)
			}
			if strings.ContainsAny(e.Error(), "\n\r") || e.Message == "" {
				t.Errorf("not a line: %q", e.Error())
			}
		}
	})
}
