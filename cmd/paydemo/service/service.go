// Package service is a small payment service to aim load tests at: HTTP in front, a Redis-protocol database behind a
// bounded pool of TCP connections, and a notification service downstream behind a circuit breaker.
//
// It needs nothing installed: without addresses of its own it runs an embedded database and an embedded notification
// service, each on a loopback port, so that every request still crosses real sockets.
package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// Options say what the service talks to and how it behaves. The zero Options are the defaults named at each field.
type Options struct {
	Listen  string // address to listen on; "127.0.0.1:8000". Port 0 takes a free one, see Service.URL
	Version string // shown as build_info; "dev"

	Redis           string        // address of a Redis; empty: an embedded one
	RedisListen     string        // address of the embedded database, beside Redis too, which is then a way to it; a free port
	PoolSize        int           // most connections to the database at once; 5
	PoolTimeout     time.Duration // how long a request waits for a free connection before it is answered 503; 250 ms
	DatabaseTimeout time.Duration // of connecting and of each read and write; 500 ms
	Keep            int           // how many payments are kept, the oldest being forgotten first; 10,000

	Notify          string        // URL notifications are posted to; empty: an embedded service
	NotifyListen    string        // address of the embedded service, beside Notify too, which is then a way to it; a free port
	NotifyTimeout   time.Duration // of one notification; 500 ms
	BreakerFailures int           // consecutive failures that open the circuit breaker; 5
	BreakerReset    time.Duration // how long the breaker stays open before it lets one notification through; 5 s

	// Behaviours.
	Latency        time.Duration // median time a payment's unit of work takes in the database, log-normal; 3 ms, negative: none
	NotifyLatency  time.Duration // time the embedded notification service takes; 1 ms, negative: none
	NotifyFailures float64       // share of notifications the embedded service answers with 500, 0..1
	Leak           int           // bytes of memory that each payment made leaves behind for good, for soak tests to find
	LeakPerSecond  int           // bytes of memory left behind each second
	Workers        int           // how many requests are worked on at once; 0: any number. Workers / Work is the capacity per second
	Work           time.Duration // how long a worker is busy with each request; 10 ms
	Slowdown       float64       // how many times longer all work takes; 1
	Warmup         time.Duration // time constant of a slow start, from the first request on; 0: none
	WarmupFactor   float64       // how many times longer all work takes at the first request; 3

	Log *slog.Logger // what the service did; each failed request at level debug. nil: no log
}

func (o Options) withDefaults() Options {
	o.Listen = cmp.Or(o.Listen, "127.0.0.1:8000")
	o.Version = cmp.Or(o.Version, "dev")
	o.PoolSize = cmp.Or(o.PoolSize, 5)
	o.PoolTimeout = cmp.Or(o.PoolTimeout, 250*time.Millisecond)
	o.DatabaseTimeout = cmp.Or(o.DatabaseTimeout, 500*time.Millisecond)
	o.Keep = cmp.Or(o.Keep, 10_000)
	o.NotifyTimeout = cmp.Or(o.NotifyTimeout, 500*time.Millisecond)
	o.BreakerFailures = cmp.Or(o.BreakerFailures, 5)
	o.BreakerReset = cmp.Or(o.BreakerReset, 5*time.Second)
	o.Latency = max(0, cmp.Or(o.Latency, 3*time.Millisecond))
	o.NotifyLatency = max(0, cmp.Or(o.NotifyLatency, time.Millisecond))
	o.Work = cmp.Or(o.Work, 10*time.Millisecond)
	o.Slowdown = cmp.Or(o.Slowdown, 1)
	o.WarmupFactor = cmp.Or(o.WarmupFactor, 3)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"pool size", int64(o.PoolSize)},
		{"pool timeout", int64(o.PoolTimeout)},
		{"database timeout", int64(o.DatabaseTimeout)},
		{"number of payments kept", int64(o.Keep)},
		{"notification timeout", int64(o.NotifyTimeout)},
		{"number of failures that open the breaker", int64(o.BreakerFailures)},
		{"breaker reset time", int64(o.BreakerReset)},
		{"number of workers", int64(o.Workers)},
		{"time of a worker's work", int64(o.Work)},
		{"time constant of the warm-up", int64(o.Warmup)},
	} {
		if n.value < 0 {
			errs = append(errs, fmt.Errorf("%s is negative; give a positive value, or 0 for the default", n.name))
		}
	}
	if o.BreakerFailures > math.MaxInt32 {
		errs = append(errs, fmt.Errorf("number of failures that open the breaker is %d; give one below %d", o.BreakerFailures, math.MaxInt32))
	}
	if !(o.NotifyFailures >= 0 && o.NotifyFailures <= 1) {
		errs = append(errs, fmt.Errorf("share of failing notifications is %v; give one between 0 and 1", o.NotifyFailures))
	}
	for _, bytes := range []int{o.Leak, o.LeakPerSecond} {
		if bytes < 0 {
			errs = append(errs, fmt.Errorf("leak is %d bytes; give 0 or more", bytes))
		}
	}
	for _, factor := range []float64{o.Slowdown, o.WarmupFactor} {
		if !(factor >= 0 && factor <= 1000) {
			errs = append(errs, fmt.Errorf("a factor of %v; give one above 0 and up to 1000", factor))
		}
	}
	if o.Redis != "" {
		if _, _, err := net.SplitHostPort(o.Redis); err != nil {
			errs = append(errs, fmt.Errorf("redis address %q: %w; give host:port", o.Redis, err))
		}
	}
	if o.Notify != "" {
		if u, err := url.Parse(o.Notify); err != nil {
			errs = append(errs, fmt.Errorf("notification URL: %w", err))
		} else if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			errs = append(errs, fmt.Errorf("notification URL %q: give an http or https URL with a host", o.Notify))
		}
	}
	return errors.Join(errs...)
}

// Service is the payment service. It is used once: New, Run, and it is over.
type Service struct {
	options  Options
	listener net.Listener
}

// New checks the options and takes the address to listen on, so that URL is known; it starts nothing. Whoever does not
// go on to Run calls Close.
func New(o Options) (*Service, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("payment service options: %w", err)
	}
	o = o.withDefaults()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("payment service: listening on %q: %w; choose another address", o.Listen, err)
	}
	return &Service{options: o, listener: listener}, nil
}

// URL returns the base URL of the service, without a slash at the end. A client may connect from New on; it is answered
// once Run is running.
func (s *Service) URL() string {
	address := s.listener.Addr().(*net.TCPAddr)
	if address.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", address.Port)
	}
	return "http://" + address.String()
}

// Close gives the address back. Run does so by itself; a second Close does nothing.
func (s *Service) Close() error {
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("payment service: closing its listener: %w", err)
	}
	return nil
}

// Run serves until ctx is done, then lets the requests in flight finish, ends everything it started and returns nil. It
// returns an error if the service could not start or broke down.
func (s *Service) Run(ctx context.Context) (err error) {
	o := s.options
	defer func() { err = errors.Join(err, s.Close()) }()
	if o.Redis == "" || o.RedisListen != "" {
		embedded := miniredis.NewMiniRedis()
		if err := embedded.StartAddr(cmp.Or(o.RedisListen, "127.0.0.1:0")); err != nil {
			return fmt.Errorf("payment service: starting the embedded database: %w", err)
		}
		defer embedded.Close()
		o.Redis = cmp.Or(o.Redis, embedded.Addr())
	}
	if o.Notify == "" || o.NotifyListen != "" {
		downstream, startErr := startDownstream(context.WithoutCancel(ctx), o)
		if startErr != nil {
			return startErr
		}
		defer func() { err = errors.Join(err, downstream.stop()) }()
		o.Notify = cmp.Or(o.Notify, downstream.url())
	}
	metrics := newMetrics(o)
	leaking := &leak{size: o.Leak}
	bad := newBehaviour(o)
	payments := newDatabase(o, bad.factor)
	defer func() { err = errors.Join(err, payments.close()) }()
	notifications := newNotifier(o, metrics)
	defer notifications.close()
	metrics.watch(payments, notifications)

	api := &api{payments: payments, notifications: notifications, metrics: metrics, leak: leaking, bad: bad, log: o.Log}
	if o.LeakPerSecond > 0 {
		var dripping sync.WaitGroup
		defer dripping.Wait()
		drip, stop := context.WithCancel(ctx)
		defer stop()
		dripping.Go(func() {
			if _, err := bad.leakSteadily(drip); err != nil {
				o.Log.Error("the leak ended", "error", err)
			}
		})
	}
	front := startServer(s.listener, api.handler())
	o.Log.Info("payment service listening", "url", s.URL(), "redis", o.Redis, "notify", o.Notify)
	select {
	case <-ctx.Done():
		return front.stop()
	case err := <-front.ended:
		return fmt.Errorf("payment service: serving: %w", err)
	}
}

// server is an HTTP server that was started; whoever started it stops it.
type server struct {
	http  *http.Server
	ended chan error // receives what Serve returned
}

func startServer(listener net.Listener, handler http.Handler) *server {
	s := &server{
		http:  &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute},
		ended: make(chan error, 1),
	}
	go func() { s.ended <- s.http.Serve(listener) }()
	return s
}

// shutdownTimeout is how long requests in flight may take to finish. It is longer than the 5 s for which net/http's Shutdown
// waits for a connection that was made and never used, as a client makes that dials ahead.
const shutdownTimeout = 8 * time.Second

// stop waits for the requests in flight, for shutdownTimeout at most, and for the server to end.
func (s *server) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("payment service: ending: %w", err), s.http.Close())
	}
	if ended := <-s.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}
