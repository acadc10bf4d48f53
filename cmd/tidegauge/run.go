package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tidegauge/cmd/tidegauge/internal/app"
	"tidegauge/engine/compare"
	"tidegauge/engine/document"
	"tidegauge/engine/experiment"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
	"tidegauge/exporters/locust"
)

// shutdownLimit is how long serving and closing may take at the end.
const shutdownLimit = 30 * time.Second

// runFlags are the flags of `run`; those of Locust keep its names and meaning.
type runFlags struct {
	test            string
	json            string
	reports         []string
	seed            uint64
	headless        bool
	csv             string
	csvFullHistory  bool
	exitCodeOnError int
	locust          plan.Overrides
	stopTimeout     locustDuration
	subject         experiment.Subject
	confirm         bool
	server          serverFlags
	settings
}

func newRun(c *console) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run PLAN",
		Short: "Run one test of a plan and say whether it passed",
		Long: `Runs one test of a plan in the foreground: progress while it lasts, then a summary with the verdict. Everything
measured is kept in the data directory: the series in the store, the run in a folder of its own under runs.

Ctrl-C once ends the test gracefully and still writes everything; twice ends it at once, and still writes everything.
At a terminal keys change the load: w and s are a user (or an arrival per second) more or fewer, W and S ten, p pauses and
goes on, q ends the test gracefully. What is judged ends at the first change, and such a run does not pass.

With --server a daemon (tidegauge serve) runs the test, under its limits, when it is its turn; everything else is as here:
progress, keys, summary, exit code, and the files, written here from what the daemon has kept. The plan is sent, with the files
in its folder and below that it names and the environment variables that it names; it sees nothing else of the daemon's
machine, so that scrape jobs cannot name files. A PLAN that is no file here is one of the daemon's own folder, by its name. Ctrl-C ends the run there. Where the connection is lost the run goes on, and is
followed again once there is a connection.

` + exitCodesHelp(),
		Example: `  tidegauge run payments.yaml --test load
  tidegauge run payments.yaml --host http://localhost:8000 --users 50 --spawn-rate 10 --run-time 5m
  tidegauge run payments.yaml --csv load --json load.json
  tidegauge run payments.yaml --report html=load.html --report junit=load.xml
  tidegauge run payments.yaml --out prometheus=http://localhost:9090/api/v1/write`,
		Args: onePlan,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.given(cmd); err != nil {
				return withCode(exitUsage, err)
			}
			failOnError := cmd.Flags().Changed("exit-code-on-error")
			if f.server.url != "" {
				if err := refuseLocal(cmd); err != nil {
					return err
				}
				return f.runOnServer(cmd.Context(), c, args[0], failOnError)
			}
			conf, err := f.appConfig(c)
			if err != nil {
				return err
			}
			p, err := readPlan(c, args[0], conf.Listen, conf.ServerJobs())
			if err != nil {
				return err
			}
			return f.run(cmd.Context(), c, conf, p, failOnError)
		},
	}
	f.register(cmd)
	return cmd
}

const allowHookHelp = "a command or URL that faults of the plan may use, as 'docker stop redis'; every word must be equal, * stands\nfor any one word; repeatable; without it a plan can run no commands"

// onePlan is cobra.ExactArgs(1), with a hint for those who write lists as Locust's command line takes them.
func onePlan(cmd *cobra.Command, args []string) error {
	if len(args) > 1 && (cmd.Flags().Changed("tags") || cmd.Flags().Changed("exclude-tags")) {
		return fmt.Errorf("one plan at a time, got %s; several tags are written --tags a,b or -T a -T b", strings.Join(args, " "))
	}
	return cobra.ExactArgs(1)(cmd, args)
}

// given takes over what was given on the command line where zero and "not given" differ.
func (f *runFlags) given(cmd *cobra.Command) error {
	for _, name := range []string{"users", "spawn-rate", "run-time"} {
		if flag := cmd.Flags().Lookup(name); flag != nil && flag.Changed && flag.Value.String() == flag.DefValue {
			return fmt.Errorf("--%s must be more than 0", name)
		}
	}
	if cmd.Flags().Changed("stop-timeout") {
		f.locust.StopTimeout = (*time.Duration)(&f.stopTimeout)
	}
	return nil
}

func (f *runFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.test, "test", "", "the test to run (default: the plan's only one, or the one named load)")
	f.settings.register(flags)
	flags.StringArrayVar(&f.reports, "report", nil, "write the report in a format, as html=FILE, junit=FILE, markdown=FILE, jsonl=FILE or json=FILE; repeatable;\na folder instead of a FILE gives it the run's name, - is standard output; folders must be there")
	flags.StringVar(&f.json, "json", "", "short for --report json=FILE")
	flags.Uint64Var(&f.seed, "seed", 0, "seed of everything random (default: the plan's, or one that is printed)")
	flags.StringVarP(&f.locust.Host, "host", "H", "", "base URL to load instead of the plan's")
	flags.StringVar(&f.locust.Against, "against", "", "also load this base URL, in turns with the plan's: says whether the plan's (or --host) is worse than it;\nexit code 1 if it is, 4 where it cannot be told")
	flags.IntVarP(&f.locust.Users, "users", "u", 0, "peak number of users; replaces the test's shape by a closed one")
	flags.Float64VarP(&f.locust.SpawnRate, "spawn-rate", "r", 0, "users started per second, with --users (default 1)")
	flags.VarP((*locustDuration)(&f.locust.RunTime), "run-time", "t", "stop after this long, as 300s, 20m, 1h30m")
	flags.StringSliceVarP(&f.locust.Tags, "tags", "T", nil, "only tasks with at least one of these tags")
	flags.StringSliceVarP(&f.locust.ExcludeTags, "exclude-tags", "E", nil, "leave out tasks with any of these tags")
	flags.VarP(&f.stopTimeout, "stop-timeout", "s", "how long running tasks may take to finish at the end; 0 cuts them (default: the plan's)")
	flags.StringArrayVar(&f.allowHooks, "allow-hook", nil, allowHookHelp)
	registerSubject(flags, &f.subject)
	flags.BoolVar(&f.confirm, "confirm", false, "where the run looks worse than its baseline, run the test twice more: a regression that\nthey show too ends with exit code 1")
	f.server.register(flags, "have the daemon at this URL run the test, as https://load.example.com")
	f.out.registerRun(flags)
	flags.BoolVar(&f.headless, "headless", false, "progress in plain lines, even on a terminal")
	flags.StringVar(&f.csv, "csv", "", "write Locust's CSV files PREFIX_stats.csv, PREFIX_stats_history.csv, PREFIX_failures.csv, PREFIX_exceptions.csv; the folder must be there")
	flags.BoolVar(&f.csvFullHistory, "csv-full-history", false, "with --csv: a row per request name in the history, not only the aggregate")
	flags.IntVar(&f.exitCodeOnError, "exit-code-on-error", 1, "exit code when any request failed, even if the objectives were met; given explicitly only")
}

func (f *runFlags) run(ctx context.Context, c *console, conf app.Config, p *plan.Plan, failOnError bool) error {
	test, err := p.Override(f.test, f.locust)
	if err != nil {
		return withCode(exitUsage, err)
	}
	reports, out, c, err := f.prepare(c)
	if err != nil {
		return err
	}
	defer outliveReader()()
	a, err := app.New(ctx, conf)
	if err != nil {
		return withCode(exitStorage, err)
	}
	a.Start()
	f.subject = subjectOf(f.subject, c.getenv)
	here := &here{f, a, p, test}
	r, err := here.run(ctx, c, "")
	if r != nil && err == nil && f.confirm {
		r, err = confirmed(ctx, c, here, r)
	}
	if r != nil {
		err = errors.Join(err, reports.reported(a, r, out))
		a.Announce(ctx, r)
	}
	a.Prune(context.WithoutCancel(ctx))
	err = errors.Join(err, stop(ctx, a))
	return f.exit(r, err, failOnError)
}

// exit turns a report and what went wrong beside it into the command's error.
func (f *runFlags) exit(r *report.Report, err error, failOnError bool) error {
	if failOnError && r != nil && err == nil && r.Total.Failures > 0 && judgedByErrorsAlone(r) {
		return withCode(exitCode(f.exitCodeOnError), errSaid)
	}
	return ended(r, err)
}

// prepare sees that everything that is to be written can be, before anything is sent. out is for a report that is to have standard
// output, and what it returns as the console is for everything else.
func (f *runFlags) prepare(c *console) (reports outputs, out io.Writer, others *console, err error) {
	if f.csvFullHistory && f.csv == "" {
		return nil, nil, nil, withCode(exitUsage, errors.New("--csv-full-history needs --csv PREFIX"))
	}
	if reports, err = f.outputs(); err != nil {
		return nil, nil, nil, withCode(exitUsage, err)
	}
	alone, err := reports.standard()
	if err != nil {
		return nil, nil, nil, withCode(exitUsage, err)
	}
	out = c.out
	if alone {
		c = &console{c.in, c.err, c.err, c.getenv}
	}
	if err := errors.Join(folderExists("--csv "+f.csv, f.csv), reports.foldersExist()); err != nil {
		return nil, nil, nil, withCode(exitUsage, err)
	}
	return reports, out, c, reports.try()
}

// judgedByErrorsAlone reports whether nothing but failed requests speaks against a run: what --exit-code-on-error is about.
func judgedByErrorsAlone(r *report.Report) bool {
	return r.Verdict.Outcome == verdict.Pass || r.Verdict.Code() == verdict.CodeFailures
}

// ended turns a report and what went wrong beside it into the command's error: a verdict that is not a pass decides the
// exit code, then what could not be kept.
func ended(r *report.Report, err error) error {
	if r == nil {
		return err
	}
	code := codeOfReport(r)
	switch {
	case err != nil && code == exitPass:
		return withCode(codeOf(err), err)
	case err != nil:
		return withCode(code, err)
	case code != exitPass:
		return withCode(code, errSaid)
	}
	return nil
}

func stop(ctx context.Context, a *app.App) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
	defer cancel()
	return withCode(exitStorage, a.Stop(ctx))
}

// place is where a test runs.
type place interface {
	// run runs the test, shows it and prints what it gave. A report comes with an error when something could not be kept. rerunOf is the
	// run that this one is to confirm, or empty.
	run(ctx context.Context, c *console, rerunOf string) (*report.Report, error)
	// confirm compares a run again, with others that were made to confirm what it showed.
	confirm(ctx context.Context, run string, reruns []string) (*compare.Comparison, error)
}

// here is this process, as a place.
type here struct {
	f *runFlags
	a *app.App
	p *plan.Plan
	t *plan.Test
}

func (h *here) confirm(ctx context.Context, run string, reruns []string) (*compare.Comparison, error) {
	return h.a.Lab.Confirm(ctx, run, reruns)
}

func (h *here) run(ctx context.Context, c *console, rerunOf string) (*report.Report, error) {
	f, a, p, t := h.f, h.a, h.p, h.t
	var budget time.Duration
	if t.Search != nil {
		budget = t.Search.Budget
	}
	show := newProgress(c, p.Name+" · "+t.Name, budget, f.headless)
	sinks := []measure.Sink{show}
	var csv *locust.Writer
	if f.csv != "" && rerunOf == "" { // the files are of the run itself
		var err error
		if csv, err = locust.New(csvOptions(f.csv, f.csvFullHistory)); err != nil {
			return nil, withCode(exitStorage, err)
		}
		sinks = append(sinks, csv)
	}
	begun := func(string) { // the plan was not refused
		if u := a.URL(); u != "" && rerunOf == "" {
			fmt.Fprintf(c.out, "queries: %s/api/v1/query (Prometheus API), metrics: %s/metrics\n", u, u)
		}
	}
	runCtx, stopped, release := interrupts(ctx, func() {
		show.stopping.Store(true)
		if !show.live { // a live display says it itself
			fmt.Fprintln(c.err, "ending the test: what is under way may finish; once more to end now")
		}
	}, hangups()...)
	control := new(experiment.Control)
	endKeys, keys := func() {}, false
	if !f.headless {
		endKeys, keys = watchKeys(c, localControl{control}, show.say)
	}
	show.keys = keys
	show.start()
	r, err := a.Lab.Run(runCtx, experiment.Options{Plan: p, Test: t, Seed: f.seed, Sinks: sinks, Stop: stopped, Begun: begun, Tell: show.tell, Control: control, Subject: f.subject, RerunOf: rerunOf})
	endKeys()
	show.stop()
	release()
	if csv != nil {
		err = errors.Join(err, withCode(exitStorage, csv.Close()))
	}
	if r == nil {
		return nil, err
	}
	fmt.Fprintln(c.out)
	return r, errors.Join(err, printed(r.WriteText(c.out, widthOf(c), colored(c))))
}

// confirmed runs the test of a run that looks worse than its baseline twice more, and returns its report with what came of that.
func confirmed(ctx context.Context, c *console, where place, r *report.Report) (*report.Report, error) {
	if r.Comparison == nil || r.Comparison.Verdict != stat.Suspect && r.Comparison.Verdict != stat.Regression {
		return r, nil
	}
	fmt.Fprintf(c.out, "\n%s\n", confirmText(r.Comparison))
	var reruns []string
	for range 2 {
		again, err := where.run(ctx, c, r.Run.ID)
		if err != nil || again == nil {
			return r, err
		}
		reruns = append(reruns, again.Run.ID)
		if again.Verdict.Code() == verdict.CodeStopped {
			return r, nil // by a person, who does not want to know
		}
	}
	found, err := where.confirm(ctx, r.Run.ID, reruns)
	if err != nil {
		return r, err
	}
	r.Comparison = found
	fmt.Fprintln(c.out)
	return r, printed(report.WriteComparison(c.out, found, widthOf(c), colored(c)))
}

func csvOptions(prefix string, fullHistory bool) locust.Options {
	host, err := os.Hostname()
	if err != nil {
		host = "local"
	}
	return locust.Options{Prefix: prefix, FullHistory: fullHistory, Node: host}
}

// printed says whose fault it is that a summary could not be written; that nobody reads any more is nobody's.
func printed(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return withCode(exitStorage, err)
}

// outputs returns the reports that are asked for: --json FILE is short for --report json=FILE.
func (f *runFlags) outputs() (outputs, error) {
	var all outputs
	for _, text := range f.reports {
		o, err := parseOutput("--report ", text)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	if f.json != "" {
		o, err := parseOutput("--report ", "json="+f.json)
		if err != nil {
			return nil, err
		}
		o.given = "--json " + f.json
		all = append(all, o)
	}
	return all, nil
}

// locustDuration is a flag that takes durations as plans have them and, as Locust does, a bare number of seconds.
type locustDuration time.Duration

// String returns "" for 0, so that help shows no default that is not one.
func (d *locustDuration) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

func (d *locustDuration) Type() string { return "duration" }

func (d *locustDuration) Set(text string) error {
	v, err := document.ParseDuration(text)
	if err != nil {
		v, err = time.ParseDuration(text + "s")
	}
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a length of time: write 300s, 20m, 1h30m or 30d", text)
	}
	*d = locustDuration(v)
	return nil
}
