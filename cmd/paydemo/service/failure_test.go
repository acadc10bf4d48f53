package service

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// patience is how long a test waits for something that takes milliseconds.
const patience = 10 * time.Second

func TestDatabaseDown(t *testing.T) {
	redis := miniredis.RunT(t)
	c := start(t, Options{Redis: redis.Addr(), PoolSize: 2})
	id := c.pay().ID
	redis.Close()
	begun := time.Now()
	for range 5 {
		for _, request := range [][2]string{
			{"POST", "/payments"}, {"GET", "/payments"}, {"GET", "/payments/" + id},
			{"POST", "/payments/" + id + "/refunds"}, {"GET", "/healthz"},
		} {
			a := c.do(request[0], request[1], goodPayment)
			if a.status != http.StatusServiceUnavailable || a.Detail != "the database does not answer" || a.header.Get("Retry-After") != "1" {
				t.Errorf("%s %s: %d %s", request[0], request[1], a.status, a.text)
			}
		}
	}
	if took := time.Since(begun); took > 25*500*time.Millisecond {
		t.Errorf("25 answers took %v: the service does not fail fast", took)
	}
	if err := redis.Restart(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for c.do("GET", "/healthz", "").status != http.StatusOK {
		if time.Now().After(deadline) {
			t.Fatal("the service did not find its database again")
		}
	}
	if a := c.do("GET", "/payments/"+id, ""); a.status != http.StatusOK {
		t.Errorf("after the database came back: %d %s", a.status, a.text)
	}
}

func TestDatabaseHangs(t *testing.T) {
	hanging, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0") // the kernel takes connections, nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := hanging.Close(); err != nil {
			t.Error(err)
		}
	}()
	c := start(t, Options{Redis: hanging.Addr().String(), DatabaseTimeout: 30 * time.Millisecond})
	begun := time.Now()
	if a := c.do("POST", "/payments", goodPayment); a.status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", a.status, a.text)
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("the answer took %v", took)
	}
}

func TestPoolExhausted(t *testing.T) {
	c := start(t, Options{PoolSize: 1, PoolTimeout: 10 * time.Millisecond, Latency: 300 * time.Millisecond})
	var created, busy atomic.Int64
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			a, err := c.try("POST", "/payments", goodPayment)
			switch {
			case err != nil:
				t.Error(err)
			case a.status == http.StatusCreated:
				created.Add(1)
			case a.status == http.StatusServiceUnavailable && a.Detail == "all database connections are busy":
				busy.Add(1)
			default:
				t.Errorf("%d %s", a.status, a.text)
			}
		})
	}
	group.Wait()
	if created.Load() < 1 || busy.Load() < 1 {
		t.Errorf("%d created and %d turned away, want some of both", created.Load(), busy.Load())
	}
	if got := c.metric("db_pool_timeouts_total"); got == "0" || got == "absent" {
		t.Errorf("db_pool_timeouts_total is %s after %d requests were turned away", got, busy.Load())
	}
	if got := c.metric("db_pool_connections_limit"); got != "1" {
		t.Errorf("db_pool_connections_limit is %s, want 1", got)
	}
}

func TestNotificationServiceDown(t *testing.T) {
	c := start(t, Options{Notify: "http://127.0.0.1:1/notifications", BreakerFailures: 2, BreakerReset: time.Hour})
	for range 5 {
		made := c.pay()
		if made.Notification != "failed" || made.Status != "created" {
			t.Errorf("POST answers %s", made.text)
		}
		if read := c.do("GET", "/payments/"+made.ID, ""); read.text != made.text {
			t.Errorf("GET answers %s, POST answered %s", read.text, made.text)
		}
	}
	for series, want := range map[string]string{
		`notifications_total{result="sent"}`:                                "0",
		`notifications_total{result="failed"}`:                              "2",
		`notifications_total{result="rejected"}`:                            "3",
		`circuit_breaker_state{breaker="notifications"}`:                    "2",
		`circuit_breaker_trips_total{breaker="notifications"}`:              "1",
		`http_requests_total{method="POST",route="/payments",status="201"}`: "5",
	} {
		if got := c.metric(series); got != want {
			t.Errorf("%s is %s, want %s", series, got, want)
		}
	}
}

func TestNotificationServiceHangs(t *testing.T) {
	arrived := make(chan struct{}, 1)
	c := start(t, Options{Notify: blockingNotify(t, arrived, nil), NotifyTimeout: 20 * time.Millisecond})
	if made := c.pay(); made.Notification != "failed" {
		t.Errorf("POST answers %s", made.text)
	}
}

func TestBreakerTripsAndResets(t *testing.T) {
	var broken atomic.Bool
	var calls atomic.Int64
	notify := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		if broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer notify.Close()
	c := start(t, Options{Notify: notify.URL, BreakerFailures: 3, BreakerReset: 100 * time.Millisecond})
	if made := c.pay(); made.Notification != "sent" {
		t.Fatalf("with everything well: %s", made.text)
	}
	broken.Store(true)
	deadline := time.Now().Add(patience)
	for c.metric(`circuit_breaker_trips_total{breaker="notifications"}`) == "0" {
		if made := c.pay(); made.Notification != "failed" {
			t.Fatalf("with notifications failing: %s", made.text)
		}
		if time.Now().After(deadline) {
			t.Fatal("the breaker did not open")
		}
	}
	if got := calls.Load(); got != 4 {
		t.Errorf("the breaker opened after %d calls, want 1 good and 3 bad", got)
	}
	broken.Store(false)
	for c.pay().Notification != "sent" {
		if time.Now().After(deadline) {
			t.Fatal("the breaker did not close again")
		}
	}
	if got := c.metric(`circuit_breaker_state{breaker="notifications"}`); got != "0" {
		t.Errorf("circuit_breaker_state is %s, want 0", got)
	}
}

func TestNotificationThatCannotBeStored(t *testing.T) {
	redis := miniredis.RunT(t)
	notify := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		redis.SetError("LOADING the database is starting")
	}))
	defer notify.Close()
	c := start(t, Options{Redis: redis.Addr(), Notify: notify.URL})
	if made := c.pay(); made.Notification != "pending" {
		t.Errorf("POST answers %s", made.text)
	}
	redis.SetError("")
	if read := c.do("GET", "/payments/pay_1", ""); read.Notification != "pending" {
		t.Errorf("GET answers %s", read.text)
	}
}

func TestEmbeddedNotificationsFailInTheirShare(t *testing.T) {
	c := start(t, Options{NotifyFailures: 0.5, NotifyLatency: -1, BreakerFailures: 1000})
	failed := 0
	for range 100 {
		if c.pay().Notification == "failed" {
			failed++
		}
	}
	if failed < 20 || failed > 80 { // six standard deviations
		t.Errorf("%d of 100 notifications failed, want about 50", failed)
	}
}
