package measure

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"tidegauge/engine/protocol"
)

// manyNames returns n requests of four classes, and a check on each.
func manyNames(n int) *Names {
	names := &Names{}
	for c := range 4 {
		names.Classes = append(names.Classes, fmt.Sprintf("Class%d", c))
	}
	for i := range n {
		names.Requests = append(names.Requests, Request{Class: names.Classes[i%4], Name: fmt.Sprintf("GET /%d", i), Method: "GET"})
		names.Checks = append(names.Checks, Check{Request: i, Name: "status == 200"})
	}
	return names
}

// load makes observations cheaply: in turn one of 257 with log-normal times, of a request that comes round in another
// rhythm, so that in the end every request has every time. What it reads is small and does not crowd the caches that are
// to be measured.
type load struct {
	observations [257]Observation
	requests     []uint16 // in random order
}

func newLoad(names *Names) *load {
	r := rand.New(rand.NewPCG(1, 2))
	l := &load{}
	start := time.Now()
	for i := range l.observations {
		wait := time.Duration(20e6 * math.Exp(0.5*r.NormFloat64()))
		receive := time.Duration(50e3 * math.Exp(0.3*r.NormFloat64()))
		sent := start.Add(time.Duration(r.IntN(1e6)))
		l.observations[i] = Observation{
			Outcome: protocol.OK, Intended: start, Sent: sent, Finished: sent.Add(wait + receive), BytesSent: 300, BytesReceived: 2000,
			Timings: protocol.Timings{Wait: wait, Receive: receive},
		}
		if i%64 == 0 {
			l.observations[i].Outcome = protocol.Status
		}
	}
	for _, i := range r.Perm(len(names.Requests)) {
		l.requests = append(l.requests, uint16(i))
	}
	return l
}

// run hands observations to each, one a call of next.
func (l load) run(each func(*Observation), next func() bool) {
	i, request := 0, 0
	for next() {
		o := &l.observations[i]
		o.Request = int(l.requests[request])
		each(o)
		if i++; i == len(l.observations) {
			i = 0
		}
		if request++; request == len(l.requests) {
			request = 0
		}
	}
}

// times returns a function that says yes n times.
func times(n int) func() bool {
	return func() bool { n--; return n >= 0 }
}

// BenchmarkObserve includes what it takes to come by the observations, which names=none measures alone.
func BenchmarkObserve(b *testing.B) {
	b.Run("names=none", func(b *testing.B) {
		var sum int64
		newLoad(manyNames(1000)).run(func(o *Observation) { sum += o.BytesSent }, times(b.N))
	})
	for _, n := range []int{10, 1000} {
		names := manyNames(n)
		l := newLoad(names)
		prepare := func(b *testing.B, shards int) *Recorder {
			r := New(names, Options{Shards: shards})
			for i := range shards {
				l.run(r.Shard(i).Observe, times(len(l.observations)*len(names.Requests)))
			}
			b.ReportAllocs()
			b.ResetTimer()
			return r
		}
		b.Run(fmt.Sprintf("names=%d/single", n), func(b *testing.B) {
			r := prepare(b, 1)
			l.run(r.Shard(0).Observe, times(b.N))
		})
		b.Run(fmt.Sprintf("names=%d/parallel", n), func(b *testing.B) {
			r := prepare(b, 2)
			var users atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				l.run(r.Shard(int(users.Add(1))).Observe, pb.Next)
			})
		})
	}
}

// BenchmarkInterval is what the end of an interval costs Run: 20,000 observations of 1,000 names on two shards are taken,
// merged and added to a total, and the pages emptied. Recording waits for none of it but the swap of the pages.
func BenchmarkInterval(b *testing.B) {
	names := manyNames(1000)
	l := newLoad(names)
	r := New(names, Options{Shards: 2})
	s := newSeries(r, time.Now(), nil)
	for b.Loop() {
		b.StopTimer()
		l.run(r.Shard(0).Observe, times(10_000))
		l.run(r.Shard(1).Observe, times(10_000))
		b.StartTimer()
		s.hand(b.Context(), false)
	}
}
