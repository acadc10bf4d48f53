package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
)

func TestPaymentLife(t *testing.T) {
	c := start(t, Options{})
	made := c.pay()
	if got, want := made.header.Get("Location"), "/payments/"+made.ID; got != want {
		t.Errorf("Location is %q, want %q", got, want)
	}
	if made.Status != "created" || made.Amount != 1250 || made.Card != "************4242" || made.Notification != "sent" {
		t.Errorf("created payment is %s", made.text)
	}
	read := c.do("GET", "/payments/"+made.ID, "")
	if diff := cmp.Diff(made.text, read.text); read.status != http.StatusOK || diff != "" {
		t.Errorf("GET differs from POST (%d): %s", read.status, diff)
	}
	refunded := c.do("POST", "/payments/"+made.ID+"/refunds", "")
	if refunded.status != http.StatusCreated || refunded.ID != "re_1" || refunded.Payment != made.ID || refunded.Amount != 1250 {
		t.Errorf("refund: %d %s", refunded.status, refunded.text)
	}
	if again := c.do("POST", "/payments/"+made.ID+"/refunds", ""); again.status != http.StatusConflict {
		t.Errorf("second refund: %d %s", again.status, again.text)
	}
	if read := c.do("GET", "/payments/"+made.ID, ""); read.Status != "refunded" || !strings.Contains(read.text, "refunded_at") {
		t.Errorf("after the refund: %s", read.text)
	}
}

func TestUnknownPayments(t *testing.T) {
	c := start(t, Options{})
	c.pay()
	for _, id := range []string{"pay_2", "pay_0", "pay_01", "pay_-1", "pay_x", "1", "pay_99999999999999999999"} {
		for method, path := range map[string]string{"GET": "/payments/" + id, "POST": "/payments/" + id + "/refunds"} {
			a := c.do(method, path, "")
			if a.status != http.StatusNotFound || a.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s: %d %s", method, path, a.status, a.text)
			}
		}
	}
}

func TestList(t *testing.T) {
	c := start(t, Options{})
	if a := c.do("GET", "/payments", ""); a.text != `{"payments":[]}`+"\n" {
		t.Errorf("empty list is %s", a.text)
	}
	for range 25 {
		c.pay()
	}
	for _, test := range []struct {
		query       string
		count       int
		first, last string
	}{
		{"", 20, "pay_25", "pay_6"},
		{"?limit=3", 3, "pay_25", "pay_23"},
		{"?limit=100", 25, "pay_25", "pay_1"},
	} {
		a := c.do("GET", "/payments"+test.query, "")
		if len(a.Payments) != test.count || a.Payments[0].ID != test.first || a.Payments[test.count-1].ID != test.last {
			t.Errorf("GET /payments%s: %s", test.query, a.text)
		}
	}
	for _, limit := range []string{"0", "101", "-1", "many"} {
		if a := c.do("GET", "/payments?limit="+limit, ""); a.status != http.StatusBadRequest || !strings.Contains(a.Detail, limit) {
			t.Errorf("limit %s: %d %s", limit, a.status, a.text)
		}
	}
}

func TestInvalidPayments(t *testing.T) {
	c := start(t, Options{})
	for _, test := range []struct {
		body   string
		status int
		detail string
	}{
		{"", 400, "the body is empty"},
		{"{", 400, "not JSON"},
		{"amount=5", 400, "not JSON"},
		{goodPayment + " {}", 400, "more than one"},
		{`{"amount":` + strings.Repeat(" ", maxBody) + `1}`, 413, "longer than 65536 bytes"},
		{"null", 422, "amount is missing"},
		{`[]`, 422, "the body is of type array"},
		{`{"amount":"5","card":"4242424242424242"}`, 422, "amount is of type string"},
		{`{"amount":1.5,"card":"4242424242424242"}`, 422, "amount is of type number 1.5"},
		{`{"amount":0,"card":"4242424242424242"}`, 422, "amount is 0"},
		{`{"amount":100000001,"card":"4242424242424242"}`, 422, "amount is 100000001"},
		{`{"amount":5}`, 422, "card is missing"},
		{`{"amount":5,"card":4242424242424242}`, 422, "card is of type number"},
		{`{"amount":5,"card":"4242424242424241"}`, 422, "not a card number"},
	} {
		a := c.do("POST", "/payments", test.body)
		if a.status != test.status || !strings.Contains(a.Detail, test.detail) {
			t.Errorf("%.40q: %d %s, want %d %q", test.body, a.status, a.text, test.status, test.detail)
		}
	}
	if a := c.do("GET", "/payments", ""); len(a.Payments) != 0 {
		t.Errorf("invalid payments were stored: %s", a.text)
	}
}

func TestOnlyOneOfManyRefundsSucceeds(t *testing.T) {
	c := start(t, Options{PoolSize: 8})
	id := c.pay().ID
	var mu sync.Mutex
	statuses := map[int]int{}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			a, err := c.try("POST", "/payments/"+id+"/refunds", "")
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[a.status]++
		})
	}
	group.Wait()
	if diff := cmp.Diff(map[int]int{201: 1, 409: 7}, statuses); diff != "" {
		t.Error(diff)
	}
}

func TestMemoryOfTheDatabaseIsBounded(t *testing.T) {
	redis := miniredis.RunT(t)
	c := start(t, Options{Redis: redis.Addr(), Keep: 10})
	for range 35 {
		c.pay()
	}
	if got := len(redis.Keys()); got != 11 { // ten payments and the sequence
		t.Errorf("the database holds %d keys, want 11: %v", got, redis.Keys())
	}
	if a := c.do("GET", "/payments/pay_25", ""); a.status != http.StatusNotFound {
		t.Errorf("a forgotten payment: %d %s", a.status, a.text)
	}
	if a := c.do("GET", "/payments/pay_26", ""); a.status != http.StatusOK {
		t.Errorf("a kept payment: %d %s", a.status, a.text)
	}
	if a := c.do("GET", "/payments?limit=100", ""); len(a.Payments) != 10 {
		t.Errorf("the list holds %d payments, want 10", len(a.Payments))
	}
}

func TestPaymentIsPendingUntilNotified(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	c := start(t, Options{Notify: blockingNotify(t, arrived, release), NotifyTimeout: patience})
	done := make(chan answer, 1)
	go func() {
		a, err := c.try("POST", "/payments", goodPayment)
		if err != nil {
			t.Error(err)
		}
		done <- a
	}()
	<-arrived
	if a := c.do("GET", "/payments/pay_1", ""); a.Notification != "pending" {
		t.Errorf("before the notification is answered: %s", a.text)
	}
	if a := c.do("POST", "/payments/pay_1/refunds", ""); a.status != http.StatusConflict || a.Detail != errPending.Error() {
		t.Errorf("refund before the notification is answered: %d %s", a.status, a.text)
	}
	// The end is asked for now: what is in flight must finish all the same.
	ended := make(chan error, 1)
	go func() { ended <- c.end() }()
	for {
		if _, err := c.try("GET", "/healthz", ""); err != nil {
			break // it takes no more requests: the shutdown has begun
		}
	}
	close(release)
	if a := <-done; a.status != http.StatusCreated || a.Notification != "sent" {
		t.Errorf("after the notification is answered: %d %s", a.status, a.text)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// blockingNotify is a notification service that says when a notification arrived and answers when it is released.
func blockingNotify(t *testing.T, arrived chan<- struct{}, release <-chan struct{}) string {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil { // only then is a caller who hangs up noticed
			t.Error(err)
		}
		arrived <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestClientThatHangsUp(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	c := start(t, Options{Notify: blockingNotify(t, arrived, release), NotifyTimeout: patience})
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error, 1)
	go func() {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/payments", strings.NewReader(goodPayment))
		if err != nil {
			t.Error(err)
			return
		}
		response, err := c.http.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		gone <- err
	}()
	<-arrived
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled request ended with %v", err)
	}
	close(release)
	deadline := time.Now().Add(patience)
	for c.do("GET", "/payments/pay_1", "").Notification != "sent" {
		if time.Now().After(deadline) {
			t.Fatal("the payment was not carried through after its client hung up")
		}
	}
}

func TestMethodsAndPathsThatDoNotExist(t *testing.T) {
	c := start(t, Options{})
	for _, test := range []struct {
		method, path string
		status       int
		route        string
	}{
		{"DELETE", "/payments", 405, "unmatched"},
		{"GET", "/nothing/here", 404, "unmatched"},
		{"BREW", "/payments", 405, "unmatched"},
	} {
		if a := c.do(test.method, test.path, ""); a.status != test.status {
			t.Errorf("%s %s: %d", test.method, test.path, a.status)
		}
	}
	if got := c.metric(`http_requests_total{method="other",route="unmatched",status="405"}`); got != "1" {
		t.Errorf("an unknown method was counted %s times, want 1", got)
	}
}

func TestLeak(t *testing.T) {
	l := leak{size: 1000}
	for range 5 {
		l.some()
	}
	total := 0
	for _, block := range l.kept {
		total += len(block)
	}
	if total != 5000 {
		t.Errorf("%d bytes leaked, want 5000", total)
	}
	none := leak{}
	none.some()
	if len(none.kept) != 0 {
		t.Error("a leak of size 0 leaks")
	}
}

func Example() {
	fmt.Println(validCard("4242424242424242"), maskCard("4242424242424242"))
	// Output: true ************4242
}
