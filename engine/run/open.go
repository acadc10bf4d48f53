package run

import (
	"sync"
	"time"

	"tidegauge/engine/load"
	"tidegauge/engine/plan"
	"tidegauge/engine/user"
)

// pool makes the arrivals of an open model with a bounded number of goroutines and users.
//
// The goroutines are all alike. Those that have nothing to do wait for one alarm, which is set to the next arrival. It
// wakes one of them, which sets it to the arrival after that, takes a user and runs the iteration itself. So nothing is
// handed from one goroutine to another between the moment an arrival is due and its request, and nobody is woken but to
// make an arrival. When all are at work, arrivals stay where they are, in the schedule: a backlog takes no memory.
// Whoever becomes free takes the oldest.
//
// Users are taken last in, first out, so that as few of them as possible are at work, over connections that are warm. A
// user plays any class and has a session for each it has played; for an arrival, one that played its class last comes
// first. So a mix of classes neither reserves users for a class nor gives up connections to make room for another, and
// users are numbered up to MaxUsers.
type pool struct {
	*setting
	limit      int  // MaxUsers
	controlled bool // more arrivals may come when the schedule has none

	mu        sync.Mutex
	todo      queue         // what has not started
	due       queue         // what is not counted as intended yet
	over      bool          // the shape is: what is due and nobody is free for is dropped
	alarm     *alarm        // those with nothing to do wait for it
	armed     time.Duration // what it is set to
	waiting   int           // goroutines that have nothing to do
	working   int           // goroutines that make an arrival
	freeSince time.Duration // when last as many as limit were at work
	users     int           // users there are
	free      [][]*poolUser // users not at work, by the class they played last, in the order they became free
}

// unarmed is what an alarm is set to that has gone off.
const unarmed = -1

// queue is a schedule and the next arrival of it.
type queue struct {
	schedule *load.Arrivals
	n        uint64
	at       time.Duration
	ok       bool // there is one
}

func newQueue(a *load.Arrivals) queue {
	q := queue{schedule: a.Share(0, 1)}
	q.at, q.ok = q.schedule.Next()
	return q
}

func (q *queue) advance() {
	q.n++
	q.at, q.ok = q.schedule.Next()
}

func (q *queue) follow(s *plan.Shape) { q.at, q.ok = q.schedule.Follow(s) }

// reached reports whether the next arrival is due at t.
func (q *queue) reached(t time.Duration) bool { return q.ok && q.at <= t }

func newPool(s *setting, a *load.Arrivals, limit int, controlled bool) *pool {
	return &pool{
		setting: s, limit: limit, controlled: controlled, todo: newQueue(a), due: newQueue(a), alarm: newAlarm(), armed: unarmed,
		free: make([][]*poolUser, len(s.mix.Names().Classes)),
	}
}

func (p *pool) play(over <-chan bool) {
	p.mu.Lock()
	p.follow()
	p.mu.Unlock()
	p.end(<-over)
}

func (p *pool) close() { p.alarm.close() }

func (p *pool) change(replace func(now time.Duration) (*plan.Shape, []plan.Stage)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Since(p.start)
	p.intend(now, 0)
	shape, _ := replace(now)
	if shape == nil {
		return
	}
	p.todo.follow(shape)
	p.due.follow(shape)
	p.follow()
}

// end ends the load. When the shape is over, what was due in time is still made if somebody is free for it, who is just
// about to wake.
func (p *pool) end(early bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	until := p.course.duration()
	if early {
		until = min(until, time.Since(p.start))
	}
	p.intend(until, 0)
	p.due.ok = false
	if early || p.working == p.limit {
		p.drop(until)
	} else if p.controlled {
		p.follow() // those who waited for more leave
	}
}

// drop gives up what has not started by then. The caller holds mu.
func (p *pool) drop(until time.Duration) {
	shard := p.recorder.Shard(0)
	for ; p.todo.reached(until); p.todo.advance() {
		shard.Drop(p.mix.ClassFor(p.todo.n), p.start.Add(p.todo.at))
	}
	p.todo.ok = false
	p.follow()
}

func (p *pool) count() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intend(time.Since(p.start), 0)
}

// intend counts what is due, on the shard of a user. The caller holds mu.
func (p *pool) intend(now time.Duration, number int) {
	for ; p.due.reached(now); p.due.advance() {
		p.recorder.Shard(number).Intend(p.mix.ClassFor(p.due.n), 1)
	}
}

// follow sees to it that somebody makes the next arrival, if anybody can, and that those who wait leave when there is none.
// The caller holds mu.
func (p *pool) follow() {
	switch {
	case p.waiting > 0:
		p.wake()
	case p.todo.ok && p.working < p.limit:
		p.waiting++
		p.crew.Go(p.live)
	}
}

// wake sets the alarm to the next arrival, or to now if there is none. The caller holds mu.
func (p *pool) wake() {
	switch {
	case p.staying():
	case !p.todo.ok:
		p.alarm.set(0)
	case p.armed != p.todo.at:
		p.armed = p.todo.at
		p.alarm.set(p.todo.at - time.Since(p.start))
	}
}

// staying reports whether there is nothing to do now, but may be later. The caller holds mu.
func (p *pool) staying() bool { return !p.todo.ok && p.controlled && !p.over }

// live makes arrivals until there are no more. Who leaves takes a free user along: there are no more users than goroutines.
func (p *pool) live() {
	p.mu.Lock()
	for p.todo.ok || p.staying() {
		now := time.Since(p.start)
		if p.todo.reached(now) {
			p.makeNext(now)
			continue
		}
		p.wake()
		p.mu.Unlock()
		<-p.alarm.C
		p.mu.Lock()
		p.armed = unarmed
	}
	p.waiting--
	p.follow()
	u := p.pick(0)
	p.mu.Unlock()
	if u != nil {
		u.close()
	}
}

// makeNext makes the next arrival. The caller holds mu; while the iteration runs, nobody does.
func (p *pool) makeNext(now time.Duration) {
	class := p.mix.ClassFor(p.todo.n)
	intended := p.start.Add(p.todo.at)
	ready := p.start.Add(max(p.todo.at, p.freeSince)) // somebody was free ever since
	u := p.pick(class)
	if u == nil {
		p.users++
		u = &poolUser{number: p.users, sessions: make([]*user.Session, len(p.free))}
	}
	p.intend(now, u.number)
	p.todo.advance()
	p.waiting--
	p.working++
	if p.over && p.working == p.limit {
		p.drop(p.course.duration())
	} else {
		p.follow()
	}

	p.mu.Unlock()
	p.iterate(u, class, intended, ready)
	p.mu.Lock()

	p.free[class] = append(p.free[class], u)
	if p.working == p.limit {
		p.freeSince = time.Since(p.start)
	}
	p.working--
	p.waiting++
}

// pick takes a free user, best one that played the class last; nil if there is none. The caller holds mu.
func (p *pool) pick(class int) *poolUser {
	if len(p.free[class]) == 0 {
		for other := range p.free {
			if len(p.free[other]) > len(p.free[class]) {
				class = other
			}
		}
	}
	last := len(p.free[class]) - 1
	if last < 0 {
		return nil
	}
	u := p.free[class][last]
	p.free[class] = p.free[class][:last]
	return u
}

func (p *pool) iterate(u *poolUser, class int, intended, ready time.Time) {
	if u.sessions[class] == nil {
		s, err := p.mix.NewSession(class, u.number, p.recorder)
		if err != nil {
			p.recorder.Shard(u.number).Drop(class, intended)
			p.fail(err)
			return
		}
		u.sessions[class] = s
	}
	p.recorder.AddUsers(class, 1)
	u.sessions[class].Iterate(p.work, intended, ready)
	p.recorder.AddUsers(class, -1)
}

// poolUser is one user of a pool.
type poolUser struct {
	number   int             // from 1
	sessions []*user.Session // by class; nil for those it has not played
}

func (u *poolUser) close() {
	for _, s := range u.sessions {
		if s != nil {
			_ = s.Close() // the requests are over: what closing their connection comes to tells nothing
		}
	}
}
