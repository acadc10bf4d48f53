package value

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/vm"
	"github.com/tidwall/gjson"

	"tidegauge/engine/protocol"
)

// ErrNoValue is what an error of [Template.Append] wraps when a ${...} part is nil: most often something that an earlier
// answer should have had. It is then the target's doing and not the plan's.
var ErrNoValue = errors.New("has no value")

// Env is what an expression sees while it is evaluated. A virtual user has one and reuses it. Not for concurrent use.
type Env struct {
	Rand *rand.Rand // the user's own, seeded from the run's seed
	Now  time.Time  // the intended start of the iteration: now(), unix() and unixMilli() are it
	User int        // number of the virtual user, from 1
	Iter int        // iterations of this user so far

	vars         map[string]any
	response     *protocol.Response
	responseTime time.Duration
	answer       answer

	machine vm.VM
	missing bool // something read by the evaluation under way is not there
	work    int  // what the evaluation under way has cost
}

// answer is what was found out about the answer so far.
type answer struct {
	text             string
	document         any
	haveText         bool
	haveDocument     bool
	checked, invalid bool // whether the body is JSON
}

// SetResponse says which answer status, duration, body, json and header are of, and its response time. The answer must
// not change until the next SetResponse; nil takes it away.
func (e *Env) SetResponse(r *protocol.Response, responseTime time.Duration) {
	e.response, e.responseTime, e.answer = r, responseTime, answer{}
}

// Set gives a variable its value: an extracted one, or a row of data (map[string]string or map[string]any).
func (e *Env) Set(name string, v any) {
	if e.vars == nil {
		e.vars = make(map[string]any)
	}
	e.vars[name] = v
}

// Reset forgets all variables and the answer.
func (e *Env) Reset() {
	clear(e.vars)
	e.SetResponse(nil, 0)
}

func (e *Env) status() int {
	if e.response == nil {
		return 0
	}
	return e.response.Status
}

func (e *Env) body() string {
	if e.response == nil {
		return ""
	}
	if !e.answer.haveText {
		e.answer.text, e.answer.haveText = string(e.response.Body), true
	}
	return e.answer.text
}

func (e *Env) header(name string) any {
	if e.response != nil {
		if v, ok := e.response.Lookup(name); ok {
			return v
		}
	}
	return e.absent()
}

func (e *Env) variable(name string) any {
	v := e.vars[name]
	if v == nil {
		return e.absent()
	}
	return v
}

func (e *Env) column(name, column string) any {
	switch row := e.vars[name].(type) {
	case map[string]any:
		if v := row[column]; v != nil {
			return v
		}
	case map[string]string:
		if v, ok := row[column]; ok {
			return v
		}
	}
	return e.absent()
}

// lookup reads the part of the body at a gjson path.
func (e *Env) lookup(path string) any {
	if !e.isJSON() {
		return e.absent()
	}
	v := fromJSON(gjson.GetBytes(e.response.Body, path))
	if v == nil {
		return e.absent()
	}
	return v
}

// partIs reports whether the part of the body at a gjson path is that text.
func (e *Env) partIs(path, text string) bool {
	if !e.isJSON() {
		return false
	}
	r := gjson.GetBytes(e.response.Body, path)
	return r.Type == gjson.String && r.Str == text
}

// whole decodes the body, once per answer.
func (e *Env) whole() any {
	if !e.isJSON() {
		return e.absent()
	}
	if !e.answer.haveDocument {
		e.answer.document, e.answer.haveDocument = fromJSON(gjson.ParseBytes(e.response.Body)), true
	}
	if e.answer.document == nil {
		return e.absent()
	}
	return e.answer.document
}

func (e *Env) isJSON() bool {
	if !e.answer.checked {
		e.answer.checked = true
		e.answer.invalid = e.response == nil || !validJSON(e.response.Body)
	}
	return !e.answer.invalid
}

func (e *Env) absent() any {
	e.missing = true
	return nil
}

// spend accounts for work so that no plan makes a single evaluation last: an item of a list costs 1, as do 64 bytes of
// text.
func (e *Env) spend(n int) error {
	if n < 0 || n > maxWork-e.work {
		return errors.New("does too much work for one request: the lists are too long or the text is too large")
	}
	e.work += n
	return nil
}

// maxNesting is what encoding/json allows.
const maxNesting = 10_000

// validJSON reports whether b is JSON. gjson's check is several times faster than that of encoding/json, but recursive
// without a limit; a body that cannot be nested too deeply, having few brackets, is for it.
func validJSON(b []byte) bool {
	if bytes.Count(b, []byte{'['})+bytes.Count(b, []byte{'{'}) > maxNesting {
		return json.Valid(b)
	}
	return gjson.ValidBytes(b)
}

// fromJSON returns the value as expressions see it: whole numbers as int, or uint64 where they do not fit, so that an
// identifier is written as it was read.
func fromJSON(r gjson.Result) any {
	switch r.Type {
	case gjson.True:
		return true
	case gjson.False:
		return false
	case gjson.String:
		return r.Str
	case gjson.Number:
		return fromNumber(r.Raw)
	case gjson.JSON:
		// Not with gjson, which looks for the end of each list and object anew: a deeply nested answer would take for ever.
		d := json.NewDecoder(strings.NewReader(r.Raw))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			return nil // it was checked to be JSON
		}
		return withNumbers(v)
	default:
		return nil
	}
}

// withNumbers turns the numbers inside v into those of expressions.
func withNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return fromNumber(v.String())
	case []any:
		for i := range v {
			v[i] = withNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = withNumbers(v[k])
		}
	}
	return v
}

func fromNumber(s string) any {
	if i, err := strconv.Atoi(s); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(s, 10, 64); err == nil {
		return u
	}
	f, _ := strconv.ParseFloat(s, 64) // what is out of range is infinite
	return f
}
