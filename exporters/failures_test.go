package exporters

import (
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"tidegauge/engine/outlet"
	"tidegauge/engine/store"
)

// fake is a destination that fails in one way until it is put right, and notes what it has taken.
type fake struct {
	t    *testing.T
	fail http.HandlerFunc // nil: it takes everything

	mu       sync.Mutex
	right    bool
	requests int
	taken    map[string]bool // by series and time
}

// refuses is the series that fakes do not take which take only some.
const refuses = "tidegauge_arrival_rate"

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests++
	right := f.right
	f.mu.Unlock()
	if f.fail != nil && !right {
		f.fail(w, r)
		return
	}
	f.take(w, r, func(string) bool { return true })
}

// take notes the samples of a request which it wants, and answers how many those are where the protocol has that.
func (f *fake) take(w http.ResponseWriter, r *http.Request, wants func(key string) bool) (refused int) {
	samples, err := sentIn(r)
	if err != nil { // the client has gone
		w.WriteHeader(http.StatusBadGateway)
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range samples {
		if wants(key) {
			f.taken[key] = true
		} else {
			refused++
		}
	}
	if strings.Contains(r.Header.Get("Content-Type"), "write.v2") {
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", fmt.Sprint(len(samples)-refused))
	}
	return refused
}

func stale(v float64) bool { return math.Float64bits(v) == math.Float64bits(store.StaleMarker()) }

func answers(status int, text string, header ...string) func(*fake) http.HandlerFunc {
	return func(*fake) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if strings.HasPrefix(text, "{") {
				w.Header().Set("Content-Type", "application/json")
			}
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text) // the client may have gone
		}
	}
}

func wanted(key string) bool { return !strings.Contains(key, refuses) }

// What all failures that are not losses end with, and how they go on.
const (
	kept     = "; nothing is lost: samples wait in the data directory and will be sent later"
	waits    = "N samples are waiting in the data directory; the next tidegauge run or serve with this outlet sends them"
	resumed  = "answers again after D; N samples are waiting to be sent"
	oneMinus = "samples are lost: "
)

// failure is one way to fail, of destinations of some kinds.
type failure struct {
	name     string
	kinds    []string // default: all
	options  string
	fail     func(*fake) http.HandlerFunc
	messages []string // exactly; the last is that of its end
	lost     string   // nothing, since the destination is put right after the run; or everything, or only the series refused
}

const (
	write1        = "prometheus"
	write2        = "prometheus, remote write 2.0"
	lines         = "influxdb"
	openTelemetry = "otlp"

	nothing, everything, onlyRefused = "", "everything", "only what is refused"
)

func failures() []failure {
	return []failure{
		{name: "none"},
		{name: "slow answers", fail: func(f *fake) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				<-time.After(30 * time.Millisecond)
				f.take(w, r, func(string) bool { return true })
			}
		}},
		{
			name: "no answer", options: "timeout=3s", messages: []string{"no answer within D" + kept, waits, resumed},
			fail: func(*fake) http.HandlerFunc {
				return func(_ http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the client has gone
					<-r.Context().Done()
				}
			},
		},
		{
			name: "slow down", fail: answers(429, "slow down", "Retry-After", "1"),
			messages: []string{"the server answers 429 Too Many Requests: slow down" + kept, waits, resumed},
		},
		{
			name: "error of the server", fail: answers(500, "out of memory"),
			messages: []string{"the server answers 500 Internal Server Error: out of memory" + kept, waits, resumed},
		},
		{
			name: "connections closed", messages: []string{"the server closed the connection without an answer" + kept, waits, resumed},
			fail: func(*fake) http.HandlerFunc {
				return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
			},
		},
		{
			name: "token", fail: answers(401, `{"code":"unauthorized","message":"unauthorized access"}`), kinds: []string{lines},
			messages: []string{"the server answers 401 Unauthorized: unauthorized access (check the token or password)" + kept, waits, resumed},
		},
		{
			name: "token", fail: answers(401, "no org id"), kinds: []string{write1, write2, openTelemetry},
			messages: []string{"the server answers 401 Unauthorized: no org id (check the token or password)" + kept, waits, resumed},
		},
		{
			name: "bucket", fail: answers(404, `{"code":"not found","message":"bucket \"load\" not found"}`), kinds: []string{lines},
			messages: []string{`the server answers 404 Not Found: bucket "load" not found (check the address and its options)` + kept, waits, resumed},
		},
		{
			name: "organisation", fail: answers(404, `{"code":"not found","message":"organization name \"ops\" not found"}`), kinds: []string{lines},
			messages: []string{`the server answers 404 Not Found: organization name "ops" not found (check the address and its options)` + kept, waits, resumed},
		},
		{
			name: "everything is refused", fail: answers(400, "not today"), lost: everything,
			messages: []string{oneMinus + "the server answers 400 Bad Request: not today"},
		},
		{
			name: "a partial write", kinds: []string{lines}, lost: onlyRefused,
			messages: []string{oneMinus + "the server answers 422 Unprocessable Entity: partial write: not this series dropped=1"},
			fail: func(f *fake) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					if n := f.take(w, r, wanted); n > 0 {
						answers(422, fmt.Sprintf(`{"code":"unprocessable entity","message":"partial write: not this series dropped=%d"}`, n))(f)(w, r)
					}
				}
			},
		},
		{
			name: "a partial write", kinds: []string{write2}, lost: onlyRefused,
			messages: []string{oneMinus + "the server answers 400 Bad Request: not this series"},
			fail: func(f *fake) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					if f.take(w, r, wanted) > 0 {
						w.WriteHeader(400)
						_, _ = io.WriteString(w, "not this series")
					}
				}
			},
		},
		{
			name: "a partial success", kinds: []string{openTelemetry}, lost: onlyRefused,
			messages: []string{oneMinus + "the server rejects data points: not this series"},
			fail: func(f *fake) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					answer := pmetricotlp.NewExportResponse()
					answer.PartialSuccess().SetRejectedDataPoints(int64(f.take(w, r, wanted)))
					answer.PartialSuccess().SetErrorMessage("not this series")
					text, err := answer.MarshalProto()
					if err != nil {
						f.t.Error(err)
					}
					w.Header().Set("Content-Type", "application/x-protobuf")
					_, _ = w.Write(text) // the client may have gone
				}
			},
		},
		{
			name: "one bad series costs a request", kinds: []string{write1, openTelemetry}, lost: onlyRefused,
			messages: []string{oneMinus + "the server answers 400 Bad Request: not this series"},
			fail: func(f *fake) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					body, err := io.ReadAll(r.Body)
					if err != nil {
						return // the client has gone
					}
					r.Body = io.NopCloser(strings.NewReader(string(body)))
					keys, err := sentIn(r)
					if err != nil {
						f.t.Error(err)
					}
					if slices.ContainsFunc(keys, func(key string) bool { return !wanted(key) }) {
						w.WriteHeader(400)
						_, _ = io.WriteString(w, "not this series")
						return
					}
					r.Body = io.NopCloser(strings.NewReader(string(body)))
					f.take(w, r, wanted)
				}
			},
		},
		{
			name: "an old server that says so", fail: answers(415, ""), kinds: []string{write2},
			messages: []string{"the server answers 415 Unsupported Media Type (this server takes remote write 1.0 only: leave protocol=2 out of the address)" + kept, waits, resumed},
		},
		{
			name: "an old server that says nothing", fail: answers(204, ""), kinds: []string{write2},
			messages: []string{"the server answers 204 No Content without saying what it has written (this server takes remote write 1.0 only: leave protocol=2 out of the address)" + kept, waits, resumed},
		},
	}
}

// spec describes an outlet of a kind at a server.
func spec(kind, address, options string) string {
	s := map[string]string{
		write1: "prometheus=" + address + "/api/v1/write?", write2: "prometheus=" + address + "/api/v1/write?protocol=2&", lines: "influxdb=" + address + "?org=ops&bucket=load&",
		openTelemetry: "otlp=" + address + "/api/v1/otlp?",
	}[kind]
	return strings.TrimRight(s+options, "?&")
}

// failing is one outlet of TestFailures.
type failing struct {
	failure
	kind, outlet string
	fake         *fake
}

// TestFailures: a run with outlets that fail in every way, all at once. Each says so in as many messages as the table has,
// keeps its books, and has everything that is not lost once its destination is put right; none harms the run or another.
func TestFailures(t *testing.T) {
	t.Parallel()
	var list []*failing
	var specs []string
	for _, f := range failures() {
		kinds := f.kinds
		if kinds == nil {
			kinds = []string{write1, write2, lines, openTelemetry}
		}
		for _, kind := range kinds {
			one := &failing{failure: f, kind: kind, fake: &fake{t: t, taken: map[string]bool{}}}
			if f.fail != nil {
				one.fake.fail = f.fail(one.fake)
			}
			s := httptest.NewServer(one.fake)
			t.Cleanup(s.Close)
			s.Config.ErrorLog = nil
			where := spec(kind, s.URL, f.options)
			d, err := describe(specsOf(t, where)[0], "", noEnv, identity{})
			if err != nil {
				t.Fatal(err)
			}
			one.outlet = d.name
			list, specs = append(list, one), append(specs, where)
		}
	}
	l := openLabSettling(t, t.TempDir(), 7*time.Second, 2*time.Second, nil, specs...)
	asked := 0
	r := l.run(5*time.Second, map[int]func(){5: func() {
		for _, f := range list {
			f.fake.mu.Lock()
			if f.fake.requests > 0 {
				asked++
			}
			f.fake.mu.Unlock()
		}
	}})
	if asked == 0 { // a busy machine has most of them wait
		t.Errorf("%d of %d destinations were sent something while the load lasted: this is no test of failures beside a load", asked, len(list))
	}
	if r.Total.Count < 100 {
		t.Errorf("%d requests: the run did not go on", r.Total.Count)
	}
	for _, b := range r.Outlets {
		if !b.Balanced {
			t.Errorf("after the run: books %+v", b)
		}
	}
	for _, f := range list {
		f.fake.mu.Lock()
		f.fake.right = f.lost == nothing // who refuses goes on with that
		f.fake.mu.Unlock()
	}
	end := time.Now().Add(time.Minute)
	for slices.ContainsFunc(l.set.Books(), func(b outlet.Books) bool { return b.Waiting > 0 }) && time.Now().Before(end) {
		<-time.After(50 * time.Millisecond)
	}
	values, refused := 0, 0
	for key, points := range l.points() {
		values += len(points)
		if strings.Contains(key, refuses) {
			refused += len(points)
		}
	}
	for _, f := range list {
		t.Run(f.kind+" "+f.name, func(t *testing.T) { f.check(t, l, values, refused) })
	}
}

var varying = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\d+ samples`), "N samples"},
	{regexp.MustCompile(`(after|within) [\d.]+(ms|s|m[\d.]+s)\b`), "$1 D"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
}

// check compares messages, books and what arrived with the table. Of the values in the store, so many are of the series that
// some refuse.
func (f *failing) check(t *testing.T, l *lab, values, refused int) {
	t.Helper()
	messages := l.messages(f.outlet)
	for i := range messages {
		for _, v := range varying {
			messages[i] = v.what.ReplaceAllString(messages[i], v.with)
		}
	}
	if !slices.Contains(f.messages, waits) { // a busy machine can take longer than the run waits
		messages = slices.DeleteFunc(messages, func(m string) bool { return m == waits })
	}
	if d := cmp.Diff(f.messages, messages, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("messages -want +got: %s", d)
	}
	i := slices.IndexFunc(l.set.Books(), func(b outlet.Books) bool { return b.Outlet == f.outlet })
	b := l.set.Books()[i]
	f.fake.mu.Lock()
	defer f.fake.mu.Unlock()
	arrived := len(slices.DeleteFunc(slices.Collect(maps.Keys(f.fake.taken)), func(key string) bool { return strings.HasSuffix(key, "true") }))
	lost := b.Lost
	switch f.lost {
	case nothing:
		if lost != 0 || arrived != values {
			t.Errorf("%d lost, %d of %d values arrived", lost, arrived, values)
		}
	case onlyRefused:
		if arrived != values-refused || lost < uint64(refused) || lost > uint64(refused+1) { // and its marker
			t.Errorf("%d lost, %d of %d values arrived; %d are refused", lost, arrived, values, refused)
		}
	case everything:
		if lost < uint64(values) || b.Sent != 0 || arrived != 0 {
			t.Errorf("books %+v, %d arrived; want all of %d lost", b, arrived, values)
		}
	}
	if !b.Balanced || b.Waiting != 0 || b.Sent+b.Lost != b.Produced || (len(f.messages) > 0) != (b.Errors > 0) {
		t.Errorf("books %+v", b)
	}
	// A batch that is refused is sent in parts, the next ones in fewer.
	if most := values; f.fake.requests > most {
		t.Errorf("%d requests, want at most %d", f.fake.requests, most)
	}
}
