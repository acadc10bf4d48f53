// Command tidegauge runs load tests written in YAML and says whether the service passed.
package main

import (
	"bytes"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // a reader that leaves, as `| head` does, does not end a run
	log.SetOutput(&withoutHTTP{os.Stderr})
	os.Exit(execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv))
}

// withoutHTTP is an output of the standard logger without what HTTP clients, which have no logger of their own, say there of a
// server that answers before it is asked: whoever made the request says what became of it.
type withoutHTTP struct{ w io.Writer }

func (o *withoutHTTP) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("Unsolicited response received on idle HTTP channel")) {
		return len(line), nil
	}
	return o.w.Write(line)
}
