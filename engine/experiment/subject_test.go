package experiment

import (
	"strings"
	"testing"
)

func TestWhatServersSayThatTheyAre(t *testing.T) {
	b := func(server, metric, version, commit string) build {
		return build{server: server, metric: metric, subject: Subject{Version: version, Commit: commit}}
	}
	for _, c := range []struct {
		name    string
		builds  []build
		want    Subject
		warning string
	}{
		{"none", nil, Subject{}, ""},
		{"one", []build{b("a :1", "build_info", "1.4", "abc")}, Subject{Version: "1.4", Commit: "abc"}, ""},
		{"two that agree", []build{b("a :1", "build_info", "1.4", ""), b("a :2", "build_info", "1.4", "")}, Subject{Version: "1.4"}, ""},
		{"two that do not", []build{b("a :1", "build_info", "1.4", ""), b("b :2", "b_build_info", "2", "x")}, Subject{}, "build_info of a :1 says version 1.4, b_build_info of b :2 says version 2, commit x"},
		{"one that was replaced", []build{b("a :1", "build_info", "1.4", ""), b("a :1", "build_info", "1.5", "")}, Subject{Version: "1.4"}, "a :1 said version 1.4, then version 1.5"},
	} {
		got, warning := agreed(c.builds)
		if got != c.want || !strings.Contains(warning, c.warning) || (warning == "") != (c.warning == "") {
			t.Errorf("%s: %v, %q; want %v, %q", c.name, got, warning, c.want, c.warning)
		}
	}
}

func TestSubjectInLabels(t *testing.T) {
	for _, c := range []struct {
		labels map[string]string
		want   Subject
	}{
		{map[string]string{"version": "2.42.0", "revision": "225c61", "branch": "HEAD", "goversion": "go1.26"}, Subject{"2.42.0", "225c61", "HEAD"}},
		{map[string]string{"version": "(devel)", "git_commit": "unknown", "commit": "77"}, Subject{Commit: "77"}},
		{map[string]string{"job": "a"}, Subject{}},
	} {
		if got := subjectIn(c.labels); got != c.want {
			t.Errorf("%v: %v, want %v", c.labels, got, c.want)
		}
	}
	if got := (Subject{Commit: "1"}).or(Subject{Version: "2", Commit: "3"}); got != (Subject{Version: "2", Commit: "1"}) {
		t.Errorf("what was said comes first: %v", got)
	}
}
