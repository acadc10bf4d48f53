package plan

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

const overridden = `
target: {base_url: http://localhost}
data: {cards: {file: cards.csv, order: unique}}
classes:
  A: {tasks: [{get: /a, tags: [a]}, {get: /b, tags: [b]}]}
  Unique: {tasks: [{get: "/${cards.number}", tags: [unique]}]}
  Fixed: {fixed: 1, tasks: [{get: /c, tags: [c]}]}
objectives: [p95 < 1s, 'p95{name="GET /b"} < 1s']
tests:
  users: {users: 20, spawn_rate: 10, duration: 10s, classes: [A]}
  rate: {arrivals: 100/s, duration: 10s, classes: [A], arrival_process: poisson, max_users: 5}
  ramp: {arrivals: {to: 100/s}, duration: 10s, classes: [A]}
  down: {users: [{to: 9, over: 3s}, {hold: 5s}, {to: 0, over: 2s}], classes: [A]}
  rows: {users: 2, duration: 10s, classes: [Unique]}
`

// A step test of less time has fewer steps, whole ones.
func TestOverrideStepTest(t *testing.T) {
	p, err := Parse("plan.yaml", []byte("name: n\ntarget: {base_url: http://t}\nclasses: {A: {tasks: [{get: /}]}}\nobjectives: [error_rate < 1%]\ntests: {s: {type: stress, users: {start: 10, add: 10, every: 20s, steps: 5}}}\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for seconds, want := range map[time.Duration]float64{20: 10, 50: 20, 100: 50, 300: 50} {
		got, err := p.Override("s", Overrides{RunTime: seconds * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if got.Search.To != want || got.Shape.Duration() != seconds*time.Second {
			t.Errorf("%d s: up to %v in %v, want up to %v", seconds, got.Search.To, got.Shape.Duration(), want)
		}
	}
	if _, err := p.Override("s", Overrides{RunTime: 19 * time.Second}); err == nil || !strings.Contains(err.Error(), "--run-time: 19s, expected room for a step of 20s at least") {
		t.Errorf("%v", err)
	}
	if before, err := p.Test("s"); err != nil || before.Search.To != 50 {
		t.Errorf("the plan's test has become %+v (%v)", before, err)
	}
}

func TestOverride(t *testing.T) {
	s, closed := time.Second, func(stages ...Stage) Shape { return Shape{Model: Closed, Stages: stages} }
	for name, c := range map[string]struct {
		test string
		o    Overrides
		want Shape
	}{
		"nothing":           {"users", Overrides{}, closed(Stage{0, 20, 2 * s, "ramp"}, Stage{20, 20, 8 * s, "steady"})},
		"users":             {"users", Overrides{Users: 50}, closed(Stage{0, 50, 5 * s, "ramp"}, Stage{50, 50, 5 * s, "steady"})},
		"spawn rate":        {"users", Overrides{SpawnRate: 4}, closed(Stage{0, 20, 5 * s, "ramp"}, Stage{20, 20, 5 * s, "steady"})},
		"all":               {"users", Overrides{Users: 8, SpawnRate: 2, RunTime: 20 * s}, closed(Stage{0, 8, 4 * s, "ramp"}, Stage{8, 8, 16 * s, "steady"})},
		"longer":            {"users", Overrides{RunTime: time.Minute}, closed(Stage{0, 20, 2 * s, "ramp"}, Stage{20, 20, 58 * s, "steady"})},
		"shorter":           {"users", Overrides{RunTime: 3 * s}, closed(Stage{0, 20, 2 * s, "ramp"}, Stage{20, 20, s, "steady"})},
		"within the ramp":   {"users", Overrides{RunTime: 1250 * time.Millisecond}, closed(Stage{0, 12, 1250 * time.Millisecond, "ramp"})},
		"users never reach": {"rate", Overrides{Users: 50, RunTime: 5 * s}, closed(Stage{0, 5, 5 * s, "ramp"})},
		"arrivals to users": {"rate", Overrides{Users: 2}, closed(Stage{0, 2, 2 * s, "ramp"}, Stage{2, 2, 8 * s, "steady"})},
		"rate, longer":      {"rate", Overrides{RunTime: 20 * s}, Shape{Model: Open, Poisson: true, MaxUsers: 5, Stages: []Stage{{100, 100, 20 * s, "steady"}}}},
		"ramp, shorter":     {"ramp", Overrides{RunTime: 5 * s}, Shape{Model: Open, MaxUsers: 1000, Stages: []Stage{{0, 50, 5 * s, "ramp"}}}},
		"list, shorter":     {"down", Overrides{RunTime: 9 * s}, closed(Stage{0, 9, 3 * s, "ramp"}, Stage{9, 9, 5 * s, "steady"}, Stage{9, 4, s, "ramp down"})},
	} {
		t.Run(name, func(t *testing.T) {
			p := parseOverridden(t)
			before, err := p.Test(c.test)
			if err != nil {
				t.Fatal(err)
			}
			original := *before
			original.Shape.Stages = append([]Stage(nil), before.Shape.Stages...)
			got, err := p.Override(c.test, c.o)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*before, original) {
				t.Errorf("the plan's test has become %+v", *before)
			}
			got.Shape.Pos = Pos{}
			if !reflect.DeepEqual(got.Shape, c.want) {
				t.Errorf("shape %+v, want %+v", got.Shape, c.want)
			}
		})
	}
}

func parseOverridden(t *testing.T) *Plan {
	t.Helper()
	p, err := Parse("testdata/overridden.yaml", []byte(overridden), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOverrideRest(t *testing.T) {
	p := parseOverridden(t)
	got, err := p.Override("users", Overrides{
		Host: "https://other.test/", Tags: []string{"a"}, ExcludeTags: []string{"c"}, StopTimeout: new(time.Minute),
	})
	if err != nil {
		t.Fatal(err)
	}
	if p.Target.BaseURL != "https://other.test" || got.StopTimeout != time.Minute || !reflect.DeepEqual(got.Tags, []string{"a"}) || !reflect.DeepEqual(got.ExcludeTags, []string{"c"}) {
		t.Errorf("target %s, test %+v", p.Target.BaseURL, got)
	}
	if len(got.Objectives) != 1 || got.Objectives[0].Text != "p95 < 1s" {
		t.Errorf("objectives %+v, want only the one that GET /a can meet", got.Objectives)
	}
}

func TestOverrideErrors(t *testing.T) {
	for _, c := range []struct {
		test string
		o    Overrides
		want string
	}{
		{"nothing", Overrides{}, `choosing a test of testdata/overridden.yaml: unknown test "nothing", expected one of "users", "rate", "ramp", "down" or "rows"`},
		{"users", Overrides{Host: "localhost"}, `--host: "localhost" does not begin with http:// or https://, expected a URL such as http://localhost:8000`},
		{"users", Overrides{Users: -1}, "--users: -1, expected a number from 1 to 1000000"},
		{"users", Overrides{SpawnRate: -1}, "--spawn-rate: -1, expected users per second, more than 0"},
		{"users", Overrides{RunTime: -1}, "--run-time: -1ns, expected more than 0 and at most a year"},
		{"users", Overrides{StopTimeout: new(time.Duration(-1))}, "--stop-timeout: -1ns is negative, expected a duration"},
		{"rate", Overrides{SpawnRate: 5}, "--spawn-rate: the test has arrivals, which start no users one by one; give --users too, to make it one of users"},
		{"ramp", Overrides{RunTime: time.Hour}, "--run-time: the test ends after 10s with a ramp, and cannot last 1h0m0s, expected a shorter time or a test that ends with a steady load"},
		{"users", Overrides{Tags: []string{"x"}}, `--tags: unknown tag "x", expected one of "a", "b", "c" or "unique"`},
		{"users", Overrides{Tags: []string{"c"}}, "--tags: the tags leave no task to run, expected at least one; the tags there are: a, b, c and unique"},
		{"users", Overrides{ExcludeTags: []string{"a", "b"}}, "--exclude-tags: the tags leave no task to run, expected at least one; the tags there are: a, b, c and unique"},
		{"rows", Overrides{Users: 3}, `--users: up to 3 users, but the data set "cards" has 2 rows and gives each user one of its own (order: unique), expected more rows, fewer users or another order`},
		{"users", Overrides{Users: 1, Host: "x", Tags: []string{"bb"}}, "--host: \"x\" does not begin with http:// or https://, expected a URL such as http://localhost:8000\n--tags: unknown tag \"bb\", expected one of \"a\", \"b\", \"c\" or \"unique\""},
	} {
		got, err := parseOverridden(t).Override(c.test, c.o)
		if err == nil || strings.TrimPrefix(err.Error(), `test "`+c.test+`" of testdata/overridden.yaml: `) != c.want {
			t.Errorf("Override(%s, %+v): %v, %v\nwant %s", c.test, c.o, got, err, c.want)
		}
	}
}
