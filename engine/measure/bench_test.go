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

// observations returns what n requests of random names told: a log-normal wait around 20 ms, a connection that was there.
func observations(names *Names, n int) []Observation {
	r := rand.New(rand.NewPCG(1, 2))
	at := time.Now()
	all := make([]Observation, n)
	for i := range all {
		wait := time.Duration(20e6 * math.Exp(0.5*r.NormFloat64()))
		receive := time.Duration(50e3 * math.Exp(0.3*r.NormFloat64()))
		sent := at.Add(time.Duration(r.IntN(1e6)))
		all[i] = Observation{
			Request: r.IntN(len(names.Requests)), Outcome: protocol.OK,
			Intended: at, Sent: sent, Finished: sent.Add(wait + receive), BytesSent: 300, BytesReceived: 2000,
			Timings: protocol.Timings{Wait: wait, Receive: receive},
		}
		if r.IntN(100) == 0 {
			all[i].Outcome = protocol.Status
		}
		at = at.Add(time.Millisecond)
	}
	return all
}

const benchmarkRound = 1 << 14 // observations, over and over

func BenchmarkObserve(b *testing.B) {
	for _, n := range []int{10, 1000} {
		names := manyNames(n)
		all := observations(names, benchmarkRound)
		warm := func(r *Recorder) {
			for s := range r.shards {
				for i := range all {
					r.Shard(s).Observe(&all[i])
				}
			}
		}
		b.Run(fmt.Sprintf("names=%d/single", n), func(b *testing.B) {
			r := New(names, Options{Shards: 1})
			warm(r)
			s := r.Shard(0)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s.Observe(&all[i&(benchmarkRound-1)])
				i++
			}
		})
		b.Run(fmt.Sprintf("names=%d/parallel", n), func(b *testing.B) {
			r := New(names, Options{Shards: 2})
			warm(r)
			var users atomic.Int64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				user := int(users.Add(1))
				s := r.Shard(user)
				i := user * 7919
				for pb.Next() {
					s.Observe(&all[i&(benchmarkRound-1)])
					i++
				}
			})
		})
	}
}
