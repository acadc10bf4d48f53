package run

import (
	"time"

	"tidegauge/engine/load"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
)

// gaugeInterval is how often the gauges follow the shape.
const gaugeInterval = 100 * time.Millisecond

// chart tells the recorder where in the shape the run is.
type chart struct {
	course   *course
	recorder *measure.Recorder

	shape   *plan.Shape // the latest seen
	changed <-chan struct{}
	rate    *load.Arrivals  // only asked for its rate
	ends    []time.Duration // of each stage
	planned time.Duration
}

// newChart sets the gauges to the beginning of the shape.
func newChart(c *course, r *measure.Recorder) *chart {
	ch := &chart{course: c, recorder: r}
	ch.read()
	ch.set(0)
	return ch
}

// read takes the shape as it is now.
func (c *chart) read() {
	c.shape, c.changed = c.course.now()
	c.rate, c.planned = load.NewArrivals(c.shape, 0), c.shape.Duration()
	c.ends = c.ends[:0]
	var end time.Duration
	for _, st := range c.shape.Stages {
		end += max(st.Over, 0)
		c.ends = append(c.ends, end)
	}
}

// set sets the gauges to an offset and returns the stage it is in.
func (c *chart) set(t time.Duration) (stage int) {
	stage, phase := load.PhaseAt(c.shape, t)
	g := measure.Gauges{Phase: phase, PhaseID: max(stage, 0), Planned: c.planned}
	if c.shape.Model == plan.Open {
		g.Rate = c.rate.RateAt(t)
	}
	c.recorder.SetGauges(g)
	return stage
}

// follow keeps the gauges and the number of intended iterations up to date until the load is over, and has a snapshot
// taken where a stage ends.
func (c *chart) follow(start time.Time, m model, over <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	stage := c.set(0)
	for {
		next := time.Since(start) + gaugeInterval
		if stage >= 0 && c.ends[stage] < c.planned {
			next = min(next, c.ends[stage])
		}
		if next < c.planned { // what is left belongs to the end
			timer.Reset(next - time.Since(start))
		}
		select {
		case <-timer.C:
		case <-c.changed:
			c.read()
		case <-over:
			m.count()
			c.recorder.Flush()
			stage, phase := load.PhaseAt(c.shape, time.Since(start))
			c.recorder.SetGauges(measure.Gauges{Phase: phase, PhaseID: max(stage, 0), Planned: c.planned}) // no more arrivals
			return
		}
		m.count()
		now := time.Since(start)
		if s, _ := load.PhaseAt(c.shape, now); s != stage {
			c.recorder.Flush()
		}
		stage = c.set(now)
	}
}
