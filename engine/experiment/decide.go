package experiment

import (
	"fmt"
	"strings"
	"time"

	"tidegauge/engine/event"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/run"
	"tidegauge/engine/verdict"
)

// decider ends a load test by what has been decided of its objectives.
type decider struct {
	test     *plan.Test // whose shape is as long as it may be
	duration time.Duration
	judge    *verdict.Judge
	control  *run.Control
	tell     func(at time.Time, text string)

	prolonged bool
	ended     time.Duration // at what offset; 0: not by this
}

// newDecider returns one for a test that asks for it, else nil. test is the plan's; it becomes one that is as long as it may be.
func newDecider(test **plan.Test) *decider {
	if !(*test).Decide.On() {
		return nil
	}
	longest := **test
	longest.Shape = longest.Longest()
	d := &decider{test: &longest, duration: (*test).Shape.Duration()}
	*test = &longest
	return d
}

// look ends the load if it is time. It is for the goroutine that hands on snapshots, after the judge has seen this one.
func (d *decider) look(s *measure.Snapshot) {
	at := s.Time.Sub(s.Start)
	if d.ended > 0 || s.Final || at < d.duration && !d.test.Decide.Stop {
		return
	}
	undecided, known := d.judge.Undecided()
	if len(undecided) > 0 || !known {
		if at >= d.duration && !d.prolonged && d.test.Decide.AtMost > 0 {
			d.prolonged = true
			text := strings.Join(undecided, ", ")
			if !known {
				text = "everything"
			}
			d.tell(s.Time, fmt.Sprintf("goes on, until %v at most: undecided is %s", d.test.Decide.AtMost, text))
		}
		return
	}
	last := d.test.Shape.Stages[len(d.test.Shape.Stages)-1]
	last.Over = time.Millisecond
	from, err := d.control.Follow([]plan.Stage{last})
	if err != nil {
		return // it has ended by itself, or is being ended
	}
	d.ended = from + last.Over
	d.judge.Until(d.ended)
	d.tell(s.Time, "every objective is decided, which ends the load")
}

// text says how it ended, for the answer.
func (d *decider) text() string {
	if d.ended > 0 {
		return fmt.Sprintf("Every objective was decided after %v.", d.ended.Round(time.Second))
	}
	undecided, _ := d.judge.Undecided()
	if len(undecided) == 0 {
		return ""
	}
	return fmt.Sprintf("After %v, as long as it may last, not decided: %s.", d.test.Shape.Duration(), strings.Join(undecided, ", "))
}

// changed tells of a change of the load that follows from what is decided.
func (e *experiment) changed(at time.Time, text string) {
	e.happened(event.Event{Time: at, Kind: event.Change, Text: text})
}
