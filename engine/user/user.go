// Package user is what a virtual user does: pick a task, run its steps, check, extract, wait.
package user

import (
	"context"
	"math/rand/v2"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
)

// Mix is the user classes of one test, ready to run: tasks filtered by tags, data files open, names numbered.
// It is not changed after NewMix and is safe for concurrent use.
type Mix struct{}

// Options configure a Mix.
type Options struct {
	Seed uint64
	// Dial makes the client of one virtual user. nil: HTTP as the plan's target says (protocol/web).
	Dial func() (protocol.Client, error)
}

// NewMix prepares the classes of a test. Errors: a data file that cannot be read, tags that leave no task.
func NewMix(p *plan.Plan, t *plan.Test, o Options) (*Mix, error) { panic("stub") }

// Names returns what will be recorded.
func (m *Mix) Names() *measure.Names { panic("stub") }

// ClassOf returns the class of each of n users of the closed model: fixed counts first, then by weight, as evenly as whole
// numbers allow, and such that n users are always the first n of n+1 (Locust's distribution where there are no fixed counts).
func (m *Mix) ClassOf(i int) int { panic("stub") }

// ClassFor returns the class of the n-th arrival of the open model, by weight.
func (m *Mix) ClassFor(n uint64) int { panic("stub") }

// Session is one virtual user: its class, cookies, variables, random numbers and connection. Not for concurrent use.
type Session struct{}

// NewSession returns the user with this number (from 1; it seeds its random numbers). It opens no connection yet.
func (m *Mix) NewSession(class, number int, r *measure.Recorder) (*Session, error) { panic("stub") }

// Iterate runs one iteration that was due at intended and that this user could take at ready, and records everything about it.
// It returns when the flow is over, whatever became of it. When ctx ends, the request under way is cut.
func (s *Session) Iterate(ctx context.Context, intended, ready time.Time) { panic("stub") }

// Next returns when the user's next iteration is due, by the class's wait: intended and finished are those of the last one.
func (s *Session) Next(intended, finished time.Time) time.Time { panic("stub") }

// Close closes the user's connections.
func (s *Session) Close() error { panic("stub") }

var _ = rand.New
