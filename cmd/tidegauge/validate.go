package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tidegauge/engine/plan"
	"tidegauge/engine/scrape"
	"tidegauge/engine/store"
)

func newValidate(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "validate PLAN...",
		Short: "Say everything that is wrong with a plan; nothing is sent",
		Long: `Reads each plan and prints every mistake at once, as file:line:column: path: what is wrong, what was expected.
Exit code 0 if there is none, 3 if there is one.`,
		Example: "  tidegauge validate deploy/plans/payments.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var wrong error
			for _, file := range args {
				p, err := readPlan(c, file)
				if err != nil {
					wrong = withCode(exitPlan, errSaid)
					fmt.Fprintln(c.err, err)
					continue
				}
				fmt.Fprintf(c.out, "%s: ok: plan %q with %s: %s\n", file, p.Name, plural(len(p.Tests), "test"), testNames(p))
			}
			return wrong
		},
	}
}

// readPlan reads and checks a plan; every error of it is the plan's.
func readPlan(c *console, file string) (*plan.Plan, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, withCode(exitPlan, fmt.Errorf("reading the plan: %w", err))
	}
	p, err := plan.Parse(file, source, plan.Options{Getenv: c.getenv, CheckPromQL: store.CheckComparison, CheckScrape: scrape.Check})
	if err == nil {
		return p, nil
	}
	if mistakes, ok := errors.AsType[plan.Errors](err); ok {
		return nil, withCode(exitPlan, fmt.Errorf("%w\n%s in %s; nothing was sent", err, plural(len(mistakes), "mistake"), file))
	}
	return nil, withCode(exitPlan, err)
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
