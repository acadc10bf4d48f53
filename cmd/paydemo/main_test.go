package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServesUntilItIsEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	read, write := io.Pipe()
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"-listen", "127.0.0.1:0"}, write, io.Discard) }()
	line := make([]byte, 200)
	n, err := read.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	_, url, ok := strings.Cut(strings.TrimSpace(string(line[:n])), "listens on ")
	if !ok {
		t.Fatalf("it says %q", line[:n])
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Errorf("/healthz answers %s", response.Status)
	}
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d, want 0", got)
	}
}

func TestExitCodes(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, test := range []struct {
		args string
		code int
		says string
	}{
		{"-help", 0, "most connections to the database"},
		{"-pol 3", 2, "-pol"},
		{"-pool many", 2, `invalid value "many"`},
		{"extra", 2, `unexpected argument "extra"`},
		{"-pool -3", 1, "pool size is negative"},
		{"-listen " + taken.Addr().String(), 1, "choose another address"},
	} {
		var stderr strings.Builder
		if code := run(context.Background(), strings.Fields(test.args), io.Discard, &stderr); code != test.code {
			t.Errorf("%s: exit code %d, want %d", test.args, code, test.code)
		}
		if !strings.Contains(stderr.String(), test.says) {
			t.Errorf("%s: says %q, want %q in it", test.args, stderr.String(), test.says)
		}
	}
}

func TestFlags(t *testing.T) {
	args := "-listen :9 -redis r:1 -pool 2 -pool-timeout 3s -database-timeout 4s -keep 5 -notify http://n -notify-timeout 6s " +
		"-breaker-failures 7 -breaker-reset 8s -latency 0 -notify-latency 9s -notify-failures 0.5 -leak 11 -verbose"
	o, level, err := parse(strings.Fields(args), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if level != slog.LevelDebug {
		t.Errorf("-verbose logs from level %v", level)
	}
	for name, ok := range map[string]bool{
		"listen": o.Listen == ":9", "redis": o.Redis == "r:1", "pool": o.PoolSize == 2, "pool-timeout": o.PoolTimeout == 3*time.Second,
		"database-timeout": o.DatabaseTimeout == 4*time.Second, "keep": o.Keep == 5, "notify": o.Notify == "http://n",
		"notify-timeout": o.NotifyTimeout == 6*time.Second, "breaker-failures": o.BreakerFailures == 7, "breaker-reset": o.BreakerReset == 8*time.Second,
		"latency": o.Latency < 0, "notify-latency": o.NotifyLatency == 9*time.Second, "notify-failures": o.NotifyFailures == 0.5, "leak": o.Leak == 11,
	} {
		if !ok {
			t.Errorf("-%s does not reach its option: %+v", name, o)
		}
	}
}
