package exporters

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegauge/engine/store"
	"tidegauge/grafana"
)

// asVersion2 stands before an InfluxDB 1.6 and takes /api/v2/write, as InfluxDB 1.8 and 2 do: the bucket is the database, the
// token has to be right, and what it is asked must have been compressed.
func asVersion2(t *testing.T, s *server) *httptest.Server {
	t.Helper()
	to, err := url.Parse(s.url())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		q := r.In.URL.Query()
		r.Out.URL.Path, r.Out.URL.RawQuery = "/write", url.Values{"db": {q.Get("bucket")}, "precision": {q.Get("precision")}}.Encode()
		r.Out.Header.Del("Authorization")
	}, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Token secret":
			http.Error(w, `{"code":"unauthorized","message":"unauthorized access"}`, http.StatusUnauthorized)
		case r.URL.Path != "/api/v2/write" || r.URL.Query().Get("org") != "ops":
			http.Error(w, `{"code":"not found","message":"organization not found"}`, http.StatusNotFound)
		case r.Header.Get("Content-Encoding") != "gzip":
			http.Error(w, `{"code":"invalid","message":"not compressed"}`, http.StatusBadRequest)
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	return front
}

// fieldsHold compares what came back, the quantiles apart, with the store: values, cumulative counts, intervals and their
// buckets exactly, quantiles within the bucket. The key says where a field of a series is.
func fieldsHold(t *testing.T, got, quantiles flat, l *lab, key func(labels map[string]string, field string) map[string]string) {
	t.Helper()
	want := flat{}
	compared := 0
	for _, list := range l.points() {
		var before *store.Histogram
		for _, at := range slices.Sorted(maps.Keys(list)) {
			p := list[at]
			if p.Histogram == nil {
				want.put(key(labelsOf(p.Series), "value"), at, p.Value)
				continue
			}
			labels, h := labelsOf(p.Series), p.Histogram
			earlier := store.Histogram{}
			if before != nil {
				earlier = *before
			}
			want.put(key(labels, "total"), at, h.Count)
			want.put(key(labels, "count"), at, h.Count-earlier.Count)
			want.put(key(labels, "sum"), at, h.Sum-earlier.Sum)
			want.put(key(labels, "le_inf"), at, h.Count-earlier.Count)
			for le := 1.0 / 1024; le <= 64; le *= 2 {
				want.put(key(labels, fmt.Sprintf("le_%v", le)), at, upTo(h, le)-upTo(&earlier, le))
			}
			if before != nil {
				for name, q := range map[string]float64{"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999} {
					low, high := bucketAt(h, before, q)
					v, there := quantiles[seriesKey(key(labels, name))][at]
					if there != (h.Count > before.Count) || there && (v < low*(1-1e-9) || v > high*(1+1e-9)) {
						t.Errorf("%v: %s at %d is %v (there: %v), want %v to %v", labels, name, at, v, there, low, high)
					}
					compared++
				}
			}
			before = h
		}
	}
	equal(t, got, want, 1e-9)
	if compared < 50 {
		t.Errorf("only %d quantiles were compared", compared)
	}
}

func influxHolds(t *testing.T, s *server, l *lab) {
	t.Helper()
	got, quantiles := influxPoints(t, s)
	fieldsHold(t, got, quantiles, l, field)
	influxDashboardShows(t, s)
}

// influxDashboardShows asks every query of the dashboard for InfluxDB, filled in as Grafana does: each has to have numbers, and
// the tags that its legend names.
func influxDashboardShows(t *testing.T, s *server) {
	t.Helper()
	type series struct {
		Tags    map[string]string
		Columns []string
		Values  [][]any
	}
	ask := func(query string) []series {
		var answer struct {
			Results []struct {
				Series []series
				Error  string
			}
		}
		decode(t, s.get("/query", url.Values{"db": {"load"}, "epoch": {"ms"}, "q": {query}}), &answer)
		if len(answer.Results) != 1 || answer.Results[0].Error != "" {
			t.Fatalf("%s: %+v", query, answer)
		}
		return answer.Results[0].Series
	}
	d := grafana.InfluxRun()
	variable, ok := d.Templating.List[1].Query.(string)
	if !ok {
		t.Fatalf("the variable run is asked for with %v", d.Templating.List[1].Query)
	}
	runs := ask(variable)
	if len(runs) != 1 || len(runs[0].Values) == 0 {
		t.Fatalf("%s: %v", variable, runs)
	}
	run := fmt.Sprint(runs[0].Values[len(runs[0].Values)-1][1])
	filled := strings.NewReplacer("$timeFilter", "time >= now() - 1h", "$__interval_ms", "1000", "$__interval", "1s", "/^$run$/", "/^"+regexp.QuoteMeta(run)+"$/")
	shown := 0
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			query, numbers := filled.Replace(target.InfluxQL), 0
			for _, one := range ask(query) {
				for _, tag := range regexp.MustCompile(`\$tag_(\w+)`).FindAllStringSubmatch(target.LegendFormat, -1) {
					if _, ok := one.Tags[tag[1]]; !ok {
						t.Errorf("panel %q: the legend has the tag %s, the series %v", p.Title, tag[1], one.Tags)
					}
				}
				for _, row := range one.Values {
					if _, ok := row[1].(float64); ok {
						numbers++
					}
				}
			}
			if numbers == 0 && p.Title == "Objectives" && len(ask(`SELECT * FROM "tidegauge_objective"`)) == 0 {
				continue // on a busy machine a short run decides nothing
			}
			if numbers == 0 {
				t.Errorf("panel %q has nothing: %s", p.Title, query)
			}
			shown += numbers
		}
	}
	if shown < 20 {
		t.Errorf("the dashboard shows %d numbers of a run", shown)
	}
}

// isQuantile reports whether a field has a value that is exact to the width of a bucket.
func isQuantile(field string) bool {
	return slices.Contains([]string{"p50", "p90", "p95", "p99", "p999", "min", "max"}, field)
}

// linesHold compares what a VictoriaMetrics made of Influx's lines: a field is a series, measurement_field.
func linesHold(t *testing.T, s *server, l *lab) {
	t.Helper()
	named := func(labels map[string]string, field string) map[string]string {
		m := maps.Clone(labels)
		m["__name__"] += "_" + field
		return m
	}
	got, quantiles := flat{}, flat{}
	for key, list := range victoriaPoints(t, s) {
		name, _, _ := strings.Cut(key[strings.Index(key, "__name__=")+len("__name__="):], ",")
		if isQuantile(name[strings.LastIndex(name, "_")+1:]) {
			quantiles[key] = list
		} else {
			got[key] = list
		}
	}
	fieldsHold(t, got, quantiles, l, named)
}

func upTo(h *store.Histogram, le float64) float64 {
	n := h.ZeroCount
	for _, b := range h.Positive {
		if h.UpperBound(b.Index) <= le {
			n += b.Count
		}
	}
	return n
}

func field(labels map[string]string, name string) map[string]string {
	m := maps.Clone(labels)
	m["field"] = name
	return m
}

// influxPoints reads every field of every series, the quantiles apart.
func influxPoints(t *testing.T, s *server) (exact, quantiles flat) {
	t.Helper()
	var answer struct {
		Results []struct {
			Series []struct {
				Name    string
				Tags    map[string]string
				Columns []string
				Values  [][]json.Number
			}
			Error string
		}
	}
	decode(t, s.get("/query", url.Values{"db": {"load"}, "epoch": {"ms"}, "q": {`SELECT * FROM /.*/ GROUP BY *`}}), &answer)
	exact, quantiles = flat{}, flat{}
	for _, series := range answer.Results[0].Series {
		labels := map[string]string{"__name__": series.Name}
		for name, v := range series.Tags {
			if v != "" { // a tag of another series of the measurement
				labels[name] = v
			}
		}
		for _, row := range series.Values {
			at, err := row[0].Int64()
			if err != nil {
				t.Fatal(err)
			}
			for i, name := range series.Columns {
				v, err := row[i].Float64()
				if i == 0 || err != nil { // null: the point has no such field
					continue
				}
				to := exact
				if isQuantile(name) {
					to = quantiles
				}
				to.put(field(labels, name), at, v)
			}
		}
	}
	return exact, quantiles
}

// TestInfluxDBDropsPoints: what a partial write says is in the books. The field value of one measurement is an integer there.
func TestInfluxDBDropsPoints(t *testing.T) {
	t.Parallel()
	s, err := newInfluxDB(t)
	skip(t, err)
	s.start()
	s.get("/query", url.Values{"q": {`CREATE DATABASE load`}})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url()+"/write?db=load", strings.NewReader("tidegauge_users value=1i\n"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	l := openLab(t, t.TempDir(), time.Minute, "influxdb="+asVersion2(t, s).URL+"?org=ops&bucket=load")
	lost := uint64(0)
	b := l.run(2*time.Second, nil).Outlets[0]
	for key, list := range l.points() {
		if strings.Contains(key, "__name__=tidegauge_users,") {
			lost += uint64(len(list))
		}
	}
	if b.Lost != lost || lost == 0 || b.Sent != b.Produced-lost || b.Waiting != 0 || !b.Balanced {
		t.Errorf("books %+v, want %d lost", b, lost)
	}
	got, _ := influxPoints(t, s)
	arrived := uint64(0)
	for key, list := range got {
		if strings.Contains(key, "field=value") || strings.Contains(key, "field=total") {
			arrived += uint64(len(list))
		}
	}
	if arrived-1 != b.Sent { // and the one that was there before
		t.Errorf("%d points arrived, the books say %d", arrived-1, b.Sent)
	}
}

// TestWrongTokenBucketOrganisation: one message, nothing lost, and nobody waits for what needs a hand.
func TestWrongTokenBucketOrganisation(t *testing.T) {
	for name, code := range map[string]int{"token": http.StatusUnauthorized, "bucket": http.StatusNotFound} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			fixed := false
			lines := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				if !fixed {
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(code)
					fmt.Fprintf(w, `{"code":"x","message":"this %s is wrong"}`, name)
					return
				}
				lines++
				w.WriteHeader(http.StatusNoContent)
			}))
			defer s.Close()
			l := openLab(t, t.TempDir(), time.Minute, "influxdb="+s.URL+"?org=ops&bucket=load")
			put(t, l, 3)
			begin := time.Now()
			l.set.Begin(t.Context())
			b := l.set.Flush(t.Context())[0]
			if took := time.Since(begin); took > 30*time.Second {
				t.Errorf("Flush waited %v", took)
			}
			if b.Lost != 0 || b.Sent != 0 || b.Waiting == 0 || !b.Balanced || !strings.Contains(b.LastError, "this "+name+" is wrong") {
				t.Errorf("books %+v", b)
			}
			if m := l.messages(b.Outlet); len(m) != 2 || strings.Contains(strings.Join(m, ""), "secret") {
				t.Errorf("messages %q, want one of the refusal and one of what is waiting", m)
			}
			mu.Lock()
			fixed = true
			mu.Unlock()
			b = l.set.Flush(t.Context())[0]
			if b.Waiting != 0 || b.Lost != 0 || lines == 0 {
				t.Errorf("once put right: books %+v after %d writes", b, lines)
			}
		})
	}
}

// put puts n samples into the store.
func put(t *testing.T, l *lab, n int) {
	t.Helper()
	putAs(t, l, "up", n)
}

func putAs(t *testing.T, l *lab, name string, n int) {
	t.Helper()
	for i := range n {
		at := time.Now().UnixMilli() + int64(i)
		v := float64(i)
		series := &store.Series{Labels: []store.Label{{Name: "__name__", Value: name}, {Name: "job", Value: "j"}}}
		if err := l.store.Append(t.Context(), []store.Point{{Series: series, Time: at, Value: v}}); err != nil {
			t.Fatal(err)
		}
	}
	<-time.After(time.Duration(n) * time.Millisecond)
}

// TestNotANumber: InfluxDB has no NaN; the loss is in the books, with its reason.
func TestNotANumber(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer s.Close()
	l := openLab(t, t.TempDir(), time.Minute, "influxdb="+s.URL+"?org=ops&bucket=load")
	put(t, l, 2)
	series := &store.Series{Labels: []store.Label{{Name: "__name__", Value: "nan"}}}
	if err := l.store.Append(t.Context(), []store.Point{{Series: series, Time: time.Now().UnixMilli(), Value: math.NaN()}}); err != nil {
		t.Fatal(err)
	}
	l.set.Flush(t.Context())
	b := l.set.Books()[0]
	if b.Lost != 1 || b.Waiting != 0 || len(b.LostBecause) != 1 || !strings.Contains(b.LastError, "NaN") {
		t.Errorf("books %+v", b)
	}
}
