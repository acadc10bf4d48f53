package exporters

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/outlet"
	"tidegauge/engine/store"
)

// TestCorrectedAddress: what waits for an address that was wrong goes to the one that is right, and what waits for one that
// is not used any more is spoken of.
func TestCorrectedAddress(t *testing.T) {
	t.Parallel()
	wrong := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(wrong.Close)
	var away bool
	newServer := func() (*fake, string) {
		f := &fake{t: t, taken: map[string]bool{}}
		f.fail = func(w http.ResponseWriter, r *http.Request) {
			if away {
				http.NotFound(w, r)
				return
			}
			f.take(w, r, func(string) bool { return true })
		}
		s := httptest.NewServer(f)
		t.Cleanup(s.Close)
		return f, "prometheus=" + s.URL + "/api/v1/write"
	}
	right, rightSpec := newServer()
	other, otherSpec := newServer()
	dir := t.TempDir()
	// process measures three samples under a name, sends what can be sent, and returns what it said and the outlets' books.
	process := func(name string, specs ...string) (notes []string, books []outlet.Books) {
		l := openLab(t, dir, 30*time.Second, specs...)
		l.set.Begin(t.Context())
		putAs(t, l, name, 3)
		books = l.set.Flush(t.Context())
		l.end()
		for _, text := range l.notes {
			text = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(text, "HOST")
			text = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`).ReplaceAllString(text, "TIME")
			notes = append(notes, regexp.MustCompile(`remove /\S+`).ReplaceAllString(text, "remove FILE"))
		}
		return notes, books
	}
	_, books := process("first", "prometheus="+wrong.URL+"/api/v1/wrote")
	if b := books[0]; b.Sent != 0 || b.Waiting == 0 {
		t.Fatalf("with a wrong address: %+v", b)
	}
	notes, _ := process("second")
	want := []string{"outlet prometheus HOST/api/v1/wrote is not in use, but N samples are waiting for it, measured until TIME: they are sent when it is used again, for as long as the store keeps them; to give them up remove FILE"}
	if diff := cmp.Diff(want, counts(notes)); diff != "" {
		t.Errorf("without it: %s", diff)
	}
	notes, books = process("third", rightSpec)
	want = []string{"outlet prometheus HOST/api/v1/write: takes the place of prometheus HOST/api/v1/wrote, which never took a sample: N samples are waiting to be sent"}
	if diff := cmp.Diff(want, counts(notes)); diff != "" {
		t.Errorf("corrected: %s", diff)
	}
	complete(t, books)
	if books[0].WaitingBefore == 0 {
		t.Errorf("nothing was waiting: %+v", books[0])
	}
	for _, name := range []string{"first", "second", "third"} {
		if n := right.count(name); n != 3 {
			t.Errorf("%d samples of the %s process have arrived, want 3", n, name)
		}
	}
	if notes, _ = process("fourth", rightSpec); len(notes) > 0 {
		t.Errorf("afterwards: %q", notes)
	}

	// Another one is not a correction of one that was right.
	away = true
	process("fifth", rightSpec)
	away = false
	notes, books = process("sixth", otherSpec)
	want = []string{"outlet prometheus HOST/api/v1/write is not in use, but N samples are waiting for it, measured until TIME: they are sent when it is used again, for as long as the store keeps them; to give them up remove FILE"}
	if diff := cmp.Diff(want, counts(notes)); diff != "" {
		t.Errorf("with another: %s", diff)
	}
	complete(t, books)
	if other.count("fifth") != 0 || other.count("sixth") != 3 {
		t.Errorf("the other has %d and %d samples, want 0 and 3", other.count("fifth"), other.count("sixth"))
	}
	if _, books = process("seventh", rightSpec); right.count("fifth") != 3 || books[0].Waiting+books[0].Lost > 0 {
		t.Errorf("%d samples have arrived late, want 3: %+v", right.count("fifth"), books[0])
	}
}

// counts replaces numbers of samples.
func counts(notes []string) []string {
	for i := range notes {
		notes[i] = regexp.MustCompile(`\d+ samples`).ReplaceAllString(notes[i], "N samples")
	}
	return notes
}

// count returns how many samples of a metric have been taken.
func (f *fake) count(name string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.taken {
		if strings.Contains(key, "__name__="+name) {
			n++
		}
	}
	return n
}

// TestWhoTakesThePlace: of files that outlets have left, by what is in them and what is opened.
func TestWhoTakesThePlace(t *testing.T) {
	db, err := store.Open(store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	first := time.Now().Add(-time.Minute)
	series := &store.Series{Labels: []store.Label{{Name: "__name__", Value: "up"}}}
	if err := db.Append(t.Context(), []store.Point{{Series: series, Time: first.UnixMilli(), Value: 1}}); err != nil {
		t.Fatal(err)
	}
	one := func(kind, name, port string) Spec {
		return Spec{Kind: kind, Name: name, Address: map[string]string{
			"prometheus": "http://h:" + port + "/api/v1/write", "influxdb": "http://h:" + port + "?org=o&bucket=b", "otlp": "http://h:" + port + "/v1/traces",
		}[kind]}
	}
	takes, speaks := "takes the place of ", " is not in use, but "
	for _, tt := range []struct {
		name  string
		left  Spec
		sent  uint64
		until time.Time // default: now
		opens []Spec
		want  []string
	}{
		{name: "another kind", left: one("prometheus", "", "1"), opens: []Spec{one("influxdb", "", "2")}, want: []string{speaks}},
		{name: "one without samples", left: one("otlp", "x", "1"), opens: []Spec{one("otlp", "", "2")}, want: []string{speaks}},
		{name: "the same kind", left: one("influxdb", "", "1"), opens: []Spec{one("prometheus", "", "2"), one("influxdb", "", "3")}, want: []string{"outlet influxdb h:3 o/b: " + takes}},
		{name: "it has sent something", left: one("influxdb", "", "1"), sent: 1, opens: []Spec{one("influxdb", "", "3")}, want: []string{speaks}},
		{name: "it has, under the same name", left: one("influxdb", "ours", "1"), sent: 1, opens: []Spec{one("influxdb", "", "2"), one("influxdb", "ours", "3")}, want: []string{"outlet ours: " + takes}},
		{name: "the same", left: one("influxdb", "", "1"), opens: []Spec{one("influxdb", "", "1")}},
		{name: "what waited is gone", left: one("influxdb", "", "1"), until: first.Add(-time.Second)},
		{name: "nobody is opened", left: one("influxdb", "", "1"), want: []string{speaks}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			d, err := describe(tt.left, "", noEnv, identity{})
			if err != nil {
				t.Fatal(err)
			}
			if tt.until.IsZero() {
				tt.until = time.Now()
			}
			text := fmt.Sprintf(`{"outlet":%q,"cursor_ms":%d,"counted_ms":%d,"produced":%d,"sent":%d}`, d.name, first.UnixMilli()-1, tt.until.UnixMilli(), 7+tt.sent, tt.sent)
			if tt.until.Before(first) {
				text = strings.Replace(text, fmt.Sprint(first.UnixMilli()-1), fmt.Sprint(tt.until.UnixMilli()), 1)
			}
			if err := os.WriteFile(d.file(dir), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			for again := range 2 {
				var notes []string
				set, err := Open(Options{Specs: tt.opens, Dir: dir, Store: db, Instance: "here", Getenv: noEnv, Notify: func(text string) { notes = append(notes, text) }})
				if err != nil {
					t.Fatal(err)
				}
				taken := len(tt.want) > 0 && strings.HasSuffix(tt.want[0], takes)
				if again == 1 && taken { // it is said once
					tt.want = nil
				}
				if len(notes) != len(tt.want) || len(notes) > 0 && (!strings.Contains(notes[0], tt.want[0]) || !strings.Contains(notes[0], "7 samples are waiting")) {
					t.Errorf("messages %q, want %q", notes, tt.want)
				}
				var waiting uint64
				for _, b := range set.Books() {
					waiting += b.Waiting
				}
				if want := uint64(7); taken && waiting != want {
					t.Errorf("%d samples are waiting in the new one, want %d", waiting, want)
				}
			}
		})
	}
}
