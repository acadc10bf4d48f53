package store

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
)

// through appends a value or a histogram through a writer.
func through(t *testing.T, w *Writer, when time.Time, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, name string) error {
	t.Helper()
	app := w.AppenderV2(t.Context())
	if _, err := app.Append(0, labels.FromStrings("__name__", name, "job", "x"), 0, when.UnixMilli(), v, h, fh, storage.AppendV2Options{}); err != nil {
		return errors.Join(err, app.Rollback())
	}
	return app.Commit()
}

// End ends exactly the series that came through the writer and live, whatever their kind, and lets nothing in afterwards.
func TestWriterEnds(t *testing.T) {
	s := open(t, Options{})
	w := s.Writer()
	put(t, s, at(0), 1, "__name__", "other", "job", "x")
	spans := []histogram.Span{{Length: 1}}
	for _, err := range []error{
		through(t, w, at(0), 1, nil, nil, "number"),
		through(t, w, at(0), 0, &histogram.Histogram{Count: 2, Sum: 1, PositiveSpans: spans, PositiveBuckets: []int64{2}}, nil, "histogram"),
		through(t, w, at(0), 0, nil, &histogram.FloatHistogram{Count: 2, Sum: 1, PositiveSpans: spans, PositiveBuckets: []float64{2}}, "floats"),
		through(t, w, at(0), 1, nil, nil, "gone"),
		through(t, w, at(time.Second), math.Float64frombits(value.StaleNaN), nil, nil, "gone"),
		through(t, w, at(20*time.Second), 1, nil, nil, "ahead"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	app := w.AppenderV2(t.Context())
	if _, err := app.Append(0, labels.FromStrings("__name__", "undone"), 0, at(0).UnixMilli(), 1, nil, nil, storage.AppendV2Options{}); err != nil {
		t.Fatal(err)
	}
	if err := app.Rollback(); err != nil {
		t.Fatal(err)
	}
	count := func(expr string, when time.Time) float64 {
		t.Helper()
		samples, err := s.Query(t.Context(), expr, when)
		if err != nil {
			t.Fatal(err)
		}
		if len(samples) == 0 {
			return 0
		}
		return samples[0].Value
	}
	if n := count(`count({job="x"})`, at(9*time.Second)); n != 4 {
		t.Errorf("before the end there are %g series, want 4", n)
	}
	late := w.AppenderV2(t.Context()) // begun before the end, and committed after it
	if _, err := late.Append(0, labels.FromStrings("__name__", "late"), 0, at(11*time.Second).UnixMilli(), 1, nil, nil, storage.AppendV2Options{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.End(t.Context(), at(10*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := late.Commit(); !errors.Is(err, ErrClosed) {
		t.Errorf("a commit after the end: %v", err)
	}
	if n := count(`count({job="x"})`, at(9*time.Second)); n != 4 {
		t.Errorf("at a moment before the end there are %g series afterwards, want 4", n)
	}
	if n := count(`count({__name__=~"number|histogram|floats|gone|ahead|late|undone"})`, at(21*time.Second)); n != 0 {
		t.Errorf("after the end there are %g series", n)
	}
	if n := count("other", at(21*time.Second)); n != 1 {
		t.Error("a series that came another way was ended too")
	}
}

func TestWriterOfClosedStore(t *testing.T) {
	s, err := Open(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	w := s.Writer()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := through(t, w, at(0), 1, nil, nil, "x"); !errors.Is(err, ErrClosed) {
		t.Errorf("appending: %v", err)
	}
	if err := w.End(t.Context(), at(0)); !errors.Is(err, ErrClosed) {
		t.Errorf("ending: %v", err)
	}
}
