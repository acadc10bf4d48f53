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

	"tidegauge/engine/history"
)

func newBaseline(c *console) *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "baseline",
		Short: "Pin runs as baselines, and say which runs others are compared with",
		Long: `Every run is compared with the last good ones before it that are like it: the same test of the same plan doing the
same under the same load, with the same labels, from a machine of the same class. Good are runs that passed or failed, were no
regression themselves, and are not excluded. A regression that is as it should be is accepted: baselines begin with it then.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	s.registerConfig(cmd.PersistentFlags())
	cmd.AddCommand(newBaselinePin(c, &s), newBaselineUnpin(c, &s), newBaselineList(c, &s),
		newMark(c, &s, "accept RUN", "What changed with a run is as it should be: compare with nothing before it", func(m *history.Mark) { m.Accepted, m.Excluded = true, false }),
		newMark(c, &s, "exclude RUN", "Compare with other runs, not with this one", func(m *history.Mark) { m.Accepted, m.Excluded = false, true }),
		newMark(c, &s, "note RUN", "Only note something of a run, with --note", func(*history.Mark) {}),
		newMark(c, &s, "clear RUN", "Take back what was said of a run", func(m *history.Mark) { *m = history.Mark{} }))
	return cmd
}

func newBaselinePin(c *console, s *settings) *cobra.Command {
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
			h, err := openHistory(c, s)
			if err != nil {
				return err
			}
			r, err := h.Find(args[0])
			if err == nil {
				_, err = h.Values(r.ID)
			}
			if err == nil {
				err = h.ChangeMarks(cmd.Context(), func(m *history.Marks) error { return m.Pin(as, r.ID, time.Now()) })
			}
			if err == nil {
				fmt.Fprintf(c.out, "%s is run %s\n", as, r.ID)
			}
			return withCode(exitStorage, err)
		},
	}
	cmd.Flags().StringVar(&as, "as", "", "the name, without spaces")
	return cmd
}

func newBaselineUnpin(c *console, s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "unpin NAME",
		Short: "Take the name from a run; the run stays",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := openHistory(c, s)
			if err != nil {
				return err
			}
			return withCode(exitStorage, h.ChangeMarks(cmd.Context(), func(m *history.Marks) error { return m.Unpin(args[0]) }))
		},
	}
}

func newMark(c *console, s *settings, use, short string, change func(*history.Mark)) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := openHistory(c, s)
			if err != nil {
				return err
			}
			r, err := h.Find(args[0])
			if err == nil {
				err = h.ChangeMarks(cmd.Context(), func(m *history.Marks) error {
					mark := m.Runs[r.ID]
					change(&mark)
					if note != "" {
						mark.Note = note
					}
					m.Runs[r.ID] = mark
					if mark == (history.Mark{}) {
						delete(m.Runs, r.ID)
					}
					return nil
				})
			}
			return withCode(exitStorage, err)
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "why, for people")
	return cmd
}

func newBaselineList(c *console, s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the pinned runs, and what was said of others",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			h, err := openHistory(c, s)
			if err != nil {
				return err
			}
			m, err := h.Marks()
			if err != nil {
				return withCode(exitStorage, err)
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
	if m.Excluded {
		words = append(words, "excluded")
	}
	return strings.Join(words, ", ")
}
