// Package search decides which load to try next to find the highest one that a target carries, and only that: it starts
// nothing, measures nothing, and knows no clock.
//
// It grows the load until a majority of trials fails, then asks where the answer teaches most (a Bayesian fit of where a
// trial passes half of the time, as PLRsearch of FD.io CSIT does), and at last confirms a load below as carried and one
// above as not carried, in the terms of RFC 9971 (Multiple Loss Ratio Search): relevant lower and upper bound with an
// exceed ratio of a half.
//
// A Search is a function of its Options and its trials: the same trials give the same next load, and a search goes on where
// it was if the trials are recorded again. It is not safe for concurrent use.
package search

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Outcome is what became of a trial.
type Outcome string

// The outcomes.
const (
	Passed Outcome = "passed" // every objective was met
	Failed Outcome = "failed" // the target did not meet one of them
	// Generator means that the generator did not make the load: it says nothing of the target. No load as high is tried
	// again, unless one as high has passed: then something else disturbed the generator.
	Generator Outcome = "generator"
)

// Trial is one load that was tried.
type Trial struct {
	Load     float64       `json:"load"`
	Outcome  Outcome       `json:"outcome"`
	Phase    Phase         `json:"phase"`
	Duration time.Duration `json:"duration,omitempty"` // what it took from the budget
}

// Phase is what a trial is for.
type Phase string

// The phases.
const (
	Growth     Phase = "growth"     // find a load that fails
	Fit        Phase = "fit"        // narrow the interval down
	Confirming Phase = "confirming" // make sure of the bounds
	Done       Phase = "done"
)

// Options say what is searched. Loads are rates or users: the unit is the caller's.
type Options struct {
	Lowest  float64 `json:"lowest"`            // the first load to try, above 0
	Highest float64 `json:"highest,omitempty"` // the greatest load to try; 0: no limit
	Whole   bool    `json:"whole,omitempty"`   // loads are whole numbers: users

	Width  float64       `json:"width,omitempty"`  // half the width of the 90% interval to stop at, relative; 0: 0.03
	Trials int           `json:"trials,omitempty"` // most trials before the confirming ones; 0: 40
	Budget time.Duration `json:"budget,omitempty"` // that the durations of the trials may take; 0: no limit
}

// The defaults of Options.
const (
	DefaultWidth  = 0.03
	DefaultTrials = 40
)

// Stop says why a search has ended.
type Stop string

// The reasons to stop.
const (
	Found            Stop = "found"             // bounds that are confirmed
	Unconfirmed      Stop = "unconfirmed"       // an estimate, but the confirming trials did not settle
	Doomed           Stop = "doomed"            // fails at the lowest load
	Unlimited        Stop = "unlimited"         // the highest load passes
	GeneratorLimited Stop = "generator limited" // the generator's limit was reached before the target's
	Disturbed        Stop = "disturbed"         // the generator did not make loads again that it had made before
	OutOfBudget      Stop = "out of budget"
	Running          Stop = "" // it has not ended
)

// Result is what is known so far.
type Result struct {
	Stop   Stop   `json:"stop"`
	Reason string `json:"reason"` // in words

	// Lower is the relevant lower bound: the highest load at or below which every judged load passes by majority; 0: none.
	Lower float64 `json:"lower"`
	// Upper is the relevant upper bound: the least load that fails by majority; 0: none. A generator's limit is none.
	Upper float64 `json:"upper"`

	// Capacity is the median of the load at which half of the trials pass, within Low and High with 90%; 0 while no load
	// both passed and failed.
	Capacity float64 `json:"capacity"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
	Spread   float64 `json:"spread"` // by which a trial's own capacity scatters, relative

	GeneratorLimit float64 `json:"generator_limit,omitempty"` // the least load that the generator could not make; 0: none

	Trials   []Trial  `json:"trials"`
	Warnings []string `json:"warnings,omitempty"`
}

// Search is one search. Make it with New.
type Search struct {
	o      Options
	trials []Trial
	spent  time.Duration
	grid   grid
	ceil   float64 // what the generator can make lies below; +Inf: not known
	again  int     // trials of loads that the generator did not make again
	phase  Phase
	next   float64
	stop   Stop
	reason string
	bounds [2]float64 // to be confirmed
}

// New returns a search that has tried nothing.
func New(o Options) (*Search, error) {
	if o.Width == 0 {
		o.Width = DefaultWidth
	}
	if o.Trials == 0 {
		o.Trials = DefaultTrials
	}
	if o.Whole {
		o.Lowest = math.Ceil(o.Lowest)
		if o.Highest >= 1 {
			o.Highest = math.Floor(o.Highest)
		}
	}
	var errs []error
	refuse := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("making a search: "+format, args...))
	}
	if !(o.Lowest > 0) || math.IsInf(o.Lowest, 1) {
		refuse("lowest load %v: must be above 0", o.Lowest)
	}
	if o.Highest != 0 && !(o.Highest >= o.Lowest) {
		refuse("highest load %v: must be at least the lowest, %v", o.Highest, o.Lowest)
	}
	if !(o.Width >= 0.001 && o.Width <= 0.5) {
		refuse("width %v: must be from 0.001 to 0.5", o.Width)
	}
	if o.Trials < 3 {
		refuse("%d trials: must be 3 at least", o.Trials)
	}
	if o.Budget < 0 {
		refuse("budget %v: must not be negative", o.Budget)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if o.Highest == 0 {
		o.Highest = math.MaxFloat64 / 8
	}
	s := &Search{o: o, ceil: math.Inf(1), phase: Growth}
	s.next = s.round(o.Lowest)
	return s, nil
}

// Restore returns a search with trials that were recorded before: those of its Result.
func Restore(o Options, trials []Trial) (*Search, error) {
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	for i, t := range trials {
		if err := s.Record(t.Load, t.Outcome, t.Duration); err != nil {
			return nil, fmt.Errorf("restoring a search: trial %d: %w", i+1, err)
		}
	}
	return s, nil
}

// Next returns the load to try, and what the trial is for; false at the end of the search.
func (s *Search) Next() (load float64, phase Phase, ok bool) {
	if s.phase == Done {
		return 0, Done, false
	}
	return s.next, s.phase, true
}

// Record takes the outcome of a trial and what it took from the budget. The load should be the one that Next gave; another
// one, as it was really made, counts as well.
func (s *Search) Record(load float64, outcome Outcome, took time.Duration) error {
	if !(load > 0) || math.IsInf(load, 1) {
		return fmt.Errorf("recording a trial: load %v: must be above 0", load)
	}
	if outcome != Passed && outcome != Failed && outcome != Generator {
		return fmt.Errorf("recording a trial: outcome %q: must be %s, %s or %s", outcome, Passed, Failed, Generator)
	}
	s.trials = append(s.trials, Trial{Load: load, Outcome: outcome, Phase: s.phase, Duration: max(0, took)})
	s.spent += max(0, took)
	if s.phase == Done {
		return nil
	}
	if outcome == Generator && load <= s.made() {
		s.again++
	} else if outcome == Generator {
		s.ceil = min(s.ceil, load)
	} else if s.grid.p != nil {
		s.grid.learn(load, outcome == Passed)
	}
	s.decide()
	return nil
}

// made returns the highest load that passed, so that the generator can make it; 0: none.
func (s *Search) made() (load float64) {
	for _, t := range s.trials {
		if t.Outcome == Passed {
			load = max(load, t.Load)
		}
	}
	return load
}

// mostAgain is how many trials of loads the generator may not make again.
const mostAgain = 3

// round makes a load one that can be tried.
func (s *Search) round(load float64) float64 {
	load = min(max(load, s.o.Lowest), s.o.Highest)
	if s.o.Whole {
		return max(1, math.Round(load))
	}
	// Four digits are enough to read and more than a trial can tell.
	unit := math.Pow(10, math.Floor(math.Log10(load))-3)
	if r := math.Round(load/unit) * unit; r >= s.o.Lowest && r <= s.o.Highest && !math.IsInf(r, 0) {
		return r
	}
	return load
}

func (s *Search) end(stop Stop, format string, args ...any) {
	s.phase, s.stop, s.reason = Done, stop, fmt.Sprintf(format, args...)
}

// decide chooses the next trial.
func (s *Search) decide() {
	if s.o.Budget > 0 && s.spent >= s.o.Budget {
		s.end(OutOfBudget, "the trials took %v of %v", s.spent.Round(time.Second), s.o.Budget)
		return
	}
	if s.again >= mostAgain {
		s.end(Disturbed, "the generator did not make %.4g and other loads again that it had made before", s.trials[len(s.trials)-1].Load)
		return
	}
	switch s.phase {
	case Growth:
		s.grow()
	case Fit:
		s.fit()
	case Confirming:
		s.confirm()
	}
}

// Result returns what is known so far.
func (s *Search) Result() Result {
	r := Result{Stop: s.stop, Reason: s.reason, Trials: append([]Trial(nil), s.trials...)}
	if s.stop == Running {
		r.Reason = "the search has not ended"
	}
	if !math.IsInf(s.ceil, 1) {
		r.GeneratorLimit = s.ceil
	}
	r.Lower, r.Upper = s.relevant()
	if s.grid.p != nil && s.stop != Doomed {
		g := s.grid.summary()
		r.Capacity, r.Low, r.High, r.Spread = g.median, g.low, g.high, g.spread
		if r.GeneratorLimit > 0 && r.High > r.GeneratorLimit {
			r.Warnings = append(r.Warnings, fmt.Sprintf("the interval reaches beyond what the generator can make, %.4g", r.GeneratorLimit))
		}
		if g.spread >= noisy {
			r.Warnings = append(r.Warnings, fmt.Sprintf("trials scatter by %.0f%%: longer trials would tell more, and the interval covers nearer 80%% than 90%%", 100*g.spread))
		}
	}
	return r
}
