// Package rule writes Prometheus rules: the bundled ones, and those that follow from a plan's objectives.
//
// Rules made here are guarded by what a run shows while it lasts, so that nothing fires between runs and every alert resolves by
// itself. A rule is kept as the value that it watches, the comparison, and the guard, since Grafana wants these apart.
package rule

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// File is a file of rules.
type File struct {
	Groups []Group
}

// Group is a group of rules, evaluated in order, once an interval.
type Group struct {
	Name     string
	Interval time.Duration
	Rules    []Rule
}

// Rule records the value of an expression, or alerts when a value compares so.
type Rule struct {
	Record string // the name of the series that a recording rule makes; empty: it alerts
	Alert  string // the name of the alert
	Value  string // what is recorded, or compared with the threshold
	Guard  string // what has to be there as well, from its operator on: and on (run) up; empty: nothing

	Op        string // > >= < <= == != , of an alert
	Threshold float64
	For       time.Duration // how long the comparison has to hold before the alert fires

	// Labels are put on the series or the alert, over those of the value.
	Labels map[string]string
	// Summary and Description are of an alert, in the template language of Prometheus, without $: .Labels.plan and .Value.
	Summary, Description string
	// Detail is more of the description, for which the store is asked once more; Grafana's alerts do not have it.
	Detail string
}

// The labels and annotations of alerts that have a meaning.
const (
	LabelSeverity  = "severity"  // critical: somebody is to look at once; warning: during the day; info: to know
	LabelSource    = "source"    // which kind of server showed it
	LabelConfirmed = "confirmed" // of a regression: whether further runs show it too, yes or no
	Critical       = "critical"
	Warning        = "warning"
	Info           = "info"
	RunbookPath    = "deploy/prometheus/RUNBOOK.md"
	annotationBook = "runbook"
)

// Runbook returns where the runbook speaks of an alert.
func (r *Rule) Runbook() string { return RunbookPath + "#" + strings.ToLower(r.Alert) }

// Expr returns the expression as Prometheus evaluates it.
func (r *Rule) Expr() string {
	e := r.Value
	if r.Alert != "" {
		e = parenthesised(e) + " " + r.Op + " " + number(r.Threshold)
	} else if r.Guard != "" {
		e = parenthesised(e)
	}
	if r.Guard != "" {
		e += "\n" + r.Guard
	}
	return e
}

// Watched returns the value with its guard and without the comparison.
func (r *Rule) Watched() string {
	if r.Guard == "" {
		return r.Value
	}
	return parenthesised(r.Value) + "\n" + r.Guard
}

// Inlined returns the alerts of the file with recorded series replaced by what they record, for those who evaluate alerts
// where nothing is recorded.
func (f *File) Inlined() File {
	var records []string
	inline := func(expr string) string { return strings.NewReplacer(records...).Replace(expr) }
	var all File
	for _, g := range f.Groups {
		alerts := Group{Name: g.Name, Interval: g.Interval}
		for _, r := range g.Rules {
			r.Value, r.Guard = inline(r.Value), inline(r.Guard)
			if r.Record != "" {
				records = append(records, r.Record, "("+r.Watched()+")")
				continue
			}
			alerts.Rules = append(alerts.Rules, r)
		}
		if len(alerts.Rules) > 0 {
			all.Groups = append(all.Groups, alerts)
		}
	}
	return all
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

var name = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*(\{("(\\.|[^"\\])*"|[^{}"])*\})?$`)

// parenthesised returns an expression that binds more tightly than any operator beside it.
func parenthesised(expr string) string {
	if name.MatchString(expr) || isCall(expr) {
		return expr
	}
	return "(" + expr + ")"
}

// isCall reports whether an expression is a function's call, or in parentheses, as a whole: its first parenthesis closes at its
// end. One in a text may hide that, which costs a pair of parentheses.
func isCall(expr string) bool {
	open := strings.IndexByte(expr, '(')
	if open < 0 || strings.ContainsAny(expr[:open], " {[+-*/") {
		return false
	}
	depth := 0
	for i := open; i < len(expr); i++ {
		switch expr[i] {
		case '(':
			depth++
		case ')':
			depth--
			if depth == 0 {
				return i == len(expr)-1
			}
		}
	}
	return false
}

// The forms of rule files: https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/
type (
	yamlFile struct {
		Groups []yamlGroup `yaml:"groups"`
	}
	yamlGroup struct {
		Name     string     `yaml:"name"`
		Interval string     `yaml:"interval,omitempty"`
		Rules    []yamlRule `yaml:"rules"`
	}
	yamlRule struct {
		Record      string            `yaml:"record,omitempty"`
		Alert       string            `yaml:"alert,omitempty"`
		Expr        string            `yaml:"expr"`
		For         string            `yaml:"for,omitempty"`
		Labels      map[string]string `yaml:"labels,omitempty"`
		Annotations map[string]string `yaml:"annotations,omitempty"`
	}
)

// YAML returns the file as Prometheus reads it, with comment, lines of text, at its top.
func (f *File) YAML(comment string) ([]byte, error) {
	var out yamlFile
	for _, g := range f.Groups {
		group := yamlGroup{Name: g.Name, Interval: Duration(g.Interval)}
		for i := range g.Rules {
			r := &g.Rules[i]
			one := yamlRule{Record: r.Record, Alert: r.Alert, Expr: r.Expr(), For: Duration(r.For), Labels: r.Labels}
			if r.Alert != "" {
				one.Annotations = r.Annotations()
				if r.Detail != "" {
					one.Annotations["description"] += " " + r.Detail
				}
			}
			group.Rules = append(group.Rules, one)
		}
		out.Groups = append(out.Groups, group)
	}
	return encode(comment, out)
}

// Annotations returns the annotations of an alert.
func (r *Rule) Annotations() map[string]string {
	return map[string]string{"summary": r.Summary, "description": r.Description, annotationBook: r.Runbook()}
}

func encode(comment string, v any) ([]byte, error) {
	var b bytes.Buffer
	for line := range strings.Lines(comment) {
		b.WriteString(strings.TrimRight("# "+strings.TrimRight(line, "\n"), " ") + "\n")
	}
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("writing rules: %w", err)
	}
	return b.Bytes(), nil
}

// Duration writes a duration as Prometheus reads it, in its greatest whole unit: 90s, 5m, 1d; nothing for 0.
func Duration(d time.Duration) string {
	units := []struct {
		name string
		of   time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}
	for _, u := range units {
		if d >= u.of && d%u.of == 0 {
			return strconv.FormatInt(int64(d/u.of), 10) + u.name
		}
	}
	if d <= 0 {
		return ""
	}
	return strconv.FormatInt(max(d.Milliseconds(), 1), 10) + "ms"
}

// with returns labels with more of them.
func with(labels map[string]string, more ...string) map[string]string {
	all := maps.Clone(labels)
	if all == nil {
		all = map[string]string{}
	}
	for pair := range slices.Chunk(more, 2) {
		all[pair[0]] = pair[1]
	}
	return all
}
