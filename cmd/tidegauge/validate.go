package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tidegauge/cmd/tidegauge/internal/config"
	"tidegauge/engine/plan"
)

func newValidate(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE...",
		Short: "Say everything that is wrong with plans and configurations; nothing is sent",
		Long: `Reads each file, a plan or a configuration (tidegauge.yaml): which of the two it is, its keys say, else its name.
Prints every mistake at once, as file:line:column: path: what is wrong, what was expected.
Exit code 0 if there is none, 3 if there is one.`,
		Example: "  tidegauge validate deploy/plans/payments.yaml\n  tidegauge validate tidegauge.yaml plans/*.yaml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("validate needs a file: a PLAN or a CONFIG, as tidegauge validate payments.yaml tidegauge.yaml")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			var wrong error
			for _, file := range args {
				says, err := validate(c, file)
				if err != nil {
					wrong = withCode(exitPlan, errSaid)
					fmt.Fprintln(c.err, err)
					continue
				}
				fmt.Fprintf(c.out, "%s: ok: %s\n", file, says)
			}
			return wrong
		},
	}
}

// validate reads a file and says what is in it.
func validate(c *console, file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the file: %w", err)
	}
	if !config.Is(file, text) {
		p, err := readPlan(c, file, "", nil)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("plan %q with %s: %s", p.Name, plural(len(p.Tests), "test"), testNames(p)), nil
	}
	conf, err := readConfig(c, file, "", demoListen)
	if err != nil {
		return "", err
	}
	says := fmt.Sprintf("configuration with %s and %s", plural(len(conf.Outlets), "outlet"), plural(len(conf.Scrape.Names), "scrape job"))
	if len(conf.Scrape.Names) > 0 {
		says += ": " + strings.Join(conf.Scrape.Names, ", ")
	}
	if conf.Host != nil {
		says += "; reads of this machine " + strings.Join(conf.Host.Jobs(), ", ")
	}
	return says, nil
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func testNames(p *plan.Plan) string {
	names := make([]string, len(p.Tests))
	for i := range p.Tests {
		names[i] = p.Tests[i].Name
	}
	return strings.Join(names, ", ")
}

// clock formats a length of time as a person reads a stopwatch: 1:05, 2:00:00.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
