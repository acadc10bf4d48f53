package store

import (
	"context"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
)

// Rules is the way of Prometheus's rule manager into the store: it asks by Query, writes by Appender, and looks by Querier for
// how long alerts have been pending. Safe for concurrent use; every appender must end in Commit or Rollback and every querier in
// Close, until which Close of the store waits.
//
// What rules make is made where the rules are. It is here to be queried, and Read, Count and Tail leave it out.
type Rules struct{ store *Store }

// Rules returns the way in. From then on series of the given names, and those of alerts, are taken for what rules make, until
// the next call.
func (s *Store) Rules(records []string) *Rules {
	made := map[string]bool{"ALERTS": true, "ALERTS_FOR_STATE": true}
	for _, name := range records {
		made[name] = true
	}
	s.made.Store(&made)
	return &Rules{s}
}

// madeByRules reports whether a series is what a rule makes.
func (s *Store) madeByRules(l labels.Labels) bool {
	made := s.made.Load()
	return made != nil && (*made)[l.Get(model.MetricNameLabel)]
}

// Query evaluates an expression at a time, as a rules.QueryFunc.
func (r *Rules) Query(ctx context.Context, expr string, t time.Time) (promql.Vector, error) {
	ctx, done, err := r.store.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return rules.EngineQueryFunc(r.store.engine, r.store.db)(ctx, expr, t)
}

// Querier implements storage.Queryable.
func (r *Rules) Querier(from, to int64) (storage.Querier, error) {
	_, done, err := r.store.begin(context.Background())
	if err != nil {
		return nil, err
	}
	q, err := r.store.db.Querier(from, to)
	if err != nil {
		done()
		return nil, err
	}
	return &rulesQuerier{q, done}, nil
}

type rulesQuerier struct {
	storage.Querier
	done func()
}

func (q *rulesQuerier) Close() error {
	defer q.done()
	return q.Querier.Close()
}

// Appender implements storage.Appendable, which the rule manager still wants.
func (r *Rules) Appender(ctx context.Context) storage.Appender {
	ctx, done, err := r.store.begin(ctx)
	if err != nil {
		return &rulesAppender{err: err, done: func() {}}
	}
	return &rulesAppender{Appender: r.store.db.Appender(ctx), done: done}
}

// rulesAppender keeps the store open; that of a closed store refuses everything.
type rulesAppender struct {
	storage.Appender // of the methods of a closed store's, the manager calls those below only
	done             func()
	err              error
}

func (a *rulesAppender) SetOptions(o *storage.AppendOptions) {
	if a.err == nil {
		a.Appender.SetOptions(o)
	}
}

func (a *rulesAppender) Append(ref storage.SeriesRef, l labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	if a.err != nil {
		return 0, a.err
	}
	return a.Appender.Append(ref, l, t, v)
}

func (a *rulesAppender) AppendHistogram(ref storage.SeriesRef, l labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error) {
	if a.err != nil {
		return 0, a.err
	}
	return a.Appender.AppendHistogram(ref, l, t, h, fh)
}

func (a *rulesAppender) Commit() error {
	defer a.done()
	if a.err != nil {
		return a.err
	}
	return a.Appender.Commit()
}

func (a *rulesAppender) Rollback() error {
	defer a.done()
	if a.err != nil {
		return nil
	}
	return a.Appender.Rollback()
}
