package experiment

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/compare"
	"tidegauge/engine/history"
	"tidegauge/engine/run"
	"tidegauge/engine/stat"
	"tidegauge/engine/store"
	"tidegauge/engine/verdict"
)

const (
	serverBatches = 10 // of a metric of a server inside of a run
	mostServers   = 40 // metrics of servers that a run is compared by
)

// values returns what the run is compared by: what was measured under constant load, of its servers too, and the figures of its
// answer. nil where there is neither.
func (e *experiment) values(ctx context.Context, result run.Result, s *stretch, v *verdict.Verdict, a *answer.Answer) *compare.Values {
	figures := answered(a)
	if s == nil && len(figures) == 0 {
		return nil
	}
	values := compare.Between(0, result.End.Sub(result.Start))
	if s != nil {
		from := s.from + s.settling.WarmUp
		values = compare.Measure(e.seconds, from, s.to)
		values.Unsteady = s.settling.LatencyUnsteady()
		values.Values = append(values.Values, e.servers(ctx, result.Start.Add(from), result.Start.Add(s.to), from, s.to)...)
	}
	values.Values = append(values.Values, figures...)
	values.Phases = phases(e.collector.Totals())
	values.Traces = e.traces.list(e.seconds.Names(), values.Median)
	if why, ok := history.Sound(v); !ok && values.Problem == "" {
		values.Problem = why
	}
	return &values
}

// answered are the figures of an answer that runs are compared by.
func answered(a *answer.Answer) (all []compare.Value) {
	if a == nil {
		return nil
	}
	for i := range a.Figures {
		f := &a.Figures[i]
		if f.Value == nil {
			continue
		}
		if v, ok := compare.Figure(f.Title, f.Metric, f.Subject, f.Unit, *f.Value, f.Low, f.High); ok {
			all = append(all, v)
		}
	}
	return all
}

// servers are the metrics of the servers between two moments, each as a mean over the instances of a job, since instances come and go
// between runs. offset and end are the moments from the start of the run.
func (e *experiment) servers(ctx context.Context, from, to time.Time, offset, end time.Duration) (all []compare.Value) {
	w := watch{e: e, ctx: ctx, start: from, from: from, to: to}
	if len(e.o.Plan.WatchedJobs()) == 0 || !to.After(from) || !w.interval() {
		return nil
	}
	add := func(v compare.Value) {
		same := func(o compare.Value) bool { return o.Metric == v.Metric && o.Of == v.Of }
		if v.Value > 0 && !math.IsInf(v.Value, 0) && len(all) < mostServers && !slices.ContainsFunc(all, same) {
			all = append(all, v)
		}
	}
	scraped := w.step
	sum := e.seconds.Between(offset, end)
	if n := float64(sum.Requests()); n > 0 {
		w.step = max(to.Sub(from)/serverBatches, 3*scraped).Truncate(time.Millisecond)
		perRequest := to.Sub(from).Seconds() / n
		for _, promQL := range e.o.Plan.CPUTimes() {
			// The first point looks back to before the stretch.
			for _, s := range w.read(strings.ReplaceAll(promQL, "$range", fmt.Sprintf("%dms", w.step.Milliseconds()))) {
				v := meanOf(known(s.At[min(1, len(s.At)):]))
				v.Metric, v.Of, v.Unit, v.Value = compare.CPUPerRequest, serverJob(s.Labels), "s", v.Value*perRequest
				add(v)
			}
		}
	}
	w.step = scraped
	back := fmt.Sprintf("%dms", (3 * scraped).Milliseconds())
	for _, r := range e.o.Plan.Watched() {
		for job, at := range byJob(w.read(strings.ReplaceAll(r.PromQL, "$range", back))) {
			v := meanOf(known(at))
			v.Metric, v.Of, v.Unit = r.Name, job, r.Unit
			add(v)
		}
	}
	slices.SortStableFunc(all, func(a, b compare.Value) int { return strings.Compare(a.Of, b.Of) })
	return all
}

func serverJob(labels map[string]string) string {
	if job := labels["job"]; job != "" {
		return job
	}
	return "the servers"
}

// byJob returns the mean of the series of each job, step by step.
func byJob(series []store.Values) map[string][]float64 {
	sums, counts := map[string][]float64{}, map[string][]float64{}
	for _, s := range series {
		job := serverJob(s.Labels)
		if sums[job] == nil {
			sums[job], counts[job] = make([]float64, len(s.At)), make([]float64, len(s.At))
		}
		for i, v := range s.At {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				sums[job][i] += v
				counts[job][i]++
			}
		}
	}
	for job, sum := range sums {
		for i := range sum {
			sum[i] /= counts[job][i] // NaN where there is nothing
		}
	}
	return sums
}

func known(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
}

// meanOf is the mean of values and, by batches, the variance of its logarithm.
func meanOf(values []float64) compare.Value {
	if len(values) == 0 {
		return compare.Value{}
	}
	mean := func(part []float64) float64 {
		sum := 0.0
		for _, v := range part {
			sum += v
		}
		return sum / float64(len(part))
	}
	n := min(serverBatches, len(values))
	batches := make([]float64, n)
	for i := range batches {
		batches[i] = mean(values[i*len(values)/n : (i+1)*len(values)/n])
	}
	return compare.Value{Value: mean(values), Variance: stat.MeanVariance(batches)}
}
