package user_test

import (
	"slices"
	"strings"
	"testing"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/user"
)

const taggedPlan = `
classes:
  A:
    tasks:
      - {get: /plain}
      - {get: /x, tags: [x]}
      - {get: /xy, tags: [x, y]}
  B:
    tasks:
      - {get: /y, tags: [y]}
`

func TestTags(t *testing.T) {
	for _, c := range []struct {
		name       string
		tags, less []string
		classes    []string
		requests   []string
		err        string
	}{
		{name: "none", classes: []string{"A", "B"}, requests: []string{"GET /plain", "GET /x", "GET /xy", "GET /y"}},
		{name: "one", tags: []string{"x"}, classes: []string{"A"}, requests: []string{"GET /x", "GET /xy"}},
		{name: "either of two", tags: []string{"x", "y"}, classes: []string{"A", "B"}, requests: []string{"GET /x", "GET /xy", "GET /y"}},
		{name: "excluded", less: []string{"x"}, classes: []string{"A", "B"}, requests: []string{"GET /plain", "GET /y"}},
		{name: "asked for and excluded", tags: []string{"x"}, less: []string{"y"}, classes: []string{"A"}, requests: []string{"GET /x"}},
		{name: "nothing left", tags: []string{"x"}, less: []string{"x"}, err: `no task is left by the tags ["x"] without ["x"]`},
		{name: "a tag nobody has", tags: []string{"z"}, err: `no task is left by the tags ["z"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := readPlan(t, taggedPlan)
			p.Tests[0].Tags, p.Tests[0].ExcludeTags = c.tags, c.less
			m, err := user.NewMix(p, &p.Tests[0], user.Options{})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one with %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var requests []string
			for _, r := range m.Names().Requests {
				requests = append(requests, r.Name)
			}
			if !slices.Equal(m.Names().Classes, c.classes) || !slices.Equal(requests, c.requests) {
				t.Errorf("classes %q with %q, want %q with %q", m.Names().Classes, requests, c.classes, c.requests)
			}
		})
	}
}

func TestClassesOfTest(t *testing.T) {
	p := readPlan(t, taggedPlan)
	p.Tests[0].Classes = []string{"B"}
	m, err := user.NewMix(p, &p.Tests[0], user.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Names().Classes; !slices.Equal(got, []string{"B"}) {
		t.Errorf("classes %q, want only B", got)
	}
	p.Tests[0].Classes = []string{"B", "C"}
	if _, err := user.NewMix(p, &p.Tests[0], user.Options{}); err == nil || !strings.Contains(err.Error(), `no user class "C"`) {
		t.Errorf("error %v, want one about C", err)
	}
}

func TestNames(t *testing.T) {
	r := newRig(t, `
classes:
  A:
    tasks:
      - steps:
          - {get: /items/1, name: item, check: [status == 200]}
          - {get: /items/2, name: item, check: [status == 200, duration < 1]}
      - {name: item, get: /items/3}
      - {post: /items}
  B:
    tasks:
      - {name: item, get: /items/3, check: [status == 200]}
`, answer(200, ""))
	want := measure.Names{
		Classes: []string{"A", "B"},
		Requests: []measure.Request{
			{Class: "A", Name: "item", Method: "GET"}, {Class: "A", Name: "POST /items", Method: "POST"}, {Class: "B", Name: "item", Method: "GET"},
		},
		Checks: []measure.Check{
			{Request: 0, Name: "status == 200"}, {Request: 0, Name: "duration < 1"}, {Request: 2, Name: "status == 200"},
		},
	}
	got := r.mix.Names()
	if !slices.Equal(got.Classes, want.Classes) || !slices.Equal(got.Requests, want.Requests) || !slices.Equal(got.Checks, want.Checks) {
		t.Errorf("names\n%+v, want\n%+v", *got, want)
	}
}

func TestMixErrors(t *testing.T) {
	p := readPlan(t, classesPlan(""))
	p.Target.TLS = plan.TLS{CAFile: "testdata/absent.pem"}
	if _, err := user.NewMix(p, &p.Tests[0], user.Options{}); err == nil || !strings.Contains(err.Error(), "absent.pem") {
		t.Errorf("error %v, want one about absent.pem", err)
	}
	r := newRig(t, classesPlan(""), answer(200, ""))
	if _, err := r.mix.NewSession(1, 1, r.recorder); err == nil {
		t.Error("a session of a class that is not there")
	}
}
