package host

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"
)

// TestMain is also the child that tests look at: it uses so many seconds of CPU and bytes of memory, opens so many files, says
// so, and ends when its standard input does.
func TestMain(m *testing.M) {
	if spec := os.Getenv("TIDEGAUGE_TEST_CHILD"); spec != "" {
		if err := child(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func child(spec string) error {
	var burn float64
	var bytes, files int
	if _, err := fmt.Sscanf(spec, "%g %d %d", &burn, &bytes, &files); err != nil {
		return err
	}
	memory := make([]byte, bytes)
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
	for range files {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
	}
	for {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			return err
		}
		if time.Duration(u.Utime.Nano()+u.Stime.Nano()).Seconds() >= burn {
			break
		}
	}
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(memory)
	return err
}

// startChild starts a child and waits until it is as wanted. Its program has the name given, if any.
func startChild(t *testing.T, name string, burn float64, bytes, files int) (pid int, end func()) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if name != "" {
		link := filepath.Join(t.TempDir(), name)
		if err := os.Symlink(program, link); err != nil {
			t.Fatal(err)
		}
		program = link
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), fmt.Sprintf("TIDEGAUGE_TEST_CHILD=%g %d %d", burn, bytes, files))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if ended {
			return
		}
		ended = true
		_ = in.Close()
		_ = cmd.Wait()
	}
	t.Cleanup(end)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	return cmd.Process.Pid, end
}

// scrape asks a handler and returns its values by series, or its status and text.
func scrape(t testing.TB, h http.Handler) (values map[string]float64, status int, text string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		return nil, w.Code, w.Body.String()
	}
	return parse(t, w.Body), w.Code, ""
}

func parse(t testing.TB, r io.Reader) map[string]float64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(r)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for name, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+strconv.Quote(l.GetValue()))
			}
			slices.Sort(labels)
			key := name
			if len(labels) > 0 {
				key += "{" + strings.Join(labels, ",") + "}"
			}
			values[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
		}
	}
	return values
}

func onLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("compares with /proc")
	}
}

// A process that used half a second of CPU and 64 MiB of memory shows them, and its files and limit.
func TestProcessOfKnownSize(t *testing.T) {
	onLinux(t)
	const burn, bytes, files = 0.5, 64 << 20, 25
	pid, end := startChild(t, "", burn, bytes, files)
	h := New(Options{Processes: []Process{{PID: pid, Job: "child"}}})
	target := h.Targets()[1]
	if target.Job != "child" || target.Instance == "" || target.Interval != time.Second {
		t.Errorf("target %+v", target)
	}
	v, status, text := scrape(t, target.Handler)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	label := fmt.Sprintf(`{pid="%d"}`, pid)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	for name, between := range map[string][2]float64{
		"process_cpu_seconds_total":     {burn - 0.02, burn + 1}, // a tick is 10 ms; what it does after measuring itself is little
		"process_resident_memory_bytes": {bytes, 4 * bytes},      // the race detector has some of its own
		"process_virtual_memory_bytes":  {bytes, math.Inf(1)},
		"process_open_fds":              {files + 3, files + 20},
		"process_max_fds":               {float64(min(limit.Cur, 1)), float64(limit.Max)},
		"process_num_threads":           {1, 100},
		"process_start_time_seconds":    {float64(time.Now().Unix()) - 120, float64(time.Now().Unix()) + 2},
	} {
		if got, ok := v[name+label]; !ok || got < between[0] || got > between[1] {
			t.Errorf("%s = %g (%t), want %g to %g", name, got, ok, between[0], between[1])
		}
	}
	if len(v) != 7 {
		t.Errorf("series: %v", slices.Sorted(maps.Keys(v)))
	}
	if target.Err() != nil || len(h.Warnings()) != 0 {
		t.Errorf("err %v, warnings %q", target.Err(), h.Warnings())
	}
	end()
	if _, status, text := scrape(t, target.Handler); status != http.StatusServiceUnavailable || !strings.Contains(text, fmt.Sprintf("there is no process with pid %d", pid)) {
		t.Errorf("after its end: %d %s", status, text)
	}
	if err := target.Err(); err == nil {
		t.Error("no error after the end of the process")
	}
}

// What a Prometheus client library shows of this process is shown of it from outside.
func TestProcessAsItsOwnCollector(t *testing.T) {
	onLinux(t)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for used := 0.0; used < 0.2; { // the kernel counts in ticks of 10 ms
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		used = time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
	}
	own, _, _ := scrape(t, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	v, _, _ := scrape(t, New(Options{Processes: []Process{{PID: os.Getpid()}}}).Targets()[1].Handler)
	label := fmt.Sprintf(`{pid="%d"}`, os.Getpid())
	for name, tolerance := range map[string]float64{
		"process_cpu_seconds_total": 0.5, "process_resident_memory_bytes": 16 << 20, "process_virtual_memory_bytes": 1 << 30,
		"process_open_fds": 5, "process_max_fds": 0, "process_start_time_seconds": 1.01, // gopsutil counts the boot in whole seconds
	} {
		if a, b := own[name], v[name+label]; math.Abs(a-b) > tolerance || b == 0 {
			t.Errorf("%s: the process says %g, from outside it is %g", name, a, b)
		}
	}
}

// A restart is followed by name and by pid file: the series are those of the new process, and the change is told.
func TestRestart(t *testing.T) {
	onLinux(t)
	const name = "tg-shop-service-x" // longer than the 15 bytes that the kernel keeps
	file := filepath.Join(t.TempDir(), "shop.pid")
	h := New(Options{Processes: []Process{{Name: name}, {PIDFile: file}}})
	byName, byFile := h.Targets()[1], h.Targets()[2]
	if byName.Job != name || byFile.Job != "shop" {
		t.Errorf("jobs %s, %s", byName.Job, byFile.Job)
	}
	for _, target := range []Target{byName, byFile} {
		if _, status, _ := scrape(t, target.Handler); status != http.StatusServiceUnavailable {
			t.Errorf("%s before it is there: %d", target.Job, status)
		}
	}
	if text := byFile.Err().Error(); !strings.Contains(text, file) {
		t.Errorf("without a file: %s", text)
	}
	seen := func(pid int) {
		t.Helper()
		for _, target := range []Target{byName, byFile} {
			v, status, text := scrape(t, target.Handler)
			if len(v) != 7 || v[fmt.Sprintf(`process_resident_memory_bytes{pid="%d"}`, pid)] == 0 {
				t.Errorf("%s: %d %s %v, want pid %d", target.Job, status, text, v, pid)
			}
		}
	}
	first, end := startChild(t, name, 0, 1<<20, 0)
	write(t, file, strconv.Itoa(first)+"\n")
	seen(first)
	end()
	second, end := startChild(t, name, 0, 1<<20, 0)
	write(t, file, strconv.Itoa(second))
	seen(second)
	end()
	if _, status, _ := scrape(t, byName.Handler); status != http.StatusServiceUnavailable {
		t.Errorf("after the end: %d", status)
	}
	want := fmt.Sprintf("processes of %s came and went during the run (ended: pid %d, %d; begun: pid %d, %d)", name,
		min(first, second), max(first, second), min(first, second), max(first, second))
	if all := h.Warnings(); !slices.Contains(all, want) {
		t.Errorf("warnings %q, want %q", all, want)
	}
	write(t, file, "none")
	if _, _, text := scrape(t, byFile.Handler); !strings.Contains(text, `has "none", expected a number`) {
		t.Errorf("a file without a number: %s", text)
	}
}

// Every process of a name is shown.
func TestSeveralOfOneName(t *testing.T) {
	onLinux(t)
	const name = "tg-worker"
	a, endA := startChild(t, name, 0, 1<<20, 0)
	b, _ := startChild(t, name, 0, 1<<20, 0)
	target := New(Options{Processes: []Process{{Name: name}}}).Targets()[1]
	v, _, _ := scrape(t, target.Handler)
	for _, pid := range []int{a, b} {
		if v[fmt.Sprintf(`process_num_threads{pid="%d"}`, pid)] == 0 {
			t.Errorf("pid %d is missing: %v", pid, v)
		}
	}
	endA()
	if v, _, _ := scrape(t, target.Handler); len(v) != 7 || v[fmt.Sprintf(`process_num_threads{pid="%d"}`, b)] == 0 {
		t.Errorf("after one ended: %v", v)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// meminfo reads /proc/meminfo, in bytes.
func meminfo(t *testing.T) map[string]float64 {
	t.Helper()
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
		if err == nil {
			values[name] = kib * 1024
		}
	}
	return values
}

// What the machine shows is what /proc shows.
func TestMachineAgainstProc(t *testing.T) {
	onLinux(t)
	h := New(Options{})
	before := meminfo(t)
	v, status, text := scrape(t, h.Targets()[0].Handler)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	if w := h.Warnings(); len(w) != 0 {
		t.Errorf("warnings %q", w)
	}
	for _, name := range []string{"MemTotal", "MemAvailable", "MemFree", "Buffers", "Cached", "SReclaimable", "SwapTotal", "Active", "Inactive", "PageTables"} {
		got, ok := v["node_memory_"+name+"_bytes"]
		if want := before[name]; !ok || math.Abs(got-want) > 0.2*before["MemTotal"] || name == "MemTotal" && got != want {
			t.Errorf("%s: %g (%t), /proc/meminfo has %g", name, got, ok, want)
		}
	}
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(stat)) {
		f := strings.Fields(line)
		if !strings.HasPrefix(line, "cpu") || f[0] == "cpu" {
			continue
		}
		for i, mode := range []string{"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"} {
			want, err := strconv.ParseFloat(f[1+i], 64)
			if err != nil {
				t.Fatal(err)
			}
			key := fmt.Sprintf(`node_cpu_seconds_total{cpu="%s",mode="%s"}`, f[0][3:], mode)
			if got, ok := v[key]; !ok || math.Abs(got-want/100) > 5 {
				t.Errorf("%s = %g (%t), /proc/stat has %g", key, got, ok, want/100)
			}
		}
	}
	if v[`node_tcp_connection_states{state="listen"}`] < 0 || v["node_filefd_maximum"] < v["node_filefd_allocated"] || v["node_filefd_allocated"] < 1 {
		t.Errorf("files: %g of %g", v["node_filefd_allocated"], v["node_filefd_maximum"])
	}
}

// TestAgainstNodeExporter: of each series that we have, node_exporter has one of the same name and about the same value.
func TestAgainstNodeExporter(t *testing.T) {
	theirs := nodeExporter(t)
	ours, _, _ := scrape(t, New(Options{}).Targets()[0].Handler)
	names := func(m map[string]float64) map[string]bool {
		all := map[string]bool{}
		for k := range m {
			name, _, _ := strings.Cut(k, "{")
			all[name] = true
		}
		return all
	}
	known := names(theirs)
	compared := 0
	for _, series := range slices.Sorted(maps.Keys(ours)) {
		name, labels, _ := strings.Cut(series, "{")
		if !known[name] {
			t.Errorf("node_exporter has no %s", name)
			continue
		}
		if name == "node_uname_info" || name == "node_filesystem_files" || strings.HasPrefix(name, "node_filesystem") && !strings.Contains(labels, `mountpoint="/"`) {
			continue // it has labels that we do not have; mounts differ by what each leaves out
		}
		got := ours[series]
		if strings.Contains(labels, `device="lo"`) || name == "node_tcp_connection_states" && got == 0 {
			continue // by its configuration; where there is none
		}
		want, ok := theirs[series]
		if !ok {
			t.Errorf("node_exporter has %s, but not %s", name, series)
			continue
		}
		compared++
		// Both were read within a moment, on a machine that does other things as well.
		if math.Abs(got-want) > 0.3*math.Max(math.Abs(got), math.Abs(want))+busy(name) {
			t.Errorf("%s = %g, node_exporter says %g", series, got, want)
		}
	}
	if compared < 50 {
		t.Errorf("only %d series were compared", compared)
	}
}

// busy is what a series may change by in a moment.
func busy(name string) float64 {
	switch {
	case strings.HasSuffix(name, "_bytes") || strings.HasSuffix(name, "_bytes_total"):
		return 512 << 20
	case strings.Contains(name, "seconds"):
		return 30
	}
	return 20_000
}

// nodeExporter starts node_exporter and returns what it shows.
func nodeExporter(t *testing.T) map[string]float64 {
	t.Helper()
	program, err := exec.LookPath("prometheus-node-exporter")
	if err != nil {
		program, err = exec.LookPath("node_exporter")
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("node_exporter is not installed: apt-get install prometheus-node-exporter")
		}
		t.Skip("node_exporter is not installed: apt-get install prometheus-node-exporter")
	}
	socket := freeAddress(t)
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, program, "--web.listen-address="+socket, "--collector.tcpstat", "--collector.processes")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(30 * time.Second); ; {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+socket+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err == nil {
			defer func() { _ = answer.Body.Close() }()
			return parse(t, answer.Body)
		}
		if time.Now().After(deadline) {
			t.Fatalf("node_exporter does not answer: %v", err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(nil)
	defer s.Close()
	return s.Listener.Addr().String()
}

func BenchmarkMachine(b *testing.B) {
	h := New(Options{}).Targets()[0].Handler
	for b.Loop() {
		scrape(b, h)
	}
}

func BenchmarkMachineParts(b *testing.B) {
	m := newMachine(&notes{})
	for _, p := range m.parts {
		b.Run(p.name, func(b *testing.B) {
			for b.Loop() {
				_ = p.read(b.Context(), func(prometheus.Metric) {})
			}
		})
	}
}

func BenchmarkProcess(b *testing.B) {
	for name, p := range map[string]Process{"pid": {PID: os.Getpid()}, "name": {Name: "host.test"}} {
		b.Run(name, func(b *testing.B) {
			h := New(Options{Processes: []Process{p}}).Targets()[1].Handler
			for b.Loop() {
				scrape(b, h)
			}
		})
	}
}
