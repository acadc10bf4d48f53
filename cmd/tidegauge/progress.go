package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"tidegauge/engine/live"
	"tidegauge/engine/measure"
	"tidegauge/engine/verdict"
)

const (
	plainEvery  = 5 * time.Second // between two lines of plain progress
	sparkLength = 60              // points of the response time's line
)

// progress shows a run while it lasts. It is a measure.Sink that never waits for whoever reads: start and stop frame its use.
//
// On a terminal it redraws a few lines in place; elsewhere it writes a line every few seconds and at each new phase.
type progress struct {
	live   bool
	color  bool
	width  func() int
	title  string
	budget time.Duration // of a search, which lasts no longer; 0: the load says how long it lasts

	stopping atomic.Bool            // a person ended the run
	keys     bool                   // are read
	said     atomic.Pointer[string] // why a key did nothing

	screen  io.Writer
	updates chan []string // lines to show; of a live display only the latest matter
	writing sync.WaitGroup

	trial atomic.Pointer[string] // of a search: what is tried now

	meter     live.Meter
	p95       []float64
	seen      time.Duration // when the last of them was
	lastPlain time.Duration
	lastPhase int
	started   bool
}

// linesBehind is how many lines of plain progress may wait for a reader; the surplus is not written.
const linesBehind = 100

// newProgress chooses the form: live on a terminal, plain where it is not one, with NO_COLOR, or when asked for.
// budget is how long a search may take, else 0.
func newProgress(c *console, title string, budget time.Duration, plain bool) *progress {
	pr := &progress{title: title, budget: budget, screen: c.out}
	pr.live = colored(c) && !plain
	pr.color = pr.live
	pr.width = func() int { return widthOf(c) }
	pr.updates = make(chan []string, linesBehind)
	if pr.live {
		pr.updates = make(chan []string, 1)
	}
	return pr
}

// start begins to write what Consume is told.
func (p *progress) start() {
	p.writing.Go(func() {
		drawn := 0
		for lines := range p.updates {
			var b strings.Builder
			if p.live && drawn > 0 {
				fmt.Fprintf(&b, "\x1b[%dA", drawn)
			}
			for _, l := range lines {
				if p.live {
					l = "\r\x1b[2K" + l
				}
				b.WriteString(l + "\n")
			}
			drawn = len(lines)
			fmt.Fprint(p.screen, b.String())
		}
	})
}

// stop returns when everything has been written. Consume must not be called any more.
func (p *progress) stop() {
	close(p.updates)
	p.writing.Wait()
}

// show hands lines on without waiting.
func (p *progress) show(lines ...string) {
	for {
		select {
		case p.updates <- lines:
			return
		default:
		}
		if !p.live {
			return
		}
		select { // an older frame makes room
		case <-p.updates:
		default:
		}
	}
}

func terminalWidth(f *os.File) int {
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w >= 40 {
		return w
	}
	return 80
}

// tell shows a line about the trial of a search that begins. Safe for concurrent use.
func (p *progress) tell(line string) {
	p.trial.Store(&line)
	if !p.live {
		p.show(line)
	}
}

// Consume implements measure.Sink.
func (p *progress) Consume(_ context.Context, s *measure.Snapshot) error {
	p.stands(p.meter.Add(s))
	return nil
}

// stands shows how the run stands after another interval.
func (p *progress) stands(now live.Progress) {
	if at := lengthOf(now.Seconds); at > p.seen { // the first and the last may say nothing new
		p.seen = at
		p.p95 = append(p.p95, now.P95)
		if len(p.p95) > sparkLength {
			p.p95 = slices.Delete(p.p95, 0, 1)
		}
	}
	if p.live {
		p.draw(&now)
	} else {
		p.line(&now)
	}
}

// planned is how long the run is to last.
func (p *progress) planned(now *live.Progress) time.Duration {
	return cmp.Or(p.budget, lengthOf(now.Planned))
}

// lengthOf turns seconds into a length of time.
func lengthOf(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

func (p *progress) line(now *live.Progress) {
	elapsed := lengthOf(now.Seconds)
	due := !p.started || now.Final || now.PhaseID != p.lastPhase && p.trial.Load() == nil || elapsed-p.lastPlain >= plainEvery-100*time.Millisecond
	if !due {
		return
	}
	p.lastPhase, p.lastPlain = now.PhaseID, elapsed
	if !p.started {
		p.started = true
		atMost := ""
		if p.budget > 0 {
			atMost = "at most "
		}
		p.show(fmt.Sprintf("%s: running for %s%s", p.title, atMost, clock(p.planned(now))))
		return
	}
	r := &now.Recent
	p.show(fmt.Sprintf("%6s  %-8s users %-4d %8.1f/s  p50 %-8s p95 %-8s p99 %-8s failed %d (%s)",
		clock(elapsed), now.Phase, now.Users, r.Rate, latency(r, r.P50), latency(r, r.P95), latency(r, r.P99), now.Failures, percent(now.Failures, now.Requests)))
}

func (p *progress) draw(now *live.Progress) {
	r := &now.Recent
	width := p.width()
	rate := fmt.Sprintf("rate %.1f/s", r.Rate)
	if now.Arrivals > 0 {
		rate += fmt.Sprintf(" (due %.4g/s)", now.Arrivals)
	}
	failed := fmt.Sprintf("failed %d (%s)", now.Failures, percent(now.Failures, now.Requests))
	if now.Failures > 0 {
		failed = p.paint("31", failed)
	}
	phase := now.Phase
	if p.stopping.Load() {
		phase = p.paint("33", "ending; Ctrl-C once more ends it now")
	}
	lines := []string{
		fmt.Sprintf("%s  %s  %s", p.paint("1", p.title), bar(lengthOf(now.Seconds), p.planned(now), min(40, max(10, width-65))), phase),
		fmt.Sprintf("  %s of %s  users %d  %s  %s", clock(lengthOf(now.Seconds)), p.length(now), now.Users, rate, failed),
		fmt.Sprintf("  response time  p50 %s  p95 %s  p99 %s  max %s  (last %d s)", latency(r, r.P50), latency(r, r.P95), latency(r, r.P99), latency(r, r.Max), live.Span),
		"  p95 " + sparkline(p.p95[max(0, len(p.p95)-(width-8)):]),
	}
	if trial := p.trial.Load(); trial != nil {
		lines = append(lines, "  "+*trial)
	}
	if p.keys {
		lines = append(lines, "  "+p.keysLine())
	}
	for i := range lines {
		lines[i] = cutTo(lines[i], width)
	}
	p.show(lines...)
}

// say shows why a key did nothing, on a live display until there is something else to say.
func (p *progress) say(text string) { p.said.Store(&text) }

func (p *progress) keysLine() string {
	if text := p.said.Swap(nil); text != nil {
		return p.paint("33", *text)
	}
	return p.paint("2", keysHelp)
}

// length says how long the run is to last, and what is going on once its load is over.
func (p *progress) length(now *live.Progress) string {
	if p.budget > 0 {
		return "at most " + clock(p.budget)
	}
	planned := lengthOf(now.Planned)
	left := max(0, planned-lengthOf(now.Seconds))
	switch {
	case left == 0 && !now.Final:
		return clock(planned) + ", waiting for what is under way"
	case left == 0:
		return clock(planned)
	}
	return clock(planned) + ", " + clock(left) + " left"
}

// paint wraps text in an SGR sequence where colour is welcome.
func (p *progress) paint(sgr, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

// cutTo shortens a line so that it does not wrap, which would break the redrawing. Escape sequences take no room.
func cutTo(line string, width int) string {
	visible, escape := 0, false
	for i, r := range line {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			if visible++; visible >= width {
				return line[:i] + "\x1b[0m"
			}
		}
	}
	return line
}

func bar(done, whole time.Duration, width int) string {
	filled := 0
	if whole > 0 {
		filled = min(width, int(float64(width)*float64(done)/float64(whole)))
	}
	return "[" + strings.Repeat("█", filled) + strings.Repeat("░", width-filled) + "]"
}

// sparkline draws values from 0 to their greatest.
func sparkline(values []float64) string {
	const blocks = "▁▂▃▄▅▆▇█"
	levels := []rune(blocks)
	if len(values) == 0 {
		return ""
	}
	top := slices.Max(values)
	var b strings.Builder
	for _, v := range values {
		level := 0
		if top > 0 {
			level = min(len(levels)-1, int(v/top*float64(len(levels))))
		}
		b.WriteRune(levels[level])
	}
	if top > 0 {
		b.WriteString(" ≤ " + seconds(top))
	}
	return b.String()
}

// latency formats a response time of the latest intervals, which may have none.
func latency(r *live.Recent, seconds float64) string {
	if r.Requests == 0 {
		return "–"
	}
	return verdict.Format(seconds, "s")
}

// seconds formats a length of time for a person.
func seconds(v float64) string { return verdict.Format(v, "s") }

func percent(part, whole uint64) string {
	if whole == 0 {
		return "0%"
	}
	return verdict.Format(float64(part)/float64(whole), "ratio")
}

// terminalOf returns the terminal that a console writes to, or nil.
func terminalOf(c *console) *os.File {
	if f, ok := c.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// colored reports whether escape sequences are welcome: on a terminal, unless NO_COLOR is set (no-color.org).
func colored(c *console) bool {
	noColor, _ := c.getenv("NO_COLOR")
	return terminalOf(c) != nil && noColor == ""
}

// widthOf returns the width of the terminal; where there is none nothing needs to be cut short.
func widthOf(c *console) int {
	if f := terminalOf(c); f != nil {
		return terminalWidth(f)
	}
	return 120
}
