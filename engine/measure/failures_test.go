package measure

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tidegauge/engine/protocol"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func TestFailuresAreCountedAndSorted(t *testing.T) {
	r := New(twoNames(), Options{MaxFailures: 4})
	fail := func(request int, o protocol.Outcome, detail string, at int) {
		r.Fail(request, o, detail, noon.Add(time.Duration(at)*time.Second))
	}
	fail(1, protocol.Timeout, "after 10s", 3)
	fail(0, protocol.Status, "503", 5)
	fail(1, protocol.Timeout, "after 10s", 1)
	fail(0, protocol.Check, "status == 201", 2)
	fail(0, protocol.Status, "500", 4)
	fail(0, protocol.Status, "502", 6) // the table is full
	fail(0, protocol.Status, "504", 7)
	fail(0, protocol.Status, "503", 8)
	fail(1, protocol.Status, "(zzz", 9)
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	want := []Failure{
		{0, protocol.Check, "status == 201", 1, at(2), at(2)},
		{0, protocol.Status, "500", 1, at(4), at(4)},
		{0, protocol.Status, "503", 2, at(5), at(8)},
		{0, protocol.Status, Other, 2, at(6), at(7)},
		{1, protocol.Status, Other, 1, at(9), at(9)},
		{1, protocol.Timeout, "after 10s", 2, at(1), at(3)},
	}
	if got, _ := r.tables.rows(); !slices.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

func TestExceptionsAreCountedAndSorted(t *testing.T) {
	r := New(twoNames(), Options{MaxFailures: 2})
	for i, e := range []struct{ task, message string }{
		{"pay", "b"}, {"pay", "a"}, {"pay", "b"}, {"pay", "c"}, {"browse", "d"}, {"pay", "e"},
	} {
		r.Except(i%2, e.task, e.message, noon.Add(time.Duration(i)*time.Second))
	}
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	want := []Exception{
		{"browse", Other, 1, at(4), at(4)},
		{"pay", "a", 1, at(1), at(1)},
		{"pay", "b", 2, at(0), at(2)},
		{"pay", Other, 2, at(3), at(5)},
	}
	if _, got := r.tables.rows(); !slices.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	if total := take(r); total.Classes[0].Exceptions != 3 || total.Classes[1].Exceptions != 3 {
		t.Errorf("%d and %d exceptions, want 3 and 3", total.Classes[0].Exceptions, total.Classes[1].Exceptions)
	}
}

func TestTablesAreBounded(t *testing.T) {
	r := New(twoNames(), Options{})
	for i := range 5000 {
		detail := fmt.Sprintf("id %d: %s", i, strings.Repeat("ä", 1000))
		r.Fail(i%2, protocol.OK+1+protocol.Outcome(i%3), detail, noon)
		r.Except(0, "task", detail, noon)
	}
	failures, exceptions := r.tables.rows()
	if want := defaultMaxFailures + 6; len(failures) != want {
		t.Errorf("%d rows of failures, want %d", len(failures), want)
	}
	if want := defaultMaxFailures + 1; len(exceptions) != want {
		t.Errorf("%d rows of exceptions, want %d", len(exceptions), want)
	}
	var count uint64
	for _, f := range failures {
		count += f.Count
		if len(f.Detail) > maxDetail+len("…") || !utf8.ValidString(f.Detail) {
			t.Fatalf("detail of %d bytes: %q", len(f.Detail), f.Detail)
		}
	}
	if count != 5000 {
		t.Errorf("%d failures, want 5000", count)
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int // bytes kept
	}{
		{"", 0},
		{strings.Repeat("x", maxDetail), maxDetail},
		{strings.Repeat("x", maxDetail+1), maxDetail},
		{strings.Repeat("x", maxDetail-1) + "ä", maxDetail - 1},
		{strings.Repeat("x", maxDetail-3) + "😀", maxDetail - 3},
		{strings.Repeat("\x80", maxDetail+1), maxDetail - utf8.UTFMax}, // not UTF-8: it must end all the same
	} {
		got := shorten(c.in)
		if kept := strings.TrimSuffix(got, "…"); kept != c.in[:c.want] || (len(c.in) > maxDetail) != (kept != got) {
			t.Errorf("shorten(%d bytes) keeps %d, want %d", len(c.in), len(kept), c.want)
		}
	}
}
