package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"tidegauge/cmd/paydemo/service"
	"tidegauge/cmd/tidegauge/internal/app"
	"tidegauge/deploy/plans"
	"tidegauge/engine/report"
)

// demoListen is where the demo answers queries, unless something is there already.
const demoListen = "127.0.0.1:9777"

func newDemo(c *console) *cobra.Command {
	f := runFlags{}
	var exit bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start the bundled payment service, test it, and leave the measurements to be queried",
		Long: `Starts the bundled payment service in this process, runs a test of its plan against it (load, for about a
minute), prints the verdict and then answers Prometheus queries on what was measured until Ctrl-C.

The plan is written to the data directory, to be read and changed; everything goes over loopback.`,
		Example: "  tidegauge demo\n  tidegauge demo --test spike --exit",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.listen == "" {
				f.listen = freeListen(cmd.Context())
			}
			return demo(cmd.Context(), c, &f, exit)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.test, "test", "load", "the test of the demo plan to run")
	flags.StringVar(&f.dataDir, "data-dir", defaultDataDir, "where the store and the runs are kept")
	flags.StringVar(&f.listen, "listen", "", "address of the query API (default "+demoListen+", or a free port if that is taken)")
	flags.BoolVar(&exit, "exit", false, "end after the summary, with the run's exit code, instead of waiting for Ctrl-C")
	f.out.register(flags)
	f.out.registerRun(flags)
	flags.BoolVar(&f.headless, "headless", false, "progress in plain lines, even on a terminal")
	flags.VarP((*locustDuration)(&f.locust.RunTime), "run-time", "t", "stop after this long, as 20s")
	return cmd
}

// freeListen returns demoListen, or a free port of loopback when that is taken.
func freeListen(ctx context.Context) string {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", demoListen)
	if err != nil {
		return "127.0.0.1:0"
	}
	l.Close()
	return demoListen
}

func demo(ctx context.Context, c *console, f *runFlags, exit bool) error {
	s, err := service.New(service.Options{Listen: "127.0.0.1:0"})
	if err != nil {
		return withCode(exitInternal, fmt.Errorf("starting the payment service: %w", err))
	}
	serviceCtx, endService := context.WithCancel(ctx)
	var serving sync.WaitGroup
	var serveErr error
	serving.Go(func() { serveErr = s.Run(serviceCtx) })
	err = demoRun(ctx, c, f, s.URL(), exit)
	endService()
	serving.Wait()
	if serveErr != nil && !errors.Is(serveErr, context.Canceled) {
		err = errors.Join(err, fmt.Errorf("the payment service ended with: %w", serveErr))
	}
	return err
}

func demoRun(ctx context.Context, c *console, f *runFlags, target string, exit bool) error {
	file, err := writeDemoPlan(filepath.Join(f.dataDir, "demo"))
	if err != nil {
		return withCode(exitStorage, err)
	}
	p, err := readPlan(c, file, f.listen, nil)
	if err != nil {
		return err
	}
	f.locust.Host = target
	test, err := p.Override(f.test, f.locust)
	if err != nil {
		return withCode(exitUsage, err)
	}
	conf := app.Config{DataDir: f.dataDir, Listen: f.listen, Version: version()}
	if err := f.out.add(c, &conf); err != nil {
		return err
	}
	a, err := app.New(ctx, conf)
	if err != nil {
		return withCode(exitStorage, err)
	}
	a.Start()
	fmt.Fprintf(c.out, "payment service: %s   plan: %s   test: %s\n", target, file, test.Name)
	r, err := f.runOn(ctx, c, a, p, test)
	if r != nil && !exit && codeOfReport(r) != exitInterrupted {
		linger(ctx, c, a.URL(), r)
	}
	return ended(r, errors.Join(err, stop(ctx, a)))
}

// linger says how to query what was measured and waits for a signal.
func linger(ctx context.Context, c *console, url string, r *report.Report) {
	_, stopped, release := interrupts(ctx, func() {})
	defer release()
	fmt.Fprintf(c.out, `
The measurements can be queried now, as from any Prometheus (a Grafana Prometheus data source at %[1]s works):

  curl -s %[1]s/api/v1/query --data-urlencode \
    'query=histogram_quantile(0.95, sum(tidegauge_response_time_seconds{run="%[2]s"}))' -d time=%[3]s
  curl -s %[1]s/api/v1/label/request/values
  curl -s %[1]s/metrics

Ctrl-C ends this.
`, url, r.Run.ID, r.End.UTC().Format("2006-01-02T15:04:05.000Z"))
	select {
	case <-stopped:
	case <-ctx.Done():
	}
}

// writeDemoPlan puts the bundled plan and its data where the user can read and change a copy.
func writeDemoPlan(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("writing the demo plan: %w; choose another folder with --data-dir", err)
	}
	for _, name := range []string{"payments.yaml", "cards.csv"} {
		b, err := fs.ReadFile(plans.FS, name)
		if err != nil {
			return "", fmt.Errorf("reading the bundled plan: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return "", fmt.Errorf("writing the demo plan: %w; choose another folder with --data-dir", err)
		}
	}
	return filepath.Join(dir, "payments.yaml"), nil
}
