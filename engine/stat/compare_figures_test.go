package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

// environment makes up runs of 27,000 requests, by their values: an effect of the run, which is partly the same in all
// latencies and partly like that of the run before, outlier runs, ten batches that vary with an autocorrelation, and what
// the number of requests allows to know. Requests themselves would take hours.
type environment struct {
	run      float64 // sd of the effect of a run on latencies
	rho      float64 // autocorrelation of it from run to run
	outliers float64 // share of runs that something else disturbed
	errors   float64 // ratio
}

var (
	quietRuns   = environment{run: 0.01, errors: 0.001}
	typicalRuns = environment{run: 0.03, rho: 0.3, outliers: 0.03, errors: 0.001}
	noisyRuns   = environment{run: 0.06, rho: 0.3, outliers: 0.03, errors: 0.001}
)

// The quantities of a made-up run, the latencies first.
var quantities8 = []Quantity{
	{Relative: 0.05, Absolute: 0.001, Margin: 0.1}, // p50
	{Relative: 0.05, Absolute: 0.001, Margin: 0.1}, // p95
	{Relative: 0.1, Absolute: 0.002, Margin: 0.1},  // p99
	{Relative: 0.2, Margin: 0.2},                   // p99.9
	{Scale: Logit, Relative: 0.5, Absolute: 0.001, Excess: 10, Margin: 0.5},
	{More: true, Relative: 0.02, Margin: 0.02}, // throughput
	{Relative: 0.1, Margin: 0.1},               // CPU per request
	{Relative: 0.1, Margin: 0.1},               // memory
}

const requestsOfRun, batchesOfRun = 27_000, 10

// latencies of a log-normal distribution with s = 0.5: the median of 50 ms, the quantile, and what a batch of an n-th of
// the requests does not know of it.
var latencies = []struct{ q, z, density float64 }{{0.5, 0, 0.3989}, {0.95, 1.645, 0.1031}, {0.99, 2.326, 0.02665}, {0.999, 3.090, 0.003367}}

// change is what a release did: factors of the latencies and of errors.
type effectOf struct{ latency, tail, errors float64 }

type bench struct {
	e      environment
	r      *rand.Rand
	common float64
}

func (s *bench) make(by effectOf) []RunValue {
	e, r := s.e, s.r
	s.common = e.rho*s.common + math.Sqrt(1-e.rho*e.rho)*e.run*r.NormFloat64()
	disturbed := r.Float64() < e.outliers
	outlier := 0.0
	if disturbed {
		outlier = 0.05 + 0.25*r.Float64()
	}
	values := make([]RunValue, len(quantities8))
	// Batches are alike in all latencies, and like the one before (AR(1) .6 of intervals of a sixth of a batch is .1 of batches).
	shape, e1 := make([]float64, batchesOfRun), 0.0
	for b := range shape {
		e1 = 0.1*e1 + 0.02*r.NormFloat64()
		shape[b] = e1
		if r.Float64() < 0.01 { // a stall
			shape[b] += 0.1 * r.Float64()
		}
	}
	for i, q := range latencies {
		level := math.Log(0.05) + 0.5*q.z + s.common + e.run*(0.3+0.25*float64(i))*r.NormFloat64() + outlier + math.Log(by.latency)
		if i >= 2 {
			level += math.Log(by.tail)
		}
		sampling := 0.5 * math.Sqrt(q.q*(1-q.q)/(requestsOfRun/batchesOfRun)) / q.density
		y := make([]float64, batchesOfRun)
		for b := range y {
			y[b] = level + shape[b]*(1+0.5*float64(i)) + sampling*r.NormFloat64()
		}
		mean, variance := moments(y)
		values[i] = RunValue{Value: math.Exp(mean), Variance: variance / batchesOfRun}
	}
	failed, rate := 0.0, e.errors*by.errors*math.Exp(0.2*r.NormFloat64())
	for failed < requestsOfRun && r.Float64() < 0.02 { // a burst
		failed += float64(r.IntN(60))
	}
	failed += poisson(r, rate*requestsOfRun)
	values[4] = RunValue{Value: failed / requestsOfRun, Count: requestsOfRun}
	values[5] = RunValue{Value: 150 * math.Exp(0.002*r.NormFloat64()), Variance: 0.001 * 0.001}
	values[6] = RunValue{Value: 0.002 * math.Exp(e.run*r.NormFloat64()+0.5*s.common), Variance: 0.01 * 0.01}
	values[7] = RunValue{Value: 2e8 * math.Exp(0.02*r.NormFloat64()), Variance: 0.0014 * 0.0014} // inside of a run memory hardly varies
	return values
}

func poisson(r *rand.Rand, mean float64) float64 {
	n := 0.0
	for at := r.ExpFloat64(); at < mean; at += r.ExpFloat64() {
		n++
	}
	return n
}

// outcome of one comparison: the run, and two more where it is suspect.
func confirmed(s *bench, n int, by effectOf) (single, final []Comparison, rerun bool) {
	s.common = 0
	for range 10 {
		s.make(effectOf{1, 1, 1})
	}
	samples := make([]Sample, len(quantities8))
	for range n {
		for i, v := range s.make(effectOf{1, 1, 1}) {
			samples[i].Baseline = append(samples[i].Baseline, v)
		}
	}
	for i, v := range s.make(by) {
		samples[i].Quantity, samples[i].Run = quantities8[i], v
	}
	single = Compare(samples)
	for _, c := range single {
		rerun = rerun || c.Judgement == Suspect || c.Unconfirmed || c.Leaning == Suspect || c.Leaning == Regression
	}
	if !rerun {
		return single, single, false
	}
	for range 2 {
		for i, v := range s.make(by) {
			samples[i].Reruns = append(samples[i].Reruns, v)
		}
	}
	return single, Compare(samples), true
}

func regressed(all []Comparison) bool {
	for _, c := range all {
		if c.Judgement == Regression {
			return true
		}
	}
	return false
}

func TestFiguresOfComparison(t *testing.T) {
	same := effectOf{1, 1, 1}
	for k, c := range []struct {
		name        string
		e           environment
		n           int
		by          effectOf
		least, most float64 // share of confirmed regressions
	}{
		{"A/A quiet", quietRuns, 10, same, 0, 0.02},
		{"A/A typical", typicalRuns, 3, same, 0, 0},
		{"A/A typical", typicalRuns, 5, same, 0, 0.02},
		{"A/A typical", typicalRuns, 10, same, 0, 0.02},
		{"A/A typical", typicalRuns, 20, same, 0, 0.02},
		{"A/A noisy", noisyRuns, 5, same, 0, 0.05},
		{"A/A noisy", noisyRuns, 10, same, 0, 0.05},
		{"latency +20%", typicalRuns, 5, effectOf{1.2, 1, 1}, 0.95, 1},
		{"latency +20%", typicalRuns, 10, effectOf{1.2, 1, 1}, 0.95, 1},
		{"latency +10%", typicalRuns, 10, effectOf{1.1, 1, 1}, 0.6, 1},
		{"latency +10%, quiet", quietRuns, 10, effectOf{1.1, 1, 1}, 0.6, 1},
		{"tail +30%", typicalRuns, 10, effectOf{1, 1.3, 1}, 0.85, 1},
		{"errors x3", typicalRuns, 10, effectOf{1, 1, 3}, 0.4, 1},
		{"errors x10", typicalRuns, 10, effectOf{1, 1, 10}, 0.95, 1},
	} {
		rounds := 1000.0
		if c.by != same {
			rounds = 400
		}
		s := &bench{e: c.e, r: rand.New(rand.NewPCG(uint64(k), 5))}
		var found, alone, reruns float64
		for range int(rounds) {
			single, final, rerun := confirmed(s, c.n, c.by)
			if regressed(final) {
				found++
			}
			if regressed(single) {
				alone++
			}
			if rerun {
				reruns++
			}
		}
		found, alone, reruns = found/rounds, alone/rounds, reruns/rounds
		t.Logf("%-20s %2d runs: %5.1f%% regressions, %5.1f%% without reruns; %5.1f%% rerun", c.name, c.n, 100*found, 100*alone, 100*reruns)
		if found < c.least || found > c.most {
			t.Errorf("%s with %d runs: %.1f%% regressions, want %.0f%% to %.0f%%", c.name, c.n, 100*found, 100*c.least, 100*c.most)
		}
	}
}

func TestFiguresOfPairs(t *testing.T) {
	s := &bench{e: typicalRuns, r: rand.New(rand.NewPCG(9, 5))}
	const rounds, blocks = 1000, 6
	for _, c := range []struct {
		by          effectOf
		least, most float64
	}{{effectOf{1, 1, 1}, 0, 0.05}, {effectOf{1.1, 1, 1}, 0.3, 1}, {effectOf{1.2, 1, 1}, 0.8, 1}} {
		found := 0.0
		for range rounds {
			a, b := make([][]RunValue, len(quantities8)), make([][]RunValue, len(quantities8))
			for range blocks {
				for i, v := range s.make(effectOf{1, 1, 1}) {
					a[i] = append(a[i], v)
				}
				for i, v := range s.make(c.by) {
					b[i] = append(b[i], v)
				}
			}
			if regressed(ComparePaired(quantities8, a, b)) {
				found++
			}
		}
		found /= rounds
		t.Logf("latency x%.1f in %d blocks: %.1f%% regressions", c.by.latency, blocks, 100*found)
		if found < c.least || found > c.most {
			t.Errorf("latency x%.1f: %.1f%% regressions, want %.0f%% to %.0f%%", c.by.latency, 100*found, 100*c.least, 100*c.most)
		}
	}
}
