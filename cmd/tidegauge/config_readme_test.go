package main

import (
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tidegauge/cmd/tidegauge/internal/config"
	"tidegauge/engine/document"
	"tidegauge/engine/host"
	"tidegauge/engine/scrape"
	"tidegauge/exporters"
)

const configREADME = "internal/config/README.md"

// TestConfigurationREADME: the tables have every key that the configuration takes and no other, the defaults are those of
// the code, and the file shown is one without mistakes.
func TestConfigurationREADME(t *testing.T) {
	raw, err := os.ReadFile(configREADME)
	if err != nil {
		t.Fatal(err)
	}
	top, outlets, found := strings.Cut(string(raw), "## `outlets`")
	if !found {
		t.Fatal("there is no section on outlets")
	}
	outlets, daemon, found := strings.Cut(outlets, "## The daemon")
	if !found {
		t.Fatal("there is no section on the daemon")
	}
	outlets, announcements, found := strings.Cut(outlets, "## `announce`")
	if !found {
		t.Fatal("there is no section on announcements")
	}
	want := map[string]bool{}
	add := func(prefix string, keys []string) {
		for _, key := range keys {
			want[prefix+key] = true
		}
	}
	add("", keysOf(t, "unknown: 1", ""))
	for _, inner := range []string{"retention", "outlets", "host"} {
		add(inner+".", keysOf(t, inner+": {unknown: 1}", inner))
	}
	delete(want, "retention") // their own keys are in the table
	delete(want, "outlets")
	defaults := tableKeys(top)
	sameKeys(t, "the configuration", slices.Collect(maps.Keys(defaults)), slices.Collect(maps.Keys(want)))

	clear(want)
	for _, kind := range exporters.Kinds() {
		add("", keysOf(t, "outlets: {"+kind+": {unknown: 1}}", "outlets."+kind))
	}
	sameKeys(t, "outlets", slices.Collect(maps.Keys(tableKeys(outlets))), slices.Collect(maps.Keys(want)))

	clear(want)
	add("", keysOf(t, "announce: {unknown: 1}", "announce"))
	sameKeys(t, "announce", slices.Collect(maps.Keys(tableKeys(announcements))), slices.Collect(maps.Keys(want)))

	clear(want)
	add("schedules.NAME.", keysOf(t, "schedules: {a: {unknown: 1}}", "schedules.a"))
	add("triggers.NAME.", keysOf(t, "triggers: {a: {unknown: 1}}", "triggers.a"))
	for _, inner := range []string{"limits", "access", "rules", "alerting"} {
		add(inner+".", keysOf(t, inner+": {unknown: 1}", inner))
	}
	delete(want, "access.tokens")
	want["access.tokens.NAME"] = true
	sameKeys(t, "the daemon", slices.Collect(maps.Keys(tableKeys(daemon))), slices.Collect(maps.Keys(want)))

	for key, value := range map[string]string{
		"data_dir": defaultDataDir, "listen": demoListen, "host.job": host.DefaultJob,
		"host.interval": scrape.AlwaysInterval.String(), "retention.time": "15d",
	} {
		if !strings.Contains(defaults[key], "`"+value+"`") {
			t.Errorf("%s: the default is %s, want %s", key, defaults[key], value)
		}
	}

	shown := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(top)
	if shown == nil {
		t.Fatal("no configuration is shown")
	}
	env := func(name string) (string, bool) { return "secret", name == "INFLUX_TOKEN" }
	if _, err := config.Parse("tidegauge.yaml", []byte(shown[1]), config.Options{Getenv: env, Default: demoListen}); err != nil {
		t.Errorf("the configuration shown: %v", err)
	}
}

// tableKeys returns the keys in the first column of the tables of a text, with the defaults in the third.
func tableKeys(text string) map[string]string {
	keys := map[string]string{}
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, m := range regexp.MustCompile("`([a-zA-Z_.]+)`").FindAllStringSubmatch(cells[1], -1) {
			keys[m[1]] = cells[3]
		}
	}
	return keys
}

// keysOf returns the keys that there are where one is unknown.
func keysOf(t *testing.T, text, path string) []string {
	t.Helper()
	_, err := config.Parse("tidegauge.yaml", []byte(text), config.Options{Getenv: os.LookupEnv})
	mistakes, _ := errors.AsType[document.Errors](err)
	for _, e := range mistakes {
		if list, ok := strings.CutPrefix(e.Message, `unknown key "unknown", expected one of `); ok && strings.HasPrefix(e.Path, path) {
			return regexp.MustCompile(`, | or `).Split(list, -1)
		}
	}
	t.Fatalf("the keys of %q are not told: %v", path, err)
	return nil
}

func sameKeys(t *testing.T, what string, documented, there []string) {
	t.Helper()
	for _, key := range there {
		if !slices.Contains(documented, key) {
			t.Errorf("%s: %s is not documented in %s", what, key, configREADME)
		}
	}
	for _, key := range documented {
		if !slices.Contains(there, key) {
			t.Errorf("%s: %s is documented in %s, and does not exist", what, key, configREADME)
		}
	}
}
