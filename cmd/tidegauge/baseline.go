package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tidegauge/engine/compare"
	"tidegauge/engine/history"
	"tidegauge/engine/report"
)

func newBaseline(c *console) *cobra.Command {
	var s archiveFlags
	cmd := &cobra.Command{
		Use:   "baseline",
		Short: "Pin runs as baselines, and say which runs others are compared with",
		Long: `Every run is compared with the last good ones before it that are like it: the same test of the same plan doing the
same under the same load, with the same labels, from a machine of the same class. Good are runs that passed or failed, were no
regression themselves, and are not excluded.

Levels that changed over the history and stayed changed are found after each run; tidegauge baseline changes lists them, each
with the run it began with. That run is accepted if what changed is as it should be: baselines begin with it then, and nobody is
told of it any more from the next run on. It is rejected if it is not: no run from it on is part of a baseline until what
changed is back, so that no run is compared with what is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	s.register(cmd.PersistentFlags())
	cmd.AddCommand(newBaselinePin(c, &s), newBaselineUnpin(c, &s), newBaselineList(c, &s), newBaselineChanges(c, &s), newImportLocust(c, &s),
		newMark(c, &s, "accept RUN", "What changed with a run is as it should be: compare with nothing before it",
			func(m *history.Mark) { m.Accepted, m.Rejected, m.Excluded = true, false, false }),
		newMark(c, &s, "reject RUN", "What changed with a run is not as it should be: compare with no run from it on until that is back",
			func(m *history.Mark) { m.Accepted, m.Rejected, m.Excluded = false, true, false }),
		newMark(c, &s, "exclude RUN", "Compare with other runs, not with this one", func(m *history.Mark) { m.Accepted, m.Rejected, m.Excluded = false, false, true }),
		newMark(c, &s, "annotate RUN", "Only note something of a run or what changed with it, with --note", func(*history.Mark) {}, "note"),
		newMark(c, &s, "clear RUN", "Take back what was said of a run", func(m *history.Mark) { *m = history.Mark{} }))
	return cmd
}

func newBaselinePin(c *console, s *archiveFlags) *cobra.Command {
	var as string
	cmd := &cobra.Command{
		Use:     "pin RUN --as NAME",
		Short:   "Give a run a name, to compare others with it and the good runs before it",
		Example: "  tidegauge baseline pin latest --as v1.4\n  tidegauge compare latest v1.4",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if as == "" {
				return withCode(exitUsage, errors.New("--as is missing: the name of the baseline, as --as v1.4"))
			}
			runs, err := s.open(cmd, c)
			if err != nil {
				return err
			}
			defer runs.close()
			id, err := runs.pin(cmd.Context(), args[0], as)
			if err == nil {
				fmt.Fprintf(c.out, "%s is run %s\n", as, id)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&as, "as", "", "the name, without spaces")
	return cmd
}

func newBaselineUnpin(c *console, s *archiveFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "unpin NAME",
		Short: "Take the name from a run; the run stays",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			runs, err := s.open(cmd, c)
			if err != nil {
				return err
			}
			defer runs.close()
			return runs.unpin(cmd.Context(), args[0])
		},
	}
}

func newBaselineChanges(c *console, s *archiveFlags) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "changes",
		Short: "List the levels that changed over the history and stayed changed, each with the run it began with",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			runs, err := s.open(cmd, c)
			if err != nil {
				return err
			}
			defer runs.close()
			m, err := runs.marks(cmd.Context())
			if err != nil {
				return err
			}
			courses, wrong := runs.changes(cmd.Context())
			shown := 0
			for i := range courses {
				k := &courses[i]
				list := k.Changes
				if !all {
					list = k.Open()
				}
				if len(list) == 0 {
					continue
				}
				shown++
				fmt.Fprintf(c.out, "%s, test %s, %s up to %s\n", k.Plan, k.Test, plural(k.Runs, "run"), k.Run)
				if err := printed(report.WriteChanges(c.out, list, widthOf(c), colored(c))); err != nil {
					return err
				}
				for _, run := range noted(list, &m) {
					fmt.Fprintf(c.out, "  %s: %s\n", run, m.Runs[run].Note)
				}
			}
			if shown == 0 && wrong == nil {
				fmt.Fprintln(c.out, "nothing has changed over the history that would be news; --all shows what was accepted or is over too")
			}
			return wrong
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also what was accepted, what is over, and what became better long ago")
	return cmd
}

// noted returns the runs with which changes began that somebody has noted something of, each once.
func noted(changes []compare.Change, m *history.Marks) (runs []string) {
	for i := range changes {
		if run := changes[i].Run; m.Runs[run].Note != "" && !slices.Contains(runs, run) {
			runs = append(runs, run)
		}
	}
	return runs
}

func newMark(c *console, s *archiveFlags, use, short string, change func(*history.Mark), aliases ...string) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:     use,
		Aliases: aliases,
		Short:   short,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			runs, err := s.open(cmd, c)
			if err != nil {
				return err
			}
			defer runs.close()
			return runs.mark(cmd.Context(), args[0], func(mark *history.Mark) {
				change(mark)
				if note != "" {
					mark.Note = note
				}
			})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "why, for people")
	return cmd
}

func newBaselineList(c *console, s *archiveFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the pinned runs, and what was said of others",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			runs, err := s.open(cmd, c)
			if err != nil {
				return err
			}
			defer runs.close()
			m, err := runs.marks(cmd.Context())
			if err != nil {
				return err
			}
			if len(m.Pins)+len(m.Runs) == 0 {
				fmt.Fprintln(c.out, "nothing is pinned; pin a run with: tidegauge baseline pin RUN --as NAME")
				return nil
			}
			w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "RUN\tBASELINE\tPINNED\tMARKS\tNOTE")
			for _, p := range m.Pins {
				mark := m.Runs[p.Run]
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.Run, p.Name, p.At.Local().Format(time.DateTime), marksOf(mark), mark.Note)
			}
			for _, id := range slices.Sorted(maps.Keys(m.Runs)) {
				if !slices.ContainsFunc(m.Pins, func(p history.Pin) bool { return p.Run == id }) {
					fmt.Fprintf(w, "%s\t\t\t%s\t%s\n", id, marksOf(m.Runs[id]), m.Runs[id].Note)
				}
			}
			return w.Flush()
		},
	}
}

func marksOf(m history.Mark) string {
	var words []string
	if m.Accepted {
		words = append(words, "accepted")
	}
	if m.Rejected {
		words = append(words, "rejected")
	}
	if m.Excluded {
		words = append(words, "excluded")
	}
	return strings.Join(words, ", ")
}
