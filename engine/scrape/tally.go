package scrape

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
)

// Target is what became of one target.
type Target struct {
	Job, Instance string
	URL           string // empty if it was gone at the end, or is a Local
	Scrapes       int    // how often it was scraped
	Up            int    // how often that succeeded
	Samples       int    // the most that one scrape gave
	LastError     string // of the last scrape before the end; empty: it succeeded

	labels string
}

// tally counts scrapes by the series that Prometheus writes about each of them: up and scrape_samples_scraped.
type tally struct {
	to storage.AppendableV2

	mu    sync.Mutex
	count map[string]*Target // by the target's labels
}

func newTally(to storage.AppendableV2) *tally { return &tally{to: to, count: map[string]*Target{}} }

// AppenderV2 implements storage.AppendableV2.
func (t *tally) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return &tallyAppender{AppenderV2: t.to.AppenderV2(ctx), tally: t}
}

type tallyAppender struct {
	storage.AppenderV2
	tally *tally
	notes []note
}

type note struct {
	labels labels.Labels
	up     bool
	value  float64
}

func (a *tallyAppender) Append(ref storage.SeriesRef, l labels.Labels, st, ts int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AppendV2Options) (storage.SeriesRef, error) {
	if h == nil && fh == nil && !value.IsStaleNaN(v) {
		switch l.Get(model.MetricNameLabel) {
		case "up":
			a.notes = append(a.notes, note{l, true, v})
		case "scrape_samples_scraped":
			a.notes = append(a.notes, note{l, false, v})
		}
	}
	return a.AppenderV2.Append(ref, l, st, ts, v, h, fh, o)
}

func (a *tallyAppender) Commit() error {
	if err := a.AppenderV2.Commit(); err != nil {
		return err
	}
	a.tally.mu.Lock()
	defer a.tally.mu.Unlock()
	for _, n := range a.notes {
		target := a.tally.of(labels.NewBuilder(n.labels).Del(model.MetricNameLabel).Labels())
		if !n.up {
			target.Samples = max(target.Samples, int(n.value))
			continue
		}
		target.Scrapes++
		if n.value == 1 {
			target.Up++
		}
	}
	return nil
}

// of returns the entry of the target with these labels. The caller holds mu.
func (t *tally) of(l labels.Labels) *Target {
	key := l.String()
	if t.count[key] == nil {
		t.count[key] = &Target{Job: l.Get(model.JobLabel), Instance: l.Get(model.InstanceLabel), labels: key}
	}
	return t.count[key]
}

// targets returns the targets there are and those there were, and the jobs without any.
func (t *tally) targets(active map[string][]*scrape.Target, jobs []*config.ScrapeConfig, own *locals) []Target {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []Target
	for _, job := range jobs {
		for _, a := range active[job.JobName] {
			target := t.of(a.Labels(labels.NewBuilder(labels.EmptyLabels())))
			err := a.LastError()
			if local := own.byJob[job.JobName]; local == nil {
				target.URL = a.URL().Redacted()
			} else if why := local.Err(); err != nil && why != nil { // says more than that the answer was an error
				err = why
			}
			if err != nil {
				target.LastError = err.Error()
			}
		}
	}
	seen := map[string]bool{}
	for _, target := range t.count {
		all = append(all, *target)
		seen[target.Job] = true
	}
	for _, job := range jobs {
		if len(active[job.JobName]) == 0 && !seen[job.JobName] {
			all = append(all, Target{Job: job.JobName})
		}
	}
	slices.SortFunc(all, func(a, b Target) int {
		return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.labels, b.labels))
	})
	return all
}

// counted brings the counts of targets up to date.
func (t *tally) counted(targets []Target) []Target {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range targets {
		if c := t.count[targets[i].labels]; c != nil {
			targets[i].Scrapes, targets[i].Up, targets[i].Samples = c.Scrapes, c.Up, c.Samples
		}
	}
	return targets
}
