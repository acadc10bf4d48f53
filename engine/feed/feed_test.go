package feed_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/feed"
)

func write(t testing.TB, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func rows(f *feed.Feed) []feed.Row {
	all := make([]feed.Row, f.Len())
	for i := range all {
		all[i] = f.Row(1, nil)
	}
	return all
}

func TestOpen(t *testing.T) {
	tests := []struct {
		name, file, content string
		columns             []string
		rows                []feed.Row
	}{
		{
			"csv", "a.csv", "number,owner\n4111,Ada\n4242,Grace\n",
			[]string{"number", "owner"},
			[]feed.Row{{"number": "4111", "owner": "Ada"}, {"number": "4242", "owner": "Grace"}},
		},
		{
			"csv with a byte order mark, CRLF, quotes, an empty line and no newline at the end", "a.CSV",
			"\ufeffa,b\r\n\"x, \"\"y\"\"\r\nz\",\r\n\r\n1, 2",
			[]string{"a", "b"},
			[]feed.Row{{"a": "x, \"y\"\nz", "b": ""}, {"a": "1", "b": " 2"}},
		},
		{
			"json", "a.json", "\ufeff [{\"id\": 9007199254740993, \"price\": 1.5},\n {\"id\": 18446744073709551615, \"tags\": [1, \"x\", null, true, {\"n\": 2}]}]\n",
			[]string{"id", "price", "tags"},
			[]feed.Row{
				{"id": 9007199254740993, "price": 1.5},
				{"id": uint64(18446744073709551615), "tags": []any{1, "x", nil, true, map[string]any{"n": 2}}},
			},
		},
		{
			"jsonl", "a.jsonl", "{\"b\": -1}\r\n\n  {\"a\": \"x\"}",
			[]string{"b", "a"},
			[]feed.Row{{"b": -1}, {"a": "x"}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, err := feed.Open(feed.Options{File: write(t, test.file, test.content)})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.columns, f.Columns()); d != "" {
				t.Errorf("columns (-want +got):\n%s", d)
			}
			if d := cmp.Diff(test.rows, rows(f)); d != "" {
				t.Errorf("rows (-want +got):\n%s", d)
			}
		})
	}
}

func TestOpenMistakes(t *testing.T) {
	tests := []struct{ file, content, want string }{
		{"a.csv", "", ": the file is empty, expected rows of data"},
		{"a.csv", "\ufeff\n \n", ": the file is empty, expected rows of data"},
		{"a.csv", "a,b\n", ": the file has no rows, expected at least one"},
		{"a.csv", "a,,c\n1,2,3\n", ":1:3: column 2 has no name"},
		{"a.csv", "a,b,a\n1,2,3\n", ":1:5: column \"a\" is there twice"},
		{"a.csv", "a,b\n1,2\n3\n", ":3:1: the row has 1 field, expected 2 as in the header"},
		{"a.csv", "a,b\n1,2,33,4\n", ":2:5: the row has 4 fields, expected 2 as in the header"},
		{"a.csv", "a,b\n1,x\"y\n", ":2:4: bare '\"' in non-quoted-field"},
		{"a.csv", "a,b\n1,\"x\n", ":2:6: extraneous or missing '\"' in quoted-field"},
		{"a.json", "{\"a\": 1}", ":1:1: expected an array of objects, found an object"},
		{"a.json", "[]", ": the file has no rows, expected at least one"},
		{"a.json", "[{\"a\": 1},\n  7]", ":2:3: expected an object, found a number"},
		{"a.json", "[{\"a\": 1},\n  null]", ":2:3: expected an object, found null"},
		{"a.json", "[{\"a\": 1, \"a\": 2}]", ":1:11: column \"a\" is there twice"},
		{"a.json", "[{\"\": 1}]", ":1:3: a column has no name"},
		{"a.json", "[{}]", ":1:2: the row has no columns"},
		{"a.json", "[{\"a\": 1e999}]", ":1:3: column \"a\": the number 1e999 is too large"},
		{"a.json", "[{\"a\": [1e999]}]", ":1:3: column \"a\": the number 1e999 is too large"},
		{"a.json", "[{\"a\": 1}\n", ":2:1: not JSON: the text ends too early"},
		{"a.json", "[{\"a\": 1}] 2", ":1:12: expected nothing more after the data"},
		{"a.jsonl", "{\"a\": 1}\n{\"a\": 1} {\"a\": 2}\n", ":2:10: expected nothing more after the data"},
		{"a.jsonl", "{\"a\": 1}\n\n\"x\"\n", ":3:1: expected an object, found text"},
		{"a.jsonl", "{\"a\": 1}\n{\"a\": 1", ":2:8: not JSON: the text ends too early"},
		{"a.jsonl", "\n\n \n", ": the file is empty, expected rows of data"},
		{"a.txt", "a\n1\n", ": cannot tell the format from the file's name, expected one of [csv json jsonl]"},
	}
	for _, test := range tests {
		file := write(t, test.file, test.content)
		_, err := feed.Open(feed.Options{File: file})
		if err == nil {
			t.Errorf("%q: no error, want %s", test.content, test.want)
			continue
		}
		if got := strings.TrimPrefix(err.Error(), file); got != test.want {
			t.Errorf("%q: got %s, want %s", test.content, got, test.want)
		}
	}
}

func TestOpenSyntaxErrors(t *testing.T) {
	for _, test := range []struct{ content, place string }{
		{"[{\"a\": 1}\n {\"a\": 2}]", ":2:"},
		{"[{\"a\": tru}]", ":1:11: "},
		{"[{\"a\": 1,\n\n \"b\" 2}]", ":3:"},
		{"[{a: 1}]", ":1:3: "},
	} {
		file := write(t, "a.json", test.content)
		_, err := feed.Open(feed.Options{File: file})
		if err == nil || !strings.HasPrefix(err.Error(), file+test.place) || !strings.Contains(err.Error(), "not JSON: invalid character") {
			t.Errorf("%q: got %v, want a syntax error at %s", test.content, err, test.place)
		}
	}
}

func TestOpenOptions(t *testing.T) {
	file := write(t, "cards.data", "a\n1\n")
	tests := []struct {
		options feed.Options
		want    string
	}{
		{feed.Options{File: file, Format: "CSV"}, file + ": unknown format \"CSV\", expected one of [csv json jsonl]"},
		{feed.Options{File: file, Format: "csv", Order: "shuffled"}, file + ": unknown order \"shuffled\", expected one of [sequential random unique]"},
		{feed.Options{File: file + ".csv"}, "reading data: open " + file + ".csv: no such file or directory"},
		{feed.Options{File: filepath.Dir(file), Format: "csv"}, "reading data: read " + filepath.Dir(file) + ": is a directory"},
	}
	for _, test := range tests {
		if _, err := feed.Open(test.options); err == nil || err.Error() != test.want {
			t.Errorf("%+v: got %v, want %s", test.options, err, test.want)
		}
	}
	f, err := feed.Open(feed.Options{File: file, Format: "csv"})
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Row(1, nil)["a"]; got != "1" {
		t.Errorf("a is %v, want 1", got)
	}
}

func letters(t testing.TB, o feed.Order) *feed.Feed {
	t.Helper()
	f, err := feed.Open(feed.Options{File: write(t, "x.csv", "x\na\nb\nc\n"), Order: o})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSequential(t *testing.T) {
	f := letters(t, feed.Sequential)
	var got string
	for i := range 7 {
		got += f.Row(i, nil)["x"].(string)
	}
	if got != "abcabca" {
		t.Errorf("got %s, want abcabca", got)
	}
}

func TestSequentialIsFairToManyUsers(t *testing.T) {
	f := letters(t, feed.Sequential)
	counts := make([]map[string]int, 8)
	var wait sync.WaitGroup
	for u := range counts {
		counts[u] = make(map[string]int)
		wait.Go(func() {
			for range 300 {
				counts[u][f.Row(u, nil)["x"].(string)]++
			}
		})
	}
	wait.Wait()
	total := make(map[string]int)
	for _, c := range counts {
		for k, n := range c {
			total[k] += n
		}
	}
	if d := cmp.Diff(map[string]int{"a": 800, "b": 800, "c": 800}, total); d != "" {
		t.Errorf("rows handed out (-want +got):\n%s", d)
	}
}

func TestRandomFollowsTheSource(t *testing.T) {
	f := letters(t, feed.Random)
	draw := func(seed uint64) string {
		r := rand.New(rand.NewPCG(seed, 0))
		var s strings.Builder
		for range 3000 {
			s.WriteString(f.Row(1, r)["x"].(string))
		}
		return s.String()
	}
	first := draw(1)
	if draw(1) != first {
		t.Error("the same seed gives other rows")
	}
	if draw(2) == first {
		t.Error("another seed gives the same rows")
	}
	for _, row := range []string{"a", "b", "c"} {
		// Binomial with mean 1000 and standard deviation 26; the seed is fixed, so this never flickers.
		if n := strings.Count(first, row); n < 900 || n > 1100 {
			t.Errorf("row %s was drawn %d times of 3000, want about 1000", row, n)
		}
	}
}

func TestUnique(t *testing.T) {
	f := letters(t, feed.Unique)
	for user, want := range map[int]string{0: "a", 1: "a", 2: "b", 3: "c", 4: "a"} {
		for range 2 {
			if got := f.Row(user, nil)["x"]; got != want {
				t.Errorf("user %d has row %v, want %s", user, got, want)
			}
		}
	}
}

func TestRowDoesNotAllocate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, o := range feed.Orders() {
		f := letters(t, o)
		if n := testing.AllocsPerRun(100, func() { f.Row(2, r) }); n != 0 {
			t.Errorf("%s: %v allocations per row, want none", o, n)
		}
	}
}

func ExampleOpen() {
	cards, err := feed.Open(feed.Options{Name: "cards", File: "testdata/cards.csv", Order: feed.Unique})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cards.Len(), cards.Columns())
	fmt.Println(cards.Row(2, nil)["number"])
	// Output:
	// 3 [number owner]
	// 5555555555554444
}
