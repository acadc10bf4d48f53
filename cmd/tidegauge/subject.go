package main

import (
	"slices"

	"github.com/spf13/pflag"

	"tidegauge/engine/experiment"
)

// registerSubject adds the flags that say what is under test.
func registerSubject(flags *pflag.FlagSet, s *experiment.Subject) {
	flags.StringVar(&s.Version, "target-version", "", "version of the system under test, for the history (default: $"+versionVariable+", the tag that CI builds,\nthe label version of the plan, or what the target's own build_info says, where it is scraped)")
	flags.StringVar(&s.Commit, "commit", "", "its commit (default: the one that CI builds, as $GITHUB_SHA, else as its version)")
	flags.StringVar(&s.Branch, "branch", "", "its branch (default: the one that CI builds, as $GITHUB_REF_NAME, else as its version)")
}

const versionVariable = "TIDEGAUGE_TARGET_VERSION"

// ciVariables are the environment variables in which CI systems say what they build: GitHub and Gitea, GitLab, Jenkins, Buildkite,
// CircleCI, Azure Pipelines, Bitbucket, Drone and Woodpecker, Travis CI.
var ciVariables = struct{ tags, commits, branches []string }{
	tags: []string{"CI_COMMIT_TAG", "TAG_NAME", "BUILDKITE_TAG", "CIRCLE_TAG", "BITBUCKET_TAG", "DRONE_TAG", "TRAVIS_TAG"},
	commits: []string{
		"GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "BUILDKITE_COMMIT", "CIRCLE_SHA1", "BUILD_SOURCEVERSION", "BITBUCKET_COMMIT", "DRONE_COMMIT_SHA", "TRAVIS_COMMIT",
	},
	// Of a pull request its own branch comes first, not the merge that is built.
	branches: []string{
		"GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "CHANGE_BRANCH", "GIT_BRANCH", "BRANCH_NAME", "BUILDKITE_BRANCH", "CIRCLE_BRANCH",
		"BUILD_SOURCEBRANCHNAME", "BITBUCKET_BRANCH", "DRONE_BRANCH", "TRAVIS_PULL_REQUEST_BRANCH", "TRAVIS_BRANCH",
	},
}

// subjectOf fills in what flags did not say of the system under test from the environment: CI systems name what they build.
func subjectOf(s experiment.Subject, getenv func(string) (string, bool)) experiment.Subject {
	first := func(given string, names ...string) string {
		for _, name := range names {
			if v, _ := getenv(name); given == "" {
				given = v
			}
		}
		return given
	}
	tags := slices.Clone(ciVariables.tags)
	if kind, _ := getenv("GITHUB_REF_TYPE"); kind == "tag" {
		tags = append(tags, "GITHUB_REF_NAME")
	}
	s.Version = first(s.Version, append([]string{versionVariable}, tags...)...)
	s.Commit = first(s.Commit, ciVariables.commits...)
	s.Branch = first(s.Branch, ciVariables.branches...)
	return s
}
