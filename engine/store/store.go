// Package store keeps time series in an embedded Prometheus TSDB and queries them with PromQL.
package store

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// Options configure a Store.
type Options struct {
	Dir       string        // created if it is not there
	Retention time.Duration // default 15 days
	Logger    *slog.Logger  // default: discard
}

// Store is the embedded Prometheus. Safe for concurrent use.
type Store struct{}

// Open opens the store. Only one process may have a directory open; the error says which directory and what to do.
func Open(o Options) (*Store, error) { panic("stub") }

// Close flushes and closes the store.
func (s *Store) Close() error { panic("stub") }

// OTLP returns a round tripper that takes OTLP/HTTP metric exports into the store, without a network.
func (s *Store) OTLP() http.RoundTripper { panic("stub") }

// EndSeries writes a staleness marker at t to every series with this label value that is not stale yet, so that nothing lingers.
func (s *Store) EndSeries(ctx context.Context, label, value string, t time.Time) error { panic("stub") }

// Sample is one element of a result of Query. Scalars have no labels.
type Sample struct {
	Labels map[string]string
	Time   time.Time
	Value  float64
}

// Query evaluates an expression at t: a vector or a scalar. An expression that gives histograms is an error that says so.
func (s *Store) Query(ctx context.Context, expr string, t time.Time) ([]Sample, error) { panic("stub") }

// CheckExpr returns an error with the offset of what is wrong with an expression, or nil.
func CheckExpr(expr string) error { panic("stub") }

// Handler returns the part of the Prometheus HTTP API (/api/v1/...) that a Grafana Prometheus data source needs.
func (s *Store) Handler() http.Handler { panic("stub") }
