package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tidegauge/engine/answer"
	"tidegauge/engine/document"
	"tidegauge/engine/host"
	"tidegauge/engine/load"
	"tidegauge/engine/plan"
	"tidegauge/engine/verdict"
)

func newExplain(c *console) *cobra.Command {
	var test string
	var verbose bool
	cmd := &cobra.Command{
		Use:     "explain PLAN",
		Short:   "Say what a plan's tests would do, before a byte is sent",
		Example: "  tidegauge explain deploy/plans/payments.yaml --test load",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := readPlan(c, args[0], "", nil)
			if err != nil {
				return err
			}
			tests := p.Tests
			if test != "" {
				one, err := p.Test(test)
				if err != nil {
					return withCode(exitUsage, err)
				}
				tests = []plan.Test{*one}
			}
			fmt.Fprintf(c.out, "plan %s against %s\n", p.Name, p.Target.BaseURL)
			if len(p.Scrape.Names) > 0 {
				fmt.Fprintf(c.out, "scrapes while a test lasts: %s\n", strings.Join(p.Scrape.Names, ", "))
			}
			if p.Host != nil {
				fmt.Fprintln(c.out, "reads of this machine while a test lasts: "+hostText(p.Host))
			}
			for i := range p.Proxies {
				x := &p.Proxies[i]
				where := ""
				if x.Toxiproxy != "" {
					where = ", at the toxiproxy server " + x.Toxiproxy
				}
				fmt.Fprintf(c.out, "proxy %s while a test lasts: %s to %s%s\n", x.Name, x.Listen, x.Upstream, where)
			}
			for i := range tests {
				explain(c, p, &tests[i], verbose)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&test, "test", "", "only this test")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the PromQL of presets")
	return cmd
}

// hostText says what is read, every how long, and under which job.
func hostText(o *host.Options) string {
	jobs := o.Jobs()
	parts := []string{"CPU, memory, load, network, disks, files, TCP (job " + jobs[0] + ")"}
	for i := range o.Processes {
		p := &o.Processes[i]
		parts = append(parts, fmt.Sprintf("processes %s (job %s)", p, p.JobName()))
	}
	interval := o.Interval
	if interval == 0 {
		interval = host.DefaultInterval
	}
	return strings.Join(parts, ", ") + fmt.Sprintf(", every %v", interval)
}

func explain(c *console, p *plan.Plan, t *plan.Test, verbose bool) {
	needs := load.NeedsOf(&t.Shape)
	if t.Search != nil && !t.Search.Steps() {
		explainSearch(c, t)
	} else {
		explainShape(c, t, &needs)
	}
	explainWarmUp(c, t)
	explainDecide(c, &t.Decide)
	explainFaults(c, t)
	explainResources(c, p, t)
	classes := t.Classes
	if len(classes) == 0 {
		for i := range p.Classes {
			classes = append(classes, p.Classes[i].Name)
		}
	}
	fmt.Fprintf(c.out, "  user classes: %s\n", strings.Join(classes, ", "))
	explainObjectives(c, t.Objectives, verbose)
}

// explainSearch says what a search may take.
func explainSearch(c *console, t *plan.Test) {
	s := t.Search
	fmt.Fprintf(c.out, "\ntest %s (%s), at most %s\n", t.Name, t.Type, clock(s.Budget))
	unit := " users"
	if t.Shape.Model == plan.Open {
		unit = "/s"
	}
	fmt.Fprintf(c.out, "  search for the highest load that meets the objectives, from %.4g to %.4g%s, within %.2g%%\n", s.From, s.To, unit, 100*s.Width)
	fmt.Fprintf(c.out, "  trials of %v after a warm-up of %v, at most %d and those that confirm, each followed by a cool-down\n", s.Trial, s.WarmUp, s.Trials)
	if t.Shape.Model == plan.Open {
		fmt.Fprintf(c.out, "  open model: at most %.0f iterations, were all of the time spent at the highest load, by at most %s at once\n",
			s.To*s.Budget.Seconds(), plural(t.Shape.MaxUsers, "user"))
	} else {
		fmt.Fprintf(c.out, "  closed model: at most %s at once\n", plural(int(s.To), "user"))
	}
}

func explainShape(c *console, t *plan.Test, needs *load.Needs) {
	fmt.Fprintf(c.out, "\ntest %s (%s), %s\n", t.Name, t.Type, clock(needs.Duration))
	switch t.Shape.Model {
	case plan.Open:
		process := "evenly spaced"
		if t.Shape.Poisson {
			process = "Poisson"
		}
		fmt.Fprintf(c.out, "  open model: %d iterations, %s, at most %.4g/s, by at most %s at once\n",
			needs.Iterations, process, needs.PeakRate, plural(needs.PeakUsers, "user"))
	case plan.Closed:
		fmt.Fprintf(c.out, "  closed model: at most %s at once\n", plural(needs.PeakUsers, "user"))
	}
	unit := " users"
	if t.Shape.Model == plan.Open {
		unit = "/s"
	}
	stages := t.Shape.Stages
	for i, s := range stages {
		switch {
		case s.Over == 0 && i+1 < len(stages) && stages[i+1].Phase == s.Phase && stages[i+1].From == s.To: // the next says it
		case s.Over == 0:
			fmt.Fprintf(c.out, "  %-10s at once to %.4g%s\n", s.Phase, s.To, unit)
		case s.From == s.To:
			fmt.Fprintf(c.out, "  %-10s %.4g%s for %s\n", s.Phase, s.To, unit, clock(s.Over))
		default:
			fmt.Fprintf(c.out, "  %-10s %.4g to %.4g%s over %s\n", s.Phase, s.From, s.To, unit, clock(s.Over))
		}
	}
	if t.Search != nil {
		fmt.Fprintln(c.out, "  a step test: it ends with the first step that misses an objective")
	}
}

// explainObjectives takes the parts of a preset together.
func explainObjectives(c *console, objectives []plan.Objective, verbose bool) {
	asked := false
	for i := 0; i < len(objectives); {
		o := &objectives[i]
		if o.Source == "" {
			fmt.Fprintf(c.out, "  objective: %s\n", o.Text)
			i++
			continue
		}
		asked = true
		var sources, queries []string
		for ; i < len(objectives) && objectives[i].Preset == o.Preset; i++ {
			part := &objectives[i]
			sources = append(sources, part.Source)
			queries = append(queries, fmt.Sprintf("    %s: %s", part.Source, part.PromQL))
		}
		fmt.Fprintf(c.out, "  objective: %s: %s\n", strings.Replace(o.Text, " ("+o.Source+")", "", 1), o.Meaning)
		if verbose {
			fmt.Fprintln(c.out, strings.Join(queries, "\n"))
		} else {
			fmt.Fprintf(c.out, "             asks %s\n", strings.Join(sources, "; "))
		}
	}
	if asked {
		note := "  a preset asks every kind of server; those that are not among the scraped are left out"
		if !verbose {
			note += "; --verbose shows the PromQL"
		}
		fmt.Fprintln(c.out, note)
	}
	if len(objectives) == 0 {
		fmt.Fprintln(c.out, "  no objectives: the run fails if any request fails")
	}
}

// explainWarmUp says what of the steady stretch is not judged.
func explainWarmUp(c *console, t *plan.Test) {
	if t.Type != plan.Load && t.Type != plan.Soak {
		return
	}
	from, to, ok := verdict.SteadyStretch(t)
	switch {
	case !ok:
		fmt.Fprintln(c.out, "  judged: the whole run, since the load is never steady")
	case t.WarmUp == nil && to-from < answer.ShortestLooked:
		fmt.Fprintf(c.out, "  judged: from %s to %s, which is too short to look for a warm-up\n", clock(from), clock(to))
	case t.WarmUp == nil:
		fmt.Fprintf(c.out, "  judged: from %s to %s, without the warm-up that is found in it: %s at least, %s at most\n",
			clock(from), clock(to), clock(answer.Floor(to-from)), clock((to-from)/2))
	default:
		fmt.Fprintf(c.out, "  judged: from %s to %s\n", clock(from), clock(to))
	}
}

// explainDecide says how the test ends beside its duration.
func explainDecide(c *console, d *plan.Decide) {
	switch {
	case d.Stop && d.AtMost > 0:
		fmt.Fprintf(c.out, "  ends as soon as its objectives are decided; goes on until %s at most while they are not\n", clock(d.AtMost))
	case d.Stop:
		fmt.Fprintln(c.out, "  ends as soon as its objectives are decided")
	case d.AtMost > 0:
		fmt.Fprintf(c.out, "  goes on until %s at most while an objective is undecided\n", clock(d.AtMost))
	}
}

// explainResources says what of the servers a soak watches, or a search compares with its limit.
func explainResources(c *console, p *plan.Plan, t *plan.Test) {
	if t.Type != plan.Soak && t.Search == nil {
		return
	}
	jobs := p.WatchedJobs()
	if len(jobs) == 0 {
		fmt.Fprintln(c.out, "  no metrics of servers are read: add them under scrape, or host for this machine")
		return
	}
	var own []string
	for i := range p.Resources {
		r := &p.Resources[i]
		switch {
		case r.Limit != "":
			own = append(own, r.Name+" (limit "+document.OneLine(r.Limit)+")")
		case t.Type == plan.Soak:
			own = append(own, r.Name)
		}
	}
	servers := strings.Join(jobs, ", ")
	if t.Type == plan.Soak {
		paragraph(c, "  watches: ", "p95 and failures of the requests; of "+servers+", where they show it: "+strings.Join(append(plan.GrowingNames(), own...), ", "))
		return
	}
	known := "CPU, connections, files, event loop lag and pools, as presets know them"
	paragraph(c, "  compares with their limits, in each trial: ", "of "+servers+", where they show it: "+strings.Join(append([]string{known}, own...), ", "))
}

// paragraph writes words in lines of a terminal's usual width; those after the first are indented.
func paragraph(c *console, head, text string) {
	const width, indent = 100, "    "
	line := head
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
			line += word
		case len(line)+1+len(word) > width:
			fmt.Fprintln(c.out, line)
			line = indent + word
		default:
			line += " " + word
		}
	}
	fmt.Fprintln(c.out, line)
}

// explainFaults shows what will be broken, in the order of time.
func explainFaults(c *console, t *plan.Test) {
	faults := slices.SortedStableFunc(slices.Values(t.Faults), func(a, b plan.Fault) int { return cmp.Compare(a.At, b.At) })
	for i := range faults {
		f := &faults[i]
		target := ""
		if f.Proxy != "" {
			target = " of " + f.Proxy
		}
		fmt.Fprintf(c.out, "  fault: from %s to %s %s%s\n", clock(f.At), clock(f.End()), f.Name, target)
		if h := f.Hook; h != nil && len(h.Undo) == 0 && h.UndoPost == "" {
			fmt.Fprintln(c.out, "         nothing undoes it")
		}
	}
	for _, w := range t.FaultWarnings() {
		fmt.Fprintf(c.out, "  warning: %s\n", w)
	}
}
