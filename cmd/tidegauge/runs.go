package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tidegauge/engine/history"
)

func newRuns(c *console) *cobra.Command {
	var s archiveFlags
	var limit int
	cmd := &cobra.Command{
		Use:     "runs",
		Short:   "List the runs there were, newest first",
		Example: "  tidegauge runs\n  tidegauge runs show latest",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			runs, err := s.open(cmd, c)
			if err != nil {
				return err
			}
			defer runs.close()
			return listRuns(cmd.Context(), c, runs, limit)
		},
	}
	s.register(cmd.PersistentFlags())
	cmd.Flags().IntVarP(&limit, "limit", "n", 20, "at most this many; 0 is all")
	cmd.AddCommand(newRunsShow(c, &s), newRunsRemove(c, &s), newRunsPrune(c, &s))
	return cmd
}

func newRunsShow(c *console, s *archiveFlags) *cobra.Command {
	var json bool
	cmd := &cobra.Command{
		Use:   "show RUN",
		Short: "Print the summary of a run again; RUN is an id, the beginning of one, its last letters, or latest",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			runs, err := s.open(cmd, c)
			if err != nil {
				return err
			}
			defer runs.close()
			r, id, problems, err := runs.report(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			for _, p := range problems {
				fmt.Fprintf(c.err, "tidegauge: %v\n", p)
			}
			if r == nil {
				return withCode(exitStorage, fmt.Errorf("showing run %s: it has no report that can be read", id))
			}
			if json {
				return r.WriteJSON(c.out)
			}
			return printed(r.WriteText(c.out, widthOf(c), colored(c)))
		},
	}
	cmd.Flags().BoolVar(&json, "json", false, "print the report as JSON")
	return cmd
}

func newRunsRemove(c *console, s *archiveFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "remove RUN...",
		Short: "Delete runs for good; what is pinned has to be unpinned first",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if s.server.url != "" {
				return errHere()
			}
			h, err := openHistory(c, &s.settings)
			if err != nil {
				return err
			}
			removed, err := h.Remove(cmd.Context(), args)
			if removed != nil {
				fmt.Fprintf(c.out, "removed %s\n", removed)
			}
			return withCode(exitStorage, err)
		},
	}
}

func newRunsPrune(c *console, s *archiveFlags) *cobra.Command {
	var try bool
	var count int
	var age locustDuration
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Delete the oldest runs beyond what is to be kept, as is done after each run anyway",
		Long: `Deletes the oldest runs beyond the bounds under retention.runs of the configuration (without one: 10,000 runs and 10 GiB), as tidegauge run
does when it is over and the daemon from time to time.

Kept in any case are runs that are pinned or part of a pinned baseline, accepted, rejected or annotated, the runs with which a change began,
and those that the next run of a test would be compared with.`,
		Example: "  tidegauge runs prune --dry-run\n  tidegauge runs prune --count 500 --time 90d",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if count < 0 || cmd.Flags().Changed("count") && count == 0 {
				return withCode(exitUsage, fmt.Errorf("--count %d: expected how many runs to keep, 1 at least", count))
			}
			if s.server.url != "" {
				return errHere()
			}
			conf, err := s.load(c)
			if err != nil {
				return err
			}
			h, err := openHistory(c, &s.settings)
			if err != nil {
				return err
			}
			keep := runsOf(conf)
			keep.Count, keep.Age = cmp.Or(count, keep.Count), cmp.Or(time.Duration(age), keep.Age)
			pruned, err := h.Prune(cmd.Context(), keep, try)
			if err != nil {
				return withCode(exitStorage, err)
			}
			switch {
			case len(pruned.Runs) == 0:
				fmt.Fprintln(c.out, "nothing to remove")
			case try:
				fmt.Fprintf(c.out, "would remove %s\n", pruned)
			default:
				fmt.Fprintf(c.out, "removed %s\n", pruned)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&try, "dry-run", false, "only say what would be removed")
	cmd.Flags().IntVar(&count, "count", 0, "keep at most this many (default: the configuration's)")
	cmd.Flags().Var(&age, "time", "keep those of this long, as 90d (default: the configuration's)")
	return cmd
}

// errHere is the error of what only the machine of a daemon can do.
func errHere() error {
	return withCode(exitUsage, errors.New("--server: runs are removed where they are, on the daemon's machine, or by its configuration (retention.runs)"))
}

func listRuns(ctx context.Context, c *console, runs *archive, limit int) error {
	records, all, err := runs.newest(ctx, limit)
	if err != nil {
		return err
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
	if r.Imported != "" {
		return "imported"
	}
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
