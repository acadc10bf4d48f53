package store

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
)

// OTLP returns a round tripper that takes OTLP/HTTP metric exports into the store, without a network. Whatever the
// address, an answer of 200 means that everything in the request is stored, 400 that it was refused (samples out of
// order, delta temporality), 500 that it could not be written; then the body says why and nothing of it is stored.
// An exporter should not retry: a closed store stays closed.
func (s *Store) OTLP() http.RoundTripper { return roundTripper{s} }

type roundTripper struct{ store *Store }

func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	defer func() { _ = body.Close() }() // a reader of ours or of memory: nothing is lost with it
	ctx, done, err := t.store.begin(r.Context())
	if err != nil {
		return nil, err
	}
	defer done()
	commit := new(commitResult)
	inner := r.WithContext(context.WithValue(ctx, commitKey{}, commit))
	inner.Body = body
	w := &response{status: http.StatusOK, header: http.Header{}}
	t.store.otlp.ServeHTTP(w, inner)
	if commit.err != nil {
		w.status = http.StatusInternalServerError
		w.body.Reset()
		w.body.WriteString("writing to the store in " + t.store.dir + ": " + commit.err.Error())
	}
	return &http.Response{
		Status:        strconv.Itoa(w.status) + " " + http.StatusText(w.status),
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.header,
		Body:          io.NopCloser(&w.body),
		ContentLength: int64(w.body.Len()),
		Request:       r,
	}, nil
}

// response is an http.ResponseWriter into memory.
type response struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (w *response) Header() http.Header         { return w.header }
func (w *response) WriteHeader(status int)      { w.status = status }
func (w *response) Write(b []byte) (int, error) { return w.body.Write(b) }

func newOTLPHandler(logger *slog.Logger, registry prometheus.Registerer, to storage.AppendableV2) http.Handler {
	settings := func() config.Config { return config.Config{OTLPConfig: config.DefaultOTLPConfig} }
	return remote.NewOTLPWriteHandler(logger, registry, reporting{to}, settings, remote.OTLPOptions{LookbackDelta: lookback})
}

// reporting hands what Commit returned to whoever sent the request: Prometheus's handler drops it, so that a full disk
// would look like success.
type reporting struct{ storage.AppendableV2 }

type commitKey struct{}

type commitResult struct{ err error }

func (a reporting) AppenderV2(ctx context.Context) storage.AppenderV2 {
	result, _ := ctx.Value(commitKey{}).(*commitResult)
	return reportingAppender{a.AppendableV2.AppenderV2(ctx), result}
}

type reportingAppender struct {
	storage.AppenderV2
	result *commitResult
}

func (a reportingAppender) Commit() error {
	err := a.AppenderV2.Commit()
	if a.result != nil {
		a.result.err = err
	}
	return err
}
