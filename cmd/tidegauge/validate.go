package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tidegauge/cmd/tidegauge/internal/config"
	"tidegauge/cmd/tidegauge/internal/remote"
	"tidegauge/engine/api"
	"tidegauge/engine/document"
	"tidegauge/engine/plan"
)

func newValidate(c *console) *cobra.Command {
	var server serverFlags
	cmd := &cobra.Command{
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
		RunE: func(cmd *cobra.Command, args []string) error {
			check, done, err := checker(cmd.Context(), c, &server, args)
			if err != nil {
				return err
			}
			defer done()
			var wrong error
			for _, file := range args {
				says, err := check(file)
				if err != nil {
					wrong = withCode(codeOf(err), errSaid)
					fmt.Fprintln(c.err, err)
					continue
				}
				fmt.Fprintf(c.out, "%s: ok: %s\n", file, says)
			}
			return wrong
		},
	}
	server.register(cmd.Flags(), "have the daemon at this URL look at plans, which also says what of them it may not run")
	return cmd
}

// checker returns what says of a file that it is right: here, or on a daemon.
func checker(ctx context.Context, c *console, server *serverFlags, files []string) (check func(file string) (string, error), done func(), err error) {
	if server.url == "" {
		beside := besides(c, files)
		return func(file string) (string, error) {
			says, err := validate(c, file, beside)
			return says, withCode(exitPlan, err)
		}, func() {}, nil
	}
	client, err := server.client(c)
	if err != nil {
		return nil, nil, err
	}
	return func(file string) (string, error) { return validateThere(ctx, c, client, file) }, client.Close, nil
}

// validateThere has a daemon look at a plan. A test that it may not run is a mistake.
func validateThere(ctx context.Context, c *console, client *remote.Client, file string) (string, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return "", withCode(exitPlan, fmt.Errorf("reading the plan: %w", err))
	}
	g, err := gather(c, file, source)
	if err != nil {
		return "", err
	}
	v, err := client.Validate(ctx, &api.Validate{File: filepath.Base(file), Source: string(source), Files: g.files, Parameters: g.variables})
	if err != nil {
		return "", serverError("validating "+file, err)
	}
	var names []string
	var refused []error
	for _, t := range v.Tests {
		names = append(names, t.Name)
		if t.Refused != "" {
			refused = append(refused, fmt.Errorf("%s: test %s: %s", file, t.Name, t.Refused))
		}
	}
	if refused != nil {
		return "", withCode(exitPlan, errors.Join(refused...))
	}
	return fmt.Sprintf("plan %q with %s: %s", v.Name, plural(len(names), "test"), strings.Join(names, ", ")), nil
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
