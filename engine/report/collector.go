package report

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"tidegauge/engine/hist"
	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
	"tidegauge/engine/verdict"
)

// CheckpointDue reports whether a run begun at start, whose last checkpoint was at last, is to write another at now: every
// second at first, then when a fifth of the run is new, and every ten seconds at least.
func CheckpointDue(start, last, now time.Time) bool {
	return now.Sub(last) >= min(max(now.Sub(start)/5, time.Second), 10*time.Second)-100*time.Millisecond
}

// maxSamples is how many texts a kind of failure has in the report.
const maxSamples = 5

// Collector watches a run as a measure.Sink and makes its Report. Its memory does not grow with the run. It is safe for
// concurrent use.
type Collector struct {
	meta Meta

	mu         sync.Mutex
	series     series
	events     []Event
	warnings   []string
	servers    []Server
	faults     []Fault
	usersPeak  int
	generator  generator
	start      time.Time
	at         time.Time // of the copy
	final      bool
	names      *measure.Names
	totals     *measure.Totals
	failures   []measure.Failure
	exceptions []measure.Exception
}

// NewCollector returns a collector for the run that meta describes.
func NewCollector(meta Meta) *Collector { return &Collector{meta: meta} }

// Consume implements measure.Sink. It returns no error.
func (c *Collector) Consume(_ context.Context, s *measure.Snapshot) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names == nil {
		c.names = &measure.Names{
			Classes: slices.Clone(s.Names.Classes), Requests: slices.Clone(s.Names.Requests), Checks: slices.Clone(s.Names.Checks),
		}
	}
	if !c.start.Equal(s.Start) { // the first snapshot is from before the start of the run
		c.start, c.at = s.Start, s.Start
	}
	c.usersPeak = max(c.usersPeak, s.PeakUsers)
	c.series.add(s)
	c.generator.add(&s.Health)
	if c.totals == nil || s.Final || CheckpointDue(s.Start, c.at, s.Time) {
		c.at, c.final, c.totals = s.Time, s.Final, s.Total.Clone()
		c.failures, c.exceptions = slices.Clone(s.Failures), slices.Clone(s.Exceptions)
	}
	return nil
}

// Event notes something that happened at a moment: a stop, an abort. Phases are noted by themselves.
func (c *Collector) Event(at time.Time, kind, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := Event{Kind: kind, Text: text}
	if !c.start.IsZero() {
		e.At = seconds(at.Sub(c.start))
	}
	c.events = append(c.events, e)
}

// Warn adds a warning for the reader of the report.
func (c *Collector) Warn(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.warnings = append(c.warnings, text)
}

// Subject says what the system under test turned out to be.
func (c *Collector) Subject(version, commit, branch string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.meta.TargetVersion, c.meta.Commit, c.meta.Branch = version, commit, branch
}

// Servers says what was scraped, and warns of every target that did not always answer.
func (c *Collector) Servers(list []Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers = list
	for i := range list {
		if w := list[i].warning(); w != "" {
			c.warnings = append(c.warnings, w)
		}
	}
}

// Faults says what became of the faults of the test.
func (c *Collector) Faults(list []Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = list
}

// Totals returns the totals of the run as of the last checkpoint, after the final snapshot all of them; nil before the
// first one. Neither side may change them.
func (c *Collector) Totals() *measure.Totals {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.totals
}

// Report makes the report, after the final snapshot in full, before it as of the last checkpoint. v is nil for a
// checkpoint.
func (c *Collector) Report(v *verdict.Verdict) *Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &Report{
		Schema: Schema, Run: c.meta, Complete: c.final, Start: c.start, End: c.at, Seconds: seconds(c.at.Sub(c.start)), Verdict: v,
		Requests: []Row{}, Failures: []Failure{}, Checks: []Check{}, Exceptions: []Exception{}, Classes: []Class{}, Phases: []Phase{},
		UsersPeak: c.usersPeak, Series: c.series.report(c.start), Warnings: append([]string{}, c.warnings...),
		Servers: c.servers, Faults: c.faults, Generator: c.generator.report(),
	}
	r.Events = append(phaseEvents(&c.meta.Shape, r.Seconds), c.events...)
	slices.SortStableFunc(r.Events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	if c.totals != nil {
		c.addRequests(r)
		c.addClasses(r)
		c.addFailures(r)
	}
	return r
}

func (c *Collector) addRequests(r *Report) {
	r.Total = RowOf(c.totals.Sum(c.names, nil), r.Seconds)
	for i, q := range c.names.Requests {
		one := measure.Totals{Requests: c.totals.Requests[i : i+1]}
		row := RowOf(one.Sum(&measure.Names{Requests: c.names.Requests[i : i+1]}, nil), r.Seconds)
		row.Class, row.Name, row.Method = q.Class, q.Name, q.Method
		r.Requests = append(r.Requests, row)
	}
	for i, check := range c.names.Checks {
		q, t := c.names.Requests[check.Request], c.totals.Checks[i]
		r.Checks = append(r.Checks, Check{q.Class, q.Name, q.Method, check.Name, t.Passed, t.Failed})
	}
}

// RowOf returns what was measured of some requests within so many seconds; class, name and method are the caller's.
func RowOf(s measure.Sum, length float64) Row {
	r := Row{
		Count: s.Finished, Failures: s.Failed, Cut: s.ByOutcome[protocol.Cut],
		Response: TimesOf(&s.ResponseTime), Service: TimesOf(&s.ServiceTime),
		BytesSent: s.BytesSent, BytesReceived: s.BytesReceived, Outcomes: map[string]uint64{},
	}
	if length > 0 {
		r.Rate = significant(float64(s.Finished) / length)
	}
	for i, n := range s.ByOutcome {
		if n > 0 {
			r.Outcomes[protocol.Outcome(i).String()] = n
		}
	}
	return r
}

// TimesOf returns what a histogram of seconds says.
func TimesOf(h *hist.Histogram) Times {
	return Times{
		Count: h.Count(), Min: significant(h.Min()), Mean: significant(h.Mean()), P50: significant(h.Quantile(0.5)),
		P95: significant(h.Quantile(0.95)), P99: significant(h.Quantile(0.99)), P999: significant(h.Quantile(0.999)), Max: significant(h.Max()),
	}
}

// significant rounds to six digits: more than a measurement here has.
func significant(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	if err != nil {
		return v
	}
	return rounded
}

func (c *Collector) addClasses(r *Report) {
	var lateness hist.Histogram
	var phases [measure.Phases]hist.Histogram
	for i := range c.totals.Classes {
		t := &c.totals.Classes[i]
		lateness.Merge(&t.Lateness)
		for p := range t.Phases {
			phases[p].Merge(&t.Phases[p])
		}
		r.Classes = append(r.Classes, Class{
			Class: c.names.Classes[i], Iterations: accountOf(t.Iterations),
			Duration: TimesOf(&t.IterationDuration), Lateness: TimesOf(&t.Lateness), Exceptions: t.Exceptions,
		})
	}
	r.Books = Books{accountOf(c.totals.IterationBooks()), accountOf(c.totals.RequestBooks())}
	r.Lateness, r.Blocked = TimesOf(&lateness), TimesOf(&phases[measure.Blocked])
	for p := range phases {
		if phases[p].Count() > 0 {
			r.Phases = append(r.Phases, Phase{measure.Phase(p).String(), TimesOf(&phases[p])})
		}
	}
}

// addFailures counts failures by request and outcome from the totals, which are exact, and takes the texts from the
// bounded table.
func (c *Collector) addFailures(r *Report) {
	for i, q := range c.names.Requests {
		for k := range protocol.Outcomes {
			o := protocol.Outcome(k)
			n := c.totals.Requests[i].Outcomes[k].ResponseTime.Count()
			if n == 0 || !o.Failed() {
				continue
			}
			f := Failure{Class: q.Class, Name: q.Name, Method: q.Method, Outcome: o.String(), Count: n, Samples: []Sample{}}
			for _, row := range c.failures {
				if row.Request == i && row.Outcome == o {
					f.Samples = append(f.Samples, Sample{row.Detail, row.Count, row.First, row.Last})
				}
			}
			slices.SortStableFunc(f.Samples, func(a, b Sample) int { return cmp.Compare(b.Count, a.Count) })
			f.Samples = f.Samples[:min(maxSamples, len(f.Samples))]
			r.Failures = append(r.Failures, f)
		}
	}
	slices.SortStableFunc(r.Failures, func(a, b Failure) int { return cmp.Compare(b.Count, a.Count) })
	for _, e := range c.exceptions {
		r.Exceptions = append(r.Exceptions, Exception(e))
	}
}
