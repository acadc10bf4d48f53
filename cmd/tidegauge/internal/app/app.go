// Package app puts the command together: the store, the history, the HTTP listener and the lab that runs tests.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"tidegauge/engine/experiment"
	"tidegauge/engine/history"
	"tidegauge/engine/store"
)

// Config says where things are.
type Config struct {
	DataDir   string        // for the store and the runs; created if it is not there
	Listen    string        // address of the query API and /metrics; empty: none
	Retention time.Duration // of the store; default the store's
	Version   string
	Logger    *slog.Logger // default: discard
}

// App is the command put together. New opens, Start serves, Stop undoes both in reverse.
type App struct {
	Lab      *experiment.Lab
	History  *history.History
	config   Config
	store    *store.Store
	listener net.Listener
	server   *http.Server
	served   sync.WaitGroup
	metrics  atomic.Pointer[http.Handler]
}

// New opens the store and the history and listens, but starts nothing. What it opened is closed again when it fails.
func New(ctx context.Context, c Config) (*App, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(c.DataDir, 0o755); err != nil {
		return nil, fmt.Errorf("creating the data directory: %w; choose another with --data-dir", err)
	}
	s, err := store.Open(store.Options{
		Dir:       filepath.Join(c.DataDir, "store"),
		Retention: c.Retention,
		Logger:    c.Logger,
	})
	if err != nil {
		return nil, err
	}
	a := &App{config: c, store: s}
	a.History, err = history.Open(c.DataDir)
	if err == nil && c.Listen != "" {
		a.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
		if err != nil {
			err = fmt.Errorf("listening for queries: %w; choose another address with --listen", err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	a.Lab = &experiment.Lab{
		Store:   s,
		History: a.History,
		Version: c.Version,
		Logger:  c.Logger,
		Expose:  func(h http.Handler) { a.metrics.Store(&h) },
	}
	return a, nil
}

// Start serves HTTP, where an address was given.
func (a *App) Start() {
	if a.listener == nil {
		return
	}
	a.server = &http.Server{Handler: a.handler(), ReadHeaderTimeout: 10 * time.Second}
	a.served.Go(func() {
		if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
			a.config.Logger.Error("serving queries failed", "error", err)
		}
	})
}

// URL returns where queries are answered, or "" when nothing listens.
func (a *App) URL() string {
	if a.listener == nil {
		return ""
	}
	return "http://" + a.listener.Addr().String()
}

// Stop ends serving, letting requests under way finish until ctx ends, and closes the store.
func (a *App) Stop(ctx context.Context) error {
	var failures []error
	if a.server != nil {
		if err := a.server.Shutdown(ctx); err != nil {
			failures = append(failures, fmt.Errorf("ending the HTTP server: %w", err))
		}
		a.served.Wait()
	} else if a.listener != nil {
		failures = append(failures, a.listener.Close())
	}
	if err := a.Lab.Close(ctx); err != nil {
		failures = append(failures, err)
	}
	if err := a.store.Close(); err != nil {
		failures = append(failures, fmt.Errorf("closing the store: %w", err))
	}
	return errors.Join(failures...)
}

func (a *App) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", a.store.Handler())
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if h := a.metrics.Load(); h != nil {
			(*h).ServeHTTP(w, r)
		}
	})
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "healthy\n") })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ready\n") })
	return mux
}
