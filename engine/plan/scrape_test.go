package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const scrapePlan = `target: {base_url: "http://localhost:8000"}
x-common: &common
  honor_label: true
scrape:
  - job_name: first
    static_configs:
      - targets: ["${target.host}"]
        label: {a: b}
    <<: *common
  - job_name: second
    scrape_timeout: 5s
    static_configs: [{targets: [x]}]
    tls_config: {ca_file: "gone.pem"}
classes: {User: {tasks: [{get: /}]}}
tests: {load: {arrivals: 10/s, duration: 1m}}
`

// What Prometheus says about a line of a job is reported at that place of the plan, also through an alias; what it says
// without a line, at the key or the value it names.
func TestScrapeMistakes(t *testing.T) {
	line := func(job []byte, key string) error {
		for i, text := range strings.Split(string(job), "\n") {
			if strings.Contains(text, key+":") {
				return lined{fmt.Sprintf("unknown key %q", key), i + 1}
			}
		}
		t.Errorf("there is no %s in\n%s", key, job)
		return nil
	}
	check := func(dir string, job []byte) error {
		if dir != "dir" {
			t.Errorf("the directory is %q", dir)
		}
		if strings.Contains(string(job), "second") {
			return errors.Join(errors.New(`scrape timeout greater than scrape interval for scrape config with job name "second"`),
				errors.New(`open "gone.pem": no such file`), errors.New("something is wrong"))
		}
		return errors.Join(line(job, "label"), line(job, "honor_label"))
	}
	_, err := Parse("dir/plan.yaml", []byte(scrapePlan), Options{CheckScrape: check})
	var errs Errors
	if !errors.As(err, &errs) {
		t.Fatal(err)
	}
	want := []string{
		`dir/plan.yaml:3:3: scrape[0].honor_label: unknown key "honor_label"`,
		`dir/plan.yaml:8:9: scrape[0].static_configs[0].label: unknown key "label"`,
		`dir/plan.yaml:10:5: scrape[1]: something is wrong`,
		`dir/plan.yaml:11:5: scrape[1].scrape_timeout: scrape timeout greater than scrape interval for scrape config with job name "second"`,
		`dir/plan.yaml:13:27: scrape[1].tls_config.ca_file: open "gone.pem": no such file`,
	}
	diffLines(t, strings.Join(want, "\n"), errs.Error())
}

type lined struct {
	text string
	line int
}

func (p lined) Error() string { return p.text }
func (p lined) Line() int     { return p.line }

// The target that is scraped follows --host.
func TestScrapeFollowsHost(t *testing.T) {
	p, err := Parse("plan.yaml", []byte(scrapePlan), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if text := string(p.ScrapeConfigs()); !strings.Contains(text, "targets:\n        - localhost:8000\n") {
		t.Errorf("without --host:\n%s", text)
	}
	if _, err := p.Override("load", Overrides{Host: "https://[::1]:9"}); err != nil {
		t.Fatal(err)
	}
	if text := string(p.ScrapeConfigs()); !strings.Contains(text, "- '[::1]:9'\n") {
		t.Errorf("with --host:\n%s", text)
	}
}
