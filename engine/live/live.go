// Package live says how a run stands while it lasts, in figures that a display needs.
package live

import (
	"time"

	"tidegauge/engine/hist"
	"tidegauge/engine/measure"
)

// Span is over how many intervals the figures of Recent are taken, at most.
const Span = 5

// Progress is how a run stands after an interval. Times are in seconds, response times from the intended start; those of an
// interval without requests are 0.
type Progress struct {
	Seconds   float64 `json:"seconds"` // since the start of the load
	Planned   float64 `json:"planned"` // length of the load
	Phase     string  `json:"phase"`
	PhaseID   int     `json:"phase_id"` // index of the stage; it changes where a stage begins
	Users     int     `json:"users"`
	Arrivals  float64 `json:"arrivals"`   // intended, per second
	Rate      float64 `json:"rate"`       // requests finished per second, in the interval
	ErrorRate float64 `json:"error_rate"` // in the interval
	P50       float64 `json:"p50"`        // in the interval, as the three below
	P95       float64 `json:"p95"`
	P99       float64 `json:"p99"`
	Max       float64 `json:"max"`
	Requests  uint64  `json:"requests"` // finished since the start
	Failures  uint64  `json:"failures"`
	Recent    Recent  `json:"recent"`
	Final     bool    `json:"final,omitempty"` // no interval comes after it
}

// Recent is what came within the latest Span intervals.
type Recent struct {
	Requests uint64  `json:"requests"` // finished
	Failures uint64  `json:"failures"`
	Rate     float64 `json:"rate"` // of these per second
	P50      float64 `json:"p50"`
	P95      float64 `json:"p95"`
	P99      float64 `json:"p99"`
	Max      float64 `json:"max"`
}

// Meter makes Progress of the snapshots of one run. The zero Meter is ready; it is not safe for concurrent use.
type Meter struct {
	now    Progress
	recent []part
}

// part is what came within one interval.
type part struct {
	length   time.Duration
	response hist.Histogram
	finished uint64
	failed   uint64
}

// Add takes the next snapshot and returns how the run stands with it.
func (m *Meter) Add(s *measure.Snapshot) Progress {
	p := &m.now
	total := s.Total.Sum(s.Names, nil)
	p.Seconds, p.Planned = s.Time.Sub(s.Start).Seconds(), s.Planned.Seconds()
	p.Phase, p.PhaseID, p.Arrivals, p.Final = s.Phase, s.PhaseID, s.Rate, s.Final
	p.Requests, p.Failures = total.Finished, total.Failed
	if length := s.Time.Sub(s.Since); length > 0 {
		m.interval(s, length)
	}
	return *p
}

func (m *Meter) interval(s *measure.Snapshot, length time.Duration) {
	p := &m.now
	sum := s.Delta.Sum(s.Names, nil)
	p.Users, p.Rate, p.ErrorRate = s.PeakUsers, float64(sum.Finished)/length.Seconds(), 0
	if sum.Finished > 0 {
		p.ErrorRate = float64(sum.Failed) / float64(sum.Finished)
	}
	p.P50, p.P95, p.P99, p.Max = quantiles(&sum.ResponseTime)

	if len(m.recent) == Span {
		copy(m.recent, m.recent[1:])
		m.recent = m.recent[:Span-1]
	}
	m.recent = append(m.recent, part{length, sum.ResponseTime, sum.Finished, sum.Failed})
	var all hist.Histogram
	var over time.Duration
	p.Recent = Recent{}
	for i := range m.recent {
		all.Merge(&m.recent[i].response)
		p.Recent.Requests += m.recent[i].finished
		p.Recent.Failures += m.recent[i].failed
		over += m.recent[i].length
	}
	p.Recent.Rate = float64(p.Recent.Requests) / over.Seconds()
	p.Recent.P50, p.Recent.P95, p.Recent.P99, p.Recent.Max = quantiles(&all)
}

func quantiles(h *hist.Histogram) (p50, p95, p99, most float64) {
	if h.Count() == 0 {
		return 0, 0, 0, 0
	}
	return h.Quantile(0.5), h.Quantile(0.95), h.Quantile(0.99), h.Quantile(1)
}
