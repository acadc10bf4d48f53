package run

import (
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/measure"
)

// Little's law: with 4 users, 50 ms of answer and 150 ms of wait each makes 5 iterations a second.
func TestClosedWithWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(50 * ms)}
		o := options(t, tg, closedShape(stageOf(4, 4, 2*time.Second)), class(t, "pay", 1, constant(150*ms)))
		_, tp := perform(t.Context(), t, tg, o)
		if want := (measure.Books{Intended: 40, Started: 40, Finished: 40}); tp.books() != want {
			t.Errorf("books %+v, want %+v", tp.books(), want)
		}
		if tg.opened != 4 || tg.most != 4 {
			t.Errorf("%d users, %d requests at once, want 4", tg.opened, tg.most)
		}
		c := &tp.last.Classes[0]
		if c.Lateness.Count() != 40 || c.Lateness.Max() != 0 || c.Phases[measure.Blocked].Count() != 0 {
			t.Errorf("%d latenesses, the worst %v, %d blocked; want 40, 0, 0",
				c.Lateness.Count(), c.Lateness.Max(), c.Phases[measure.Blocked].Count())
		}
	})
}

func TestClosedWithoutWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(9 * ms)}
		_, tp := perform(t.Context(), t, tg, withStopTimeout(options(t, tg, closedShape(stageOf(2, 2, time.Second))), time.Second))
		// 111 are over after 999 ms; the 112th starts then and may finish.
		if want := (measure.Books{Intended: 224, Started: 224, Finished: 224}); tp.books() != want {
			t.Errorf("books %+v, want %+v", tp.books(), want)
		}
	})
}

func TestRampDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(30 * ms)}
		o := options(t, tg, closedShape(stageOf(0, 4, 4*time.Second), stageOf(4, 0, 5*time.Second), stageOf(0, 2, time.Second), stageOf(2, 2, time.Second)),
			class(t, "pay", 1, constant(370*ms)))
		_, tp := perform(t.Context(), t, tg, o)
		// They leave at 5.25, 6.5, 7.75 and 9 s; two come at 9 and 9.5 s.
		for at, users := range map[time.Duration]int{6: 3, 7: 2, 8: 1, 10: 2} {
			if got := tp.at(at * time.Second).users; got != users {
				t.Errorf("%d users at %d s, want %d", got, at, users)
			}
		}
		// One every 400 ms from i to 9-1.25i s makes 23, 17, 12 and 6; then 5 and 4.
		if want := uint64(23 + 17 + 12 + 6 + 5 + 4); tp.books().Started != want {
			t.Errorf("%d iterations, want %d", tp.books().Started, want)
		}
		if tg.opened != 6 {
			t.Errorf("%d users, want 6", tg.opened)
		}
	})
}

// A user that has to leave does so after its iteration, and who gets its number waits for that.
func TestANumberIsNotTakenTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(2500 * ms)}
		_, tp := perform(t.Context(), t, tg, withStopTimeout(options(t, tg,
			closedShape(stageOf(1, 1, time.Second), stageOf(0, 0, time.Second), stageOf(1, 1, time.Second))), time.Minute))
		if tg.most != 1 || tg.opened != 2 {
			t.Errorf("%d requests at once by %d users, want 1 by 2", tg.most, tg.opened)
		}
		c := &tp.last.Classes[0]
		within(t, "blocked", c.Phases[measure.Blocked].Max(), 0.5, 0.01)
		if c.Lateness.Max() != 0 {
			t.Errorf("lateness %v, want 0", c.Lateness.Max())
		}
	})
	// Those who are told to leave while they wait for that do not let the next one in either.
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(10 * time.Second)}
		on, off := stageOf(1, 1, time.Second), stageOf(0, 0, time.Second)
		_, tp := perform(t.Context(), t, tg, withStopTimeout(options(t, tg,
			closedShape(on, off, on, off, on, off, stageOf(1, 1, 10*time.Second))), time.Minute))
		if tg.most != 1 || tg.opened != 2 {
			t.Errorf("%d requests at once by %d users, want 1 by 2", tg.most, tg.opened)
		}
		if want := (measure.Books{Intended: 2, Started: 2, Finished: 2}); tp.books() != want {
			t.Errorf("books %+v, want %+v", tp.books(), want)
		}
		within(t, "blocked", tp.last.Classes[0].Phases[measure.Blocked].Max(), 4, 0.01)
	})
}
