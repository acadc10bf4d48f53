package verdict

import (
	"fmt"
	"math"
	"time"

	"tidegauge/engine/health"
)

// When the generator is the limit. k6 asks for "at least 20% idle cycles" on its machine, since above it measures longer response
// times than there are (https://grafana.com/docs/k6/latest/testing-guides/running-large-tests/); Locust warns of "CPU usage
// above 90%" of the one core that a process of it can use (https://docs.locust.io/en/stable/increasing-request-rate.html).
// They are of the processors the generator may use, and say nothing where others use these: with a
// generator held to one CPU of a machine that was wholly busy with other work it used 39% of it at 5,000 requests a second
// (goroutines waited p99 0.1 ms for a thread, lateness p99 3 ms), and 15% to 27% at 8,000 to 30,000, where goroutines waited
// p99 75 ms to 370 ms and service times grew from 7 ms to 300 ms, p99. So the wait for a thread is looked at too, with the
// limit of lateness, and a machine that is wholly busy is warned of.
const (
	strainWindow = 5 * time.Second // shorter peaks are the business of lateness
	busyCPU      = 0.80            // of its processors: its own waiting begins to show
	saturatedCPU = 0.90            // of its processors: what it measures cannot be told from its own waiting
	busyMachine  = 0.95            // of the machine's CPUs, whoever uses them
	heavyGC      = 0.25            // of its CPU time: what Go's collector takes while it runs; above, goroutines have to help it
	fewFiles     = 0.90            // of the limit of open files
	heavyGCLeast = 0.10            // of its processors: below, the collector disturbs nobody
)

// strain watches how the generator does over the judged part. Its memory is that of a window.
type strain struct {
	recent      []*health.Reading // of the last window
	first, last *health.Reading
	saturated   time.Duration // in windows above saturatedCPU
	worst       float64       // utilization over a window
	machine     float64       // most of the machine over a window, and then
	own         float64       // the generator's share of the machine
	files       float64       // most open
	limit       float64
}

// add takes a reading in the part; the first is the one at its beginning.
func (s *strain) add(r *health.Reading) {
	if r == nil || s.last != nil && !r.Time.After(s.last.Time) {
		return
	}
	if s.first == nil {
		s.first = r
	}
	before := s.last
	s.last = r
	s.recent = append(s.recent, r)
	if r.Files > s.files {
		s.files, s.limit = r.Files, r.FileLimit
	}
	for len(s.recent) > 2 && r.Time.Sub(s.recent[1].Time) >= strainWindow {
		s.recent = s.recent[1:]
	}
	if r.Time.Sub(s.recent[0].Time) >= strainWindow*9/10 {
		s.window(r, before)
	}
}

// window evaluates the window that ends with r.
func (s *strain) window(r, before *health.Reading) {
	from := s.recent[0]
	u := r.Utilization(from)
	if u > saturatedCPU {
		if s.saturated == 0 || before == nil {
			s.saturated += r.Time.Sub(from.Time)
		} else {
			s.saturated += r.Time.Sub(before.Time)
		}
	}
	s.worst = max(s.worst, notNaN(u))
	if m := r.MachineUtilization(from); m > s.machine {
		s.machine, s.own = m, (r.CPU()-from.CPU())/(r.MachineAll-from.MachineAll)
	}
}

func notNaN(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

// finish evaluates a part that was shorter than a window as one.
func (s *strain) finish() {
	if s.last != nil && s.worst == 0 && s.machine == 0 && s.last != s.first {
		s.window(s.last, nil)
	}
}

// cpu says that the generator had too little CPU, or "": it used up its own, or its goroutines waited longer than allowed.
func (s *strain) cpu(maxWait time.Duration) string {
	if s.last == nil || s.last == s.first {
		return ""
	}
	if s.worst <= saturatedCPU {
		if wait := s.last.ScheduleDelays.Since(s.first.ScheduleDelays).Quantile(0.99); wait > maxWait.Seconds() {
			return fmt.Sprintf("the generator had too little CPU: its goroutines waited p99 %s for a thread (allowed: %s), which is in what it measures; give it more CPU, or ask for less load",
				Format(wait, "s"), Format(maxWait.Seconds(), "s"))
		}
		return ""
	}
	return fmt.Sprintf("the generator used up to %s of its %.3g processors, more than %s for %s of the %s judged: what it measures then includes its own waiting; give it more CPU, or ask for less load",
		percent(s.worst), s.last.Processors, percent(saturatedCPU), FormatDuration(s.saturated.Round(100*time.Millisecond)),
		FormatDuration(s.last.Time.Sub(s.first.Time).Round(100*time.Millisecond)))
}

// warnings says what else may disturb what was measured, or soon will.
func (s *strain) warnings() (all []string) {
	if s.last == nil || s.last == s.first {
		return nil
	}
	if s.worst > busyCPU && s.worst <= saturatedCPU {
		all = append(all, fmt.Sprintf("the generator used up to %s of its %.3g processors: from %s on, what it measures begins to include its own waiting",
			percent(s.worst), s.last.Processors, percent(busyCPU)))
	}
	if s.machine > busyMachine && s.worst <= saturatedCPU {
		all = append(all, fmt.Sprintf("the CPUs of this machine were busy by up to %s, of which the generator had %s: it and what else runs here, such as the target, slow each other down; run them on machines of their own",
			percent(s.machine), percent(s.own)))
	}
	if share := s.last.GCShare(s.first); share > heavyGC && s.last.Utilization(s.first) > heavyGCLeast {
		all = append(all, fmt.Sprintf("the garbage collector took %s of the generator's CPU time: give it more memory (GOGC=400), or ask for smaller answers", percent(share)))
	}
	if s.files > fewFiles*s.limit {
		all = append(all, fmt.Sprintf("the generator had %s of %s possible files open: raise the limit (ulimit -n) before asking for more users",
			FormatCount(uint64(s.files)), FormatCount(uint64(s.limit))))
	}
	return all
}

func percent(v float64) string { return fmt.Sprintf("%.0f%%", 100*v) }
