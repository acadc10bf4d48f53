package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/document"
	"tidegauge/engine/scrape"
)

var update = flag.Bool("update", false, "write the golden files")

// theSecret is in the environment and must never be in a message.
const theSecret = "hidden"

func options() Options {
	return Options{
		Getenv: func(name string) (string, bool) {
			v, ok := map[string]string{"TEAM": "a", "SECRET": theSecret}[name]
			return v, ok
		},
		Default: "127.0.0.1:9777",
		CheckScrape: func(listen, dir string, job []byte) error {
			return scrape.Rules{Interval: scrape.AlwaysInterval, Listen: listen}.Check(dir, job)
		},
	}
}

// Every file of testdata gives what its golden file says: a configuration, or all of its mistakes.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse(file, text, options())
			got := ""
			if err != nil {
				got = err.Error() + "\n"
				if strings.Contains(got, theSecret) {
					t.Errorf("a secret is in the mistakes:\n%s", got)
				}
			} else {
				got = dump(c)
			}
			if good := strings.Contains(file, ".good."); good != (err == nil) {
				t.Errorf("Parse: %v", err)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func dump(c *Config) string {
	var b strings.Builder
	fmt.Fprintf(&b, "data_dir %s\nlisten %s\nretention %v, %d bytes\n", c.DataDir, c.Listen, c.Retention.Time, c.Retention.Size)
	for _, s := range c.Outlets {
		fmt.Fprintf(&b, "outlet %s at %s\n  %s\n  name %q token %q required %t\n", s.Kind, s.From, s.Address, s.Name, s.Token, s.Required)
	}
	for _, h := range c.Announce {
		fmt.Fprintf(&b, "announce %+v\n", h)
	}
	if c.Host != nil {
		fmt.Fprintf(&b, "host every %v: jobs %q, processes %+v\n", c.Host.Interval, c.Host.Jobs(), c.Host.Processes)
	}
	fmt.Fprintf(&b, "scrapes %q in %s\n%s", c.Scrape.Names, c.Scrape.Dir, c.Scrape.YAML(nil))
	if a := &c.Daemon.Alerting; len(a.Receivers) > 0 || a.Interval > 0 {
		fmt.Fprintf(&b, "rules %+v every %v, seen at %s\n", a.Rules, a.Interval, a.URL)
		for _, r := range a.Receivers {
			fmt.Fprintf(&b, "receiver %+v\n", r)
		}
	}
	return b.String()
}

// A configuration with nothing in it is one in which everything is the default.
func TestEmpty(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "{}"} {
		c, err := Parse("tidegauge.yaml", []byte(text), Options{})
		if err != nil || c.DataDir != "" || c.Listen != "" || len(c.Outlets) > 0 || c.Scrape.YAML(nil) != nil {
			t.Errorf("%q: %+v, %v", text, c, err)
		}
	}
}

func TestIs(t *testing.T) {
	for _, tt := range []struct {
		file, text string
		want       bool
	}{
		{"tidegauge.yaml", "", true},
		{"a/tidegauge.yml", "not: [yaml", true},
		{"plan.yaml", "not: [yaml", false},
		{"plan.yaml", "", false},
		{"tidegauge.yaml", "target: {}\ntests: {}", false},
		{"plan.yaml", "listen: x\noutlets: {}", true},
		{"ops.yaml", "scrape: []\noutlets: {}", true},
		{"payments.yaml", "target: {}\nscrape: []\noutlets: {required: [prometheus]}", false},
	} {
		if got := Is(tt.file, []byte(tt.text)); got != tt.want {
			t.Errorf("Is(%q, %q) = %v, want %v", tt.file, tt.text, got, tt.want)
		}
	}
}

func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	env := map[string]string{}
	getenv := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	find := func(given, want string) {
		t.Helper()
		if _, err := os.Stat(system); err == nil && want == "" {
			want = system
		}
		if got, err := Find(given, getenv); err != nil || got != want {
			t.Errorf("Find(%q) = %q, %v, want %q", given, got, err, want)
		}
	}
	find("", "")
	if err := os.WriteFile("tidegauge.yaml", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	find("", "tidegauge.yaml")
	env[Variable] = "of-environment.yaml"
	find("", "of-environment.yaml")
	find("given.yaml", "given.yaml")
}

// FuzzParse: a configuration is either right or has mistakes, each at a place inside the file and on one line.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, seed := range []string{"outlets: {prometheus: {address: \"http://%zz\", timeout: 1s}}", "outlets: {influxdb: [[]]}", "retention: 5d", "outlets: {prometheus: {headers: {\"a\\nb\": c}, address: http://x/y}}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := Parse("testdata/fuzz.yaml", text, options())
		Is("fuzz.yaml", text)
		if err == nil {
			return
		}
		var errs document.Errors
		if !errors.As(err, &errs) || len(errs) == 0 {
			t.Fatalf("no list of mistakes: %v", err)
		}
		lines := strings.Count(string(text), "\n") + 1
		for _, e := range errs {
			if e.Pos.Line < 1 || e.Pos.Line > lines || e.Pos.Column < 1 || strings.ContainsAny(e.Error(), "\n\r") || e.Message == "" {
				t.Errorf("not at a place, or not a line: %q", e.Error())
			}
			if strings.Contains(e.Message, theSecret) && !strings.Contains(string(text), theSecret) && !strings.Contains(string(text), "timeout") {
				t.Errorf("a secret is in a mistake: %q", e.Error())
			}
		}
	})
}
