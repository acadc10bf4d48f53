package health

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

func TestParseStat(t *testing.T) {
	nan := math.NaN()
	for name, test := range map[string]struct {
		line      string
		busy, all float64
	}{
		"all fields; guest time is in user already": {"cpu  1000 20 300 4000 500 6 70 8 900 10", 14.04, 59.04},
		"Linux 2.6 without steal":                   {"cpu 100 0 100 700 100 0 0", 2, 10},
		"one CPU":                                   {"cpu0 1 2 3 4 5 6 7 8", nan, nan},
		"too few":                                   {"cpu 1 2 3 4", nan, nan},
		"no numbers":                                {"cpu a b c d e f", nan, nan},
		"empty":                                     {"", nan, nan},
	} {
		if busy, all := parseStat(test.line); !same(busy, test.busy) || !same(all, test.all) {
			t.Errorf("%s: %v of %v, want %v of %v", name, busy, all, test.busy, test.all)
		}
	}
}

func same(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) < 1e-9
}

func TestSockstat(t *testing.T) {
	r := Reading{SocketsInUse: math.NaN(), SocketsTimeWait: math.NaN()}
	r.sockstat("sockets: used 290\nTCP: inuse 7 orphan 0 tw 31 alloc 15 mem 2\nUDP: inuse 3 mem 1\nTCP6: inuse 99\n")
	if r.SocketsInUse != 106 || r.SocketsTimeWait != 31 {
		t.Errorf("%v in use, %v in TIME_WAIT, want 106 and 31", r.SocketsInUse, r.SocketsTimeWait)
	}
	r.sockstat("TCP6: inuse 4\nUDP6: inuse 1\n") // that of sockstat6
	if r.SocketsInUse != 110 || r.SocketsTimeWait != 31 {
		t.Errorf("with version 6: %v in use, %v in TIME_WAIT, want 110 and 31", r.SocketsInUse, r.SocketsTimeWait)
	}
	r = Reading{SocketsInUse: math.NaN(), SocketsTimeWait: math.NaN()}
	r.sockstat("nothing of the kind\nTCP: inuse\nTCP\n")
	if !math.IsNaN(r.SocketsInUse) || !math.IsNaN(r.SocketsTimeWait) {
		t.Errorf("of nothing: %+v", r)
	}
}

func TestParseQuota(t *testing.T) {
	none := math.Inf(1)
	for text, want := range map[string]float64{
		"150000 100000\n": 1.5, "max 100000\n": none, "-1 100000": none, "50000 100000": 0.5, "0 100000": none, "100000 0": none,
		"": none, "1": none, "1 2 3": none, "x y": none, "inf 1": none, "nan 1": none,
	} {
		if got := parseQuota(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// TestCgroupLimit: the tightest limit of the groups above the process counts, of either version, also where a container sees
// its own group as the root.
func TestCgroupLimit(t *testing.T) {
	none := math.Inf(1)
	for name, test := range map[string]struct {
		groups string
		files  map[string]string
		want   float64
	}{
		"version 2":                      {"0::/a/b\n", map[string]string{"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n"}, 1.5},
		"version 2, the tightest":        {"0::/a/b\n", map[string]string{"a/b/cpu.max": "50000 100000\n", "a/cpu.max": "150000 100000\n"}, 0.5},
		"version 2, the root":            {"0::/\n", map[string]string{"cpu.max": "200000 100000\n"}, 2},
		"version 2, without limit":       {"0::/a\n", map[string]string{"a/cpu.max": "max 100000\n"}, none},
		"version 1":                      {"5:memory:/x\n4:cpu,cpuacct:/a\n", map[string]string{"cpu,cpuacct/a/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n"}, 2.5},
		"version 1, without limit":       {"4:cpu,cpuacct:/a\n", map[string]string{"cpu,cpuacct/a/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n"}, none},
		"version 1, in a container":      {"4:cpu,cpuacct:/docker/f00\n", map[string]string{"cpu,cpuacct/cpu.cfs_quota_us": "75000\n", "cpu,cpuacct/cpu.cfs_period_us": "50000\n"}, 1.5},
		"version 1, only cpuacct":        {"4:cpuacct:/a\n", map[string]string{"cpuacct/a/cpu.cfs_quota_us": "75000\n", "cpuacct/a/cpu.cfs_period_us": "50000\n"}, none},
		"both, and the CPU by version 1": {"1:cpu:/a\n0::/a\n", map[string]string{"cpu/a/cpu.cfs_quota_us": "30000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, 0.3},
		"no group":                       {"", nil, none},
		"no path":                        {"0::\n1:cpu:\nnonsense\n", map[string]string{"cpu.max": "1 100\n"}, none},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range test.files {
				file = filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := cgroupLimit(test.groups, dir); !same(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// FuzzProc: whatever these files say, nothing panics, and a limit is above zero.
func FuzzProc(f *testing.F) {
	for _, text := range []string{"cpu 1 2 3 4 5 6 7 8", "TCP: inuse 7 orphan 0 tw 31", "150000 100000", "0::/a/../..\n4:cpu,cpuacct:/a", "NaN -1e999"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if busy, all := parseStat(text); busy >= 0 && busy > all*(1+1e-9) {
			t.Errorf("%v busy of %v", busy, all)
		}
		r := Reading{SocketsInUse: math.NaN(), SocketsTimeWait: math.NaN()}
		r.sockstat(text)
		if v := parseQuota(text); !(v > 0) {
			t.Errorf("a limit of %v CPUs", v)
		}
		if v := cgroupLimit(text, "testdata/none"); !math.IsInf(v, 1) {
			t.Errorf("a limit of %v CPUs of no group", v)
		}
	})
}
