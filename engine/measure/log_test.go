package measure

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tidegauge/engine/protocol"
)

// logs keeps a copy of each snapshot's log.
type logs []*Log

func (l *logs) Consume(_ context.Context, s *Snapshot) error {
	if s.Log == nil {
		*l = append(*l, nil)
		return nil
	}
	sorted := &Log{Requests: slices.Clone(s.Log.Requests), Dropped: slices.Clone(s.Log.Dropped)}
	slices.SortFunc(sorted.Requests, func(a, b Entry) int { return cmp.Compare(a.Request, b.Request) })
	*l = append(*l, sorted)
	return nil
}

func TestLogHasWhatEndedInTheInterval(t *testing.T) {
	for _, on := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := New(twoNames(), Options{Shards: 2, Log: on})
			ctx, cancel := context.WithCancel(t.Context())
			var got logs
			ended := make(chan error, 1)
			go func() { ended <- r.Run(ctx, time.Now(), &got) }()
			start := <-r.Started()
			ms := time.Millisecond
			observe := func(shard, request int, o protocol.Outcome, intended, sent, finished time.Duration) {
				r.Shard(shard).Observe(&Observation{
					Request: request, Outcome: o, Intended: start.Add(intended), Sent: start.Add(sent), Finished: start.Add(finished),
				})
			}
			time.Sleep(500 * ms)
			observe(0, 0, protocol.OK, 100*ms, 300*ms, 500*ms)
			observe(1, 1, protocol.Timeout, -200*ms, 0, 500*ms)
			time.Sleep(time.Second)
			observe(0, 1, protocol.Cut, 1400*ms, 1600*ms, 1500*ms) // times the wrong way round
			r.Shard(1).Drop(0, start.Add(1200*ms))
			cancel()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			want := logs{
				{},
				{Requests: []Entry{
					{start.Add(100 * ms), 400 * ms, 200 * ms, 0, protocol.OK}, {start.Add(-200 * ms), 700 * ms, 500 * ms, 1, protocol.Timeout},
				}},
				{Requests: []Entry{{start.Add(1400 * ms), 100 * ms, 0, 1, protocol.Cut}}, Dropped: []time.Time{start.Add(1200 * ms)}},
			}
			if !on {
				want = logs{nil, nil, nil}
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("logs with Log=%v (-want +got):\n%s", on, diff)
			}
		})
	}
}

func TestLogAllocatesNothingOnceItHasGrown(t *testing.T) {
	r := New(twoNames(), Options{Shards: 1, Log: true})
	s := r.Shard(0)
	o := &Observation{Intended: time.Now(), Sent: time.Now(), Finished: time.Now()}
	fill := func() {
		for range 1000 {
			s.Observe(o)
		}
		s.log.reset()
	}
	fill()
	if allocs := testing.AllocsPerRun(10, fill); allocs != 0 {
		t.Errorf("%v allocations of a thousand observations, want 0", allocs)
	}
}
