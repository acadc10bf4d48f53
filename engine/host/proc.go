package host

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What Linux shows under /proc and gopsutil does not read, or only at the price of looking at every file of every process.

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func openFiles() func(context.Context, func(prometheus.Metric)) error {
	allocated := gauge("node_filefd_allocated", "File descriptors allocated on the machine.")
	maximum := gauge("node_filefd_maximum", "Most file descriptors that the machine allows.")
	return func(_ context.Context, emit func(prometheus.Metric)) error {
		text, err := os.ReadFile("/proc/sys/fs/file-nr")
		if err != nil {
			return err
		}
		now, most, err := parseFileNr(string(text))
		if err != nil {
			return fmt.Errorf("/proc/sys/fs/file-nr: %w", err)
		}
		emit(allocated.of(now))
		emit(maximum.of(most))
		return nil
	}
}

// parseFileNr reads allocated, free and the maximum of file descriptors; proc_sys_fs(5).
func parseFileNr(text string) (allocated, most float64, err error) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return 0, 0, fmt.Errorf("%d numbers, expected 3", len(fields))
	}
	if allocated, err = strconv.ParseFloat(fields[0], 64); err == nil {
		most, err = strconv.ParseFloat(fields[2], 64)
	}
	return allocated, most, err
}

func sockets() func(context.Context, func(prometheus.Metric)) error {
	of := map[string]series{"sockets used": gauge("node_sockstat_sockets_used", "Number of sockets sockets in state used.")}
	for _, state := range []string{"inuse", "orphan", "tw", "alloc"} {
		of["TCP "+state] = gauge("node_sockstat_TCP_"+state, "Number of TCP sockets in state "+state+".")
	}
	of["TCP6 inuse"] = gauge("node_sockstat_TCP6_inuse", "Number of TCP6 sockets in state inuse.")
	return func(_ context.Context, emit func(prometheus.Metric)) error {
		text, err := os.ReadFile("/proc/net/sockstat")
		if err != nil {
			return err
		}
		if six, err := os.ReadFile("/proc/net/sockstat6"); err == nil { // not there without IPv6
			text = append(text, six...)
		}
		for key, v := range parseSockstat(text) {
			if s, ok := of[key]; ok {
				emit(s.of(v))
			}
		}
		return nil
	}
}

// parseSockstat reads lines such as "TCP: inuse 5 orphan 0": the value of each "TCP inuse". What has another form is left out.
func parseSockstat(text []byte) map[string]float64 {
	values := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		protocol, rest, _ := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		for i := 0; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i+1], 64); err == nil {
				values[protocol+" "+fields[i]] = v
			}
		}
	}
	return values
}

// tcpStateNames are the states by their number in the kernel, as node_exporter's collector tcpstat names them.
func tcpStateNames() []string {
	return []string{"", "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close", "close_wait", "last_ack", "listen", "closing"}
}

// countEvery is how old the numbers of connections by state may be: the kernel goes through its whole table for them, which
// takes it milliseconds even when the table is empty.
const countEvery = 10 * time.Second

// tcpStates counts connections by state. A state without a connection is 0: the table lists them all.
func tcpStates() func(context.Context, func(prometheus.Metric)) error {
	states := gauge("node_tcp_connection_states", "Number of connection states.", "state")
	var counts []int
	var counted time.Time
	return func(_ context.Context, emit func(prometheus.Metric)) error {
		if counts == nil || time.Since(counted) >= countEvery {
			counts, counted = make([]int, len(tcpStateNames())), time.Now()
			if err := countFile("/proc/net/tcp", counts); err != nil {
				return err
			}
			if err := countFile("/proc/net/tcp6", counts); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
		for i, name := range tcpStateNames() {
			if name != "" {
				emit(states.of(float64(counts[i]), name))
			}
		}
		return nil
	}
}

func countFile(name string, counts []int) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	return countStates(f, counts)
}

// countStates adds the connections of a table such as /proc/net/tcp to the counts of their states: the fourth field, in
// hexadecimal.
func countStates(r io.Reader, counts []int) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if at := bytes.IndexByte(line, ':'); at >= 0 && len(line) > 0 {
			fields := bytes.Fields(line[at+1 : min(len(line), at+100)])
			if len(fields) > 2 {
				if n, err := strconv.ParseUint(string(fields[2]), 16, 8); err == nil && int(n) < len(counts) {
					counts[n]++
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}
