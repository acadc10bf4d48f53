package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"go.uber.org/goleak"
)

// childDir, when set, makes the test binary a process that fills a store until it is killed.
const childDir = "TIDEGAUGE_STORE_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := fillUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// at is a moment of the tests: the same one in a child process.
func at(d time.Duration) time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(d) }

func open(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// put appends a value, or a histogram that counts n values in (0.5, 1].
func (s *Store) put(when time.Time, value float64, n uint64, series ...string) error {
	app := s.db.AppenderV2(context.Background())
	var h *histogram.Histogram
	if n > 0 {
		h = &histogram.Histogram{
			Count: n, Sum: value, ZeroThreshold: 1e-128,
			PositiveSpans:   []histogram.Span{{Offset: 0, Length: 1}},
			PositiveBuckets: []int64{int64(n)},
		}
	}
	if _, err := app.Append(0, labels.FromStrings(series...), 0, when.UnixMilli(), value, h, nil, storage.AppendV2Options{}); err != nil {
		return errors.Join(err, app.Rollback())
	}
	return app.Commit()
}

func put(t testing.TB, s *Store, when time.Time, value float64, series ...string) {
	t.Helper()
	if err := s.put(when, value, 0, series...); err != nil {
		t.Fatal(err)
	}
}

func putHistogram(t testing.TB, s *Store, when time.Time, sum float64, n uint64, series ...string) {
	t.Helper()
	if err := s.put(when, sum, n, series...); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken := t.TempDir()
	open(t, Options{Dir: taken})
	tests := []struct {
		name string
		o    Options
		want []string
	}{
		{"no directory", Options{}, []string{"no directory given"}},
		{"a file is in the way", Options{Dir: filepath.Join(file, "data")}, []string{"creating the data directory", file, "choose a directory"}},
		{"negative retention", Options{Dir: t.TempDir(), Retention: -time.Second}, []string{"retention -1s is negative"}},
		{"open elsewhere", Options{Dir: taken}, []string{taken, "process " + strconv.Itoa(os.Getpid()), "stop that process, or choose another directory"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(tt.o)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
}

func TestOpenWhereNothingCanBeWritten(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir}); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "choose a directory") {
		t.Errorf("got %v", err)
	}
}

func TestReopenKeepsWhatWasWritten(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, at(0), 7, "__name__", "x")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Dir: dir})
	if got := query(t, s, "x", at(time.Second)); len(got) != 1 || got[0].Value != 7 {
		t.Errorf("got %v, want 7", got)
	}
}

func fillUntilKilled(dir string) error {
	s, err := Open(Options{Dir: dir})
	if err != nil {
		return err
	}
	for i := range 50 {
		if err := s.put(at(time.Duration(i)*time.Second), float64(i), 0, "__name__", "written"); err != nil {
			return err
		}
		if err := s.put(at(time.Duration(i)*time.Second), float64(i), uint64(i+1), "__name__", "measured"); err != nil {
			return err
		}
	}
	fmt.Println("written")
	_, err = io.Copy(io.Discard, os.Stdin) // until killed
	return err
}

func TestWhatAKilledProcessWroteIsThere(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), self)
	child.Env = append(os.Environ(), childDir+"="+dir, "GOCOVERDIR="+t.TempDir())
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || line != "written\n" {
		t.Fatalf("the child said %q, %v", line, err)
	}
	if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "process "+strconv.Itoa(child.Process.Pid)) {
		t.Errorf("opening what the child has open: %v, want its process number", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	if err := stdin.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	s, err := Open(Options{Dir: dir}) // a process that does not come to end what was left
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Dir: dir})
	for expr, want := range map[string]float64{
		`count_over_time(written[1m])`:                   50,
		`max_over_time(written[1m])`:                     49,
		`histogram_count(measured)`:                      50,
		`histogram_quantile(1, measured)`:                1,
		`count_over_time(measured[1m]) - count(written)`: 49,
	} {
		if got := query(t, s, expr, at(50*time.Second)); len(got) != 1 || got[0].Value != want {
			t.Errorf("%s: got %v, want %v", expr, got, want)
		}
	}
	put(t, s, at(time.Minute), 1, "__name__", "resumed")
	for range 2 { // the second time what is written now is not touched
		if err := s.EndLeft(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := query(t, s, `count({__name__=~"written|measured"})`, at(50*time.Second)); len(got) != 0 {
			t.Errorf("what the child left lingers: %v", got)
		}
		put(t, s, at(2*time.Minute), 2, "__name__", "resumed")
	}
	for expr, want := range map[string]float64{
		`count_over_time(written[1m])`:  50,
		`count_over_time(measured[1m])`: 50,
		`written offset 1s`:             49,
	} {
		if got := query(t, s, expr, at(50*time.Second)); len(got) != 1 || got[0].Value != want {
			t.Errorf("after the end, %s: got %v, want %v", expr, got, want)
		}
	}
	if got := query(t, s, "resumed", at(2*time.Minute)); len(got) != 1 || got[0].Value != 2 {
		t.Errorf("what was written since: %v, want it to go on", got)
	}
}

func TestClosed(t *testing.T) {
	s, err := Open(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, at(0), 1, "__name__", "x")
	handler, otlp := s.Handler(), s.OTLP()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Query(t.Context(), "x", at(0)); !errors.Is(err, ErrClosed) {
		t.Errorf("Query: %v", err)
	}
	if _, _, _, err := s.Compare(t.Context(), "x > 1", at(0)); !errors.Is(err, ErrClosed) {
		t.Errorf("Compare: %v", err)
	}
	if err := s.EndSeries(t.Context(), at(0), Label{Name: "a", Value: "b"}); !errors.Is(err, ErrClosed) {
		t.Errorf("EndSeries: %v", err)
	}
	if err := s.EndLeft(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("EndLeft: %v", err)
	}
	if err := export(t, otlp, counter(1, at(0), at(0))); !errors.Is(err, ErrClosed) {
		t.Errorf("OTLP: %v", err)
	}
	if status, body := ask(t, handler, "GET", "/api/v1/query?query=x", ""); status != 503 || !strings.Contains(body, `"errorType":"unavailable"`) {
		t.Errorf("Handler: %d %s", status, body)
	}
}

func TestCloseCancelsWhatIsUnderWayAndWaitsForIt(t *testing.T) {
	s, err := Open(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, done, err := s.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	<-ctx.Done()
	select {
	case err := <-closed:
		t.Errorf("Close did not wait: %v", err)
	default:
	}
	done()
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestEndSeries(t *testing.T) {
	s := open(t, Options{})
	put(t, s, at(-time.Hour), 5, "__name__", "old", "run", "a") // lingers no more
	for i := range 3 {
		when := at(time.Duration(i) * time.Second)
		put(t, s, when, float64(i), "__name__", "gauge", "run", "a")
		put(t, s, when, float64(i), "__name__", "gauge", "run", "b")
		putHistogram(t, s, when, float64(i), uint64(i+1), "__name__", "latency", "run", "a")
	}
	put(t, s, at(5*time.Second), 5, "__name__", "late", "run", "a") // after the end that is given
	end := at(3 * time.Second)
	for range 2 { // a second time there is nothing left to do
		if err := s.EndSeries(t.Context(), end, Label{Name: "run", Value: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	after := at(6 * time.Second)
	if got := query(t, s, `count({run="a"})`, after); len(got) != 0 {
		t.Errorf("run a lingers: %v", got)
	}
	for expr, want := range map[string]float64{
		`gauge{run="b"}`:                              2,
		`max_over_time(gauge{run="a"}[10s])`:          2,
		`count_over_time(gauge{run="a"}[10s])`:        3,
		`count_over_time(latency{run="a"}[10s])`:      3,
		`last_over_time(late{run="a"}[10s])`:          5,
		`histogram_count(latency{run="a"} offset 4s)`: 3,
	} {
		if got := query(t, s, expr, after); len(got) != 1 || got[0].Value != want {
			t.Errorf("%s: got %v, want %v", expr, got, want)
		}
	}
}

func TestBlocksFitTheRetention(t *testing.T) {
	for retention, want := range map[time.Duration]time.Duration{
		time.Hour:            2 * time.Hour, // the least there is
		15 * 24 * time.Hour:  36 * time.Hour,
		900 * 24 * time.Hour: maxBlock,
	} {
		o := tsdbOptions(retention, 0)
		if o.RetentionDuration != retention.Milliseconds() || o.MaxBlockDuration != want.Milliseconds() {
			t.Errorf("%v: kept for %d ms in blocks of up to %d ms, want blocks of %v", retention, o.RetentionDuration, o.MaxBlockDuration, want)
		}
	}
}

// TestAllAtOnce is for the race detector.
func TestAllAtOnce(t *testing.T) {
	s := open(t, Options{})
	h := s.Handler()
	var work sync.WaitGroup
	for range 3 {
		work.Go(func() {
			for i := range 20 {
				if _, err := s.Query(t.Context(), "sum(tidegauge_requests_total)", at(time.Duration(i)*time.Second)); err != nil {
					t.Error(err)
				}
				if status, body := ask(t, h, "GET", "/api/v1/label/__name__/values", ""); status != 200 {
					t.Error(body)
				}
			}
		})
	}
	for i := range 20 {
		when := at(time.Duration(i) * time.Second)
		if err := export(t, s.OTLP(), counter(int64(i), at(0), when)); err != nil {
			t.Error(err)
		}
		if err := s.EndSeries(t.Context(), when.Add(500*time.Millisecond), Label{Name: "network_io_direction", Value: "x"}); err != nil {
			t.Error(err)
		}
	}
	work.Wait()
	if got := query(t, s, "count_over_time(tidegauge_requests_total[1m])", at(30*time.Second)); len(got) != 1 || got[0].Value != 20 {
		t.Errorf("got %v, want 20 samples", got)
	}
}

// BenchmarkOpen is how long an empty store keeps a command from starting.
func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		s, err := Open(Options{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
