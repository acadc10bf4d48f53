// Package compare says whether a run is worse than those before it, in every metric and for every request.
//
// [Measure] takes from a run what it is compared by; that is small and kept with the run. [Against] compares one with others.
// Which runs may be compared with each other is for engine/history to say; the statistics are those of engine/stat.
package compare

import (
	"time"

	"tidegauge/engine/stat"
	"tidegauge/engine/timeline"
)

// valuesSchema names the JSON form of Values and its version.
const valuesSchema = "tidegauge.values/v1"

// The metrics of a stretch of constant load; the figures of an answer have their own names.
const (
	P50      = "p50"
	P95      = "p95"
	P99      = "p99"
	P999     = "p99.9"
	Errors   = "errors"
	GoodRate = "good requests"
)

// batches is into how many stretches a run is cut to see how much it varies inside (batch means: Conway, Management Science
// 10, 1963; ten to thirty of them: Schmeiser, Operations Research 30, 1982).
const batches = 10

// Values are what a run came to, in the form that runs are compared in.
type Values struct {
	Schema string  `json:"schema"`
	From   float64 `json:"from"` // seconds from the start of the run: of what is compared, the warm-up left out
	To     float64 `json:"to"`
	// Problem says why nothing of the run can be compared, Unsteady why its latencies cannot. Empty: they can.
	Problem  string  `json:"problem,omitempty"`
	Unsteady string  `json:"unsteady,omitempty"`
	Imported string  `json:"imported,omitempty"` // another tool that made the run: what is compared with it is only indicative
	Values   []Value `json:"values"`
	// Phases and Traces help to explain what is worse: the mean request of the run, and some requests that are in a trace.
	Phases []Part  `json:"phases,omitempty"`
	Traces []Trace `json:"traces,omitempty"`
}

// Median returns the median response time of a request, CLASS / NAME, in seconds; 0 where it is not known.
func (v *Values) Median(request string) float64 {
	for i := range v.Values {
		if o := &v.Values[i]; o.Request == request && o.Metric == P50 {
			return o.Value
		}
	}
	return 0
}

// Value is one metric of a run.
type Value struct {
	Request  string  `json:"request,omitempty"` // CLASS / NAME; empty: all requests together
	Of       string  `json:"of,omitempty"`      // the scrape job of a server's metric, or what a figure of the answer is about
	Figure   string  `json:"figure,omitempty"`  // of the answer: its name in the catalog of metrics
	Metric   string  `json:"metric"`
	Unit     string  `json:"unit,omitempty"`     // of a server's metric or a figure
	Value    float64 `json:"value"`              // in its unit; of requests in seconds, per second, or a ratio
	Variance float64 `json:"variance,omitempty"` // of its logarithm, by what happened inside the run; 0: not known
	Count    uint64  `json:"count,omitempty"`    // of a ratio: of how many
}

func (v *Value) key() key { return key{v.Request, v.Metric, v.Of, v.Figure, v.Unit} }

var quantiles = []struct {
	metric string
	q      float64
}{{P50, 0.5}, {P95, 0.95}, {P99, 0.99}, {P999, 0.999}}

// Between returns the values of a stretch of a run, none so far.
func Between(from, to time.Duration) Values {
	return Values{Schema: valuesSchema, From: from.Seconds(), To: to.Seconds()}
}

// Measure takes the values of a stretch of constant load, from one offset from the start to another: quantiles of good
// requests, for which there are enough of them, the share of failed ones, and good ones per second.
func Measure(t *timeline.Timeline, from, to time.Duration) Values {
	return valuesBetween(t, from, to, func(n uint64, q float64) bool { return stat.QuantileWarning(n, q) == "" })
}

// beyondBlock is how many requests of a block have to lie beyond a quantile.
const beyondBlock = 5

// MeasureBlock is Measure for one of many blocks that are compared in pairs: fewer requests are enough for a quantile, since what
// that adds is in the differences of the pairs, and to both sides alike.
func MeasureBlock(t *timeline.Timeline, from, to time.Duration) Values {
	return valuesBetween(t, from, to, func(n uint64, q float64) bool { return float64(n)*(1-q) >= beyondBlock })
}

func valuesBetween(t *timeline.Timeline, from, to time.Duration, enough func(n uint64, q float64) bool) Values {
	v := Between(from, to)
	// In whole buckets, so that every batch is as long as its requests say.
	w := t.Width()
	first, last := int((from+w-1)/w), min(int(to/w), len(t.Buckets()))
	between := func(i, j int) timeline.Bucket { return t.Between(time.Duration(i)*w, time.Duration(j)*w) }
	n := last - first
	var whole timeline.Bucket
	if n > 0 {
		whole = between(first, last)
	}
	if whole.Requests() == 0 {
		v.Problem = "nothing was measured under constant load"
		return v
	}
	parts := make([]timeline.Bucket, min(batches, n))
	var rates []float64
	for i := range parts {
		begin, end := first+i*n/len(parts), first+(i+1)*n/len(parts)
		parts[i] = between(begin, end)
		rates = append(rates, float64(parts[i].Good)/(time.Duration(end-begin)*w).Seconds())
	}
	total := func(b *timeline.Bucket) *timeline.Slice {
		return &timeline.Slice{Good: b.Good, Failed: b.Failed, Response: b.Response}
	}
	v.Values = appendSlice(v.Values, "", &whole, parts, enough, total)
	if whole.Good > 0 {
		rate := float64(whole.Good) / (time.Duration(n) * w).Seconds()
		v.Values = append(v.Values, Value{Metric: GoodRate, Value: rate, Variance: stat.MeanVariance(rates)})
	}
	names := t.Names()
	for i := range whole.Slices {
		q := names.Requests[i]
		v.Values = appendSlice(v.Values, q.Class+" / "+q.Name, &whole, parts, enough, func(b *timeline.Bucket) *timeline.Slice {
			if i >= len(b.Slices) {
				return &timeline.Slice{}
			}
			return &b.Slices[i]
		})
	}
	return v
}

// appendSlice appends the values of one request, or of all.
func appendSlice(all []Value, request string, whole *timeline.Bucket, parts []timeline.Bucket, enough func(n uint64, q float64) bool, of func(*timeline.Bucket) *timeline.Slice) []Value {
	s := of(whole)
	if s.Good+s.Failed == 0 {
		return all
	}
	var counted []stat.Counted
	for i := range parts {
		counted = append(counted, &of(&parts[i]).Response)
	}
	for _, q := range quantiles {
		if s.Good == 0 || !enough(s.Good, q.q) {
			continue
		}
		if v := s.Response.Quantile(q.q); v > 0 {
			all = append(all, Value{Request: request, Metric: q.metric, Value: v, Variance: stat.QuantileVariance(&s.Response, counted, q.q)})
		}
	}
	n := s.Good + s.Failed
	return append(all, Value{Request: request, Metric: Errors, Value: float64(s.Failed) / float64(n), Count: n})
}
