// Package run makes the load of one test on this machine.
//
// In the open model a pool of users makes the arrivals of the schedule, in the closed one users come and go and each makes
// one iteration after the other. Which iterations there are is load's matter, what one is user's, what becomes of what they
// observe measure's; this package says who runs when.
package run

import (
	"context"
	"fmt"
	"sync"
	"time"

	"tidegauge/engine/load"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/user"
)

// Options say what to run.
type Options struct {
	Shape       plan.Shape
	Mix         *user.Mix
	Recorder    *measure.Recorder
	Sinks       []measure.Sink
	Seed        uint64        // of Poisson arrivals
	StopTimeout time.Duration // how long iterations under way may take to finish after the shape or after Stop; 0: they are cut at once
	// Stop, when closed, ends the run gracefully: nothing new starts, what is under way may finish within StopTimeout.
	Stop <-chan struct{}
	// Control, if there is one, can change the load while the run lasts.
	Control *Control
	// Started, which must have room for it, is sent Result.Start when the load begins; nil: nobody wants to know.
	Started chan<- time.Time
}

// Result says how the run went, apart from what was measured.
type Result struct {
	Start, End time.Time // of the load: the offsets of the shape count from Start; at End the last user had left
	Stopped    bool      // by Stop, before the shape was over
	Cancelled  bool      // by the context
	SinkErrors error     // what the sinks returned; the run went on
}

// Do makes the load and returns when everything it started has ended. When ctx ends, requests under way are cut, and what was
// measured is still handed to the sinks. The error is ours (a user could not be made), never the target's; what was
// measured until then is handed to the sinks all the same.
//
// The load begins when the sinks have the first snapshot, which has nothing in it: Result.Start is the Start of all others.
// There is a snapshot where a stage
// ends, still with that stage's phase, so that what a snapshot adds belongs to the phase it names. Once the load is
// over the rate is 0 and the phase remains the last one: what is still under way belongs to it.
//
// An arrival of the open model for which no user is free waits for the next one, in the order of the schedule. It counts
// as intended from the moment it is due; if it has not started when the run ends, as dropped. In the closed model an
// iteration counts as intended when it starts.
func Do(ctx context.Context, o Options) (res Result, err error) {
	if o.Shape.Model == plan.Open && o.Shape.MaxUsers < 1 {
		return res, fmt.Errorf("run load: max_users is %d, an open model needs at least 1", o.Shape.MaxUsers)
	}
	arrivals := load.NewArrivals(&o.Shape, o.Seed)
	course := newCourse(&o.Shape)
	chart := newChart(course, o.Recorder)
	start, recorded, err := record(ctx, o.Recorder, o.Sinks)
	if err != nil {
		return res, fmt.Errorf("run load: %w", err)
	}
	defer func() { res.SinkErrors = recorded() }()

	// Requests are cut by us, after it is settled that nothing new starts, not by ctx itself.
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	res.Start = start
	if o.Started != nil {
		o.Started <- start
	}
	s := &setting{
		mix: o.Mix, recorder: o.Recorder, start: start, course: course, work: work, failed: make(chan error, 1),
	}
	var m model
	if o.Shape.Model == plan.Open {
		m = newPool(s, arrivals, o.Shape.MaxUsers, o.Control != nil)
	} else {
		m = newCrowd(s, load.NewUsers(&o.Shape))
	}
	course.start, course.model = start, m
	over := make(chan bool, 1)
	played, left := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		m.play(over)
		close(played)
		s.crew.Wait()
		m.close()
		close(left)
	})
	group.Go(func() { chart.follow(start, m, played) })

	o.Control.attach(course)
	defer o.Control.attach(nil)
	early := false
	for ended := false; !ended; ended = course.end(early) {
		_, changed := course.now()
		err = s.await(ctx, course.duration()-time.Since(start), o.Stop, changed, &res)
		early = res.Stopped || res.Cancelled || err != nil
	}
	over <- early
	<-played
	if !res.Cancelled && err == nil {
		err = s.await(ctx, o.StopTimeout, nil, left, &res)
	}
	cut()
	<-left
	res.End = time.Now()
	if err == nil {
		select {
		case err = <-s.failed: // by one of the last to start
		default:
			return res, nil
		}
	}
	return res, fmt.Errorf("run load: %w", err)
}

// setting is what both models work with.
type setting struct {
	mix      *user.Mix
	recorder *measure.Recorder
	start    time.Time
	course   *course
	work     context.Context // of the iterations
	failed   chan error      // has room for one
	crew     sync.WaitGroup  // everybody who makes iterations
}

// fail ends the run with an error of ours.
func (s *setting) fail(err error) {
	select {
	case s.failed <- err:
	default: // there is one already
	}
}

// await returns when d has passed or something else has come to be, or earlier for a reason, which it notes.
func (s *setting) await(ctx context.Context, d time.Duration, stop, other <-chan struct{}, res *Result) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-other:
	case <-stop:
		res.Stopped = true
	case <-ctx.Done():
		res.Cancelled = true
	case err := <-s.failed:
		return err
	}
	return nil
}

// model is the open or the closed model.
type model interface {
	// play makes load from the start on until it is told that it is over, and whether that is before the shape was over.
	// Then it returns, and nothing new starts; its users leave when they have finished what they are at.
	play(over <-chan bool)
	// change makes the load follow stages from now on, if replace, which is given the present offset, says so. They begin a
	// nanosecond later; replace returns what the whole shape is then, nil for no change, and the stages.
	change(replace func(now time.Duration) (*plan.Shape, []plan.Stage))
	// count brings the number of intended iterations up to date.
	count()
	// close is called when everybody has left.
	close()
}

// record starts the recorder and returns the start of the run when the sinks have the first snapshot. The end it returns ends
// the recorder, waits for the final snapshot to be handed on and returns the sinks' errors.
func record(ctx context.Context, r *measure.Recorder, sinks []measure.Sink) (start time.Time, end func() error, err error) {
	recording, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- r.Run(recording, time.Now(), sinks...) }()
	select {
	case start = <-r.Started():
	case err := <-ended: // it would not run
		stop()
		return time.Time{}, nil, err
	}
	return start, func() error {
		stop()
		return <-ended
	}, nil
}
