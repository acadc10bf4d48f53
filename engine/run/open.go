package run

import (
	"sync"
	"time"

	"tidegauge/engine/load"
	"tidegauge/engine/user"
)

// pool is the users of an open model. They share the schedule by leader and followers (Schmidt et al., Pattern-Oriented
// Software Architecture, vol. 2, 2000): one idle user, the leader, sleeps until the next arrival is due, names the next
// leader and makes the arrival itself. So nothing is handed from one goroutine to another between the moment an arrival is
// due and its request, and nobody is woken in vain.
//
// Idle users are taken last in, first out: as few of them as possible are at work, over connections that are warm. When
// all are at work, arrivals stay where they are, in the schedule: a backlog takes no memory. Whoever becomes free then takes
// the oldest.
//
// A user may be asked for any class, and has a session for each that it was asked for. So a mix of classes neither
// reserves users for a class nor closes connections to make room for another, and numbers of users go up to MaxUsers.
type pool struct {
	*setting
	limit int // MaxUsers

	mu        sync.Mutex
	todo      queue         // what has not started
	due       queue         // what is not counted as intended yet
	over      bool          // the shape is: what is due and nobody is free for is dropped
	leader    *poolUser     // nil when all are at work, or nothing is left to do
	alarm     *time.Timer   // the leader's
	idle      []*poolUser   // the others that have nothing to do, the last to become so last
	hired     int           // users there are
	working   int           // users that are making an arrival
	freeSince time.Duration // when last all users were at work
}

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

// reached reports whether the next arrival is due at t.
func (q *queue) reached(t time.Duration) bool { return q.ok && q.at <= t }

// arrival is an iteration to make.
type arrival struct {
	class           int
	intended, ready time.Time
}

func newPool(s *setting, a *load.Arrivals, limit int) *pool {
	return &pool{
		setting: s, limit: limit, todo: newQueue(a), due: newQueue(a),
		alarm: time.NewTimer(time.Hour), // set when there is a leader
	}
}

func (p *pool) play(over <-chan bool) {
	p.begin()
	p.end(<-over)
}

func (p *pool) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.todo.ok {
		p.promote()
	}
}

// end ends the load. When the shape is over, what was due in time is still made if a user is free for it: its leader is
// just about to wake.
func (p *pool) end(early bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	until := p.duration
	if early {
		until = min(until, time.Since(p.start))
	}
	p.intend(until, 0)
	p.due.ok = false
	if early || p.working == p.limit {
		p.drop(until)
	}
}

// drop gives up what has not started by then, and lets the users go. The caller holds mu.
func (p *pool) drop(until time.Duration) {
	shard := p.recorder.Shard(0)
	for ; p.todo.reached(until); p.todo.advance() {
		shard.Drop(p.mix.ClassFor(p.todo.n), 1)
	}
	p.todo.ok = false
	p.release()
	p.alarm.Reset(0)
}

// release wakes the idle users when there is nothing left to do. The caller holds mu.
func (p *pool) release() {
	for _, u := range p.idle {
		u.wake <- struct{}{}
	}
	p.idle = nil
}

func (p *pool) count() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intend(time.Since(p.start), 0)
}

// intend counts what is due, for a user. The caller holds mu.
func (p *pool) intend(now time.Duration, number int) {
	for ; p.due.reached(now); p.due.advance() {
		p.recorder.Shard(number).Intend(p.mix.ClassFor(p.due.n), 1)
	}
}

// take returns the next arrival for u to make, when it is due; false when there will be none.
func (p *pool) take(u *poolUser) (arrival, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Since(p.start)
	p.free(u, now)
	for p.todo.ok {
		if p.todo.reached(now) {
			return p.give(u, now), true
		}
		if p.leader == nil {
			p.leader = u
		}
		if p.leader == u {
			p.alarm.Reset(p.todo.at - now)
			p.mu.Unlock()
			<-p.alarm.C
		} else {
			p.idle = append(p.idle, u)
			p.mu.Unlock()
			<-u.wake
		}
		p.mu.Lock()
		now = time.Since(p.start)
	}
	return arrival{}, false
}

// free notes that u is not at work any more. The caller holds mu.
func (p *pool) free(u *poolUser, now time.Duration) {
	if !u.working {
		return
	}
	u.working = false
	if p.working == p.limit {
		p.freeSince = now
	}
	p.working--
}

// give gives u the next arrival. The caller holds mu.
func (p *pool) give(u *poolUser, now time.Duration) arrival {
	p.intend(now, u.number)
	a := arrival{
		class:    p.mix.ClassFor(p.todo.n),
		intended: p.start.Add(p.todo.at),
		ready:    p.start.Add(max(p.todo.at, p.freeSince)), // a user was free ever since
	}
	u.working = true
	p.working++
	p.todo.advance()
	if p.leader == u {
		p.leader = nil
	}
	switch {
	case !p.todo.ok:
		p.release()
	case p.over && p.working == p.limit:
		p.drop(p.duration)
	case p.leader == nil:
		p.promote()
	}
	return a
}

// promote names a leader, if anybody is free. The caller holds mu.
func (p *pool) promote() {
	switch last := len(p.idle) - 1; {
	case last >= 0:
		p.leader = p.idle[last]
		p.idle = p.idle[:last]
		p.leader.wake <- struct{}{}
	case p.hired < p.limit:
		p.hired++
		u := &poolUser{pool: p, number: p.hired, wake: make(chan struct{}, 1)}
		p.leader = u
		p.users.Go(u.live)
	}
}

// poolUser is one user of a pool.
type poolUser struct {
	pool     *pool
	number   int             // from 1
	wake     chan struct{}   // holds one: an idle user is woken once
	working  bool            // guarded by pool.mu
	sessions []*user.Session // by class, nil where it was not asked for one
}

// live makes arrivals until there are no more.
func (u *poolUser) live() {
	p := u.pool
	defer u.leave()
	for {
		a, ok := p.take(u)
		if !ok {
			return
		}
		s, err := u.session(a.class)
		if err != nil {
			p.recorder.Shard(u.number).Drop(a.class, 1)
			p.fail(err)
			continue
		}
		p.recorder.AddUsers(a.class, 1)
		s.Iterate(p.work, a.intended, a.ready)
		p.recorder.AddUsers(a.class, -1)
	}
}

// session returns the user's session of a class.
func (u *poolUser) session(class int) (*user.Session, error) {
	for len(u.sessions) <= class {
		u.sessions = append(u.sessions, nil)
	}
	if u.sessions[class] == nil {
		s, err := u.pool.mix.NewSession(class, u.number, u.pool.recorder)
		if err != nil {
			return nil, err
		}
		u.sessions[class] = s
	}
	return u.sessions[class], nil
}

func (u *poolUser) leave() {
	for _, s := range u.sessions {
		if s != nil {
			_ = s.Close() // the requests are over: what closing their connection comes to tells nothing
		}
	}
}
