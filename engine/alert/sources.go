package alert

import (
	"fmt"
	"os"
	"slices"

	"tidegauge/engine/plan"
	"tidegauge/engine/rule"
)

// Rules says which rules there are.
type Rules struct {
	NoBundled bool     // leave the bundled ones out
	NoPlans   bool     // and those on the objectives of plans
	Files     []string // of the user's own
}

// Sources returns the rules there are, with those of plans.
func (r *Rules) Sources(plans []*plan.Plan) ([]Source, error) {
	var all []Source
	add := func(name string, f rule.File) error {
		text, err := f.YAML("")
		if err == nil {
			all = append(all, Source{name, text})
		}
		return err
	}
	if !r.NoBundled {
		if err := add("bundled", rule.Bundled()); err != nil {
			return nil, err
		}
	}
	for _, p := range plans {
		if r.NoPlans {
			break
		}
		f, _, err := rule.ForPlan(p)
		if err != nil {
			return nil, err
		}
		for i := range f.Groups {
			if !r.NoBundled { // which say of every plan what was missed
				f.Groups[i].Rules = slices.DeleteFunc(f.Groups[i].Rules, func(x rule.Rule) bool { return x.Alert == rule.AlertMissed })
			}
		}
		f.Groups = slices.DeleteFunc(f.Groups, func(g rule.Group) bool { return len(g.Rules) == 0 })
		if err := add(p.File, f); err != nil {
			return nil, err
		}
	}
	for _, file := range r.Files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading rules: %w", err)
		}
		all = append(all, Source{file, text})
	}
	return all, nil
}
