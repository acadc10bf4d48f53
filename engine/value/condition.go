package value

import (
	"errors"
	"fmt"
	"strings"
)

// Condition is an expression that is true or false: status == 201, json.status == "created". It is safe for concurrent
// use.
type Condition struct{ program *program }

// Condition compiles a condition.
func (c *Compiler) Condition(text string) (*Condition, error) {
	p, errs := c.compile(text, 0, truth)
	if errs != nil {
		return nil, errs
	}
	return &Condition{p}, nil
}

// String returns the condition as written.
func (c *Condition) String() string { return c.program.source }

// Holds evaluates the condition. Reading something that is not there gives nil, not an error; a condition that cannot be
// evaluated for that reason does not hold. The error is the plan's fault.
func (c *Condition) Holds(env *Env) (bool, error) {
	p := c.program
	v, err := p.run(env)
	if err != nil {
		if errors.Is(err, ErrNoValue) {
			return false, nil
		}
		return false, fmt.Errorf("evaluating %s: %w", short(p.source), err)
	}
	holds, _ := v.(bool)
	return holds, nil
}

// ReadsStatus reports whether the condition mentions status: then no default check of the status applies.
func (c *Condition) ReadsStatus() bool { return c.program.readsStatus }

// maxDescription is the length of a description in bytes, maxFound that of each value in it.
const (
	maxDescription = 200
	maxFound       = 40
)

// Describe returns the condition with the values found, for the report: `status == 201 (status was 500)`. It is at most
// 200 bytes long, and shows at most 40 of each value.
func (c *Condition) Describe(env *Env) string {
	var found []string
	for i := range c.program.reads {
		r := &c.program.reads[i]
		v, err := execute(r.code, env)
		if err != nil {
			continue
		}
		b, err := appendJSON(nil, v)
		if err != nil {
			continue
		}
		value := string(b)
		if v == nil {
			value = "nil"
		}
		found = append(found, fmt.Sprintf("%s was %s", truncate(r.text, maxFound), truncate(value, maxFound)))
	}
	if len(found) == 0 {
		return truncate(c.program.source, maxDescription)
	}
	values := truncate(strings.Join(found, ", "), maxDescription/2)
	return truncate(c.program.source, maxDescription-len(values)-len(" ()")) + " (" + values + ")"
}

// Extractor is an expression whose value a later step uses: json.id, header["Location"]. It is safe for concurrent use.
type Extractor struct{ program *program }

// Extractor compiles an extractor.
func (c *Compiler) Extractor(text string) (*Extractor, error) {
	p, errs := c.compile(text, 0, anyValue)
	if errs != nil {
		return nil, errs
	}
	return &Extractor{p}, nil
}

// String returns the extractor as written.
func (x *Extractor) String() string { return x.program.source }

// Value evaluates the extractor. A value that is not there is nil and no error, as is one that cannot be computed
// because something else is not there. The value stays valid after the answer.
func (x *Extractor) Value(env *Env) (any, error) {
	v, err := x.program.run(env)
	if err != nil {
		if errors.Is(err, ErrNoValue) {
			return nil, nil
		}
		return nil, fmt.Errorf("evaluating %s: %w", short(x.program.source), err)
	}
	return v, nil
}
