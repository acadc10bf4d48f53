package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
		Long: `Starts the bundled payment service in a process of its own, runs a test of its plan against it (load, for about a
minute), prints the verdict and then answers Prometheus queries on what was measured until Ctrl-C.

The plan is written to the data directory, to be read and changed; everything goes over loopback. Of a test that takes longer
than two minutes the short variant is run, which the plan has under a name of its own. For some tests the service has something
wrong with it that they are to find, and the demo says what; flags after -- are given to the service instead.`,
		Example: "  tidegauge demo\n  tidegauge demo --test recovery --exit\n  tidegauge demo --test load -- -slowdown 1.2 -build v2",
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.listen == "" {
				f.listen = freeListen(cmd.Context())
			}
			if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
				return withCode(exitUsage, fmt.Errorf("unexpected argument %q; flags of the service come after --", args[0]))
			}
			return demo(cmd.Context(), c, &f, args, exit)
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

// demoVariant is how the demo runs a test of the plan.
type demoVariant struct {
	test  string   // that is run instead; empty: itself
	flags []string // of the service, unless others are given
}

// variantOf returns that of a test which takes long, or finds nothing in a service that is well.
func variantOf(test string) demoVariant {
	return map[string]demoVariant{
		"stress":   {test: "stress_short", flags: []string{"-workers", "4", "-work", "8ms"}},
		"spike":    {flags: []string{"-workers", "4", "-work", "16ms"}},
		"soak":     {test: "soak_short", flags: []string{"-leak-per-second", "2097152", "-keep", "200"}},
		"recovery": {test: "recovery_short"},
	}[test]
}

func demo(ctx context.Context, c *console, f *runFlags, serviceFlags []string, exit bool) error {
	variant := variantOf(f.test)
	if len(serviceFlags) == 0 {
		serviceFlags = variant.flags
	}
	if variant.test != "" {
		fmt.Fprintf(c.out, "%s takes long: this is %s, the same in less time, and what it says is less certain\n", f.test, variant.test)
		f.test = variant.test
	}
	if len(serviceFlags) > 0 {
		fmt.Fprintf(c.out, "the service has %s (see cmd/paydemo/README.md)\n", strings.Join(serviceFlags, " "))
	}
	if _, _, err := service.ParseFlags(serviceFlags, c.err); err != nil {
		return withCode(exitUsage, errSaid)
	}
	addresses, err := freeAddresses(ctx, "DATABASE", "DATABASE_PROXY", "NOTIFICATIONS", "NOTIFICATIONS_PROXY")
	if err != nil {
		return withCode(exitInternal, fmt.Errorf("starting the payment service: %w", err))
	}
	s, err := startDemoService(ctx, c.err, append(slices.Clone(serviceFlags), "-listen", "127.0.0.1:0",
		"-redis-listen", addresses["DATABASE"], "-redis", addresses["DATABASE_PROXY"],
		"-notify-listen", addresses["NOTIFICATIONS"], "-notify", "http://"+addresses["NOTIFICATIONS_PROXY"]+"/notifications"))
	if err != nil {
		return withCode(exitInternal, fmt.Errorf("starting the payment service: %w", err))
	}
	within := &console{c.in, c.out, c.err, func(name string) (string, bool) {
		if address, ok := addresses[name]; ok {
			return address, true
		}
		return c.getenv(name)
	}}
	err = demoRun(ctx, within, f, s.url, exit)
	if ended := s.end(); ended != nil {
		err = errors.Join(err, fmt.Errorf("the payment service ended with: %w", ended))
	}
	return err
}

// freeAddresses returns an address of loopback for each name, which was free a moment ago.
func freeAddresses(ctx context.Context, names ...string) (map[string]string, error) {
	addresses := map[string]string{}
	for _, name := range names {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // all of them at the end, so that no two are the same
		addresses[name] = l.Addr().String()
	}
	return addresses, nil
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
	defer outliveReader()()
	a, err := app.New(ctx, conf)
	if err != nil {
		return withCode(exitStorage, err)
	}
	a.Start()
	fmt.Fprintf(c.out, "payment service: %s   plan: %s   test: %s\n", target, file, test.Name)
	r, err := (&here{f, a, p, test}).run(ctx, c, "")
	if r != nil && !exit && codeOfReport(r) != exitInterrupted {
		linger(ctx, c, a.URL(), r)
	}
	return ended(r, errors.Join(err, stop(ctx, a)))
}

// linger says how to query what was measured and waits for a signal.
func linger(ctx context.Context, c *console, url string, r *report.Report) {
	_, stopped, release := interrupts(ctx, func() {}, hangups()...)
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
