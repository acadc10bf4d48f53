package timeline

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

const ms = time.Millisecond

// feed gives a timeline one snapshot with these requests and drops.
func feed(t *testing.T, o Options, requests []measure.Entry, dropped ...time.Time) *Timeline {
	t.Helper()
	tl := New(o)
	s := &measure.Snapshot{Start: start, Time: start.Add(time.Minute), Log: &measure.Log{Requests: requests, Dropped: dropped}}
	if err := tl.Consume(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	return tl
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func entry(intended, response, service time.Duration, request int32, o protocol.Outcome) measure.Entry {
	return measure.Entry{Intended: start.Add(intended), Response: response, Service: service, Request: request, Outcome: o}
}

func TestRequestsStandWhereTheyWereMeantToStart(t *testing.T) {
	tl := feed(t, Options{MaxSlices: 2}, []measure.Entry{
		entry(100*ms, 50*ms, 40*ms, 0, protocol.OK),
		entry(999*ms, 10*time.Second, 10*time.Second, 1, protocol.Timeout), // known ten seconds later
		entry(1000*ms, 4*time.Second, time.Second, 1, protocol.OK),         // sent three seconds late
		entry(1500*ms, 20*ms, 20*ms, 2, protocol.Status),                   // of a request that is not told apart
		entry(2000*ms, 500*ms, 500*ms, 0, protocol.Cut),
		entry(-5*ms, 10*ms, 10*ms, 0, protocol.OK),
	}, start.Add(1200*ms), start.Add(1300*ms))
	b := tl.Buckets()
	if len(b) != 11 {
		t.Fatalf("%d buckets, want 11: the last request ended at 10.999 s", len(b))
	}
	type counts struct{ good, failed, cut, dropped uint64 }
	for i, want := range []counts{{2, 1, 0, 0}, {1, 1, 0, 2}, {0, 0, 1, 0}, {}, {}} {
		if got := (counts{b[i].Good, b[i].Failed, b[i].Cut, b[i].Dropped}); got != want {
			t.Errorf("second %d: %+v, want %+v", i, got, want)
		}
	}
	if got := b[1].Response.Max(); math.Abs(got-4) > 1e-9 {
		t.Errorf("response time %v, want 4 s from the intended start", got)
	}
	if got := b[0].Failures.Max(); math.Abs(got-10) > 1e-9 {
		t.Errorf("the failure took %v, want 10 s", got)
	}
	if len(b[1].Slices) != 2 || b[1].Slices[1].Good != 1 || b[1].Slices[1].Failed != 0 || b[0].Slices[1].Failed != 1 {
		t.Errorf("slices %+v", b[1].Slices)
	}
	// Sent at 0.11, 0.999, 4, 1.5, 2 and 0 s; ended at 0.15, 10.999, 5, 1.52, 2.5 and 0.005 s.
	if got, want := tl.InFlight(), []int{1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 0}; !slices.Equal(got, want) {
		t.Errorf("in flight %v, want %v", got, want)
	}
	// The one that was sent three seconds late had been meant to start at 1 s.
	if got, want := tl.Outstanding(), []int{1, 2, 2, 2, 2, 1, 1, 1, 1, 1, 0}; !slices.Equal(got, want) {
		t.Errorf("outstanding %v, want %v", got, want)
	}
	if sum := tl.Between(900*ms, 2*time.Second); sum.Good != 1 || sum.Failed != 1 || sum.Dropped != 2 {
		t.Errorf("between 1 and 2 s: %+v", sum)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var requests []measure.Entry
	for i := range 1000 {
		requests = append(requests, entry(time.Duration(i)*time.Second, ms, ms, int32(i%3), protocol.OK))
	}
	fine, coarse := feed(t, Options{}, requests), feed(t, Options{MaxBuckets: 100}, requests)
	if len(fine.Buckets()) != 1000 || fine.Width() != time.Second {
		t.Errorf("%d buckets of %v", len(fine.Buckets()), fine.Width())
	}
	if len(coarse.Buckets()) != 63 || coarse.Width() != 16*time.Second {
		t.Errorf("%d buckets of %v, want 63 of 16 s", len(coarse.Buckets()), coarse.Width())
	}
	for i := range coarse.Buckets() {
		from := time.Duration(i) * 16 * time.Second
		want, got := fine.Between(from, from+16*time.Second), coarse.Buckets()[i]
		if got.Good != want.Good || got.Response.Count() != want.Good || len(got.Slices) != 3 || got.Slices[2].Good != want.Slices[2].Good {
			t.Fatalf("bucket %d: %+v, want %+v", i, got, want)
		}
	}
	for i, n := range coarse.InFlight() {
		if n != 0 {
			t.Errorf("%d in flight at the end of bucket %d", n, i)
		}
	}
}

func TestNothingLogged(t *testing.T) {
	tl := New(Options{})
	if err := tl.Consume(context.Background(), &measure.Snapshot{Start: start, Time: start}); err != nil {
		t.Fatal(err)
	}
	if len(tl.Buckets()) != 0 || len(tl.InFlight()) != 0 || !tl.Start().Equal(start) {
		t.Errorf("%+v", tl)
	}
}

// How late the generator was counts where the middle of the interval is.
func TestLatenessOfIntervals(t *testing.T) {
	tl := New(Options{})
	for i := range 3 {
		s := &measure.Snapshot{Start: start, Since: start.Add(time.Duration(i) * time.Second), Time: start.Add(time.Duration(i+1) * time.Second),
			Names: &measure.Names{}, Delta: &measure.Totals{Classes: make([]measure.ClassTotals, 2)}}
		for c := range s.Delta.Classes {
			s.Delta.Classes[c].Lateness.Record(float64(i) / 10)
		}
		if err := tl.Consume(context.Background(), s); err != nil {
			t.Fatal(err)
		}
	}
	b := tl.Between(time.Second, 2*time.Second)
	if got := b.Lateness.Quantile(0.99); b.Lateness.Count() != 2 || math.Abs(got-0.1) > 0.001 {
		t.Errorf("%d values, p99 %v, want 2, 0.1", b.Lateness.Count(), got)
	}
	if all := tl.Between(0, 3*time.Second); all.Lateness.Count() != 6 {
		t.Errorf("%d values of all, want 6", all.Lateness.Count())
	}
}

// The checks of an interval count where its middle is, whatever width the buckets have come to.
func TestChecksOfIntervals(t *testing.T) {
	tl := New(Options{MaxBuckets: 4})
	names := &measure.Names{Checks: []measure.Check{{Name: "a"}, {Name: "b"}}}
	for i := range 8 {
		s := &measure.Snapshot{Start: start, Since: start.Add(time.Duration(i) * time.Second), Time: start.Add(time.Duration(i+1) * time.Second), Names: names,
			Delta: &measure.Totals{Checks: []measure.CheckTotals{{Passed: 1}, {Failed: uint64(i)}}}}
		if err := tl.Consume(context.Background(), s); err != nil {
			t.Fatal(err)
		}
	}
	want := []measure.CheckTotals{{Passed: 4}, {Failed: 4 + 5 + 6 + 7}}
	if got := tl.Between(4*time.Second, 8*time.Second).Checks; tl.Width() != 2*time.Second || !slices.Equal(got, want) {
		t.Errorf("width %v: %+v, want %+v", tl.Width(), got, want)
	}
}
