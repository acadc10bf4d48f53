package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/document"
)

// conflict says why two faults cannot be in force at once; empty: they can, or are not.
func (f *Fault) conflict(g *Fault) string {
	if f.Proxy != g.Proxy || f.End() <= g.At || g.End() <= f.At {
		return ""
	}
	switch {
	case f.TCP != nil && (f.TCP.Cut || g.TCP.Cut):
		return "and nothing else can happen to connections that are cut"
	case f.TCP != nil && f.TCP.kind() == g.TCP.kind() && f.TCP.Upstream == g.TCP.Upstream:
		return "which does the same to the same connections"
	case f.HTTP != nil && f.HTTP.Method == g.HTTP.Method && f.HTTP.Path == g.HTTP.Path:
		return "which is done to the same requests"
	case f.Hook != nil && (f.Hook.Post == g.Hook.Post && slices.Equal(f.Hook.Command, g.Hook.Command)):
		return "which does the same"
	}
	return ""
}

func (c *TCPFault) kind() string {
	switch {
	case c.Cut:
		return "cut"
	case c.Reset:
		return "reset"
	case c.BlackHole:
		return "black hole"
	case c.Latency > 0:
		return "latency"
	case c.Bandwidth > 0:
		return "bandwidth"
	case c.SlowClose > 0:
		return "slow close"
	case c.LimitBytes > 0:
		return "limit"
	}
	return "connections"
}

// describe says what a fault does, in few words.
func (f *Fault) describe() string {
	var s string
	share := 1.0
	switch {
	case f.TCP != nil:
		s, share = f.TCP.describe(), f.TCP.Share
	case f.HTTP != nil:
		s, share = f.HTTP.describe(), f.HTTP.Share
	case f.Hook != nil && f.Hook.Post != "":
		return document.Shorten("POST " + f.Hook.Post)
	case f.Hook != nil:
		return document.Shorten(strings.Join(f.Hook.Command, " "))
	}
	if share < 1 {
		s += fmt.Sprintf(" for %.4g%%", share*100)
	}
	return s
}

func (c *TCPFault) describe() string {
	s := c.kind()
	switch s {
	case "latency":
		s = fmt.Sprintf("latency %v", c.Latency)
		if c.Jitter > 0 {
			s += fmt.Sprintf(" ± %v", c.Jitter)
		}
	case "bandwidth":
		s = fmt.Sprintf("bandwidth %d kB/s", c.Bandwidth/1000)
	case "slow close":
		s = fmt.Sprintf("slow close %v", c.SlowClose)
	case "limit":
		s = fmt.Sprintf("end after %d bytes", c.LimitBytes)
	case "connections":
		s = fmt.Sprintf("at most %d connections", c.MaxConnections)
		if c.MaxConnections == 1 {
			s = "at most 1 connection"
		}
	}
	if c.Upstream {
		s += " upstream"
	}
	return s
}

func (h *HTTPFault) describe() string {
	var parts []string
	if h.Delay > 0 {
		parts = append(parts, fmt.Sprintf("delay %v", h.Delay))
	}
	switch {
	case h.Status > 0:
		parts = append(parts, fmt.Sprintf("status %d", h.Status))
	case h.Abort:
		parts = append(parts, "abort")
	case h.Malformed:
		parts = append(parts, "malformed")
	}
	s := strings.Join(parts, ", ")
	if route := strings.TrimSpace(h.Method + " " + h.Path); route != "" {
		s += " of " + route
	}
	return s
}

// faultProblems finds what is wrong with the faults of a test as a whole.
func (t *Test) faultProblems() []problem {
	var problems []problem
	for i := range t.Faults {
		if f := &t.Faults[i]; f.End() > t.Shape.Duration() {
			problems = append(problems, problem{"faults", i, fmt.Sprintf(
				"the fault ends %v after the start, and the test after %v, expected it to end before the test does", f.End(), t.Shape.Duration())})
		}
	}
	return problems
}

// What a recovery can be measured with (see FaultWarnings).
const (
	leastBaseline = 2 * time.Minute  // without a fault, before the first one
	leastAfter    = 30 * time.Second // after a fault, for a recovery that lasts to be seen
)

// FaultWarnings says what the faults of a test make hard to measure; nothing for a test without faults.
func (t *Test) FaultWarnings() []string {
	if len(t.Faults) == 0 {
		return nil
	}
	var warnings []string
	sorted := slices.SortedFunc(slices.Values(t.Faults), func(a, b Fault) int { return int(a.At - b.At) })
	if first := &sorted[0]; first.At < leastBaseline {
		warnings = append(warnings, fmt.Sprintf("the first fault (%s) begins after %v: what is normal is known better after %v", first.Name, first.At, leastBaseline))
	}
	for i := range sorted {
		f, next, what := &sorted[i], t.Shape.Duration(), "the test ends"
		if i+1 < len(sorted) {
			next, what = sorted[i+1].At, "the next fault begins"
		}
		if gap := next - f.End(); gap <= leastAfter {
			warnings = append(warnings, fmt.Sprintf("%s %v after the fault %s: a recovery from it is known once %v of it were good", what, max(0, gap), f.Name, leastAfter))
		}
	}
	if t.Shape.Model == Closed {
		warnings = append(warnings, "users wait for answers, so fewer requests are made while a fault slows them down: with arrivals instead of users all that were meant to be made count")
	}
	return warnings
}
