// Package influxdb sends series to InfluxDB 2, and to what takes its /api/v2/write.
//
// A metric is a measurement of the same name as in PromQL, its labels are tags, its fields are floats: a value has the field
// value (counters count up: take the difference). A histogram has the fields of the interval since the sample before: count,
// sum, and where count is not 0 p50, p90, p95, p99, p999, min and max, exact to the width of a bucket (1.1%); beside them
// total, the cumulative count, by which a gap can be seen. With buckets=true there are also le_0.0009765625 to le_64 and
// le_inf: how many observations of the interval were at most that many seconds. Those, count and sum can be added up over
// time and series, quantiles cannot. Time stamps are those of the store, to the millisecond.
package influxdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/api"
	"github.com/influxdata/influxdb-client-go/v2/api/write"

	"tidegauge/engine/outlet"
	"tidegauge/exporters/internal/client"
)

// Powers of two are bounds of native buckets, so that counts up to them are exact.
const (
	lowestBound  = -10
	highestBound = 6
)

// Writer is an outlet.Writer.
type Writer struct {
	api     api.WriteAPIBlocking
	client  influxdb2.Client
	buckets bool
}

// New returns a writer to a server. Options of the address: org and bucket, which are needed, and buckets=true. The token is
// in INFLUX_TOKEN.
func New(address string, getenv func(string) (string, bool)) (*Writer, *client.Address, error) {
	a, err := client.Parse(address, "org", "bucket", "buckets")
	if err != nil {
		return nil, nil, err
	}
	org, bucket := a.Options["org"], a.Options["bucket"]
	token := a.Token(getenv, "INFLUX_TOKEN")
	w := &Writer{buckets: a.Bool("buckets")}
	doer := a.HTTP("")
	wrong := a.Err()
	if a.URL.RawQuery != "" && wrong == nil {
		wrong = fmt.Errorf("the address %s has an option that there is not: there are org, bucket, buckets, and those of every outlet", a.URL.Redacted())
	}
	if org == "" || bucket == "" {
		wrong = errors.Join(wrong, fmt.Errorf("the address %s names no organisation and bucket: add ?org=ORG&bucket=BUCKET", a.URL.Redacted()))
	}
	if wrong != nil {
		return nil, nil, wrong
	}
	options := influxdb2.DefaultOptions().SetUseGZip(true).SetPrecision(time.Millisecond).SetApplicationName("tidegauge").SetLogLevel(0)
	options.HTTPOptions().SetHTTPDoer(&exchange{doer})
	w.client = influxdb2.NewClientWithOptions(a.URL.String(), token, options)
	// Not the asynchronous API, which loses silently what it cannot send.
	w.api = w.client.WriteAPIBlocking(org, bucket)
	return w, a, nil
}

// exchange sends whole bodies, with their length, and takes only answers of InfluxDB: the client sends in chunks, which some
// servers and proxies do not take, and looks at the status of what comes back and no further.
type exchange struct{ client *http.Client }

func (e *exchange) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = r.Body.Close()
	}
	if err != nil {
		return nil, err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	answer, err := e.client.Do(r)
	if err != nil || answer.StatusCode == http.StatusNoContent {
		return answer, err
	}
	defer func() { _ = answer.Body.Close() }() // was only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err != nil && len(text) == 0 {
		text = []byte("its text could not be read: " + err.Error())
	}
	if answer.StatusCode/100 == 2 && len(bytes.TrimSpace(text)) == 0 {
		answer.Body = http.NoBody
		return answer, nil
	}
	return nil, outcome(answer, text)
}

// Write implements outlet.Writer.
func (w *Writer) Write(ctx context.Context, samples []outlet.Sample) error {
	points := make([]*write.Point, 0, len(samples))
	impossible := 0
	for i := range samples {
		if p := w.point(&samples[i]); p != nil {
			points = append(points, p)
		} else {
			impossible++
		}
	}
	if len(points) > 0 {
		if err := w.api.WritePoint(ctx, points...); err != nil {
			return withImpossible(err, impossible)
		}
	}
	if impossible > 0 {
		return &outlet.Error{Reaction: outlet.Partial, Lost: impossible, Err: errors.New("NaN and infinite values, which InfluxDB cannot hold")}
	}
	return nil
}

// point returns a sample as a point, or nil for a value that no field can have.
func (w *Writer) point(s *outlet.Sample) *write.Point {
	p := influxdb2.NewPointWithMeasurement(measurement(s.Series.Name())).SetTime(time.UnixMilli(s.Time))
	for _, l := range s.Series.Labels {
		if l.Name != "__name__" && l.Value != "" {
			p.AddTag(tagKey(l.Name), plain(l.Value))
		}
	}
	if s.Histogram == nil {
		if !finite(s.Value) {
			return nil
		}
		return p.AddField("value", s.Value)
	}
	h := s.Histogram.Since(s.Before)
	if !finite(h.Sum) || !finite(s.Histogram.Count) {
		return nil
	}
	p.AddField("count", h.Count).AddField("sum", h.Sum).AddField("total", s.Histogram.Count)
	if h.Count > 0 {
		for _, q := range quantiles {
			if v := h.Quantile(q.at); finite(v) {
				p.AddField(q.field, v)
			}
		}
		p.AddField("min", h.Min())
		if v := h.Max(); finite(v) {
			p.AddField("max", v)
		}
	}
	if w.buckets {
		for exponent := lowestBound; exponent <= highestBound; exponent++ {
			p.AddField("le_"+strconv.FormatFloat(math.Ldexp(1, exponent), 'f', -1, 64), h.AtMost(exponent))
		}
		p.AddField("le_inf", h.Count)
	}
	return p
}

// measurement returns a metric's name as a line can begin with it.
func measurement(name string) string {
	if strings.HasPrefix(name, "#") { // a comment
		name = "_" + name[1:]
	}
	return plain(name)
}

// tagKey returns a label's name as InfluxDB takes it: it drops points with a tag of one of its own names.
func tagKey(label string) string {
	switch label {
	case "time", "_field", "_measurement":
		return label + "_"
	}
	return plain(label)
}

// plain returns a text that every server reads as it was written. Line protocol has no way to write control characters, such
// as a line's end; and of a backslash before a character that is escaped, or at the end, servers make different things.
func plain(text string) string {
	special := func(r rune) bool { return r < ' ' || r == '\\' }
	if !strings.ContainsFunc(text, special) {
		return text
	}
	b := []byte(text)
	for i, c := range b {
		if c < ' ' {
			b[i] = ' '
		}
	}
	next := byte(' ') // after the end
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] == '\\' && (next == ' ' || next == ',' || next == '=') {
			b[i] = '/'
		}
		next = b[i]
	}
	return string(b)
}

var quantiles = []struct {
	field string
	at    float64
}{{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// withImpossible adds to what a write has lost what could not be part of it.
func withImpossible(err error, impossible int) error {
	e, known := errors.AsType[*outlet.Error](err)
	if !known {
		return client.Failure(err)
	}
	if e.Reaction == outlet.Partial {
		e.Lost += impossible
	}
	return e
}
