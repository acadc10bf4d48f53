//go:build unix

package service

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// realServer returns the path of the program of a real server. Without it the test is skipped, and fails where CI is true.
func realServer(t *testing.T, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	absent := fmt.Sprintf("NOT TESTED: there is no %s here: apt-get install %s (%v)", program, debianPackage, err)
	if os.Getenv("CI") == "true" {
		t.Fatal(absent)
	}
	t.Skip(absent)
	return ""
}

// realRedis is a Redis that keeps everything in memory, always at the same address.
type realRedis struct {
	t                     *testing.T
	program, address, log string

	process *os.Process
	kill    func() // returns when it is gone
}

// startRedis starts a server that lives as long as the test, and waits until it answers.
func startRedis(t *testing.T) *realRedis {
	t.Helper()
	r := &realRedis{t: t, program: realServer(t, "redis-server", "redis-server"), log: filepath.Join(t.TempDir(), "log")}
	t.Cleanup(func() {
		if r.kill != nil {
			r.kill()
		}
	})
	for range 3 { // a port that was found free may be another's by the time Redis takes it
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r.address = l.Addr().String()
		l.Close()
		if r.run() {
			return r
		}
	}
	t.Fatal(r.output())
	return nil
}

// run starts the server and reports whether it came to answer.
func (r *realRedis) run() bool {
	r.t.Helper()
	host, port, err := net.SplitHostPort(r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background()) // its end kills
	cmd := exec.CommandContext(ctx, r.program, "--port", port, "--bind", host, "--save", "", "--appendonly", "no",
		"--dir", filepath.Dir(r.log), "--logfile", r.log)
	if err := cmd.Start(); err != nil {
		cancel()
		r.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it was killed, or its log says why it ended
	}()
	r.process = cmd.Process
	r.kill = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	limit, again := time.After(patience), time.NewTicker(5*time.Millisecond)
	defer again.Stop()
	for {
		if r.answers() {
			return true
		}
		select {
		case <-again.C:
			continue
		case <-ended:
		case <-limit:
		}
		r.kill()
		return false
	}
}

// answers reports whether it is this server that answers at the address.
func (r *realRedis) answers() bool {
	k, err := new(net.Dialer).DialContext(r.t.Context(), "tcp", r.address)
	if err != nil {
		return false
	}
	k.Close()
	info, err := r.client().InfoMap(r.t.Context(), "server").Result()
	return err == nil && info["Server"]["process_id"] == strconv.Itoa(r.process.Pid)
}

func (r *realRedis) signal(s os.Signal) {
	r.t.Helper()
	if err := r.process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

func (r *realRedis) output() string {
	b, err := os.ReadFile(r.log)
	if err != nil {
		return "redis-server does not start: " + err.Error()
	}
	return "redis-server does not start:\n" + string(b)
}

// client returns a connection to the server that passes the service by.
func (r *realRedis) client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: r.address})
	r.t.Cleanup(func() {
		if err := c.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return c
}

// TestRedis: the life of payments in a real Redis, which keeps as many of them as it is told.
func TestRedis(t *testing.T) {
	r := startRedis(t)
	c := start(t, Options{Redis: r.address, Keep: 3})
	if a := c.do("GET", "/payments", ""); a.text != `{"payments":[]}`+"\n" {
		t.Errorf("empty list is %s", a.text)
	}
	var made answer
	for range 5 {
		made = c.pay()
	}
	if made.ID != "pay_5" || made.Status != "created" || made.Amount != 1250 || made.Card != "************4242" || made.Notification != "sent" {
		t.Errorf("POST answers %s", made.text)
	}
	if read := c.do("GET", "/payments/pay_5", ""); read.status != http.StatusOK || read.text != made.text {
		t.Errorf("GET answers %d %s, POST answered %s", read.status, read.text, made.text)
	}
	if gone := c.do("GET", "/payments/pay_2", ""); gone.status != http.StatusNotFound {
		t.Errorf("a payment older than those kept: %d %s", gone.status, gone.text)
	}
	if a := c.do("GET", "/payments", ""); len(a.Payments) != 3 || a.Payments[0].ID != "pay_5" || a.Payments[2].ID != "pay_3" {
		t.Errorf("GET /payments: %s", a.text)
	}
	refunded := c.do("POST", "/payments/pay_5/refunds", "")
	if refunded.status != http.StatusCreated || refunded.ID != "re_5" || refunded.Payment != "pay_5" || refunded.Amount != 1250 {
		t.Errorf("refund: %d %s", refunded.status, refunded.text)
	}
	if again := c.do("POST", "/payments/pay_5/refunds", ""); again.status != http.StatusConflict {
		t.Errorf("second refund: %d %s", again.status, again.text)
	}
	if read := c.do("GET", "/payments/pay_5", ""); read.Status != statusRefunded {
		t.Errorf("after the refund: %s", read.text)
	}
	if absent := c.do("POST", "/payments/pay_2/refunds", ""); absent.status != http.StatusNotFound {
		t.Errorf("refund of a payment that is not kept: %d %s", absent.status, absent.text)
	}
	if keys, err := r.client().DBSize(t.Context()).Result(); err != nil || keys != 4 {
		t.Errorf("Redis holds %d keys (%v), want 3 payments and their sequence", keys, err)
	}
}

// TestRedisRefundsOnce: of several refunds that go on at the same time, one is made.
func TestRedisRefundsOnce(t *testing.T) {
	r := startRedis(t)
	const at = 8
	c := start(t, Options{Redis: r.address, PoolSize: at, Latency: 20 * time.Millisecond})
	id := c.pay().ID
	var made, refused atomic.Int64
	var group sync.WaitGroup
	for range at {
		group.Go(func() {
			a, err := c.try("POST", "/payments/"+id+"/refunds", "")
			switch {
			case err != nil:
				t.Error(err)
			case a.status == http.StatusCreated:
				made.Add(1)
			case a.status == http.StatusConflict:
				refused.Add(1)
			default:
				t.Errorf("%d %s", a.status, a.text)
			}
		})
	}
	group.Wait()
	if made.Load() != 1 || refused.Load() != at-1 {
		t.Errorf("%d refunds made and %d refused, want 1 and %d", made.Load(), refused.Load(), at-1)
	}
}

// needDatabase are the requests that cannot be answered without a database.
var needDatabase = [][2]string{
	{"POST", "/payments"}, {"GET", "/payments"}, {"GET", "/payments/pay_1"}, {"POST", "/payments/pay_1/refunds"}, {"GET", "/healthz"},
}

// refuse checks that what needs a database is answered 503, all in all within a time that only a service that hangs takes.
func refuse(c *testClient, limit time.Duration) {
	c.t.Helper()
	begun := time.Now()
	for _, request := range needDatabase {
		a := c.do(request[0], request[1], goodPayment)
		if a.status != http.StatusServiceUnavailable || a.Detail != "the database does not answer" || a.header.Get("Retry-After") != "1" {
			c.t.Errorf("%s %s: %d %s", request[0], request[1], a.status, a.text)
		}
	}
	if took := time.Since(begun); took > limit {
		c.t.Errorf("%d answers took %v, want at most %v: the service does not fail fast", len(needDatabase), took, limit)
	}
}

// recovered waits until the service finds that its database answers again.
func recovered(c *testClient) {
	c.t.Helper()
	for deadline := time.Now().Add(patience); c.do("GET", "/healthz", "").status != http.StatusOK; {
		if time.Now().After(deadline) {
			c.t.Fatal("the service did not find its database again")
		}
	}
}

// TestRedisKilled: a Redis that dies takes its payments with it, and the service with none; with the next one it goes on.
func TestRedisKilled(t *testing.T) {
	r := startRedis(t)
	c := start(t, Options{Redis: r.address, DatabaseTimeout: 5 * time.Second})
	id := c.pay().ID
	r.kill()
	refuse(c, 5*time.Second) // what is refused need not wait for a time limit
	if a := c.do("GET", "/metrics", ""); a.status != http.StatusOK {
		t.Errorf("GET /metrics without a database: %d %s", a.status, a.text)
	}
	if !r.run() {
		t.Fatal(r.output())
	}
	recovered(c)
	if lost := c.do("GET", "/payments/"+id, ""); lost.status != http.StatusNotFound {
		t.Errorf("a payment that was lost: %d %s", lost.status, lost.text)
	}
	if made := c.pay(); made.ID != "pay_1" || made.Notification != "sent" {
		t.Errorf("POST answers %s", made.text)
	}
}

// TestRedisHangs: a Redis that stands still costs each request one time limit. It loses nothing.
func TestRedisHangs(t *testing.T) {
	r := startRedis(t)
	c := start(t, Options{Redis: r.address, DatabaseTimeout: 50 * time.Millisecond})
	made := c.pay()
	r.signal(syscall.SIGSTOP)
	refuse(c, patience/2)
	r.signal(syscall.SIGCONT)
	recovered(c)
	if read := c.do("GET", "/payments/"+made.ID, ""); read.text != made.text {
		t.Errorf("afterwards GET answers %s, POST answered %s", read.text, made.text)
	}
	next := c.pay()
	if read := c.do("GET", "/payments/"+next.ID, ""); read.text != next.text {
		t.Errorf("then GET answers %s, POST answered %s", read.text, next.text)
	}
}
