package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	"gopkg.in/yaml.v3"
)

// Work returns a short hash of what a test does: the classes, the data sets, the proxies and the target but for where it is, and
// which classes, tags and faults the test has. Load and objectives, names, labels and comments are not in it. Two runs with
// different ones did different things, so that their latencies cannot be compared.
func (p *Plan) Work(t *Test) string {
	var source map[string]any
	if err := yaml.Unmarshal(p.Source, &source); err != nil {
		source = nil // a plan that was made by a program
	}
	work := map[string]any{"tags": t.Tags, "exclude_tags": t.ExcludeTags, "only": t.Classes}
	for _, key := range []string{"classes", "data", "proxies"} {
		work[key] = source[key]
	}
	if target, ok := source["target"].(map[string]any); ok {
		target = maps.Clone(target)
		delete(target, "base_url")
		work["target"] = target
	}
	if tests, ok := source["tests"].(map[string]any); ok {
		if test, ok := tests[t.Name].(map[string]any); ok {
			work["faults"] = test["faults"]
		}
	}
	b, err := json.Marshal(work)
	if err != nil {
		b = fmt.Append(nil, work) // keys that are no text; maps are printed in order
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}
