//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tool is a load generator.
type tool struct {
	name string
	open bool // whether it can send at a rate that does not depend on the answers
	// prepare finds or builds the program and returns its path. Its error says how to get it.
	prepare func(ctx context.Context, dir string) (string, error)
	// arguments returns the program's arguments for a job, and writes the files they name.
	arguments func(job) ([]string, error)
}

// job is what a tool is to do.
type job struct {
	scenario
	url      string
	duration time.Duration
	dir      string // a folder of its own, and the working directory
}

func (j job) seconds() string { return strconv.FormatFloat(j.duration.Seconds(), 'f', -1, 64) + "s" }

func (j job) write(name, content string) (string, error) {
	file := filepath.Join(j.dir, name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		return "", fmt.Errorf("writing %s: %w", file, err)
	}
	return file, nil
}

// tools are all there are, in the order of the tables.
func tools() []tool {
	return []tool{
		{"wrk", false, fromDebian("wrk"), wrkArguments},
		{"fasthttp", true, itself, loopArguments("fasthttp")},
		{"net/http", true, itself, loopArguments("net/http")},
		{"tidegauge", true, buildTidegauge, tidegaugeArguments},
		{"hey", false, fromModule("github.com/rakyll/hey", "v0.1.5"), heyArguments},
		{"vegeta", true, fromModule("github.com/tsenart/vegeta/v12", "v12.13.0"), vegetaArguments},
		{"k6", true, fromModule("go.k6.io/k6", "v1.8.1"), k6Arguments},
	}
}

func fromDebian(name string) func(context.Context, string) (string, error) {
	return func(context.Context, string) (string, error) {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("absent: apt-get install %s", name)
		}
		return path, nil
	}
}

func itself(context.Context, string) (string, error) { return os.Executable() }

// fromModule builds a program of a Go module once, and keeps it in the user's cache.
func fromModule(module, version string) func(context.Context, string) (string, error) {
	return func(ctx context.Context, _ string) (string, error) {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("looking for a place to keep programs: %w", err)
		}
		name := filepath.Base(strings.TrimSuffix(module, "/v12"))
		dir := filepath.Join(cache, "tidegauge-bench", name+"-"+version)
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		// GOFLAGS and GOWORK could tie the build to the module it is started from.
		if err := goCommand(ctx, []string{"GOBIN=" + dir, "GOFLAGS=", "GOWORK=off"}, "install", module+"@"+version); err != nil {
			return "", fmt.Errorf("absent: go install %s@%s: %w", module, version, err)
		}
		return path, nil
	}
}

func buildTidegauge(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "tidegauge")
	if err := goCommand(ctx, nil, "build", "-o", path, "tidegauge/cmd/tidegauge"); err != nil {
		return "", fmt.Errorf("building tidegauge (start bench inside its repository): %w", err)
	}
	return path, nil
}

func goCommand(ctx context.Context, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(err, errors.New(lastLine(string(out))))
	}
	return nil
}

func wrkArguments(j job) ([]string, error) {
	return []string{"-t1", "-c" + strconv.Itoa(j.connections), "-d" + j.seconds(), j.url}, nil
}

func loopArguments(client string) func(job) ([]string, error) {
	return func(j job) ([]string, error) {
		return []string{"loop", "-client", client, "-url", j.url, "-connections", strconv.Itoa(j.connections),
			"-duration", j.seconds(), "-rate", strconv.Itoa(j.rate)}, nil
	}
}

func heyArguments(j job) ([]string, error) {
	return []string{"-z", j.seconds(), "-c", strconv.Itoa(j.connections), j.url}, nil
}

func vegetaArguments(j job) ([]string, error) {
	targets, err := j.write("targets.txt", "GET "+j.url+"\n")
	if err != nil {
		return nil, err
	}
	args := []string{"attack", "-targets", targets, "-duration", j.seconds(), "-output", filepath.Join(j.dir, "results.bin")}
	if j.rate > 0 {
		return append(args, "-rate", strconv.Itoa(j.rate)+"/1s"), nil // with as many connections as it sees fit
	}
	n := strconv.Itoa(j.connections)
	return append(args, "-rate", "0", "-workers", n, "-max-workers", n, "-connections", n), nil
}

func k6Arguments(j job) ([]string, error) {
	options := fmt.Sprintf(`executor: "constant-vus", vus: %d, duration: "%s"`, j.connections, j.seconds())
	if j.rate > 0 {
		options = fmt.Sprintf(`executor: "constant-arrival-rate", rate: %d, timeUnit: "1s", duration: "%s", preAllocatedVUs: %d, maxVUs: %d`,
			j.rate, j.seconds(), j.connections, 10*j.connections)
	}
	script, err := j.write("script.js", fmt.Sprintf(`import http from "k6/http";
export const options = { scenarios: { load: { %s } } };
export default function () { http.get("%s"); }
`, options, j.url))
	return []string{"run", "--quiet", script}, err
}

func tidegaugeArguments(j job) ([]string, error) {
	load := fmt.Sprintf("arrivals: %d/s, max_users: %d", j.rate, 10*j.connections)
	if j.rate == 0 {
		load = fmt.Sprintf("users: %d, spawn_rate: 1000000", j.connections)
	}
	plan, err := j.write("plan.yaml", fmt.Sprintf(`name: bench
target: {base_url: "%s"}
classes:
  Client:
    tasks:
      - {get: /, check: [status == 200]}
objectives: [p99 < 1s, error_rate < 1%%]
tests:
  %s: {%s, duration: %s}
`, strings.TrimSuffix(j.url, "/"), j.name, load, j.seconds()))
	return []string{"run", plan, "--test", j.name, "--data-dir", filepath.Join(j.dir, "data"), "--headless",
		"--json", filepath.Join(j.dir, "report.json"), "--csv", filepath.Join(j.dir, "locust")}, err
}
