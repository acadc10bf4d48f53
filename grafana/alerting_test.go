package grafana

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"

	"tidegauge/engine/rule"
)

const alertRulesFile = "provisioning/alerting/rules.yaml"

// TestCommittedFilesOfAlerting: the committed file is what the code makes; every query is PromQL, every uid and title is there once, and no
// text has a $, which Grafana would take for a variable.
func TestCommittedFilesOfAlerting(t *testing.T) {
	want, err := AlertRules()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(alertRulesFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(alertRulesFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s is not what the code makes: run go generate ./grafana", alertRulesFile)
	}
	var file alertFile
	if err := yaml.Unmarshal(got, &file); err != nil {
		t.Fatal(err)
	}
	alerts, seen := 0, map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			alerts++
			if len(r.UID) > 40 || seen[r.UID] || seen[r.Title] {
				t.Errorf("uid %q, title %q: too long, or there twice", r.UID, r.Title)
			}
			seen[r.UID], seen[r.Title] = true, true
			expr, _ := r.Data[0].Model["expr"].(string)
			if _, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err != nil {
				t.Errorf("%s: %v", r.Title, err)
			}
			if text := r.Annotations["description"]; !strings.Contains(text, ".Values.A.Value") || strings.Contains(text, "$") || strings.Contains(text, "{{ .Value ") {
				t.Errorf("%s: %s", r.Title, text)
			}
		}
	}
	bundled := 0
	for _, g := range rule.Bundled().Groups {
		for _, r := range g.Rules {
			if r.Alert != "" {
				bundled++
			}
		}
	}
	if alerts != bundled {
		t.Errorf("%d alert rules, %d are bundled", alerts, bundled)
	}
}

// TestNotifications: policies lead to contact points that are there.
func TestNotifications(t *testing.T) {
	var file struct {
		APIVersion    int `yaml:"apiVersion"`
		ContactPoints []struct {
			OrgID     int `yaml:"orgId"`
			Name      string
			Receivers []struct {
				UID, Type string
				Settings  map[string]string
			}
		} `yaml:"contactPoints"`
		Policies []struct {
			OrgID          int `yaml:"orgId"`
			Receiver       string
			GroupBy        []string `yaml:"group_by"`
			GroupWait      string   `yaml:"group_wait"`
			GroupInterval  string   `yaml:"group_interval"`
			RepeatInterval string   `yaml:"repeat_interval"`
			Routes         []struct {
				Receiver       string
				ObjectMatchers [][]string `yaml:"object_matchers"`
				RepeatInterval string     `yaml:"repeat_interval"`
			}
		}
	}
	read(t, "provisioning/alerting/notifications.yaml", &file)
	name := file.ContactPoints[0].Name
	if p := file.Policies[0]; p.Receiver != name || p.Routes[0].Receiver != name || len(p.Routes[0].ObjectMatchers[0]) != 3 {
		t.Errorf("policies %+v lead elsewhere than to %s", p, name)
	}
}
