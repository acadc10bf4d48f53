package user_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

// wire describes a request as a client got it.
func wire(req *protocol.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", req.Method, req.URL)
	for _, f := range req.Header {
		fmt.Fprintf(&b, " | %s: %s", f.Name, f.Value)
	}
	if req.Body != nil {
		fmt.Fprintf(&b, " | %s", req.Body)
	}
	return b.String()
}

// TestRequests: what the plan says is what the client is asked to send.
func TestRequests(t *testing.T) {
	var sent []string
	var timeouts []time.Duration
	r := newRig(t, `
target:
  base_url: http://shop.test/api
  timeout: 2s
  headers: {Accept: text/plain, X-Run: "${user}-${iteration}"}
  auth: {basic: {user: me, password: "${user}"}}
classes:
  A:
    tasks:
      - steps:
          - {get: /items, timeout: 5s}
          - {get: "http://other.test/x?y=1", auth: {bearer: "t${user}"}}
          - {post: /items, json: {n: "${user + 1}", s: "a"}, headers: {accept: "*/*"}}
          - {put: "/items/${user}", body: plain, headers: {Content-Type: text/x, Authorization: mine}}
          - {post: /form, form: {a: "1 2"}}
`, client(func(_ context.Context, req *protocol.Request, resp *protocol.Response) protocol.Outcome {
		sent = append(sent, wire(req))
		timeouts = append(timeouts, req.Timeout)
		resp.Status = 200
		return protocol.OK
	}))
	r.iterate(1, func(*measure.Snapshot) {})
	want := []string{
		"GET http://shop.test/api/items | Accept: text/plain | X-Run: 1-0 | Authorization: Basic bWU6MQ==",
		"GET http://other.test/x?y=1 | Accept: text/plain | X-Run: 1-0 | Authorization: Bearer t1",
		`POST http://shop.test/api/items | X-Run: 1-0 | accept: */* | Authorization: Basic bWU6MQ== | Content-Type: application/json | {"n":2,"s":"a"}`,
		"PUT http://shop.test/api/items/1 | Accept: text/plain | X-Run: 1-0 | Content-Type: text/x | Authorization: mine | plain",
		"POST http://shop.test/api/form | Accept: text/plain | X-Run: 1-0 | Authorization: Basic bWU6MQ== | Content-Type: application/x-www-form-urlencoded | a=1%202",
	}
	for i := range want {
		if i >= len(sent) || sent[i] != want[i] {
			t.Errorf("request %d is\n%s, want\n%s", i, sent[min(i, len(sent)-1)], want[i])
		}
	}
	if want := []time.Duration{5 * time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second}; !slices.Equal(timeouts, want) {
		t.Errorf("timeouts %v, want %v", timeouts, want)
	}
}

// TestOutcomes: what becomes of a request, its checks, the rest of the flow and the iteration.
func TestOutcomes(t *testing.T) {
	type counts = map[string]uint64
	for _, c := range []struct {
		name   string
		step   string // of the first request; a second one follows
		client client
		first  counts // outcomes of the first request
		second uint64 // how many there are of the second
		checks [2]uint64
		detail string
		except string
		cut    bool
	}{
		{name: "good", step: "", client: answer(200, ""), first: counts{"ok": 1}, second: 1},
		{name: "status", step: "", client: answer(503, ""), first: counts{"status": 1}, detail: "status 503"},
		{name: "a redirect is no failure", step: "", client: answer(302, ""), first: counts{"ok": 1}, second: 1},
		{name: "status expected", step: ", check: [status == 404]", client: answer(404, ""), first: counts{"ok": 1}, second: 1, checks: [2]uint64{1, 0}},
		{name: "status checked", step: ", check: [status == 201]", client: answer(500, ""), first: counts{"check": 1}, checks: [2]uint64{0, 1}, detail: "status == 201 (status was 500)"},
		{
			name: "status rule stays with checks of other things", step: ", check: [json.ok]", client: answer(500, `{"ok":true}`),
			first: counts{"status": 1}, checks: [2]uint64{1, 0}, detail: "status 500",
		},
		{
			name: "all checks are counted, the first gives the detail", step: ", check: [json.a == 1, json.b == 1, json.c == 1]", client: answer(200, `{"a":1,"b":2,"c":3}`),
			first: counts{"check": 1}, checks: [2]uint64{1, 2}, detail: "json.b == 1 (json.b was 2)",
		},
		{name: "extracted", step: ", extract: {id: json.id}", client: answer(200, `{"id":4}`), first: counts{"ok": 1}, second: 1},
		{name: "nothing to extract", step: ", extract: {id: json.id}", client: answer(200, `{}`), first: counts{"check": 1}, detail: "extract id: json.id is not there"},
		{
			name: "no answer fails the checks", step: ", check: [status == 200, json.ok]", client: failing(protocol.Timeout, "no answer within 2s"),
			first: counts{"timeout": 1}, checks: [2]uint64{0, 2}, detail: "no answer within 2s",
		},
		{name: "refused", step: "", client: failing(protocol.Refused, "connection refused"), first: counts{"refused": 1}, detail: "connection refused"},
		{name: "cut", step: ", check: [status == 200]", client: failing(protocol.Cut, "over"), first: counts{"cut": 1}, cut: true},
		{
			name: "an expression that fails in a check", step: `, check: ['randInt(status, 1) > 0']`, client: answer(200, ""),
			first: counts{"ok": 1}, except: "randInt",
		},
		{name: "an expression that fails before the request", step: `, headers: {X: "${randInt(user + 1, 1)}"}`, client: answer(200, ""), first: counts{}, except: "randInt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, "classes: {A: {tasks: [{name: task, steps: [{get: /1"+c.step+"}, {get: /2}]}]}}",
				client(func(ctx context.Context, req *protocol.Request, resp *protocol.Response) protocol.Outcome {
					if strings.HasSuffix(req.URL, "/2") {
						return answer(200, "")(ctx, req, resp)
					}
					return c.client(ctx, req, resp)
				}))
			r.iterate(1, func(s *measure.Snapshot) {
				if got := outcomes(&s.Total.Requests[0]); !maps.Equal(got, c.first) {
					t.Errorf("outcomes %v, want %v", got, c.first)
				}
				if got := s.Total.Requests[1].Books.Started; got != c.second {
					t.Errorf("the second request was started %d times, want %d", got, c.second)
				}
				var checks [2]uint64
				for _, one := range s.Total.Checks {
					checks[0] += one.Passed
					checks[1] += one.Failed
				}
				if checks != c.checks {
					t.Errorf("%v checks passed and failed, want %v", checks, c.checks)
				}
				var details []string
				for _, f := range s.Failures {
					details = append(details, f.Detail)
				}
				if got := strings.Join(details, "; "); got != c.detail {
					t.Errorf("failures %q, want %q", got, c.detail)
				}
				class := &s.Total.Classes[0]
				if want := uint64(min(len(c.except), 1)); class.Exceptions != want || uint64(len(s.Exceptions)) != want {
					t.Errorf("%d exceptions, %+v, want %d", class.Exceptions, s.Exceptions, want)
				} else if want == 1 && (s.Exceptions[0].Task != "task" || !strings.Contains(s.Exceptions[0].Message, c.except)) {
					t.Errorf("exception %+v, want one of task with %q", s.Exceptions[0], c.except)
				}
				want := measure.Books{Started: 1, Finished: 1}
				if c.cut {
					want = measure.Books{Started: 1, Cut: 1}
				}
				if class.Iterations != want {
					t.Errorf("books of iterations %+v, want %+v", class.Iterations, want)
				}
				if b := s.Total.Requests[0].Books; !b.Balanced() {
					t.Errorf("books of requests %+v do not balance", b)
				}
			})
		})
	}
}

func failing(o protocol.Outcome, detail string) client {
	return func(_ context.Context, _ *protocol.Request, resp *protocol.Response) protocol.Outcome {
		resp.Detail = detail
		return o
	}
}

// TestTimes: from when response times count, along a flow with pauses, conditions and a late start.
func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		r := newRig(t, `
classes:
  A:
    tasks:
      - steps:
          - {wait: {constant: 2s}}
          - {get: /a}
          - {get: /never, if: "status == 404"}
          - {wait: {constant: 5s}, if: "status == 404"}
          - {wait: {constant: 3s}, if: "status == 200"}
          - {get: /b}
          - {get: /c}
`, client(func(_ context.Context, _ *protocol.Request, resp *protocol.Response) protocol.Outcome {
			at = append(at, time.Since(start))
			time.Sleep(100 * time.Millisecond)
			resp.Status = 200
			return protocol.OK
		}))
		s := r.session(0, 1)
		time.Sleep(time.Second) // late: due at 0, a user was free at 600 ms, started at 1 s
		s.Iterate(t.Context(), start, start.Add(600*time.Millisecond))
		if want := []time.Duration{3 * time.Second, 6100 * time.Millisecond, 6200 * time.Millisecond}; !slices.Equal(at, want) {
			t.Errorf("requests at %v, want %v", at, want)
		}
		r.look(func(s *measure.Snapshot) {
			for i, want := range []float64{1.1, 0, 0.1, 0.1} { // the lateness is the first request's, pauses are nobody's
				of := &s.Total.Requests[i].Outcomes[protocol.OK]
				if got := of.ResponseTime.Sum(); got < want-1e-6 || got > want+1e-6 {
					t.Errorf("response time of %s is %v, want %v", s.Names.Requests[i].Name, got, want)
				}
				if got := of.ServiceTime.Sum(); want > 0 && (got < 0.1-1e-6 || got > 0.1+1e-6) {
					t.Errorf("service time of %s is %v, want 0.1", s.Names.Requests[i].Name, got)
				}
			}
			class := &s.Total.Classes[0]
			for name, v := range map[string][2]float64{
				"lateness": {class.Lateness.Sum(), 0.4}, "blocked": {class.Phases[measure.Blocked].Sum(), 0.6}, "duration": {class.IterationDuration.Sum(), 6.3},
			} {
				if d := v[0] - v[1]; d > 1e-6 || d < -1e-6 {
					t.Errorf("%s is %v, want %v", name, v[0], v[1])
				}
			}
		})
	})
}

// TestCut: the end of the context ends a pause and keeps requests from being started.
func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		r := newRig(t, "classes: {A: {tasks: [{steps: [{get: /a}, {wait: {constant: 1h}}, {get: /b}]}]}}",
			client(func(_ context.Context, _ *protocol.Request, resp *protocol.Response) protocol.Outcome {
				requests++
				resp.Status = 200
				return protocol.OK
			}))
		s := r.session(0, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		s.Iterate(ctx, start, start)
		if got := time.Since(start); got != time.Minute {
			t.Errorf("the iteration was cut after %v, want 1m", got)
		}
		s.Iterate(ctx, start, start)
		if requests != 1 {
			t.Errorf("%d requests, want 1: none after the end", requests)
		}
		r.look(func(s *measure.Snapshot) {
			if want := (measure.Books{Started: 2, Cut: 2}); s.Total.Classes[0].Iterations != want {
				t.Errorf("books %+v, want %+v", s.Total.Classes[0].Iterations, want)
			}
		})
	})
}

// TestVariables: what an iteration extracts is forgotten in the next, rows are taken by those tasks only that use them.
func TestVariables(t *testing.T) {
	var sent []string
	next := 0
	r := newRig(t, `
data: {cards: {file: cards.csv, order: sequential}}
classes:
  A:
    tasks:
      - steps:
          - {get: "/start"}
          - {post: /pay, json: {card: "${cards.number}"}, extract: {id: json.id}}
          - {get: "/pay/${id}", name: pay}
  B:
    tasks: [{get: /nothing}]
`, client(func(_ context.Context, req *protocol.Request, resp *protocol.Response) protocol.Outcome {
		if req.Method == "POST" {
			next++
			resp.Body = fmt.Appendf(nil, `{"id":"p %d"}`, next)
		}
		if req.URL != "http://shop.test/api/start" {
			sent = append(sent, strings.TrimPrefix(wire(req), req.Method+" http://shop.test/api"))
		}
		resp.Status = 200
		return protocol.OK
	}))
	a, b := r.session(0, 1), r.session(1, 2)
	for range 2 {
		now := time.Now()
		a.Iterate(t.Context(), now, now)
		b.Iterate(t.Context(), now, now) // must not take a row
	}
	want := []string{
		`/pay | Content-Type: application/json | {"card":"1111"}`, "/pay/p%201", "/nothing",
		`/pay | Content-Type: application/json | {"card":"2222"}`, "/pay/p%202", "/nothing",
	}
	if !slices.Equal(sent, want) {
		t.Errorf("sent\n%s\nwant\n%s", strings.Join(sent, "\n"), strings.Join(want, "\n"))
	}
}

// TestForgotten: a variable of the last iteration is not there in the next one.
func TestForgotten(t *testing.T) {
	first := true
	r := newRig(t, `
classes:
  A:
    tasks:
      - steps:
          - {get: /a}
          - {get: /b, if: 'header["X-First"] == "yes"', extract: {id: json.id}}
          - {get: "/c/${id}", name: c}
`, client(func(_ context.Context, _ *protocol.Request, resp *protocol.Response) protocol.Outcome {
		resp.Status, resp.Body = 200, []byte(`{"id":1}`)
		if first {
			resp.Header = []protocol.Field{{Name: "x-first", Value: "yes"}}
			first = false
		}
		return protocol.OK
	}))
	r.iterate(2, func(s *measure.Snapshot) {
		if got := s.Total.Requests[2].Books.Started; got != 1 {
			t.Errorf("the last step was sent %d times, want 1: in the second iteration its variable has no value", got)
		}
		if len(s.Exceptions) != 1 || !strings.Contains(s.Exceptions[0].Message, "id") {
			t.Errorf("exceptions %+v, want one about id", s.Exceptions)
		}
	})
}

// TestOversleep: a pause that lasts too long is the generator's lateness, and not the target's response time.
func TestOversleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "classes: {A: {tasks: [{steps: [{get: /a}, {wait: {constant: 1s}}, {get: /b}]}]}}",
			client(func(_ context.Context, _ *protocol.Request, resp *protocol.Response) protocol.Outcome {
				time.Sleep(100 * time.Millisecond)
				resp.Status = 200
				return protocol.OK
			}))
		s := r.session(0, 1)
		s.Oversleep(300 * time.Millisecond)
		start := time.Now()
		s.Iterate(t.Context(), start, start)
		if took := time.Since(start); took != 1500*time.Millisecond {
			t.Errorf("the iteration took %v, want 1.5s", took)
		}
		r.look(func(s *measure.Snapshot) {
			l := &s.Total.Classes[0].Lateness
			if l.Count() != 2 || l.Min() != 0 || math.Abs(l.Max()-0.3) > 1e-9 {
				t.Errorf("%d latenesses from %v to %v s, want that of the start, 0, and that of the pause, 0.3", l.Count(), l.Min(), l.Max())
			}
			if got := s.Total.Requests[1].Outcomes[protocol.OK].ResponseTime.Max(); math.Abs(got-0.1) > 1e-9 {
				t.Errorf("the request after the pause took %v s, want 0.1", got)
			}
		})
	})
}

// TestExhausted: a request that failed since we ran out of something is in the books like any other, and counted; one that
// got its answer is not, whatever else its response says.
func TestExhausted(t *testing.T) {
	n := 0
	r := newRig(t, "classes: {A: {tasks: [{get: /a}]}}",
		client(func(_ context.Context, _ *protocol.Request, resp *protocol.Response) protocol.Outcome {
			n++
			switch resp.Exhausted = protocol.Files; n {
			case 1:
				resp.Status = 500
				return protocol.OK
			case 2:
				return protocol.Cut
			case 3:
				resp.Exhausted = protocol.NoResource
			}
			resp.Detail = "out of files"
			return protocol.Refused
		}))
	r.iterate(5, func(s *measure.Snapshot) {
		if want := [protocol.Resources]uint64{protocol.Files: 2}; s.Total.Classes[0].Exhausted != want {
			t.Errorf("exhausted %v, want %v", s.Total.Classes[0].Exhausted, want)
		}
		if got, want := outcomes(&s.Total.Requests[0]), map[string]uint64{"status": 1, "cut": 1, "refused": 3}; !maps.Equal(got, want) {
			t.Errorf("outcomes %v, want %v", got, want)
		}
	})
}
