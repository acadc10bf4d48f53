package exporters

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/catalog"
	"tidegauge/engine/report"
	"tidegauge/engine/store"
)

// prometheusHolds compares everything in a Prometheus with everything in the store: each value and each bucket of each
// histogram. A bucket is a value of a series with the label "bucket" here.
func prometheusHolds(t *testing.T, s *server, l *lab) {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct {
				Metric     map[string]string
				Values     [][2]any
				Histograms [][2]any
			}
		}
	}
	decode(t, s.get("/api/v1/query", url.Values{"query": {`{__name__=~".+"}[1h]`}}), &answer)
	got := flat{}
	ms := func(v any) int64 { return int64(math.Round(v.(float64) * 1000)) }
	number := func(v any) float64 {
		f, err := strconv.ParseFloat(v.(string), 64)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, series := range answer.Data.Result {
		for _, v := range series.Values {
			got.put(series.Metric, ms(v[0]), number(v[1]))
		}
		for _, v := range series.Histograms {
			h := v[1].(map[string]any)
			got.put(part(series.Metric, "count"), ms(v[0]), number(h["count"]))
			got.put(part(series.Metric, "sum"), ms(v[0]), number(h["sum"]))
			list, _ := h["buckets"].([]any)
			for _, one := range list {
				b := one.([]any)
				got.put(part(series.Metric, boundOf(number(b[2]))), ms(v[0]), number(b[3]))
			}
		}
	}
	equal(t, got, wantFlat(l), 0)
}

// wantFlat returns everything in the store, each bucket of a histogram as a value of a series with the label "bucket".
func wantFlat(l *lab) flat {
	want := flat{}
	for _, list := range l.points() {
		for _, p := range list {
			labels := labelsOf(p.Series)
			if p.Histogram == nil {
				want.put(labels, p.Time, p.Value)
				continue
			}
			want.put(part(labels, "count"), p.Time, p.Histogram.Count)
			want.put(part(labels, "sum"), p.Time, p.Histogram.Sum)
			if n := p.Histogram.ZeroCount; n > 0 {
				want.put(part(labels, boundOf(p.Histogram.ZeroThreshold)), p.Time, n)
			}
			for _, b := range p.Histogram.Positive {
				want.put(part(labels, boundOf(p.Histogram.UpperBound(b.Index))), p.Time, b.Count)
			}
		}
	}
	return want
}

// boundOf writes a bound as far as all ways of computing it agree.
func boundOf(v float64) string { return fmt.Sprintf("%.9g", v) }

func part(labels map[string]string, bucket string) map[string]string {
	m := maps.Clone(labels)
	m["bucket"] = bucket
	return m
}

// nothingLingers: no series of a run is there afterwards, but its answers; and PromQL knows its total.
func nothingLingers(t *testing.T, d *destinationTest, r *report.Report) {
	t.Helper()
	var answer struct{ Data struct{ Result []any } }
	answers := []string{"tidegauge_verdict", "tidegauge_objective", "tidegauge_run_duration_seconds", "tidegauge_figure_bound"}
	for _, m := range catalog.Figures() {
		answers = append(answers, m.PrometheusName())
	}
	query := fmt.Sprintf(`({run=%q, __name__!~%q} unless tidegauge_event_time_seconds{kind="verdict"}) or {__name__=~"tidegauge_outlet_.*|target_info", job="tidegauge"}`, r.Run.ID, strings.Join(answers, "|"))
	decode(t, d.server.get("/api/v1/query", url.Values{"query": {query}}), &answer)
	if len(answer.Data.Result) > 0 {
		t.Errorf("series linger after the run: %v", answer.Data.Result)
	}
	const requests = "tidegauge_requests_total{run=%q}"
	total := float64(r.Total.Count + r.Total.Cut)
	end := d.server.last(fmt.Sprintf(requests, r.Run.ID))
	queries := []string{
		`sum(max_over_time(X[1h]))`,
		fmt.Sprintf(`sum(increase(X[1h] @ %.3f))`, end),
	}
	if d.anchored {
		// Otherwise it adds half an interval at the end, for what would have come if the series had gone on; anchored it does not.
		queries = append(queries, `sum(increase(X[1h]) / (1 + 0.5 / (count_over_time(X[1h]) - 1)))`, `sum(increase(X[1h] anchored))`)
	}
	for _, query := range queries {
		query = strings.ReplaceAll(query, "X", fmt.Sprintf(requests, r.Run.ID))
		if got := d.server.scalar(query); math.Abs(got-total) > 1e-6 {
			t.Errorf("%s is %v, in the report it is %v", query, got, total)
		}
	}
}

// last returns the time of the latest sample of some series, in seconds since 1970.
func (s *server) last(series string) (at float64) {
	s.t.Helper()
	var answer struct {
		Data struct{ Result []struct{ Values [][2]any } }
	}
	decode(s.t, s.get("/api/v1/query", url.Values{"query": {series + "[1h]"}}), &answer)
	for _, one := range answer.Data.Result {
		if n := len(one.Values); n > 0 {
			at = max(at, one.Values[n-1][0].(float64))
		}
	}
	return at
}

// scalar returns the value of a query that has one.
func (s *server) scalar(query string) float64 {
	s.t.Helper()
	var answer struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	decode(s.t, s.get("/api/v1/query", url.Values{"query": {query}}), &answer)
	if len(answer.Data.Result) != 1 {
		s.t.Errorf("%s: %v, want one value", query, answer.Data.Result)
		return math.NaN()
	}
	v, err := strconv.ParseFloat(answer.Data.Result[0].Value[1].(string), 64)
	if err != nil {
		s.t.Error(err)
	}
	return v
}

// TestPrometheusWithoutNativeHistograms: it takes none of a request with one; the message says what to do, and once that is
// done everything arrives.
func TestPrometheusWithoutNativeHistograms(t *testing.T) {
	t.Parallel()
	s, err := newPrometheus(t, prometheus2, "")
	skip(t, err)
	s.start()
	dir := t.TempDir()
	l := openLab(t, dir, time.Minute, remoteWrite("")(t, s))
	begin := time.Now()
	r := l.run(4*time.Second, nil)
	if took := time.Since(begin); took > 12*time.Second {
		t.Errorf("the run took %v: nobody should wait for what needs a hand", took)
	}
	if b := r.Outlets[0]; b.Waiting != b.Produced || b.Lost != 0 || !b.Balanced {
		t.Errorf("books %+v", b)
	}
	if len(l.notes) == 0 || !strings.Contains(l.notes[0], "add histograms=classic") {
		t.Errorf("messages %q", l.notes)
	}
	l.end()
	l = openLab(t, dir, time.Minute, remoteWrite("?histograms=quantiles")(t, s))
	complete(t, l.set.Flush(t.Context()))
	holdsQuantiles(t, s, l, r)
}

// holdsQuantiles compares the quantiles of each interval in Prometheus with those of the histograms in the store.
func holdsQuantiles(t *testing.T, s *server, l *lab, r *report.Report) {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	decode(t, s.get("/api/v1/query", url.Values{"query": {fmt.Sprintf(`tidegauge_response_time_seconds{run=%q}[1h]`, r.Run.ID)}}), &answer)
	compared := 0
	all := l.points()
	for _, series := range answer.Data.Result {
		q, err := strconv.ParseFloat(series.Metric["quantile"], 64)
		if err != nil {
			t.Fatal(err)
		}
		delete(series.Metric, "quantile")
		points := all[seriesKey(series.Metric)]
		times := slices.Sorted(maps.Keys(points))
		for _, v := range series.Values {
			at := int64(math.Round(v[0].(float64) * 1000))
			i := slices.Index(times, at)
			if i <= 0 {
				continue // its beginning
			}
			got, err := strconv.ParseFloat(v[1].(string), 64)
			if err != nil {
				t.Fatal(err)
			}
			now, before := points[at].Histogram, points[times[i-1]].Histogram
			low, high := bucketAt(now, before, q)
			if math.IsNaN(got) != (now.Count == before.Count) || got < low*(1-1e-9) || got > high*(1+1e-9) {
				t.Errorf("%v: quantile %v at %d is %v, want %v to %v of %v observations", series.Metric, q, at, got, low, high, now.Count-before.Count)
			}
			compared++
		}
	}
	if compared < 50 {
		t.Errorf("only %d quantiles were compared", compared)
	}
}

// bucketAt returns the bounds of the bucket in which the quantile of the observations between two histograms lies.
func bucketAt(now, before *store.Histogram, q float64) (low, high float64) {
	earlier := map[int32]float64{}
	for _, b := range before.Positive {
		earlier[b.Index] = b.Count
	}
	rank := q*(now.Count-before.Count) - 1e-9
	for _, b := range now.Positive {
		n := b.Count - earlier[b.Index]
		if n > 0 && n >= rank {
			return now.LowerBound(b.Index), now.UpperBound(b.Index)
		}
		rank -= n
	}
	return math.NaN(), math.NaN()
}

// classicHolds compares everything in a VictoriaMetrics with the store, whose histograms are classic ones there.
func classicHolds(t *testing.T, s *server, l *lab) {
	t.Helper()
	got, want := victoriaPoints(t, s), flat{}
	for _, list := range l.points() {
		for _, p := range list {
			labels := labelsOf(p.Series)
			if p.Histogram == nil {
				want.put(labels, p.Time, p.Value)
				continue
			}
			name := labels["__name__"]
			named := func(suffix, le string) map[string]string {
				m := maps.Clone(labels)
				m["__name__"] = name + suffix
				if le != "" {
					m["le"] = le
				}
				return m
			}
			want.put(named("_count", ""), p.Time, p.Histogram.Count)
			want.put(named("_sum", ""), p.Time, p.Histogram.Sum)
			want.put(named("_bucket", "+Inf"), p.Time, p.Histogram.Count)
			for le := 1.0 / 1024; le <= 64; le *= 2 {
				want.put(named("_bucket", strconv.FormatFloat(le, 'g', -1, 64)), p.Time, upTo(p.Histogram, le))
			}
		}
	}
	equal(t, got, want, 1e-12) // it stores decimals
}

// victoriaPoints reads everything that a VictoriaMetrics holds, markers apart.
func victoriaPoints(t *testing.T, s *server) flat {
	t.Helper()
	s.get("/internal/force_flush", nil)
	got := flat{}
	lines := bufio.NewScanner(bytes.NewReader(s.get("/api/v1/export", url.Values{
		"match[]": {`{__name__!=""}`}, "start": {"1"}, "end": {strconv.FormatInt(time.Now().Unix()+3600, 10)},
	})))
	lines.Buffer(nil, 10<<20)
	for lines.Scan() {
		var one struct {
			Metric     map[string]string
			Values     []*float64
			Timestamps []int64
		}
		decode(t, lines.Bytes(), &one)
		for i, v := range one.Values {
			if v != nil {
				got.put(one.Metric, one.Timestamps[i], *v)
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return got
}
