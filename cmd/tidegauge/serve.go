package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"tidegauge/cmd/tidegauge/internal/app"
	"tidegauge/exporters"
)

func newServe(c *console) *cobra.Command {
	s := settings{defaultListen: demoListen, daemon: true}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run tests on a schedule and by HTTP, scrape, and answer Prometheus queries on all that was measured",
		Long: `The daemon. It opens the data directory and answers the Prometheus query API on it until Ctrl-C, so that a Grafana data
source of type Prometheus, or curl, can look at it. One process at a time can have a data directory open.

It runs the tests of the plans in a folder (--plans, or plans in the configuration), which is watched, when they are asked
for (POST /tidegauge/v1/jobs; /tidegauge/v1/openapi.json describes the API) and as schedules in the configuration say. Only
the hosts that the configuration names under limits may be loaded; without any, this machine alone. Ctrl-C or SIGTERM ends
a run that is going on gracefully.

What the configuration names under scrape is scraped meanwhile; SIGHUP has that part of it read again, and plans,
schedules, triggers, blackouts, limits, tokens and announcements. What an earlier
process could not send to the outlets is sent now, and so is what is scraped.`,
		Example: "  tidegauge serve --data-dir tidegauge-data --listen 127.0.0.1:9777\n  tidegauge serve --config tidegauge.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := s.appConfig(c)
			if err != nil {
				return err
			}
			hangups := make(chan os.Signal, 1)
			signal.Notify(hangups, syscall.SIGHUP)
			defer signal.Stop(hangups)
			a, err := app.New(cmd.Context(), conf)
			if err != nil {
				return withCode(exitStorage, err)
			}
			a.Start()
			_, stopped, release := interrupts(cmd.Context(), func() {})
			defer release()
			fmt.Fprintf(c.out, "queries: %s/api/v1/query (Prometheus API); Ctrl-C ends this\n", a.URL())
			for {
				select {
				case <-hangups:
					s.reload(cmd.Context(), c, a, &conf)
				case <-stopped:
					return stop(cmd.Context(), a)
				}
			}
		},
	}
	s.register(cmd.Flags())
	cmd.Flags().StringVar(&s.plans, "plans", "", "folder of the plans that can be run (default: the configuration's)")
	cmd.Flags().StringVar(&s.logFormat, "log-format", "text", "form of the log on standard error: text or json")
	cmd.Flags().VarP(&s.retention, "retention", "", "how long series are kept, as 30d (default: the configuration's, 15 days)")
	cmd.Flags().StringArrayVar(&s.allowHooks, "allow-hook", nil, "a command or URL that may undo what a run that was killed has left broken, as 'docker start redis'; repeatable")
	return cmd
}

// reload reads the configuration again and takes over what it scrapes. A configuration with mistakes changes nothing.
func (s *settings) reload(ctx context.Context, c *console, a *app.App, before *app.Config) {
	after, err := s.appConfig(c)
	log := before.Logger
	if err == nil {
		err = a.Rescrape(ctx, after.Scrape)
	}
	if err == nil {
		err = a.Reconfigure(after.Daemon)
	}
	if err == nil {
		a.SetAnnounce(after.Announce)
	}
	if err != nil {
		log.Error("the configuration was not taken over; everything goes on as before", "error", err)
		return
	}
	d := after.Daemon
	log.Info("the configuration was taken over", "scrape_jobs", len(after.Scrape.Names), "schedules", len(d.Settings.Schedules), "triggers", len(d.Triggers), "blackouts", len(d.Settings.Blackouts), "tokens", len(d.Tokens))
	if after.DataDir != before.DataDir || after.Listen != before.Listen || after.Retention != before.Retention || after.Size != before.Size || after.Runs != before.Runs || !reflect.DeepEqual(after.Host, before.Host) ||
		!reflect.DeepEqual(after.Daemon.Receivers, before.Daemon.Receivers) || after.Daemon.RuleInterval != before.Daemon.RuleInterval || after.Daemon.URL != before.Daemon.URL ||
		(after.Daemon.Cert == "") != (before.Daemon.Cert == "") || !slices.EqualFunc(after.Outlets, before.Outlets, sameOutlet) {
		log.Warn("data_dir, listen, retention, outlets, host, alerting, rules.interval and whether there is a certificate are taken over when tidegauge is started anew")
	}
}

// sameOutlet compares all of two outlets but the place where they are described.
func sameOutlet(a, b exporters.Spec) bool {
	a.From = b.From
	return a == b
}
