// Package value compiles expressions, templates and extractors once, and evaluates them for each request.
//
// There is one language for checks, conditions, extraction and the ${...} parts of texts: that of
// github.com/expr-lang/expr, with the functions that [Functions] lists. An expression reads
//
//	status                  status of the answer, a whole number
//	duration                response time of the answer in seconds: duration < 0.5
//	body                    the answer's body as text
//	json.items[0].id        a part of the body as JSON; nil where the body has no such part or is not JSON
//	header["X-Id"]          a header field of the answer, also header("X-Id"); nil if there is none
//	user, iteration         number of the virtual user, from 1; iterations of that user so far
//	id                      what an earlier step extracted
//	cards.number            a column of the data set cards
//	env.NAME                an environment variable, read when the plan is read; env.NAME ?? "default"
//
// What is missing is nil. Nothing is less or greater than nil, nil contains nothing, and as a condition nil is false.
package value

import (
	"fmt"
	"strings"
)

// Names says which names an expression may use besides the built-in ones: what is extracted by earlier steps, and the
// data sets with their columns. Where columns is nil the name is a single value.
type Names map[string][]string

// Compiler compiles what a plan says. The zero Compiler knows no names and no environment variables.
type Compiler struct {
	Names  Names
	Getenv func(name string) (string, bool) // for env.NAME; nil: no variable is set

	constant bool // nothing but env is known
}

// Error is one mistake in a text that was compiled.
type Error struct {
	Offset  int    // of the mistake in the text, in bytes; 0..len(text)
	Message string // what is wrong, and what was expected
	At      any    // copied from the [Text] or [Member] the mistake is in; nil if it was a plain string
}

func (e *Error) Error() string { return e.Message }

// Errors are all the mistakes that were found, never none. Every method of [Compiler] that fails returns Errors;
// errors.As with an *Error finds the first.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Message
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the mistakes one by one.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i := range e {
		all[i] = e[i]
	}
	return all
}

// Object is a JSON object, or the fields of a form, in the order of the plan.
type Object []Member

// Member is one member of an [Object]. Key is a template. Value is an Object, a []any of such values, a [Text], a string (as a
// Text without place), an int, int64, uint64, float64, a bool or nil.
type Member struct {
	Key   string
	Value any
	At    any // where the key is, for the caller's use in errors
}

// Text is a template in a body, with its place.
type Text struct {
	S  string
	At any // where the text is, for the caller's use in errors
}

func mistake(offset int, format string, args ...any) *Error {
	return &Error{Offset: offset, Message: fmt.Sprintf(format, args...)}
}
