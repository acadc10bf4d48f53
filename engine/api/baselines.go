package api

import (
	"net/http"
	"time"

	"tidegauge/engine/compare"
	"tidegauge/engine/history"
)

// unknown is the problem of a name that nothing has.
func unknown(err error) error {
	return &Problem{Status: http.StatusNotFound, Title: "Not found", Detail: err.Error()}
}

// unfit is the problem of something that cannot be done with what there is.
func unfit(err error) error {
	return &Problem{Status: http.StatusConflict, Title: "Not possible", Detail: err.Error()}
}

// comparison compares a run with its baseline, or with the run or the pinned baseline that the parameter "with" names.
func (a *api) comparison(w http.ResponseWriter, r *http.Request) error {
	record, err := a.History.Find(r.PathValue("run"))
	if err != nil {
		return unknown(err)
	}
	var found *compare.Comparison
	if with := r.FormValue("with"); with != "" {
		found, err = a.History.CompareWith(record.ID, with)
	} else {
		found, err = a.History.Recall(record.ID)
	}
	if err != nil {
		return unfit(err)
	}
	return reply(w, http.StatusOK, found)
}

// Confirm is the body of POST /tidegauge/v1/runs/{run}/confirm.
type Confirm struct {
	Reruns []string `json:"reruns"`
}

// confirm compares a run again, together with others that were made to confirm what it showed.
func (a *api) confirm(w http.ResponseWriter, r *http.Request) error {
	var b Confirm
	if err := read(r, &b); err != nil {
		return err
	}
	record, err := a.History.Find(r.PathValue("run"))
	if err != nil {
		return unknown(err)
	}
	reruns := make([]string, len(b.Reruns))
	for i, name := range b.Reruns {
		again, err := a.History.Find(name)
		if err != nil {
			return unfit(err)
		}
		reruns[i] = again.ID
	}
	found, err := a.Confirm(r.Context(), record.ID, reruns)
	if err != nil {
		return unfit(err)
	}
	return reply(w, http.StatusOK, found)
}

// baselines answers with what people said of runs.
func (a *api) baselines(w http.ResponseWriter, _ *http.Request) error {
	m, err := a.History.Marks()
	if err != nil {
		return err
	}
	if m.Pins == nil {
		m.Pins = []history.Pin{}
	}
	return reply(w, http.StatusOK, m)
}

// Pin is the body of PUT /tidegauge/v1/baselines/{name}.
type Pin struct {
	Run string `json:"run"`
}

func (a *api) pin(w http.ResponseWriter, r *http.Request) error {
	var b Pin
	if err := read(r, &b); err != nil {
		return err
	}
	record, err := a.History.Find(b.Run)
	if err != nil {
		return unfit(err)
	}
	if _, err := a.History.Values(record.ID); err != nil {
		return unfit(err)
	}
	noteOf(r, "run %s", record.ID)
	err = a.History.ChangeMarks(r.Context(), func(m *history.Marks) error {
		if err := m.Pin(r.PathValue("name"), record.ID, time.Now()); err != nil {
			return unfit(err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.baselines(w, r)
}

func (a *api) unpin(w http.ResponseWriter, r *http.Request) error {
	err := a.History.ChangeMarks(r.Context(), func(m *history.Marks) error {
		if err := m.Unpin(r.PathValue("name")); err != nil {
			return unknown(err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.baselines(w, r)
}

// Mark is the body of PUT /tidegauge/v1/runs/{run}/mark.
type Mark struct {
	Accepted bool   `json:"accepted,omitempty"`
	Rejected bool   `json:"rejected,omitempty"`
	Excluded bool   `json:"excluded,omitempty"`
	Note     string `json:"note,omitempty"`
}

// mark replaces what people said of a run; nothing takes it back.
func (a *api) mark(w http.ResponseWriter, r *http.Request) error {
	var b Mark
	if err := read(r, &b); err != nil {
		return err
	}
	record, err := a.History.Find(r.PathValue("run"))
	if err != nil {
		return unknown(err)
	}
	noteOf(r, "run %s: accepted %v, rejected %v, excluded %v, note %q", record.ID, b.Accepted, b.Rejected, b.Excluded, b.Note)
	err = a.History.ChangeMarks(r.Context(), func(m *history.Marks) error {
		m.Set(record.ID, history.Mark{Accepted: b.Accepted, Rejected: b.Rejected, Excluded: b.Excluded, Note: b.Note}, time.Now())
		return nil
	})
	if err != nil {
		return err
	}
	return a.baselines(w, r)
}

// changes answers with the levels that changed over the history of each test.
func (a *api) changes(w http.ResponseWriter, _ *http.Request) error {
	courses, err := a.History.Courses()
	if err != nil && len(courses) == 0 {
		return err
	}
	if courses == nil {
		courses = []history.Course{}
	}
	return reply(w, http.StatusOK, courses)
}
