package report

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/health"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
	"tidegauge/engine/verdict"
)

var update = flag.Bool("update", false, "write the golden files")

// fabricated is a run made by hand: two minutes, two classes, a bad patch in the middle.
type fabricated struct {
	t         *testing.T
	collector *Collector
	judge     *verdict.Judge
	names     *measure.Names
	total     *measure.Totals
	start     time.Time
	now       time.Time
	random    *rand.Rand
	failures  []measure.Failure
}

func fabricate(t *testing.T) *fabricated {
	t.Helper()
	p := &plan.Plan{Name: "payments", File: "payments.yaml", Labels: map[string]string{"env": "staging"}, Target: plan.Target{BaseURL: "http://localhost:8000"}}
	test := &plan.Test{Name: "load", Type: plan.Load,
		Shape: plan.Shape{Model: plan.Open, MaxUsers: 100, Stages: []plan.Stage{
			{From: 0, To: 40, Over: 10 * time.Second, Phase: "ramp"},
			{From: 40, To: 40, Over: 110 * time.Second, Phase: "steady"},
		}},
		Objectives: []plan.Objective{
			{Text: "p95 < 500ms", Metric: plan.Quantile, Quantile: 0.95, Op: "<", Threshold: 0.5},
			{Text: `p99{name="GET /payments/{id}"} < 100ms for 30s`, Metric: plan.Quantile, Quantile: 0.99, Op: "<", Threshold: 0.1, For: 30 * time.Second,
				Selector: map[string]string{"name": "GET /payments/{id}"}},
			{Text: "error_rate < 0.1%", Metric: plan.ErrorRate, Op: "<", Threshold: 0.001},
			{Text: "p99.9{class=MixedUser} < 2s", Metric: plan.Quantile, Quantile: 0.999, Op: "<", Threshold: 2, Selector: map[string]string{"class": "MixedUser"}},
		},
	}
	meta := MetaOf(p, test)
	meta.ID, meta.Version, meta.Seed = "20260301-120000-load-k3f9", "0.1.0", 42
	meta.Machine = Machine{Host: "generator", OS: "linux", Arch: "amd64", CPUs: 2, Go: "go1.26"}
	f := &fabricated{t: t, collector: NewCollector(meta), judge: verdict.NewJudge(verdict.Options{Plan: p, Test: test}),
		start: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), random: rand.New(rand.NewPCG(1, 2))}
	f.now = f.start
	f.names = &measure.Names{
		Classes: []string{"PaymentUser", "MixedUser"},
		Requests: []measure.Request{
			{Class: "PaymentUser", Name: "POST /payments", Method: "POST"},
			{Class: "PaymentUser", Name: "GET /payments/{id}", Method: "GET"},
			{Class: "MixedUser", Name: "list", Method: "GET"},
			{Class: "MixedUser", Name: "refund of a payment that was made long before the test began", Method: "POST"},
		},
		Checks: []measure.Check{{Request: 0, Name: "status == 201"}, {Request: 0, Name: `json.status == "created"`}, {Request: 3, Name: "status == 202"}},
	}
	f.total = f.empty()
	return f
}

func (f *fabricated) empty() *measure.Totals {
	return &measure.Totals{Classes: make([]measure.ClassTotals, 2), Requests: make([]measure.RequestTotals, 4), Checks: make([]measure.CheckTotals, 3)}
}

// snapshot hands on an interval that ends now.
func (f *fabricated) snapshot(since time.Time, delta *measure.Totals, users int, final bool) {
	f.t.Helper()
	f.total.Merge(delta)
	s := &measure.Snapshot{Start: f.start, Time: f.now, Since: since, Final: final, Names: f.names, Total: f.total, Delta: delta,
		Users: []int{users, 1}, PeakUsers: users + 1, Rate: 40, Failures: f.failures,
		Health: measure.Health{Start: f.reading(f.start), Since: f.reading(since), Now: f.reading(f.now)}}
	for _, sink := range []measure.Sink{f.judge, f.collector} {
		if err := sink.Consume(context.Background(), s); err != nil {
			f.t.Error(err)
		}
	}
}

// reading is how the generator did until then: 20% of its two processors, 50% in the 70th second, on a machine half busy.
func (f *fabricated) reading(at time.Time) *health.Reading {
	seconds := at.Sub(f.start).Seconds()
	return &health.Reading{
		Time: at, Processors: 2, CPUUser: 0.3*seconds + 0.6*min(max(seconds-70, 0), 1), CPUSystem: 0.1 * seconds,
		MachineBusy: 2 * seconds, MachineAll: 4 * seconds, Resident: 60<<20 + 1e5*seconds, Files: 40 + math.Floor(min(seconds, 60)), FileLimit: 1024,
		SocketsInUse: 90, SocketsTimeWait: math.Floor(seconds), Goroutines: 80, MaxProcs: 2, GCSeconds: 0.01 * seconds,
		ScheduleDelays: health.Buckets{Bounds: []float64{0, 0.0001, 0.0004}, Counts: []uint64{uint64(1000 * seconds), uint64(100 * seconds)}},
		GCPauses:       health.Buckets{Bounds: []float64{0, 0.0002}, Counts: []uint64{uint64(seconds)}},
	}
}

// iteration adds one iteration of one request.
func (f *fabricated) iteration(d *measure.Totals, request int, median float64, o protocol.Outcome) {
	class := request / 2
	c, r := &d.Classes[class], &d.Requests[request]
	v := median * math.Exp(0.4*f.random.NormFloat64())
	c.Iterations.Intended++
	c.Iterations.Started++
	c.Iterations.Finished++
	c.IterationDuration.Record(v)
	c.Lateness.Record(0.0002 * math.Exp(0.5*f.random.NormFloat64()))
	c.Phases[measure.Wait].Record(0.9 * v)
	r.Books.Intended++
	r.Books.Started++
	r.BytesSent += 200
	r.BytesReceived += 1000
	r.Outcomes[o].ResponseTime.Record(v)
	r.Outcomes[o].ServiceTime.Record(0.95 * v)
	if o == protocol.Cut {
		r.Books.Cut++
		return
	}
	r.Books.Finished++
	for i, check := range f.names.Checks {
		if check.Request != request {
			continue
		}
		if o == protocol.Check && i == 0 {
			d.Checks[i].Failed++
		} else {
			d.Checks[i].Passed++
		}
	}
}

// run makes two minutes of it and returns the report.
func (f *fabricated) run() *Report {
	f.t.Helper()
	f.snapshot(f.start, f.empty(), 0, false)
	f.failures = []measure.Failure{
		{Request: 0, Outcome: protocol.Check, Detail: "status == 201 (status was 500)", Count: 11, First: f.start.Add(60 * time.Second), Last: f.start.Add(70 * time.Second)},
		{Request: 0, Outcome: protocol.Check, Detail: "status == 201 (status was 503)", Count: 19, First: f.start.Add(60 * time.Second), Last: f.start.Add(70 * time.Second)},
		{Request: 2, Outcome: protocol.Timeout, Detail: "no complete answer within 10s\x1b[2J", Count: 10, First: f.start.Add(60 * time.Second), Last: f.start.Add(70 * time.Second)},
	}
	for i := range 120 {
		d := f.empty()
		n, median := 40, 0.02
		if i < 10 {
			n = 4 * i
		}
		bad := i >= 60 && i < 70
		if bad {
			median = 0.2
		}
		for k := range n {
			o, request := protocol.OK, []int{0, 0, 1, 1, 1, 1, 2, 3}[k%8]
			switch {
			case bad && k%16 == 0:
				o = protocol.Check
			case bad && k == 6:
				o = protocol.Timeout
			}
			f.iteration(d, request, median*float64(1+request), o)
		}
		since := f.now
		f.now = f.now.Add(time.Second)
		f.snapshot(since, d, min(4*i, 40), false)
	}
	d := f.empty()
	f.iteration(d, 1, 0.02, protocol.Cut)
	since := f.now
	f.now = f.now.Add(500 * time.Millisecond)
	f.snapshot(since, d, 0, true)
	f.collector.Event(f.now, "end", "the run ended")
	f.collector.Servers([]Server{
		{Job: "payments", Instance: "localhost:8000", URL: "http://localhost:8000/metrics", Scrapes: 121, Up: 121, Samples: 230},
		{Job: "machines", Instance: "db.example:9100", URL: "http://db.example:9100/metrics", Scrapes: 121, Up: 110, Samples: 702, LastError: "connection refused"},
	})
	v := f.judge.Verdict(context.Background())
	r := f.collector.Report(&v)
	r.Folder = "/var/lib/tidegauge/runs/" + r.Run.ID
	return r
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (run with -update if this is meant): -want +got\n%s", name, diff)
	}
}

func TestWriteText(t *testing.T) {
	r := fabricate(t).run()
	for _, width := range []int{80, 120} {
		var b bytes.Buffer
		if err := r.WriteText(&b, width, false); err != nil {
			t.Fatal(err)
		}
		golden(t, fmt.Sprintf("summary-%d.txt", width), b.Bytes())
		for line := range strings.SplitSeq(b.String(), "\n") {
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("width %d: %d columns: %s", width, n, line)
			}
		}
		if strings.Contains(b.String(), "\x1b") {
			t.Errorf("width %d: an escape sequence without color", width)
		}
	}
	var b bytes.Buffer
	if err := r.WriteText(&b, 100, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "\x1b[1;31mFAIL  \x1b[0m") {
		t.Errorf("no bold red FAIL with color:\n%s", b.String())
	}
}

func TestWriteTextOfCheckpoint(t *testing.T) {
	f := fabricate(t)
	f.run()
	f.collector.final = false
	f.collector.Warn("the outlet otlp was away for 20s")
	r := f.collector.Report(nil)
	var b bytes.Buffer
	if err := r.WriteText(&b, 80, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"UNFINISHED  the run did not come to its end", "! the outlet otlp was away for 20s", "POST /payments"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "Objectives") {
		t.Error("objectives without a verdict")
	}
}

// failing is a writer that takes n bytes.
type failing struct{ n int }

func (f *failing) Write(b []byte) (int, error) {
	if f.n -= len(b); f.n < 0 {
		return 0, os.ErrClosed
	}
	return len(b), nil
}

func TestWriteErrors(t *testing.T) {
	r := fabricate(t).run()
	for _, n := range []int{0, 300} {
		if err := r.WriteText(&failing{n}, 80, false); err == nil || !strings.Contains(err.Error(), "write summary of run "+r.Run.ID) {
			t.Errorf("WriteText after %d bytes: %v", n, err)
		}
		if err := r.WriteJSON(&failing{n}); err == nil || !strings.Contains(err.Error(), "write report of run "+r.Run.ID) {
			t.Errorf("WriteJSON after %d bytes: %v", n, err)
		}
	}
}

func TestJSON(t *testing.T) {
	r := fabricate(t).run()
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	again, err := ReadJSON(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, again); diff != "" {
		t.Errorf("what was read is not what was written: -written +read\n%s", diff)
	}
	again.Series = again.Series[:2] // enough to see the form
	b.Reset()
	if err := again.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", b.Bytes())
}

func TestReadJSONErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":                                 "read report: EOF",
		"{":                                "read report: unexpected EOF",
		`{"schema":"tidegauge.report/v2"}`: `read report: its schema is "tidegauge.report/v2", this version reads "tidegauge.report/v1"`,
		`{"schema":3}`:                     "read report: json: cannot unmarshal number",
	} {
		if _, err := ReadJSON(strings.NewReader(in)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("ReadJSON(%q): %v, want %q", in, err, want)
		}
	}
}

func FuzzReadJSON(f *testing.F) {
	seed, err := os.ReadFile("testdata/report.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"schema":"tidegauge.report/v1","seconds":1e308,"series":[{"at":-1},{"at":1e300,"seconds":1e300,"p95":-3},{},{}],"verdict":{"findings":[{"objective":{}}]},"events":[{"at":-1e9,"kind":"phase"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ReadJSON(bytes.NewReader(b))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := r.WriteText(&out, 80, true); err != nil {
			t.Errorf("a report that was read cannot be shown: %v", err)
		}
		out.Reset()
		if err := r.WriteJSON(&out); err != nil {
			t.Errorf("a report that was read cannot be written: %v", err)
		}
		if _, err := ReadJSON(&out); err != nil {
			t.Errorf("what was written cannot be read: %v", err)
		}
	})
}

func TestNumbers(t *testing.T) {
	f := fabricate(t)
	r := f.run()
	if r.Total.Count != 4580 || r.Total.Failures != 40 || r.Total.Cut != 1 || r.UsersPeak != 41 || !r.Complete {
		t.Errorf("total %d, failures %d, cut %d, users %d, complete %v", r.Total.Count, r.Total.Failures, r.Total.Cut, r.UsersPeak, r.Complete)
	}
	var count, failures, samples uint64
	for _, q := range r.Requests {
		count += q.Count
		failures += q.Failures
	}
	if count != r.Total.Count || failures != r.Total.Failures {
		t.Errorf("the rows have %d and %d, the total %d and %d", count, failures, r.Total.Count, r.Total.Failures)
	}
	for _, k := range r.Failures {
		samples += k.Count
	}
	if samples != r.Total.Failures || r.Failures[0].Outcome != "check" || r.Failures[0].Samples[0].Detail != "status == 201 (status was 503)" {
		t.Errorf("failures %+v", r.Failures)
	}
	count = 0
	for _, p := range r.Series {
		count += p.Requests
	}
	if count != r.Total.Count {
		t.Errorf("the series has %d requests, want %d", count, r.Total.Count)
	}
	if !r.Books.Requests.Balanced || r.Books.Requests.Started != 4581 || r.Lateness.Count != 4581 {
		t.Errorf("books %+v, lateness %+v", r.Books, r.Lateness)
	}
	if want := []Event{{0, "phase", "ramp"}, {10, "phase", "steady"}, {120.5, "end", "the run ended"}}; !reflect.DeepEqual(r.Events, want) {
		t.Errorf("events %+v, want %+v", r.Events, want)
	}
	if got := f.collector.Totals().RequestBooks(); got.Finished != 4580 {
		t.Errorf("totals: %+v", got)
	}
}

func TestCollectorBeforeTheRun(t *testing.T) {
	c := NewCollector(Meta{ID: "x"})
	if c.Totals() != nil {
		t.Error("totals before the first snapshot")
	}
	var b bytes.Buffer
	r := c.Report(nil)
	if err := r.WriteText(&b, 0, false); err != nil || r.Complete {
		t.Errorf("complete %v, %v", r.Complete, err)
	}
}

// TestReadmeNamesEveryField keeps the documentation of the JSON form complete.
func TestReadmeNamesEveryField(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			walk(typ.Elem())
		case reflect.Struct:
			if seen[typ] || typ == reflect.TypeFor[time.Time]() {
				return
			}
			seen[typ] = true
			for field := range typ.Fields() {
				name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
				if !bytes.Contains(readme, []byte("`"+name+"`")) {
					t.Errorf("README.md does not name `%s` (%s.%s)", name, typ, field.Name)
				}
				walk(field.Type)
			}
		}
	}
	walk(reflect.TypeFor[Report]())
}
