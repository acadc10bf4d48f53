package report

import (
	"fmt"
	"math"

	"tidegauge/engine/health"
	"tidegauge/engine/measure"
	"tidegauge/engine/verdict"
)

// Generator is how the load generator itself did over the whole run. What its system does not show is missing.
type Generator struct {
	Processors     float64  `json:"processors"`               // that it may use
	CPUSeconds     *float64 `json:"cpu_seconds,omitempty"`    // user and system
	CPUMean        *float64 `json:"cpu_mean,omitempty"`       // share of the processors
	CPUPeak        *float64 `json:"cpu_peak,omitempty"`       // in the interval with the most
	MachineMean    *float64 `json:"machine_mean,omitempty"`   // busy share of the machine's CPUs, whoever used them
	MachinePeak    *float64 `json:"machine_peak,omitempty"`   // in the interval with the most
	GCShare        *float64 `json:"gc_share,omitempty"`       // of the garbage collector in the CPU time
	GCPauseP99     float64  `json:"gc_pause_p99"`             // seconds; 0 without a pause
	ScheduleP99    float64  `json:"schedule_p99"`             // seconds that goroutines waited for a thread
	MemoryPeak     *float64 `json:"memory_peak,omitempty"`    // resident bytes
	GoroutinesPeak float64  `json:"goroutines_peak"`          //
	FilesPeak      *float64 `json:"files_peak,omitempty"`     // open file descriptors
	FileLimit      *float64 `json:"file_limit,omitempty"`     // most there may be
	SocketsPeak    *float64 `json:"sockets_peak,omitempty"`   // TCP sockets of the machine in use
	TimeWaitPeak   *float64 `json:"time_wait_peak,omitempty"` // TCP sockets of the machine that are closed but hold a port
}

// leastInterval is how long an interval has to be for its CPU to say something: the kernel counts in ticks of 10 ms.
const leastInterval = 0.5

// generator gathers the peaks.
type generator struct {
	first, last                                                *health.Reading
	cpu, machine, memory, goroutines, files, sockets, timeWait float64
}

func (g *generator) add(h *measure.Health) {
	if h.Now == nil {
		return
	}
	if g.first == nil {
		nan := math.NaN()
		*g = generator{first: h.Start, cpu: nan, machine: nan, memory: nan, files: nan, sockets: nan, timeWait: nan}
	}
	r := h.Now
	g.last = r
	peak := func(to *float64, v float64) {
		if math.IsNaN(*to) || v > *to {
			*to = v
		}
	}
	if r.Time.Sub(h.Since.Time).Seconds() >= leastInterval {
		peak(&g.cpu, r.Utilization(h.Since))
		peak(&g.machine, r.MachineUtilization(h.Since))
	}
	peak(&g.memory, r.Resident)
	peak(&g.goroutines, r.Goroutines)
	peak(&g.files, r.Files)
	peak(&g.sockets, r.SocketsInUse)
	peak(&g.timeWait, r.SocketsTimeWait)
}

func (g *generator) report() *Generator {
	if g.first == nil {
		return nil
	}
	known := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return new(significant(v))
	}
	r := g.last
	return &Generator{
		Processors: r.Processors, CPUSeconds: known(r.CPU() - g.first.CPU()), CPUMean: known(r.Utilization(g.first)), CPUPeak: known(g.cpu),
		MachineMean: known(r.MachineUtilization(g.first)), MachinePeak: known(g.machine), GCShare: known(r.GCShare(g.first)),
		GCPauseP99:  significant(r.GCPauses.Since(g.first.GCPauses).Quantile(0.99)),
		ScheduleP99: significant(r.ScheduleDelays.Since(g.first.ScheduleDelays).Quantile(0.99)),
		MemoryPeak:  known(g.memory), GoroutinesPeak: g.goroutines, FilesPeak: known(g.files), FileLimit: known(r.FileLimit),
		SocketsPeak: known(g.sockets), TimeWaitPeak: known(g.timeWait),
	}
}

// lines writes what the generator used.
func (g *Generator) lines(t *text) {
	share := func(v *float64) string {
		if v == nil {
			return "unknown"
		}
		return verdict.Format(*v, "ratio")
	}
	line := fmt.Sprintf("mean %s, peak %s of %.3g processors", share(g.CPUMean), share(g.CPUPeak), g.Processors)
	if g.MachineMean != nil {
		line += fmt.Sprintf("; machine mean %s, peak %s", share(g.MachineMean), share(g.MachinePeak))
	}
	t.paragraph("  CPU         ", dim, line)
	line = fmt.Sprintf("garbage collector %s of its CPU, pauses p99 %s; goroutines waited p99 %s", share(g.GCShare), short(g.GCPauseP99), short(g.ScheduleP99))
	t.paragraph("  Go          ", dim, line)
	if g.MemoryPeak != nil {
		t.paragraph("  memory      ", dim, fmt.Sprintf("peak %.0f MiB", *g.MemoryPeak/(1<<20)))
	}
	if g.FilesPeak != nil && g.FileLimit != nil {
		line = fmt.Sprintf("peak %s of %s", verdict.FormatCount(uint64(*g.FilesPeak)), verdict.FormatCount(uint64(*g.FileLimit)))
		if g.SocketsPeak != nil && g.TimeWaitPeak != nil {
			line += fmt.Sprintf("; TCP sockets of the machine %s, in TIME_WAIT %s", verdict.FormatCount(uint64(*g.SocketsPeak)), verdict.FormatCount(uint64(*g.TimeWaitPeak)))
		}
		t.paragraph("  open files  ", dim, line)
	}
}
