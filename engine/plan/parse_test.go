package plan

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// skeleton is a plan that is right, with places to put something in.
func skeleton(top, class, test string) string {
	return "target: {base_url: http://localhost}\n" + top +
		"\nclasses:\n  User:\n    tasks: [{get: /, tags: [x]}]\n" + class +
		"\ntests:\n  load: {arrivals: 1/s, duration: 1s}\n" + test
}

func mustParse(t *testing.T, text string) *Plan {
	t.Helper()
	p, err := Parse("plan.yaml", []byte(text), Options{})
	if err != nil {
		t.Fatalf("Parse: %v\nof %s", err, text)
	}
	return p
}

// What is wrong with the document itself.
func TestDocument(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 10; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":           {"", "1:1: the file is empty, expected a plan; a minimal plan is target: "},
		"only comments":   {"# nothing\n---\n", "1:1: the file is empty, expected a plan; a minimal plan is target: "},
		"not a mapping":   {"- a\n", "1:1: a list, expected a plan with keys name, labels"},
		"just text":       {"plan\n", `1:1: "plan", expected a plan with keys name, labels`},
		"second document": {skeleton("", "", "") + "---\nname: other\n", "9:1: a second document begins here"},
		"tabs":            {"name: x\ntarget:\n\tbase_url: x\n", "3:1: not YAML: found character that cannot start any token; indent with spaces"},
		"indentation":     {"name: x\ntarget:\n  base_url: a\n timeout: 3s\ntests: {}\n", "4:2: not YAML: did not find expected key; check the indentation"},
		"colon":           {"name: x\ntarget:\n  base_url: a: b\n", "3:14: not YAML: mapping values are not allowed in this context; check"},
		"template in {}":  {"name: x\n\ntests: {a: ${x}}\nb: 3\n", "3:13: not YAML: did not find expected ',' or '}'; inside { } and [ ] put text with ${...} in quotes"},
		"open bracket":    {"name: x\ntests:\n  a: {b: c\n  e: {}\nmore: 1\n", "3:6: not YAML: did not find expected ',' or '}'; a bracket is not closed"},
		"open quote":      {"name: x\n# a comment\ntests: \"a\nb: c\n", "3:8: not YAML: found unexpected end of stream"},
		"unknown alias":   {"name: x\ntests: *nobody\n", "2:8: *nobody refers to nothing, expected an anchor &nobody before it"},
		"at sign":         {"name: @x\n", "1:7: not YAML: found character that cannot start any token; put text"},
		"control":         {"name: x\nb: \x01\n", "2:4: the invisible character U+0001"},
		"not UTF-8":       {"name: x\nb: ä\xff\n", "2:5: the file is not UTF-8 text"},
		"UTF-16":          {"\xff\xfea\x00", "1:1: the file is not UTF-8 text"},
		"old Mac":         {"name: x\rb: y\n", "1:8: a carriage return without a line feed"},
		"too large":       {"# " + strings.Repeat("x", 1<<20), "1:1: the file has 1048578 bytes, expected a plan of at most 1048576"},
		"alias bomb":      {bomb + "name: *a9\n", "5:30: the plan has more than 50000 values with its aliases written out"},
		"endless alias":   {"name: &a [b, *a]\n", "1:14: *a contains itself"},
		"too deep":        {"name: " + strings.Repeat("[", 100) + strings.Repeat("]", 100), "1:67: nested more than 60 deep"},
		"tag":             {"name: !env X\n" + skeleton("", "", ""), `1:12: the tag "!env" has no meaning in a plan`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("plan.yaml", []byte(c.text), Options{})
			var errs Errors
			if !errors.As(err, &errs) {
				t.Fatalf("Parse: %v", err)
			}
			for _, e := range errs {
				if strings.HasPrefix(e.Error(), "plan.yaml:"+c.want) {
					return
				}
			}
			t.Errorf("Parse: %v\nwant plan.yaml:%s", err, c.want)
		})
	}
}

func TestLineEnds(t *testing.T) {
	text := "\xef\xbb\xbf" + strings.ReplaceAll(skeleton("objectives: [p95 < 5]", "", ""), "\n", "\r\n")
	_, err := Parse("plan.yaml", []byte(text), Options{})
	if err == nil || !strings.HasPrefix(err.Error(), `plan.yaml:2:20: objectives[0]: "5" has no unit`) {
		t.Errorf("Parse: %v", err)
	}
}

func TestMissing(t *testing.T) {
	_, err := Parse("plan.yaml", []byte("name: x\n"), Options{})
	var errs Errors
	if !errors.As(err, &errs) || len(errs) != 3 {
		t.Fatalf("Parse: %v, want errors about target, classes and tests", err)
	}
	for i, want := range []string{"target", "classes", "tests"} {
		if !strings.HasPrefix(errs[i].Error(), "plan.yaml:1:1: "+want+" is missing, expected ") {
			t.Errorf("error %d: %v, want one about %s", i, errs[i], want)
		}
	}
}

// A mistake in something that is used by an alias twice is one mistake.
func TestMistakeByAlias(t *testing.T) {
	_, err := Parse("plan.yaml", []byte(skeleton("", "  A: &a {wait: 5, tasks: [{get: /}]}\n  B: *a\n", "")), Options{})
	var errs Errors
	if !errors.As(err, &errs) || len(errs) != 1 || errs[0].Pos != (Pos{Line: 6, Column: 16}) {
		t.Errorf("Parse: %v", err)
	}
}

func TestMerge(t *testing.T) {
	p := mustParse(t, "target: {base_url: http://localhost}\nx-a: [&a {weight: 2, wait: 1s}, &b {weight: 3, fixed: 7, tags: [y]}]\n"+
		"classes: {M: {<<: [*a, *b], wait: 9s, tasks: [{get: /}]}}\ntests: {t: {users: 9, duration: 10s}}\n")
	c := p.Classes[0]
	if c.Weight != 2 || c.Fixed != 7 || c.Wait.Min != 9*time.Second || c.Tasks[0].Tags[0] != "y" {
		t.Errorf("merged class: %+v", c)
	}
}

func TestDefaults(t *testing.T) {
	p := mustParse(t, skeleton("", "", ""))
	if p.Name != "plan" || p.Seed != 0 || p.Target.Timeout != 10*time.Second || p.Target.Redirects != 10 || p.Target.MaxResponseBytes != 10<<20 {
		t.Errorf("plan: %+v", p)
	}
	c, test := p.Classes[0], p.Tests[0]
	if c.Weight != 1 || c.Fixed != 0 || c.Wait.Kind != NoWait || c.Tasks[0].Weight != 1 || c.Tasks[0].Name != "GET /" {
		t.Errorf("class: %+v", c)
	}
	if test.Type != Load || test.StopTimeout != 10*time.Second || test.Shape.MaxUsers != 10 || test.Shape.Poisson {
		t.Errorf("test: %+v", test)
	}
}

func TestEnvironment(t *testing.T) {
	env := map[string]string{"URL": "http://a.test/", "N": "7", "WAIT": "3s"}
	getenv := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	text := `
target: {base_url: "${env.URL}", timeout: "${env.TIMEOUT ?? '5s'}", headers: {X: "a ${env.N} ${user}"}}
classes: {User: {wait: "${env.WAIT}", tasks: [{get: /}]}}
tests: {load: {users: "${env.N}", duration: 1m}}`
	p, err := Parse("plan.yaml", []byte(text), Options{Getenv: getenv})
	if err != nil {
		t.Fatal(err)
	}
	if p.Target.BaseURL != "http://a.test" || p.Target.Timeout != 5*time.Second || p.Classes[0].Wait.Min != 3*time.Second || p.Tests[0].Shape.Stages[1].To != 7 {
		t.Errorf("plan: %+v", p)
	}
	_, err = Parse("plan.yaml", []byte(text), Options{})
	var errs Errors
	if !errors.As(err, &errs) || len(errs) < 3 {
		t.Fatalf("without the variables: %v", err)
	}
	for i, want := range []string{"plan.yaml:2:23: target.base_url: ", "plan.yaml:2:87: target.headers.X: ", "plan.yaml:3:27: classes.User.wait: ", "plan.yaml:4:26: tests.load.users: "} {
		if !strings.HasPrefix(errs[i].Error(), want) {
			t.Errorf("error %d: %v, want %s…", i, errs[i], want)
		}
	}
}

type placed struct{ error }

func (placed) Offset() int { return 7 }

func TestCheckPromQL(t *testing.T) {
	var got string
	check := func(expr string) error {
		got = expr
		return fmt.Errorf("checking: %w", placed{errors.New("unexpected\nend")})
	}
	text := skeleton("objectives:\n  - promql: 'rate(x{run=\"$run\"}[$range]) > 0'\n    for: 10s\n", "", "")
	_, err := Parse("plan.yaml", []byte(text), Options{CheckPromQL: check})
	if err == nil || err.Error() != "plan.yaml:3:21: objectives[0].promql: checking: unexpected end" {
		t.Errorf("Parse: %v", err)
	}
	if got != `rate(x{run="run0"}[10000s]) > 0` {
		t.Errorf("checked %s", got)
	}
	p := mustParse(t, text)
	if o := p.Objectives[0]; o.PromQL != `rate(x{run="$run"}[$range]) > 0` || o.For != 10*time.Second {
		t.Errorf("objective: %+v", o)
	}
}

func TestFileBodies(t *testing.T) {
	text := strings.ReplaceAll(skeleton("", "  Sender: {tasks: [{post: /, body_file: body.txt}]}\n", ""), "\r", "")
	p, err := Parse("testdata/plan.yaml", []byte(text), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/body.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := p.Classes[1].Tasks[0].Steps[0].Request.Body.Constant(); !ok || got != string(want) {
		t.Errorf("body %q, want %q", got, want)
	}
}

func TestChooseTest(t *testing.T) {
	several := "  other: {arrivals: 1/s, duration: 1s}\n"
	for _, c := range []struct{ text, name, want, wrong string }{
		{skeleton("", "", ""), "", "load", ""},
		{skeleton("", "", several), "", "load", ""},
		{skeleton("", "", several), "other", "other", ""},
		{strings.ReplaceAll(skeleton("", "", ""), "load:", "only:"), "", "only", ""},
		{skeleton("", "", several), "othr", "", `choosing a test of plan.yaml: unknown test "othr", did you mean "other"?`},
		{strings.ReplaceAll(skeleton("", "", several), "load:", "main:"), "", "", `choosing a test of plan.yaml: unknown test "load", expected one of "main" or "other"`},
	} {
		p := mustParse(t, c.text)
		got, err := p.Test(c.name)
		if c.wrong != "" {
			if err == nil || err.Error() != c.wrong {
				t.Errorf("Test(%q): %v, want %s", c.name, err, c.wrong)
			}
		} else if err != nil || got.Name != c.want {
			t.Errorf("Test(%q): %+v, %v, want %s", c.name, got, err, c.want)
		}
	}
}

func TestTags(t *testing.T) {
	tagged := func(tags ...string) *Task { return &Task{Weight: 1, Tags: tags} }
	for _, c := range []struct {
		task          *Task
		tags, exclude []string
		want          bool
	}{
		{tagged(), nil, nil, true},
		{tagged(), []string{"a"}, nil, false}, // without tags, and so left out
		{tagged("a", "b"), []string{"b", "c"}, nil, true},
		{tagged("a"), nil, []string{"a"}, false},
		{tagged("a", "b"), []string{"a"}, []string{"b"}, false},
		{tagged(), nil, []string{"a"}, true},
		{&Task{Tags: []string{"a"}}, []string{"a"}, nil, false}, // of weight 0
	} {
		test := Test{Tags: c.tags, ExcludeTags: c.exclude}
		if got := test.Runs(c.task); got != c.want {
			t.Errorf("task %v with tags %v, exclude %v: %t", c.task.Tags, c.tags, c.exclude, got)
		}
	}
}
