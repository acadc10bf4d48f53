//go:build linux

// Command bench compares what load generators cost: processor time per request, memory, and how late they send.
//
// Each tool runs as a process of its own against an nginx that bench starts on loopback, and is judged by what that nginx
// saw and by what the kernel says the process used. See README.md for how to read the tables.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the command: it returns 0, 1 if nothing could be measured, or 2 if the flags are wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "loop" {
		return exitCode(loop(ctx, args[1:], stderr), stderr)
	}
	b, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	return exitCode(b.run(ctx, stdout, stderr), stderr)
}

func exitCode(err error, stderr io.Writer) int {
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		_, _ = fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// scenario is a way of loading the server.
type scenario struct {
	name        string
	connections int
	rate        int // requests per second; 0 is closed: as many as the server answers
}

// title says what a scenario is, above its table.
func (s scenario) title() string {
	if s.rate == 0 {
		return fmt.Sprintf("closed, %d connections", s.connections)
	}
	return fmt.Sprintf("open, %s/s", thousands(s.rate))
}

func scenarios() []scenario {
	return []scenario{
		{name: "closed", connections: 50},
		{name: "open1k", connections: 50, rate: 1_000},
		{name: "open10k", connections: 50, rate: 10_000},
	}
}

// bench is one invocation.
type bench struct {
	duration time.Duration
	rounds   int
	tools    []tool
	dir      string // for everything temporary
}

func parse(args []string, stderr io.Writer) (*bench, error) {
	b := &bench{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&b.duration, "duration", 10*time.Second, "how long each tool loads the server, in each table")
	flags.IntVar(&b.rounds, "rounds", 1, "how often everything is measured; the tables show medians")
	var names []string
	for _, t := range tools() {
		names = append(names, t.name)
	}
	chosen := flags.String("tools", strings.Join(names, ","), "the tools to run, separated by commas")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	err := func() error {
		if flags.NArg() > 0 {
			return fmt.Errorf("unexpected argument %q; bench takes flags only, see -help", flags.Arg(0))
		}
		if b.duration < time.Second {
			return fmt.Errorf("-duration is %v; give at least 1s", b.duration)
		}
		if b.rounds < 1 {
			return fmt.Errorf("-rounds is %d; give at least 1", b.rounds)
		}
		for name := range strings.SplitSeq(*chosen, ",") {
			i := slices.Index(names, strings.TrimSpace(name))
			if i < 0 {
				return fmt.Errorf("-tools has %q; there are %s", name, strings.Join(names, ", "))
			}
			b.tools = append(b.tools, tools()[i])
		}
		return nil
	}()
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "bench:", err)
	}
	return b, err
}

func (b *bench) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	nginx, version, err := findNginx(ctx)
	if err != nil {
		return err
	}
	b.dir, err = os.MkdirTemp("", "tidegauge-bench-")
	if err != nil {
		return fmt.Errorf("making a folder for temporary files: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()

	programs := map[string]program{}
	for _, t := range b.tools {
		_, _ = fmt.Fprintf(stderr, "preparing %s\n", t.name)
		path, err := t.prepare(ctx, b.dir)
		programs[t.name] = program{path, err}
	}
	results := map[string]map[string][]result{} // by scenario, then tool
	for round := range b.rounds {
		for _, s := range scenarios() {
			if results[s.name] == nil {
				results[s.name] = map[string][]result{}
			}
			for _, t := range b.tools {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if s.rate > 0 && !t.open {
					continue
				}
				_, _ = fmt.Fprintf(stderr, "round %d of %d: %s, %s\n", round+1, b.rounds, s.title(), t.name)
				r := b.measure(ctx, nginx, s, t, programs[t.name])
				results[s.name][t.name] = append(results[s.name][t.name], r)
			}
		}
	}
	_, _ = fmt.Fprintf(stdout, "%d CPUs, %s/%s, %s, %s, %v per run, median of %d\n",
		runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), version, b.duration, b.rounds)
	for _, s := range scenarios() {
		if err := writeTable(stdout, s, b.duration, b.tools, results[s.name]); err != nil {
			return err
		}
	}
	return nil
}

// program is a tool that was found or built, or the reason why not.
type program struct {
	path string
	err  error
}

// result is what one run of a tool used and did.
type result struct {
	requests int           // as the server counted them
	cpu      time.Duration // user and system time of the process
	memory   int64         // peak resident set, bytes
	lateness lateness      // open scenarios only
	note     string        // something to know about the figures
	said     string        // the last line of a tool that ended with an error
	err      error         // then there are none
}

func (r result) perRequest() time.Duration { return r.cpu / time.Duration(max(1, r.requests)) }

// measure runs one tool once against an nginx of its own.
func (b *bench) measure(ctx context.Context, nginx string, s scenario, t tool, p program) (r result) {
	if p.err != nil {
		return result{err: p.err}
	}
	dir, err := os.MkdirTemp(b.dir, s.name+"-"+filepath.Base(t.name)+"-")
	if err != nil {
		return result{err: err}
	}
	server, err := startNginx(ctx, nginx, dir)
	if err != nil {
		return result{err: err}
	}
	defer func() {
		if err := server.stop(); err != nil {
			r.err = cmp.Or(r.err, err)
			return
		}
		if s.rate > 0 && r.err == nil {
			r.lateness, r.err = readLateness(server.log(), s.rate)
		}
	}()
	args, err := t.arguments(job{scenario: s, url: server.url(s), duration: b.duration, dir: dir})
	if err != nil {
		return result{err: err}
	}
	r = runChild(ctx, b.duration, dir, p.path, args)
	if r.err != nil {
		return r
	}
	r.requests, err = server.requests(ctx)
	switch {
	case err != nil:
		r.err = err
	case r.requests == 0:
		r.err = fmt.Errorf("the server saw no request; the tool's end: %s, %q", cmp.Or(r.note, "exit status 0"), r.said)
	}
	return r
}
