//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"tidegauge/engine/plan"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	// The bare loops are this program run again, and in a test this program is the test.
	if len(os.Args) > 1 && os.Args[1] == "loop" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

func nginxOrSkip(t *testing.T) string {
	t.Helper()
	path, _, err := findNginx(t.Context())
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skipf("SKIPPED, NOT TESTED: %v", err)
	return ""
}

func TestServerCountsAndLogsEveryRequest(t *testing.T) {
	path := nginxOrSkip(t)
	s, err := startNginx(t.Context(), path, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	open := scenario{rate: 1000}
	for range 7 {
		for _, load := range []scenario{{}, open} {
			if err := getOnce(t, s.url(load)); err != nil {
				t.Error(err)
			}
		}
	}
	for range 3 { // asking does not change the answer
		if got, err := s.requests(t.Context()); err != nil || got != 14 {
			t.Errorf("%d requests (%v), want 14", got, err)
		}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(s.log())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	arrivals, err := parseArrivals(f)
	if err != nil || len(arrivals) != 7 {
		t.Errorf("%d arrivals logged (%v), want those of the open load: 7", len(arrivals), err)
	}
}

func getOnce(t *testing.T, url string) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		t.Errorf("%s answers %s", url, response.Status)
	}
	return response.Body.Close()
}

func TestWholeBench(t *testing.T) {
	nginxOrSkip(t)
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"-duration", "1s", "-tools", "fasthttp,net/http"}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	// The ratio of the first is 1 by definition; the second's is some number.
	row := regexp.MustCompile(`(?m)^\s*(fasthttp|net/http)\s+([\d,]+)\s+[\d.]+ µs\s+([\d.]+)\s+\d+ MiB`)
	rows := row.FindAllStringSubmatch(stdout.String(), -1)
	if len(rows) != 6 {
		t.Fatalf("there are %d rows, want two tools in three tables:\n%s", len(rows), stdout.String())
	}
	for _, i := range []int{0, 2, 4} {
		if rows[i][1] != "fasthttp" || rows[i][3] != "1.00" || rows[i+1][1] != "net/http" {
			t.Errorf("rows %q, %q", rows[i], rows[i+1])
		}
	}
	if strings.Contains(stdout.String(), "failed") {
		t.Error(stdout.String())
	}
}

func TestLateness(t *testing.T) {
	ms := func(n float64) time.Duration { return time.Duration(n * 1e6) }
	regular := func(n int, rate float64, change func(int, float64) float64) []time.Duration {
		all := make([]time.Duration, n)
		for i := range all {
			at := 1e12 + float64(i)*1000/rate // milliseconds
			if change != nil {
				at = change(i, at)
			}
			all[i] = ms(at)
		}
		return all
	}
	for _, test := range []struct {
		name     string
		arrivals []time.Duration
		want     lateness
	}{
		{"on time", regular(1000, 100, nil), lateness{}},
		{"one request late by 5 ms", regular(1000, 100, func(i int, at float64) float64 {
			if i == 500 {
				at += 5
			}
			return at
		}), lateness{0, 0, ms(5)}},
		// A hundred requests due in a second all arrive at its end: the k-th of them is late by 1 s - k/100.
		{"a stall of 1 s", regular(1000, 100, func(i int, at float64) float64 {
			if i >= 500 && i < 600 {
				at = 1e12 + 6000
			}
			return at
		}), lateness{0, ms(910), ms(1000)}},
		{"a tenth too slow", regular(1001, 100/1.1, nil), lateness{ms(490), ms(980), ms(990)}},
		{"a request long before the load", append(regular(999, 100, nil), ms(1e12-60_000)), lateness{0, 0, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := latenessOf(test.arrivals, 100)
			if err != nil {
				t.Fatal(err)
			}
			for name, pair := range map[string][2]time.Duration{
				"p50": {got.p50, test.want.p50}, "p99": {got.p99, test.want.p99}, "max": {got.max, test.want.max},
			} {
				if math.Abs(float64(pair[0]-pair[1])) > float64(ms(1)) {
					t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
				}
			}
		})
	}
	if _, err := latenessOf(nil, 100); err == nil {
		t.Error("without arrivals there is a lateness")
	}
}

func TestParseArrivals(t *testing.T) {
	got, err := parseArrivals(strings.NewReader("1800000000.001\n1800000000.999\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]time.Duration{1800000000001 * time.Millisecond, 1800000000999 * time.Millisecond}, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseArrivals(f *testing.F) {
	for _, seed := range []string{"1800000000.001\n", "", "-1", "NaN", "1e300", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		arrivals, err := parseArrivals(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, at := range arrivals {
			if at < 0 {
				t.Errorf("%q gives an arrival at %v", text, at)
			}
		}
	})
}

func TestParseStatus(t *testing.T) {
	page := "Active connections: 2 \nserver accepts handled requests\n 12 12 345 \nReading: 0 Writing: 1 Waiting: 1 \n"
	if got, err := parseStatus(page); err != nil || got != 345 {
		t.Errorf("got %d, %v, want 345", got, err)
	}
	for _, bad := range []string{"", "a\nb\n1 2\n", "a\nb\n1 2 x\n", "404 Not Found"} {
		if got, err := parseStatus(bad); err == nil {
			t.Errorf("%q gives %d", bad, got)
		}
	}
}

func TestHighWater(t *testing.T) {
	for status, want := range map[string]int64{
		"Name:\twrk\nVmPeak:\t  999 kB\nVmHWM:\t    5120 kB\nVmRSS:\t 40 kB\n": 5120 << 10,
		"Name:\tzombie\n":    0,
		"VmHWM:\t many kB\n": 0,
	} {
		if got := highWater(status); got != want {
			t.Errorf("highWater(%q) = %d, want %d", status, got, want)
		}
	}
}

func TestChild(t *testing.T) {
	for _, test := range []struct {
		name, script string
		note, said   string
		err          string
	}{
		{name: "good", script: "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done"},
		{name: "exit code", script: "echo first; echo not content >&2; exit 99", note: "exit status 99", said: "not content"},
		{name: "killed", script: "kill -9 $$", note: "signal: killed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := runChild(t.Context(), time.Second, t.TempDir(), "/bin/sh", []string{"-c", test.script})
			if r.err != nil || r.note != test.note || r.said != test.said {
				t.Errorf("note %q, said %q, error %v", r.note, r.said, r.err)
			}
			if r.cpu <= 0 || r.cpu > 5*time.Second {
				t.Errorf("it used %v of processor time", r.cpu)
			}
		})
	}
	if r := runChild(t.Context(), time.Second, t.TempDir(), "/nowhere/tool", nil); r.err == nil {
		t.Error("a program that does not exist ran")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := runChild(ctx, time.Second, t.TempDir(), "/bin/sh", []string{"-c", "sleep 60"}); !errors.Is(r.err, context.Canceled) {
		t.Errorf("an interrupted program: %v", r.err)
	}
}

func TestTable(t *testing.T) {
	listed := []tool{{name: "wrk"}, {name: "fasthttp", open: true}, {name: "k6", open: true}, {name: "vegeta", open: true}}
	results := map[string][]result{
		"wrk": {{requests: 1_000_000, cpu: 10 * time.Second, memory: 5 << 20}},
		"fasthttp": {
			{requests: 100_000, cpu: 2 * time.Second, memory: 9 << 20, lateness: lateness{1e6, 2e6, 3e6}},
			{requests: 100_000, cpu: 9 * time.Second, memory: 12 << 20, lateness: lateness{5e6, 6e6, 7e6}},
			{requests: 99_000, cpu: 1 * time.Second, memory: 10 << 20, lateness: lateness{2e6, 4e6, 4e6}},
		},
		"k6":     {{requests: 999, cpu: time.Second, memory: 100 << 20, note: "exit status 99"}},
		"vegeta": {{err: errors.New("absent: go install it")}},
	}
	var b bytes.Buffer
	for _, s := range []scenario{scenarios()[0], scenarios()[2]} {
		if err := writeTable(&b, s, 10*time.Second, listed, results); err != nil {
			t.Fatal(err)
		}
	}
	golden := filepath.Join("testdata", "table.golden")
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", 1000001: "1,000,001"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestPlanForTidegaugeIsValid(t *testing.T) {
	for _, s := range scenarios() {
		args, err := tidegaugeArguments(job{scenario: s, url: "http://127.0.0.1:9/", duration: 5 * time.Second, dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		source, err := os.ReadFile(args[1])
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan.Parse(args[1], source, plan.Options{})
		if err != nil {
			t.Fatal(err)
		}
		test, err := p.Test(s.name)
		if err != nil {
			t.Fatal(err)
		}
		model := plan.Open
		if s.rate == 0 {
			model = plan.Closed
		}
		if last := test.Shape.Stages[len(test.Shape.Stages)-1]; test.Shape.Model != model || test.Shape.Duration() != 5*time.Second ||
			last.To != float64(max(s.rate, s.connections*(1-min(1, s.rate)))) {
			t.Errorf("%s: %s over %v to %v", s.name, test.Shape.Model, test.Shape.Duration(), last.To)
		}
	}
}

func TestFlags(t *testing.T) {
	for args, says := range map[string]string{
		"-duration 10ms":     "give at least 1s",
		"-rounds 0":          "give at least 1",
		"-tools wrk,jmeter":  `"jmeter"`,
		"extra":              `unexpected argument "extra"`,
		"-nonsense":          "-nonsense",
		"-duration sometime": "sometime",
	} {
		var stderr strings.Builder
		if code := run(t.Context(), strings.Fields(args), io.Discard, &stderr); code != 2 {
			t.Errorf("%s: exit code %d, want 2", args, code)
		}
		if !strings.Contains(stderr.String(), says) {
			t.Errorf("%s: says %q, want %q in it", args, stderr.String(), says)
		}
	}
	for args, code := range map[string]int{"-help": 0, "loop -help": 0, "loop": 1, "loop -url http://h -client curl": 1} {
		if got := run(t.Context(), strings.Fields(args), io.Discard, io.Discard); got != code {
			t.Errorf("%s: exit code %d, want %d", args, got, code)
		}
	}
}

func TestAbsentTool(t *testing.T) {
	_, err := fromDebian("no-such-load-generator")(t.Context(), "")
	if err == nil || err.Error() != "absent: apt-get install no-such-load-generator" {
		t.Errorf("error %v", err)
	}
}
