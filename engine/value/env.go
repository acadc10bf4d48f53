package value

import (
	"errors"
	"math/rand/v2"
	"time"

	"tidegauge/engine/protocol"
)

// ErrNoValue is what an error of Append wraps when a ${...} part is nil: most often something that an earlier answer
// should have had. It is then the target's doing and not the plan's.
var ErrNoValue = errors.New("has no value")

// Env is what an expression sees while it is evaluated. A virtual user has one and reuses it. Not for concurrent use.
type Env struct {
	Rand *rand.Rand // the user's own, seeded from the run's seed
	Now  time.Time  // the intended start of the iteration: now(), unix() and unixMilli() are it
	User int        // number of the virtual user, from 1
	Iter int        // iterations of this user so far
	vars map[string]any
}

// SetResponse says which answer status, duration, body, json and header are of, and its response time. The answer must
// not change until the next SetResponse; nil takes it away.
func (e *Env) SetResponse(r *protocol.Response, responseTime time.Duration) { panic("stub") }

// Set gives a variable its value: an extracted one, or a row of data (map[string]string or map[string]any).
func (e *Env) Set(name string, v any) { panic("stub") }

// Reset forgets all variables and the answer.
func (e *Env) Reset() { panic("stub") }
