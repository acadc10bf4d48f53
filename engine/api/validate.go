package api

import (
	"net/http"

	"tidegauge/engine/queue"
)

// Validate is the body of POST /tidegauge/v1/validate: a plan with what it needs.
type Validate struct {
	File       string            `json:"file"` // name of the file that Source is from
	Source     string            `json:"source"`
	Files      map[string][]byte `json:"files,omitempty"` // that Source names
	Parameters map[string]string `json:"parameters,omitempty"`
}

// Validated is what is said of a plan without mistakes.
type Validated struct {
	Name  string          `json:"name"`
	Tests []ValidatedTest `json:"tests"`
}

// ValidatedTest is what is said of one of its tests.
type ValidatedTest struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Refused string `json:"refused,omitempty"` // why it may not be run here; missing: it may
}

// validate says what is wrong with a plan, and which of its tests may be run here.
func (a *api) validate(w http.ResponseWriter, r *http.Request) error {
	var b Validate
	if err := read(r, &b); err != nil {
		return err
	}
	noteOf(r, "file %q", b.File)
	p, tests, err := a.Queue.Try(&queue.Sent{Name: b.File, Source: []byte(b.Source), Files: b.Files}, b.Parameters)
	if err != nil {
		return err
	}
	v := Validated{Name: p.Name, Tests: []ValidatedTest{}}
	for i, t := range tests {
		one := ValidatedTest{Name: t.Name, Type: string(p.Tests[i].Type)}
		if t.Err != nil {
			one.Refused = t.Err.Error()
		}
		v.Tests = append(v.Tests, one)
	}
	return reply(w, http.StatusOK, v)
}
