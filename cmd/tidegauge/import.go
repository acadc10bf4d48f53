package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tidegauge/engine/experiment"
	"tidegauge/engine/history"
	"tidegauge/engine/report"
	"tidegauge/exporters/locust"
)

func newImportLocust(c *console, s *archiveFlags) *cobra.Command {
	var file, test, as, at string
	var subject experiment.Subject
	cmd := &cobra.Command{
		Use:   "import-locust FILE --plan PLAN",
		Short: "Take results of Locust over as a run that runs of a test are compared with",
		Long: `Takes a run of Locust over into the history of a test, so that the first runs of the test have something to be compared with.
FILE is PREFIX_stats.csv of its --csv, or what its --json prints or --json-file writes.

Whether Locust made the same load is for you to know. Its response times count from the send, and its files have quantiles or rounded
times where ours have histograms: what is compared with such a run gets no verdict, only an indication. It is part of rolling
baselines until there are five runs of our own.`,
		Example: "  tidegauge baseline import-locust load_stats.csv --plan payments.yaml --test load --as locust",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if s.server.url != "" {
				return withCode(exitUsage, errors.New("--server: results are imported where the history is, on the daemon's machine"))
			}
			if file == "" {
				return withCode(exitUsage, errors.New("--plan is missing: the plan that has the test which Locust's was like"))
			}
			results, err := readLocust(args[0], at)
			if err != nil {
				return withCode(exitUsage, err)
			}
			conf, err := s.load(c)
			if err != nil {
				return err
			}
			p, err := readPlan(c, file, conf.Listen, nil)
			if err != nil {
				return err
			}
			t, err := p.Test(test)
			if err != nil {
				return withCode(exitUsage, err)
			}
			h, err := history.Open(conf.DataDir)
			if err != nil {
				return withCode(exitStorage, err)
			}
			meta := report.MetaOf(p, t)
			// What CI builds now is not what Locust tested.
			meta.Version, meta.TargetVersion, meta.Commit, meta.Branch = version(), subject.Version, subject.Commit, subject.Branch
			values, warnings := results.Values(p)
			r, err := h.Import(results.Report(meta, warnings), &values, p.Source)
			if err != nil {
				return withCode(exitStorage, err)
			}
			fmt.Fprintf(c.out, "run %s, %s of %s: %d requests, p95 %s\n", r.ID, r.Test, r.Plan, r.Requests, seconds(r.P95))
			for _, w := range warnings {
				fmt.Fprintf(c.err, "tidegauge: %s\n", w)
			}
			if as == "" {
				return nil
			}
			return withCode(exitStorage, h.ChangeMarks(cmd.Context(), func(m *history.Marks) error { return m.Pin(as, r.ID, time.Now()) }))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&file, "plan", "", "the plan")
	flags.StringVar(&test, "test", "", "its test (default: the plan's only one, or the one named load)")
	flags.StringVar(&as, "as", "", "pin the run under this name")
	flags.StringVar(&at, "at", "", "when Locust's run ended, as 2026-03-01T12:00:00Z (default: what the file says, or when it was written)")
	flags.StringVar(&subject.Version, "target-version", "", "version of the system that Locust tested")
	flags.StringVar(&subject.Commit, "commit", "", "its commit")
	flags.StringVar(&subject.Branch, "branch", "", "its branch")
	return cmd
}

// readLocust reads results, and when they were made.
func readLocust(name, at string) (*locust.Results, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading results of Locust: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	results, err := locust.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading results of Locust: %w", err)
	}
	end := info.ModTime()
	if at != "" {
		if end, err = time.Parse(time.RFC3339, at); err != nil {
			return nil, fmt.Errorf("--at %s: expected a time as 2026-03-01T12:00:00Z", at)
		}
		results.Start, results.End = time.Time{}, time.Time{}
	}
	results.At(end)
	return results, nil
}
