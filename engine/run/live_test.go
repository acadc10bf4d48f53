package run

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/plan"
)

// at does something at an offset of a run that is about to begin.
func at(t *testing.T, offset time.Duration, do func()) {
	t.Helper()
	timer := time.AfterFunc(offset, do)
	t.Cleanup(func() { timer.Stop() })
}

// sentAt returns when requests were sent, as offsets.
func sentAt(tg *target, res Result) []time.Duration {
	var got []time.Duration
	for _, at := range tg.sent {
		got = append(got, at.Sub(res.Start).Round(time.Microsecond))
	}
	slices.Sort(got)
	return got
}

func TestOpenPauseMovesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{}
		o := options(t, tg, openShape(10, stageOf(2, 2, 2*time.Second), stageOf(4, 4, time.Second)))
		o.Control = new(Control)
		at(t, 1250*ms, func() {
			if _, err := o.Control.Pause(); err != nil || !o.Control.Paused() {
				t.Errorf("pause: %v", err)
			}
			if _, err := o.Control.Pause(); !errors.Is(err, ErrPaused) {
				t.Errorf("a pause in a pause: %v", err)
			}
			if _, err := o.Control.SetRate(3); !errors.Is(err, ErrPaused) {
				t.Errorf("a rate in a pause: %v", err)
			}
		})
		at(t, 11250*ms, func() {
			if _, err := o.Control.Resume(); err != nil || o.Control.Paused() {
				t.Errorf("resume: %v", err)
			}
			if _, err := o.Control.Resume(); !errors.Is(err, ErrNotPaused) {
				t.Errorf("twice: %v", err)
			}
		})
		res, _ := perform(t.Context(), t, tg, o)
		want := []time.Duration{
			0, 500 * ms, 1000 * ms, // half of the next one is carried over the pause
			11500 * ms,
			12000 * ms, 12250 * ms, 12500 * ms, 12750 * ms,
		}
		if got := sentAt(tg, res); !slices.Equal(got, want) {
			t.Errorf("sent at %v, want %v", got, want)
		}
		if took := res.End.Sub(res.Start).Round(ms); took != 13*time.Second {
			t.Errorf("the run took %v, want 13 s", took)
		}
	})
}

func TestClosedPauseKeepsUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(300 * ms)}
		o := options(t, tg, closedShape(stageOf(2, 2, 2*time.Second)))
		o.Control = new(Control)
		at(t, 1000*ms, func() { _, _ = o.Control.Pause() })
		at(t, 6000*ms, func() { _, _ = o.Control.Resume() })
		res, tp := perform(t.Context(), t, tg, o)
		for _, s := range sentAt(tg, res) {
			if s > 1000*ms && s < 6000*ms {
				t.Errorf("a request was sent at %v, in the pause", s)
			}
		}
		if got := tp.at(3 * time.Second).users; got != 2 {
			t.Errorf("%d users in the pause, want 2, who stay", got)
		}
		if tg.opened != 2 {
			t.Errorf("%d connections, want 2, which are kept", tg.opened)
		}
		if took := res.End.Sub(res.Start); took < 7*time.Second || took > 7500*ms {
			t.Errorf("the run took %v, want its 2 s and the pause", took)
		}
		check(t, tg, tp, o)
	})
}

// A pause that nobody ends is over after MaxPause.
func TestPauseEndsByItself(t *testing.T) {
	for _, s := range []plan.Shape{openShape(1, stageOf(1, 1, 3*time.Second)), closedShape(stageOf(1, 1, 3*time.Second))} {
		synctest.Test(t, func(t *testing.T) {
			tg := &target{latency: takes(100 * ms)}
			o := options(t, tg, s)
			o.Control = new(Control)
			at(t, 1500*ms, func() { _, _ = o.Control.Pause() })
			res, tp := perform(t.Context(), t, tg, o)
			check(t, tg, tp, o)
			if took := res.End.Sub(res.Start).Round(time.Second); took != MaxPause+3*time.Second {
				t.Errorf("the run took %v", took)
			}
			if got := sentAt(tg, res); len(got) < 3 || got[len(got)-1] < MaxPause+1500*ms {
				t.Errorf("nothing was sent after the pause: %v", got)
			}
		})
	}
}

func TestLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{}
		o := options(t, tg, openShape(10, stageOf(0, 10, 10*time.Second)))
		o.Control = new(Control)
		at(t, 2*time.Second, func() {
			if _, _, err := o.Control.Add(1, 2.5); !errors.Is(err, ErrMost) {
				t.Errorf("more than is allowed: %v", err)
			}
			if _, level, err := o.Control.Add(1, 4); err != nil || level < 2.99 || level > 3.01 {
				t.Errorf("one more than 2/s is %v: %v", level, err)
			}
			if _, err := o.Control.SetUsers(3); !errors.Is(err, ErrModel) {
				t.Errorf("users of an open run: %v", err)
			}
			if _, err := o.Control.SetRate(-1); err == nil {
				t.Error("a rate of -1 was taken")
			}
		})
		at(t, 4*time.Second, func() {
			if _, level, err := o.Control.Add(-100, 1); err != nil || level != 0 {
				t.Errorf("less than nothing is %v: %v", level, err)
			}
		})
		at(t, 8*time.Second, func() {
			if _, err := o.Control.SetRate(20); err != nil {
				t.Error(err)
			}
		})
		res, tp := perform(t.Context(), t, tg, o)
		if took := res.End.Sub(res.Start).Round(ms); took != 10*time.Second {
			t.Errorf("the run took %v, want as long as it would have", took)
		}
		// 0 to 2/s for 2 s, 3/s for 2 s, none for 4 s, 20/s for 2 s
		if n := tp.books().Intended; n < 47 || n > 49 {
			t.Errorf("%d arrivals, want 48", n)
		}
		check(t, tg, tp, o)
	})
}
