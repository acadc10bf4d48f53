// Command paydemo is a payment service to aim load tests at.
package main

import (
	"cmp"
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

	"tidegauge/cmd/paydemo/service"
)

func main() {
	service.QuietLibraries()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the command: it returns its exit code, 0 for a clean end, 1 for a service that failed, 2 for wrong flags.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	options, verbose, err := service.ParseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	options.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	options.Version = cmp.Or(options.Version, version())
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

// version is the version of the module this was built from, or "dev".
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
