//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"
)

// lateness is how long after its time a request reached the server.
type lateness struct{ p50, p99, max time.Duration }

// readLateness reads a log of arrivals, a time in seconds on each line.
func readLateness(file string, rate int) (l lateness, err error) {
	f, err := os.Open(file)
	if err != nil {
		return l, fmt.Errorf("reading the arrivals: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	arrivals, err := parseArrivals(f)
	if err != nil {
		return l, fmt.Errorf("reading the arrivals in %s: %w", file, err)
	}
	return latenessOf(arrivals, rate)
}

func parseArrivals(r io.Reader) ([]time.Duration, error) {
	var arrivals []time.Duration
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		seconds, err := strconv.ParseFloat(lines.Text(), 64)
		if err != nil || !(seconds >= 0 && seconds < 1e10) {
			return nil, fmt.Errorf("%q is not a time in seconds", lines.Text())
		}
		// Whole milliseconds first: a float64 of today's seconds is no finer than a fraction of a microsecond.
		arrivals = append(arrivals, time.Duration(seconds*1e3+0.5)*time.Millisecond)
	}
	return arrivals, lines.Err()
}

// latenessOf compares the n-th arrival with the time at which it was due, start + n/rate. The server does not know the
// start, so it is taken from the arrivals: the earliest start that fits them, but for the one hundredth of them that fit
// it least (a tool may send a request before its load begins).
func latenessOf(arrivals []time.Duration, rate int) (lateness, error) {
	if len(arrivals) == 0 {
		return lateness{}, errors.New("no request arrived")
	}
	slices.Sort(arrivals)
	late := make([]time.Duration, len(arrivals))
	for n, at := range arrivals {
		late[n] = at - time.Duration(n)*time.Second/time.Duration(rate)
	}
	slices.Sort(late)
	start := late[len(late)/100]
	quantile := func(q float64) time.Duration {
		return max(0, late[min(len(late)-1, int(q*float64(len(late))))]-start)
	}
	return lateness{quantile(0.5), quantile(0.99), quantile(1)}, nil
}
