// Package prometheus sends series by Prometheus's remote write, 1.0 or 2.0.
//
// https://prometheus.io/docs/specs/prw/remote_write_spec/ is the protocol, and remote_write_spec_2_0 beside it. Prometheus
// (with --web.enable-remote-write-receiver), Mimir, Thanos and VictoriaMetrics take 1.0. Prometheus from 3.0 on and Mimir
// take 2.0 too, in which each series says its type and unit, and the server how many samples it has written.
//
// Native histograms go as they are; for receivers that do not know them each can be sent as the series of a classic
// histogram or of a summary instead. Exemplars go with the sample that counts them. Staleness markers are sent, so that
// nothing lingers there after a run.
package prometheus

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang/snappy"

	"tidegauge/engine/outlet"
	"tidegauge/exporters/internal/client"
)

// The forms in which histograms can be sent.
const (
	Native    = "native"
	Classic   = "classic"   // _bucket, _sum and _count; bounds at powers of two, where native buckets end too
	Quantiles = "quantiles" // a summary: quantiles of what was observed since the sample before, cumulative _sum and _count
)

// metadataEvery is how often the types, units and texts of the metrics are sent along.
const metadataEvery = time.Minute

// Writer is an outlet.Writer.
type Writer struct {
	url        string
	client     *http.Client
	histograms string
	families   map[string]family // with remote write 2.0 only
	described  time.Time         // when metadata was last acknowledged, with 1.0
	warned     bool

	// Notify takes what people should know of the server; nil: nobody listens. It is set before the first Write.
	Notify func(text string)
}

// New returns a writer to a remote write endpoint. Options of the address: histograms=native, classic or quantiles;
// protocol=1 or 2. The bearer token is in PROMETHEUS_TOKEN.
func New(address string, getenv func(string) (string, bool)) (*Writer, *client.Address, error) {
	a, err := client.Parse(address, "histograms", "protocol")
	if err != nil {
		return nil, nil, err
	}
	if a.URL.Path == "" || a.URL.Path == "/" {
		return nil, nil, fmt.Errorf("the address %s has no path: Prometheus takes remote write at /api/v1/write", a.URL.Redacted())
	}
	w := &Writer{url: a.URL.String(), histograms: a.Choice("histograms", Native, Classic, Quantiles)}
	if a.Choice("protocol", "1", "2") == "2" {
		w.families = families(w.histograms)
	}
	w.client = a.HTTP(a.Token(getenv, "PROMETHEUS_TOKEN"))
	return w, a, a.Err()
}

// NeedsBefore reports whether the writer makes use of outlet.Sample's Before.
func (w *Writer) NeedsBefore() bool { return w.histograms == Quantiles }

// Write implements outlet.Writer.
func (w *Writer) Write(ctx context.Context, samples []outlet.Sample) error {
	points := w.points(samples)
	describe := w.families == nil && time.Since(w.described) >= metadataEvery
	r, err := w.request(ctx, points, describe)
	if err != nil {
		return err
	}
	answer, err := w.client.Do(r)
	if err != nil {
		return client.Failure(err)
	}
	defer func() { _ = answer.Body.Close() }() // was only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if err != nil && len(text) == 0 {
		text = []byte("its text could not be read: " + err.Error())
	}
	if answer.StatusCode/100 == 2 {
		if err := client.Foreign(answer, text, "a remote write endpoint", "text/plain"); err != nil {
			return err
		}
		w.warn(answer, samples)
	}
	if w.families != nil {
		return outcome2(answer, string(text), len(points), len(samples))
	}
	if answer.StatusCode/100 == 2 {
		if describe {
			w.described = time.Now()
		}
		return nil
	}
	return refusal(answer, string(text), "this server takes remote write 2.0 only: add protocol=2 to the address")
}

// warn says once that the server is VictoriaMetrics, which takes native histograms and keeps nothing of them, 1.79 at least.
func (w *Writer) warn(answer *http.Response, samples []outlet.Sample) {
	victoria := answer.Header.Get("X-Server-Hostname") != "" // its servers have it in every answer
	if !victoria || w.warned || w.histograms != Native || w.Notify == nil {
		return
	}
	if slices.ContainsFunc(samples, func(s outlet.Sample) bool { return s.Histogram != nil }) {
		w.warned = true
		w.Notify("this is VictoriaMetrics, which may drop native histograms and say nothing of it (1.79 does): add histograms=classic to the address")
	}
}

func (w *Writer) request(ctx context.Context, points []point, describe bool) (*http.Request, error) {
	var message interface{ Marshal() ([]byte, error) }
	contentType, version := "application/x-protobuf", "0.1.0"
	switch {
	case w.families != nil:
		message = message2(points, w.families)
		contentType, version = "application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"
	case describe:
		message = message1(points, descriptions(w.histograms))
	default:
		message = message1(points, nil)
	}
	body, err := message.Marshal()
	if err != nil {
		return nil, &outlet.Error{Reaction: outlet.Rejected, Err: fmt.Errorf("encoding: %w", err)}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(snappy.Encode(nil, body)))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Encoding", "snappy")
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("User-Agent", "tidegauge")
	r.Header.Set("X-Prometheus-Remote-Write-Version", version)
	return r, nil
}

// refusal returns what an answer that is not 2xx means.
func refusal(answer *http.Response, text, advice string) *outlet.Error {
	e := client.Answer(answer.StatusCode, answer.Header.Get("Retry-After"), text)
	switch {
	case strings.Contains(text, "native histograms are disabled"): // with status 500, as if it came with time
		e.Reaction = outlet.Refused
		e.Err = fmt.Errorf("%w (start it with --enable-feature=native-histograms, or add histograms=classic to the address)", e.Err)
	case answer.StatusCode == http.StatusUnsupportedMediaType:
		e.Err = fmt.Errorf("%w (%s)", e.Err, advice)
	}
	return e
}

const onlyVersion1 = "this server takes remote write 1.0 only: leave protocol=2 out of the address"

// outcome2 returns what an answer means in remote write 2.0, where the server counts what it has written. It may take some
// of a request and refuse the others, with 400.
func outcome2(answer *http.Response, text string, sent, samples int) error {
	written, said := written(answer.Header)
	var e *outlet.Error
	switch {
	case answer.StatusCode/100 != 2:
		e = refusal(answer, text, onlyVersion1)
	case !said:
		// One that does not look at the media type reads nothing from the message, and finds nothing wrong with that.
		return &outlet.Error{Reaction: outlet.Refused, Err: fmt.Errorf("the server answers %s without saying what it has written (%s)", answer.Status, onlyVersion1)}
	case written < sent:
		e = &outlet.Error{Reaction: outlet.Rejected, Err: fmt.Errorf("the server answers %s and has written %d of %d samples", answer.Status, written, sent)}
	default:
		return nil
	}
	// Where a histogram is sent as many series the count says nothing of samples: their parts are sent again, which does no harm.
	if e.Reaction == outlet.Rejected && written > 0 && sent == samples {
		e.Reaction, e.Lost = outlet.Partial, max(0, sent-written)
	}
	return e
}

// written reads the headers in which the server counts samples, and reports whether there are any.
func written(h http.Header) (n int, said bool) {
	for _, of := range []string{"Samples", "Histograms"} {
		text := h.Get("X-Prometheus-Remote-Write-" + of + "-Written")
		if count, err := strconv.Atoi(text); err == nil {
			n, said = n+count, true
		}
	}
	return n, said
}
