package report

import (
	"strings"
	"testing"

	"tidegauge/engine/outlet"
)

// What an outlet was never given, since the plan traces nothing, has no line; anything that happened to it has one.
func TestOutletsWithoutSpans(t *testing.T) {
	for _, tt := range []struct {
		books outlet.Books
		want  bool
	}{
		{outlet.Books{Signal: "spans", Balanced: true}, false},
		{outlet.Books{Balanced: true}, true}, // of samples there are always some
		{outlet.Books{Signal: "spans", Produced: 1, Sent: 1, Balanced: true}, true},
		{outlet.Books{Signal: "spans", Errors: 1, LastError: "refused", Balanced: true}, true},
		{outlet.Books{Signal: "spans"}, true}, // not balanced
	} {
		tt.books.Outlet = "the outlet"
		var b strings.Builder
		r := &Report{Outlets: []outlet.Books{tt.books}}
		if err := r.WriteText(&b, 100, false); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(b.String(), "the outlet"); got != tt.want {
			t.Errorf("%+v has a line: %t, want %t", tt.books, got, tt.want)
		}
	}
}
