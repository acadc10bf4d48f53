package service

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The Redis client probes a database that is down once a second; it notices its Close at the next probe.
		goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// testClient speaks to a service that runs as long as the test.
type testClient struct {
	t    *testing.T
	url  string
	http *http.Client
	end  func() error // ends the service and returns what Run returned
}

func start(t *testing.T, o Options) *testClient {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	if o.Latency == 0 {
		o.Latency = -1
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	running := true
	c := &testClient{t: t, url: s.URL(), http: &http.Client{Transport: transport, Timeout: 10 * time.Second}}
	c.end = func() error {
		if !running {
			return nil
		}
		running = false
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if err := c.end(); err != nil {
			t.Errorf("Run: %v", err)
		}
		transport.CloseIdleConnections()
	})
	return c
}

// answer is what came back, whatever it was.
type answer struct {
	status int
	header http.Header
	text   string

	ID, Status, Notification, Card, Payment, Detail string
	Amount                                          int64
	Payments                                        []payment
}

func (c *testClient) do(method, path, body string) answer {
	c.t.Helper()
	a, err := c.try(method, path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

// try is do for goroutines other than the test's own.
func (c *testClient) try(method, path, body string) (a answer, err error) {
	request, err := http.NewRequestWithContext(context.Background(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		return a, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return a, err
	}
	text, err := io.ReadAll(response.Body)
	if err := response.Body.Close(); err != nil {
		return a, err
	}
	if err != nil {
		return a, err
	}
	switch response.Header.Get("Content-Type") {
	case "application/json":
		err = json.Unmarshal(text, &a)
	case "application/problem+json":
		var p problem
		err = json.Unmarshal(text, &p)
		a.Detail = p.Detail
	}
	if err != nil {
		return a, err
	}
	a.status, a.header, a.text = response.StatusCode, response.Header, string(text)
	return a, nil
}

const goodPayment = `{"amount": 1250, "card": "4242424242424242"}`

func (c *testClient) pay() answer {
	c.t.Helper()
	a := c.do("POST", "/payments", goodPayment)
	if a.status != http.StatusCreated {
		c.t.Fatalf("POST /payments: %d %s", a.status, a.text)
	}
	return a
}

// metric returns the value of a series as /metrics shows it.
func (c *testClient) metric(series string) string {
	c.t.Helper()
	for line := range strings.Lines(c.do("GET", "/metrics", "").text) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return "absent"
}

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		name    string
		options Options
		want    []string
	}{
		{"pool", Options{PoolSize: -1}, []string{"pool size is negative"}},
		{"several", Options{Keep: -1, Leak: -5, NotifyFailures: 1.5},
			[]string{"number of payments kept is negative", "leak is -5 bytes", "share of failing notifications is 1.5"}},
		{"redis", Options{Redis: "localhost"}, []string{`redis address "localhost"`, "host:port"}},
		{"notify scheme", Options{Notify: "localhost:80"}, []string{`notification URL "localhost:80"`, "http or https"}},
		{"notify", Options{Notify: "http://[::1"}, []string{"notification URL: "}},
		{"listen", Options{Listen: "127.0.0.1:99999"}, []string{"127.0.0.1:99999", "choose another address"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := New(test.options)
			if err == nil {
				t.Fatal("New accepted it:", s.URL(), s.Close())
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestCloseWithoutRun(t *testing.T) {
	s, err := New(Options{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(s.URL(), "http://")
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	again, err := New(Options{Listen: address})
	if err != nil {
		t.Fatal("the address was not given back:", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestURLOfAllAddresses(t *testing.T) {
	s, err := New(Options{Listen: ":0"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if !strings.HasPrefix(s.URL(), "http://localhost:") {
		t.Errorf("URL is %s, want http://localhost:PORT", s.URL())
	}
}

func TestRunThatIsOverBeforeItBegins(t *testing.T) {
	s, err := New(Options{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
}
