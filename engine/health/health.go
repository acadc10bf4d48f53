// Package health measures the load generator itself: CPU, memory, garbage collector, scheduler, files and sockets.
//
// A reading is taken once an interval and costs tenths of a millisecond; nothing of it is on the way of a request.
package health

import (
	"math"
	"runtime"
	"runtime/metrics"
	"time"
)

// Reading is the state of this process and its machine at a moment. Counters count since the process or the machine began.
// What this system does not show is NaN.
type Reading struct {
	Time time.Time
	// Processors is how many this process may use: GOMAXPROCS, which follows the affinity of the process, or the CPU limit of
	// its cgroup where that is less. (GOMAXPROCS follows the limit too, but never below 2.)
	Processors              float64
	CPUUser, CPUSystem      float64 // seconds
	MachineBusy, MachineAll float64 // seconds over all CPUs of the machine: not idle, and all together
	Resident                float64 // bytes
	Files, FileLimit        float64 // open file descriptors, sockets among them
	SocketsInUse            float64 // TCP sockets of the machine, or of its network namespace
	SocketsTimeWait         float64 // of these: closed, but their ports are not free yet
	Goroutines              float64
	MaxProcs                float64 // GOMAXPROCS
	StackMemory             float64 // bytes of the Go runtime for stacks
	OtherMemory             float64 // its other bytes, the heap among them
	GCSeconds               float64 // CPU time of the garbage collector as of its last cycle, without what was idle anyway
	ScheduleDelays          Buckets // how long goroutines waited, ready to run, in seconds
	GCPauses                Buckets // how long the garbage collector stopped all goroutines, in seconds
}

// CPU returns the seconds of CPU used.
func (r *Reading) CPU() float64 { return r.CPUUser + r.CPUSystem }

// Utilization returns the share of its processors that this process used since an earlier reading; NaN if that is not known.
func (r *Reading) Utilization(since *Reading) float64 {
	return ratio(r.CPU()-since.CPU(), r.Processors*r.Time.Sub(since.Time).Seconds())
}

// MachineUtilization returns the share of the machine's CPUs that was busy since an earlier reading, whoever used them.
func (r *Reading) MachineUtilization(since *Reading) float64 {
	return ratio(r.MachineBusy-since.MachineBusy, r.MachineAll-since.MachineAll)
}

// GCShare returns the share of the CPU time of this process that its garbage collector took since an earlier reading.
func (r *Reading) GCShare(since *Reading) float64 {
	return ratio(r.GCSeconds-since.GCSeconds, r.CPU()-since.CPU())
}

func ratio(part, whole float64) float64 {
	if !(whole > 0) {
		return math.NaN()
	}
	return max(part, 0) / whole
}

// Buckets are the counts of a distribution: of values from Bounds[i] to Bounds[i+1] there are Counts[i]. The outer bounds may be
// infinite.
type Buckets struct {
	Bounds []float64
	Counts []uint64
}

// Since returns the counts since an earlier state of b.
func (b Buckets) Since(earlier Buckets) Buckets {
	d := Buckets{Bounds: b.Bounds, Counts: make([]uint64, len(b.Counts))}
	for i, n := range b.Counts {
		if i < len(earlier.Counts) {
			n -= min(n, earlier.Counts[i])
		}
		d.Counts[i] = n
	}
	return d
}

// Middle returns the geometric middle of a bucket, or the bound next to it where the other one is 0 or infinite.
func (b Buckets) Middle(i int) float64 {
	low, high := max(b.Bounds[i], 0), b.Bounds[i+1]
	switch {
	case math.IsInf(high, 1):
		return low
	case low == 0:
		return high
	}
	return math.Sqrt(low * high)
}

// Quantile returns about the value below which that share of the counts lies; 0 without any.
func (b Buckets) Quantile(q float64) float64 {
	var all, sum uint64
	for _, n := range b.Counts {
		all += n
	}
	for i, n := range b.Counts {
		if sum += n; n > 0 && float64(sum) >= q*float64(all) {
			return b.Middle(i)
		}
	}
	return 0
}

// The metrics of the Go runtime that are read; the order is that of Read.
const (
	goroutines = iota
	maxProcs
	stacks
	allMemory
	released
	gcTotal
	gcIdle
	scheduleDelays
	gcPauses
)

func runtimeNames() []string {
	return []string{
		"/sched/goroutines:goroutines", "/sched/gomaxprocs:threads", "/memory/classes/heap/stacks:bytes",
		"/memory/classes/total:bytes", "/memory/classes/heap/released:bytes",
		"/cpu/classes/gc/total:cpu-seconds", "/cpu/classes/gc/mark/idle:cpu-seconds",
		"/sched/latencies:seconds", "/sched/pauses/total/gc:seconds",
	}
}

// Sampler takes readings. It is for one goroutine.
type Sampler struct{ samples []metrics.Sample }

// NewSampler returns a sampler, which starts nothing.
func NewSampler() *Sampler {
	s := &Sampler{}
	for _, name := range runtimeNames() {
		s.samples = append(s.samples, metrics.Sample{Name: name})
	}
	return s
}

// Read takes a reading.
func (s *Sampler) Read() *Reading {
	nan := math.NaN()
	r := &Reading{
		Time: time.Now(), CPUUser: nan, CPUSystem: nan, MachineBusy: nan, MachineAll: nan, Resident: nan, Files: nan, FileLimit: nan,
		SocketsInUse: nan, SocketsTimeWait: nan,
	}
	metrics.Read(s.samples)
	r.Goroutines, r.MaxProcs, r.StackMemory = s.number(goroutines), s.number(maxProcs), s.number(stacks)
	r.OtherMemory = s.number(allMemory) - s.number(released) - r.StackMemory
	r.GCSeconds = s.number(gcTotal) - s.number(gcIdle)
	r.ScheduleDelays, r.GCPauses = s.buckets(scheduleDelays), s.buckets(gcPauses)
	r.Processors = r.MaxProcs
	if math.IsNaN(r.Processors) {
		r.Processors = float64(runtime.GOMAXPROCS(0))
	}
	r.system()
	return r
}

// number returns a metric of the runtime; NaN where this version of Go does not have it.
func (s *Sampler) number(i int) float64 {
	switch v := s.samples[i].Value; v.Kind() {
	case metrics.KindUint64:
		return float64(v.Uint64())
	case metrics.KindFloat64:
		return v.Float64()
	}
	return math.NaN()
}

// buckets copies a distribution, whose memory the runtime uses again.
func (s *Sampler) buckets(i int) Buckets {
	v := s.samples[i].Value
	if v.Kind() != metrics.KindFloat64Histogram {
		return Buckets{}
	}
	h := v.Float64Histogram()
	return Buckets{Bounds: h.Buckets, Counts: append([]uint64(nil), h.Counts...)}
}
