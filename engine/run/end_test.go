package run

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
)

func TestStopIsGraceful(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, s := range []plan.Shape{openShape(100, stageOf(100, 100, time.Minute)), closedShape(stageOf(10, 10, time.Minute))} {
			tg := &target{latency: takes(70 * ms)}
			stop := make(chan struct{})
			o := withStopTimeout(options(t, tg, s, class(t, "pay", 1, constant(30*ms))), time.Second)
			o.Stop = stop
			time.AfterFunc(time.Second+5*ms, func() { close(stop) })
			res, tp := perform(t.Context(), t, tg, o)
			if !res.Stopped || res.Cancelled {
				t.Errorf("result %+v, want it stopped", res)
			}
			if b := tp.books(); b.Cut != 0 || b.Dropped != 0 || b.Finished < 100 || b.Finished > 110 {
				t.Errorf("%s: books %+v, want all finished, about 100", s.Model, b)
			}
			if took := res.End.Sub(res.Start); took > time.Second+75*ms {
				t.Errorf("%s: it took %v", s.Model, took)
			}
		}
	})
}

func TestWhatTakesTooLongIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, s := range []plan.Shape{openShape(5, stageOf(10, 10, time.Second)), closedShape(stageOf(5, 5, time.Second))} {
			tg := &target{latency: takes(time.Hour)}
			res, tp := perform(t.Context(), t, tg, withStopTimeout(options(t, tg, s), 3*time.Second))
			if b := tp.books(); b.Started != 5 || b.Cut != 5 {
				t.Errorf("%s: books %+v, want 5 started and cut", s.Model, b)
			}
			if took := res.End.Sub(res.Start); took != 4*time.Second {
				t.Errorf("%s: it took %v, want 4s", s.Model, took)
			}
			if n := tp.last.Requests[0].Outcomes[protocol.Cut].ResponseTime.Count(); n != 5 {
				t.Errorf("%s: %d requests cut, want 5", s.Model, n)
			}
		}
	})
}

func TestTheContextCutsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, s := range []plan.Shape{openShape(5, stageOf(10, 10, time.Hour)), closedShape(stageOf(5, 5, time.Hour))} {
			for _, late := range []bool{false, true} { // after Stop as well
				tg := &target{latency: takes(time.Hour)}
				ctx, cancel := context.WithCancel(t.Context())
				o := withStopTimeout(options(t, tg, s), time.Minute)
				time.AfterFunc(time.Second+ms, cancel)
				want := time.Second + ms
				stop := make(chan struct{})
				if o.Stop = stop; late {
					time.AfterFunc(time.Second, func() { close(stop) })
				}
				res, tp := perform(ctx, t, tg, o)
				if took := res.End.Sub(res.Start); took != want || !res.Cancelled || res.Stopped != late {
					t.Errorf("%s: it took %v, want %v; %+v", s.Model, took, want, res)
				}
				if b := tp.books(); b.Started != 5 || b.Cut != 5 || s.Model == plan.Open && b.Dropped != 6 {
					t.Errorf("%s: books %+v, want 5 cut and, when open, 6 dropped", s.Model, b)
				}
			}
		}
	})
}

func TestAUserThatCannotBeMadeEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, s := range []plan.Shape{openShape(5, stageOf(100, 100, time.Hour)), closedShape(stageOf(5, 5, time.Hour))} {
			broken := errors.New("no file descriptors left")
			tg := &target{latency: takes(ms), dialed: broken}
			o, tp := options(t, tg, s), &tape{}
			o.Sinks = []measure.Sink{tp}
			res, err := Do(t.Context(), o)
			if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "run load: ") {
				t.Errorf("%s: error %v, want one that wraps %v", s.Model, err, broken)
			}
			if took := res.End.Sub(res.Start); took > time.Second {
				t.Errorf("%s: it took %v to notice", s.Model, took)
			}
			check(t, tg, tp, o)
		}
	})
}

func TestErrorsOfSinksDoNotEndTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{}
		o := options(t, tg, openShape(5, stageOf(10, 10, 3*time.Second)))
		full := errors.New("disk full")
		o.Sinks = []measure.Sink{failing{full}}
		res, tp := perform(t.Context(), t, tg, o)
		if !errors.Is(res.SinkErrors, full) || tp.books().Finished != 30 {
			t.Errorf("sink errors %v, books %+v; want %v and 30 finished", res.SinkErrors, tp.books(), full)
		}
	})
}

type failing struct{ err error }

func (f failing) Consume(context.Context, *measure.Snapshot) error { return f.err }
