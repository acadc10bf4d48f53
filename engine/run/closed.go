package run

import (
	"time"

	"tidegauge/engine/load"
	"tidegauge/engine/plan"
)

// crowd is the users of a closed model.
type crowd struct {
	*setting
	schedule *load.Users
	seats    []*crowdUser // by number: who sat there last
	present  int          // the first ones of seats are there
	agenda   *agenda      // of their waits
	changes  chan func()  // of the schedule, for whoever plays it
	played   chan struct{}
}

func newCrowd(s *setting, u *load.Users) *crowd {
	return &crowd{setting: s, schedule: u, agenda: newAgenda(s.start), changes: make(chan func()), played: make(chan struct{})}
}

func (c *crowd) close() { c.agenda.close() }

// count has nothing to do: an iteration of a closed model is intended when it starts.
func (*crowd) count() {}

func (c *crowd) change(replace func(now time.Duration) (*plan.Shape, []plan.Stage)) {
	done := make(chan struct{})
	change := func() {
		defer close(done)
		now := time.Since(c.start)
		if shape, stages := replace(now); shape != nil {
			c.schedule = load.NewUsersFrom(now+1, c.present, stages)
		}
	}
	select {
	case c.changes <- change:
		<-done
	case <-c.played:
	}
}

func (c *crowd) play(over <-chan bool) {
	defer func() {
		close(c.played)
		for c.present > 0 {
			c.remove()
		}
	}()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	schedule := c.schedule
	at, by, ok := schedule.Next()
	for {
		timer.Stop()
		if ok && at < c.course.duration() {
			timer.Reset(at - time.Since(c.start))
			c.agenda.add(c.start.Add(at))
		}
		select {
		case <-timer.C:
			c.agenda.next()
			if by > 0 {
				c.add(at)
			} else {
				c.remove()
			}
		case change := <-c.changes:
			if change(); schedule == c.schedule {
				continue
			}
			schedule = c.schedule
		case <-over:
			return
		}
		at, by, ok = schedule.Next()
	}
}

// add lets the next user in.
func (c *crowd) add(at time.Duration) {
	i := c.present
	u := &crowdUser{
		crowd: c, number: i + 1, class: c.mix.ClassOf(i), due: c.start.Add(at),
		told: make(chan struct{}), left: make(chan struct{}),
	}
	if i < len(c.seats) {
		u.before, c.seats[i] = c.seats[i], u
	} else {
		c.seats = append(c.seats, u)
	}
	c.present++
	c.crew.Go(u.live)
}

// remove tells the user that came last to leave.
func (c *crowd) remove() {
	c.present--
	close(c.seats[c.present].told)
}

// crowdUser is one user of a crowd.
type crowdUser struct {
	crowd  *crowd
	number int // from 1
	class  int
	due    time.Time
	told   chan struct{} // closed: to leave
	left   chan struct{} // closed: it has, and so have all who had this number before
	leftAt time.Time
	before *crowdUser // who had this number before, and may still be at its last iteration
	timer  *time.Timer
}

// live makes one iteration after the other until the user is told to leave.
func (u *crowdUser) live() {
	c := u.crowd
	defer func() {
		u.leftAt = time.Now()
		close(u.left)
	}()
	intended, ready := u.due, u.due
	if u.before != nil {
		<-u.before.left // also when told to leave meanwhile: who comes next waits for all of them
		ready = later(ready, u.before.leftAt)
		u.before = nil
		select {
		case <-u.told:
			return
		default:
		}
	}
	s, err := c.mix.NewSession(u.class, u.number, c.recorder)
	if err != nil {
		c.fail(err)
		return
	}
	c.recorder.AddUsers(u.class, 1)
	shard := c.recorder.Shard(u.number)
	for {
		at, ok := u.await(intended)
		if !ok {
			break
		}
		if at.After(intended) { // a pause was in between
			intended, ready = at, at
		}
		shard.Intend(u.class, 1)
		s.Iterate(c.work, intended, ready)
		intended = s.Next(intended, time.Now()) // not before now
		ready = intended
	}
	c.recorder.AddUsers(u.class, -1)
	_ = s.Close() // the requests are over: what closing their connection comes to tells nothing
}

// await waits for a moment, or for the end of the pause it is in, and returns which it was; false when the user has to leave
// before. An iteration that would be due when the shape is over never comes.
func (u *crowdUser) await(t time.Time) (time.Time, bool) {
	for {
		if !u.within(t) {
			return t, false
		}
		if d := time.Until(t); d > 0 && !u.sleep(d, nil) {
			return t, false
		}
		course, start := u.crowd.course, u.crowd.start
		if until := time.Duration(course.paused.Load()); t.Sub(start) >= until {
			return t, true
		}
		_, changed := course.now()
		until := time.Duration(course.paused.Load()) // as it was before changed will be closed
		if left := until - time.Since(start); left > 0 && !u.sleep(left, changed) {
			return t, false
		}
		t = later(t, time.Now())
	}
}

// within waits as long as a moment is after the end of the shape, which may be prolonged; false when the user has to leave.
func (u *crowdUser) within(t time.Time) bool {
	select {
	case <-u.told:
		return false
	default:
	}
	for course := u.crowd.course; t.Sub(u.crowd.start) >= course.duration(); {
		_, changed := course.now()
		if t.Sub(u.crowd.start) < course.duration() {
			break
		}
		select {
		case <-u.told:
			return false
		case <-changed:
		}
	}
	return true
}

// sleep waits for a length of time or until changed is closed; false when the user has to leave before.
func (u *crowdUser) sleep(d time.Duration, changed <-chan struct{}) bool {
	if u.timer == nil {
		u.timer = time.NewTimer(d)
	} else {
		u.timer.Reset(d)
	}
	u.crowd.agenda.add(time.Now().Add(d))
	defer u.crowd.agenda.next()
	select {
	case <-u.timer.C:
		return true
	case <-changed:
		u.timer.Stop()
		return true
	case <-u.told:
		u.timer.Stop()
		return false
	}
}

// later returns the later of two moments.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
