//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// loop is the bare client that the tools are measured against: it sends requests and looks at their status, nothing else.
func loop(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench loop", flag.ContinueOnError)
	flags.SetOutput(stderr)
	client := flags.String("client", "fasthttp", "fasthttp or net/http")
	target := flags.String("url", "", "what to get")
	connections := flags.Int("connections", 50, "how many connections")
	duration := flags.Duration("duration", 10*time.Second, "how long")
	rate := flags.Int("rate", 0, "requests per second; 0 is as many as are answered")
	if err := flags.Parse(args); err != nil {
		return err
	}
	u, err := url.Parse(*target)
	if err != nil || u.Host == "" {
		return fmt.Errorf("loop: -url is %q; give a whole URL", *target)
	}
	var newGet func() func() (int, error)
	switch *client {
	case "fasthttp":
		newGet = fasthttpGet(u, *connections)
	case "net/http":
		newGet = netGet(ctx, u, *connections)
	default:
		return fmt.Errorf("loop: -client is %q; give fasthttp or net/http", *client)
	}
	ctx, cancel := context.WithTimeout(ctx, *duration)
	defer cancel()
	due := func() bool { return ctx.Err() == nil }
	var group sync.WaitGroup
	if *rate > 0 {
		slots := make(chan struct{}, *rate) // a second's worth may wait for a connection
		group.Go(func() { pace(ctx, *rate, slots) })
		due = func() bool { _, ok := <-slots; return ok }
	}
	errs := make([]error, *connections)
	for i := range errs {
		group.Go(func() {
			get := newGet()
			for due() && errs[i] == nil {
				var status int
				if status, errs[i] = get(); errs[i] == nil && status != http.StatusOK {
					errs[i] = fmt.Errorf("loop: status %d", status)
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// pace gives out a slot each time a request is due, until ctx is done, and then closes slots.
func pace(ctx context.Context, rate int, slots chan<- struct{}) {
	defer close(slots)
	start := time.Now()
	for n := 0; ; n++ {
		due := start.Add(time.Duration(n) * time.Second / time.Duration(rate))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		if ctx.Err() != nil {
			return
		}
		select {
		case slots <- struct{}{}:
		default:
		}
	}
}

func fasthttpGet(u *url.URL, connections int) func() func() (int, error) {
	client := &fasthttp.HostClient{Addr: u.Host, MaxConns: connections}
	return func() func() (int, error) {
		request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		request.SetRequestURI(u.String())
		return func() (int, error) {
			err := client.Do(request, response)
			return response.StatusCode(), err
		}
	}
}

func netGet(ctx context.Context, u *url.URL, connections int) func() func() (int, error) {
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections}}
	return func() func() (int, error) {
		return func() (int, error) {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
			if err != nil {
				return 0, err
			}
			response, err := client.Do(request)
			if err != nil {
				return 0, err
			}
			_, err = io.Copy(io.Discard, response.Body)
			return response.StatusCode, errors.Join(err, response.Body.Close())
		}
	}
}
