package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// away answers requests to a receiver as the test says, and remembers when they came and with what.
type away struct {
	answer func(n int) (status int, err error)
	times  []time.Duration
	bodies []string
	paths  []string
	auth   []string
	begin  time.Time
}

func (a *away) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	n := len(a.times)
	a.times, a.bodies, a.paths, a.auth = append(a.times, time.Since(a.begin)), append(a.bodies, string(body)), append(a.paths, r.URL.Path), append(a.auth, r.Header.Get("Authorization"))
	status, err := a.answer(n)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("no reason")), Header: http.Header{}, Request: r}, nil
}

func always(status int) func(int) (int, error) { return func(int) (int, error) { return status, nil } }

func firing(name, instance string) Alert {
	now := time.Now()
	return Alert{Labels: map[string]string{"alertname": name, "instance": instance, "severity": "warning"}, Annotations: map[string]string{"summary": name}, StartsAt: now, EndsAt: now.Add(4 * time.Minute)}
}

func over(a Alert) Alert {
	a.Resolved, a.EndsAt = true, time.Now()
	return a
}

// with runs a receiver in a bubble.
func with(t *testing.T, r Receiver, a *away, file string, use func(r *receiver)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a.begin = time.Now()
		e, err := New(Options{Receivers: []Receiver{r}, Client: &http.Client{Transport: a}, StateFile: file, URL: "http://gauge"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(t.Context())
		ran := make(chan struct{})
		go func() { defer close(ran); e.receivers[0].run(ctx) }()
		use(e.receivers[0])
		synctest.Wait()
		end()
		<-ran
	})
}

func TestAReceiverThatIsAwayIsAskedAgain(t *testing.T) {
	a := &away{answer: func(n int) (int, error) {
		switch {
		case n < 3:
			return 0, errors.New("connection refused")
		case n < 8:
			return 503, nil
		}
		return 200, nil
	}}
	with(t, Receiver{Kind: Alertmanager, Name: "am", URL: "http://am:9093/", Token: "secret"}, a, "", func(r *receiver) {
		one := firing("A", "1")
		r.take([]Alert{one})
		synctest.Wait()
		r.take([]Alert{firing("B", "1")}) // does not make it ask sooner
		<-time.After(10 * time.Minute)
		c, waiting := r.account()
		if c != (counts{produced: 2, sent: 2, errors: 8}) || waiting != 0 {
			t.Errorf("accounts: %+v, %d waiting", c, waiting)
		}
	})
	var want []time.Duration
	at := time.Duration(0)
	for _, pause := range []time.Duration{0, 1, 2, 4, 8, 16, 32, 60, 60} {
		at += pause * time.Second
		want = append(want, at)
	}
	if !slices.Equal(a.times, want) {
		t.Errorf("asked after %v, want %v", a.times, want)
	}
	var alerts []map[string]any
	if err := json.Unmarshal([]byte(a.bodies[8]), &alerts); err != nil || len(alerts) != 2 || a.paths[8] != "/api/v2/alerts" || a.auth[8] != "Bearer secret" {
		t.Errorf("the last request: %s to %s with %q, %v", a.bodies[8], a.paths[8], a.auth[8], err)
	}
}

func TestWhatIsRefusedIsLost(t *testing.T) {
	a := &away{answer: always(400)}
	with(t, Receiver{Kind: Alertmanager, Name: "am", URL: "http://am"}, a, "", func(r *receiver) {
		r.take([]Alert{firing("A", "1"), firing("A", "2")})
		<-time.After(10 * time.Minute)
		if c, waiting := r.account(); c != (counts{produced: 2, lost: 2, errors: 1}) || waiting != 0 || len(a.times) != 1 {
			t.Errorf("accounts: %+v, %d waiting, %d requests", c, waiting, len(a.times))
		}
	})
}

func TestTheQueueIsBounded(t *testing.T) {
	a := &away{answer: always(503)}
	with(t, Receiver{Kind: Alertmanager, Name: "am", URL: "http://am"}, a, "", func(r *receiver) {
		for i := range maxWaiting + 5 {
			r.take([]Alert{firing("A", fmt.Sprint(i)), firing("A", fmt.Sprint(i))})
		}
		c, waiting := r.account()
		if waiting != maxWaiting || c.lost != 10 || c.produced != c.sent+c.lost+uint64(waiting) {
			t.Errorf("accounts: %+v, %d waiting", c, waiting)
		}
	})
}

// A webhook is told once of each alert that it fires, and once that it is over; short ones that it missed only the latter.
func TestAWebhookIsToldOnce(t *testing.T) {
	var up atomic.Bool
	a := &away{answer: func(int) (int, error) {
		if !up.Load() {
			return 500, nil
		}
		return 204, nil
	}}
	var messages []webhook
	with(t, Receiver{Kind: Webhook, Name: "hook", URL: "http://hook/path"}, a, "", func(r *receiver) {
		long, short := firing("A", "1"), firing("A", "2")
		r.take([]Alert{long, short})
		synctest.Wait()
		r.take([]Alert{over(short)}) // had not been told
		up.Store(true)
		<-time.After(time.Minute)
		for range 3 {
			long.EndsAt = time.Now().Add(4 * time.Minute)
			r.take([]Alert{long})
			<-time.After(time.Minute)
		}
		r.take([]Alert{over(long)})
		<-time.After(time.Minute)
		r.take([]Alert{over(long)})
		<-time.After(10 * time.Minute)
	})
	for _, body := range a.bodies[1:] {
		var w webhook
		if err := json.Unmarshal([]byte(body), &w); err != nil {
			t.Fatal(err)
		}
		messages = append(messages, w)
	}
	var said []string
	for _, m := range messages {
		for _, x := range m.Alerts {
			said = append(said, m.Status+": "+x.Labels["instance"]+" "+x.Status)
		}
	}
	slices.Sort(said)
	if want := []string{"firing: 1 firing", "firing: 2 resolved", "resolved: 1 resolved"}; !slices.Equal(said, want) {
		t.Errorf("it was told %q, want %q", said, want)
	}
	if m := messages[0]; m.Version != "4" || m.Receiver != "hook" || m.GroupLabels["alertname"] != "A" || m.CommonLabels["severity"] != "warning" || m.ExternalURL != "http://gauge" || m.Alerts[0].Fingerprint == "" || a.paths[0] != "/path" {
		t.Errorf("the message: %+v", m)
	}
}

// What fired before the process ended and does not fire any more after it, is over; what still fires is not told again.
func TestAWebhookAfterARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alerts.json")
	r := Receiver{Kind: Webhook, Name: "hook", URL: "http://hook"}
	a := &away{answer: always(200)}
	with(t, r, a, file, func(r *receiver) {
		r.take([]Alert{firing("A", "1"), firing("A", "2")})
		<-time.After(time.Second)
	})
	if len(a.bodies) != 1 {
		t.Fatalf("told %q", a.bodies)
	}
	b := &away{answer: always(200)}
	with(t, r, b, file, func(r *receiver) {
		for range 10 {
			r.take([]Alert{firing("A", "1")})
			<-time.After(time.Minute)
		}
	})
	if len(b.bodies) != 1 || !strings.Contains(b.bodies[0], `"status":"resolved"`) || !strings.Contains(b.bodies[0], `"instance":"2"`) || strings.Contains(b.bodies[0], `"instance":"1"`) {
		t.Errorf("told after the restart: %q, want that 2 is over", b.bodies)
	}
	if b.times[0] < heardWithin || b.times[0] > heardWithin+time.Minute {
		t.Errorf("told after %v, want some time after %v", b.times[0], heardWithin)
	}
}
