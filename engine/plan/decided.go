package plan

import (
	"fmt"
	"time"

	"tidegauge/engine/document"
)

// Decide says how a load test ends by what is decided of its objectives, beside its duration.
type Decide struct {
	Stop   bool          // as soon as each is
	AtMost time.Duration // it goes on past its duration while one is not, until then; 0: it does not
}

// On reports whether the test asks for it.
func (d *Decide) On() bool { return d.Stop || d.AtMost > 0 }

// Share returns what share of observations an objective allows to be beyond its limit, or of requests to fail, or wants of checks to hold:
// those are the objectives that can be decided while a test lasts. It reports false for all others: a mean, a greatest value,
// a rate, a count and what is asked of the store are judged at the end; and a share of nothing or of all can never be shown.
func (o *Objective) Share() (share float64, ok bool) {
	switch o.Metric {
	case Quantile:
		share = 1 - o.Quantile
	case ErrorRate, CheckRate:
		share = o.Threshold
	default:
		return 0, false
	}
	return share, o.Op != "==" && share > 0 && share < 1
}

// Longest returns the shape with its last stage as long as the test may last at most.
func (t *Test) Longest() Shape {
	s := t.Shape
	if more := t.Decide.AtMost - s.Duration(); more > 0 && len(s.Stages) > 0 {
		s.Stages = append([]Stage(nil), s.Stages...)
		s.Stages[len(s.Stages)-1].Over += more
	}
	return s
}

func (d *decoder) stop(n node) (bool, bool) {
	_, ok := d.Choice(n, "end", []string{"decided"})
	return ok, ok
}

// checkDecide sees that a test that ends by what is decided has a load that can be cut short and prolonged.
func (d *decoder) checkDecide(t *Test, found map[string]member) {
	for _, key := range []string{"stop", "at_most"} {
		m, ok := found[key]
		switch {
		case !ok:
		case t.Type != Load:
			d.Wrong(m.Key, "%s has no meaning here: only a load test ends by what is decided of its objectives, expected it to be left out, or the type load", key)
		case len(t.Shape.Stages) > 0 && !endsSteady(&t.Shape):
			d.Wrong(m.Key, "%s needs a load that ends with its only steady stage, which is what is cut short or prolonged, expected arrivals: 10/s or users: 10 with a duration", key)
		case key == "at_most" && len(t.Shape.Stages) > 0 && t.Decide.AtMost <= t.Shape.Duration():
			d.Wrong(m.Value, "at_most is %v and the test lasts %v anyhow, expected more: how long it may go on while an objective is undecided", t.Decide.AtMost, t.Shape.Duration())
		}
	}
}

// endsSteady reports whether the last stage is the only steady one.
func endsSteady(s *Shape) bool {
	for i, one := range s.Stages {
		if steady := one.Phase == "steady" && one.Over > 0; steady != (i == len(s.Stages)-1) && one.Over > 0 {
			return false
		}
	}
	last := s.Stages[len(s.Stages)-1]
	return last.Over > 0 && last.From == last.To
}

// decideProblems finds what keeps the objectives of a test from being decided while it lasts.
func (t *Test) decideProblems() []problem {
	key := "stop"
	if !t.Decide.Stop {
		key = "at_most"
	}
	if !t.Decide.On() {
		return nil
	}
	decidable := false
	for i := range t.Objectives {
		o := &t.Objectives[i]
		if o.Metric == Count || o.Metric == Failures {
			return []problem{{key, -1, fmt.Sprintf("the objective %s depends on how long the test lasts, which is not fixed here, expected %s",
				document.Quoted(o.Text), map[Metric]string{Count: "a rate", Failures: "an error_rate"}[o.Metric])}}
		}
		_, ok := o.Share()
		decidable = decidable || ok
	}
	if !decidable {
		return []problem{{key, -1, "no objective of the test can be decided while it lasts, expected one on a quantile, an error_rate or a check_rate, with a limit that is neither 0% nor 100%"}}
	}
	return nil
}
