package remote

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"tidegauge/engine/api"
	"tidegauge/engine/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers as a daemon would, and checks the token.
func serve(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("%s %s comes with %q", r.Method, r.URL, r.Header.Get("Authorization"))
		}
		answer(w, r)
	}))
	c, err := New(s.URL+"/", "secret")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		s.Close()
	})
	return c
}

func say(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Error(err)
	}
}

// A stream that breaks is taken up again, and both is said.
func TestFollowGoesOn(t *testing.T) {
	var streams atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/tidegauge/v1/jobs/j1/events" {
			t.Errorf("asked for %s", r.URL)
		}
		if streams.Add(1) == 1 {
			say(t, w, ": still here\n\nevent: status\ndata: {\"id\":\"j1\",\"state\":\"running\",\"run\":\"r1\"}\n\n")
			return
		}
		say(t, w, "event: status\ndata: {\"id\":\"j1\",\"state\":\"finished\",\"run\":\"r1\"}\n\n")
	})
	var states, told []string
	last, err := c.Follow(t.Context(), "j1", func(s queue.Status) { states = append(states, string(s.State)) }, func(text string) { told = append(told, text) })
	if err != nil || last.State != queue.Finished {
		t.Errorf("ended as %q: %v", last.State, err)
	}
	if got := strings.Join(states, " "); got != "running finished" {
		t.Errorf("states %q", got)
	}
	if len(told) != 2 || !strings.Contains(told[0], "lost") || !strings.Contains(told[1], "again") {
		t.Errorf("told %q", told)
	}
}

// What a daemon refuses is not asked for again.
func TestProblems(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		ok     func(error) bool
	}{
		"a problem": {404, `{"type":"about:blank","title":"No such job","status":404,"detail":"there is no job"}`, NotThere},
		"another server": {404, "<html>", func(err error) bool {
			return errors.Is(err, ErrUnreachable) && !NotThere(err) && strings.Contains(err.Error(), "404")
		}},
		"a redirect": {302, "", func(err error) bool { return errors.Is(err, ErrUnreachable) }},
		"no JSON":    {200, "[", func(err error) bool { return err != nil && !errors.Is(err, ErrUnreachable) }},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://elsewhere.example/")
				w.WriteHeader(tt.status)
				say(t, w, tt.body)
			})
			if _, err := c.Job(t.Context(), "j1"); !tt.ok(err) {
				t.Errorf("error %v", err)
			}
		})
	}
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		say(t, w, `{"title":"No such job"}`)
	})
	_, err := c.Follow(t.Context(), "j1", func(queue.Status) { t.Error("a job that is not there has a state") }, func(text string) { t.Errorf("told %q", text) })
	if p, ok := errors.AsType[*api.Problem](err); !ok || p.Status != http.StatusNotFound {
		t.Errorf("error %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, bad := range []string{"", "127.0.0.1:9777", "ftp://x", "http://", "http://u:p@x", "http://x?a=b", "http://x#y", "http://[::1"} {
		if _, err := New(bad, ""); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if _, err := New("http://x", "a\nb"); err == nil || strings.Contains(err.Error(), "a\nb") {
		t.Errorf("a token of two lines: %v", err)
	}
}

// FuzzEvents: whatever a server says in a stream of events, it is an error or the end of a job.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{"data: {\"state\":\"finished\"}\n\n", "data: {}\n", "data: [\n", ": x\n\ndata:{\"progress\":{\"seconds\":1e300}}\r\n", "\x00", "data: null\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n := 0
		s, err := events(strings.NewReader(text), func() {}, func(queue.Status) { n++ })
		if err == nil && (!s.Over() || n == 0) {
			t.Errorf("%q is the end of a job as %+v, after %d events", text, s, n)
		}
	})
}
