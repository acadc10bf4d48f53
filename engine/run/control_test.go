package run

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
)

// change makes the load follow stages at an offset of a run that is about to begin now.
func change(t *testing.T, c *Control, at time.Duration, stages ...plan.Stage) {
	t.Helper()
	timer := time.AfterFunc(at, func() {
		got, err := c.Follow(stages)
		if err != nil || got != at+1 {
			t.Errorf("the change at %v was made at %v: %v", at, got, err)
		}
	})
	t.Cleanup(func() { timer.Stop() })
}

func TestOpenFollowsAnotherRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{}
		o := options(t, tg, openShape(10, stageOf(2, 2, time.Hour)))
		o.Control = new(Control)
		// 2/s until 1.25 s is two and a half arrivals; the next one is due when the other half has come at 10/s.
		change(t, o.Control, 1250*ms, plan.Stage{From: 10, To: 10, Over: 200 * ms, Phase: "trial 1"}, stageOf(0, 0, time.Hour))
		// A load of nothing is no end.
		change(t, o.Control, 10*time.Second, plan.Stage{From: 4, To: 4, Over: time.Second, Phase: "trial 2"})
		res, tp := perform(t.Context(), t, tg, o)
		var got []time.Duration
		for _, at := range tg.sent {
			got = append(got, at.Sub(res.Start).Round(time.Microsecond))
		}
		want := []time.Duration{
			0, 500 * ms, 1000 * ms, // at 2/s; of the next one half was due at 1.25 s
			1300 * ms, 1400 * ms, // at 10/s; half of the next one is left
			10125 * ms, 10375 * ms, 10625 * ms, 10875 * ms, // at 4/s
		}
		if !slices.Equal(got, want) {
			t.Errorf("sent at %v, want %v", got, want)
		}
		if res.End.Sub(res.Start) != 11*time.Second+1 || res.Stopped {
			t.Errorf("the run took %v, stopped %v, want it to end with the last stage", res.End.Sub(res.Start), res.Stopped)
		}
		var phases []string
		for _, s := range tp.snaps {
			if len(phases) == 0 || phases[len(phases)-1] != s.phase {
				phases = append(phases, s.phase)
			}
		}
		if want := []string{"2 to 2", "trial 1", "0 to 0", "trial 2"}; !slices.Equal(phases, want) {
			t.Errorf("phases %q, want %q", phases, want)
		}
		if tg.opened != 1 {
			t.Errorf("%d connections, want 1, which is kept while there is no load", tg.opened)
		}
	})
}

func TestClosedFollowsAnotherNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(100 * ms)}
		o := options(t, tg, closedShape(stageOf(4, 4, 2*time.Second)))
		o.Control = new(Control)
		change(t, o.Control, 1050*ms, stageOf(2, 2, time.Second), stageOf(2, 6, time.Second), stageOf(6, 6, 2*time.Second))
		res, tp := perform(t.Context(), t, tg, o)
		for _, c := range []struct {
			at   time.Duration
			want int
		}{{time.Second, 4}, {2 * time.Second, 2}, {3 * time.Second, 6}, {5 * time.Second, 6}} {
			if got := tp.at(c.at + 10*ms).users; got != c.want {
				t.Errorf("at %v %d users, want %d", c.at, got, c.want)
			}
		}
		if res.End.Sub(res.Start).Round(ms) > 5150*ms || res.End.Sub(res.Start) < 5050*ms {
			t.Errorf("the run took %v, want 5.05 s and the last request", res.End.Sub(res.Start))
		}
	})
}

func TestControlWithoutLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, s := range []plan.Shape{openShape(1, stageOf(1, 1, time.Second)), closedShape(stageOf(1, 1, time.Second))} {
			tg := &target{latency: takes(700 * ms)}
			o := options(t, tg, s)
			o.StopTimeout = time.Second
			o.Control = new(Control)
			if _, err := o.Control.Follow([]plan.Stage{stageOf(1, 1, time.Second)}); !errors.Is(err, ErrNoLoad) {
				t.Errorf("before the run: %v", err)
			}
			time.AfterFunc(1200*ms, func() { // while the last requests finish
				if _, err := o.Control.Follow([]plan.Stage{stageOf(1, 1, time.Second)}); !errors.Is(err, ErrNoLoad) {
					t.Errorf("after the load: %v", err)
				}
			})
			res, _ := perform(t.Context(), t, tg, o)
			if took := res.End.Sub(res.Start); took > 2*time.Second {
				t.Errorf("the run took %v", took)
			}
			if _, err := o.Control.Follow([]plan.Stage{stageOf(1, 1, time.Second)}); !errors.Is(err, ErrNoLoad) {
				t.Errorf("after the run: %v", err)
			}
		}
	})
}

// Whatever the changes, the books balance, nobody stays, and the arrivals are the integral of the rates that were asked for.
func TestAnyChanges(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) { anyChanges(t, seed) })
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

func anyChanges(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	scale := 200.0
	s := openShape(1 + r.IntN(20))
	if r.IntN(2) == 0 {
		s, scale = closedShape(), 12
	}
	stages := func() (list []plan.Stage) {
		for range 1 + r.IntN(3) {
			list = append(list, stageOf(float64(r.IntN(5))/4*scale, float64(r.IntN(5))/4*scale, time.Duration(1+r.IntN(2000))*ms))
		}
		return list
	}
	s.Stages = stages()
	slow := time.Duration(r.IntN(200)) * ms
	var mu sync.Mutex
	noise := rand.New(rand.NewPCG(seed, 2))
	tg := &target{latency: func(time.Time) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return time.Duration(noise.Int64N(int64(slow) + 1))
	}}
	o := options(t, tg, s, class(t, "pay", 1, plan.Wait{Kind: plan.Between, Min: ms, Max: 300 * ms}))
	o.Control = new(Control)
	o.StopTimeout = 300 * ms
	begun, over := make(chan struct{}), make(chan struct{})
	changes := 1 + r.IntN(6)
	pauses, lists := make([]time.Duration, changes), make([][]plan.Stage, changes)
	for i := range changes {
		pauses[i], lists[i] = time.Duration(r.IntN(1500))*ms, stages()
	}
	want := s.Stages
	go func() {
		defer close(over)
		close(begun)
		for i := range changes {
			time.Sleep(pauses[i])
			at, err := o.Control.Follow(lists[i])
			if err == nil {
				want = splice(want, at, lists[i])
			}
		}
	}()
	<-begun
	tp := &tape{}
	o.Sinks = []measure.Sink{tp}
	res, err := Do(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	<-over
	check(t, tg, tp, o)
	final := plan.Shape{Model: s.Model, Stages: want}
	if took := res.End.Sub(res.Start); took < final.Duration() || took > final.Duration()+o.StopTimeout {
		t.Errorf("it took %v of %v", took, final.Duration())
	}
	if s.Model != plan.Open {
		return
	}
	sum := 0.0
	for _, st := range want {
		sum += (st.From + st.To) / 2 * st.Over.Seconds()
	}
	if got := float64(tp.books().Intended); got < sum-1e-3 || got > sum+1+1e-3 {
		t.Errorf("%v intended, the rates add up to %.3f", got, sum)
	}
}
