package rule_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"tidegauge/engine/catalog"
	"tidegauge/engine/plan"
	"tidegauge/engine/rule"
)

var update = flag.Bool("update", false, "write the bundled rules")

const (
	bundledFile = "../../deploy/prometheus/rules/tidegauge.yaml"
	comment     = "Written by `go generate ./engine/rule`; edit engine/rule/bundled.go instead.\n" +
		"What to do when an alert fires: ../RUNBOOK.md. Rules for the objectives of a plan: tidegauge rules PLAN."
)

func TestBundledFile(t *testing.T) {
	f := rule.Bundled()
	want, err := f.YAML(comment)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(bundledFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(bundledFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the code makes: run go generate ./engine/rule", bundledFile)
	}
}

// TestBundledFileOfKubernetes: the same rules as the Prometheus operator takes them.
func TestBundledFileOfKubernetes(t *testing.T) {
	const file = "../../deploy/kubernetes/prometheusrule.yaml"
	f := rule.Bundled()
	text, err := f.YAML("")
	if err != nil {
		t.Fatal(err)
	}
	want := "# Written by `go generate ./engine/rule`: the bundled rules, for the Prometheus operator.\n" +
		"apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: tidegauge\n  labels: {app.kubernetes.io/name: tidegauge}\nspec:\n"
	for line := range strings.Lines(string(text)) {
		if line != "\n" {
			line = "  " + line
		}
		want += line
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the code makes: run go generate ./engine/rule", file)
	}
}

// TestBundledAlertsAreComplete: each says what is wrong, how much, how bad, and where to read on.
func TestBundledAlertsAreComplete(t *testing.T) {
	runbook, err := os.ReadFile("../../deploy/prometheus/RUNBOOK.md")
	if err != nil {
		t.Fatal(err)
	}
	alerts := map[string]bool{}
	for _, g := range rule.Bundled().Groups {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			alerts[r.Alert] = true
			if r.Summary == "" || !strings.Contains(r.Description, "{{ .Value") || !strings.HasSuffix(r.Description, ".") {
				t.Errorf("%s: summary %q, description %q", r.Alert, r.Summary, r.Description)
			}
			if s := r.Labels[rule.LabelSeverity]; !slices.Contains([]string{rule.Critical, rule.Warning, rule.Info}, s) {
				t.Errorf("%s has severity %q", r.Alert, s)
			}
			if !bytes.Contains(runbook, []byte("\n## "+r.Alert+"\n")) {
				t.Errorf("the runbook has no section %s", r.Alert)
			}
			if strings.Contains(r.Summary+r.Description, "$") {
				t.Errorf("%s: a $ in a template is taken for a variable by Grafana", r.Alert)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^## (Tidegauge\w+)$`).FindAllStringSubmatch(string(runbook), -1) {
		if !alerts[m[1]] && m[1] != rule.AlertNotMet && m[1] != rule.AlertMissed {
			t.Errorf("the runbook speaks of %s, which is no alert", m[1])
		}
	}
	presets := map[string]bool{}
	for _, o := range plan.KeyMetrics() {
		presets[o.Source] = true
	}
	for source := range presets {
		found := false
		for _, g := range rule.Bundled().Groups {
			found = found || slices.ContainsFunc(g.Rules, func(r rule.Rule) bool { return r.Labels[rule.LabelSource] == source })
		}
		if !found {
			t.Errorf("no alert watches what %s shows", source)
		}
	}
}

// TestBundledExpressionsAreOfTheCatalog: every metric of ours is in the catalog, every label on it is one it has, and what is
// no metric of ours is recorded by the rules or asked for by a preset.
func TestBundledExpressionsAreOfTheCatalog(t *testing.T) {
	known := map[string][]string{}
	for _, m := range slices.Concat(catalog.All(), catalog.Outlets(), catalog.Queue()) {
		for _, l := range append(m.Labels, catalog.CommonLabels()...) {
			name, err := catalog.PrometheusLabel(l)
			if err != nil {
				t.Fatal(err)
			}
			known[m.PrometheusName()] = append(known[m.PrometheusName()], name)
		}
	}
	foreign := ""
	for _, o := range plan.KeyMetrics() {
		foreign += o.PromQL + "\n"
	}
	recorded := map[string]bool{}
	f := rule.Bundled()
	inlined := f.Inlined()
	for _, g := range append(f.Groups, inlined.Groups...) {
		for _, r := range g.Rules {
			e, err := parser.NewParser(parser.Options{}).ParseExpr(r.Expr())
			if err != nil {
				t.Fatalf("%s%s: %v in %s", r.Record, r.Alert, err, r.Expr())
			}
			recorded[r.Record] = true
			parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
				s, ok := n.(*parser.VectorSelector)
				if !ok || recorded[s.Name] {
					return nil
				}
				labels, ours := known[s.Name]
				if !ours && !regexp.MustCompile(`\b`+s.Name+`\b`).MatchString(foreign) {
					t.Errorf("%s%s asks for %s, which nobody has", r.Record, r.Alert, s.Name)
				}
				for _, m := range s.LabelMatchers {
					if ours && m.Name != model.MetricNameLabel && m.Name != rule.LabelService && !slices.Contains(labels, m.Name) {
						t.Errorf("%s%s: %s has no label %s", r.Record, r.Alert, s.Name, m.Name)
					}
				}
				return nil
			})
		}
	}
	for _, g := range inlined.Groups {
		for _, r := range g.Rules {
			if strings.Contains(r.Watched(), "tidegauge:") {
				t.Errorf("%s still asks for a recorded series: %s", r.Alert, r.Watched())
			}
		}
	}
}

// promtools returns the promtools there are: the one of the machine's package, and the current one in GOPATH/bin.
func promtools(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, p := range []string{"/usr/bin/promtool", "promtool"} {
		if p, err := exec.LookPath(p); err == nil && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOPATH").Output()
	if err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(strings.TrimSpace(string(out)), "bin", "promtool")
	if _, err := os.Stat(newer); err == nil && !slices.Contains(all, newer) {
		all = append(all, newer)
	}
	if len(all) < 2 {
		text := "NOT TESTED: promtool 2 (apt-get install prometheus) and promtool 3 (as .ci/run builds it) are not both there"
		if os.Getenv("CI") == "true" {
			t.Fatal(text + "; CI has to have them")
		}
		if len(all) == 0 {
			t.Skip(text)
		}
		t.Log(text)
	}
	return all
}

func run(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
}

func TestPromtoolOnBundledRules(t *testing.T) {
	for _, promtool := range promtools(t) {
		run(t, promtool, "check", "rules", bundledFile)
	}
	// The unit tests have native histograms, which promtool 2 does not know.
	all := promtools(t)
	run(t, all[len(all)-1], "test", "rules", "../../deploy/prometheus/rules/tidegauge.test.yaml", "../../deploy/prometheus/rules/days.test.yaml")
}
