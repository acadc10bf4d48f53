package queue

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"tidegauge/engine/experiment"
	"tidegauge/engine/measure"
)

// run carries one job from start to end. It returns when all of that is done.
func (q *Queue) run(ctx context.Context, j *job) {
	q.mu.Lock()
	limits := q.settings.Limits
	until, black := q.blackout(wall())
	q.mu.Unlock()
	if black {
		j.update(func(s *Status) {
			s.State, s.Ended, s.Error = Failed, time.Now(), fmt.Sprintf("%v: it is open until %s", ErrBlackout, until.Format(time.RFC3339))
		})
		return
	}
	given := true
	j.update(func(s *Status) {
		if s.State != Waiting { // given up meanwhile
			given = false
			return
		}
		s.State, s.Started = Running, time.Now()
	})
	if !given {
		return
	}
	q.began(j)
	defer q.drop(j)
	log := q.o.Logger.With("job", j.status.ID, "plan", j.status.Plan, "test", j.test.Name)

	cut, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { q.guard(ctx, j, &limits, cancel, done) })
	r, err := q.o.Run(cut, experiment.Options{
		Plan: j.plan, Test: j.test, Seed: j.request.Seed, Subject: j.request.Subject, RerunOf: j.request.RerunOf, Sinks: []measure.Sink{j}, Control: j.control, Permit: limits.Permit,
		Tell: func(line string) { j.update(func(s *Status) { s.Trial = line }) },
		Begun: func(id string) {
			log = log.With("run", id)
			log.Info("a run begins", "by", j.request.By)
			j.update(func(s *Status) { s.Run = id })
		},
	})
	close(done)
	watching.Wait()
	j.update(func(s *Status) {
		s.State, s.Ended = Failed, time.Now()
		if r != nil && r.Verdict != nil {
			s.State, s.Outcome, s.Code, s.Summary = Finished, r.Verdict.Outcome, r.Verdict.Code(), r.Verdict.Summary
		}
		if err != nil {
			s.Error = err.Error()
		}
	})
	s, _ := j.now()
	if s.Error != "" {
		log.Error("a run is over, and not all is well", "outcome", s.Outcome, "summary", s.Summary, "error", s.Error)
		return
	}
	log.Info("a run is over", "outcome", s.Outcome, "summary", s.Summary)
}

// began notes that a schedule had its run.
func (q *Queue) began(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range q.timetable {
		if t.Name == j.request.Schedule {
			t.counts[Started]++
			t.lastStart, t.outstanding = wall(), time.Time{}
			q.save()
		}
	}
}

// guard ends a run when the queue ends, when a blackout begins, and when an expression of Halt says so, until done is closed.
func (q *Queue) guard(ctx context.Context, j *job, l *Limits, cut context.CancelFunc, done <-chan struct{}) {
	tick := time.NewTicker(haltEvery)
	defer tick.Stop()
	ended, cutNow := ctx.Done(), (<-chan struct{})(j.cut)
	var over <-chan time.Time
	for {
		select {
		case <-done:
			return
		case <-ended:
			ended = nil
			j.control.Stop("the daemon ends")
			patience := time.NewTimer(q.o.EndWithin)
			defer patience.Stop()
			over = patience.C
		case <-over:
			cut()
		case <-cutNow:
			cutNow = nil
			cut()
		case <-tick.C:
			q.mu.Lock()
			_, black := q.blackout(wall())
			q.mu.Unlock()
			if black {
				j.control.Stop("a blackout window has begun")
			}
			s, _ := j.now()
			if reason := cmp.Or(l.fails(s.Progress), q.halts(ctx, l)); reason != "" {
				j.control.Halt(reason)
			}
		}
	}
}

// halts returns why a run is to be ended for the target's sake, or "". An expression that cannot be evaluated says nothing.
func (q *Queue) halts(ctx context.Context, l *Limits) string {
	if q.o.Firing == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, haltWithin)
	defer cancel()
	for _, expr := range l.Halt {
		firing, err := q.o.Firing(ctx, expr)
		if err != nil {
			q.o.Logger.Warn("asking whether the target is well", "error", err)
		} else if firing {
			return expr
		}
	}
	return ""
}
