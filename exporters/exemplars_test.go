package exporters

import (
	"fmt"
	"maps"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// TestExemplarsArrive in Prometheus: with histograms of each form, by both protocols, of several samples in the order of time.
func TestExemplarsArrive(t *testing.T) {
	t.Parallel()
	type want map[string][]string // trace ids by series
	native := want{`latency {}`: {"trace 1a", "trace 1b", "trace 2a", "trace 2b"}}
	classic := want{`latency_bucket {le="0.5"}`: {"trace 1a", "trace 2a"}, `latency_bucket {le="1"}`: {"trace 1b", "trace 2b"}}
	for _, tt := range []struct {
		release release
		options string
		want    want
	}{
		{prometheus3, "", native},
		{prometheus3, "?protocol=2", native},
		{prometheus3, "?histograms=classic", classic},
		{prometheus3, "?histograms=classic&protocol=2", classic},
		{prometheus3, "?histograms=quantiles", want{}}, // a summary has none
		{prometheus2, "", native},
		{prometheus2, "?histograms=classic", classic},
	} {
		t.Run(tt.release.version+tt.options, func(t *testing.T) {
			s, err := newPrometheus(t, tt.release, "", "--enable-feature=exemplar-storage,native-histograms")
			skip(t, err)
			s.start()
			l := openLab(t, t.TempDir(), time.Minute, remoteWrite(tt.options)(t, s))
			begin := time.Now().Add(5 * time.Millisecond)
			for i := range 3 {
				putExemplars(t, l, i, begin.Add(time.Duration(i)*10*time.Millisecond))
			}
			<-time.After(time.Until(begin.Add(30 * time.Millisecond)))
			if b := l.set.Flush(t.Context())[0]; !b.Complete() || b.Sent < 3 || b.Errors != 0 {
				t.Errorf("books %+v", b)
			}
			var answer struct {
				Data []struct {
					SeriesLabels map[string]string
					Exemplars    []struct{ Labels map[string]string }
				}
			}
			decode(t, s.get("/api/v1/query_exemplars", url.Values{
				"query": {`{__name__=~"latency.*"}`}, "start": {fmt.Sprint(begin.Add(-time.Hour).Unix())}, "end": {fmt.Sprint(begin.Add(time.Hour).Unix())},
			}), &answer)
			got := want{}
			for _, series := range answer.Data {
				name := series.SeriesLabels["__name__"]
				maps.DeleteFunc(series.SeriesLabels, func(name, _ string) bool { return name == "__name__" })
				key := name + " " + labels.FromMap(series.SeriesLabels).String()
				for _, e := range series.Exemplars {
					got[key] = append(got[key], e.Labels["trace_id"])
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("-want +got: %s", d)
			}
		})
	}
}

// putExemplars puts a sample of a histogram into the store, with two exemplars, 0.4 and 0.6, that came before it: but for the
// first, as in a run. (Prometheus 2.42 drops exemplars that come with the first histogram of a series.)
func putExemplars(t *testing.T, l *lab, i int, at time.Time) {
	t.Helper()
	n := int64(i + 1)
	h := &histogram.Histogram{
		Schema: 0, Count: uint64(2 * n), Sum: float64(n), ZeroThreshold: 1e-128,
		PositiveSpans: []histogram.Span{{Offset: -1, Length: 2}}, PositiveBuckets: []int64{n, 0},
	}
	list := []exemplar.Exemplar{
		{Labels: labels.FromStrings("trace_id", fmt.Sprintf("trace %da", i)), Value: 0.4, Ts: at.UnixMilli() - 2, HasTs: true},
		{Labels: labels.FromStrings("trace_id", fmt.Sprintf("trace %db", i)), Value: 0.6, Ts: at.UnixMilli() - 1, HasTs: true},
	}
	if i == 0 {
		list = nil
	}
	app := l.store.Writer().AppenderV2(t.Context())
	_, err := app.Append(0, labels.FromStrings("__name__", "latency"), 0, at.UnixMilli(), 0, h, nil, storage.AppendV2Options{Exemplars: list})
	if err == nil {
		err = app.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
}
