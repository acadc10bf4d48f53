package verdict

import (
	"slices"

	"tidegauge/engine/hist"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
)

// sums is what an objective is judged by, over some stretch of the run.
type sums struct {
	times            hist.Histogram // response or service times, for the objectives on them
	finished, failed uint64
	cut              uint64
	passed, checked  uint64
}

func (s *sums) add(o *sums) {
	s.times.Merge(&o.times)
	s.finished += o.finished
	s.failed += o.failed
	s.cut += o.cut
	s.passed += o.passed
	s.checked += o.checked
}

// subtract takes an earlier state of s away.
func (s *sums) subtract(o *sums) {
	s.times.Subtract(&o.times)
	s.finished -= o.finished
	s.failed -= o.failed
	s.cut -= o.cut
	s.passed -= o.passed
	s.checked -= o.checked
}

// selection is what an objective's labels select, as indices into the run's names.
type selection struct{ requests, checks []int }

func selectNames(o *plan.Objective, names *measure.Names) selection {
	matches := func(label, value string) bool {
		want, ok := o.Selector[label]
		return !ok || want == value
	}
	var sel selection
	for i, r := range names.Requests {
		if matches("name", r.Name) && matches("method", r.Method) && matches("class", r.Class) {
			sel.requests = append(sel.requests, i)
		}
	}
	for i, c := range names.Checks {
		if matches("check", c.Name) && slices.Contains(sel.requests, c.Request) {
			sel.checks = append(sel.checks, i)
		}
	}
	return sel
}

// timed reports whether an objective speaks of times.
func timed(o *plan.Objective) bool {
	return o.Metric == plan.Quantile || o.Metric == plan.Mean || o.Metric == plan.Maximum
}

// collect adds what t has of the selection to s.
func (s *sums) collect(o *plan.Objective, sel selection, t *measure.Totals) {
	for _, i := range sel.requests {
		for k := range protocol.Outcomes {
			out := &t.Requests[i].Outcomes[k]
			n := out.ResponseTime.Count()
			switch outcome := protocol.Outcome(k); {
			case n == 0:
				continue
			case outcome == protocol.Cut:
				s.cut += n
				continue
			case outcome.Failed():
				s.failed += n
			}
			s.finished += n
			switch {
			case !timed(o):
			case o.Service:
				s.times.Merge(&out.ServiceTime)
			default:
				s.times.Merge(&out.ResponseTime)
			}
		}
	}
	for _, i := range sel.checks {
		s.passed += t.Checks[i].Passed
		s.checked += t.Checks[i].Passed + t.Checks[i].Failed
	}
}

// account is what the findings on the run as a whole are made from.
type account struct {
	iterations, requests measure.Books
	lateness             hist.Histogram
	exceptions           uint64
	exhausted            [protocol.Resources]uint64
	outcomes             [protocol.Outcomes]uint64
	finished, failed     uint64
	bytesReceived        uint64
	unbalanced           []string // classes and requests whose own books do not balance
	users                int
}

func accountOf(s *measure.Snapshot) *account {
	a := &account{iterations: s.Total.IterationBooks(), requests: s.Total.RequestBooks()}
	for i := range s.Total.Classes {
		c := &s.Total.Classes[i]
		a.lateness.Merge(&c.Lateness)
		a.exceptions += c.Exceptions
		for k, n := range c.Exhausted {
			a.exhausted[k] += n
		}
		if !c.Iterations.Balanced() {
			a.unbalanced = append(a.unbalanced, s.Names.Classes[i])
		}
	}
	for i := range s.Total.Requests {
		r := &s.Total.Requests[i]
		a.bytesReceived += r.BytesReceived
		for k := range r.Outcomes {
			n := r.Outcomes[k].ResponseTime.Count()
			a.outcomes[k] += n
			if o := protocol.Outcome(k); o != protocol.Cut {
				a.finished += n
				if o.Failed() {
					a.failed += n
				}
			}
		}
		if !r.Books.Balanced() {
			a.unbalanced = append(a.unbalanced, s.Names.Requests[i].Name)
		}
	}
	for _, n := range s.Users {
		a.users += n
	}
	return a
}
