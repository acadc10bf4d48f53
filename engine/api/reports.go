package api

import (
	"bytes"
	"io"
	"net/http"

	"tidegauge/engine/history"
)

// Format is a form of reports beside JSON.
type Format struct {
	Extension string // .html
	MediaType string
	// Write writes the report of a run, which has one that can be read; its error says why there is none in this form.
	Write func(w io.Writer, run *history.Stored) error
}

// formatted answers with the report of a run in a format.
func (a *api) formatted(f *Format) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		s, err := a.stored(r)
		if err != nil {
			return err
		}
		none := func(why string) error {
			return &Problem{Status: http.StatusNotFound, Title: "No report", Detail: why}
		}
		if s.Report == nil {
			return none("run " + s.Record.ID + " has no report that can be read")
		}
		var text bytes.Buffer // whole, or a problem
		if err := f.Write(&text, s); err != nil {
			return none(err.Error())
		}
		w.Header().Set("Content-Type", f.MediaType)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		_, err = w.Write(text.Bytes())
		return gone(err)
	}
}
