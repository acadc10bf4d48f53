package feed

import (
	"bytes"
	"errors"
	"testing"
)

// fuzzFormat checks that whatever the file holds there are either rows that fit the columns, or a mistake with a place inside
// the file.
func fuzzFormat(f *testing.F, format string, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		table, err := parse(format, content)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("the error is a %T, want *Error", err)
			}
			if e.Line < 0 || e.Line > bytes.Count(content, []byte{'\n'})+1 || e.Column < 0 || e.Column > len(content)+1 {
				t.Fatalf("the mistake is at %d:%d, outside the file", e.Line, e.Column)
			}
			if (e.Line == 0) != (e.Column == 0) {
				t.Fatalf("the mistake is at %d:%d, want both or neither", e.Line, e.Column)
			}
			return
		}
		if len(table.rows) == 0 || len(table.columns) == 0 {
			t.Fatalf("%d rows of %d columns and no error", len(table.rows), len(table.columns))
		}
		known := make(map[string]bool)
		for _, c := range table.columns {
			if known[c] || c == "" {
				t.Fatalf("column %q is empty or there twice", c)
			}
			known[c] = true
		}
		for _, row := range table.rows {
			if len(row) == 0 {
				t.Fatal("a row is empty")
			}
			for c := range row {
				if !known[c] {
					t.Fatalf("the row has a column %q that is not in %q", c, table.columns)
				}
			}
		}
	})
}

func FuzzCSV(f *testing.F) {
	fuzzFormat(f, "csv", "a,b\n1,2\n", "\ufeffa\r\n\"x\"\"\r\n\"\r\n", "a,a\n", "a,b\n1\n", "\"", "a\n\"x", "\r\r\n,\n")
}

func FuzzJSON(f *testing.F) {
	fuzzFormat(f, "json", `[{"a":1}]`, `[{"a":[{"b":null}]},{"c":1e400}]`, `[{"a":1,"a":2}]`, `[`, `[{`, `{}`, `[{}]x`, "[1,\n2]")
}

func FuzzJSONLines(f *testing.F) {
	fuzzFormat(f, "jsonl", "{\"a\":1}\n{\"b\":2}\r\n", "\n\n{", "{\"a\":1}{\"a\":2}", "[]\n", "{\"\":1}")
}
