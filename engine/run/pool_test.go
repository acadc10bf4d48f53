package run

import (
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
	"tidegauge/engine/user"
)

// totals returns the books of what was recorded, after a run of the recorder alone.
func totals(t *testing.T, r *measure.Recorder) measure.Books {
	t.Helper()
	tp := &tape{}
	_, end, err := record(t.Context(), r, []measure.Sink{tp})
	if err != nil {
		t.Fatal(err)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	return tp.books()
}

// When the shape is over while somebody is about to wake for what is due, it is made; what nobody is free for is not.
func TestTheEndDoesNotDropWhatSomebodyIsFreeFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			due  int
			want measure.Books
		}{
			{2, measure.Books{Intended: 2, Started: 2, Finished: 2}},
			{5, measure.Books{Intended: 5, Started: 2, Dropped: 3, Finished: 2}},
		} {
			s := settingOf(t, func() { time.Sleep(time.Second) })
			p := backlog(s, 2, c.due)
			p.waiting++ // just woken
			p.end(false)
			p.crew.Go(p.live)
			p.crew.Wait()
			p.close()
			if got := totals(t, s.recorder); got != c.want {
				t.Errorf("of %d: books %+v, want %+v", c.due, got, c.want)
			}
		}
	})
}

func TestNothingIsIntendedAfterStop(t *testing.T) {
	s := settingOf(t, nothing)
	s.course = courseOf(2 * time.Hour)
	p := backlog(s, 1, 7200)
	defer p.close()
	p.end(true)
	s.start = s.start.Add(-time.Minute) // a minute later
	p.count()
	want := measure.Books{Intended: 3601, Dropped: 3601}
	if got := totals(t, s.recorder); got != want {
		t.Errorf("books %+v, want %+v", got, want)
	}
}

// Many arrivals at one moment are all made then, by users that wait as well as by new ones.
func TestABurstWakesEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(time.Second)}
		burst := stageOf(1e10, 1e10, 50)
		pause := stageOf(0, 0, 3*time.Second)
		_, tp := perform(t.Context(), t, tg, options(t, tg, openShape(500, burst, pause, burst, pause)))
		if want := (measure.Books{Intended: 1000, Started: 1000, Finished: 1000}); tp.books() != want {
			t.Errorf("books %+v, want %+v", tp.books(), want)
		}
		c := &tp.last.Classes[0]
		if tg.most != 500 || tg.opened != 500 || c.Lateness.Max() > 1e-6 || c.Phases[measure.Blocked].Count() != 0 {
			t.Errorf("%d at once by %d users, up to %v s late, %d blocked; want 500 by 500, none late or blocked",
				tg.most, tg.opened, c.Lateness.Max(), c.Phases[measure.Blocked].Count())
		}
	})
}

// The last to become free is the first to be asked, so that few connections are in use.
func TestUsersAreTakenLastInFirstOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &target{latency: takes(15 * ms)}
		s := openShape(50, stageOf(1e10, 1e10, 2), stageOf(0, 0, time.Second), stageOf(100, 100, 2*time.Second))
		var clients []*client
		o := options(t, tg, s)
		mix, err := user.NewMix(&plan.Plan{Classes: []plan.UserClass{class(t, "pay", 1, plan.Wait{})}}, &plan.Test{Shape: s},
			user.Options{Dial: func() (protocol.Client, error) {
				c, err := tg.dial()
				tg.mu.Lock()
				defer tg.mu.Unlock()
				clients = append(clients, c.(*client))
				return c, err
			}})
		if err != nil {
			t.Fatal(err)
		}
		o.Mix = mix
		perform(t.Context(), t, tg, withStopTimeout(o, time.Second))
		busy := 0
		for _, c := range clients {
			if c.requests > 1 {
				busy++
			}
		}
		// The burst needs 20; 100/s that take 15 ms each need two.
		if len(clients) != 20 || busy != 2 {
			t.Errorf("%d users, of which %d made more than one request; want 20 and 2", len(clients), busy)
		}
	})
}
