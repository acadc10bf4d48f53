package scrape

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"

	"tidegauge/engine/store"
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

// State is how a target is that is scraped now.
type State struct {
	Job       string    `json:"job"`
	Instance  string    `json:"instance"`
	URL       string    `json:"url,omitempty"` // empty: it is a Local
	Up        bool      `json:"up"`            // the last scrape succeeded
	Since     time.Time `json:"since"`         // of the first scrape that went as the last one did, in a row
	LastError string    `json:"last_error,omitempty"`
}

// mostTargets is how many targets a tally remembers: more only while more are scraped. Where targets come and go for months,
// those that are gone must not add up.
const mostTargets = 1000

// tally writes what is scraped to the store, by a writer of its own for each target, and counts scrapes by the series that
// Prometheus writes about each of them: up and scrape_samples_scraped.
type tally struct {
	store   *store.Store
	own     *locals
	changed func(now, before State)

	mu    sync.Mutex
	count map[string]*entry // by the target's labels
	turn  uint64            // grows with each scrape
}

// entry is one target. The tally's mu guards it.
type entry struct {
	Target
	public labels.Labels
	writer *store.Writer // nil: its series were ended
	turn   uint64        // of its last scrape
	state  State         // zero: it was not scraped yet
}

// gone reports whether a target is not scraped any more.
func (e *entry) gone() bool { return e.turn > 0 && (e.writer == nil || e.writer.Live() == 0) }

func newTally(to *store.Store, own *locals, changed func(now, before State)) *tally {
	return &tally{store: to, own: own, changed: changed, count: map[string]*entry{}}
}

// AppenderV2 implements storage.AppendableV2. The context is that of a target.
func (t *tally) AppenderV2(ctx context.Context) storage.AppenderV2 {
	public := labels.EmptyLabels()
	target, ok := scrape.TargetFromContext(ctx)
	if ok {
		public = publicLabels(target)
	}
	t.mu.Lock()
	e := t.of(public)
	if e.writer == nil {
		e.writer = t.store.Writer()
	}
	writer := e.writer
	t.mu.Unlock()
	return &tallyAppender{AppenderV2: writer.AppenderV2(ctx), tally: t, entry: e, target: target}
}

func publicLabels(t *scrape.Target) labels.Labels {
	return t.Labels(labels.NewBuilder(labels.EmptyLabels()))
}

type tallyAppender struct {
	storage.AppenderV2
	tally  *tally
	entry  *entry
	target *scrape.Target // nil: unknown
	notes  []note
}

type note struct {
	up    bool
	value float64
	at    int64 // ms
}

func (a *tallyAppender) Append(ref storage.SeriesRef, l labels.Labels, st, ts int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AppendV2Options) (storage.SeriesRef, error) {
	if h == nil && fh == nil && !value.IsStaleNaN(v) {
		name := l.Get(model.MetricNameLabel)
		// What a target itself calls up, as a Prometheus does, has other labels.
		if up := name == "up"; (up || name == "scrape_samples_scraped") && labels.Equal(labels.NewBuilder(l).Del(model.MetricNameLabel).Labels(), a.entry.public) {
			a.notes = append(a.notes, note{up, v, ts})
		}
	}
	return a.AppenderV2.Append(ref, l, st, ts, v, h, fh, o)
}

func (a *tallyAppender) Commit() error {
	if err := a.AppenderV2.Commit(); err != nil {
		return err
	}
	var now, before State
	url, why := a.tally.described(a.target)
	tell := false
	a.tally.mu.Lock()
	for _, n := range a.notes {
		e := a.entry
		if !n.up {
			e.Samples = max(e.Samples, int(n.value))
			continue
		}
		a.tally.turn++
		e.turn = a.tally.turn
		e.Scrapes++
		up := n.value == 1
		if up {
			e.Up++
			why = ""
		}
		before = e.state
		first := before.Since.IsZero()
		if first || e.state.Up != up {
			tell = !up || !first
			e.state = State{Job: e.Job, Instance: e.Instance, Up: up, Since: time.UnixMilli(n.at).UTC()}
		}
		e.state.URL, e.state.LastError = url, why
		now = e.state
	}
	a.tally.mu.Unlock()
	if tell && a.tally.changed != nil {
		a.tally.changed(now, before)
	}
	return nil
}

// described returns the URL of a target, empty for one in this process, and why its last scrape failed, if it did.
func (t *tally) described(target *scrape.Target) (url, why string) {
	if target == nil {
		return "", ""
	}
	err := target.LastError()
	address := target.URL()
	if local := t.own.byName[address.Hostname()]; local == nil {
		url = address.Redacted()
	} else if say := local.Err(); err != nil && say != nil { // says more than that the answer was an error
		err = say
	}
	if err != nil {
		why = err.Error()
	}
	return url, why
}

// states returns how the targets are that are scraped now, sorted by job and instance.
func (t *tally) states() []State {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := []State{}
	for _, key := range slices.Sorted(maps.Keys(t.count)) {
		if e := t.count[key]; !e.state.Since.IsZero() && !e.gone() {
			all = append(all, e.state)
		}
	}
	slices.SortStableFunc(all, func(a, b State) int { return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.Instance, b.Instance)) })
	return all
}

// of returns the entry of the target with these labels. The caller holds mu.
func (t *tally) of(l labels.Labels) *entry {
	key := l.String()
	if t.count[key] == nil {
		if len(t.count) >= mostTargets {
			t.forget()
		}
		t.count[key] = &entry{Target: Target{Job: l.Get(model.JobLabel), Instance: l.Get(model.InstanceLabel), labels: key}, public: l}
	}
	return t.count[key]
}

// forget drops, of the targets that are gone, the one that was scraped the longest time ago.
func (t *tally) forget() {
	var oldest *entry
	for _, e := range t.count {
		if e.gone() && (oldest == nil || e.turn < oldest.turn) {
			oldest = e
		}
	}
	if oldest != nil {
		delete(t.count, oldest.labels)
	}
}

// end marks the series of all targets stale but of those that are still scraped.
func (t *tally) end(ctx context.Context, still map[string][]*scrape.Target, at time.Time) error {
	active := map[string]bool{}
	for _, list := range still {
		for _, target := range list {
			active[publicLabels(target).String()] = true
		}
	}
	var writers []*store.Writer
	t.mu.Lock()
	for key, e := range t.count {
		if e.writer != nil && !active[key] {
			writers = append(writers, e.writer)
			e.writer = nil
		}
	}
	t.mu.Unlock()
	var failures []error
	for _, w := range writers {
		failures = append(failures, w.End(ctx, at))
	}
	return errors.Join(failures...)
}

// targets returns the targets there are and those there were, and the jobs without any.
func (t *tally) targets(active map[string][]*scrape.Target, jobs []*config.ScrapeConfig) []Target {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []Target
	for _, job := range jobs {
		for _, a := range active[job.JobName] {
			target := t.of(publicLabels(a))
			target.URL, target.LastError = t.described(a)
		}
	}
	seen := map[string]bool{}
	for _, target := range t.count {
		all = append(all, target.Target)
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
