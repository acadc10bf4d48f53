// Package store keeps time series in an embedded Prometheus TSDB and queries them with PromQL.
//
// Series come in by OTLP, translated by Prometheus's own code under its default strategy
// (UnderscoreEscapingWithSuffixes), so that they have the names they would have in a Prometheus of the user's own.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"
)

const (
	defaultRetention = 15 * 24 * time.Hour
	lookback         = 5 * time.Minute  // how long a series that is not stale answers an instant query
	outOfOrder       = 10 * time.Minute // how late a sample may come
	queryTimeout     = 2 * time.Minute
	queryConcurrency = 20
	queryMaxSamples  = 50_000_000 // held in memory by one query; Prometheus's own default
	maxBlock         = 31 * 24 * time.Hour
	headBuffer       = 256 << 10 // bytes; this and the next are for thousands of series, Prometheus's own for millions
	stripes          = 1024
)

// ErrClosed is returned by every method of a Store after Close.
var ErrClosed = errors.New("the store is closed")

// Options configure a Store. The zero value of each field but Dir is its default.
type Options struct {
	Dir       string        // created if it is not there
	Retention time.Duration // how long samples are kept at least; default 15 days
	Size      int64         // bytes on disk above which the oldest samples go, whatever Retention says; 0: no bound
	Logger    *slog.Logger  // of compaction and other work in the background; default: discard
}

// Store is the embedded Prometheus. Safe for concurrent use.
type Store struct {
	dir    string
	lock   *dirLock
	db     *tsdb.DB
	engine *promql.Engine
	parser parser.Parser
	otlp   http.Handler

	life context.Context // ends when Close begins: queries do not hold it up
	end  context.CancelFunc
	mu   sync.RWMutex // held for reading by every operation
	gone bool

	commits sync.RWMutex // held for reading by every commit; taken after mu
	tails   []*Tail      // guarded by commits

	made atomic.Pointer[map[string]bool] // names of series that rules make; nil: none do
}

// Open opens the store and starts its work in the background, which Close ends. Only one process may have a directory
// open; the error says which directory and what to do. What a killed process had written is read back.
func Open(o Options) (*Store, error) {
	if o.Dir == "" {
		return nil, errors.New("opening the store: no directory given")
	}
	if o.Retention < 0 {
		return nil, fmt.Errorf("opening the store: retention %v is negative: give a positive duration, or 0 for %v", o.Retention, defaultRetention)
	}
	if o.Size < 0 {
		return nil, fmt.Errorf("opening the store: retention size %d is negative: give a number of bytes, or 0 for no bound", o.Size)
	}
	if o.Retention == 0 {
		o.Retention = defaultRetention
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("creating the data directory %s: %w: choose a directory that can be written to", o.Dir, err)
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	db, err := tsdb.Open(filepath.Join(o.Dir, "tsdb"), o.Logger, registry, tsdbOptions(o.Retention, o.Size), nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the store in %s: %w", o.Dir, err), lock.release())
	}
	s := &Store{dir: o.Dir, lock: lock, db: db, parser: parser.NewParser(parser.Options{})}
	s.life, s.end = context.WithCancel(context.Background())
	s.engine = promql.NewEngine(promql.EngineOpts{
		Logger:                   o.Logger,
		Reg:                      registry,
		MaxSamples:               queryMaxSamples,
		Timeout:                  queryTimeout,
		LookbackDelta:            lookback,
		ActiveQueryTracker:       make(slots, queryConcurrency),
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   s.parser,
	})
	s.otlp = newOTLPHandler(o.Logger, registry, appendable{s})
	return s, nil
}

func tsdbOptions(retention time.Duration, size int64) *tsdb.Options {
	t := tsdb.DefaultOptions()
	t.RetentionDuration = retention.Milliseconds()
	t.MaxBytes = size
	t.MaxBlockDuration = max(t.MinBlockDuration, min(retention/10, maxBlock).Milliseconds())
	t.WALCompression = compression.Snappy
	t.OutOfOrderTimeWindow = outOfOrder.Milliseconds()
	t.HeadChunksWriteBufferSize = headBuffer
	t.StripeSize = stripes
	t.EnableExemplarStorage, t.MaxExemplars = true, maxExemplars
	return t
}

// Close cancels the queries under way, waits for them, writes out what is in memory and gives up the directory. Closing
// twice does nothing.
func (s *Store) Close() error {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil
	}
	s.gone = true
	if err := errors.Join(s.engine.Close(), s.db.Close(), s.lock.release()); err != nil {
		return fmt.Errorf("closing the store in %s: %w", s.dir, err)
	}
	return nil
}

// Oldest returns the time of the oldest sample, or now where there is none.
func (s *Store) Oldest() (time.Time, error) {
	_, done, err := s.begin(context.Background())
	if err != nil {
		return time.Time{}, err
	}
	defer done()
	at, err := s.db.StartTime()
	if err != nil {
		return time.Time{}, fmt.Errorf("looking for the oldest sample: %w", err)
	}
	if at == math.MaxInt64 {
		return time.Now(), nil
	}
	return time.UnixMilli(at), nil
}

// begin keeps the store open until done is called; the context it returns ends with ctx and when Close begins.
func (s *Store) begin(ctx context.Context) (_ context.Context, done func(), _ error) {
	s.mu.RLock()
	if s.gone || s.life.Err() != nil {
		s.mu.RUnlock()
		return nil, nil, ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.life, cancel)
	return ctx, func() {
		stop()
		cancel()
		s.mu.RUnlock()
	}, nil
}

// slots bounds how many queries run at once; it implements promql.QueryTracker.
type slots chan struct{}

func (q slots) GetMaxConcurrent() int { return cap(q) }

func (q slots) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case q <- struct{}{}:
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (q slots) Delete(int) { <-q }

func (q slots) Close() error { return nil }
