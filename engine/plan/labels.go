package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"tidegauge/engine/catalog"
	"tidegauge/engine/document"
)

// AddLabels puts labels beside the plan's, as the version of what is tested; one of the same name replaces the plan's. The
// error names the first that no plan may have.
func (p *Plan) AddLabels(labels map[string]string) error {
	taken := ownLabels()
	all := maps.Clone(p.Labels)
	if all == nil {
		all = map[string]string{}
	}
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		name, err := catalog.PrometheusLabel(label)
		if err != nil || !isLabel(label) {
			return fmt.Errorf("%s is no label, expected letters, digits, . and _, and no digit or _ first", document.Quoted(label))
		}
		if _, ok := taken[name]; ok {
			return fmt.Errorf("the label %s is taken: our metrics have it", document.Quoted(label))
		}
		if v := labels[label]; len(v) > maxName || strings.ContainsFunc(v, unicode.IsControl) {
			return fmt.Errorf("the label %s has the value %s, expected one line of at most %d bytes", document.Quoted(label), document.Quoted(v), maxName)
		}
		all[label] = labels[label]
	}
	p.Labels = all
	return nil
}

// SubjectLabels returns the labels of a plan that say what version, commit and branch of the target is under test.
func SubjectLabels() []string { return []string{"version", "commit", "branch"} }
