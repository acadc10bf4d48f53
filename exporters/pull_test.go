package exporters

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/report"
	"tidegauge/engine/store"
)

// TestPrometheusPulls: what a Prometheus has scraped from /metrics while a run lasted, and after it, is what the run's record
// says: each counter and each bucket at the end, and quantiles to the width of a bucket. One takes native histograms in
// protobuf, the other classic ones in text.
func TestPrometheusPulls(t *testing.T) {
	t.Parallel()
	l := openLab(t, t.TempDir(), time.Second)
	l.more = "trace: 100%%\n"
	metrics := httptest.NewServer(l.pulled())
	defer metrics.Close()
	config := fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s%%s}
scrape_configs: [{job_name: tidegauge, static_configs: [{targets: [%q]}]}]
`, strings.TrimPrefix(metrics.URL, "http://"))
	pullers := []struct {
		release release
		config  string
		holds   func(*testing.T, *server, *lab, *report.Report)
	}{
		{prometheus3, fmt.Sprintf(config, ", scrape_native_histograms: true"), pulledNative},
		{prometheus2, fmt.Sprintf(config, ""), pulledClassic},
	}
	servers := make([]*server, len(pullers))
	errs := make([]error, len(pullers))
	for i, p := range pullers {
		if servers[i], errs[i] = newPrometheus(t, p.release, p.config, "--enable-feature=exemplar-storage"); errs[i] == nil {
			servers[i].start()
		}
	}
	for _, s := range servers { // it looks for targets every 5 s only
		if s != nil {
			s.awaitScrape(time.Time{})
		}
	}
	r := l.run(4*time.Second, nil)
	for i, p := range pullers {
		t.Run(p.release.version, func(t *testing.T) {
			skip(t, errs[i])
			s := servers[i]
			s.t = t
			s.awaitScrape(time.Now())
			p.holds(t, s, l, r)
			if n := s.scalar(fmt.Sprintf(`sum(max_over_time(tidegauge_users{run=%q}[1h]))`, r.Run.ID)); !(n > 0) {
				t.Errorf("%v users at the most: nothing was scraped while the run lasted", n)
			}
			if left := s.vector(fmt.Sprintf(`{__name__=~"tidegauge_(users|phase)",run=%q}`, r.Run.ID)); len(left) > 0 {
				t.Errorf("gauges linger after the run: %v", left)
			}
		})
	}
}

// awaitScrape waits until a scrape that began after a moment is stored.
func (s *server) awaitScrape(after time.Time) {
	s.t.Helper()
	query := url.Values{"query": {`timestamp(up{job="tidegauge"}) and up == 1`}}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		var answer struct {
			Data struct{ Result []struct{ Value [2]any } }
		}
		decode(s.t, s.get("/api/v1/query", query), &answer)
		if len(answer.Data.Result) == 1 {
			at, err := strconv.ParseFloat(answer.Data.Result[0].Value[1].(string), 64)
			if err == nil && (after.IsZero() || at > float64(after.UnixMilli())/1000) {
				return
			}
		}
	}
	s.t.Fatalf("%s has scraped nothing for 20 s:\n%s", s.binary, s.log.String())
}

// sample is one series at a moment.
type sample struct {
	Metric    map[string]string
	Value     [2]any
	Histogram [2]any
}

func (s *server) vector(query string) []sample {
	s.t.Helper()
	var answer struct{ Data struct{ Result []sample } }
	decode(s.t, s.get("/api/v1/query", url.Values{"query": {query}}), &answer)
	return answer.Data.Result
}

// pulledCounts returns the counts a Prometheus holds of a run's counters and histograms now: totals, and of each histogram its
// count and its buckets by upper bound.
func pulledCounts(t *testing.T, s *server, r *report.Report) flat {
	t.Helper()
	got := flat{}
	for _, one := range s.vector(fmt.Sprintf(`{__name__=~"tidegauge_.+_total|tidegauge_response_time_seconds.*",__name__!~".+_sum|tidegauge_event_.*",run=%q}`, r.Run.ID)) {
		delete(one.Metric, "instance") // those of the scrape; the store has those of the generator
		delete(one.Metric, "job")
		if h, ok := one.Histogram[1].(map[string]any); ok {
			got.put(part(one.Metric, "count"), 0, numberOf(t, h["count"]))
			list, _ := h["buckets"].([]any)
			for _, bucket := range list {
				b := bucket.([]any)
				got.put(part(one.Metric, boundOf(numberOf(t, b[2]))), 0, numberOf(t, b[3]))
			}
			continue
		}
		got.put(one.Metric, 0, numberOf(t, one.Value[1]))
	}
	return got
}

func numberOf(t *testing.T, v any) float64 {
	t.Helper()
	text, ok := v.(string)
	if !ok {
		t.Fatalf("%v is no number", v)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// lastCounts returns the same of the store, with what to do for each histogram.
func lastCounts(l *lab, r *report.Report, put func(into flat, labels map[string]string, h *store.Histogram)) flat {
	want := flat{}
	for _, list := range l.points() {
		var last store.Point
		for _, p := range list {
			if p.Time >= last.Time {
				last = p
			}
		}
		if last.Series == nil {
			continue
		}
		labels := labelsOf(last.Series)
		delete(labels, "instance")
		delete(labels, "job")
		switch name := labels["__name__"]; {
		case labels["run"] != r.Run.ID || !strings.HasPrefix(name, "tidegauge_"):
		case last.Histogram != nil && strings.HasSuffix(name, "_time_seconds"):
			put(want, labels, last.Histogram)
		case strings.HasSuffix(name, "_total"):
			want.put(labels, 0, last.Value)
		}
	}
	return want
}

func pulledNative(t *testing.T, s *server, l *lab, r *report.Report) {
	equalCounts(t, pulledCounts(t, s, r), lastCounts(l, r, func(into flat, labels map[string]string, h *store.Histogram) {
		into.put(part(labels, "count"), 0, h.Count)
		if h.ZeroCount > 0 {
			into.put(part(labels, boundOf(h.ZeroThreshold)), 0, h.ZeroCount)
		}
		for _, b := range h.Positive {
			into.put(part(labels, boundOf(h.UpperBound(b.Index))), 0, b.Count)
		}
	}))
	all := wholeRun(l, r)
	for q, want := range map[float64]float64{0.5: r.Total.Response.P50, 0.95: r.Total.Response.P95, 0.99: r.Total.Response.P99} {
		got := s.scalar(fmt.Sprintf(`histogram_quantile(%v, sum(tidegauge_response_time_seconds{run=%q}))`, q, r.Run.ID))
		low, high := bucketAt(all, &store.Histogram{}, q)
		_, beyond := bucketAt(all, &store.Histogram{}, q+1/all.Count) // the record's rank is rounded
		if got < low*(1-1e-9) || got > high*(1+1e-9) || want < low*(1-1.0/256) || want > beyond*(1+1.0/256) {
			t.Errorf("quantile %v is %v, in the record %v; want both in the bucket from %v to %v", q, got, want, low, high)
		}
	}
	var answer struct {
		Data []struct {
			Exemplars []struct{ Labels map[string]string }
		}
	}
	decode(t, s.get("/api/v1/query_exemplars", url.Values{
		"query": {`tidegauge_response_time_seconds`}, "start": {fmt.Sprint(time.Now().Add(-time.Hour).Unix())}, "end": {fmt.Sprint(time.Now().Unix() + 60)},
	}), &answer)
	n := 0
	for _, series := range answer.Data {
		for _, e := range series.Exemplars {
			if len(e.Labels["trace_id"]) != 32 || len(e.Labels["span_id"]) != 16 {
				t.Errorf("exemplar %v", e.Labels)
			}
			n++
		}
	}
	if n == 0 {
		t.Error("no exemplar was scraped")
	}
}

// wholeRun returns the response times of all requests of a run as the store has them.
func wholeRun(l *lab, r *report.Report) *store.Histogram {
	all, counts := &store.Histogram{}, map[int32]float64{}
	lastCounts(l, r, func(_ flat, labels map[string]string, h *store.Histogram) {
		if labels["__name__"] != "tidegauge_response_time_seconds" {
			return
		}
		all.Schema = h.Schema
		all.Count += h.Count
		for _, b := range h.Positive {
			counts[b.Index] += b.Count
		}
	})
	for _, i := range slices.Sorted(maps.Keys(counts)) {
		all.Positive = append(all.Positive, store.Bucket{Index: i, Count: counts[i]})
	}
	return all
}

func pulledClassic(t *testing.T, s *server, l *lab, r *report.Report) {
	bounds := []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60}
	equalCounts(t, pulledCounts(t, s, r), lastCounts(l, r, func(into flat, labels map[string]string, h *store.Histogram) {
		name := labels["__name__"]
		labels["__name__"] = name + "_count"
		into.put(labels, 0, h.Count)
		labels["__name__"] = name + "_bucket"
		labels["le"] = "+Inf"
		into.put(labels, 0, h.Count)
		for _, le := range bounds {
			labels["le"] = strconv.FormatFloat(le, 'g', -1, 64)
			into.put(labels, 0, upTo(h, le))
		}
	}))
	all := wholeRun(l, r)
	for q, want := range map[float64]float64{0.5: r.Total.Response.P50, 0.95: r.Total.Response.P95, 0.99: r.Total.Response.P99} {
		got := s.scalar(fmt.Sprintf(`histogram_quantile(%v, sum by (le) (tidegauge_response_time_seconds_bucket{run=%q}))`, q, r.Run.ID))
		low, high := classicAt(all, bounds, q)
		_, beyond := classicAt(all, bounds, q+1/all.Count) // the record's rank is rounded
		if got < low*(1-1e-9) || got > high*(1+1e-9) || want < low*(1-1.0/256) || want > beyond*(1+1.0/256) {
			t.Errorf("quantile %v is %v, in the record %v; want both in the bucket from %v to %v", q, got, want, low, high)
		}
	}
}

// classicAt returns the bounds of the classic bucket in which a quantile lies. A bucket of the record that a bound divides is
// above it, so that a value just below the bound is in the classic bucket above.
func classicAt(h *store.Histogram, bounds []float64, q float64) (low, high float64) {
	rank := q*h.Count - 1e-9
	for _, high = range bounds {
		if upTo(h, high) >= rank {
			return low, high
		}
		low = high
	}
	return low, low // what histogram_quantile gives for what is above the last bound
}

// equalCounts compares the latest of each series, both ways.
func equalCounts(t *testing.T, got, want flat) {
	t.Helper()
	var wrong []string
	for key, list := range want {
		if g, ok := got[key]; !ok || g[0] != list[0] {
			wrong = append(wrong, fmt.Sprintf("%s: got %v (there: %v), want %v", key, g[0], ok, list[0]))
		}
	}
	for key, list := range got {
		if _, ok := want[key]; !ok {
			wrong = append(wrong, fmt.Sprintf("%s: %v came, and is not in the record", key, list[0]))
		}
	}
	if len(wrong) > 0 {
		t.Errorf("%d of %d counts differ, such as\n%s", len(wrong), len(want), strings.Join(wrong[:min(len(wrong), 10)], "\n"))
	}
	if len(want) < 50 {
		t.Errorf("only %d counts were compared", len(want))
	}
}
