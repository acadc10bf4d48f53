package run

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
	"tidegauge/engine/user"
)

// null answers at once, so that what is measured is the machinery.
type null struct{}

func (null) Do(_ context.Context, _ *protocol.Request, r *protocol.Response) protocol.Outcome {
	r.Sent = time.Now()
	r.Finished, r.Status = r.Sent, 200
	return protocol.OK
}

func (null) Close() error { return nil }

func nullOptions(b *testing.B, s plan.Shape) Options {
	b.Helper()
	o := options(b, &target{}, s)
	p := &plan.Plan{Classes: []plan.UserClass{class(b, "pay", 1, plan.Wait{})}}
	mix, err := user.NewMix(p, &plan.Test{Shape: s}, user.Options{Dial: func() (protocol.Client, error) { return null{}, nil }})
	if err != nil {
		b.Fatal(err)
	}
	o.Mix = mix
	return o
}

// BenchmarkOpenBacklog is the cost of an iteration of the open model when arrivals are never waited for.
func BenchmarkOpenBacklog(b *testing.B) {
	for _, users := range []int{1, 50} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			b.ReportAllocs()
			over := time.Duration(b.N)
			o := nullOptions(b, openShape(users, stageOf(1e9, 1e9, over)))
			o.StopTimeout = time.Hour
			tp := &tape{}
			o.Sinks = []measure.Sink{tp}
			if _, err := Do(b.Context(), o); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkLateness tells how late the open model is at a rate, and what an arrival costs in CPU.
func BenchmarkLateness(b *testing.B) {
	for _, rate := range []float64{100, 1000, 10_000, 50_000} {
		b.Run(fmt.Sprintf("rate=%g", rate), func(b *testing.B) {
			o := nullOptions(b, openShape(100, stageOf(rate, rate, time.Duration(float64(b.N)/rate*1e9))))
			tp := &tape{}
			o.Sinks = []measure.Sink{tp}
			before := cpu()
			if _, err := Do(b.Context(), o); err != nil {
				b.Fatal(err)
			}
			h := &tp.last.Classes[0].Lateness
			b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(h.Quantile(0.5)*1e6, "p50-µs")
			b.ReportMetric(h.Quantile(0.99)*1e6, "p99-µs")
			b.ReportMetric(h.Max()*1e6, "max-µs")
		})
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
