package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tidegauge/engine/plan"
	"tidegauge/engine/store"
)

var update = flag.Bool("update", false, "write the generated parts of README.md")

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestREADMEListsTheExitCodes: the list in README.md is that of --help.
func TestREADMEListsTheExitCodes(t *testing.T) {
	var table strings.Builder
	table.WriteString("| code | when |\n|---:|---|\n")
	for _, line := range strings.Split(strings.TrimSpace(exitCodesHelp()), "\n")[1:] {
		code, reason, _ := strings.Cut(strings.TrimSpace(line), "  ")
		table.WriteString("| " + code + " | " + reason + " |\n")
	}
	text := readme(t)
	found := regexp.MustCompile(`(?s)## Exit codes\n\n(.*?)\n\n`).FindStringSubmatchIndex(text)
	if found == nil {
		t.Fatal("README.md has no section Exit codes")
	}
	want := strings.TrimRight(table.String(), "\n")
	if *update {
		if err := os.WriteFile("../../README.md", []byte(text[:found[2]]+want+text[found[3]:]), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got := text[found[2]:found[3]]; got != want {
		t.Errorf("the exit codes in README.md are not those of --help; run go test ./cmd/tidegauge -update\n got\n%s\nwant\n%s", got, want)
	}
}

// TestREADMEPlan: the plan shown is a plan.
func TestREADMEPlan(t *testing.T) {
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(readme(t))
	if block == nil {
		t.Fatal("README.md shows no plan")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cards.csv"), []byte("number\n4000000000000002\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Parse(filepath.Join(dir, "payments.yaml"), []byte(block[1]), plan.Options{CheckPromQL: store.CheckComparison}); err != nil {
		t.Errorf("the plan of README.md is wrong:\n%v", err)
	}
}

// TestREADMECommands: every tidegauge command shown has the flags it is shown with.
func TestREADMECommands(t *testing.T) {
	var shell strings.Builder
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(readme(t), -1) {
		shell.WriteString(block[1])
	}
	commands := regexp.MustCompile(`(?m)^(?:go run \./cmd/)?tidegauge ([a-z].*?)(?:\s+#.*)?$`).FindAllStringSubmatch(shell.String(), -1)
	if len(commands) < 5 {
		t.Fatalf("README.md shows %d commands, fewer than it had", len(commands))
	}
	for _, c := range commands {
		var out bytes.Buffer
		root := newRoot(&console{in: strings.NewReader(""), out: &out, err: &out, getenv: func(string) (string, bool) { return "", false }})
		cmd, rest, err := root.Find(strings.Fields(c[1]))
		if err != nil || cmd == root {
			t.Errorf("tidegauge %s: %v", c[1], err)
			continue
		}
		if err := cmd.ParseFlags(rest); err != nil {
			t.Errorf("tidegauge %s: %v", c[1], err)
		}
		if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
			t.Errorf("tidegauge %s: %v", c[1], err)
		}
	}
}

// TestREADMELinks: what README.md links to is there.
func TestREADMELinks(t *testing.T) {
	for _, l := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(readme(t), -1) {
		if strings.Contains(l[1], "://") {
			continue
		}
		if _, err := os.Stat(filepath.Join("../..", l[1])); err != nil {
			t.Errorf("README.md links to %s: %v", l[1], err)
		}
	}
}
