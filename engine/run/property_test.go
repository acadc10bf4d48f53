package run

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/load"
	"tidegauge/engine/plan"
)

// Whatever the shape, the target and the end, the books balance, nobody stays and max_users holds.
func TestAnyRun(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) { anyRun(t, seed) })
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

func anyRun(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	s := plan.Shape{Model: plan.Open, MaxUsers: 1 + r.IntN(20), Poisson: r.IntN(2) == 0}
	scale := 200.0
	if r.IntN(2) == 0 {
		s, scale = plan.Shape{Model: plan.Closed}, 12
	}
	value := func() float64 { return float64(r.IntN(5)) / 4 * scale }
	for range 1 + r.IntN(4) {
		s.Stages = append(s.Stages, stageOf(value(), value(), time.Duration(r.IntN(3000))*ms))
	}
	slow := time.Duration(r.IntN(200)) * ms
	noise := rand.New(rand.NewPCG(seed, 2))
	var mu sync.Mutex
	tg := &target{latency: func(time.Time) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return time.Duration(noise.Int64N(int64(slow) + 1))
	}}
	wait := plan.Wait{Kind: plan.Between, Min: ms, Max: time.Duration(1+r.IntN(500)) * ms}
	o := options(t, tg, s, class(t, "pay", 1+r.IntN(3), wait), class(t, "list", r.IntN(3), wait))
	o.Seed = seed
	o.StopTimeout = time.Duration(r.IntN(300)) * ms
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stop := make(chan struct{})
	o.Stop = stop
	end := s.Duration()
	at := time.Duration(r.Int64N(int64(end) + 1))
	switch r.IntN(3) {
	case 0:
		defer time.AfterFunc(at, cancel).Stop()
	case 1:
		defer time.AfterFunc(at, func() { close(stop) }).Stop()
	}
	res, tp := perform(ctx, t, tg, o)
	if took := res.End.Sub(res.Start); took > end+o.StopTimeout || !res.Stopped && !res.Cancelled && took < end {
		t.Errorf("it took %v of %v, with at most %v to stop", took, end, o.StopTimeout)
	}
	switch b := tp.books(); {
	case s.Model == plan.Closed && b.Dropped != 0:
		t.Errorf("a closed model dropped %d", b.Dropped)
	case s.Model == plan.Open && !res.Stopped && !res.Cancelled:
		want := uint64(0)
		for a := load.NewArrivals(&s, seed); ; want++ {
			if _, ok := a.Next(); !ok {
				break
			}
		}
		if b.Intended != want {
			t.Errorf("%d intended, the schedule has %d", b.Intended, want)
		}
	}
}

// A panic of a user is a bug, and must end the program with a trace.
func TestAPanicIsNotSwallowed(t *testing.T) {
	if model := os.Getenv("PANIC_IN_MODEL"); model != "" {
		s := openShape(3, stageOf(100, 100, time.Second))
		if model == string(plan.Closed) {
			s = closedShape(stageOf(3, 3, time.Second))
		}
		_, err := Do(t.Context(), options(t, &target{latency: func(time.Time) time.Duration { panic("a bug in a user") }}, s))
		t.Fatalf("the run ended with %v", err)
	}
	for _, m := range []plan.Model{plan.Open, plan.Closed} {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAPanicIsNotSwallowed$")
		c.Env = append(os.Environ(), "PANIC_IN_MODEL="+string(m))
		out, err := c.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "panic: a bug in a user") || !strings.Contains(string(out), "run_test.go") {
			t.Errorf("%s: it ended with %v and the output:\n%s", m, err, out)
		}
	}
}

func TestAlarmGoesOffAndCanBeSetAgain(t *testing.T) {
	a := newAlarm()
	defer a.close()
	for range 3 {
		start := time.Now()
		a.set(time.Hour)
		a.set(2 * ms)
		<-a.C
		if took := time.Since(start); took < 2*ms {
			t.Errorf("an alarm in 2ms went off after %v", took)
		}
	}
	a.set(-1)
	<-a.C
}

func TestAgendaForgetsWhatHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		g := newAgenda(start)
		defer g.close()
		for _, n := range rand.Perm(100) {
			g.add(start.Add(time.Duration(n) * ms))
		}
		for _, c := range []struct {
			after time.Duration
			left  int
		}{{0, 99}, {10*ms - 1, 90}, {10 * ms, 89}, {time.Second, 0}} {
			time.Sleep(time.Until(start.Add(c.after)))
			g.next()
			if len(g.moments) != c.left || c.left > 0 && g.moments[c.left-1] <= c.after {
				t.Errorf("after %v there are %d moments, want %d", c.after, len(g.moments), c.left)
			}
		}
	})
}

func TestArrivalsDoNotAllocate(t *testing.T) {
	p := backlog(settingOf(t, nothing), 1, 2000)
	defer p.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting++
	p.makeNext(time.Hour) // by a new user
	if n := testing.AllocsPerRun(1000, func() { p.makeNext(time.Hour) }); n != 0 {
		t.Errorf("an arrival takes %v allocations, want 0", n)
	}
}
