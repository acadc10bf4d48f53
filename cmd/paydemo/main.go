// Command paydemo is a payment service to aim load tests at.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"tidegauge/cmd/paydemo/service"
)

func main() {
	logging.Disable() // of the Redis client: what it meets is in our own log, with -verbose
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the command: it returns its exit code, 0 for a clean end, 1 for a service that failed, 2 for wrong flags.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	options, level, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	options.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	options.Version = version()
	s, err := service.New(options)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "paydemo:", err)
		return 1
	}
	_, _ = fmt.Fprintf(stdout, "paydemo %s listens on %s\n", options.Version, s.URL())
	if err := s.Run(ctx); err != nil {
		_, _ = fmt.Fprintln(stderr, "paydemo:", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (o service.Options, level slog.Level, err error) {
	flags := flag.NewFlagSet("paydemo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:8000", "`address` to listen on; port 0 takes a free one")
	flags.StringVar(&o.Redis, "redis", "", "`address` of a Redis that keeps the payments (default an embedded one)")
	flags.IntVar(&o.PoolSize, "pool", 5, "most connections to the database at once")
	flags.DurationVar(&o.PoolTimeout, "pool-timeout", 250*time.Millisecond, "how long a request waits for a database connection")
	flags.DurationVar(&o.DatabaseTimeout, "database-timeout", 500*time.Millisecond, "time limit of connecting to the database and of each read and write")
	flags.IntVar(&o.Keep, "keep", 10_000, "how many payments are kept")
	flags.StringVar(&o.Notify, "notify", "", "`URL` that notifications are posted to (default an embedded service)")
	flags.DurationVar(&o.NotifyTimeout, "notify-timeout", 500*time.Millisecond, "time limit of one notification")
	flags.IntVar(&o.BreakerFailures, "breaker-failures", 5, "consecutive failures that open the circuit breaker")
	flags.DurationVar(&o.BreakerReset, "breaker-reset", 5*time.Second, "how long the circuit breaker stays open")
	flags.DurationVar(&o.Latency, "latency", 3*time.Millisecond, "median time of a payment's work in the database; 0 is none")
	flags.DurationVar(&o.NotifyLatency, "notify-latency", time.Millisecond, "time the embedded notification service takes; 0 is none")
	flags.Float64Var(&o.NotifyFailures, "notify-failures", 0, "share of notifications the embedded service fails, 0 to 1")
	flags.IntVar(&o.Leak, "leak", 0, "bytes of memory each payment leaves behind for good")
	verbose := flags.Bool("verbose", false, "log each failed request")
	if err := flags.Parse(args); err != nil {
		return o, level, err
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("unexpected argument %q; paydemo takes flags only, see -help", flags.Arg(0))
		_, _ = fmt.Fprintln(stderr, "paydemo:", err)
		return o, level, err
	}
	if *verbose {
		level = slog.LevelDebug
	}
	// On the command line 0 is none; in Options it is the default.
	if o.Latency == 0 {
		o.Latency = -1
	}
	if o.NotifyLatency == 0 {
		o.NotifyLatency = -1
	}
	return o, level, nil
}

// version is the version of the module this was built from, or "dev".
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
