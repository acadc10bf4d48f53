package main

import (
	"testing"

	"tidegauge/engine/experiment"
)

func TestSubjectFromTheEnvironment(t *testing.T) {
	for _, c := range []struct {
		name  string
		env   map[string]string
		flags experiment.Subject
		want  experiment.Subject
	}{
		{"nowhere", nil, experiment.Subject{}, experiment.Subject{}},
		{"a branch on GitHub", map[string]string{"GITHUB_SHA": "abc", "GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "branch"}, experiment.Subject{}, experiment.Subject{Commit: "abc", Branch: "main"}},
		{"a pull request on GitHub", map[string]string{"GITHUB_SHA": "abc", "GITHUB_REF_NAME": "12/merge", "GITHUB_HEAD_REF": "faster"}, experiment.Subject{}, experiment.Subject{Commit: "abc", Branch: "faster"}},
		{"a tag on GitHub", map[string]string{"GITHUB_SHA": "abc", "GITHUB_REF_NAME": "v1.4", "GITHUB_REF_TYPE": "tag"}, experiment.Subject{}, experiment.Subject{Version: "v1.4", Commit: "abc", Branch: "v1.4"}},
		{"GitLab", map[string]string{"CI_COMMIT_SHA": "d", "CI_COMMIT_REF_NAME": "main", "CI_COMMIT_TAG": "v2"}, experiment.Subject{}, experiment.Subject{Version: "v2", Commit: "d", Branch: "main"}},
		{"flags win", map[string]string{"GIT_COMMIT": "d", "TIDEGAUGE_TARGET_VERSION": "3"}, experiment.Subject{Version: "4", Commit: "e"}, experiment.Subject{Version: "4", Commit: "e"}},
	} {
		getenv := func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }
		if got := subjectOf(c.flags, getenv); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
