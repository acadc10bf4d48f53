package main

import (
	"cmp"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tidegauge/engine/history"
)

func newRuns(c *console) *cobra.Command {
	var s settings
	var limit int
	cmd := &cobra.Command{
		Use:     "runs",
		Short:   "List the runs there were, newest first",
		Example: "  tidegauge runs\n  tidegauge runs show latest",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			h, err := openHistory(c, &s)
			if err != nil {
				return err
			}
			return listRuns(c, h, limit)
		},
	}
	s.registerConfig(cmd.PersistentFlags())
	cmd.Flags().IntVarP(&limit, "limit", "n", 20, "at most this many; 0 is all")
	cmd.AddCommand(newRunsShow(c, &s))
	return cmd
}

func newRunsShow(c *console, s *settings) *cobra.Command {
	var json bool
	cmd := &cobra.Command{
		Use:   "show RUN",
		Short: "Print the summary of a run again; RUN is an id, the beginning of one, its last letters, or latest",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			h, err := openHistory(c, s)
			if err != nil {
				return err
			}
			run, err := h.Load(args[0])
			if err != nil {
				return withCode(exitStorage, err)
			}
			for _, p := range run.Problems {
				fmt.Fprintf(c.err, "tidegauge: %v\n", p)
			}
			if run.Report == nil {
				return withCode(exitStorage, fmt.Errorf("showing run %s: it has no report that can be read", run.Record.ID))
			}
			if json {
				return run.Report.WriteJSON(c.out)
			}
			return printed(run.Report.WriteText(c.out, widthOf(c), colored(c)))
		},
	}
	cmd.Flags().BoolVar(&json, "json", false, "print the report as JSON")
	return cmd
}

// openHistory opens the history of a data directory that must be there: looking is not a reason to make one.
func openHistory(c *console, s *settings) (*history.History, error) {
	conf, err := s.load(c)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(conf.DataDir); err != nil {
		return nil, withCode(exitStorage, fmt.Errorf("opening the data directory: %w; choose another with --data-dir", err))
	}
	h, err := history.Open(conf.DataDir)
	return h, withCode(exitStorage, err)
}

func listRuns(c *console, h *history.History, limit int) error {
	records, all, err := h.Newest(limit)
	if err != nil {
		return withCode(exitStorage, err)
	}
	if len(records) == 0 {
		fmt.Fprintln(c.out, "no runs yet; start with: tidegauge demo")
		return nil
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUN\tSTARTED\tPLAN\tTEST\tVERDICT\tLENGTH\tREQUESTS\tFAILED\tP95\tBASELINE\tVERSION")
	for i := range records {
		r := &records[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", r.ID, r.Start.Local().Format(time.DateTime), r.Plan, r.Test,
			verdictOf(r), clock(time.Duration(r.Seconds*float64(time.Second))), r.Requests, r.Failures, seconds(r.P95), r.Comparison, versionOf(r))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if all > len(records) {
		fmt.Fprintf(c.out, "%d more: tidegauge runs --limit 0\n", all-len(records))
	}
	return nil
}

// verdictOf says how a run ended: its verdict, or why there is none.
func verdictOf(r *history.Record) string {
	if r.State == history.Finished && r.Outcome != "" {
		return string(r.Outcome)
	}
	return string(r.State)
}

// versionOf says what was under test, as far as that is known.
func versionOf(r *history.Record) string {
	const short = 10
	return cmp.Or(r.TargetVersion, r.Commit[:min(short, len(r.Commit))])
}
