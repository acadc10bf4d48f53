package plan

import (
	"time"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/document"
)

// What tracing is where the plan does not say.
const (
	DefaultTraceRatio = 0.01
	DefaultTraceSlow  = time.Second // where no objective says what is slow
)

// Trace says which requests are to be traced.
type Trace struct {
	Pos   Pos
	On    bool
	Ratio float64       // of iterations that are sampled, 0..1
	Slow  time.Duration // requests that took longer are exported in any case; 0: as the objectives say
}

const traceForm = document.RatioForm + "; or {ratio: 1%, slow: 500ms}"

// trace reads a ratio, or a mapping.
func (d *decoder) trace(n node) Trace {
	t := Trace{Pos: d.Pos(n), On: true, Ratio: DefaultTraceRatio}
	if n.Kind != yaml.MappingNode {
		document.Into(&t.Ratio, document.Read(d.Decoder, traceForm, document.ParseRatio))(n)
		return t
	}
	d.Mapping(n, "tracing",
		document.Key("ratio", document.Into(&t.Ratio, document.Read(d.Decoder, document.RatioForm, document.ParseRatio))),
		document.Key("slow", document.Into(&t.Slow, d.Positive)),
	)
	return t
}

// SlowLimit returns the response time above which a request of the test is slow: what the trace says, else the tightest
// objective on the tail of response times, else DefaultTraceSlow.
func (t *Trace) SlowLimit(test *Test) time.Duration {
	if t.Slow > 0 {
		return t.Slow
	}
	tightest := time.Duration(0)
	for i := range test.Objectives {
		o := &test.Objectives[i]
		if limit := time.Duration(o.Threshold * float64(time.Second)); o.limitsTail() && limit > 0 && (tightest == 0 || limit < tightest) {
			tightest = limit
		}
	}
	if tightest == 0 {
		return DefaultTraceSlow
	}
	return tightest
}

// limitsTail reports whether the objective says how long a request may take at most. One on the median or the mean does
// not: half of the requests of a healthy run may be above it.
func (o *Objective) limitsTail() bool {
	const tail = 0.9
	return (o.Op == "<" || o.Op == "<=") && (o.Metric == Quantile && o.Quantile >= tail || o.Metric == Maximum)
}
