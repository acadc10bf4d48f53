package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"tidegauge/cmd/tidegauge/internal/app"
)

func newServe(c *console) *cobra.Command {
	var config app.Config
	var out outFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer Prometheus queries on what earlier runs measured",
		Long: `Opens the data directory and answers the Prometheus query API on it until Ctrl-C, so that a Grafana data source
of type Prometheus, or curl, can look at earlier runs. One process at a time can have a data directory open.
With --out, samples that an earlier process could not send are sent now.`,
		Example: "  tidegauge serve --data-dir tidegauge-data --listen 127.0.0.1:9777",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config.Version = version()
			a, err := out.open(cmd.Context(), c, config)
			if err != nil {
				return err
			}
			a.Start()
			_, stopped, release := interrupts(cmd.Context(), func() {})
			defer release()
			fmt.Fprintf(c.out, "queries: %s/api/v1/query (Prometheus API); Ctrl-C ends this\n", a.URL())
			<-stopped
			return stop(cmd.Context(), a)
		},
	}
	cmd.Flags().StringVar(&config.DataDir, "data-dir", "tidegauge-data", "where the store and the runs are kept")
	cmd.Flags().StringVar(&config.Listen, "listen", demoListen, "address to answer on")
	cmd.Flags().StringArrayVar(&config.AllowedHooks, "allow-hook", nil, "a command or URL that may undo what a run that was killed has left broken, as 'docker start redis'; repeatable")
	out.register(cmd.Flags())
	cmd.Flags().DurationVar(&config.Retention, "retention", 0, "how long series are kept (default 15 days)")
	return cmd
}
