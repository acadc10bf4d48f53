package outlet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"tidegauge/engine/catalog"
	"tidegauge/engine/store"
)

// metricsEvery is how often the books are written to the store while a run lasts.
const metricsEvery = 10 * time.Second

// briefly is how long Flush waits at least for the little that comes after Settle, even where that has used up the time. It
// is kept out of what Settle may take.
const briefly = 2 * time.Second

// SetOptions describe a Set. All but Queues, Within and Notify are needed if there are outlets.
type SetOptions struct {
	Outlets  []*Outlet
	Queues   []Lane            // of what is in no store
	Kinds    map[string]string // of the outlets, by name: plans may ask for either
	Required []string          // names of those without which no run is complete
	Store    *store.Store
	Instance string        // the label instance of the metrics
	Within   time.Duration // how long Settle and Flush wait, together; default 10 s
	Notify   func(string)  // told when Flush takes a while; must not block
}

// Set is all outlets of a process. While a run lasts it writes their books to the store. The zero value of *Set is a set
// without outlets.
type Set struct {
	o     SetOptions
	lanes []Lane // outlets, then queues

	mu      sync.Mutex // held while metrics are written, so that they end when the run does
	running bool
	marks   []Books // at the run's beginning
	last    time.Time
	waited  time.Duration // of the run, by Settle
}

// NewSet returns a set. It starts nothing.
func NewSet(o SetOptions) (*Set, error) {
	for i, one := range o.Outlets {
		if slices.ContainsFunc(o.Outlets[:i], func(other *Outlet) bool { return other.o.File == one.o.File }) {
			return nil, fmt.Errorf("outlet %s is there twice: each series goes to one store by one way", one.Name())
		}
	}
	if o.Within == 0 {
		o.Within = 10 * time.Second
	}
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	s := &Set{o: o}
	for _, one := range o.Outlets {
		s.lanes = append(s.lanes, one)
	}
	s.lanes = append(s.lanes, o.Queues...)
	return s, nil
}

// Run sends until ctx ends, and returns when all that was under way has ended.
func (s *Set) Run(ctx context.Context) error {
	if s == nil || len(s.lanes) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(s.lanes))
	var sending, writing sync.WaitGroup
	for i, lane := range s.lanes {
		sending.Go(func() { errs[i] = lane.Run(ctx) })
	}
	writing.Go(func() {
		for ticker := time.NewTicker(metricsEvery); ; {
			select {
			case <-ticker.C:
				s.mu.Lock()
				if s.running {
					s.write(ctx, false)
				}
				s.mu.Unlock()
			case <-ctx.Done():
				ticker.Stop()
				return
			}
		}
	})
	sending.Wait()
	cancel()
	writing.Wait()
	return errors.Join(errs...)
}

// Find returns the names of the outlets that a plan calls by this name or kind; none: there is no such outlet.
func (s *Set) Find(called string) (names []string) {
	if s == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.o.Kinds)) {
		if called == name || called == s.o.Kinds[name] {
			names = append(names, name)
		}
	}
	return names
}

// Known returns what Find finds: the names and the kinds of the outlets, each once.
func (s *Set) Known() []string {
	if s == nil {
		return nil
	}
	known := slices.AppendSeq(slices.Collect(maps.Keys(s.o.Kinds)), maps.Values(s.o.Kinds))
	slices.Sort(known)
	return slices.Compact(known)
}

// Begin says that a run begins, whose accounts Flush is to return.
func (s *Set) Begin(ctx context.Context) {
	if s == nil || len(s.lanes) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.marks = true, s.Books()
	s.write(ctx, false)
}

// Settle waits until everything measured so far has been sent, as long as the options allow, and returns the accounts of the
// run. The run goes on: what it came to, which may depend on these accounts, is to be written and sent by Flush.
func (s *Set) Settle(ctx context.Context) []Books {
	if s == nil || len(s.lanes) == 0 {
		return nil
	}
	s.flush(ctx, time.Now(), max(s.o.Within-briefly, s.o.Within/2))
	return s.account()
}

// Flush ends the run: it waits until everything in the store has been sent, as long as the options allow, and returns the
// accounts of the run. What is still waiting then is sent by the next process that opens the outlet. A lane that has not
// settled is not waited for as long again.
func (s *Set) Flush(ctx context.Context) []Books {
	if s == nil || len(s.lanes) == 0 {
		return nil
	}
	s.mu.Lock()
	within := s.o.Within - s.waited
	s.running, s.waited = false, 0
	s.write(ctx, true)
	until := s.last
	s.mu.Unlock()
	s.flush(ctx, until, within)
	books := s.account()
	for _, text := range waitingOf(books) {
		s.o.Notify(text + " waiting in the data directory; the next tidegauge run or serve with this outlet sends them")
	}
	return books
}

// flush has the lanes send what there is up to a time, and notes how long that took.
func (s *Set) flush(ctx context.Context, until time.Time, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	begun := time.Now()
	s.mu.Lock()
	first := s.running
	s.mu.Unlock()
	if first { // once a run
		patience := time.AfterFunc(2*time.Second, func() {
			for _, text := range waitingOf(s.Books()) {
				s.o.Notify(fmt.Sprintf("%s still to be sent; waiting %v at most", text, s.o.Within))
			}
		})
		defer patience.Stop()
	}
	var flushing sync.WaitGroup
	for _, lane := range s.lanes {
		flushing.Go(func() { lane.Flush(ctx, until) })
	}
	flushing.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		s.waited += time.Since(begun)
	}
}

// waitingOf says what is waiting, outlet by outlet, each as the beginning of a sentence.
func waitingOf(books []Books) (texts []string) {
	var names []string
	waiting := map[string][]Books{}
	for i := range books {
		if b := &books[i]; b.Waiting > 0 {
			if waiting[b.Outlet] == nil {
				names = append(names, b.Outlet)
			}
			waiting[b.Outlet] = append(waiting[b.Outlet], *b)
		}
	}
	for _, name := range names {
		texts = append(texts, fmt.Sprintf("outlet %s: %s", name, amounts(waiting[name])))
	}
	return texts
}

// account returns the accounts of the run.
func (s *Set) account() []Books {
	books := s.Books()
	for i := range books {
		if i < len(s.marks) {
			books[i] = books[i].since(&s.marks[i])
		}
	}
	return books
}

// Books returns the accounts of each lane of the outlets since it began: those of samples first.
func (s *Set) Books() []Books {
	if s == nil {
		return nil
	}
	list := make([]Books, len(s.lanes))
	for i, lane := range s.lanes {
		list[i] = lane.Books()
		list[i].Required = slices.Contains(s.o.Required, list[i].Outlet)
	}
	return list
}

// write writes the books to the store; at the end of a run with the markers that end the series.
func (s *Set) write(ctx context.Context, end bool) {
	at := time.Now().Truncate(time.Millisecond)
	if at.Before(s.last.Add(time.Millisecond)) {
		at = s.last.Add(time.Millisecond)
	}
	var points []store.Point
	for _, b := range s.Books() {
		for _, m := range b.metrics() {
			labels := append([]store.Label{
				{Name: "__name__", Value: m.name}, {Name: "job", Value: "tidegauge"}, {Name: "instance", Value: s.o.Instance},
			}, m.labels...)
			points = append(points, store.Point{Series: &store.Series{Labels: labels}, Time: at.UnixMilli(), Value: m.value})
		}
	}
	err := s.o.Store.Append(ctx, points)
	if end {
		at = at.Add(time.Millisecond)
		for i := range points {
			points[i].Time, points[i].Value = at.UnixMilli(), store.StaleMarker()
		}
		if markersErr := s.o.Store.Append(ctx, points); err == nil {
			err = markersErr // one of the two says it all
		}
	}
	s.last = at
	if err != nil && ctx.Err() == nil {
		s.o.Notify("the books of the outlets could not be kept: " + err.Error())
	}
}

type value struct {
	name   string // Prometheus's
	kind   catalog.Kind
	help   string
	labels []store.Label
	value  float64
}

// metrics returns the accounts as metrics of the catalog.
func (b *Books) metrics() []value {
	var list []value
	add := func(name string, v float64, more ...store.Label) {
		if m, ok := catalog.Lookup(name); ok {
			labels := append([]store.Label{{Name: catalog.LabelOutlet, Value: b.Outlet}}, more...)
			list = append(list, value{m.PrometheusName(), m.Kind, m.Help, labels, v})
		}
	}
	items := catalog.OutletSamples
	switch b.Signal {
	case Spans:
		items = catalog.OutletSpans
	case Events:
		items = catalog.OutletEvents
	}
	entry := func(of string) store.Label { return store.Label{Name: catalog.LabelEntry, Value: of} }
	signal := store.Label{Name: catalog.LabelSignal, Value: b.Items()}
	add(items, float64(b.Produced), entry("produced"))
	add(items, float64(b.Sent), entry("sent"))
	add(items, float64(b.Lost), entry("lost"))
	add(catalog.OutletWaiting, float64(b.Waiting), signal)
	add(catalog.OutletAge, b.OldestSeconds, signal)
	add(catalog.OutletRetries, float64(b.Retries), signal)
	add(catalog.OutletErrors, float64(b.Errors), signal)
	return list
}
