// Package grafana posts what happens to runs as annotations of Grafana's own.
//
// Each event is an annotation of the organisation, which any dashboard can show by its tags: tidegauge, run:ID, plan:NAME,
// test:NAME and the kind of event. A verdict is a region over the whole run, a fault that is undone one over the fault.
// https://grafana.com/docs/grafana/latest/developers/http_api/annotations/
package grafana

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"

	"tidegauge/engine/event"
	"tidegauge/engine/outlet"
	"tidegauge/exporters/internal/client"
)

// Exporter is an outlet.Exporter of events.
type Exporter struct {
	url    string
	client *http.Client

	batch *event.Event // the first of the events that were sent in part: when they come again, the rest is sent
	next  int          // of them
	lost  int          // of them
	last  error        // why
}

// New returns an exporter to a Grafana. The service account's token is in GRAFANA_TOKEN.
func New(address string, getenv func(string) (string, bool)) (*Exporter, *client.Address, error) {
	a, err := client.Parse(address)
	if err != nil {
		return nil, nil, err
	}
	if a.URL.RawQuery != "" && a.Err() == nil {
		return nil, nil, fmt.Errorf("the address %s has an option that there is not: there are those of every outlet", a.URL.Redacted())
	}
	a.URL.Path = strings.TrimRight(a.URL.Path, "/")
	e := &Exporter{url: a.URL.JoinPath("api", "annotations").String(), client: a.HTTP(a.Token(getenv, "GRAFANA_TOKEN"))}
	if err := a.Err(); err != nil {
		return nil, nil, err
	}
	return e, a, nil
}

// Export implements outlet.Exporter: one request for each event, none twice.
func (e *Exporter) Export(ctx context.Context, events []event.Event) error {
	if len(events) == 0 {
		return nil
	}
	if e.batch != &events[0] {
		e.batch, e.next, e.lost, e.last = &events[0], 0, 0, nil
	}
	for ; e.next < len(events); e.next++ {
		err := e.post(ctx, &events[e.next])
		var answer *outlet.Error
		switch {
		case errors.As(err, &answer) && answer.Reaction == outlet.Rejected:
			e.lost, e.last = e.lost+1, err
		case err != nil:
			return err
		}
	}
	if e.lost > 0 {
		return &outlet.Error{Reaction: outlet.Partial, Lost: e.lost, Err: e.last}
	}
	return nil
}

// annotation is one annotation as Grafana takes it. Times are milliseconds since 1970.
type annotation struct {
	Time    int64    `json:"time"`
	TimeEnd int64    `json:"timeEnd,omitempty"`
	Tags    []string `json:"tags"`
	Text    string   `json:"text"` // HTML
}

func annotationOf(e *event.Event) annotation {
	a := annotation{
		Time: e.Time.UnixMilli(),
		Tags: []string{"tidegauge", "run:" + e.Run.ID, "plan:" + e.Run.Plan, "test:" + e.Run.Test, string(e.Kind)},
		Text: html.EscapeString(e.Text),
	}
	if !e.Since.IsZero() {
		a.Time, a.TimeEnd = e.Since.UnixMilli(), e.Time.UnixMilli()
	}
	return a
}

func (e *Exporter) post(ctx context.Context, one *event.Event) error {
	body, err := json.Marshal(annotationOf(one))
	if err != nil {
		return &outlet.Error{Reaction: outlet.Rejected, Err: err}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return &outlet.Error{Reaction: outlet.Refused, Err: err}
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := e.client.Do(r)
	if err != nil {
		return client.Failure(err)
	}
	defer func() { _ = answer.Body.Close() }() // it has been read
	const most = 10 << 10
	text, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if answer.StatusCode/100 == 2 {
		return client.Foreign(answer, text, "Grafana", "application/json", "text/plain")
	}
	if err != nil {
		text = []byte(err.Error())
	}
	return client.Answer(answer.StatusCode, answer.Header.Get("Retry-After"), string(text))
}
