package document

import (
	"fmt"
	"strings"
)

// Pos is a place in a file; lines and columns count from 1.
type Pos struct{ Line, Column int }

// Error is one mistake of a document.
type Error struct {
	File    string
	Pos     Pos
	Path    string // where in the document: classes.PaymentUser.tasks[0].steps[1].check[0]
	Message string // what is wrong, and what was expected
}

// Error returns file:line:column: path: message; without the path where the whole document is meant.
func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Pos.Line, e.Pos.Column, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", e.File, e.Pos.Line, e.Pos.Column, e.Path, e.Message)
}

// Errors are all the mistakes of a document, in the order of the file.
type Errors []*Error

// Error returns one line for each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}
