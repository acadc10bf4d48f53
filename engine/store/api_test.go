package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"tidegauge/engine/catalog"
)

// ask sends a request; a body is a posted form.
func ask(t testing.TB, h http.Handler, method, target, form string) (status int, body string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form))
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("%s %s: content type %q", method, target, got)
	}
	return w.Code, w.Body.String()
}

func TestAPIWithARealClient(t *testing.T) {
	s := filled(t)
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c, err := api.NewClient(api.Config{Address: server.URL, RoundTripper: transport})
	if err != nil {
		t.Fatal(err)
	}
	client, ctx, end := v1.NewAPI(c), t.Context(), at(10*time.Second)

	vector, _, _, err := client.Query(ctx, `memory{job="a"}`, end)
	if err != nil || vector.String() != fmt.Sprintf(`memory{job="a"} => 1000000000 @[%v]`, model.TimeFromUnixNano(end.UnixNano())) {
		t.Errorf("vector: %v, %v", vector, err)
	}
	scalar, _, _, err := client.Query(ctx, "1 / 0", end)
	if err != nil || scalar.(*model.Scalar).Value.String() != "+Inf" {
		t.Errorf("scalar: %v, %v", scalar, err)
	}
	h, _, _, err := client.Query(ctx, "latency", end)
	if err != nil {
		t.Fatal(err)
	}
	want := model.SampleHistogram{Count: 5, Sum: 4, Buckets: model.HistogramBuckets{{Lower: 0.5, Upper: 1, Count: 5}}}
	if d := cmp.Diff(want, *h.(model.Vector)[0].Histogram); d != "" {
		t.Errorf("histogram -want +got:\n%s", d)
	}
	matrix, warnings, _, err := client.QueryRange(ctx, "memory", v1.Range{Start: at(0), End: end, Step: 5 * time.Second}, v1.WithLimit(1), v1.WithTimeout(time.Minute))
	if err != nil || len(matrix.(model.Matrix)) != 1 || len(warnings) != 1 {
		t.Errorf("matrix: %v, %v, %v, want one of two series and a warning", matrix, warnings, err)
	}
	names, _, _, err := client.LabelNames(ctx, nil, at(0), end)
	if d := cmp.Diff(model.LabelNames{"__name__", "job"}, names); d != "" || err != nil {
		t.Errorf("label names %v: %s", err, d)
	}
	values, _, _, err := client.LabelValues(ctx, "__name__", []string{`{job="b"}`, `latency`}, at(0), end)
	if d := cmp.Diff(model.LabelValues{"latency", "memory"}, values); d != "" || err != nil {
		t.Errorf("label values %v: %s", err, d)
	}
	series, _, _, err := client.Series(ctx, []string{`memory{job="b"}`, `{__name__=~"lat.*"}`}, at(0), end)
	if d := cmp.Diff([]model.LabelSet{{"__name__": "latency", "job": "a"}, {"__name__": "memory", "job": "b"}}, series); d != "" || err != nil {
		t.Errorf("series %v: %s", err, d)
	}
	io, _ := catalog.Lookup(catalog.NetworkIO)
	metadata, err := client.Metadata(ctx, "tidegauge_network_io_bytes_total", "1")
	if d := cmp.Diff(map[string][]v1.Metadata{"tidegauge_network_io_bytes_total": {{Type: "counter", Help: io.Help, Unit: "bytes"}}}, metadata); d != "" || err != nil {
		t.Errorf("metadata %v: %s", err, d)
	}
	if rules, err := client.Rules(ctx, nil); err != nil || len(rules.Groups) != 0 {
		t.Errorf("rules: %v, %v", rules, err)
	}
	if alerts, err := client.Alerts(ctx); err != nil || len(alerts.Alerts) != 0 {
		t.Errorf("alerts: %v, %v", alerts, err)
	}
	if exemplars, err := client.QueryExemplars(ctx, "latency", at(0), end); err != nil || len(exemplars) != 0 {
		t.Errorf("exemplars: %v, %v", exemplars, err)
	}
	if info, err := client.Buildinfo(ctx); err != nil || !strings.HasPrefix(info.Version, "3.") {
		t.Errorf("build info: %v, %v", info, err)
	}
	_, _, _, err = client.Query(ctx, "sum(", end)
	if e, ok := errors.AsType[*v1.Error](err); !ok || e.Type != v1.ErrBadData {
		t.Errorf("bad query: %v", err)
	}
}

func TestAPIAnswers(t *testing.T) {
	s := filled(t)
	put(t, s, at(2*time.Second), 2e9, "__name__", "memory", "job", "a")
	h := s.Handler()
	when := fmt.Sprint(at(time.Second).Unix())
	tests := []struct {
		method, target, form string
		status               int
		want                 string
	}{
		{"GET", "/api/v1/query?query=1%2B1&time=12.5", "", 200, `{"status":"success","data":{"resultType":"scalar","result":[12.5,"2"]}}`},
		{"POST", "/api/v1/query", "query=1%2B1&time=12.001", 200, `{"status":"success","data":{"resultType":"scalar","result":[12.001,"2"]}}`},
		{"GET", "/api/v1/query?query=vector(1e30)&time=2026-01-02T03:04:05Z", "", 200, `"value":[1767323045,"1e+30"]`},
		{"GET", "/api/v1/query?query=nothing&time=1", "", 200, `{"resultType":"vector","result":[]}`},
		{"GET", "/api/v1/query?query=latency&time=" + when, "", 200, `"histogram":[` + when + `,{"count":"5","sum":"4","buckets":[[0,"0.5","1","5"]]}]`},
		{"GET", "/api/v1/query_range?query=latency&step=1&start=" + when + "&end=" + when, "", 200, `"histograms":[[` + when + `,{"count":"5"`},
		{"GET", "/api/v1/query_range?query=time()&step=1s&start=10&end=12", "", 200, `{"resultType":"matrix","result":[{"metric":{},"values":[[10,"10"],[11,"11"],[12,"12"]]}]}`},
		{"GET", "/api/v1/query?time=1&query=%22hello+%5C%22you%5C%22%22", "", 200, `{"resultType":"string","result":[1,"hello \"you\""]}`},
		{"GET", "/api/v1/query?query=histogram_quantile(2,latency)&time=" + when, "", 200, `"warnings":["PromQL warning: quantile value should be between 0 and 1`},
		{"GET", "/api/v1/query?query=rate(memory[5m])&time=" + fmt.Sprint(at(3*time.Second).Unix()), "", 200, `"infos":["PromQL info: metric might not be a counter`},
		{"GET", "/api/v1/labels?match[]=latency&match[]=memory", "", 200, `"data":["__name__","job"]`},
		{"POST", "/api/v1/labels", "limit=1", 200, `"data":["__name__"],"warnings":["results truncated due to limit"]`},
		{"GET", "/api/v1/label/job/values?match[]=nothing", "", 200, `"data":[]`},
		{"GET", "/api/v1/series?match[]=nothing", "", 200, `"data":[]`},
		{"POST", "/api/v1/series", "match[]=memory&limit=1", 200, `"warnings":["results truncated due to limit"]`},
		{"GET", "/api/v1/metadata?metric=memory", "", 200, `{"status":"success","data":{}}`},
		{"GET", "/api/v1/metadata", "", 200, `"tidegauge_response_time_seconds":[{"type":"histogram","help":"Time from`},
		{"GET", "/api/v1/rules", "", 200, `{"status":"success","data":{"groups":[]}}`},
		{"GET", "/api/v1/alerts", "", 200, `{"status":"success","data":{"alerts":[]}}`},
		{"GET", "/api/v1/format_query?query=sum(x)by(y)", "", 200, `"data":"sum by (y) (x)"`},

		{"GET", "/api/v1/query?query=sum(", "", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:5: parse error: `},
		{"GET", "/api/v1/query?query=1&time=NaN", "", 400, `invalid parameter \"time\": time \"NaN\" is out of range`},
		{"GET", "/api/v1/query?query=1&time=soon", "", 400, `cannot parse \"soon\" to a valid timestamp`},
		{"GET", "/api/v1/query?query=1&timeout=x", "", 400, `invalid parameter \"timeout\"`},
		{"GET", "/api/v1/query?query=1&limit=-1", "", 400, `invalid parameter \"limit\": must not be negative`},
		{"GET", "/api/v1/query_range?query=1&start=2&end=1&step=1", "", 400, `end timestamp must not be before start time`},
		{"GET", "/api/v1/query_range?query=1&start=1&end=2&step=0", "", 400, `invalid parameter \"step\"`},
		{"GET", "/api/v1/query_range?query=1&start=1&end=2", "", 400, `invalid parameter \"step\"`},
		{"GET", "/api/v1/query_range?query=1&end=2&step=1", "", 400, `invalid parameter \"start\"`},
		{"GET", "/api/v1/query_range?query=1&start=1&end=20000&step=1", "", 400, `exceeded maximum resolution of 11000 points`},
		{"GET", "/api/v1/query_exemplars?query=", "", 400, `no expression found`},
		{"GET", "/api/v1/series", "", 400, `no match[] parameter provided`},
		{"GET", "/api/v1/series?match[]={a=''}", "", 400, `must contain at least one non-empty matcher`},
		{"GET", "/api/v1/labels?start=5&end=1", "", 400, `end timestamp must not be before start timestamp`},
		{"GET", "/api/v1/label/%FF/values", "", 400, `invalid label name`},
		{"POST", "/api/v1/query", "%zz", 400, `error parsing form values`},
		{"GET", "/api/v1/query?query=label_replace(memory,%22job%22,%22c%22,%22%22,%22%22)&time=" + when, "", 422, `"errorType":"execution"`},
		{"DELETE", "/api/v1/series", "", 404, `"errorType":"not_found"`},
		{"GET", "/api/v1/targets", "", 404, `no GET /api/v1/targets here`},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target+" "+tt.form, func(t *testing.T) {
			status, body := ask(t, h, tt.method, tt.target, tt.form)
			if status != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("got %d %s, want %d with %s", status, body, tt.status, tt.want)
			}
		})
	}
}

func TestTimesOfClients(t *testing.T) {
	for in, want := range map[string]time.Time{
		"1435781451.781":                      time.UnixMilli(1435781451781),
		"-1.5":                                time.UnixMilli(-1500),
		"2015-07-01T20:10:51.781Z":            time.UnixMilli(1435781451781),
		"-292273086-05-16T16:47:06Z":          minTime(),
		"292277025-08-18T07:12:54.999999999Z": maxTime(),
	} {
		if got, err := parseTime(in); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %v, %v, want %v", in, got, err, want)
		}
	}
	for in, want := range map[string]time.Duration{"15": 15 * time.Second, "0.5": 500 * time.Millisecond, "1h30m": 90 * time.Minute} {
		if got, err := parseDuration(in); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "x", "1e300", "Inf", "NaN"} {
		if d, err := parseDuration(in); err == nil {
			t.Errorf("%q is a duration: %v", in, d)
		}
		if when, err := parseTime(in); err == nil {
			t.Errorf("%q is a time: %v", in, when)
		}
	}
}

// FuzzHandler holds that every answer is JSON of the API's form, whatever was asked.
func FuzzHandler(f *testing.F) {
	for _, seed := range []string{
		"query?query=memory&time=1", "query_range?query=rate(memory[1m])&start=0&end=10&step=1", "series?match[]={job=~'.*'}",
		"labels?match[]=x", "label/job/values", "metadata?limit=1", "query?query=\xff&time=-9e15", "query?query=x[1y:1s]&timeout=1ms",
		"query_range?query=1&start=-9e15&end=9e15&step=9e15", "label/U__a_2e_b/values?start=1e18",
	} {
		f.Add(seed)
	}
	h := filled(f).Handler()
	f.Fuzz(func(t *testing.T, target string) {
		path, raw, _ := strings.Cut(target, "?")
		if strings.Contains(path, "..") || strings.Contains(path, "//") || strings.Contains(path, "/./") || strings.HasPrefix(path, "/") {
			return // the mux redirects to the clean path
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.URL = &url.URL{Path: "/api/v1/" + path, RawQuery: raw + "&timeout=100ms"}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var answer struct {
			Status, ErrorType, Error string
			Data                     json.RawMessage
		}
		if w.Code >= 300 && w.Code < 400 {
			return
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%q: %d %q: %v", target, w.Code, w.Body, err)
		}
		if ok := w.Code == 200; ok != (answer.Status == "success") || ok == (answer.Error != "") || ok != (answer.Data != nil) || w.Code == 500 {
			t.Errorf("%q: %d %s", target, w.Code, w.Body)
		}
	})
}

// TestAPITimeout: a query whose time is up is a timeout, wherever it was when that happened.
func TestAPITimeout(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/query?query=memory", nil))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"errorType":"timeout"`) {
		t.Errorf("got %d %s, want 503 with errorType timeout", w.Code, w.Body)
	}
}
