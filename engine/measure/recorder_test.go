package measure

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tidegauge/engine/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// names are two classes with a request each, and a check.
func twoNames() *Names {
	return &Names{
		Classes:  []string{"Pay", "Browse"},
		Requests: []Request{{"Pay", "POST /payments", "POST"}, {"Browse", "GET /payments", "GET"}},
		Checks:   []Check{{0, "status == 201"}},
	}
}

// kept is what a test wants to know of a snapshot after Consume.
type kept struct {
	Snapshot
	total, delta *Totals
}

// keeper is a Sink that keeps copies; it may fail, and may take its time.
type keeper struct {
	snapshots []kept
	consume   func(ctx context.Context, s *Snapshot) error
}

func (k *keeper) Consume(ctx context.Context, s *Snapshot) error {
	k.snapshots = append(k.snapshots, kept{Snapshot: *s, total: s.Total.Clone(), delta: s.Delta.Clone()})
	if k.consume != nil {
		return k.consume(ctx, s)
	}
	return nil
}

// offsets returns when the snapshots were made, from the start.
func (k *keeper) offsets() []time.Duration {
	var all []time.Duration
	for _, s := range k.snapshots {
		all = append(all, s.Time.Sub(s.Start))
	}
	return all
}

// start runs r in the background; stop ends it and returns its error.
func start(t *testing.T, r *Recorder, sinks ...Sink) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	begin := time.Now()
	go func() { done <- r.Run(ctx, begin, sinks...) }()
	synctest.Wait()
	return func() error { cancel(); return <-done }
}

// finish records a request that took d from its intended start, and half of that from its sending.
func finish(s *Shard, request int, o protocol.Outcome, d time.Duration) {
	s.StartRequest(request)
	now := time.Now()
	s.Observe(&Observation{
		Request: request, Outcome: o, Intended: now.Add(-d), Sent: now.Add(-d / 2), Finished: now,
		BytesSent: 10, BytesReceived: 100, Timings: protocol.Timings{Wait: d / 4},
	})
}

func equalDurations(a, b []time.Duration) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestRunHandsOnSnapshotsAtWholeIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k keeper
		r := New(twoNames(), Options{Shards: 3})
		stop := start(t, r, &k)
		for i := range 7 {
			finish(r.Shard(i), 0, protocol.OK, 80*time.Millisecond)
			time.Sleep(350 * time.Millisecond)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got, want := k.offsets(), []time.Duration{0, 1e9, 2e9, 2.45e9}; !equalDurations(got, want) {
			t.Errorf("snapshots at %v, want %v", got, want)
		}
		since, total := k.snapshots[0].Start, uint64(0)
		for i, want := range []uint64{0, 3, 3, 1} {
			s := k.snapshots[i]
			total += want
			if got := s.delta.Requests[0].Outcomes[protocol.OK].ResponseTime.Count(); got != want {
				t.Errorf("snapshot %d: %d in the interval, want %d", i, got, want)
			}
			if got := s.total.RequestBooks(); got != (Books{Intended: total, Started: total, Finished: total}) {
				t.Errorf("snapshot %d: books %+v, want %d of each", i, got, total)
			}
			if !s.Since.Equal(since) || s.Final != (i == 3) {
				t.Errorf("snapshot %d: since %v final %v, want since %v", i, s.Since, s.Final, since)
			}
			since = s.Time
		}
	})
}

func TestRunDoesNotDriftNorCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeper{consume: func(_ context.Context, s *Snapshot) error {
			if s.Time.Sub(s.Start) == time.Second {
				time.Sleep(2300 * time.Millisecond) // two whole intervals go by
			} else {
				time.Sleep(300 * time.Millisecond)
			}
			return nil
		}}
		r := New(twoNames(), Options{})
		stop := start(t, r, &k)
		time.Sleep(6500 * time.Millisecond)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got, want := k.offsets(), []time.Duration{0, 1e9, 4e9, 5e9, 6e9, 6.3e9}; !equalDurations(got, want) {
			t.Errorf("snapshots at %v, want %v", got, want)
		}
		// The run starts when the sinks have the first snapshot.
		started := <-r.Started()
		if took := started.Sub(k.snapshots[0].Start); took != 300*time.Millisecond {
			t.Errorf("the run started %v after the first snapshot, want 300ms", took)
		}
		for i, s := range k.snapshots[1:] {
			if !s.Start.Equal(started) || i == 0 && !s.Since.Equal(started) {
				t.Errorf("snapshot %d is of a run from %v, since %v; want %v", i+1, s.Start, s.Since, started)
			}
		}
	})
}

func TestRunThatBeganBeforeItsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k keeper
		ctx, cancel := context.WithTimeout(t.Context(), 2300*time.Millisecond)
		defer cancel()
		r := New(twoNames(), Options{})
		go func() {
			time.Sleep(100 * time.Millisecond)
			r.Flush()
		}()
		if err := r.Run(ctx, time.Now().Add(500*time.Millisecond), &k); err != nil {
			t.Error(err)
		}
		if got, want := k.offsets(), []time.Duration{0, 0, 1e9, 1.8e9}; !equalDurations(got, want) {
			t.Errorf("snapshots at %v, want %v", got, want)
		}
	})
}

func TestFinalSnapshotHasALivingContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeper{consume: func(ctx context.Context, _ *Snapshot) error { return ctx.Err() }}
		if err := start(t, New(twoNames(), Options{}), &k)(); err != nil {
			t.Error(err)
		}
		if len(k.snapshots) != 2 || !k.snapshots[1].Final {
			t.Errorf("%d snapshots", len(k.snapshots))
		}
	})
}

func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k keeper
		r := New(twoNames(), Options{Shards: 2})
		r.Flush() // before Run: nothing happens
		stop := start(t, r, &k)
		finish(r.Shard(0), 0, protocol.OK, time.Millisecond)
		time.Sleep(1250 * time.Millisecond)
		finish(r.Shard(0), 0, protocol.OK, time.Millisecond)
		finish(r.Shard(1), 0, protocol.OK, time.Millisecond)
		r.Flush()
		if n := len(k.snapshots); n != 3 {
			t.Fatalf("%d snapshots when Flush returned, want 3", n)
		}
		finish(r.Shard(0), 1, protocol.OK, time.Millisecond)
		time.Sleep(time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		r.Flush() // after Run: nothing happens
		if got, want := k.offsets(), []time.Duration{0, 1e9, 1.25e9, 2e9, 2.25e9}; !equalDurations(got, want) {
			t.Errorf("snapshots at %v, want %v", got, want)
		}
		for i, want := range []uint64{0, 1, 2, 1, 0} {
			if got := k.snapshots[i].delta.RequestBooks().Finished; got != want {
				t.Errorf("snapshot %d: %d in the interval, want %d", i, got, want)
			}
		}
	})
}

func TestFlushWhileTheRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeper{consume: func(_ context.Context, s *Snapshot) error {
			time.Sleep(time.Second)
			return nil
		}}
		r := New(twoNames(), Options{Interval: time.Hour})
		stop := start(t, r, &k)
		var flushes sync.WaitGroup
		for range 5 {
			flushes.Go(r.Flush)
		}
		synctest.Wait()
		if err := stop(); err != nil {
			t.Error(err)
		}
		flushes.Wait()
		if last := k.snapshots[len(k.snapshots)-1]; !last.Final {
			t.Error("the last snapshot is not final")
		}
	})
}

func TestRunTwiceIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(twoNames(), Options{})
		if err := start(t, r)(); err != nil {
			t.Error(err)
		}
		if err := r.Run(t.Context(), time.Now()); !errors.Is(err, errRanBefore) {
			t.Errorf("error %v, want %v", err, errRanBefore)
		}
	})
}

func TestErrorsOfSinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full, gone := errors.New("disk full"), errors.New("gone")
		n := 0
		bad := keeper{consume: func(context.Context, *Snapshot) error {
			if n++; n > 3 {
				return full
			}
			return nil
		}}
		worse := keeper{consume: func(_ context.Context, s *Snapshot) error {
			if s.Final {
				return gone
			}
			return nil
		}}
		var good keeper
		stop := start(t, New(twoNames(), Options{}), &bad, &good, &worse)
		time.Sleep(4500 * time.Millisecond)
		err := stop()
		if !errors.Is(err, full) || !errors.Is(err, gone) {
			t.Fatalf("error %v, want both of the sinks'", err)
		}
		for _, want := range []string{"*measure.keeper: 3 of 6 snapshots failed, the first at 2000-01-01T00:00:03", "1 of 6 snapshots failed"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q, want one with %q", err, want)
			}
		}
		if strings.Count(err.Error(), "disk full") != 1 {
			t.Errorf("error %q repeats itself", err)
		}
		if len(good.snapshots) != 6 || len(worse.snapshots) != 6 {
			t.Errorf("%d and %d snapshots for the other sinks, want 6", len(good.snapshots), len(worse.snapshots))
		}
	})
}

func TestGaugesAndUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k keeper
		r := New(twoNames(), Options{})
		stop := start(t, r, &k)
		r.SetGauges(Gauges{Rate: 12.5, Phase: "ramp", PhaseID: 1, Planned: time.Minute})
		r.AddUsers(0, 3)
		r.AddUsers(1, 1)
		r.AddUsers(0, -1)
		if err := stop(); err != nil {
			t.Error(err)
		}
		first, last := k.snapshots[0], k.snapshots[1]
		if first.Rate != 0 || first.Phase != "" || first.Users[0] != 0 {
			t.Errorf("first: rate %v phase %q users %v", first.Rate, first.Phase, first.Users)
		}
		if last.Rate != 12.5 || last.Phase != "ramp" || last.PhaseID != 1 || last.Planned != time.Minute || last.Users[0] != 2 || last.Users[1] != 1 || last.PeakUsers != 4 {
			t.Errorf("last: %+v", last.Snapshot)
		}
	})
}

// Many users record while snapshots are made as fast as can be: nothing is lost, nothing counted twice.
func TestNothingIsLostUnderConcurrency(t *testing.T) {
	const users, each = 16, 3000
	names := manyNames(20)
	sum := newTotals(names)
	var last *Totals
	k := sinkFunc(func(_ context.Context, s *Snapshot) error {
		sum.Merge(s.Delta)
		if b := s.Total.RequestBooks(); b.Finished+b.Cut > b.Started {
			t.Errorf("books %+v: more ended than started", b)
		}
		if s.Final {
			last = s.Total.Clone()
		}
		return nil
	})
	r := New(names, Options{Shards: 4, Interval: 100 * time.Microsecond})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, time.Now(), k) }()
	var work sync.WaitGroup
	for u := range users {
		work.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(u), 0))
			s := r.Shard(u)
			for i := range each {
				class := u % 4
				now := time.Now()
				s.Intend(class, 1)
				if i%10 == 0 {
					s.Drop(class, now)
					continue
				}
				s.StartIteration(class, now, now, now)
				request := rnd.IntN(len(names.Requests))
				o := protocol.Outcome(rnd.IntN(protocol.Outcomes))
				finish(s, request, o, time.Duration(1+rnd.IntN(1e9)))
				s.Check(request, o == protocol.OK)
				if o == protocol.Cut {
					s.CutIteration(class)
				} else {
					s.FinishIteration(class, now, now.Add(time.Millisecond))
				}
				if i%1000 == 1 {
					r.Flush()
					r.Fail(request, o, "detail", now)
					r.Except(class, "task", "message", now)
					r.AddUsers(class, 1)
					r.SetGauges(Gauges{Rate: 1})
				}
			}
		})
	}
	work.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	iterations, requests := last.IterationBooks(), last.RequestBooks()
	if !iterations.Balanced() || !requests.Balanced() {
		t.Errorf("books do not balance: %+v %+v", iterations, requests)
	}
	const started = users * each * 9 / 10
	if iterations.Intended != users*each || iterations.Dropped != users*each/10 || requests.Started != started {
		t.Errorf("books %+v %+v, want %d intended, %d started", iterations, requests, users*each, started)
	}
	all := last.Sum(names, nil)
	if all.Finished != requests.Finished || all.ByOutcome[protocol.Cut] != requests.Cut || all.BytesReceived != started*100 {
		t.Errorf("sum %d finished %d cut %d bytes, books %+v", all.Finished, all.ByOutcome[protocol.Cut], all.BytesReceived, requests)
	}
	var checked uint64
	for _, c := range last.Checks {
		checked += c.Passed + c.Failed
	}
	if checked != started {
		t.Errorf("%d checks, want %d", checked, started)
	}
	if e := last.Classes[0].Exceptions; e != users/4*each/1000 {
		t.Errorf("%d exceptions, want %d", e, users/4*each/1000)
	}
	equalTotals(t, "the sum of the deltas", sum, last)
}

type sinkFunc func(context.Context, *Snapshot) error

func (f sinkFunc) Consume(ctx context.Context, s *Snapshot) error { return f(ctx, s) }
