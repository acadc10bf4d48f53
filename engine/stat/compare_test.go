package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"tidegauge/engine/hist"
)

var (
	latency = Quantity{Relative: 0.05, Absolute: 0.001, Margin: 0.1}
	failed  = Quantity{Scale: Logit, Relative: 0.5, Absolute: 0.001, Excess: 10, Margin: 0.5}
	through = Quantity{More: true, Relative: 0.02, Margin: 0.02}
)

// runsOf are runs that vary by 1% inside.
func runsOf(values ...float64) []RunValue {
	var all []RunValue
	for _, v := range values {
		all = append(all, RunValue{Value: v, Variance: 1e-4, Count: 10_000})
	}
	return all
}

func TestCompare(t *testing.T) {
	usual := runsOf(0.100, 0.102, 0.098, 0.101, 0.099, 0.100, 0.103, 0.097)
	one := func(v float64) RunValue { return runsOf(v)[0] }
	for name, c := range map[string]struct {
		sample      Sample
		want        Judgement
		unconfirmed bool
		leaning     Judgement
	}{
		"the same":                          {Sample{latency, usual, one(0.1), nil}, Passed, false, ""},
		"far slower":                        {Sample{latency, usual, one(0.13), nil}, Regression, true, ""},
		"slower":                            {Sample{latency, usual, one(0.1055), nil}, Suspect, false, ""},
		"slower, reruns too":                {Sample{latency, usual, one(0.13), runsOf(0.128, 0.131)}, Regression, false, ""},
		"slower, reruns not":                {Sample{latency, usual, one(0.13), runsOf(0.1, 0.101)}, Passed, false, ""},
		"slower, one rerun is an outlier":   {Sample{latency, usual, one(0.13), runsOf(0.1, 0.18)}, Inconclusive, false, ""},
		"a little slower, certainly":        {Sample{latency, runsOf(0.1, 0.1, 0.1, 0.1, 0.1), one(0.104), nil}, Passed, false, ""},
		"slower by less than 1 ms":          {Sample{latency, runsOf(0.001, 0.001, 0.001, 0.001, 0.001, 0.001), one(0.0015), nil}, Inconclusive, false, ""},
		"faster":                            {Sample{latency, usual, one(0.08), nil}, Improvement, false, ""},
		"too noisy to tell":                 {Sample{latency, runsOf(0.07, 0.13, 0.09, 0.15, 0.1), one(0.12), nil}, Inconclusive, false, ""},
		"far slower than one run":           {Sample{latency, usual[:1], one(0.3), nil}, Indicative, false, Regression},
		"far slower than one run, reruns":   {Sample{latency, usual[:1], one(0.3), runsOf(0.3, 0.3)}, Indicative, false, Regression},
		"the same as four":                  {Sample{latency, usual[:4], one(0.1), nil}, Indicative, false, Passed},
		"nothing to compare with":           {Sample{latency, nil, one(0.1), nil}, Invalid, false, ""},
		"one run of which nothing is known": {Sample{latency, []RunValue{{Value: 0.1}}, RunValue{Value: 0.1}, nil}, Invalid, false, ""},
		"not measured":                      {Sample{latency, usual, one(math.NaN()), nil}, Invalid, false, ""},
		"zero":                              {Sample{latency, usual, one(0), nil}, Invalid, false, ""},
		"no errors at all":                  {Sample{failed, runsOf(0, 0, 0, 0, 0, 0), one(0), nil}, Passed, false, ""},
		"errors where there were none":      {Sample{failed, runsOf(0, 0, 0, 0, 0, 0), one(0.01), nil}, Regression, true, ""},
		"few errors where there were none":  {Sample{failed, runsOf(0, 0, 0, 0, 0, 0), one(0.0005), nil}, Inconclusive, false, ""},
		"everything fails":                  {Sample{failed, runsOf(0, 0, 0, 0, 0, 0), one(1), runsOf(1, 1)}, Regression, false, ""},
		"fewer errors":                      {Sample{failed, runsOf(0.1, 0.1, 0.1, 0.1, 0.1, 0.1), one(0.01), nil}, Improvement, false, ""},
		"less throughput":                   {Sample{through, runsOf(100, 100, 101, 99, 100, 100), one(80), runsOf(80, 81)}, Regression, false, ""},
		"more throughput":                   {Sample{through, runsOf(100, 100, 101, 99, 100, 100), one(130), nil}, Improvement, false, ""},
	} {
		got := Compare([]Sample{c.sample})[0]
		if got.Judgement != c.want || got.Unconfirmed != c.unconfirmed || got.Leaning != c.leaning {
			t.Errorf("%s: %s (unconfirmed %v, leaning %q), want %s (%v, %q): %+v", name, got.Judgement, got.Unconfirmed, got.Leaning, c.want, c.unconfirmed, c.leaning, got)
		}
	}
}

func TestComparisonGivesTheEffect(t *testing.T) {
	c := Compare([]Sample{{latency, runsOf(0.1, 0.102, 0.098, 0.101, 0.099, 0.5), runsOf(0.15)[0], runsOf(0.12, 0.12)}})[0]
	if c.Judgement != Regression || math.Abs(c.Change-0.2) > 0.001 || math.Abs(c.Before-0.1) > 0.0001 || math.Abs(c.After-0.12) > 1e-9 {
		t.Errorf("the effect is %+v, want +20%% from 0.1, of the reruns alone", c)
	}
	if !slices.Equal(c.Trimmed, []int{5}) || c.Runs != 5 || c.Fresh != 2 || len(c.Warnings) != 1 {
		t.Errorf("trimmed %v of which %d are left, %d fresh, warnings %q", c.Trimmed, c.Runs, c.Fresh, c.Warnings)
	}
	if !c.Interval.Contains(0.2) || c.Interval.Low < 0.1 || c.Interval.High > 0.3 || c.Detectable < 0.05 || c.Detectable > 0.15 {
		t.Errorf("interval %+v, detectable %.3f", c.Interval, c.Detectable)
	}
}

func TestOneRunIsNeverEnough(t *testing.T) {
	s := &bench{e: noisyRuns, r: rand.New(rand.NewPCG(7, 5))}
	leaning := 0
	for range 1000 {
		_, all, _ := confirmed(s, 1, effectOf{1.3, 1.3, 10})
		for _, c := range all {
			if c.Judgement != Indicative || !(math.Abs(c.Detectable) > 0) {
				t.Fatalf("against one run: %+v, want %s and what could be detected", c, Indicative)
			}
			if c.Leaning == Regression {
				leaning++
			}
		}
	}
	if leaning < 500 {
		t.Errorf("%d of 1,000 lean towards a regression, want most", leaning)
	}
}

func TestKappa(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 5))
	var runs []RunValue
	for range 400 {
		runs = append(runs, RunValue{Value: math.Exp(0.05 * r.NormFloat64()), Variance: 1e-4})
	}
	if got := Kappa(latency, runs); math.Abs(got-25) > 5 {
		t.Errorf("Kappa = %.1f, want 25", got)
	}
	if got := Kappa(latency, runs[:MinKappaRuns-1]); got != 0 {
		t.Errorf("Kappa of too few runs = %.1f, want 0", got)
	}
}

// The variance of a quantile from the batches of one run is that of the quantile over many runs.
func TestQuantileVariance(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 5))
	for _, q := range []float64{0.5, 0.95, 0.99} {
		var logs, inside []float64
		for range 150 {
			var all hist.Histogram
			var batches []Counted
			effect := 0.0
			for range 10 {
				b := new(hist.Histogram)
				for range 40 { // stretches in which requests are alike
					effect = 0.6*effect + 0.05*r.NormFloat64()
					for range 20 {
						b.Record(0.05 * math.Exp(effect+0.5*r.NormFloat64()))
					}
				}
				batches = append(batches, b)
				all.Merge(b)
			}
			logs = append(logs, math.Log(all.Quantile(q)))
			inside = append(inside, QuantileVariance(&all, batches, q))
		}
		_, want := moments(logs)
		if got := meanOf(inside); got < want*0.6 || got > want*1.7 {
			t.Errorf("q %.2f: a variance of %.2e, want about %.2e", q, got, want)
		}
	}
	if v := QuantileVariance(new(hist.Histogram), nil, 0.5); v != 0 {
		t.Errorf("of nothing: %v", v)
	}
}

func TestMeanVariance(t *testing.T) {
	if got, want := MeanVariance([]float64{9, 11, 10, 10}), 2.0/3/4/100; math.Abs(got-want) > 1e-12 {
		t.Errorf("MeanVariance = %v, want %v", got, want)
	}
	for _, x := range [][]float64{nil, {1}, {0, 0}, {math.NaN(), 1}} {
		if got := MeanVariance(x); got != 0 {
			t.Errorf("MeanVariance(%v) = %v, want 0", x, got)
		}
	}
}

func FuzzCompare(f *testing.F) {
	f.Add([]byte{10, 11, 12, 10, 11, 30, 31, 32}, true, false)
	f.Add([]byte{0, 0, 255, 0, 254, 0, 0, 253}, false, true)
	f.Fuzz(func(t *testing.T, data []byte, logit, more bool) {
		q := Quantity{More: more, Relative: 0.05, Margin: 0.1}
		if logit {
			q.Scale = Logit
		}
		var runs []RunValue
		for i, b := range data {
			v := RunValue{Value: float64(b) / 200, Variance: float64(i%3) * 1e-4, Count: float64(b) * 10}
			switch b {
			case 255:
				v.Value = math.NaN()
			case 254:
				v.Value = math.Inf(1)
			case 253:
				v.Value, v.Variance = 1e300, math.Inf(1)
			}
			runs = append(runs, v)
		}
		if len(runs) < 3 {
			return
		}
		n := len(runs)
		for _, c := range slices.Concat(Compare([]Sample{{q, runs[:n-3], runs[n-3], runs[n-2:]}, {q, runs[:n-1], runs[n-1], nil}}),
			ComparePaired([]Quantity{q}, [][]RunValue{runs[:n/2]}, [][]RunValue{runs[n/2:]})) {
			if c.Judgement == "" || !(c.P >= 0 && c.P <= 1) {
				t.Fatalf("%+v of %+v", c, runs)
			}
			if c.Judgement == Regression && (c.Runs+len(c.Trimmed) < MinBaseline || !c.Worse) {
				t.Fatalf("a regression: %+v of %+v", c, runs)
			}
		}
	})
}

func ExampleCompare() {
	var baseline []RunValue
	for _, p95 := range []float64{0.101, 0.099, 0.100, 0.103, 0.098, 0.100, 0.102} {
		baseline = append(baseline, RunValue{Value: p95, Variance: 1e-4})
	}
	p95 := Quantity{Relative: 0.05, Absolute: 0.001, Margin: 0.1}
	found := Compare([]Sample{{Quantity: p95, Baseline: baseline, Run: RunValue{Value: 0.121, Variance: 1e-4},
		Reruns: []RunValue{{Value: 0.119, Variance: 1e-4}, {Value: 0.122, Variance: 1e-4}}}})
	fmt.Printf("%s: %+.0f%% [%+.0f%%, %+.0f%%]\n", found[0].Judgement, 100*found[0].Change, 100*found[0].Interval.Low, 100*found[0].Interval.High)
	// Output: regression: +20% [+14%, +26%]
}
