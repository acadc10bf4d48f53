package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tidegauge/cmd/paydemo/service"
)

// demoServiceName is the hidden subcommand that is the payment service. The demo runs it as a process of its own, so that
// what is measured of the service's memory, files and CPU is not the load generator's.
const demoServiceName = "demo-service"

// newDemoService serves until its standard input ends: with the process that started it, however that ends.
func newDemoService(c *console) *cobra.Command {
	return &cobra.Command{
		Use: demoServiceName, Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			service.QuietLibraries()
			options, _, err := service.ParseFlags(args, c.err)
			if err != nil {
				return withCode(exitUsage, errSaid)
			}
			s, err := service.New(options)
			if err != nil {
				return withCode(exitInternal, fmt.Errorf("starting the payment service: %w", err))
			}
			fmt.Fprintln(c.out, s.URL())
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			go func() { // ends with the process: nothing interrupts a read of standard input
				_, _ = io.Copy(io.Discard, c.in)
				cancel()
			}()
			if err := s.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				return withCode(exitInternal, fmt.Errorf("the payment service ended with: %w", err))
			}
			return nil
		},
	}
}

// demoProcess is a payment service in a process of its own.
type demoProcess struct {
	url   string
	cmd   *exec.Cmd
	stdin io.Closer
}

// endDemoWithin is how long the service may take to end.
const endDemoWithin = 10 * time.Second

// startDemoService starts it and returns when it listens.
func startDemoService(ctx context.Context, stderr io.Writer, flags []string) (*demoProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), self, append([]string{demoServiceName}, flags...)...)
	ownGroup(cmd)
	cmd.Stderr = stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	p := &demoProcess{url: strings.TrimSpace(line), cmd: cmd, stdin: stdin}
	if err != nil {
		return nil, errors.Join(errors.New("it ended before it listened"), p.end())
	}
	return p, nil
}

// end ends the service and waits for it.
func (p *demoProcess) end() error {
	if err := p.stdin.Close(); err != nil {
		return err
	}
	late := time.AfterFunc(endDemoWithin, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	return p.cmd.Wait()
}
