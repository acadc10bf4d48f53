package experiment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegauge/engine/event"
	"tidegauge/engine/outlet"
	"tidegauge/engine/verdict"
)

// refusing is a destination that takes nothing of some series.
type refusing struct {
	series string

	mu       sync.Mutex
	verdicts []float64 // what it was told of tidegauge_verdict
}

func (r *refusing) Write(_ context.Context, samples []outlet.Sample) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	lost := 0
	for i := range samples {
		switch name := samples[i].Series.Name(); {
		case name == r.series:
			lost++
		case name == "tidegauge_verdict" && !samples[i].Stale():
			r.verdicts = append(r.verdicts, samples[i].Value)
		}
	}
	if lost > 0 {
		return &outlet.Error{Reaction: outlet.Partial, Lost: lost, Err: errors.New("not this series")}
	}
	return nil
}

// TestOneVerdict: what an outlet that has to be complete makes of a run is said by the report, the store, the outlet itself
// and the event alike.
func TestOneVerdict(t *testing.T) {
	for _, tt := range []struct {
		name, refuses string
	}{
		{"complete", ""},
		{"incomplete", "tidegauge_users"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			events := &gathered[event.Event]{}
			queue, err := outlet.NewQueue(outlet.QueueOptions[event.Event]{Name: "there", Signal: outlet.Events, Exporter: events})
			if err != nil {
				t.Fatal(err)
			}
			l.Events = []*outlet.Queue[event.Event]{queue}
			there := &refusing{series: tt.refuses}
			tail := l.Store.Tail()
			sending, err := outlet.New(outlet.Options{
				Name: "there", File: filepath.Join(t.TempDir(), "cursor.json"), Source: tail, Late: tail, Writer: there, Markers: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			set, err := outlet.NewSet(outlet.SetOptions{
				Outlets: []*outlet.Outlet{sending}, Kinds: map[string]string{"there": "kind"}, Store: l.Store, Instance: "here", Within: time.Minute,
				Queues: []outlet.Lane{queue},
			})
			if err != nil {
				t.Fatal(err)
			}
			l.Outlets = set
			ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
			var running sync.WaitGroup
			running.Go(func() {
				if err := set.Run(ctx); err != nil {
					t.Error(err)
				}
			})
			defer running.Wait()
			defer cancel()

			s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			defer s.Close()
			p, test := parse(t, fmt.Sprintf(`
name: short
target: {base_url: %q}
outlets: {required: [kind]}
classes: {A: {tasks: [{get: /}]}}
objectives: [error_rate < 50%%]
tests: {load: {arrivals: 20/s, duration: 2s}}
`, s.URL))
			r, err := l.Run(t.Context(), Options{Plan: p, Test: test})
			if err != nil {
				t.Fatal(err)
			}
			// On a busy machine the generator may be late, which is a verdict too.
			blamed := slices.ContainsFunc(r.Verdict.Findings, func(f verdict.Finding) bool { return f.Code == verdict.CodeOutlet })
			if blamed != (tt.refuses != "") || blamed && r.Verdict.Outcome != verdict.Inconclusive {
				t.Errorf("verdict %s: %+v", r.Verdict.Outcome, r.Verdict.Findings)
			}
			value := map[verdict.Outcome]float64{verdict.Pass: 1, verdict.Fail: 0, verdict.Inconclusive: -1}[r.Verdict.Outcome]
			if b := r.Outlets[0]; !b.Required || !b.Balanced || b.Waiting > 0 || (b.Lost > 0) != (tt.refuses != "") {
				t.Errorf("books %+v", b)
			}
			stored, err := l.Store.Query(t.Context(), "tidegauge_verdict", time.Now())
			if err != nil || len(stored) != 1 || stored[0].Value != value {
				t.Errorf("the store says %v, %v; want %v", stored, err, value)
			}
			there.mu.Lock()
			defer there.mu.Unlock()
			if len(there.verdicts) != 1 || there.verdicts[0] != value {
				t.Errorf("the outlet was told %v, want %v once", there.verdicts, value)
			}
			events.mu.Lock()
			defer events.mu.Unlock()
			told := 0
			for _, one := range events.list {
				if one.Kind == event.Verdict {
					told++
					if !strings.HasPrefix(one.Text, string(r.Verdict.Outcome)) {
						t.Errorf("the event says %q, want %s", one.Text, r.Verdict.Outcome)
					}
				}
			}
			if told != 1 {
				t.Errorf("%d events of a verdict, want 1", told)
			}
		})
	}
}
