package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tidegauge/cmd/tidegauge/internal/config"
	"tidegauge/engine/document"
	"tidegauge/engine/plan"
)

func newValidate(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE...",
		Short: "Say everything that is wrong with plans and configurations; nothing is sent",
		Long: `Reads each file, a plan or a configuration (tidegauge.yaml): which of the two it is, its keys say, else its name.
The outlets that plans ask for are looked for in a configuration that is given beside them.
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
			beside := besides(c, args)
			for _, file := range args {
				says, err := validate(c, file, beside)
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

// besides returns the one configuration among files, or nil.
func besides(c *console, files []string) *config.Config {
	var found *config.Config
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || !config.Is(file, text) {
			continue
		}
		conf, err := readConfig(c, file, "", demoListen)
		if err != nil || found != nil {
			return nil
		}
		found = conf
	}
	return found
}

// outletsThere returns the mistakes of a plan that asks for outlets which a configuration does not have.
func outletsThere(p *plan.Plan, conf *config.Config) error {
	var words []string
	for i := range conf.Outlets {
		words = append(words, conf.Outlets[i].Kind)
		if name := conf.Outlets[i].Name; name != "" {
			words = append(words, name)
		}
	}
	var wrong document.Errors
	for i, one := range p.Outlets.Required {
		kind, _, _ := strings.Cut(one, " ") // without a name of its own, one is called by its kind and address
		if slices.Contains(words, one) || slices.Contains(words, kind) {
			continue
		}
		e := &document.Error{File: p.File, Pos: p.Outlets.Places[i], Path: fmt.Sprintf("outlets.required[%d]", i),
			Message: fmt.Sprintf("there is no outlet %q in %s", one, conf.File)}
		if near := document.Nearest(one, words); near != "" {
			e.Message += ", did you mean " + near + "?"
		}
		wrong = append(wrong, e)
	}
	if len(wrong) == 0 {
		return nil
	}
	return mistaken(p.File, wrong)
}

// validate reads a file and says what is in it; a plan has to fit the configuration beside it, if there is one.
func validate(c *console, file string, beside *config.Config) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the file: %w", err)
	}
	if !config.Is(file, text) {
		p, err := readPlan(c, file, "", nil)
		if err != nil {
			return "", err
		}
		if beside != nil {
			if err := outletsThere(p, beside); err != nil {
				return "", err
			}
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
