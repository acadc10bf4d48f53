package user_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
	"tidegauge/engine/user"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestShop runs two users against a real server, over HTTP as the plan's target says: each has its own cookies, which
// outlive an iteration; redirects are followed; fields of the answer's header are extracted.
func TestShop(t *testing.T) {
	var mu sync.Mutex
	logins := 0
	var seen []string
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		session := r.Header.Get("Cookie")
		if session == "" {
			logins++
			session = fmt.Sprintf("session=%d", logins)
			w.Header().Set("Set-Cookie", session)
		}
		w.Header().Set("Location", "/orders/of-"+session[len("session="):])
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/final/"+r.PathValue("id"), http.StatusFound)
	})
	mux.HandleFunc("GET /final/{id}", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.PathValue("id")+" "+r.Header.Get("Cookie")+" "+r.UserAgent())
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"id":%q}`, r.PathValue("id")) // the check sees it
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	r := newRig(t, `
target: {base_url: "`+server.URL+`", timeout: 10s, redirects: 2}
classes:
  A:
    tasks:
      - steps:
          - {post: /login, check: [status == 201], extract: {place: 'header["Location"]'}}
          - {get: "${place}", name: order, check: ['json.id startsWith "of-"']}
`, nil)
	users := []*user.Session{r.session(0, 1), r.session(0, 2)}
	for range 2 {
		for _, u := range users {
			now := time.Now()
			u.Iterate(t.Context(), now, now)
		}
	}
	const agent = " tidegauge/devel"
	want := []string{"of-1 session=1" + agent, "of-2 session=2" + agent, "of-1 session=1" + agent, "of-2 session=2" + agent}
	if !slices.Equal(seen, want) {
		t.Errorf("the server saw\n%s\nwant\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
	}
	r.look(func(s *measure.Snapshot) {
		for i := range s.Total.Requests {
			total := &s.Total.Requests[i]
			if b := total.Books; b.Finished != 4 || total.Outcomes[protocol.OK].ResponseTime.Count() != 4 {
				t.Errorf("%s: %+v, %v; failures %+v", s.Names.Requests[i].Name, b, outcomes(total), s.Failures)
			}
			if total.BytesSent == 0 || total.BytesReceived == 0 {
				t.Errorf("%s: %d bytes sent, %d received", s.Names.Requests[i].Name, total.BytesSent, total.BytesReceived)
			}
		}
		class := &s.Total.Classes[0]
		if got := class.Phases[measure.Connect].Count(); got != 2 {
			t.Errorf("%d connections were opened, want one for each user", got)
		}
	})
}
