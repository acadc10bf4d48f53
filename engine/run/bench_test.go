package run

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tidegauge/engine/load"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
	"tidegauge/engine/user"
)

// null answers at once, so that what is measured is the machinery.
type null struct{ called func() }

func (n null) Do(_ context.Context, _ *protocol.Request, r *protocol.Response) protocol.Outcome {
	n.called()
	r.Sent = time.Now()
	r.Finished, r.Status = r.Sent, 200
	return protocol.OK
}

func (null) Close() error { return nil }

func nothing() {}

func nullOptions(t testing.TB, s plan.Shape, called func()) Options {
	t.Helper()
	p := &plan.Plan{Classes: []plan.UserClass{class(t, "pay", 1, plan.Wait{})}}
	mix, err := user.NewMix(p, &plan.Test{Shape: s}, user.Options{Dial: func() (protocol.Client, error) { return null{called}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return Options{Shape: s, Mix: mix, Recorder: measure.New(mix.Names(), measure.Options{})}
}

// settingOf is that of a run that began an hour ago.
func settingOf(t testing.TB, called func()) *setting {
	t.Helper()
	o := nullOptions(t, closedShape(), called)
	return &setting{mix: o.Mix, recorder: o.Recorder, start: time.Now().Add(-time.Hour), course: courseOf(time.Hour), work: t.Context()}
}

// courseOf is that of a load of this length.
func courseOf(d time.Duration) *course {
	return newCourse(&plan.Shape{Stages: []plan.Stage{stageOf(0, 0, d)}})
}

// backlog is a pool with n arrivals that are overdue.
func backlog(s *setting, users, n int) *pool {
	rate := float64(n) / s.course.duration().Seconds()
	shape := openShape(users, stageOf(rate, rate, s.course.duration()))
	return newPool(s, load.NewArrivals(&shape, 0), users, false)
}

// BenchmarkIteration is the cost of an iteration that does nothing: of the session alone, and with what the models add.
func BenchmarkIteration(b *testing.B) {
	b.Run("session", func(b *testing.B) {
		b.ReportAllocs()
		s := settingOf(b, nothing)
		u, err := s.mix.NewSession(0, 1, s.recorder)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			u.Iterate(s.work, s.start, s.start)
		}
	})
	for _, users := range []int{1, 2, 50} {
		b.Run(fmt.Sprintf("open/users=%d", users), func(b *testing.B) {
			b.ReportAllocs()
			p := backlog(settingOf(b, nothing), users, b.N)
			b.ResetTimer()
			p.mu.Lock()
			p.follow()
			p.mu.Unlock()
			p.crew.Wait()
			p.close()
		})
		b.Run(fmt.Sprintf("closed/users=%d", users), func(b *testing.B) {
			b.ReportAllocs()
			over := make(chan bool, 1)
			n := new(atomic.Int64)
			s := settingOf(b, func() {
				if n.Add(1) == int64(b.N) {
					over <- true
				}
			})
			s.course = courseOf(1000 * time.Hour) // not the time ends it
			shape := closedShape(stageOf(float64(users), float64(users), s.course.duration()))
			c := newCrowd(s, load.NewUsers(&shape))
			b.ResetTimer()
			c.play(over)
			s.crew.Wait()
			c.close()
		})
	}
}

// BenchmarkLateness tells how late the open model is at a rate, and what an arrival costs in CPU.
func BenchmarkLateness(b *testing.B) {
	for _, rate := range []float64{100, 1000, 10_000} {
		b.Run(fmt.Sprintf("rate=%g", rate), func(b *testing.B) {
			o := nullOptions(b, openShape(100, stageOf(rate, rate, time.Duration(float64(b.N)/rate*1e9))), nothing)
			tp := &tape{}
			o.Sinks = []measure.Sink{tp}
			before := cpu(b)
			if _, err := Do(b.Context(), o); err != nil {
				b.Fatal(err)
			}
			h := &tp.last.Classes[0].Lateness
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(h.Quantile(0.5)*1e6, "p50-µs")
			b.ReportMetric(h.Quantile(0.99)*1e6, "p99-µs")
		})
	}
}

// cpu returns the processor time of this process so far.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
