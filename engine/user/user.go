// Package user is what a virtual user does: pick a task, run its steps, check, extract, wait.
//
// An iteration runs one task of the user's class, picked by weight. Its rules, where somebody may have expected others:
//
//   - The first request of an iteration is due when the iteration is, every other when the step before it has ended. A
//     pause between them moves that moment by what it takes; what it takes longer than it was to is lateness of the
//     generator. Response times count from that moment.
//   - A failed request ends the iteration: the steps of a flow build on each other, and errors that only follow from the
//     first one would drown it. (Locust goes on; what is independent there is a task of its own here.) The iteration
//     counts as finished.
//   - An answer with status 400 or more is a failure, unless a check of that step speaks of the status.
//   - All checks of an answer are evaluated and counted; the first that does not hold gives the request its outcome. Where
//     no answer came, every check counts as failed. A value to extract that is not there is a failed check too.
//   - An expression that cannot be evaluated is the plan's fault, not the target's: it is counted as an exception and ends
//     the iteration.
//   - With a tracer an iteration is one trace, and each request carries its traceparent.
//   - Extracted values and rows of data last for an iteration; cookies, connections and random numbers for the user's
//     life. A task takes a new row of each data set it mentions, and of no other.
package user

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/feed"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
	"tidegauge/engine/trace"
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
	other    []class                  // the same classes, of the target that takes turns
	turn     func(due time.Time) bool // of an iteration that is due then: it goes to the other target; nil: there is none
	dial     func() (protocol.Client, error)
	tracer   *trace.Tracer // nil: requests are not traced
}

// Options configure a Mix.
type Options struct {
	Seed uint64
	// Dial makes the client of one virtual user. nil: HTTP as the plan's target says (protocol/web).
	Dial func() (protocol.Client, error)
	// Tracer places requests in traces, but those that have a traceparent of the plan's. nil: they are in none.
	Tracer *trace.Tracer
	// Turn says of an iteration that is due at a time whether it goes to the target of plan.Test.Against instead of the plan's. nil: none does.
	// It is called by all users at once.
	Turn func(due time.Time) bool
	// Permit is asked before every connection, with HOST:PORT; what it refuses is not dialled. nil: all is permitted.
	Permit func(address string) error
}

type class struct {
	weight, fixed int
	wait          plan.Wait
	tasks         []task
	total         int // sum of the tasks' weights
}

// NewMix prepares the classes of a test. Errors: a data file that cannot be read, tags that leave no task, certificates
// that cannot be read, more users than the fixed counts of the test's classes add up to where no class has a weight.
func NewMix(p *plan.Plan, t *plan.Test, o Options) (*Mix, error) {
	m := &Mix{seed: o.Seed, dial: o.Dial, tracer: o.Tracer}
	classes, err := choose(p, t)
	if err != nil {
		return nil, fmt.Errorf("preparing test %s: %w", t.Name, err)
	}
	b := builder{target: &p.Target, names: &m.names, data: p.Data, feeds: map[string]*feed.Feed{}}
	for i := range classes {
		c, err := b.class(&classes[i])
		if err != nil {
			return nil, fmt.Errorf("preparing test %s: %w", t.Name, err)
		}
		m.classes = append(m.classes, c)
	}
	if o.Turn != nil {
		if err := m.against(&b, classes, t); err != nil {
			return nil, fmt.Errorf("preparing test %s: %w", t.Name, err)
		}
		m.turn = o.Turn
	}
	if err := m.spread(&t.Shape); err != nil {
		return nil, fmt.Errorf("preparing test %s: %w", t.Name, err)
	}
	if m.dial == nil {
		if m.dial, err = dialer(&p.Target, o.Permit); err != nil {
			return nil, fmt.Errorf("preparing test %s: %w", t.Name, err)
		}
	}
	return m, nil
}

// Names returns what will be recorded: the classes and requests that are left, in the order of the plan. Requests of a
// class with the same name and method are one.
func (m *Mix) Names() *measure.Names { return &m.names }

// choose returns the classes that take part in the test, with the tasks that its tags leave.
func choose(p *plan.Plan, t *plan.Test) ([]plan.UserClass, error) {
	for _, name := range t.Classes {
		if !slices.ContainsFunc(p.Classes, func(c plan.UserClass) bool { return c.Name == name }) {
			return nil, fmt.Errorf("there is no user class %q", name)
		}
	}
	var classes []plan.UserClass
	for _, c := range p.Classes {
		if t.TakesPart(&c) {
			c.Tasks = slices.DeleteFunc(slices.Clone(c.Tasks), func(task plan.Task) bool { return !t.Runs(&task) })
			classes = append(classes, c)
		}
	}
	if len(classes) == 0 {
		return nil, fmt.Errorf("no task is left by the tags %q without %q", t.Tags, t.ExcludeTags)
	}
	return classes, nil
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

// against makes the classes once more, with the same names and data, for the target that takes turns.
func (m *Mix) against(b *builder, classes []plan.UserClass, t *plan.Test) error {
	target := *b.target
	target.BaseURL = t.Against
	names := m.names
	names.Classes = nil
	other := builder{target: &target, names: &names, data: b.data, feeds: b.feeds}
	for i := range classes {
		c, err := other.class(&classes[i])
		if err != nil {
			return err
		}
		m.other = append(m.other, c)
	}
	return nil
}
