package search

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// StepOptions say how a step test climbs.
type StepOptions struct {
	Start   float64 `json:"start"`             // the first load, above 0
	Add     float64 `json:"add"`               // added after each step that passes, above 0
	Highest float64 `json:"highest,omitempty"` // the greatest load to try; 0: no limit
}

// Steps is the step test: it adds load until something breaks. It finds out sooner than a Search where a target breaks, and
// less well: each load has one trial, and a stall of the target at the wrong moment counts. A step that something disturbed
// the generator in is to be done again before it is recorded as Generator. It is not safe for concurrent use.
type Steps struct {
	o      StepOptions
	next   float64
	lower  float64
	upper  float64
	limit  float64
	trials []Trial
	stop   Stop
	reason string
}

// NewSteps returns a step test that has tried nothing.
func NewSteps(o StepOptions) (*Steps, error) {
	var errs []error
	if !(o.Start > 0) || math.IsInf(o.Start, 1) {
		errs = append(errs, fmt.Errorf("making a step test: start %v: must be above 0", o.Start))
	}
	if !(o.Add > 0) || math.IsInf(o.Add, 1) {
		errs = append(errs, fmt.Errorf("making a step test: add %v: must be above 0", o.Add))
	}
	if o.Highest != 0 && !(o.Highest >= o.Start) {
		errs = append(errs, fmt.Errorf("making a step test: highest load %v: must be at least the start, %v", o.Highest, o.Start))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if o.Highest == 0 {
		o.Highest = math.MaxFloat64 / 8
	}
	return &Steps{o: o, next: o.Start}, nil
}

// Next returns the load of the next step; false at the end.
func (s *Steps) Next() (load float64, ok bool) { return s.next, s.stop == Running }

// Record takes the outcome of the step that Next gave and how long it took.
func (s *Steps) Record(outcome Outcome, took time.Duration) error {
	if s.stop != Running {
		return fmt.Errorf("recording a step: the test has ended: %s", s.reason)
	}
	s.trials = append(s.trials, Trial{Load: s.next, Outcome: outcome, Phase: Growth, Duration: max(0, took)})
	switch outcome {
	case Generator:
		s.limit = s.next
		s.stop, s.reason = GeneratorLimited, fmt.Sprintf("the generator cannot make %.4g: the capacity is above what could be tried", s.next)
	case Failed:
		s.upper = s.next
		s.stop, s.reason = Found, fmt.Sprintf("it breaks at %.4g, one trial each", s.next)
		if s.lower == 0 {
			s.stop, s.reason = Doomed, fmt.Sprintf("it fails at the first load, %.4g", s.next)
		}
	case Passed:
		s.lower = s.next
		if next := min(s.next+s.o.Add, s.o.Highest); next > s.next {
			s.next = next
		} else {
			s.stop, s.reason = Unlimited, fmt.Sprintf("it passes at the highest load, %.4g: the capacity is above", s.next)
		}
	default:
		s.trials = s.trials[:len(s.trials)-1]
		return fmt.Errorf("recording a step: outcome %q: must be %s, %s or %s", outcome, Passed, Failed, Generator)
	}
	return nil
}

// Result returns what is known so far. It has no estimate beyond the bounds.
func (s *Steps) Result() Result {
	r := Result{Stop: s.stop, Reason: s.reason, Lower: s.lower, Upper: s.upper, GeneratorLimit: s.limit, Trials: append([]Trial(nil), s.trials...)}
	if s.stop == Running {
		r.Reason = "the test has not ended"
	}
	return r
}
