// Package api answers the daemon's own HTTP API, JSON under /tidegauge/v1, and guards everything else that is served.
//
// openapi.json describes it. Errors are problems as of RFC 9457.
package api

import (
	"context"
	_ "embed" // the description
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"tidegauge/engine/compare"
	"tidegauge/engine/document"
	"tidegauge/engine/experiment"
	"tidegauge/engine/history"
	"tidegauge/engine/outlet"
	"tidegauge/engine/queue"
	"tidegauge/engine/run"
	"tidegauge/engine/scrape"
)

//go:embed openapi.json
var description []byte

// maxBody bounds the body of a request.
const maxBody = 1 << 20

// maxSent bounds the body of a request that a plan and its files may come with.
const maxSent = 32 << 20

// The requests that a plan may come with.
const (
	startPattern    = "POST /tidegauge/v1/jobs"
	validatePattern = "POST /tidegauge/v1/validate"
)

// keepAlive is how often a stream of events says that it is still there.
const keepAlive = 15 * time.Second

// Options say what the API is over.
type Options struct {
	Queue   *queue.Queue
	Plans   *queue.Plans
	History *history.History
	Outlets func() []outlet.Books
	Confirm func(ctx context.Context, run string, reruns []string) (*compare.Comparison, error) // as experiment.Lab
	Formats []Format                                                                            // in which reports are to be had beside JSON
	Targets func() []scrape.State                                                               // of what is scraped always
	Version string
	Guard   *Guard
	Audit   *Audit
	Logger  *slog.Logger
	Ending  <-chan struct{} // closed when the daemon ends: streams end with it
}

type api struct{ Options }

// New returns the handler of everything under /tidegauge/v1/.
func New(o Options) http.Handler {
	a := &api{o}
	mux := http.NewServeMux()
	handle := func(pattern string, role Role, f func(w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r = withNote(r)
			if err := o.Guard.allows(r, role); err != nil {
				if role != Read {
					o.Audit.note(r, err)
				}
				problem(w, err)
				return
			}
			whole := r.Body
			r.Body = http.MaxBytesReader(w, whole, maxBody)
			if pattern == startPattern || pattern == validatePattern {
				r.Body = http.MaxBytesReader(w, whole, maxSent)
			}
			err := f(w, r)
			if role != Read {
				o.Audit.note(r, err)
			}
			if err != nil {
				problem(w, err)
			}
		})
	}
	handle("GET /tidegauge/v1/openapi.json", Read, func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "application/json")
		_, err := w.Write(description)
		return gone(err)
	})
	handle("GET /tidegauge/v1/status", Read, a.status)
	handle("GET /tidegauge/v1/plans", Read, a.plans)
	handle("GET /tidegauge/v1/plans/{plan}", Read, a.plan)
	handle(validatePattern, Run, a.validate)
	handle("GET /tidegauge/v1/schedules", Read, func(w http.ResponseWriter, _ *http.Request) error {
		return reply(w, http.StatusOK, a.Queue.Schedules())
	})
	handle("POST /tidegauge/v1/schedules/{schedule}/run", Run, a.runSchedule)
	handle("POST "+triggerPath+"{trigger}", Nobody, a.trigger)
	handle("GET /tidegauge/v1/jobs", Read, func(w http.ResponseWriter, _ *http.Request) error { return reply(w, http.StatusOK, a.Queue.Jobs()) })
	handle(startPattern, Run, a.start)
	handle("GET /tidegauge/v1/jobs/{job}", Read, a.job)
	handle("GET /tidegauge/v1/jobs/{job}/events", Read, a.events)
	handle("POST /tidegauge/v1/jobs/{job}/load", Run, a.load)
	handle("POST /tidegauge/v1/jobs/{job}/pause", Run, a.change(a.Queue.Pause))
	handle("POST /tidegauge/v1/jobs/{job}/resume", Run, a.change(a.Queue.Resume))
	handle("POST /tidegauge/v1/jobs/{job}/stop", Run, a.stop)
	handle("GET /tidegauge/v1/runs", Read, a.runs)
	handle("GET /tidegauge/v1/runs/{run}", Read, a.run)
	handle("GET /tidegauge/v1/runs/{run}/report", Read, a.report)
	for i := range o.Formats {
		handle("GET /tidegauge/v1/runs/{run}/report"+o.Formats[i].Extension, Read, a.formatted(&o.Formats[i]))
	}
	handle("GET /tidegauge/v1/runs/{run}/summary", Read, a.summary)
	handle("GET /tidegauge/v1/runs/{run}/plan", Read, a.planOfRun)
	handle("GET /tidegauge/v1/runs/{run}/intervals", Read, a.intervals)
	handle("GET /tidegauge/v1/runs/{run}/comparison", Read, a.comparison)
	handle("POST /tidegauge/v1/runs/{run}/confirm", Run, a.confirm)
	handle("PUT /tidegauge/v1/runs/{run}/mark", Run, a.mark)
	handle("GET /tidegauge/v1/baselines", Read, a.baselines)
	handle("PUT /tidegauge/v1/baselines/{name}", Run, a.pin)
	handle("DELETE /tidegauge/v1/baselines/{name}", Run, a.unpin)
	handle("GET /tidegauge/v1/changes", Read, a.changes)
	handle("GET /tidegauge/v1/outlets", Read, func(w http.ResponseWriter, _ *http.Request) error { return reply(w, http.StatusOK, a.Outlets()) })
	handle("GET /tidegauge/v1/targets", Read, func(w http.ResponseWriter, _ *http.Request) error { return reply(w, http.StatusOK, a.Targets()) })
	mux.HandleFunc("/tidegauge/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, &Problem{Status: http.StatusNotFound, Title: "Not found", Detail: "there is no " + r.Method + " " + r.URL.Path + "; see /tidegauge/v1/openapi.json"})
	})
	return mux
}

// Problem is an error as RFC 9457 has it.
type Problem struct {
	Type   string   `json:"type"` // about:blank: the title says all that is to be said of the kind
	Title  string   `json:"title"`
	Status int      `json:"status"`
	Detail string   `json:"detail,omitempty"`
	Errors []string `json:"errors,omitempty"` // each mistake of a plan, with line and column
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// problemOf says what kind of problem an error is.
func problemOf(err error) *Problem {
	p, ok := errors.AsType[*Problem](err)
	if ok {
		return p
	}
	p = &Problem{Status: http.StatusInternalServerError, Title: "Internal error", Detail: err.Error()}
	set := func(status int, title string) { p.Status, p.Title = status, title }
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		set(http.StatusRequestEntityTooLarge, "The body is too large")
	case errors.Is(err, queue.ErrNoPlan):
		set(http.StatusNotFound, "No such plan")
	case errors.Is(err, queue.ErrNoJob):
		set(http.StatusNotFound, "No such job")
	case errors.Is(err, queue.ErrBroken), errors.Is(err, queue.ErrSent):
		set(http.StatusConflict, "The plan is broken")
		if errors.Is(err, queue.ErrSent) {
			set(http.StatusUnprocessableEntity, "The plan has mistakes")
		}
		if all, ok := errors.AsType[document.Errors](err); ok {
			for _, one := range all {
				p.Errors = append(p.Errors, one.Error())
			}
			p.Detail = fmt.Sprintf("the plan has mistakes: %d", len(all))
		}
	case errors.Is(err, queue.ErrRequest):
		set(http.StatusUnprocessableEntity, "The request does not fit the plan")
	case errors.Is(err, queue.ErrLimit):
		set(http.StatusForbidden, "Not allowed by the configuration")
	case errors.Is(err, queue.ErrBlackout), errors.Is(err, queue.ErrOver), errors.Is(err, run.ErrNoLoad), errors.Is(err, run.ErrPaused),
		errors.Is(err, run.ErrNotPaused), errors.Is(err, run.ErrModel), errors.Is(err, experiment.ErrFixed):
		set(http.StatusConflict, "Not possible now")
	case errors.Is(err, queue.ErrFull), errors.Is(err, queue.ErrEnding):
		set(http.StatusServiceUnavailable, "Not available now")
	}
	return p
}

func problem(w http.ResponseWriter, err error) {
	p := *problemOf(err)
	p.Type = "about:blank"
	text, err := json.Marshal(p)
	if err != nil {
		text = []byte(`{"type":"about:blank","title":"Internal error","status":500}`)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="tidegauge"`)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(text) // a client that has gone needs no answer
}

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err = w.Write(append(text, '\n'))
	return gone(err)
}

// gone forgives that a client has gone: there is nobody to tell.
func gone(error) error { return nil }

// read reads a body of JSON. Members that nothing is known of are an error: they would be ignored.
func read(r *http.Request, into any) error {
	bad := func(err error) error {
		if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return large
		}
		return &Problem{Status: http.StatusBadRequest, Title: "The body cannot be read", Detail: "reading the body: " + err.Error()}
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return bad(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return bad(errors.New("there is more than one value"))
	}
	return nil
}

func (a *api) status(w http.ResponseWriter, _ *http.Request) error {
	waiting, running := 0, ""
	for _, j := range a.Queue.Jobs() {
		switch j.State {
		case queue.Waiting:
			waiting++
		case queue.Running:
			running = j.ID
		}
	}
	return reply(w, http.StatusOK, map[string]any{"version": a.Version, "running": running, "waiting": waiting})
}

type planAnswer struct {
	Name   string    `json:"name"`
	Tests  []string  `json:"tests"`
	Read   time.Time `json:"read"`             // when the version that is in use was
	Errors []string  `json:"errors,omitempty"` // of the file as it is now
	Source string    `json:"source,omitempty"`
}

func planOf(s *queue.PlanState) planAnswer {
	p := planAnswer{Name: s.Name, Read: s.Read, Tests: []string{}}
	if s.Plan != nil {
		for i := range s.Plan.Tests {
			p.Tests = append(p.Tests, s.Plan.Tests[i].Name)
		}
	}
	if all, ok := errors.AsType[document.Errors](s.Err); ok {
		for _, one := range all {
			p.Errors = append(p.Errors, one.Error())
		}
	} else if s.Err != nil {
		p.Errors = []string{s.Err.Error()}
	}
	return p
}

func (a *api) plans(w http.ResponseWriter, _ *http.Request) error {
	all := []planAnswer{}
	for _, s := range a.Plans.List() {
		all = append(all, planOf(s))
	}
	return reply(w, http.StatusOK, all)
}

func (a *api) plan(w http.ResponseWriter, r *http.Request) error {
	s := a.Plans.Find(r.PathValue("plan"))
	if s == nil {
		return fmt.Errorf("%w %q", queue.ErrNoPlan, r.PathValue("plan"))
	}
	p := planOf(s)
	p.Source = string(s.Source)
	return reply(w, http.StatusOK, p)
}

func (a *api) runSchedule(w http.ResponseWriter, r *http.Request) error {
	if _, err := io.Copy(io.Discard, r.Body); err != nil { // what a webhook says is of no use here
		return fmt.Errorf("reading the body: %w", err)
	}
	s, err := a.Queue.RunSchedule(r.PathValue("schedule"), whoIs(r))
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/tidegauge/v1/jobs/"+s.ID)
	return reply(w, http.StatusAccepted, s)
}

func (a *api) job(w http.ResponseWriter, r *http.Request) error {
	s, _, err := a.Queue.Job(r.PathValue("job"))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, s)
}

// events tells how a job stands whenever that changes, until it is over: server-sent events of kind "status". Who is slow
// misses some, but never the last.
func (a *api) events(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("job")
	if _, _, err := a.Queue.Job(id); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for {
		s, changed, err := a.Queue.Job(id)
		if err != nil {
			return nil // forgotten meanwhile: it was over
		}
		text, err := json.Marshal(s)
		if err != nil {
			return nil
		}
		if _, err := fmt.Fprintf(w, "event: status\ndata: %s\n\n", text); err != nil || out.Flush() != nil || s.Over() {
			return nil
		}
		for quiet := true; quiet; {
			select {
			case <-changed:
				quiet = false
			case <-alive.C:
				if _, err := io.WriteString(w, ": still here\n\n"); err != nil || out.Flush() != nil {
					return nil
				}
			case <-r.Context().Done():
				return nil
			case <-a.Ending:
				return nil
			}
		}
	}
}

// CountHeader says how many there are where an answer has only some.
const CountHeader = "X-Total-Count"

func (a *api) runs(w http.ResponseWriter, r *http.Request) error {
	limit := 100
	if text := r.FormValue("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 10_000 {
			return &Problem{Status: http.StatusBadRequest, Title: "Wrong parameter", Detail: "limit is " + strconv.Quote(text) + ", expected a number from 1 to 10000"}
		}
		limit = n
	}
	records, all, err := a.History.Newest(limit)
	if err != nil {
		return err
	}
	if records == nil {
		records = []history.Record{}
	}
	w.Header().Set(CountHeader, strconv.Itoa(all))
	return reply(w, http.StatusOK, records)
}

// stored finds a run by its name, which never is a path: only ids of runs there are match.
func (a *api) stored(r *http.Request) (*history.Stored, error) {
	s, err := a.History.Load(r.PathValue("run"))
	if err != nil {
		return nil, &Problem{Status: http.StatusNotFound, Title: "No such run", Detail: err.Error()}
	}
	return s, nil
}

func (a *api) run(w http.ResponseWriter, r *http.Request) error {
	s, err := a.stored(r)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, s.Record)
}

func (a *api) report(w http.ResponseWriter, r *http.Request) error {
	s, err := a.stored(r)
	if err != nil {
		return err
	}
	if s.Report == nil {
		return &Problem{Status: http.StatusNotFound, Title: "No report", Detail: "run " + s.Record.ID + " has no report that can be read"}
	}
	w.Header().Set("Content-Type", "application/json")
	return gone(s.Report.WriteJSON(w))
}

func (a *api) summary(w http.ResponseWriter, r *http.Request) error {
	s, err := a.stored(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err = io.WriteString(w, s.Summary)
	return gone(err)
}

// caller is the key of who makes a request in its context.
type caller struct{}

func whoIs(r *http.Request) string {
	name, _ := r.Context().Value(caller{}).(string)
	return name
}

func withCaller(r *http.Request, name string) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), caller{}, name))
}
