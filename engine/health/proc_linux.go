package health

import (
	"bytes"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// ticks is the unit of /proc/stat, in parts of a second: USER_HZ, which is 100 wherever Go runs.
const ticks = 100

// proc reads /proc.
func (r *Reading) proc() {
	if text, err := os.ReadFile("/proc/stat"); err == nil {
		line, _, _ := bytes.Cut(text, []byte("\n"))
		r.MachineBusy, r.MachineAll = parseStat(string(line))
	}
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(text)); len(f) > 1 {
			r.Resident = parse(f[1]) * float64(os.Getpagesize())
		}
	}
	r.Files = openFiles()
	for _, name := range []string{"/proc/net/sockstat", "/proc/net/sockstat6"} {
		if text, err := os.ReadFile(name); err == nil {
			r.sockstat(string(text))
		}
	}
	if text, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		r.Processors = min(r.Processors, cgroupLimit(string(text), "/sys/fs/cgroup"))
	}
}

func parse(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

// parseStat reads the first line of /proc/stat, in seconds. Guest time is in that of user already; proc_stat(5).
func parseStat(line string) (busy, all float64) {
	f := strings.Fields(line)
	if len(f) < 6 || f[0] != "cpu" {
		return math.NaN(), math.NaN()
	}
	for i, text := range f[1:min(len(f), 9)] {
		v := parse(text) / ticks
		all += v
		if i != 3 && i != 4 { // idle, and idle while it waits for a disk
			busy += v
		}
	}
	return busy, all
}

// openFiles counts the file descriptors: since Linux 6.2 their number is the size of the folder, before they are listed.
func openFiles() float64 {
	if info, err := os.Stat("/proc/self/fd"); err == nil && info.Size() > 0 {
		return float64(info.Size())
	}
	f, err := os.Open("/proc/self/fd")
	if err != nil {
		return math.NaN()
	}
	defer func() { _ = f.Close() }() // it was only read
	names, err := f.Readdirnames(-1)
	if err != nil {
		return math.NaN()
	}
	return float64(len(names) - 1) // without the one to read this
}

// sockstat adds the TCP sockets of a file such as /proc/net/sockstat; those in TIME_WAIT are of both protocols.
func (r *Reading) sockstat(text string) {
	for line := range strings.Lines(text) {
		protocol, rest, _ := strings.Cut(line, ":")
		if protocol != "TCP" && protocol != "TCP6" {
			continue
		}
		f := strings.Fields(rest)
		for i := 0; i+1 < len(f); i += 2 {
			switch v := parse(f[i+1]); {
			case f[i] == "inuse" && math.IsNaN(r.SocketsInUse):
				r.SocketsInUse = v
			case f[i] == "inuse":
				r.SocketsInUse += v
			case f[i] == "tw":
				r.SocketsTimeWait = v
			}
		}
	}
}

// cgroupLimit returns how many CPUs the cgroups above a process allow, whose /proc/PID/cgroup it is given, with the folder where
// cgroups are mounted; infinite without a limit. The tightest counts. It reads both versions: cpu.max, and in the folder of
// the controller cpu what version 1 has for it; cgroups(7). In a container of version 1 the path is that of the host, but its
// own group is mounted as the root, which is looked at as well.
func cgroupLimit(groups, mounted string) float64 {
	limit := math.Inf(1)
	for line := range strings.Lines(groups) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		if !path.IsAbs(group) || controllers != "" && !slices.Contains(strings.Split(controllers, ","), "cpu") {
			continue
		}
		root := path.Join(mounted, path.Clean("/"+controllers))
		for ; ; group = path.Dir(group) {
			limit = min(limit, quotaIn(path.Join(root, path.Clean(group)), controllers == ""))
			if group == "/" {
				break
			}
		}
	}
	return limit
}

// quotaIn returns the limit of one cgroup.
func quotaIn(folder string, version2 bool) float64 {
	names := []string{"cpu.cfs_quota_us", "cpu.cfs_period_us"}
	if version2 {
		names = []string{"cpu.max"}
	}
	var all []string
	for _, name := range names {
		text, err := os.ReadFile(path.Join(folder, name))
		if err != nil {
			return math.Inf(1)
		}
		all = append(all, string(text))
	}
	return parseQuota(strings.Join(all, " "))
}

// parseQuota reads a quota and a period such as "150000 100000"; "max" (version 2) and -1 (version 1) are none.
func parseQuota(text string) float64 {
	f := strings.Fields(text)
	if len(f) == 2 {
		if v := parse(f[0]) / parse(f[1]); v > 0 && !math.IsInf(v, 1) {
			return v
		}
	}
	return math.Inf(1)
}
