package outlet

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestDestination: what lanes to one place say together.
func TestDestination(t *testing.T) {
	refused, unauthorized := errors.New("connection refused"), errors.New("401")
	type lanes struct{ samples, spans, events *presence }
	const waits = "samples wait in the data directory and will be sent later, spans and events in memory, at most 10 of each"
	for _, tt := range []struct {
		name string
		do   func(l lanes)
		want []string
	}{
		{
			name: "an outage that all meet", want: []string{
				"outlet o: connection refused; " + waits,
				"outlet o: answers again after 3s; 3 samples and 1 span are waiting to be sent",
			},
			do: func(l lanes) {
				for range 3 {
					for _, p := range []*presence{l.spans, l.samples, l.events} {
						p.failed(refused, false)
					}
					time.Sleep(time.Second)
				}
				for range 2 {
					for _, p := range []*presence{l.samples, l.events, l.spans} {
						p.answeredNow()
					}
				}
			},
		},
		{
			name: "one lane gives up, the others come back", want: []string{
				"outlet o: connection refused; " + waits,
				"outlet o: answers again after 1s; 3 samples and 1 span are waiting to be sent",
			},
			do: func(l lanes) {
				l.spans.failed(refused, false)
				l.samples.failed(refused, false)
				time.Sleep(time.Second)
				l.spans.gaveUp()
				l.samples.answeredNow()
			},
		},
		{
			name: "a wrong token, at first behind an outage", want: []string{
				"outlet o: connection refused; " + waits,
				"outlet o: sending samples: 401; " + waits,
				"outlet o: answers again after 2s; 3 samples and 1 span are waiting to be sent",
			},
			do: func(l lanes) {
				l.samples.failed(refused, false)
				time.Sleep(time.Second)
				l.samples.failed(unauthorized, true)
				l.spans.failed(unauthorized, true)
				l.samples.failed(refused, false)
				l.samples.failed(unauthorized, true)
				time.Sleep(time.Second)
				l.spans.answeredNow()
				l.samples.answeredNow()
			},
		},
		{
			name: "one signal that is not taken, and an outage meanwhile", want: []string{
				"outlet o: sending spans: 401; " + waits,
				"outlet o: connection refused; " + waits,
				"outlet o: answers again after 1s; 3 samples and 1 span are waiting to be sent",
				"outlet o: answers again after 2s; 3 samples and 1 span are waiting to be sent",
			},
			do: func(l lanes) {
				l.samples.answeredNow()
				l.spans.failed(unauthorized, true)
				time.Sleep(time.Second)
				l.events.failed(refused, false)
				l.samples.failed(refused, false)
				l.spans.failed(refused, false)
				time.Sleep(time.Second)
				l.samples.answeredNow()
				l.events.answeredNow()
				l.spans.answeredNow()
			},
		},
		{
			name: "it comes and goes, at last for longer", want: []string{
				"outlet o: connection refused; " + waits,
				"outlet o: answers again after 1s; 3 samples and 1 span are waiting to be sent",
				"outlet o: connection refused (it comes and goes, which is said no more unless it lasts 10s); " + waits,
				"outlet o: sending samples: 401; " + waits,
				"outlet o: answers again after 1s; 3 samples and 1 span are waiting to be sent",
				"outlet o: connection refused; " + waits,
				"outlet o: answers again after 12s; 3 samples and 1 span are waiting to be sent",
				"outlet o: connection refused; " + waits,
			},
			do: func(l lanes) {
				outage := func(seconds int, err error, refused bool) {
					for range seconds {
						l.samples.failed(err, refused)
						l.spans.failed(err, refused)
						time.Sleep(time.Second)
					}
					l.spans.answeredNow()
					l.samples.answeredNow()
				}
				for range 20 {
					outage(1, refused, false)
				}
				outage(1, unauthorized, true)
				outage(12, refused, false)
				time.Sleep(time.Minute)
				l.samples.failed(refused, false)
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n notes
				d := NewDestination("o", n.note)
				books := func(waiting uint64, signal string) func() Books {
					return func() Books { return Books{Waiting: waiting, Signal: signal} }
				}
				tt.do(lanes{d.join("samples", 0, books(3, "")), d.join(Spans, 10, books(1, Spans)), d.join(Events, 10, books(0, Events))})
				if diff := cmp.Diff(tt.want, n.text); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}
