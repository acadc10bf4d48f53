// Package user is what a virtual user does: pick a task, run its steps, check, extract, wait.
//
// An iteration runs one task of the user's class, picked by weight. Its rules, where somebody may have expected others:
//
//   - The first request of an iteration is due when the iteration is, every other when the step before it has ended. A
//     pause between them moves that moment. Response times count from it.
//   - A failed request ends the iteration: the steps of a flow build on each other, and errors that only follow from the
//     first one would drown it. (Locust goes on; what is independent there is a task of its own here.) The iteration
//     counts as finished.
//   - An answer with status 400 or more is a failure, unless a check of that step speaks of the status.
//   - All checks of an answer are evaluated and counted; the first that does not hold gives the request its outcome. Where
//     no answer came, every check counts as failed. A value to extract that is not there is a failed check too.
//   - An expression that cannot be evaluated is the plan's fault, not the target's: it is counted as an exception and ends
//     the iteration.
//   - Extracted values and rows of data last for an iteration; cookies, connections and random numbers for the user's
//     life. A task takes a new row of each data set it mentions, and of no other.
package user

import (
	"fmt"
	"slices"
	"strings"

	"tidegauge/engine/feed"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
)

// Mix is the user classes of one test, ready to run: tasks filtered by tags, data files open, names numbered.
// It is not changed after NewMix and is safe for concurrent use.
type Mix struct {
	names    measure.Names
	classes  []class
	fixed    []uint16 // classes of the first users of the closed model
	weighted []uint16 // of those after them, again and again
	arrivals []uint16 // of the open model, again and again
	seed     uint64
	dial     func() (protocol.Client, error)
}

// Options configure a Mix.
type Options struct {
	Seed uint64
	// Dial makes the client of one virtual user. nil: HTTP as the plan's target says (protocol/web).
	Dial func() (protocol.Client, error)
}

type class struct {
	weight, fixed int
	wait          plan.Wait
	tasks         []task
	total         int // sum of the tasks' weights
}

// NewMix prepares the classes of a test. Errors: a data file that cannot be read, tags that leave no task, certificates
// that cannot be read, more users than the test's classes or its rows of data provide for.
func NewMix(p *plan.Plan, t *plan.Test, o Options) (*Mix, error) {
	m := &Mix{seed: o.Seed, dial: o.Dial}
	classes, err := choose(p, t)
	if err != nil {
		return nil, fmt.Errorf("preparing test %s: %w", t.Name, err)
	}
	b := builder{target: &p.Target, names: &m.names, data: p.Data, feeds: map[string]*feed.Feed{}, users: peak(&t.Shape)}
	for i := range classes {
		c, err := b.class(&classes[i])
		if err != nil {
			return nil, fmt.Errorf("preparing test %s: %w", t.Name, err)
		}
		m.classes = append(m.classes, c)
	}
	if err := m.spread(&t.Shape); err != nil {
		return nil, fmt.Errorf("preparing test %s: %w", t.Name, err)
	}
	if m.dial == nil {
		if m.dial, err = dialer(&p.Target); err != nil {
			return nil, fmt.Errorf("preparing test %s: %w", t.Name, err)
		}
	}
	return m, nil
}

// Names returns what will be recorded: the classes and requests that are left, in the order of the plan. Requests of a
// class with the same name and method are one.
func (m *Mix) Names() *measure.Names { return &m.names }

// choose returns the test's classes with the tasks its tags leave.
func choose(p *plan.Plan, t *plan.Test) ([]plan.UserClass, error) {
	for _, name := range t.Classes {
		if !slices.ContainsFunc(p.Classes, func(c plan.UserClass) bool { return c.Name == name }) {
			return nil, fmt.Errorf("there is no user class %q", name)
		}
	}
	var classes []plan.UserClass
	var tags []string
	for _, c := range p.Classes {
		if len(t.Classes) > 0 && !slices.Contains(t.Classes, c.Name) {
			continue
		}
		var kept []plan.Task
		for _, task := range c.Tasks {
			tags = append(tags, task.Tags...)
			if tagged(task.Tags, t.Tags, t.ExcludeTags) {
				kept = append(kept, task)
			}
		}
		if c.Tasks = kept; len(kept) > 0 {
			classes = append(classes, c)
		}
	}
	if len(classes) > 0 {
		return classes, nil
	}
	slices.Sort(tags)
	return nil, fmt.Errorf("tags %q, without %q, leave no task; the tasks have the tags %q",
		t.Tags, t.ExcludeTags, slices.Compact(tags))
}

// tagged is Locust's rule: where tags are asked for, a task needs one of them; one that is excluded is enough to go.
func tagged(has, want, exclude []string) bool {
	in := func(list []string) func(string) bool {
		return func(tag string) bool { return slices.Contains(list, tag) }
	}
	return (len(want) == 0 || slices.ContainsFunc(has, in(want))) && !slices.ContainsFunc(has, in(exclude))
}

// peak returns the most users there can be at once.
func peak(s *plan.Shape) int {
	if s.Model == plan.Open {
		return s.MaxUsers
	}
	most := 0.0
	for _, stage := range s.Stages {
		most = max(most, stage.From, stage.To)
	}
	return int(most)
}

// mentions reports whether text has name as a word of its own.
func mentions(text, name string) bool {
	word := func(i int) bool {
		if i < 0 || i >= len(text) {
			return false
		}
		c := text[i]
		return c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
	}
	for from := 0; name != ""; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			break
		}
		i += from
		if !word(i-1) && !word(i+len(name)) {
			return true
		}
		from = i + 1
	}
	return false
}
