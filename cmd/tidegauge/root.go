package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// console is what a command talks to: tests give it buffers.
type console struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) (string, bool)
}

// execute runs the command line and returns the exit code. It is main as a function.
func execute(args []string, in io.Reader, out, stderr io.Writer, getenv func(string) (string, bool)) int {
	c := &console{in, out, stderr, getenv}
	root := newRoot(c)
	root.SetArgs(args)
	err := runCommand(root)
	if err != nil && !errors.Is(err, errSaid) {
		fmt.Fprintf(stderr, "tidegauge: %v\n", err)
		if codeOf(err) == exitUsage {
			fmt.Fprintln(stderr, "tidegauge: see tidegauge --help")
		}
	}
	return int(codeOf(err))
}

// runCommand runs the command that the arguments name. What keeps it from running at all is wrong with the command line.
func runCommand(root *cobra.Command) error {
	ran := false
	for _, cmd := range append(root.Commands(), subcommands(root)...) {
		if do := cmd.RunE; do != nil {
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				ran = true
				return do(cmd, args)
			}
		}
	}
	err := root.ExecuteContext(context.Background())
	if err != nil && !ran {
		return withCode(exitUsage, err)
	}
	return err
}

func subcommands(root *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, cmd := range root.Commands() {
		all = append(all, cmd.Commands()...)
	}
	return all
}

func newRoot(c *console) *cobra.Command {
	root := &cobra.Command{
		Use:   "tidegauge",
		Short: "Load tests with an answer",
		Long: `tidegauge runs load tests written in YAML against a service, measures response times from the moment each
request was meant to start, keeps everything in an embedded Prometheus, and says whether the service met its
objectives.

Start with:  tidegauge demo

` + exitCodesHelp(),
		Version:           version(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetVersionTemplate("tidegauge {{.Version}}\n")
	root.AddCommand(newRun(c), newDemo(c), newDemoService(c), newValidate(c), newExplain(c), newRuns(c), newReport(c), newCompare(c), newBaseline(c), newRules(c), newServe(c), newToken(c))
	return root
}

// hangups are the signals of a terminal that was closed, unless whoever started the process (nohup) had it ignore them.
func hangups() []os.Signal {
	if signal.Ignored(syscall.SIGHUP) {
		return nil
	}
	return []os.Signal{syscall.SIGHUP}
}

// outliveReader has writes to a standard output that nobody reads any more fail, instead of killing the process: a run has
// faults to undo and results to keep. The function that it returns ends that.
func outliveReader() (release func()) {
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	return func() { signal.Stop(pipes) }
}

// version returns the version that the Go toolchain stamped into the binary.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// interrupts turns signals into the two ways a run can be ended: the first SIGINT, SIGTERM or one of others closes stop, the
// second cancels the context, and a third kills the process as it would any other. release gives the signals back.
func interrupts(parent context.Context, first func(), others ...os.Signal) (ctx context.Context, stop <-chan struct{}, release func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, append(others, os.Interrupt, syscall.SIGTERM)...)
	stopped := make(chan struct{})
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-signals:
			first()
			close(stopped)
		case <-done:
			return
		}
		select {
		case <-signals:
			signal.Stop(signals)
			cancel()
		case <-done:
		}
	}()
	return ctx, stopped, func() {
		signal.Stop(signals)
		close(done)
		<-ended
		cancel()
	}
}
