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

// planOfRun answers with the plan as it was run.
func (a *api) planOfRun(w http.ResponseWriter, r *http.Request) error {
	s, err := a.stored(r)
	if err != nil {
		return err
	}
	return file(w, s, "application/yaml", s.PlanSource, "plan")
}

// intervals answers with what a run measured interval by interval, in the binary form of engine/interval.
func (a *api) intervals(w http.ResponseWriter, r *http.Request) error {
	s, err := a.stored(r)
	if err != nil {
		return err
	}
	text, err := s.IntervalsEncoded()
	if err != nil {
		return err
	}
	return file(w, s, "application/octet-stream", text, "intervals")
}

// file answers with what a run's folder has, which may be nothing.
func file(w http.ResponseWriter, s *history.Stored, mediaType string, text []byte, what string) error {
	if text == nil {
		return &Problem{Status: http.StatusNotFound, Title: "Not there", Detail: "run " + s.Record.ID + " has no " + what + " that can be read"}
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, err := w.Write(text)
	return gone(err)
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
