package service

import (
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/redis/go-redis/v9/logging"
)

// ParseFlags reads options from a command line. What is wrong with it, and help, is written to out.
func ParseFlags(args []string, out io.Writer) (o Options, verbose bool, err error) {
	flags := flag.NewFlagSet("paydemo", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:8000", "`address` to listen on; port 0 takes a free one")
	flags.StringVar(&o.Redis, "redis", "", "`address` of a Redis that keeps the payments (default an embedded one)")
	flags.StringVar(&o.RedisListen, "redis-listen", "", "`address` of the embedded database, also with -redis: which is then a way to it, such as a proxy")
	flags.IntVar(&o.PoolSize, "pool", 5, "most connections to the database at once")
	flags.DurationVar(&o.PoolTimeout, "pool-timeout", 250*time.Millisecond, "how long a request waits for a database connection")
	flags.DurationVar(&o.DatabaseTimeout, "database-timeout", 500*time.Millisecond, "time limit of connecting to the database and of each read and write")
	flags.IntVar(&o.Keep, "keep", 10_000, "how many payments are kept")
	flags.StringVar(&o.Notify, "notify", "", "`URL` that notifications are posted to (default an embedded service)")
	flags.StringVar(&o.NotifyListen, "notify-listen", "", "`address` of the embedded notification service, also with -notify: which is then a way to it")
	flags.DurationVar(&o.NotifyTimeout, "notify-timeout", 500*time.Millisecond, "time limit of one notification")
	flags.IntVar(&o.BreakerFailures, "breaker-failures", 5, "consecutive failures that open the circuit breaker")
	flags.DurationVar(&o.BreakerReset, "breaker-reset", 5*time.Second, "how long the circuit breaker stays open")
	flags.DurationVar(&o.Latency, "latency", 3*time.Millisecond, "median time of a payment's work in the database; 0 is none")
	flags.DurationVar(&o.NotifyLatency, "notify-latency", time.Millisecond, "time the embedded notification service takes; 0 is none")
	flags.Float64Var(&o.NotifyFailures, "notify-failures", 0, "share of notifications the embedded service fails, 0 to 1")
	flags.IntVar(&o.Workers, "workers", 0, "how many requests are worked on at once; 0 is no limit. The capacity is workers / work")
	flags.DurationVar(&o.Work, "work", 10*time.Millisecond, "how long a worker is busy with each request")
	flags.IntVar(&o.Leak, "leak", 0, "bytes of memory each payment leaves behind for good")
	flags.IntVar(&o.LeakPerSecond, "leak-per-second", 0, "bytes of memory left behind each second")
	flags.DurationVar(&o.Warmup, "warmup", 0, "time constant of a slow start: work begins -warmup-factor times slower, and gets faster exponentially; 0 is none")
	flags.Float64Var(&o.WarmupFactor, "warmup-factor", 3, "how many times slower work is at the first request")
	flags.Float64Var(&o.Slowdown, "slowdown", 1, "how many times longer all work takes, as in a slower build")
	flags.StringVar(&o.Version, "build", "", "`version` shown as build_info (default that of the program)")
	flags.BoolVar(&verbose, "verbose", false, "log each failed request")
	if err := flags.Parse(args); err != nil {
		return o, false, err
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("unexpected argument %q; paydemo takes flags only, see -help", flags.Arg(0))
		_, _ = fmt.Fprintln(out, "paydemo:", err)
		return o, false, err
	}
	// On the command line 0 is none; in Options it is the default.
	if o.Latency == 0 {
		o.Latency = -1
	}
	if o.NotifyLatency == 0 {
		o.NotifyLatency = -1
	}
	return o, verbose, nil
}

// QuietLibraries keeps the Redis client of this process from writing to standard error: what it meets is in our own log.
func QuietLibraries() { logging.Disable() }
