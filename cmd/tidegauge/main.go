// Command tidegauge runs load tests written in YAML and says whether the service passed.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // a reader that leaves, as `| head` does, does not end a run
	os.Exit(execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv))
}
