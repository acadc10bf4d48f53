package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tidegauge/cmd/tidegauge/internal/remote"
	"tidegauge/engine/api"
	"tidegauge/engine/compare"
	"tidegauge/engine/experiment"
	"tidegauge/engine/history"
	"tidegauge/engine/interval"
	"tidegauge/engine/live"
	"tidegauge/engine/plan"
	"tidegauge/engine/queue"
	"tidegauge/engine/report"
	"tidegauge/exporters"
	"tidegauge/exporters/locust"
)

// tokenVariable holds the token for a daemon, where no file does.
const tokenVariable = "TIDEGAUGE_TOKEN"

// waitingAfter is when it is said that a run has to wait for its turn.
const waitingAfter = 2 * time.Second

// serverFlags say which daemon is asked.
type serverFlags struct {
	url       string
	tokenFile string
}

func (s *serverFlags) register(flags *pflag.FlagSet, usage string) {
	flags.StringVar(&s.url, "server", "", usage)
	flags.StringVar(&s.tokenFile, "token-file", "", "with --server: the file that has the token for it (default: $"+tokenVariable+")")
}

// client returns a client for the daemon that is named.
func (s *serverFlags) client(c *console) (*remote.Client, error) {
	token, _ := c.getenv(tokenVariable)
	if s.tokenFile != "" {
		text, err := os.ReadFile(s.tokenFile)
		if err != nil {
			return nil, withCode(exitUsage, fmt.Errorf("reading the token: %w", err))
		}
		token = string(text)
	}
	token = strings.TrimSpace(token)
	if u, err := url.Parse(s.url); err == nil && token != "" && u.Scheme == "http" && !api.ListensOnLoopback(hostPort(u)) {
		fmt.Fprintf(c.err, "tidegauge: the token goes to %s as it is over the network: use https where that is not yours\n", u.Host)
	}
	r, err := remote.New(s.url, token)
	return r, withCode(exitUsage, err)
}

func hostPort(u *url.URL) string { return u.Hostname() + ":" + cmp.Or(u.Port(), "80") }

// localOnly are the flags of `run` that mean nothing where a daemon runs the test: its configuration says all that.
var localOnly = []string{"config", "data-dir", "listen", "out", "out-wait", "out-required", "allow-hook"}

// refuseLocal says which of the flags given cannot be meant with --server.
func refuseLocal(cmd *cobra.Command) error {
	for _, name := range localOnly {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			return withCode(exitUsage, fmt.Errorf("--%s and --server do not go together: that is the daemon's matter, in its configuration", name))
		}
	}
	return nil
}

// serverError adds the exit code to what a daemon, or the way to it, said.
func serverError(what string, err error) error {
	if err == nil {
		return nil
	}
	p, ok := errors.AsType[*api.Problem](err)
	if !ok {
		return withCode(exitStorage, fmt.Errorf("%s: %w", what, err))
	}
	if len(p.Errors) > 0 {
		return withCode(exitPlan, fmt.Errorf("%s\n%s, says the daemon; nothing was sent", strings.Join(p.Errors, "\n"), plural(len(p.Errors), "mistake")))
	}
	code := exitStorage
	switch p.Status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		code = exitUsage
	case http.StatusForbidden:
		code = exitPlan
	}
	return withCode(code, fmt.Errorf("%s: the daemon says: %s", what, cmp.Or(p.Detail, p.Title)))
}

// gathered is what a plan needs beside its text to be run elsewhere.
type gathered struct {
	files     map[string][]byte
	variables map[string]string
}

// gather reads a plan for the files and the environment variables that it names. What is wrong with the plan otherwise is the
// daemon's to say, which knows what it scrapes.
func gather(c *console, file string, source []byte) (*gathered, error) {
	g := &gathered{files: map[string][]byte{}, variables: map[string]string{}}
	var wrong []error
	_, _ = plan.Parse(file, source, plan.Options{
		Getenv: func(name string) (string, bool) {
			v, ok := c.getenv(name)
			if ok {
				g.variables[name] = v
			}
			return v, ok
		},
		File: func(name string) error {
			if err := queue.SentFile(filepath.ToSlash(name)); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", file, err))
				return err
			}
			text, err := os.ReadFile(filepath.Join(filepath.Dir(file), name))
			if err != nil {
				wrong = append(wrong, fmt.Errorf("%s: reading a file that is to be sent with it: %w", file, err))
			}
			g.files[filepath.ToSlash(name)] = text
			return err
		},
	})
	if len(wrong) > 0 {
		return nil, withCode(exitPlan, fmt.Errorf("%w\n%s in %s; nothing was sent", errors.Join(wrong...), plural(len(wrong), "mistake"), file))
	}
	return g, nil
}

// body is what the daemon is asked for: to run a plan that is sent, or one of its own folder, by its name there.
func (f *runFlags) body(c *console, file string) (*api.Start, error) {
	subject := subjectOf(f.subject, c.getenv)
	o := &f.locust
	b := &api.Start{
		Test: f.test, Seed: f.seed,
		TargetVersion: subject.Version, Commit: subject.Commit, Branch: subject.Branch,
		Host: o.Host, Users: o.Users, SpawnRate: o.SpawnRate, RunTime: o.RunTime.Seconds(), Tags: o.Tags, ExcludeTags: o.ExcludeTags,
	}
	if o.StopTimeout != nil {
		within := o.StopTimeout.Seconds()
		b.StopTimeout = &within
	}
	source, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(file, `./\`) { // what is no file may be a name
		b.Plan = file
		return b, nil
	}
	if err != nil {
		return nil, withCode(exitPlan, fmt.Errorf("reading the plan: %w", err))
	}
	g, err := gather(c, file, source)
	if err != nil {
		return nil, err
	}
	b.File, b.Source, b.Files, b.Parameters = filepath.Base(file), string(source), g.files, g.variables
	return b, nil
}

// runOnServer has the daemon run a test, and behaves as run does.
func (f *runFlags) runOnServer(ctx context.Context, c *console, file string, failOnError bool) error {
	reports, out, c, err := f.prepare(c)
	if err != nil {
		return err
	}
	client, err := f.server.client(c)
	if err != nil {
		return err
	}
	defer client.Close()
	body, err := f.body(c, file)
	if err != nil {
		return err
	}
	there := &there{f, client, body}
	r, err := there.run(ctx, c, "")
	if r != nil && err == nil && f.confirm {
		r, err = confirmed(ctx, c, there, r)
	}
	if r != nil && (len(reports) > 0 || f.csv != "") {
		err = errors.Join(err, f.files(ctx, client, r, reports, out))
	}
	return f.exit(r, err, failOnError)
}

// there is a daemon, as a place.
type there struct {
	f      *runFlags
	client *remote.Client
	body   *api.Start
}

func (t *there) run(ctx context.Context, c *console, rerunOf string) (*report.Report, error) {
	body := *t.body
	body.RerunOf = rerunOf
	server := t.f.server.url
	job, err := t.client.Start(ctx, &body)
	if remote.NotThere(err) {
		return nil, withCode(exitPlan, fmt.Errorf("starting the run on %s: there is no file %s here, and no plan of that name in the folder of the daemon", server, body.Plan))
	}
	if err != nil {
		return nil, serverError("starting the run on "+server, err)
	}
	fmt.Fprintf(c.out, "job %s on %s\n", job.ID, server)
	last, err := t.f.follow(ctx, c, t.client, job)
	if err != nil {
		return nil, err
	}
	return t.f.conclude(ctx, c, t.client, &last)
}

func (t *there) confirm(ctx context.Context, run string, reruns []string) (*compare.Comparison, error) {
	found, err := t.client.Confirm(ctx, run, reruns)
	return found, serverError("confirming what run "+run+" showed", err)
}

// follow shows a job while it lasts, and obeys keys and signals.
func (f *runFlags) follow(ctx context.Context, c *console, client *remote.Client, job queue.Status) (queue.Status, error) {
	show := newProgress(c, job.Plan+" · "+job.Test, lengthOf(job.AtMost), f.headless)
	following, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	runCtx, stopped, release := interrupts(ctx, func() {
		show.stopping.Store(true)
		if !show.live {
			fmt.Fprintln(c.err, "ending the test: what is under way may finish; once more to end now")
		}
	})
	stopping := obeySignals(runCtx, stopped, following.Done(), func(now bool) {
		if err := client.Stop(following, job.ID, now); err != nil && now {
			leave(fmt.Errorf("ending the run: %w; it may go on on the daemon", err))
		} else if err != nil {
			fmt.Fprintf(c.err, "tidegauge: ending the run: %v\n", err)
		}
	})
	endKeys, keys := func() {}, false
	if !f.headless {
		endKeys, keys = watchKeys(c, &remoteControl{ctx: following, client: client, job: job.ID}, show.say)
	}
	show.keys = keys
	show.start()
	turn := time.AfterFunc(waitingAfter, func() { fmt.Fprintln(c.out, "waiting for its turn; Ctrl-C gives it up") })
	defer turn.Stop()
	var shown live.Progress
	trial, latest := "", job
	last, err := client.Follow(following, job.ID, func(s queue.Status) {
		latest = s
		if s.State != queue.Waiting {
			turn.Stop()
		}
		if s.Trial != trial {
			trial = s.Trial
			show.tell(trial)
		}
		if p := s.Progress; p != nil && *p != shown {
			shown = *p
			show.stands(shown)
		}
	}, func(text string) { fmt.Fprintln(c.err, "tidegauge: "+text) })
	if reason := context.Cause(following); err != nil && reason != nil && ctx.Err() == nil {
		err = reason
	}
	if err != nil {
		last = latest
	}
	leave(nil)
	endKeys()
	show.stop()
	release()
	<-stopping
	if remote.NotThere(err) && last.Run != "" {
		return last, nil // the daemon was started anew; its history says what became of the run
	}
	return last, serverError("following the run on "+f.server.url, err)
}

// obeySignals asks for the end when stopped is closed, and for an end now when ctx ends. done is closed when it is over.
func obeySignals(ctx context.Context, stopped, over <-chan struct{}, stop func(now bool)) (done <-chan struct{}) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-over:
			return
		case <-stopped:
			stop(false)
		}
		select {
		case <-over:
		case <-ctx.Done():
			stop(true)
		}
	}()
	return ended
}

// conclude prints what a job that is over has given. A report that comes with an error is not complete, or not all of it was kept.
func (f *runFlags) conclude(ctx context.Context, c *console, client *remote.Client, job *queue.Status) (*report.Report, error) {
	if job.Run == "" {
		code := exitStorage
		if strings.HasPrefix(job.Error, experiment.ErrPlan.Error()) {
			code = exitPlan
		} else if strings.HasPrefix(job.Error, "given up") {
			code = exitInterrupted
		}
		return nil, withCode(code, fmt.Errorf("the run on %s did not begin: %s", f.server.url, job.Error))
	}
	record, err := client.Run(ctx, job.Run)
	if err != nil {
		return nil, serverError("reading the run "+job.Run, err)
	}
	r, err := client.Report(ctx, job.Run)
	if err != nil {
		return nil, serverError("reading the report of run "+job.Run, err)
	}
	r.Folder = f.server.url + "/tidegauge/v1/runs/" + r.Run.ID
	fmt.Fprintln(c.out)
	err = printed(r.WriteText(c.out, widthOf(c), colored(c)))
	switch {
	case record.State != history.Finished || r.Verdict == nil:
		return nil, errors.Join(err, withCode(exitStorage, fmt.Errorf("run %s was interrupted, since the daemon was killed; the above is its last checkpoint", record.ID)))
	case job.Error != "":
		err = errors.Join(err, withCode(exitStorage, errors.New(job.Error)))
	}
	return r, err
}

// files writes the reports and Locust's files here, from what the daemon has kept.
func (f *runFlags) files(ctx context.Context, client *remote.Client, r *report.Report, reports outputs, out io.Writer) error {
	run, problem := runFrom(ctx, client, r)
	err := errors.Join(serverError("reading what run "+r.Run.ID+" measured", problem), reports.write(run, out))
	if f.csv == "" {
		return err
	}
	return errors.Join(err, withCode(exitStorage, locust.WriteRecord(csvOptions(f.csv, f.csvFullHistory), r, run.Intervals)))
}

// runFrom reads from a daemon what reports need of a run; what cannot be had is missing.
func runFrom(ctx context.Context, client *remote.Client, r *report.Report) (*exporters.Run, error) {
	run := &exporters.Run{Report: r}
	var errs []error
	var err error
	if run.Plan, err = client.Plan(ctx, r.Run.ID); err != nil {
		errs = append(errs, err)
	}
	encoded, err := client.Intervals(ctx, r.Run.ID)
	if err == nil && encoded != nil {
		run.Intervals, err = interval.Decode(encoded)
	}
	return run, errors.Join(append(slices.Clip(errs), err)...)
}
