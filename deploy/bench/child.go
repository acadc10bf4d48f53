//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// grace is how much longer than its load a tool may take, to start and to say what it found.
const grace = 60 * time.Second

// runChild runs a program to its end and says what it used. A program that ends with an error is measured all the same,
// with a note: some say by their exit code that they are not content with the server.
func runChild(ctx context.Context, duration time.Duration, dir, path string, args []string) result {
	ctx, cancel := context.WithTimeout(ctx, duration+grace)
	defer cancel()
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &output, &output
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "K6_NO_USAGE_REPORT=true")
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return result{err: fmt.Errorf("starting %s: %w", path, err)}
	}
	ended := make(chan struct{})
	peak := make(chan int64)
	go func() { peak <- watchMemory(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	close(ended)
	r := result{memory: <-peak}
	if ctx.Err() != nil {
		return result{err: fmt.Errorf("%s was ended: %w", path, context.Cause(ctx))}
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.note, r.said = err.Error(), lastLine(output.String())
	case err != nil:
		return result{err: fmt.Errorf("running %s: %w", path, err)}
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return result{err: errors.New("this system does not say what a process used")}
	}
	r.cpu = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	if r.memory == 0 {
		r.memory = usage.Maxrss << 10
	}
	return r
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// watchMemory returns the peak resident set of a process in bytes, 0 if it was never seen. Maxrss of the resource usage
// does not serve: for a child that shared its parent's memory until it called exec it is never less than the parent's.
func watchMemory(pid int, ended <-chan struct{}) int64 {
	const interval = 20 * time.Millisecond
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var peak int64
	for {
		select {
		case <-ended:
			return peak
		case <-ticker.C:
			// Once the process is gone there is nothing to read, and the last figure stands.
			if status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status"); err == nil {
				peak = max(peak, highWater(string(status)))
			}
		}
	}
}

// highWater returns VmHWM of a /proc/PID/status in bytes; 0 if it is not there.
func highWater(status string) int64 {
	for line := range strings.Lines(status) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return kilobytes << 10
		}
	}
	return 0
}
