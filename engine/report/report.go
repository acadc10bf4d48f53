// Package report is what a finished run says, one value for all formats.
package report

import "io"

// Report is a finished run in full; its JSON form is documented and versioned.
type Report struct{}

// WriteText writes the summary for a terminal of the given width; color says whether escape sequences are welcome.
func (r *Report) WriteText(w io.Writer, width int, color bool) error { panic("stub") }

// WriteJSON writes the report as indented JSON.
func (r *Report) WriteJSON(w io.Writer) error { panic("stub") }
