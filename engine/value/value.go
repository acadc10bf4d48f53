// Package value compiles expressions, templates and extractors once, and evaluates them for each request.
package value

import (
	"math/rand/v2"
	"time"

	"tidegauge/engine/protocol"
)

// Names says which names an expression may use besides the built-in functions: what is extracted by earlier steps, the
// data sets with their columns. (Where columns is nil the name is a single value.)
type Names map[string][]string

// Error is a mistake in an expression, with the byte offset of the mistake in the text that was compiled.
type Error struct {
	Offset  int
	Message string
}

func (e *Error) Error() string { return e.Message }

// Env is what an expression sees while it is evaluated. A virtual user has one and reuses it. Not for concurrent use.
type Env struct {
	Rand     *rand.Rand         // the user's own, seeded from the run's seed
	Now      time.Time          // the intended start of the iteration: now() and timestamps are reproducible offsets from it
	User     int                // number of the virtual user, from 1
	Iter     int                // iterations of this user so far
	Response *protocol.Response // the answer that checks and extractors read: status, json, body, header, duration
	Duration time.Duration      // response time of that answer
	vars     map[string]any
}

// Set gives a variable its value: an extracted one, or a row of data (map[string]string or map[string]any).
func (e *Env) Set(name string, v any) { panic("stub") }

// Reset forgets all variables.
func (e *Env) Reset() { panic("stub") }

// Template is text with ${...} parts.
type Template struct{}

// CompileTemplate compiles text such as "/payments/${id}". In a request's JSON body use CompileJSON.
func CompileTemplate(text string, names Names) (*Template, error) { panic("stub") }

// CompileJSON compiles a body from a decoded YAML value: maps (ordered, as *yaml.Node or pairs: the implementation's
// choice), lists, scalars. A string that is one ${...} and nothing else keeps the type of the expression's value.
func CompileJSON(v any, names Names) (*Template, error) { panic("stub") }

// Constant returns the text and true if the template has no ${...} part.
func (t *Template) Constant() (string, bool) { panic("stub") }

// Append appends the evaluated text to b. An error is the plan's fault and says which expression failed on what.
func (t *Template) Append(b []byte, env *Env) ([]byte, error) { panic("stub") }

// Condition is an expression that is true or false: status == 201, json.status == "created".
type Condition struct{}

// CompileCondition compiles a condition.
func CompileCondition(text string, names Names) (*Condition, error) { panic("stub") }

// Holds evaluates the condition. Reading a field that the answer does not have gives nil, not an error.
func (c *Condition) Holds(env *Env) (bool, error) { panic("stub") }

// ReadsStatus reports whether the condition mentions status: then no default check of the status applies.
func (c *Condition) ReadsStatus() bool { panic("stub") }

// Describe returns what the condition compared, with the values found, for the report: `status == 201 (status was 500)`.
func (c *Condition) Describe(env *Env) string { panic("stub") }

// Extractor is an expression whose value a later step uses: json.id, header["Location"].
type Extractor struct{}

// CompileExtractor compiles an extractor.
func CompileExtractor(text string, names Names) (*Extractor, error) { panic("stub") }

// Value evaluates the extractor. A value that is not there is nil and no error.
func (x *Extractor) Value(env *Env) (any, error) { panic("stub") }
