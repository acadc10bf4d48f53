package report

import (
	"encoding/json"
	"fmt"
	"io"
)

// WriteJSON writes the report as indented JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write report of run %s as JSON: %w", r.Run.ID, err)
	}
	return nil
}

// ReadJSON reads what WriteJSON wrote. Fields it does not know are ignored; another schema is an error.
func ReadJSON(from io.Reader) (*Report, error) {
	var r Report
	if err := json.NewDecoder(from).Decode(&r); err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	if r.Schema != Schema {
		return nil, fmt.Errorf("read report: its schema is %q, this version reads %q", r.Schema, Schema)
	}
	return &r, nil
}
