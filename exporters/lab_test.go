package exporters

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidegauge/engine/experiment"
	"tidegauge/engine/history"
	"tidegauge/engine/measure"
	"tidegauge/engine/outlet"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/store"
	"tidegauge/engine/telemetry"
)

// lab is one process of tidegauge with its outlets.
type lab struct {
	t     testing.TB
	store *store.Store
	set   *Outlets
	h     *history.History
	end   func()
	more  string // of the plan

	mu       sync.Mutex
	notes    []string
	gatherer telemetry.Gatherer // of the latest run
}

// pulled serves /metrics as the command does.
func (l *lab) pulled() http.Handler {
	return telemetry.Handler(func() []telemetry.Gatherer {
		l.mu.Lock()
		defer l.mu.Unlock()
		all := []telemetry.Gatherer{l.set}
		if l.gatherer != nil {
			all = append(all, l.gatherer)
		}
		return all
	})
}

// expose has pulled show a run.
func (l *lab) expose(g telemetry.Gatherer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gatherer = g
}

// messages returns what people have been told of an outlet, but for how much is left while a busy machine takes its time.
func (l *lab) messages(of string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []string
	for _, text := range l.notes {
		if rest, ok := strings.CutPrefix(text, "outlet "+of+": "); ok && !strings.Contains(rest, "are still to be sent") {
			list = append(list, rest)
		}
	}
	return list
}

func openLab(t testing.TB, dir string, within time.Duration, specs ...string) *lab {
	t.Helper()
	return openLabWith(t, dir, within, nil, specs...)
}

// openLabWith opens a lab with environment variables.
func openLabWith(t testing.TB, dir string, within time.Duration, env map[string]string, specs ...string) *lab {
	t.Helper()
	return openLabSettling(t, dir, within, 0, env, specs...)
}

// openLabSettling opens a lab whose outlets send samples when they are so old: short runs would be over before the default.
func openLabSettling(t testing.TB, dir string, within, settle time.Duration, env map[string]string, specs ...string) *lab {
	t.Helper()
	l := &lab{t: t}
	var err error
	if l.store, err = store.Open(store.Options{Dir: filepath.Join(dir, "store")}); err != nil {
		t.Fatal(err)
	}
	if l.h, err = history.Open(dir); err != nil {
		t.Fatal(err)
	}
	l.set, err = Open(Options{
		Specs: specsOf(t, specs...), Dir: filepath.Join(dir, "outlets"), Store: l.store, Instance: "here", Within: within, Settle: settle,
		Getenv: func(name string) (string, bool) {
			if name == "INFLUX_TOKEN" {
				return "secret", true
			}
			v, ok := env[name]
			return v, ok
		},
		Notify: func(text string) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.notes = append(l.notes, text)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := l.set.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	var once sync.Once
	l.end = func() {
		once.Do(func() {
			cancel()
			running.Wait()
			if err := l.store.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

const labPlan = `
name: mixed
labels: {env: test}
target: {base_url: %q}
classes:
  Reader:
    weight: 2
    tasks: [{get: /ok, check: [status == 200]}, {get: /flaky}]
  Loser:
    tasks: [{get: /missing}]
objectives: [p95 < 2s]
tests: {load: {arrivals: 150/s, duration: %v, max_users: 50}}
`

// during is a sink that does something at a snapshot, beside the run.
type during struct {
	begun bool
	do    map[int]func()
	doing sync.WaitGroup
}

func (d *during) Consume(context.Context, *measure.Snapshot) error {
	if d.begun {
		return nil
	}
	d.begun = true
	for second, f := range d.do {
		d.doing.Go(func() {
			<-time.After(time.Duration(second-1) * time.Second)
			f()
		})
	}
	return nil
}

// run makes a run. What happens meanwhile is by the second, from 1, the first snapshot: a busy machine may leave out later ones.
func (l *lab) run(lasting time.Duration, meanwhile map[int]func()) *report.Report {
	l.t.Helper()
	r, err := l.try(lasting, meanwhile)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// try is run where a run may end with an error.
func (l *lab) try(lasting time.Duration, meanwhile map[int]func()) (*report.Report, error) {
	l.t.Helper()
	var n atomic.Uint64
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k := n.Add(1)
		<-time.After(time.Duration(1+k%8) * time.Millisecond)
		switch {
		case r.URL.Path == "/missing":
			http.NotFound(w, r)
		case r.URL.Path == "/flaky" && k%5 == 0:
			http.Error(w, "no", http.StatusInternalServerError)
		}
	}))
	defer target.Close()
	p, err := plan.Parse("mixed.yaml", fmt.Appendf(nil, labPlan+l.more, target.URL, lasting), plan.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	test, err := p.Test("load")
	if err != nil {
		l.t.Fatal(err)
	}
	d := &during{do: meanwhile}
	e := &experiment.Lab{Expose: l.expose, Store: l.store, History: l.h, Version: "test", Outlets: l.set.Set, Spans: l.set.Spans, Events: l.set.Events}
	r, err := e.Run(l.t.Context(), experiment.Options{Plan: p, Test: test, Sinks: []measure.Sink{d}})
	d.doing.Wait()
	return r, err
}

// points returns what the store holds, by series and time, without markers.
func (l *lab) points() map[string]map[int64]store.Point {
	l.t.Helper()
	all := map[string]map[int64]store.Point{}
	err := l.store.Read(l.t.Context(), 0, time.Now().Add(time.Hour).UnixMilli(), func(p store.Point) error {
		key := seriesKey(labelsOf(p.Series))
		if all[key] == nil {
			all[key] = map[int64]store.Point{}
		}
		if !p.Stale() {
			all[key][p.Time] = p
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return all
}

func labelsOf(s *store.Series) map[string]string {
	m := map[string]string{}
	for _, l := range s.Labels {
		m[l.Name] = l.Value
	}
	return m
}

func seriesKey(labels map[string]string) string {
	var list []string
	for name, value := range labels {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

// complete fails unless all of the run's samples have arrived by the books.
func complete(t *testing.T, books []outlet.Books) {
	t.Helper()
	if len(books) == 0 {
		t.Fatal("no books")
	}
	for _, b := range books {
		if !b.Complete() || b.Sent == 0 || b.Sent != b.WaitingBefore+b.Produced {
			t.Errorf("outlet %s is not complete: %+v", b.Outlet, b)
		}
	}
}

// flat is what comes back from a store: values by series and time.
type flat map[string]map[int64]float64

func (f flat) put(labels map[string]string, at int64, v float64) {
	key := seriesKey(labels)
	if f[key] == nil {
		f[key] = map[int64]float64{}
	}
	f[key][at] = v
}

// equal compares what came back with what is wanted, both ways.
func equal(t *testing.T, got, want flat, within float64) {
	t.Helper()
	wrong, points := 0, 0
	for key, list := range want {
		for at, v := range list {
			points++
			g, ok := got[key][at]
			if !ok || g != v && (v == 0 || max(g/v, v/g) > 1+within) {
				if wrong++; wrong < 10 {
					t.Errorf("%s at %d: got %v (there: %v), want %v", key, at, g, ok, v)
				}
			}
		}
	}
	for key, list := range got {
		if len(list) != len(want[key]) {
			if wrong++; wrong < 10 {
				t.Errorf("%s: %d points came back, want %d", key, len(list), len(want[key]))
			}
		}
	}
	if points < 500 {
		t.Errorf("only %d points were compared: is this a run?", points)
	}
	if wrong > 0 {
		t.Errorf("%d of %d points differ", wrong, points)
	}
}
