package host

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	psutil "github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/net"
)

// machine reads the machine as a whole.
type machine struct {
	notes *notes
	parts []part
}

// part is a group of series that one reading gives.
type part struct {
	name string // of the series, for warnings
	read func(context.Context, func(prometheus.Metric)) error
}

func newMachine(n *notes) *machine {
	parts := []part{
		{"node_cpu_*", cpuTimes()},
		{"node_memory_*", memory()},
		{"node_load*", averageLoad()},
		{"node_network_*", network()},
		{"node_disk_*", disks()},
		{"node_filesystem_*", filesystems()},
		{"node_boot_time_seconds and node_uname_info", uname()},
	}
	if runtime.GOOS == "linux" {
		parts = append(parts,
			part{"node_procs_*", scheduling()},
			part{"node_netstat_Tcp_*", tcpCounters()},
			part{"node_nf_conntrack_*", connectionTracking()},
			part{"node_filefd_*", openFiles()},
			part{"node_sockstat_*", sockets()},
			part{"node_tcp_connection_states", tcpStates()},
		)
	}
	return &machine{notes: n, parts: parts}
}

// errNone says that a machine has nothing of a kind, which is no news.
var errNone = errors.New("there is none")

// collect implements collector. A part that cannot be read is noted and absent, whatever else is there.
func (m *machine) collect(emit func(prometheus.Metric)) error {
	ctx := context.Background()
	now := gauge("node_time_seconds", "System time in seconds since epoch (1970).")
	emit(now.of(float64(time.Now().UnixMilli()) / 1000))
	for _, p := range m.parts {
		if err := p.read(ctx, emit); err != nil && !errors.Is(err, errNone) {
			m.notes.absent(p.name, err)
		}
	}
	return nil
}

func cpuTimes() func(context.Context, func(prometheus.Metric)) error {
	seconds := counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", "cpu", "mode")
	return func(ctx context.Context, emit func(prometheus.Metric)) error {
		all, err := cpu.TimesWithContext(ctx, true)
		if err == nil && len(all) == 0 {
			err = errors.New("the times of the CPUs cannot be read")
		}
		for i := range all {
			t := &all[i]
			add := func(mode string, v float64) { emit(seconds.of(v, strings.TrimPrefix(t.CPU, "cpu"), mode)) }
			add("user", t.User)
			add("system", t.System)
			add("idle", t.Idle)
			if runtime.GOOS != "windows" {
				add("nice", t.Nice)
			}
			if runtime.GOOS == "linux" {
				add("iowait", t.Iowait)
				add("irq", t.Irq)
				add("softirq", t.Softirq)
				add("steal", t.Steal)
			}
		}
		return err
	}
}

func memory() func(context.Context, func(prometheus.Metric)) error {
	total := gauge("node_memory_MemTotal_bytes", "Memory of the machine.")
	available := gauge("node_memory_MemAvailable_bytes", "Memory that programs can have without swapping.")
	free := gauge("node_memory_MemFree_bytes", "Memory that nobody uses.")
	more := map[string]series{}
	for _, name := range []string{"Buffers", "Cached", "SReclaimable", "Slab", "Shmem", "Dirty", "Writeback", "Mapped", "PageTables", "Active", "Inactive", "SwapTotal", "SwapFree", "SwapCached", "Committed_AS", "CommitLimit"} {
		more[name] = gauge("node_memory_"+name+"_bytes", "Memory information field "+name+"_bytes.")
	}
	return func(ctx context.Context, emit func(prometheus.Metric)) error {
		m, err := mem.VirtualMemoryWithContext(ctx)
		if err != nil {
			return err
		}
		emit(total.of(float64(m.Total)))
		emit(available.of(float64(m.Available)))
		emit(free.of(float64(m.Free)))
		if runtime.GOOS != "linux" {
			return nil
		}
		for name, v := range map[string]uint64{
			"Buffers": m.Buffers, "Cached": m.Cached - m.Sreclaimable, "SReclaimable": m.Sreclaimable, "Slab": m.Slab, "Shmem": m.Shared,
			"Dirty": m.Dirty, "Writeback": m.WriteBack, "Mapped": m.Mapped, "PageTables": m.PageTables, "Active": m.Active, "Inactive": m.Inactive,
			"SwapTotal": m.SwapTotal, "SwapFree": m.SwapFree, "SwapCached": m.SwapCached, "Committed_AS": m.CommittedAS, "CommitLimit": m.CommitLimit,
		} {
			emit(more[name].of(float64(v)))
		}
		return nil
	}
}

func averageLoad() func(context.Context, func(prometheus.Metric)) error {
	one, five, fifteen := gauge("node_load1", "1m load average."), gauge("node_load5", "5m load average."), gauge("node_load15", "15m load average.")
	return func(ctx context.Context, emit func(prometheus.Metric)) error {
		if runtime.GOOS == "windows" {
			return errNone
		}
		l, err := load.AvgWithContext(ctx)
		if err != nil {
			return err
		}
		emit(one.of(l.Load1))
		emit(five.of(l.Load5))
		emit(fifteen.of(l.Load15))
		return nil
	}
}

func network() func(context.Context, func(prometheus.Metric)) error {
	of := func(direction, what, help string) series {
		return counter("node_network_"+direction+"_"+what+"_total", help, "device")
	}
	received, sent := of("receive", "bytes", "Bytes received."), of("transmit", "bytes", "Bytes sent.")
	packetsIn, packetsOut := of("receive", "packets", "Packets received."), of("transmit", "packets", "Packets sent.")
	errsIn, errsOut := of("receive", "errs", "Packets received with an error."), of("transmit", "errs", "Packets that could not be sent.")
	dropIn, dropOut := of("receive", "drop", "Packets dropped on receipt."), of("transmit", "drop", "Packets dropped while sending.")
	return func(ctx context.Context, emit func(prometheus.Metric)) error {
		all, err := net.IOCountersWithContext(ctx, true)
		for i := range all {
			n := &all[i]
			emit(received.of(float64(n.BytesRecv), n.Name))
			emit(sent.of(float64(n.BytesSent), n.Name))
			emit(packetsIn.of(float64(n.PacketsRecv), n.Name))
			emit(packetsOut.of(float64(n.PacketsSent), n.Name))
			emit(errsIn.of(float64(n.Errin), n.Name))
			emit(errsOut.of(float64(n.Errout), n.Name))
			emit(dropIn.of(float64(n.Dropin), n.Name))
			if runtime.GOOS == "linux" || runtime.GOOS == "windows" {
				emit(dropOut.of(float64(n.Dropout), n.Name))
			}
		}
		return err
	}
}

// partition fits what node_exporter leaves out: memory disks, and partitions, whose I/O is in that of their disk.
var partition = regexp.MustCompile(`^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`)

func disks() func(context.Context, func(prometheus.Metric)) error {
	of := func(what, help string) series { return counter("node_disk_"+what+"_total", help, "device") }
	readBytes, writtenBytes := of("read_bytes", "Bytes read."), of("written_bytes", "Bytes written.")
	reads, writes := of("reads_completed", "Reads completed."), of("writes_completed", "Writes completed.")
	readTime, writeTime := of("read_time_seconds", "Seconds spent by all reads."), of("write_time_seconds", "Seconds spent by all writes.")
	ioTime := of("io_time_seconds", "Seconds during which there was any I/O.")
	weighted := of("io_time_weighted_seconds", "Seconds of I/O, each operation under way counted.")
	ioNow := gauge("node_disk_io_now", "I/O operations under way.", "device")
	return func(ctx context.Context, emit func(prometheus.Metric)) error {
		all, err := disk.IOCountersWithContext(ctx)
		for name := range all {
			d := all[name]
			if partition.MatchString(name) {
				continue
			}
			emit(readBytes.of(float64(d.ReadBytes), name))
			emit(writtenBytes.of(float64(d.WriteBytes), name))
			emit(reads.of(float64(d.ReadCount), name))
			emit(writes.of(float64(d.WriteCount), name))
			emit(readTime.of(float64(d.ReadTime)/1000, name))
			emit(writeTime.of(float64(d.WriteTime)/1000, name))
			if runtime.GOOS == "linux" {
				emit(ioTime.of(float64(d.IoTime)/1000, name))
				emit(weighted.of(float64(d.WeightedIO)/1000, name))
				emit(ioNow.of(float64(d.IopsInProgress), name))
			}
		}
		return err
	}
}

func filesystems() func(context.Context, func(prometheus.Metric)) error {
	of := func(what, help string) series {
		return gauge("node_filesystem_"+what, help, "device", "fstype", "mountpoint")
	}
	size, avail := of("size_bytes", "Size."), of("avail_bytes", "Space that users other than root can have.")
	files, filesFree := of("files", "File nodes."), of("files_free", "File nodes that are free.")
	return func(ctx context.Context, emit func(prometheus.Metric)) error {
		all, err := disk.PartitionsWithContext(ctx, false)
		seen := map[string]bool{}
		for i := range all {
			p := &all[i]
			u, err := disk.UsageWithContext(ctx, p.Mountpoint)
			if err != nil || u.Total == 0 || seen[p.Mountpoint] || !isFolder(p.Mountpoint) {
				continue // no access, an empty drive, or one file mounted into a container
			}
			seen[p.Mountpoint] = true
			emit(size.of(float64(u.Total), p.Device, p.Fstype, p.Mountpoint))
			emit(avail.of(float64(u.Free), p.Device, p.Fstype, p.Mountpoint))
			if u.InodesTotal > 0 {
				emit(files.of(float64(u.InodesTotal), p.Device, p.Fstype, p.Mountpoint))
				emit(filesFree.of(float64(u.InodesFree), p.Device, p.Fstype, p.Mountpoint))
			}
		}
		return err
	}
}

// uname reads what does not change, once.
func uname() func(context.Context, func(prometheus.Metric)) error {
	boot := gauge("node_boot_time_seconds", "Node boot time, in unixtime.")
	info := gauge("node_uname_info", "Labeled system information as provided by the uname system call.", "sysname", "nodename", "release", "machine")
	var metrics []prometheus.Metric
	return func(ctx context.Context, emit func(prometheus.Metric)) error {
		if metrics == nil {
			i, err := psutil.InfoWithContext(ctx)
			if err != nil {
				return err
			}
			system := i.OS
			if system != "" {
				system = strings.ToUpper(system[:1]) + system[1:]
			}
			metrics = append(metrics, boot.of(float64(i.BootTime)), info.of(1, system, i.Hostname, i.KernelVersion, i.KernelArch))
		}
		for _, m := range metrics {
			emit(m)
		}
		return nil
	}
}

func scheduling() func(context.Context, func(prometheus.Metric)) error {
	running, blocked := gauge("node_procs_running", "Processes in runnable state."), gauge("node_procs_blocked", "Processes blocked waiting for I/O.")
	forks, switches := counter("node_forks_total", "Forks."), counter("node_context_switches_total", "Context switches.")
	return func(ctx context.Context, emit func(prometheus.Metric)) error {
		m, err := load.MiscWithContext(ctx)
		if err != nil {
			return err
		}
		emit(running.of(float64(m.ProcsRunning)))
		emit(blocked.of(float64(m.ProcsBlocked)))
		emit(forks.of(float64(m.ProcsCreated)))
		emit(switches.of(float64(m.Ctxt)))
		return nil
	}
}

func tcpCounters() func(context.Context, func(prometheus.Metric)) error {
	names := []string{"ActiveOpens", "PassiveOpens", "CurrEstab", "InSegs", "OutSegs", "RetransSegs", "InErrs", "OutRsts"}
	of := map[string]series{}
	for _, name := range names { // untyped in node_exporter, which does not know which of them count
		of[name] = series{prometheus.NewDesc("node_netstat_Tcp_"+name, "Statistic Tcp"+name+".", nil, nil), prometheus.UntypedValue}
	}
	return func(ctx context.Context, emit func(prometheus.Metric)) error {
		all, err := net.ProtoCountersWithContext(ctx, []string{"tcp"})
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(p net.ProtoCountersStat) bool { return p.Protocol == "tcp" })
		if i < 0 {
			return errors.New("there are no counters of TCP")
		}
		for _, name := range names {
			if v, ok := all[i].Stats[name]; ok {
				emit(of[name].of(float64(v)))
			}
		}
		return nil
	}
}

func connectionTracking() func(context.Context, func(prometheus.Metric)) error {
	entries := gauge("node_nf_conntrack_entries", "Connections tracked now.")
	limit := gauge("node_nf_conntrack_entries_limit", "Most connections that can be tracked.")
	return func(ctx context.Context, emit func(prometheus.Metric)) error {
		all, err := net.FilterCountersWithContext(ctx)
		if err != nil || len(all) == 0 {
			return fmt.Errorf("%w: %w", errNone, err) // the kernel tracks none
		}
		emit(entries.of(float64(all[0].ConnTrackCount)))
		emit(limit.of(float64(all[0].ConnTrackMax)))
		return nil
	}
}
