package experiment

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/endpoint"
	"tidegauge/engine/plan"
	"tidegauge/engine/run"
)

// Subject is what is known of the system under test.
type Subject struct{ Version, Commit, Branch string }

// or fills in what s does not say.
func (s Subject) or(o Subject) Subject {
	return Subject{cmp.Or(s.Version, o.Version), cmp.Or(s.Commit, o.Commit), cmp.Or(s.Branch, o.Branch)}
}

func (s Subject) String() string {
	var parts []string
	for i, v := range []string{s.Version, s.Commit, s.Branch} {
		if v != "" {
			parts = append(parts, plan.SubjectLabels()[i]+" "+v)
		}
	}
	return strings.Join(parts, ", ")
}

// labelled is what the labels of a plan say.
func labelled(labels map[string]string) Subject {
	names := plan.SubjectLabels()
	return Subject{labels[names[0]], labels[names[1]], labels[names[2]]}
}

// build is what one server said that it is made of, by the convention of *_build_info: a metric that is 1 and says it in labels.
type build struct {
	job     string
	server  string // job and instance
	metric  string
	aimed   bool // it answers where the load goes
	subject Subject
	first   int // when it was seen first and last, in steps
	last    int
}

// identify takes what nobody said of the system under test from what its servers say themselves, as they did at the start of the
// run: of the server that the load goes to if it is scraped, else of all that are, if they agree.
func (e *experiment) identify(ctx context.Context, result run.Result) {
	if s := e.o.Subject; s.Version != "" && s.Commit != "" && s.Branch != "" {
		return
	}
	found, warning := agreed(e.builds(ctx, result))
	if warning != "" && (found != Subject{} || e.o.Subject == Subject{}) {
		e.collector.Warn(warning)
	}
	s := e.o.Subject.or(found)
	e.o.Subject = s
	e.collector.Subject(s.Version, s.Commit, s.Branch)
	e.record.Subject(s.Version, s.Commit, s.Branch)
}

// agreed returns what builds, the first first, say of the system under test at the start of the run; nothing if they say different
// things.
func agreed(builds []build) (found Subject, warning string) {
	for i := range builds {
		first, b := &builds[0], &builds[i]
		switch {
		case b.subject == first.subject:
		case b.server != first.server || b.metric != first.metric:
			return Subject{}, fmt.Sprintf("which version is under test is not known: %s of %s says %s, %s of %s says %s; name it with --target-version, or in the plan as the label version",
				first.metric, first.server, first.subject, b.metric, b.server, b.subject)
		default:
			warning = fmt.Sprintf("the target was replaced while the run lasted: %s said %s, then %s; the run is taken for one of what was there first", b.server, first.subject, b.subject)
		}
	}
	if len(builds) == 0 {
		return Subject{}, ""
	}
	return builds[0].subject, warning
}

// builds reads what the servers said, the first first: of those that the load goes to if there are any.
func (e *experiment) builds(ctx context.Context, result run.Result) []build {
	const steps = 100
	step := max(result.End.Sub(result.Start)/steps, time.Second).Truncate(time.Millisecond)
	if !result.End.After(result.Start) || len(e.o.Plan.WatchedJobs()) == 0 {
		return nil
	}
	series, err := e.lab.Store.Range(ctx, e.o.Plan.Builds(), result.Start, result.End.Add(step), step)
	if err != nil {
		e.collector.Warn("which version is under test is not known: " + err.Error())
		return nil
	}
	target := ""
	if u, err := url.Parse(e.o.Plan.Target.BaseURL); err == nil {
		target = endpoint.Canonical(u.Host, map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	var all []build
	for _, s := range series {
		name := s.Labels["__name__"]
		subject := subjectIn(s.Labels)
		if subject == (Subject{}) || name == "go_build_info" || strings.HasSuffix(name, "_exporter_build_info") { // not of the service
			continue
		}
		b := build{job: s.Labels["job"], server: strings.TrimSpace(serverOf(s.Labels)), metric: name, subject: subject, first: -1}
		b.aimed = s.Labels["instance"] != "" && endpoint.Canonical(s.Labels["instance"], "80") == target
		for i, v := range s.At {
			if !math.IsNaN(v) {
				b.last = i
				if b.first < 0 {
					b.first = i
				}
			}
		}
		all = append(all, b)
	}
	if slices.ContainsFunc(all, func(b build) bool { return b.aimed }) {
		all = slices.DeleteFunc(all, func(b build) bool { return !b.aimed })
	} else {
		all = slices.DeleteFunc(all, func(b build) bool { return !slices.Contains(e.o.Plan.Scrape.Names, b.job) })
	}
	// What was gone at the end of the run was there at its start.
	slices.SortStableFunc(all, func(a, b build) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last), strings.Compare(a.server, b.server), strings.Compare(a.metric, b.metric))
	})
	return all
}

// subjectIn reads the labels of a *_build_info as the client libraries and exporters of Prometheus write them, and others use to.
func subjectIn(labels map[string]string) Subject {
	first := func(names ...string) string {
		for _, name := range names {
			if v := labels[name]; v != "" && !slices.Contains([]string{"unknown", "(devel)", "none", "n/a"}, strings.ToLower(v)) {
				return v
			}
		}
		return ""
	}
	return Subject{
		Version: first("version", "app_version", "semver"),
		Commit:  first("revision", "commit", "git_commit", "commit_hash", "sha"),
		Branch:  first("branch", "git_branch"),
	}
}
