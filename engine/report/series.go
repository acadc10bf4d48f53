package report

import (
	"slices"
	"time"

	"tidegauge/engine/hist"
	"tidegauge/engine/measure"
)

const (
	maxPoints = 600         // when there are more, they are merged in pairs
	minPoint  = time.Second // the width of a point at first
)

// series is the run over time in a bounded number of points. Quantiles of merged points are those of their merged
// histograms, never means of quantiles.
type series struct {
	points []point
	width  time.Duration // that a point has to reach
}

type point struct {
	from, to         time.Time
	finished, failed uint64
	users            int
	rate             float64
	times            hist.Histogram
}

func (p *point) merge(o *point) {
	p.to = o.to
	p.finished += o.finished
	p.failed += o.failed
	p.users = max(p.users, o.users)
	p.rate = o.rate
	p.times.Merge(&o.times)
}

// add adds the interval that ends with s.
func (c *series) add(s *measure.Snapshot) {
	if !s.Time.After(s.Since) {
		return
	}
	sum := s.Delta.Sum(s.Names, nil)
	p := point{from: s.Since, to: s.Time, finished: sum.Finished, failed: sum.Failed, users: s.PeakUsers, rate: s.Rate, times: sum.ResponseTime}
	c.width = max(c.width, minPoint)
	// An interval may be a little short, and a boundary between phases splits one in two.
	if n := len(c.points); n > 0 && c.points[n-1].to.Sub(c.points[n-1].from) < c.width*9/10 {
		c.points[n-1].merge(&p)
		return
	}
	if len(c.points) == maxPoints {
		for i := range maxPoints / 2 {
			c.points[i] = c.points[2*i]
			c.points[i].merge(&c.points[2*i+1])
		}
		clear(c.points[maxPoints/2:])
		c.points = c.points[:maxPoints/2]
		c.width *= 2
	}
	c.points = append(c.points, p)
}

func (c *series) report(start time.Time) []Point {
	points := c.points
	// What came after the last full interval is no point of its own: a rate over a few milliseconds means nothing.
	if n := len(points); n > 1 && points[n-1].to.Sub(points[n-1].from) < c.width/2 {
		points = slices.Clone(points[:n-1])
		last := &points[n-2]
		last.times = *last.times.Clone()
		last.merge(&c.points[n-1])
	}
	out := make([]Point, len(points))
	for i := range points {
		p := &points[i]
		length := p.to.Sub(p.from)
		out[i] = Point{
			At: seconds(p.from.Sub(start)), Seconds: seconds(length), Requests: p.finished, Failures: p.failed,
			Rate: significant(float64(p.finished) / length.Seconds()), TargetRate: significant(p.rate), Users: p.users,
			P50: significant(p.times.Quantile(0.5)), P95: significant(p.times.Quantile(0.95)),
			P99: significant(p.times.Quantile(0.99)), Max: significant(p.times.Max()),
		}
	}
	return out
}
