package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tidegauge/engine/compare"
	"tidegauge/engine/report"
	"tidegauge/engine/stat"
	"tidegauge/exporters/markdown"
)

func newCompare(c *console) *cobra.Command {
	var s archiveFlags
	var asJSON, asMarkdown bool
	cmd := &cobra.Command{
		Use:   "compare RUN [RUN|BASELINE]",
		Short: "Say whether a run is worse than those before it, or than another",
		Long: `Compares a run with the last good runs of the same test under the same load, with a pinned baseline (tidegauge
baseline pin), or with one other run: for all requests together and for each, the change with its interval and a verdict.

A single run is compared with runs, not its requests with their requests: how runs differ shows only between runs. So
a verdict needs 5 runs to compare with, and 10 are better; with fewer it is only indicative, and never a regression.
"would see" is the least change for the worse that would be found in 80% of cases.

The exit code is 0 for pass, improvement and indicative, 1 for a regression, and 4 for suspect, inconclusive and invalid.`,
		Example: "  tidegauge compare latest\n  tidegauge compare latest v1.4 --markdown >> \"$GITHUB_STEP_SUMMARY\"\n  tidegauge compare k3f9 m2x7 --json",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON && asMarkdown {
				return withCode(exitUsage, errors.New("--json and --markdown are two forms: give one of them"))
			}
			runs, err := s.open(cmd, c)
			if err != nil {
				return err
			}
			defer runs.close()
			found, err := runs.compare(cmd.Context(), args[0], strings.Join(args[1:], ""))
			if err != nil {
				return err
			}
			switch {
			case asJSON:
				e := json.NewEncoder(c.out)
				e.SetIndent("", "  ")
				err = e.Encode(found)
			case asMarkdown:
				err = markdown.WriteComparison(c.out, found)
			default:
				err = report.WriteComparison(c.out, found, widthOf(c), colored(c))
			}
			if err := printed(err); err != nil {
				return err
			}
			if code := codeOfComparison(found); code != exitPass {
				return withCode(code, errSaid)
			}
			return nil
		},
	}
	s.register(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the comparison as JSON")
	cmd.Flags().BoolVar(&asMarkdown, "markdown", false, "print it as Markdown, for a pull request")
	return cmd
}

func codeOfComparison(c *compare.Comparison) exitCode {
	switch c.Verdict {
	case stat.Passed, stat.Improvement, stat.Indicative:
		return exitPass
	case stat.Regression:
		return exitFail
	default:
		return exitInconclusive
	}
}

// confirmText says what a run is run again for.
func confirmText(c *compare.Comparison) string {
	return fmt.Sprintf("%s: %s. Running the test twice more to tell", c.Verdict, c.Summary)
}
