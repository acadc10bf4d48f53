package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/annotations"

	"tidegauge/engine/catalog"
)

const maxForm = 10 << 20 // bytes of a posted form

// Handler returns the part of the Prometheus HTTP API (/api/v1/...) that a Grafana Prometheus data source needs: queries,
// labels, series, exemplars, metadata, and the endpoints it probes, which answer that there are no rules and alerts: those of a daemon are for engine/alert. It
// only reads. https://prometheus.io/docs/prometheus/latest/querying/api/
func (s *Store) Handler() http.Handler {
	mux := http.NewServeMux()
	both := func(path string, f endpoint) {
		mux.Handle("GET /api/v1/"+path, s.serve(f))
		mux.Handle("POST /api/v1/"+path, s.serve(f))
	}
	get := func(path string, f endpoint) { mux.Handle("GET /api/v1/"+path, s.serve(f)) }
	fixed := func(v any) endpoint {
		return func(context.Context, *params) (answer, error) { return answer{data: v}, nil }
	}
	both("query", s.serveQuery)
	both("query_range", s.serveQueryRange)
	both("query_exemplars", s.serveExemplars)
	both("format_query", s.serveFormat)
	both("labels", s.serveLabels)
	get("label/{name}/values", s.serveLabelValues)
	both("series", s.serveSeries)
	get("metadata", serveMetadata)
	get("rules", fixed(map[string]any{"groups": []any{}}))
	get("alerts", fixed(map[string]any{"alerts": []any{}}))
	get("status/buildinfo", fixed(buildInfo()))
	mux.Handle("/api/v1/", s.serve(func(_ context.Context, p *params) (answer, error) {
		return answer{}, &apiError{notFound, fmt.Errorf("no %s %s here", p.r.Method, p.r.URL.Path)}
	}))
	return mux
}

// endpoint answers one request whose form has been read. The store stays open while it runs.
type endpoint func(ctx context.Context, p *params) (answer, error)

type answer struct {
	data            any
	warnings, infos []string
}

// errorType is a type of error in the API's words.
type errorType string

const (
	badData     errorType = "bad_data"
	execution   errorType = "execution"
	canceled    errorType = "canceled"
	timeout     errorType = "timeout"
	internal    errorType = "internal"
	notFound    errorType = "not_found"
	unavailable errorType = "unavailable"
)

// status returns the HTTP status that goes with the type.
func (t errorType) status() int {
	switch t {
	case badData:
		return http.StatusBadRequest
	case execution:
		return http.StatusUnprocessableEntity
	case canceled:
		return 499 // the client has gone; nginx's number, which Prometheus uses too
	case timeout, unavailable:
		return http.StatusServiceUnavailable
	case notFound:
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

type apiError struct {
	kind errorType
	err  error
}

func (e *apiError) Error() string { return e.err.Error() }
func (e *apiError) Unwrap() error { return e.err }

// typeOf sorts errors that did not say their type themselves.
func typeOf(err error) errorType {
	var (
		typed     *apiError
		cancelled promql.ErrQueryCanceled
		late      promql.ErrQueryTimeout
		storage   promql.ErrStorage
	)
	switch {
	case errors.As(err, &typed):
		return typed.kind
	case errors.Is(err, ErrClosed):
		return unavailable
	case errors.As(err, &cancelled), errors.Is(err, context.Canceled):
		return canceled
	case errors.As(err, &late), errors.Is(err, context.DeadlineExceeded):
		return timeout
	case errors.As(err, &storage):
		return internal
	}
	return execution
}

func (s *Store) serve(f endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := s.answer(w, r, f)
		body := struct {
			Status    string   `json:"status"`
			Data      any      `json:"data,omitempty"`
			ErrorType string   `json:"errorType,omitempty"`
			Error     string   `json:"error,omitempty"`
			Warnings  []string `json:"warnings,omitempty"`
			Infos     []string `json:"infos,omitempty"`
		}{Status: "success", Data: a.data, Warnings: a.warnings, Infos: a.infos}
		status := http.StatusOK
		if err != nil {
			kind := typeOf(err)
			status = kind.status()
			body.Status, body.Data, body.ErrorType, body.Error = "error", nil, string(kind), err.Error()
		}
		text, err := json.Marshal(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if _, err := w.Write(text); err != nil {
			return // the client has gone, and there is nobody to tell
		}
	})
}

func (s *Store) answer(w http.ResponseWriter, r *http.Request, f endpoint) (answer, error) {
	ctx, done, err := s.begin(r.Context())
	if err != nil {
		return answer{}, err
	}
	defer done()
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return answer{}, &apiError{badData, fmt.Errorf("error parsing form values: %w", err)}
	}
	return f(ctx, &params{r: r})
}

// annotate adds what the engine had to remark.
func (a *answer) annotate(notes annotations.Annotations, query string) {
	const most = 10
	a.warnings, a.infos = notes.AsStrings(query, most, most)
}

func (a *answer) truncated() { a.warnings = append(a.warnings, "results truncated due to limit") }

// metadata describes a metric in the words of the API.
type metadata struct {
	Type catalog.Kind `json:"type"`
	Help string       `json:"help"`
	Unit string       `json:"unit"`
}

// serveMetadata describes the metrics of the catalog, by the names that they have here.
func serveMetadata(_ context.Context, p *params) (answer, error) {
	limit, only := p.limit("limit"), p.r.FormValue("metric")
	if p.err != nil {
		return answer{}, p.err
	}
	all := map[string][]metadata{}
	for _, m := range append(catalog.All(), catalog.Outlets()...) {
		name := m.PrometheusName()
		if only != "" && name != only {
			continue
		}
		if limit > 0 && len(all) == limit {
			break
		}
		all[name] = []metadata{{m.Kind, m.Help, m.PrometheusUnit()}}
	}
	return answer{data: all}, nil
}

// buildInfo names the version of the embedded Prometheus, by which clients choose what they ask: the module's v0.315.0
// is Prometheus 3.15.0.
func buildInfo() map[string]string {
	version := "3.0.0"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if rest, found := strings.CutPrefix(m.Version, "v0.3"); found && m.Path == "github.com/prometheus/prometheus" && len(rest) > 3 {
				version = "3." + strings.TrimPrefix(rest[:2], "0") + rest[2:]
			}
		}
	}
	return map[string]string{
		"version": version, "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
	}
}
