package history

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"tidegauge/engine/plan"
	"tidegauge/engine/report"
)

// KeyOf returns a short hash that runs have in common if they can be compared: they did the same work under the same load
// against a system with the same labels, from machines of the same class. Differences says it in words. Labels that say which
// version of the system it was are what runs are compared for, and keep none apart.
func KeyOf(m *report.Meta) string {
	what := []any{m.Plan, m.Test, m.Type, m.Work, m.Shape.Model, m.Shape.MaxUsers, m.Shape.Poisson, m.Shape.Stages, kept(m.Labels), machineOf(m)}
	if m.Against != "" {
		what = append(what, m.Against)
	}
	b, err := json.Marshal(what)
	if err != nil {
		return "" // a shape with a number that is none: comparable with nothing
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

func machineOf(m *report.Meta) string {
	return fmt.Sprintf("%s/%s with %d CPUs", m.Machine.OS, m.Machine.Arch, m.Machine.CPUs)
}

// Differences says why two runs cannot be compared; nothing if they can.
func Differences(a, b *report.Meta) []string {
	var why []string
	differ := func(what, x, y string) {
		if x != y {
			why = append(why, fmt.Sprintf("%s: %s, %s", what, orNone(x), orNone(y)))
		}
	}
	differ("other plans", a.Plan, b.Plan)
	differ("other tests", a.Test, b.Test)
	differ("other types of test", string(a.Type), string(b.Type))
	differ("other second targets", a.Against, b.Against)
	differ("other loads", a.Shape.Text, b.Shape.Text)
	if a.Shape.Text == b.Shape.Text && (a.Shape.Model != b.Shape.Model || a.Shape.MaxUsers != b.Shape.MaxUsers || a.Shape.Poisson != b.Shape.Poisson || !slices.Equal(a.Shape.Stages, b.Shape.Stages)) {
		why = append(why, "other loads, in their stages or the most users at once")
	}
	for _, name := range slices.Sorted(maps.Keys(union(kept(a.Labels), kept(b.Labels)))) {
		differ("label "+name, a.Labels[name], b.Labels[name])
	}
	differ("other machines make the load", machineOf(a), machineOf(b))
	if a.Work != b.Work {
		why = append(why, "the classes, the data, the proxies or the faults of the plan have changed")
	}
	return why
}

// kept leaves the labels out that say which version is under test.
func kept(labels map[string]string) map[string]string {
	labels = maps.Clone(labels)
	for _, name := range plan.SubjectLabels() {
		delete(labels, name)
	}
	if len(labels) == 0 {
		return nil // none are the same however they are not there
	}
	return labels
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func union(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b)
	return all
}
