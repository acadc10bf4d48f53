package protocol_test

import (
	"fmt"
	"slices"
	"testing"

	"tidegauge/engine/protocol"
)

func TestLookup(t *testing.T) {
	r := protocol.Response{
		Header:    []protocol.Field{{Name: "X-Parsed", Value: "1"}},
		RawHeader: []byte("Content-Type: text/plain \r\nX-Empty:\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nno colon\r\n folded: x\r\nX-Space : y\nLast: z"),
	}
	for _, c := range []struct {
		name, value string
		found       bool
	}{
		{"x-parsed", "1", true},
		{"CONTENT-TYPE", "text/plain", true},
		{"X-Empty", "", true},
		{"Set-Cookie", "a=1", true},
		{"X-Space", "y", true},
		{"last", "z", true},
		{"folded", "", false},
		{"no colon", "", false},
		{"Content", "", false},
		{"", "", false},
	} {
		value, found := r.Lookup(c.name)
		if value != c.value || found != c.found {
			t.Errorf("Lookup(%q) = %q, %v, want %q, %v", c.name, value, found, c.value, c.found)
		}
		if got := r.Get(c.name); got != c.value {
			t.Errorf("Get(%q) = %q, want %q", c.name, got, c.value)
		}
	}
	want := []protocol.Field{
		{Name: "X-Parsed", Value: "1"}, {Name: "Content-Type", Value: "text/plain"}, {Name: "X-Empty"},
		{Name: "set-cookie", Value: "a=1"}, {Name: "Set-Cookie", Value: "b=2"}, {Name: "X-Space", Value: "y"}, {Name: "Last", Value: "z"},
	}
	if got := r.Fields(); !slices.Equal(got, want) {
		t.Errorf("Fields() = %q, want %q", got, want)
	}
}

func TestOutcomes(t *testing.T) {
	seen := map[string]bool{}
	for o := range protocol.Outcome(protocol.Outcomes) {
		if name := o.String(); name == "" || name == "invalid" || seen[name] {
			t.Errorf("outcome %d has the name %q", o, name)
		} else {
			seen[name] = true
		}
		if want := o != protocol.OK && o != protocol.Cut; o.Failed() != want {
			t.Errorf("%v.Failed() = %v, want %v", o, o.Failed(), want)
		}
	}
	if got := protocol.Outcome(protocol.Outcomes).String(); got != "invalid" {
		t.Errorf("the outcome after the last is called %q", got)
	}
}

func FuzzLookup(f *testing.F) {
	f.Add([]byte("A: b\r\nC:\n"), "c")
	f.Fuzz(func(t *testing.T, raw []byte, name string) {
		r := protocol.Response{RawHeader: raw}
		value, found := r.Lookup(name)
		for _, field := range r.Fields() {
			if field.Name == name {
				if !found {
					t.Fatalf("Fields has %q, Lookup does not", name)
				}
				break
			}
		}
		if !found && value != "" {
			t.Fatalf("not found, but %q", value)
		}
	})
}

func ExampleResponse_Get() {
	r := protocol.Response{RawHeader: []byte("Content-Type: application/json\r\n")}
	fmt.Println(r.Get("content-type"))
	// Output: application/json
}
