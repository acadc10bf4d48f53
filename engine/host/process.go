package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/shirou/gopsutil/v4/process"
)

const (
	// lookAgain is after how many scrapes the name of a process is read anew: it changes where a process was found between
	// fork and exec.
	lookAgain = 5
	// sameStart is by how many milliseconds two readings of a process's start may differ: in some containers it is computed
	// from the time now.
	sameStart = 2000
)

// processes reads the processes that one entry of Options names.
type processes struct {
	which  Process
	notes  *notes
	series processSeries

	mu     sync.Mutex
	known  map[int32]*known
	others map[int32]bool // pids of processes with another name
	looked int
	ended  []int32 // while there were others of the kind before or after; bounded by maxChanges
	begun  []int32
	lost   int // changes that were not kept
}

// known is a process that was there at the last scrape.
type known struct {
	started int64 // milliseconds since 1970
}

// maxChanges is how many ends and starts of processes are kept by their pid.
const maxChanges = 20

type processSeries struct {
	cpu, resident, virtual, files, maxFiles, threads, start series
}

func newProcesses(p Process, n *notes) *processes {
	pid := "pid"
	return &processes{which: p, notes: n, known: map[int32]*known{}, others: map[int32]bool{}, series: processSeries{
		cpu:      counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", pid),
		resident: gauge("process_resident_memory_bytes", "Resident memory size in bytes.", pid),
		virtual:  gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", pid),
		files:    gauge("process_open_fds", "Number of open file descriptors.", pid),
		maxFiles: gauge("process_max_fds", "Maximum number of open file descriptors.", pid),
		threads:  gauge("process_num_threads", "Number of threads.", pid),
		start:    gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", pid),
	}}
}

// collect implements collector.
func (p *processes) collect(emit func(prometheus.Metric)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx := context.Background()
	pids, err := p.pids(ctx)
	if err != nil {
		p.keep(nil)
		return err
	}
	alive := map[int32]*known{}
	for _, pid := range pids {
		one := &process.Process{Pid: pid}
		started, err := one.CreateTimeWithContext(ctx)
		if err != nil {
			continue // it has ended meanwhile
		}
		if p.read(ctx, one, emit) {
			alive[pid] = &known{started}
			emit(p.series.start.of(float64(started)/1000, strconv.Itoa(int(pid))))
		}
	}
	p.keep(alive)
	if len(alive) == 0 {
		return fmt.Errorf("there is no process %s", &p.which)
	}
	return nil
}

// keep notes which processes have ended and begun since the last scrape.
func (p *processes) keep(alive map[int32]*known) {
	first := p.looked <= 1 && len(p.known) == 0
	note := func(list *[]int32, pid int32) {
		if len(*list) < maxChanges {
			*list = append(*list, pid)
		} else {
			p.lost++
		}
	}
	for pid, was := range p.known {
		if is := alive[pid]; is == nil || max(is.started-was.started, was.started-is.started) > sameStart {
			note(&p.ended, pid)
		}
	}
	for pid, is := range alive {
		if was := p.known[pid]; !first && (was == nil || max(is.started-was.started, was.started-is.started) > sameStart) {
			note(&p.begun, pid)
		}
	}
	p.known = alive
}

// changes says which processes ended and began.
func (p *processes) changes() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var parts []string
	say := func(what string, pids []int32) {
		if len(pids) == 0 {
			return
		}
		slices.Sort(pids)
		texts := make([]string, len(pids))
		for i, pid := range pids {
			texts[i] = strconv.Itoa(int(pid))
		}
		parts = append(parts, what+" pid "+strings.Join(texts, ", "))
	}
	say("ended:", p.ended)
	say("begun:", p.begun)
	if len(parts) == 0 {
		return nil
	}
	if p.lost > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", p.lost))
	}
	return []string{fmt.Sprintf("processes of %s came and went during the run (%s)", p.which.JobName(), strings.Join(parts, "; "))}
}

// pids returns the candidates.
func (p *processes) pids(ctx context.Context) ([]int32, error) {
	p.looked++
	switch {
	case p.which.Name != "":
		return p.named(ctx)
	case p.which.PIDFile != "":
		text, err := os.ReadFile(p.which.PIDFile)
		if err != nil {
			return nil, fmt.Errorf("reading the pid of a process: %w", err)
		}
		pid, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 32)
		if err != nil || pid < 1 {
			return nil, fmt.Errorf("reading the pid of a process: %s has %q, expected a number", p.which.PIDFile, shorten(string(text)))
		}
		return []int32{int32(pid)}, nil
	}
	return []int32{int32(p.which.PID)}, nil
}

func shorten(s string) string { return s[:min(len(s), 40)] }

// named looks for processes by name. Only of those that were not there before the name is read.
func (p *processes) named(ctx context.Context) ([]int32, error) {
	all, err := process.PidsWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for processes: %w", err)
	}
	if p.looked%lookAgain == 0 {
		clear(p.others)
	}
	others := make(map[int32]bool, len(all))
	var found []int32
	for _, pid := range all {
		if p.others[pid] {
			others[pid] = true
			continue
		}
		one := &process.Process{Pid: pid}
		name, err := one.NameWithContext(ctx)
		switch {
		case err != nil: // it has ended meanwhile
		case name == p.which.Name:
			found = append(found, pid)
		default:
			others[pid] = true
		}
	}
	p.others = others
	return found, nil
}

// read emits what can be read of a process, and reports whether that is anything: it may have ended, or be a zombie, which has
// no memory.
func (p *processes) read(ctx context.Context, one *process.Process, emit func(prometheus.Metric)) bool {
	pid := strconv.Itoa(int(one.Pid))
	times, err := one.TimesWithContext(ctx)
	if err != nil {
		return false
	}
	memory, err := one.MemoryInfoWithContext(ctx)
	if err != nil || memory.RSS == 0 {
		return false
	}
	emit(p.series.cpu.of(times.User+times.System, pid))
	emit(p.series.resident.of(float64(memory.RSS), pid))
	emit(p.series.virtual.of(float64(memory.VMS), pid))
	if n, err := one.NumThreadsWithContext(ctx); err == nil {
		emit(p.series.threads.of(float64(n), pid))
	} else {
		p.missing("process_num_threads", err)
	}
	if n, err := one.NumFDsWithContext(ctx); err == nil {
		emit(p.series.files.of(float64(n), pid))
	} else {
		p.missing("process_open_fds", err)
	}
	if limit, err := fileLimit(ctx, one); err == nil {
		emit(p.series.maxFiles.of(limit, pid))
	} else {
		p.missing("process_max_fds", err)
	}
	return true
}

// missing notes that a series cannot be read, unless the process has just ended.
func (p *processes) missing(name string, err error) {
	if errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), "no such process") {
		return
	}
	p.notes.absent(name+" of processes "+p.which.String(), err)
}

// fileLimit returns the soft limit of open files.
func fileLimit(ctx context.Context, one *process.Process) (float64, error) {
	limits, err := one.RlimitWithContext(ctx)
	if err != nil {
		return 0, err
	}
	for _, l := range limits {
		if l.Resource == process.RLIMIT_NOFILE {
			return float64(l.Soft), nil
		}
	}
	return 0, errors.New("there is no limit of open files")
}
