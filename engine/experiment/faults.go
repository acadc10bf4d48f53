package experiment

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"tidegauge/engine/event"
	"tidegauge/engine/fault"
	"tidegauge/engine/fault/tcp"
	"tidegauge/engine/fault/webfault"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
)

// proxy is a proxy of the plan, of either kind.
type proxy interface {
	Start(ctx context.Context) (addr string, err error)
	Close(ctx context.Context) error
	Used() bool
}

// openProxies starts the proxies of the plan: the service under test may be pointed at them, whatever is done there in this
// test. One that cannot be started is an error only where the test has faults for it; without, another run may have it.
func (e *experiment) openProxies(ctx context.Context, seed uint64) error {
	e.tcp, e.web = map[string]*tcp.Proxy{}, map[string]*webfault.Proxy{}
	for i := range e.o.Plan.Proxies {
		p := &e.o.Plan.Proxies[i]
		var one proxy
		if p.HTTP {
			e.web[p.Name] = webfault.New(webfault.Options{Name: p.Name, Listen: p.Listen, Upstream: p.Upstream, Seed: seed})
			one = e.web[p.Name]
		} else {
			e.tcp[p.Name] = tcp.New(tcp.Options{Name: p.Name, Listen: p.Listen, Upstream: p.Upstream, Server: p.Toxiproxy})
			one = e.tcp[p.Name]
		}
		_, err := one.Start(ctx)
		switch {
		case err == nil:
			e.proxies = append(e.proxies, one)
		case len(e.o.Test.Faults) == 0 && errors.Is(err, syscall.EADDRINUSE):
			e.collector.Warn(err.Error() + "; another run may have it, and this test has no faults")
		default:
			return errors.Join(fmt.Errorf("%w: %w", ErrPlan, err), e.closeProxies(ctx))
		}
	}
	return nil
}

func (e *experiment) closeProxies(ctx context.Context) error {
	var errs []error
	for _, p := range e.proxies {
		errs = append(errs, p.Close(ctx))
	}
	e.proxies = nil
	return errors.Join(errs...)
}

// prepareFaults makes the timeline of the test, whose proxies are started. nil without faults.
func (e *experiment) prepareFaults() error {
	var planned []fault.Planned
	for i := range e.o.Test.Faults {
		f := &e.o.Test.Faults[i]
		p := fault.Planned{Name: f.Name, Target: f.Proxy, At: f.At, For: f.For}
		id := e.record.ID() + "-" + strconv.Itoa(i+1)
		switch {
		case f.TCP != nil:
			p.Fault = e.tcp[f.Proxy].Fault(id, tcpEffect(f.TCP))
		case f.HTTP != nil:
			// By its place in the plan: what a share takes is then the same in every run of a seed.
			p.Fault = e.web[f.Proxy].Fault(strconv.Itoa(i+1), webEffect(f.HTTP))
		case f.Hook != nil:
			hook := hookOf(f.Hook)
			if err := hook.Check(e.lab.AllowedHooks); err != nil {
				return fmt.Errorf("%w: the fault %s of test %s: %w", ErrPlan, f.Name, e.o.Test.Name, err)
			}
			p.Fault = hook
		}
		planned = append(planned, p)
	}
	if planned == nil {
		return nil
	}
	for _, w := range e.o.Test.FaultWarnings() {
		e.collector.Warn(w)
	}
	e.timeline = fault.NewTimeline(planned, fault.Options{Dir: e.lab.FaultDir, Run: e.record.ID(), Notify: e.noteFault})
	return nil
}

func tcpEffect(f *plan.TCPFault) tcp.Effect {
	e := tcp.Effect{
		Cut: f.Cut, Reset: f.Reset, BlackHole: f.BlackHole, Latency: f.Latency, Jitter: f.Jitter, Bandwidth: f.Bandwidth,
		SlowClose: f.SlowClose, LimitBytes: f.LimitBytes, MaxConnections: f.MaxConnections, Share: f.Share,
	}
	if f.Upstream {
		e.Direction = tcp.Upstream
	}
	return e
}

func webEffect(f *plan.HTTPFault) webfault.Effect {
	return webfault.Effect{
		Delay: f.Delay, Status: f.Status, RetryAfter: f.RetryAfter, Abort: f.Abort, Malformed: f.Malformed,
		Method: f.Method, Path: f.Path, Share: f.Share,
	}
}

func hookOf(h *plan.Hook) *fault.Hook {
	action := func(command []string, url string) fault.Action {
		a := fault.Action{Command: command, Timeout: h.Timeout}
		if url != "" {
			a.Call = &fault.Call{Method: "POST", URL: url}
		}
		return a
	}
	return &fault.Hook{Begin: action(h.Command, h.Post), End: action(h.Undo, h.UndoPost)}
}

// noteFault makes events of what happens to a fault.
func (e *experiment) noteFault(r fault.Record) {
	what := r.Name
	if r.Target != "" {
		what += " of " + r.Target
	}
	switch {
	case r.Err != nil:
		e.happened(event.Event{Time: time.Now(), Kind: event.Fault, Severity: event.Error, Text: r.Err.Error()})
		e.log().Error("a fault failed", "fault", r.Name, "target", r.Target, "error", r.Err)
	case r.Undone:
		e.happened(event.Event{Time: r.End, Since: r.Start, Kind: event.Fault, Text: what + " is undone"})
	default:
		e.happened(event.Event{Time: r.Start, Kind: event.Fault, Severity: event.Warning, Text: what + " begins"})
	}
}

// startFaults plays the timeline from the start of the load on, in the background. The function it returns ends it, undoes what
// is in force, and waits for that; so does the graceful end of the run.
func (e *experiment) startFaults(ctx context.Context) (mend func()) {
	if e.timeline == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var playing sync.WaitGroup
	playing.Go(func() {
		select {
		case <-e.stop:
			cancel()
		case <-ctx.Done():
		}
	})
	playing.Go(func() {
		select {
		case start := <-e.started:
			_ = e.timeline.Run(ctx, start) // the records have its errors
		case <-ctx.Done():
		}
	})
	return func() {
		cancel()
		playing.Wait()
	}
}

// unused says that nothing came to a proxy, so that a fault of it was none; empty: something did.
func (e *experiment) unused(name string) string {
	for i := range e.o.Plan.Proxies {
		p := &e.o.Plan.Proxies[i]
		var one proxy = e.tcp[p.Name]
		if p.HTTP {
			one = e.web[p.Name]
		}
		if p.Name == name && !one.Used() {
			if _, port, _ := net.SplitHostPort(p.Listen); port == "0" {
				return fmt.Sprintf("nothing has connected to the proxy; it listens on another port in every run: give it one in listen, and point the service under test there instead of at %s", p.Upstream)
			}
			return fmt.Sprintf("nothing has connected to the proxy; point the service under test at %s instead of %s", p.Listen, p.Upstream)
		}
	}
	return ""
}

// broke notes what became of the faults.
func (e *experiment) broke(start time.Time) {
	if e.timeline == nil {
		return
	}
	var rows []report.Fault
	for _, r := range e.timeline.Records() {
		since := func(t time.Time) *float64 {
			if t.IsZero() {
				return nil
			}
			s := t.Sub(start).Round(time.Microsecond).Seconds()
			return &s
		}
		row := report.Fault{
			Name: r.Name, Target: r.Target, At: r.At.Seconds(), For: r.For.Seconds(),
			Asked: since(r.Asked), Start: since(r.Start), Undoing: since(r.Undoing), End: since(r.End), Undone: r.Undone,
		}
		switch {
		case r.Err != nil:
			row.Error = r.Err.Error()
			e.judge.FaultFailed(row.Error)
		case r.Started() && e.unused(r.Target) != "":
			row.Error = e.unused(r.Target)
			e.judge.FaultFailed(fmt.Sprintf("the fault %s of %s had nothing to break: %s", r.Name, r.Target, row.Error))
		}
		rows = append(rows, row)
	}
	e.faults = rows
	e.collector.Faults(rows)
}
